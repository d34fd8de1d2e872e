//! Keys, answers of the terminal, and frames, without a terminal.

use std::cell::Cell;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use portcullis::console::term::burst::Burst;
use portcullis::console::term::caps::{Between, Caps, Charset, Depth, NoticeForm, Wishes};
use portcullis::console::term::input::{Input, Pipeline};
use portcullis::console::term::probe::Reader;
use portcullis::console::term::reply::ReplyFilter;
use portcullis::console::term::writer::FrameWriter;
use portcullis::console::term::{osc, probe};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::layout::{Position, Size};

use crate::support::screen::emulator;

/// Answers that terminals send, each of which holds letters or digits that are keys of ours.
const REPLIES: &[&[u8]] = &[
    b"\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\",
    b"\x1b]10;rgb:dada/cdcd/abab\x07",
    b"\x1b]4;1;rgb:cc/24/1d\x07",
    b"\x1b]52;c;YWRkeQ==\x1b\\",
    b"\x1b]ladd y\x1b\\",
    b"\x1bP>|XTerm(390)\x1b\\",
    b"\x1bP1$r0;38;2;1;2;3m\x1b\\",
    b"\x1bP1+r544e=787465726d\x1b\\",
    b"\x1bP!|7E565445\x1b\\",
    b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b^private\x1b\\",
    b"\x1bXstart of string\x1b\\",
    b"\x1b[?62;4;22c",
    b"\x1b[?1u",
    b"\x1b[12;40R",
    b"\x1b[0n",
    b"\x1b[A",
    b"\x1b[1;5D",
    b"\x1b[5~",
    b"\x1bOP",
    b"\x1b[<0;10;10M",
    b"\xc2\x9d11;rgb:1e1e/1e1e/2e2e\xc2\x9c",
    b"\xc2\x90>|foot(1.16)\xc2\x9c",
    b"\xc2\x9b?62;4;22c",
    probe_answers(),
];

/// A full set, as when all of it comes after we stopped waiting.
const fn probe_answers() -> &'static [u8] {
    b"\x1b]10;rgb:dada/cdcd/abab\x1b\\\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\\x1b[?2026;2$y\x1b[?1u\x1b[?62;4c"
}

/// Decodes bytes as crossterm 0.29 does (`src/event/sys/unix/parse.rs`), which only gives events away when it
/// reads from a real terminal; `pty.rs` does that too.
fn decode(chunks: &[(u64, Vec<u8>)], start: Instant) -> Vec<(Event, Instant)> {
    let mut events = Vec::new();
    let mut buffer = Vec::new();
    let mut at = start;
    for (pause, chunk) in chunks {
        at += Duration::from_millis(*pause);
        for (index, byte) in chunk.iter().enumerate() {
            buffer.push(*byte);
            match decode_one(&buffer, index + 1 < chunk.len()) {
                Decoded::Wait => continue,
                Decoded::Swallow => {}
                Decoded::Key(key) => events.push((Event::Key(key), at)),
            }
            buffer.clear();
        }
    }
    events
}

enum Decoded {
    Wait,
    Swallow,
    Key(KeyEvent),
}

