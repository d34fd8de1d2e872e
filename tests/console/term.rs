//! Keys, answers of the terminal, and frames, without a terminal.

use std::cell::Cell;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyModifiers};
use portcullis::console::term::burst::Burst;
use portcullis::console::term::caps::{Between, Caps, Charset, Depth, NoticeForm, Wishes};
use portcullis::console::term::decode::Decoder;
use portcullis::console::term::input::{Input, Key, Mouse, Pipeline};
use portcullis::console::term::probe::Reader;
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
    b"\x1b[?997;1n\x1b]10;rgb:dada/cdcd/abab\x1b\\\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\\x1b[?2026;2$y\x1b[?2031;2$y\x1b[?1u\x1b[?62;4c"
}

/// The keys in chunks of bytes, each some milliseconds after the one before.
fn accepted(chunks: &[(u64, Vec<u8>)]) -> Vec<Key> {
    heard(chunks)
        .into_iter()
        .filter_map(|input| match input {
            Input::Key(key) => Some(key),
            _ => None,
        })
        .collect()
}

fn heard(chunks: &[(u64, Vec<u8>)]) -> Vec<Input> {
    let mut decoder = Decoder::default();
    let mut at = Instant::now();
    let mut inputs = Vec::new();
    for (pause, bytes) in chunks {
        at += Duration::from_millis(*pause);
        inputs.extend(decoder.feed(bytes, at));
    }
    inputs
}

fn once(bytes: &[u8]) -> Vec<Input> {
    heard(&[(0, bytes.to_vec())])
}

fn typed(text: &str, pause: u64) -> Vec<(u64, Vec<u8>)> {
    text.bytes().map(|byte| (pause, vec![byte])).collect()
}

