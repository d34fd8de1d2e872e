//! A frame as SVG and as text. Every character of a cell goes through XML escaping, and what a cell holds was
//! cleaned before it got there.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// The size of a character, which fonts for terminals share near enough.
const CELL: (f32, f32) = (8.4, 17.0);
const MARGIN: f32 = 12.0;
/// How far below the top of a cell its letters stand.
const BASELINE: f32 = 12.8;
/// The usual sixteen, for themes that leave colours to the terminal.
const SIXTEEN: [&str; 16] = [
    "#14171c", "#d9534f", "#4fae6a", "#d0a43c", "#5b8def", "#b877db", "#3fb0c0", "#c7ccd4",
    "#5c6673", "#ff7a6b", "#8fe3a8", "#f2c14e", "#8ab4ff", "#dba5ff", "#7fdfee", "#ffffff",
];

/// The colours of a picture where a frame says nothing about them.
const LETTERS: &str = "#d7dce4";
const GROUND: &str = "#14171c";

/// The frame as lines of text, without spaces at their ends.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for row in rows(buffer) {
        let mut line = String::new();
        let mut covered = 0;
        for cell in row {
            if covered > 0 {
                covered -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            covered = cell.symbol().width().saturating_sub(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The frame as an SVG picture with a name for those who cannot see it.
pub fn svg(buffer: &Buffer, name: &str) -> String {
    let columns = f32::from(buffer.area.width);
    let lines = f32::from(buffer.area.height);
    let (width, height) = (
        columns * CELL.0 + 2.0 * MARGIN,
        lines * CELL.1 + 2.0 * MARGIN,
    );
    let ground = buffer
        .content
        .first()
        .map_or_else(|| GROUND.to_owned(), |cell| colour(cell.bg, GROUND));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{}\">\n\
         <style>text {{ font: 14px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; \
         white-space: pre }}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{ground}\"/>\n",
        escape(name)
    );
    for (line, row) in rows(buffer).enumerate() {
        for run in runs(row) {
            draw(&mut out, &run, line, &ground);
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Neighbouring cells that look the same.
struct Run {
    column: usize,
    columns: usize,
    text: String,
    letters: String,
    ground: String,
    mods: Modifier,
}

fn runs(row: &[Cell]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut covered = 0;
    for (column, cell) in row.iter().enumerate() {
        if covered > 0 {
            covered -= 1;
            if let Some(run) = runs.last_mut() {
                run.columns += 1;
            }
            continue;
        }
        covered = cell.symbol().width().saturating_sub(1);
        let (mut letters, mut ground) = (colour(cell.fg, LETTERS), colour(cell.bg, GROUND));
        if cell.modifier.contains(Modifier::REVERSED) {
            std::mem::swap(&mut letters, &mut ground);
        }
        match runs.last_mut() {
            // A picture is as wide as its font wants; only short runs keep columns in line where it is another.
            Some(run)
                if run.letters == letters && run.ground == ground && run.mods == cell.modifier =>
            {
                run.text.push_str(cell.symbol());
                run.columns += 1;
            }
            _ => runs.push(Run {
                column,
                columns: 1,
                text: cell.symbol().to_owned(),
                letters,
                ground,
                mods: cell.modifier,
            }),
        }
    }
    runs
}

fn draw(out: &mut String, run: &Run, line: usize, ground: &str) {
    let at = |cells: usize, size: f32| f32::from(u16::try_from(cells).unwrap_or(u16::MAX)) * size;
    let (x, y) = (MARGIN + at(run.column, CELL.0), MARGIN + at(line, CELL.1));
    let width = at(run.columns, CELL.0);
    if run.ground != ground {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
            CELL.1, run.ground
        );
    }
    if run.text.trim().is_empty() {
        return;
    }
    let mut look = String::new();
    for (modifier, words) in [
        (Modifier::BOLD, " font-weight=\"bold\""),
        (Modifier::ITALIC, " font-style=\"italic\""),
        (Modifier::UNDERLINED, " text-decoration=\"underline\""),
        (Modifier::CROSSED_OUT, " text-decoration=\"line-through\""),
        (Modifier::DIM, " opacity=\"0.7\""),
    ] {
        if run.mods.contains(modifier) {
            look.push_str(words);
        }
    }
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" xml:space=\"preserve\" fill=\"{}\"{look}>{}</text>",
        y + BASELINE,
        run.letters,
        escape(&run.text)
    );
}

fn rows(buffer: &Buffer) -> impl Iterator<Item = &[Cell]> {
    buffer.content.chunks(usize::from(buffer.area.width).max(1))
}

fn colour(colour: Color, default: &str) -> String {
    match colour {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Indexed(index) => indexed(index),
        _ => default.to_owned(),
    }
}

fn indexed(index: u8) -> String {
    if let Some(name) = SIXTEEN.get(usize::from(index)) {
        return (*name).to_owned();
    }
    if let Some(grey) = index.checked_sub(232) {
        let level = 8 + 10 * grey;
        return format!("#{level:02x}{level:02x}{level:02x}");
    }
    let cube = index - 16;
    let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    format!(
        "#{:02x}{:02x}{:02x}",
        step(cube / 36),
        step(cube / 6 % 6),
        step(cube % 6)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn a_frame_becomes_a_picture_and_nothing_in_it_is_markup() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 2));
        buffer.set_string(0, 0, "<b>&\"日本", Style::new().fg(Color::Indexed(9)));
        buffer.set_string(0, 1, "plain", Style::new().add_modifier(Modifier::REVERSED));
        let svg = svg(&buffer, "a \"name\"");
        assert!(svg.contains(">&lt;b&gt;&amp;&quot;日本"), "{svg}");
        assert!(svg.contains("aria-label=\"a &quot;name&quot;\""), "{svg}");
        assert!(svg.contains("fill=\"#ff7a6b\""), "{svg}");
        assert_eq!(svg.matches("<text").count(), 2);
        assert_eq!(text(&buffer), "<b>&\"日本\nplain\n");
    }

    #[test]
    fn all_256_colours_have_a_number() {
        assert_eq!(indexed(16), "#000000");
        assert_eq!(indexed(231), "#ffffff");
        assert_eq!(indexed(232), "#080808");
        assert_eq!(indexed(255), "#eeeeee");
        assert_eq!(indexed(209), "#ff875f");
    }
}