fn decode_one(buffer: &[u8], more: bool) -> Decoded {
    let key = |code| Decoded::Key(KeyEvent::new(code, KeyModifiers::NONE));
    let until = |ended| {
        if ended {
            Decoded::Swallow
        } else {
            Decoded::Wait
        }
    };
    match buffer {
        [0x1b] if more => Decoded::Wait,
        [0x1b] | [0x1b, 0x1b] => key(KeyCode::Esc),
        [0x1b, b'O' | b'['] | [0x1b, b'[', b'?' | b'<' | b'0'..=b'9'] => Decoded::Wait,
        [0x1b, b'O', _] => key(KeyCode::F(1)),
        [0x1b, b'[', b'?', .., last] => until(matches!(last, b'u' | b'c')),
        [0x1b, b'[', b'0'..=b'9', .., last] => until((64..=126).contains(last)),
        [0x1b, b'[', b'<', .., last] => until(matches!(last, b'm' | b'M')),
        [0x1b, b'[', ..] => key(KeyCode::Up),
        [0x1b, rest @ ..] => match decode_one(rest, more) {
            Decoded::Key(key) => {
                Decoded::Key(KeyEvent::new(key.code, key.modifiers | KeyModifiers::ALT))
            }
            other => other,
        },
        [b'\r'] => key(KeyCode::Enter),
        [b'\t'] => key(KeyCode::Tab),
        [0x7f] => key(KeyCode::Backspace),
        [byte @ 1..=26] => Decoded::Key(KeyEvent::new(
            KeyCode::Char(char::from(byte - 1 + b'a')),
            KeyModifiers::CONTROL,
        )),
        bytes => match std::str::from_utf8(bytes) {
            Ok(text) => text.chars().next().map_or(Decoded::Wait, |c| {
                let mods = if c.is_uppercase() {
                    KeyModifiers::SHIFT
                } else {
                    KeyModifiers::NONE
                };
                Decoded::Key(KeyEvent::new(KeyCode::Char(c), mods))
            }),
            Err(error) if error.error_len().is_none() => Decoded::Wait,
            Err(_) => Decoded::Swallow,
        },
    }
}

fn accepted(chunks: &[(u64, Vec<u8>)]) -> Vec<KeyEvent> {
    let mut filter = ReplyFilter::default();
    decode(chunks, Instant::now())
        .into_iter()
        .filter_map(|(event, at)| match filter.accept(event, at)? {
            Event::Key(key) => Some(key),
            _ => None,
        })
        .collect()
}

fn typed(text: &str, pause: u64) -> Vec<(u64, Vec<u8>)> {
    text.bytes().map(|byte| (pause, vec![byte])).collect()
}

fn letters(keys: &[KeyEvent]) -> String {
    keys.iter()
        .filter_map(|key| match key.code {
            KeyCode::Char(c) => Some(c),
            _ => None,
        })
        .collect()
}

#[test]
fn a_late_reply_in_one_piece_yields_no_key_at_all() {
    for reply in REPLIES
        .iter()
        .filter(|reply| reply.starts_with(b"\x1b]") || reply.starts_with(b"\x1bP"))
    {
        assert_eq!(
            accepted(&[(0, reply.to_vec())]),
            [],
            "{:?}",
            String::from_utf8_lossy(reply)
        );
    }
}

#[test]
fn an_arrow_torn_by_a_slow_link_does_not_become_letters() {
    let keys = accepted(&[
        (0, b"\x1b".to_vec()),
        (150, b"[".to_vec()),
        (150, b"A".to_vec()),
    ]);
    assert_eq!(letters(&keys), "");
}

#[test]
fn typing_is_left_alone() {
    let keys = accepted(&typed("2/user:bob[0] OR x}\rxy", 80));
    assert_eq!(letters(&keys), "2/user:bob[0] OR x}xy");
}

#[test]
fn keys_after_escape_are_keys() {
    let keys = accepted(&typed("\x1bjk\x1b:q\x1b\x1bx", 60));
    assert_eq!(letters(&keys), "jk:qx");
}

#[test]
fn brackets_are_keys_again_half_a_second_after_escape() {
    let mut chunks = typed("\x1b", 0);
    chunks.extend(typed("]]", 600));
    assert_eq!(letters(&accepted(&chunks)), "]]");
}

#[test]
fn keys_typed_after_a_reply_are_keys() {
    for reply in REPLIES {
        let mut chunks = vec![(0, reply.to_vec())];
        chunks.extend(typed("jx", 90));
        assert_eq!(
            letters(&accepted(&chunks)),
            "jx",
            "{:?}",
            String::from_utf8_lossy(reply)
        );
    }
}

