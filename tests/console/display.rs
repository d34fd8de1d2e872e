//! Hostile text on its way to the terminal: whatever widget draws it, only our own sequences come out.

use portcullis::console::term::caps::Charset;
use portcullis::console::term::writer::FrameWriter;
use portcullis::text::{clean, clean_lines, hidden};
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::buffer::Cell;
use ratatui::layout::{Constraint, Rect, Size};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{List, Paragraph, Row, Table, Widget};

use crate::support::hostile::corpus;
use crate::support::screen::emulator;

/// Everything the terminal gets when something is drawn on a fresh screen.
fn drawn(charset: Charset, draw: impl FnOnce(&mut ratatui::Frame)) -> Vec<u8> {
    let mut terminal = Terminal::new(FrameWriter::new(
        Vec::new(),
        || Ok(Size::new(60, 8)),
        charset,
    ))
    .unwrap();
    terminal.draw(draw).unwrap();
    terminal.backend().sink().clone()
}

/// Takes away the sequences we write ourselves: positions, styles, clearing and the cursor.
fn without_our_own(bytes: &[u8]) -> String {
    let mut pieces = std::str::from_utf8(bytes).unwrap().split("\x1b[");
    let mut left = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let parameters: String = piece
            .chars()
            .take_while(|c| !c.is_ascii_alphabetic())
            .collect();
        let mut rest = piece.chars().skip(parameters.chars().count());
        assert!(
            parameters.chars().all(|c| c.is_ascii_digit() || c == ';') || parameters == "?25",
            "{piece:?}"
        );
        assert!(
            rest.next()
                .is_some_and(|last| "mlhHABCDGJKX".contains(last)),
            "{piece:?}"
        );
        left.extend(rest);
    }
    left
}

#[test]
fn the_corpus_is_large_enough() {
    assert!(corpus().len() >= 400, "{}", corpus().len());
}

#[test]
fn cleaned_text_reaches_the_terminal_without_any_control() {
    for attack in corpus() {
        let line = clean(&attack).into_string();
        let lines: Vec<String> = clean_lines(&attack).into_iter().map(String::from).collect();
        let bytes = drawn(Charset::Unicode, |frame| {
            let row = |y| Rect::new(0, y, 60, 1);
            frame.render_widget(Line::from(line.as_str()), row(0));
            frame.render_widget(Span::from(line.as_str()), row(1));
            frame.render_widget(Paragraph::new(line.as_str()), row(2));
            frame.render_widget(List::new([line.as_str()]), row(3));
            frame.render_widget(
                Table::new([Row::new([line.as_str()])], [Constraint::Fill(1)]),
                row(4),
            );
            let text: Text = lines.iter().map(String::as_str).collect();
            text.render(Rect::new(0, 5, 60, 3), frame.buffer_mut());
        });
        let shown = without_our_own(&bytes);
        assert!(!shown.chars().any(hidden), "{attack:?} became {shown:?}");
    }
}

#[test]
fn raw_text_in_a_cell_is_caught_by_the_writer() {
    for attack in corpus() {
        let mut cell = Cell::default();
        cell.set_symbol(&attack);
        let mut writer = FrameWriter::new(Vec::new(), || Ok(Size::new(60, 8)), Charset::Unicode);
        writer.draw([(3, 3, &cell)].into_iter()).unwrap();
        writer.flush().unwrap();
        let shown = without_our_own(writer.sink());
        assert!(!shown.chars().any(hidden), "{attack:?} became {shown:?}");
    }
}

#[test]
fn nothing_but_ascii_leaves_in_an_ascii_locale() {
    for attack in corpus().into_iter().chain(["日本語 Ärger".to_owned()]) {
        let line = clean(&attack).into_string();
        let bytes = drawn(Charset::Ascii, |frame| {
            frame.render_widget(Line::from(line), Rect::new(0, 0, 60, 1));
        });
        assert!(bytes.is_ascii(), "{attack:?}");
    }
}

#[test]
fn a_terminal_shows_the_attack_as_text() {
    let bytes = drawn(Charset::Unicode, |frame| {
        frame.render_widget(
            Line::from(clean("\x1b]0;owned\x07\x1b[2Jdeny \u{202e}x\nyes").into_string()),
            frame.area(),
        );
    });
    let mut screen = emulator(8, 60);
    screen.process(&bytes);
    assert_eq!(
        screen.screen().contents().trim_end(),
        "\\x1b]0;owned\\x07\\x1b[2Jdeny ‹U+202E›x⏎yes"
    );
}