fn letters(keys: &[Key]) -> String {
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
    fn keys_are_the_same_wherever_a_fast_link_cuts_them(
        picked in prop::collection::vec(prop::sample::select(vec![
            &b"j"[..], b"G", b"\xc3\xa9", b"\x1b[A", b"\x1b[1;5D", b"\x1b[5~", b"\x1bOP", b"\x1b[<0;10;10M", b"\x1b[?997;2n",
            b"\x1b[200~y\x1b[A\r\x1b[201~", b"\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\", b"\x1b[112;5u", b"\x1b[I",
        ]), 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = picked.concat();
        // Only a cut right behind Esc leaves something to guess.
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).filter(|cut| *cut > 0 && bytes[cut - 1] != 0x1b).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let (mut chunks, mut from) = (Vec::new(), 0);
        for to in cuts {
            chunks.push((100, bytes[from..to].to_vec()));
            from = to;
        }
        prop_assert_eq!(heard(&chunks), once(&bytes));
    }

    #[test]
    fn no_bytes_whatever_stop_the_keyboard(
        noise in prop::collection::vec(prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\x1b[]OP;:?<$~uMR0129".to_vec())], 0..40), 0..6),
    ) {
        let mut chunks: Vec<(u64, Vec<u8>)> = noise.into_iter().map(|bytes| (50, bytes)).collect();
        // A paste is waited for as long as it takes.
        chunks.push((50, b"\x1b[201~".to_vec()));
        chunks.extend(typed("jj", 1_100));
        let keys = accepted(&chunks);
        prop_assert!(keys.ends_with(&[Key::press(KeyCode::Char('j'), KeyModifiers::NONE); 2]), "{:?}", keys);
    }

    #[test]
    fn the_probe_reads_answers_however_they_are_split(cut in 0_usize..101) {
        let bytes = probe_answers();
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let mut reader = Reader::default();
        reader.feed(first);
        reader.feed(second);
        let expected = probe::Answers {
            foreground: Some([0xda, 0xcd, 0xab]),
            background: Some([0x1e, 0x1e, 0x2e]),
            scheme: Some(false),
            sync: true,
            reports: true,
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

#[test]
fn a_terminal_that_tells_no_colours_may_still_call_itself_light() {
    let answers = probe::Answers {
        scheme: Some(true),
        ..probe::Answers::default()
    };
    assert_eq!(answers.light(), Some(true));
}

#[test]
fn text_pasted_without_brackets_is_marked_from_its_first_key() {
    let mut pipeline = Pipeline::default();
    let now = Instant::now();
    let inputs = pipeline.take(b"y\rx", now);
    assert!(
        inputs
            .iter()
            .all(|input| matches!(input, Input::Key(key) if !key.is_deliberate())),
        "{inputs:?}"
    );
    let later = pipeline.take(b"y", now + Duration::from_millis(200));
    assert!(matches!(later.as_slice(), [Input::Key(key)] if key.is_deliberate()));
}

#[test]
fn pasted_text_is_never_keys() {
    let paste = [Input::Paste("y\ny\x1b[A\x03é".to_owned())];
    assert_eq!(once("\x1b[200~y\ny\x1b[A\x03é\x1b[201~".as_bytes()), paste);
    // Nor when the link stops in its middle for longer than anybody would wait.
    let torn = heard(&[
        (0, b"\x1b".to_vec()),
        (100, b"[200~y\ny\x1b[A\x03\xc3".to_vec()),
        (5_000, b"\xa9\x1b[20".to_vec()),
        (5_000, b"1~".to_vec()),
    ]);
    assert_eq!(torn[1..], paste);
}

#[test]
fn a_paste_too_long_to_mean_anything_is_cut_and_ends() {
    let mut bytes = b"\x1b[200~".to_vec();
    bytes.resize(3 << 20, b'y');
    bytes.extend_from_slice(b"\x1b[201~j");
    let inputs = once(&bytes);
    assert!(
        matches!(inputs.as_slice(), [Input::Paste(text), Input::Key(_)] if text.len() == 1 << 20),
        "{}",
        inputs.len()
    );
}

#[test]
fn releases_are_dropped_and_repeats_are_known() {
    let inputs = once(b"\x1b[121;1:3u\x1b[121;1:2u");
    assert!(
        matches!(inputs.as_slice(), [Input::Key(key)] if key.repeat && !key.is_deliberate()),
        "{inputs:?}"
    );
}

#[test]
fn a_key_is_known_however_the_terminal_sends_it() {
    let (none, control, alt) = (KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT);
    let cases: &[(&[u8], KeyCode, KeyModifiers)] = &[
        (b"G", KeyCode::Char('G'), none),
        (b"\x1b[103;2u", KeyCode::Char('G'), none),
        (b"\x1b[Z", KeyCode::BackTab, none),
        (b"\x1b[9;2u", KeyCode::BackTab, none),
        (b"\x1b[1;2D", KeyCode::Left, KeyModifiers::SHIFT),
        (b"\x1b[A", KeyCode::Up, none),
        (b"\x1bOA", KeyCode::Up, none),
        (b"\x1b[1;5C", KeyCode::Right, control),
        (b"\x1b[H", KeyCode::Home, none),
        (b"\x1b[4~", KeyCode::End, none),
        (b"\x1b[5~", KeyCode::PageUp, none),
        (b"\x1b[6;3~", KeyCode::PageDown, alt),
        (b"\x1bOP", KeyCode::F(1), none),
        (b"\x1b[[A", KeyCode::F(1), none),
        (b"\x1b[11~", KeyCode::F(1), none),
        (b"\x1b[12~", KeyCode::F(2), none),
        (b"\x1b[24~", KeyCode::F(12), none),
        (b"\x1bOM", KeyCode::Enter, none),
        (b"\x1b[57414u", KeyCode::Enter, none),
        (b"\r", KeyCode::Enter, none),
        (b"\x7f", KeyCode::Backspace, none),
        (b"\x10", KeyCode::Char('p'), control),
        (b"\x1b[112;5u", KeyCode::Char('p'), control),
        (b"\x1c", KeyCode::Char('\\'), control),
        (b"\x1b[92;5u", KeyCode::Char('\\'), control),
        (b"\x1b[27u", KeyCode::Esc, none),
        (b"\x1b[27;5;13~", KeyCode::Enter, control),
        (b"\x1b", KeyCode::Esc, none),
        (b"\x1bx", KeyCode::Char('x'), alt),
        ("é".as_bytes(), KeyCode::Char('é'), none),
        ("漢".as_bytes(), KeyCode::Char('漢'), none),
    ];
    for (bytes, code, mods) in cases {
        let pressed = [Input::Key(Key::press(*code, *mods))];
        assert_eq!(once(bytes), pressed, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_key_that_a_slow_link_cut_behind_its_bracket_is_still_that_key() {
    let keys = accepted(&[
        (0, b"\x1b[".to_vec()),
        (150, b"1;5".to_vec()),
        (150, b"D".to_vec()),
    ]);
    assert_eq!(keys, [Key::press(KeyCode::Left, KeyModifiers::CONTROL)]);
}

#[test]
fn the_mouse_is_read_in_both_its_forms_and_never_as_letters() {
    let click = |x, y| Input::Mouse(Mouse::Click, x, y);
    assert_eq!(once(b"\x1b[<0;10;20M\x1b[<0;10;20m"), [click(9, 19)]);
    assert_eq!(once(b"\x1b[M ay"), [click(64, 88)]);
    assert_eq!(once(b"\x1b[<64;1;1M"), [Input::Mouse(Mouse::Up, 0, 0)]);
    assert_eq!(once(b"\x1b[<35;10;20M"), []);
}

#[test]
fn the_terminal_tells_of_light_and_dark_and_of_the_keyboard() {
    assert_eq!(
        once(b"\x1b[?997;2n\x1b[?997;1n\x1b[I\x1b[O"),
        [
            Input::Background { light: true },
            Input::Background { light: false },
            Input::Focus(true),
            Input::Focus(false),
        ]
    );
}

#[test]
fn an_answer_to_a_mode_question_does_not_hold_the_keys_that_follow() {
    assert_eq!(
        letters(&accepted(&[(0, b"\x1b[?2026;2$yjk".to_vec())])),
        "jk"
    );
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