#[test]
fn a_reply_that_never_ends_gives_the_keyboard_back_after_a_pause() {
    let mut chunks = vec![(0, b"\x1b]11;rgb:aa".to_vec())];
    chunks.extend(typed("jx", 1_100));
    assert_eq!(letters(&accepted(&chunks)), "jx");
}

proptest! {
    #[test]
    fn torn_replies_never_become_letters(
        picked in prop::collection::vec(0..REPLIES.len(), 1..4),
        cuts in prop::collection::vec((0_usize..200, 0_u64..450), 0..12),
    ) {
        let bytes: Vec<u8> = picked.iter().flat_map(|index| REPLIES[*index].iter().copied()).collect();
        let mut places: Vec<(usize, u64)> = cuts.into_iter().map(|(at, pause)| (at % (bytes.len() + 1), pause)).collect();
        places.sort_unstable();
        places.dedup_by_key(|place| place.0);
        let mut chunks = Vec::new();
        let (mut from, mut wait) = (0, 0);
        for (to, pause) in places {
            chunks.push((wait, bytes[from..to].to_vec()));
            (from, wait) = (to, pause);
        }
        chunks.push((wait, bytes[from..].to_vec()));
        let keys = accepted(&chunks);
        prop_assert_eq!(letters(&keys), "", "{:?}", chunks);
    }

    #[test]
    fn the_probe_reads_answers_however_they_are_split(cut in 0_usize..80) {
        let bytes = probe_answers();
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let mut reader = Reader::default();
        reader.feed(first);
        reader.feed(second);
        let expected = probe::Answers {
            foreground: Some([0xda, 0xcd, 0xab]),
            background: Some([0x1e, 0x1e, 0x2e]),
            sync: true,
            keyboard: true,
            complete: true,
        };
        prop_assert_eq!(reader.answers, expected);
    }

    #[test]
    fn only_fast_keys_are_a_burst(gaps in prop::collection::vec(0_u64..30, 1..40)) {
        let start = Instant::now();
        let times: Vec<Instant> = gaps.iter().scan(start, |at, gap| { *at += Duration::from_millis(*gap); Some(*at) }).collect();
        let whole = Burst::default().mark(&times);
        for (index, marked) in whole.iter().enumerate() {
            let fast = (index.saturating_sub(2)..=index).any(|first| {
                times.get(first + 2).is_some_and(|last| *last - times[first] <= Duration::from_millis(8))
            });
            prop_assert_eq!(*marked, fast);
        }
    }
}

#[test]
fn background_is_told_from_text_when_both_are_known() {
    let mut answers = probe::Answers {
        background: Some([0x50; 3]),
        ..probe::Answers::default()
    };
    assert_eq!(answers.light(), Some(false));
    answers.foreground = Some([0; 3]);
    assert_eq!(answers.light(), Some(true));
    assert_eq!(probe::Answers::default().light(), None);
}

fn key_event(c: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))
}

#[test]
fn text_pasted_without_brackets_is_marked_from_its_first_key() {
    let mut pipeline = Pipeline::default();
    let now = Instant::now();
    let inputs = pipeline.take("y\rx".chars().map(key_event), now);
    assert!(
        inputs
            .iter()
            .all(|input| matches!(input, Input::Key(key) if !key.is_deliberate())),
        "{inputs:?}"
    );
    let later = pipeline.take([key_event('y')], now + Duration::from_millis(200));
    assert!(matches!(later.as_slice(), [Input::Key(key)] if key.is_deliberate()));
}

#[test]
fn pasted_text_is_never_keys() {
    let inputs = Pipeline::default().take([Event::Paste("y\ny\n".to_owned())], Instant::now());
    assert_eq!(inputs, [Input::Paste("y\ny\n".to_owned())]);
}

