//! Frames as a terminal reads them: whatever was there before, the picture afterwards is the one that was drawn.

use std::cell::Cell as Shared;

use portcullis::console::term::caps::Charset;
use portcullis::console::term::writer::FrameWriter;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier, Style};

use crate::support::screen::emulator;

const COLUMNS: u16 = 24;
const ROWS: u16 = 4;

/// A text somewhere.
#[derive(Debug, Clone)]
struct Text {
    x: u16,
    y: u16,
    words: String,
    style: Style,
}

fn colour() -> impl Strategy<Value = Color> {
    prop_oneof![
        3 => Just(Color::Reset),
        1 => Just(Color::Red),
        1 => Just(Color::Indexed(17)),
        2 => Just(Color::Rgb(20, 23, 28)),
        2 => Just(Color::Rgb(215, 220, 228)),
    ]
}

fn style() -> impl Strategy<Value = Style> {
    let modifier = prop_oneof![
        4 => Just(Modifier::empty()),
        2 => Just(Modifier::BOLD),
        1 => Just(Modifier::UNDERLINED),
        1 => Just(Modifier::REVERSED | Modifier::BOLD),
        1 => Just(Modifier::ITALIC),
    ];
    (colour(), colour(), modifier).prop_map(|(fg, bg, modifier)| Style {
        add_modifier: modifier,
        ..Style::new().fg(fg).bg(bg)
    })
}

fn text() -> impl Strategy<Value = Text> {
    let piece = prop_oneof![
        Just(" ".repeat(20)),
        Just("   ".to_owned()),
        "[a-c]{1,6}",
        "[a-c ]{1,12}",
        Just("漢字 ✓│".to_owned()),
    ];
    (0..COLUMNS, 0..ROWS, piece, style()).prop_map(|(x, y, words, style)| Text {
        x,
        y,
        words,
        style,
    })
}

fn drawn(background: Style, texts: &[Text], buffer: &mut Buffer) {
    buffer.set_style(buffer.area, background);
    for text in texts {
        buffer.set_stringn(text.x, text.y, &text.words, 40, text.style);
    }
}

/// The colour as the emulator names it.
fn named(colour: Color) -> vt100::Color {
    match colour {
        Color::Rgb(red, green, blue) => vt100::Color::Rgb(red, green, blue),
        Color::Indexed(index) => vt100::Color::Idx(index),
        Color::Red => vt100::Color::Idx(1),
        _ => vt100::Color::Default,
    }
}

/// What differs between the emulator's screen and the picture.
fn wrong(screen: &vt100::Screen, wanted: &Buffer) -> Option<String> {
    let mut wide = false;
    for y in 0..ROWS {
        for x in 0..COLUMNS {
            let (seen, cell) = (screen.cell(y, x)?, &wanted[(x, y)]);
            if std::mem::take(&mut wide) {
                continue;
            }
            wide = unicode_width::UnicodeWidthStr::width(cell.symbol()) == 2;
            let visible = Modifier::REVERSED | Modifier::UNDERLINED;
            let blank = cell.symbol() == " " && !cell.modifier.intersects(visible);
            let text = if seen.contents().is_empty() {
                " "
            } else {
                seen.contents()
            };
            let same = text == cell.symbol()
                && seen.bgcolor() == named(cell.bg)
                && seen.inverse() == cell.modifier.contains(Modifier::REVERSED)
                && seen.underline() == cell.modifier.contains(Modifier::UNDERLINED)
                && (blank
                    || (seen.fgcolor() == named(cell.fg)
                        && seen.bold() == cell.modifier.contains(Modifier::BOLD)
                        && seen.dim() == cell.modifier.contains(Modifier::DIM)
                        && seen.italic() == cell.modifier.contains(Modifier::ITALIC)));
            if !same {
                return Some(format!("at {x},{y}: {cell:?} is {seen:?}"));
            }
        }
    }
    None
}

thread_local! {
    static SIZE: Shared<Size> = const { Shared::new(Size::new(COLUMNS, ROWS)) };
}