#[test]
fn releases_are_dropped_and_repeats_are_known() {
    let key = |kind| {
        Event::Key(KeyEvent::new_with_kind(
            KeyCode::Char('y'),
            KeyModifiers::NONE,
            kind,
        ))
    };
    let inputs = Pipeline::default().take(
        [key(KeyEventKind::Release), key(KeyEventKind::Repeat)],
        Instant::now(),
    );
    assert!(
        matches!(inputs.as_slice(), [Input::Key(key)] if key.repeat && !key.is_deliberate()),
        "{inputs:?}"
    );
}

#[test]
fn one_key_has_one_form() {
    let forms = [
        (
            KeyCode::Char('G'),
            KeyModifiers::NONE,
            KeyCode::Char('G'),
            KeyModifiers::NONE,
        ),
        (
            KeyCode::Char('G'),
            KeyModifiers::SHIFT,
            KeyCode::Char('G'),
            KeyModifiers::NONE,
        ),
        (
            KeyCode::Char('g'),
            KeyModifiers::SHIFT,
            KeyCode::Char('G'),
            KeyModifiers::NONE,
        ),
        (
            KeyCode::BackTab,
            KeyModifiers::SHIFT,
            KeyCode::BackTab,
            KeyModifiers::NONE,
        ),
        (
            KeyCode::Tab,
            KeyModifiers::SHIFT,
            KeyCode::BackTab,
            KeyModifiers::NONE,
        ),
        (
            KeyCode::Left,
            KeyModifiers::SHIFT,
            KeyCode::Left,
            KeyModifiers::SHIFT,
        ),
    ];
    for (code, mods, expected, left) in forms {
        let inputs =
            Pipeline::default().take([Event::Key(KeyEvent::new(code, mods))], Instant::now());
        assert!(
            matches!(inputs.as_slice(), [Input::Key(key)] if key.code == expected && key.mods == left),
            "{inputs:?}"
        );
    }
}

fn caps(env: &[(&str, &str)], wishes: Wishes) -> Option<Caps> {
    let lookup = |name: &str| {
        env.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    };
    Caps::detect(lookup, wishes).ok()
}

#[test]
fn colours_follow_the_flag_then_no_color_then_the_terminal() {
    let cases: [(&[(&str, &str)], Depth); 7] = [
        (
            &[("TERM", "xterm"), ("COLORTERM", "truecolor")],
            Depth::TrueColor,
        ),
        (&[("TERM", "xterm-256color")], Depth::Indexed),
        (&[("TERM", "xterm")], Depth::Ansi16),
        (&[("TERM", "linux")], Depth::Ansi16),
        (&[("TERM", "xterm-direct")], Depth::TrueColor),
        (
            &[
                ("TERM", "xterm-256color"),
                ("NO_COLOR", "1"),
                ("COLORTERM", "truecolor"),
            ],
            Depth::Mono,
        ),
        (
            &[("TERM", "xterm-256color"), ("NO_COLOR", "")],
            Depth::Indexed,
        ),
    ];
    for (env, depth) in cases {
        assert_eq!(
            caps(env, Wishes::default()).map(|caps| caps.depth),
            Some(depth),
            "{env:?}"
        );
    }
    let asked = Wishes {
        depth: Some(Depth::TrueColor),
        ascii: false,
    };
    assert_eq!(
        caps(&[("NO_COLOR", "1")], asked).map(|caps| caps.depth),
        Some(Depth::TrueColor)
    );
    assert_eq!(caps(&[("TERM", "dumb")], asked), None);
}

#[test]
fn the_locale_decides_about_unicode() {
    let charset = |env: &[(&str, &str)]| caps(env, Wishes::default()).map(|caps| caps.charset);
    assert_eq!(charset(&[("LANG", "en_GB.UTF-8")]), Some(Charset::Unicode));
    assert_eq!(
        charset(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")]),
        Some(Charset::Ascii)
    );
    assert_eq!(
        charset(&[("LC_CTYPE", "de_DE.utf8"), ("LANG", "C")]),
        Some(Charset::Unicode)
    );
    assert_eq!(charset(&[]), Some(Charset::Unicode));
}

#[test]
fn the_environment_may_tell_the_background() {
    let light =
        |value| caps(&[("COLORFGBG", value)], Wishes::default()).and_then(|caps| caps.light);
    assert_eq!(
        (
            light("15;0"),
            light("0;15"),
            light("0;default;15"),
            light("x")
        ),
        (Some(false), Some(true), Some(true), None)
    );
}

#[test]
fn copied_text_cannot_end_its_sequence() {
    let copied = osc::copy("\x07\x1b]0;owned\x07id", Between::Nothing).unwrap();
    assert_eq!(copied.matches('\x1b').count(), 1);
    assert_eq!(copied.matches('\x07').count(), 1);
    assert!(osc::copy(&"x".repeat(100_000), Between::Nothing).is_err());
}

#[test]
fn a_copy_reaches_the_terminal_around_tmux_and_screen() {
    let tmux = osc::copy("id", Between::Tmux).unwrap();
    assert!(tmux.starts_with("\x1b]52;c;"), "for tmux itself");
    assert!(
        tmux.contains("\x1bPtmux;\x1b\x1b]52;c;aWQ=\x07\x1b\\"),
        "for the terminal: {tmux:?}"
    );
    let screen = osc::copy(&"x".repeat(70_000), Between::Screen).unwrap();
    let pieces: Vec<&str> = screen.split_inclusive("\x1b\\").collect();
    assert!(pieces.len() > 100);
    let mut whole = String::new();
    for piece in pieces {
        assert!(piece.len() < 768, "screen drops longer strings");
        let inside = piece.strip_prefix("\x1bP").unwrap();
        whole.push_str(inside.strip_suffix("\x1b\\").unwrap());
    }
    let plain = osc::copy(&"x".repeat(70_000), Between::Nothing).unwrap();
    assert_eq!(whole, plain);
}

#[test]
fn the_form_of_a_notice_follows_the_terminal() {
    let form = |env: &[(&str, &str)]| caps(env, Wishes::default()).and_then(|caps| caps.notices);
    assert_eq!(form(&[("TERM", "xterm-kitty")]), Some(NoticeForm::Kitty));
    assert_eq!(form(&[("TERM", "foot-extra")]), Some(NoticeForm::Urxvt));
    assert_eq!(form(&[("TERM", "xterm-ghostty")]), Some(NoticeForm::Urxvt));
    assert_eq!(
        form(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")]),
        Some(NoticeForm::Iterm)
    );
    assert_eq!(
        form(&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")]),
        Some(NoticeForm::Kitty)
    );
    assert_eq!(form(&[("TERM", "xterm-256color")]), None);
}

#[test]
fn a_notice_is_one_sequence_whatever_it_says() {
    for form in [NoticeForm::Kitty, NoticeForm::Urxvt, NoticeForm::Iterm] {
        for attack in crate::support::hostile::corpus() {
            let notice = osc::notice(form, &attack, Between::Nothing);
            assert!(notice.starts_with("\x1b]") && notice.ends_with("\x1b\\"));
            let inside = notice.strip_prefix("\x1b]").unwrap();
            let inside = inside.strip_suffix("\x1b\\").unwrap();
            assert!(inside.chars().all(|c| matches!(c, ' '..='~')), "{notice:?}");
            assert!(inside.len() < 200);
        }
        let wrapped = osc::notice(form, "R-1 db 2m", Between::Tmux);
        assert!(wrapped.starts_with("\x1bPtmux;\x1b\x1b]"), "{wrapped:?}");
        assert!(wrapped.ends_with("\x1b\x1b\\\x1b\\"), "{wrapped:?}");
    }
}

#[test]
fn titles_are_cleaned_and_short() {
    let title = osc::title(&format!("(3!) \x07\x1b]52;c;x{}", "a".repeat(500)));
    assert_eq!(title.matches('\x07').count(), 1);
    assert_eq!(title.matches('\x1b').count(), 1);
    assert!(title.len() < 140);
}

thread_local! {
    static SIZE: Cell<(u16, u16)> = const { Cell::new((20, 3)) };
}

#[expect(clippy::unnecessary_wraps, reason = "asking a real terminal can fail")]
fn size() -> io::Result<Size> {
    let (width, height) = SIZE.get();
    Ok(Size::new(width, height))
}

#[derive(Debug, Default)]
struct Counter {
    writes: Vec<Vec<u8>>,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn screen() -> Terminal<FrameWriter<Counter>> {
    Terminal::new(FrameWriter::new(Counter::default(), size, Charset::Unicode)).unwrap()
}

fn draw(
    terminal: &mut Terminal<FrameWriter<Counter>>,
    text: &str,
    cursor: Option<Position>,
) -> usize {
    let before = terminal.backend().sink().writes.len();
    terminal
        .draw(|frame| {
            frame.render_widget(text, frame.area());
            if let Some(cursor) = cursor {
                frame.set_cursor_position(cursor);
            }
        })
        .unwrap();
    terminal.backend().sink().writes.len() - before
}

#[test]
fn a_changed_frame_is_one_write_and_an_unchanged_one_is_none() {
    let mut terminal = screen();
    assert_eq!(draw(&mut terminal, "one", None), 1);
    assert_eq!(draw(&mut terminal, "one", None), 0);
    assert_eq!(draw(&mut terminal, "two", None), 1);
    let at = Some(Position::new(0, 1));
    assert_eq!(draw(&mut terminal, "two", at), 1);
    assert_eq!(draw(&mut terminal, "two", at), 0);
    assert_eq!(draw(&mut terminal, "two", Some(Position::new(0, 2))), 1);
    assert_eq!(draw(&mut terminal, "six", Some(Position::new(0, 2))), 1);
}

#[test]
fn the_cursor_returns_to_its_place_after_cells_were_drawn() {
    let mut terminal = screen();
    draw(&mut terminal, "one", Some(Position::new(5, 1)));
    draw(&mut terminal, "two", Some(Position::new(5, 1)));
    let mut screen = emulator(3, 20);
    screen.process(&terminal.backend().sink().writes.concat());
    assert_eq!(screen.screen().cursor_position(), (1, 5));
    assert!(!screen.screen().hide_cursor());
}

#[test]
fn a_new_size_is_one_write_too() {
    let mut terminal = screen();
    draw(&mut terminal, "one", None);
    SIZE.set((10, 2));
    let writes = draw(&mut terminal, "one", None);
    SIZE.set((20, 3));
    assert_eq!(writes, 1);
}

#[test]
fn synchronised_frames_begin_and_end() {
    let mut terminal = screen();
    terminal.backend_mut().synchronise(true);
    draw(&mut terminal, "one", None);
    assert_eq!(draw(&mut terminal, "one", None), 0);
    let frame = &terminal.backend().sink().writes[0];
    assert!(frame.starts_with(b"\x1b[?2026h") && frame.ends_with(b"\x1b[?2026l"));
}

#[test]
fn an_attached_sequence_goes_out_with_the_frame() {
    let mut terminal = screen();
    draw(&mut terminal, "one", None);
    terminal.backend_mut().attach(&osc::title("Portcullis"));
    assert_eq!(draw(&mut terminal, "one", None), 1);
    assert_eq!(
        terminal.backend().sink().writes[1],
        b"\x1b]2;Portcullis\x07"
    );
}

#[test]
fn the_whole_screen_is_drawn_again_after_it_was_cleared() {
    let mut terminal = screen();
    draw(&mut terminal, "one", None);
    terminal.clear().unwrap();
    assert_eq!(draw(&mut terminal, "one", None), 1);
    let mut screen = emulator(3, 20);
    screen.process(&terminal.backend().sink().writes[1]);
    assert_eq!(screen.screen().contents().trim_end(), "one");
    assert!(screen.screen().hide_cursor());
}