proptest! {
    #[test]
    fn every_frame_ends_in_the_picture_that_was_drawn(
        frames in prop::collection::vec((style(), prop::collection::vec(text(), 0..8), 0..COLUMNS, 0_u8..8), 1..6),
        erases in any::<bool>(),
    ) {
        let writer = FrameWriter::new(Vec::new(), || Ok(SIZE.get()), Charset::Unicode);
        let mut terminal = Terminal::new(writer).unwrap();
        terminal.backend_mut().erase_in_colour(erases);
        let mut screen = emulator(ROWS, COLUMNS);
        let mut read = 0;
        for (background, texts, column, clear) in frames {
            if clear == 0 {
                terminal.clear().unwrap();
            }
            let cursor = Position::new(column, 1);
            let mut wanted = Buffer::empty(ratatui::layout::Rect::new(0, 0, COLUMNS, ROWS));
            drawn(background, &texts, &mut wanted);
            terminal.draw(|frame| {
                drawn(background, &texts, frame.buffer_mut());
                frame.set_cursor_position(cursor);
            }).unwrap();
            let bytes = terminal.backend().sink().get(read..).unwrap().to_vec();
            read += bytes.len();
            for byte in &bytes {
                // A terminal that erases in its own colour may be asked to only where that is the one wanted.
                if !erases && matches!(byte, b'X' | b'K') {
                    prop_assert_eq!(screen.screen().bgcolor(), vt100::Color::Default);
                }
                screen.process(&[*byte]);
            }
            prop_assert_eq!(wrong(screen.screen(), &wanted), None, "{:?}", String::from_utf8_lossy(&bytes));
            prop_assert_eq!(screen.screen().cursor_position(), (cursor.y, cursor.x));
        }
    }
}

/// The bytes of a frame after the first one.
fn second(first: &[Text], second: &[Text]) -> String {
    let writer = FrameWriter::new(Vec::new(), || Ok(SIZE.get()), Charset::Unicode);
    let mut terminal = Terminal::new(writer).unwrap();
    terminal.backend_mut().erase_in_colour(true);
    for texts in [first, second] {
        terminal.backend_mut().attach("|");
        terminal
            .draw(|frame| drawn(Style::new(), texts, frame.buffer_mut()))
            .unwrap();
    }
    let bytes = String::from_utf8(terminal.backend().sink().clone()).unwrap();
    bytes.rsplit('|').next().unwrap().to_owned()
}

fn at(x: u16, y: u16, text: &str, style: Style) -> Text {
    Text {
        x,
        y,
        words: text.to_owned(),
        style,
    }
}

#[test]
fn a_frame_says_no_more_than_what_changed() {
    let plain = Style::new();
    let red = Style::new().fg(Color::Indexed(1));
    let bar = Style::new().bg(Color::Indexed(4));
    let cases = [
        // Beside the cursor, over a short gap, over a long one, and on another line.
        (
            [at(0, 0, "12:00:00", plain)],
            vec![at(0, 0, "12:00:11", plain)],
            "\x1b[1;7H11",
        ),
        (
            [at(0, 0, "12:00:00", plain)],
            vec![at(0, 0, "13:00:01", plain)],
            "\x1b[1;2H3:00:01",
        ),
        (
            [at(0, 0, "1 2345678901 2", plain)],
            vec![at(0, 0, "2 2345678901 3", plain)],
            "\x1b[1H2\x1b[12C3",
        ),
        (
            [at(3, 0, "1", plain)],
            vec![at(3, 0, "2", plain), at(3, 1, "a", plain)],
            "\x1b[1;4H2\x1b[2;4Ha",
        ),
        // What goes away is erased.
        (
            [at(2, 0, "abcdefghijklmn", plain)],
            vec![at(2, 0, "ab", plain)],
            "\x1b[1;5H\x1b[K",
        ),
        (
            [at(0, 0, "", plain)],
            vec![at(0, 0, "                      x ", bar)],
            "\x1b[1H\x1b[0;48;5;4m\x1b[22X\x1b[22Cx ",
        ),
        // One colour after the other, although it is a longer way.
        (
            [at(0, 0, "", plain)],
            vec![at(0, 0, "a", red), at(1, 0, "b", bar), at(2, 0, "c", red)],
            "\x1b[1H\x1b[0;38;5;1ma\x1b[Cc\x1b[2D\x1b[0;48;5;4mb",
        ),
    ];
    for (first, then, expected) in cases {
        let sent = second(&first, &then);
        assert!(
            sent.len() <= expected.len(),
            "{sent:?} is longer than {expected:?}"
        );
    }
}
