//! The terminal layer in a real pseudo-terminal. The program in it is this very test binary, running `child`.

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use portable_pty::CommandBuilder;
use portcullis::console::term::caps::{Charset, Depth, own_the_colours};
use portcullis::console::term::guard::{self, Guard};
use portcullis::console::term::input::{Input, Keyboard};
use portcullis::console::term::probe;
use portcullis::console::term::signals::{Signal, Signals};
use portcullis::console::term::writer::{FrameWriter, Tty};
use portcullis::console::theme::{Role, Theme};
use portcullis::console::widget::vtable::{Column, Cut, Row, Table, Width};
use portcullis::text::clean;
use ratatui::Terminal;
use ratatui::widgets::{Paragraph, Wrap};
use rustix::process::Signal as Number;

use crate::support::pty::{Link, Pty};

const MODE: &str = "PORTCULLIS_TEST_CHILD";

fn start(mode: &str) -> Pty {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args([
        "--ignored",
        "--exact",
        "console::pty::child",
        "--nocapture",
        "--test-threads=1",
    ]);
    command.env(MODE, mode);
    command.env("RUST_BACKTRACE", "0");
    command.env("NO_COLOR", "1");
    let mut pty = Pty::spawn(command, 24, 80);
    pty.wait_for("ready");
    pty
}

#[test]
#[ignore = "the program that the other tests run in a terminal"]
fn child() {
    let mode = std::env::var(MODE).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let code = match runtime.block_on(live(&mode)) {
        // A frame on its way may notice before the signal does.
        Err(_) if !guard::is_alive() => Signal::HangUp.exit_code(),
        ended => ended.unwrap(),
    };
    if let Some(code) = code {
        #[expect(
            clippy::disallowed_methods,
            reason = "the test harness has no other way to end with a code"
        )]
        std::process::exit(code.into());
    }
}

/// Shows what comes in until told to end. The mode `deaf` does not act on the signal of a closed terminal.
async fn live(mode: &str) -> io::Result<Option<u8>> {
    own_the_colours();
    let guard = Guard::enter()?;
    let mut signals = Signals::listen()?;
    let mut terminal = Terminal::new(FrameWriter::to_terminal(Charset::Unicode))?;
    let mut seen = vec!["ready".to_owned()];
    match mode {
        "mono" => show_table(&mut terminal, Depth::Mono)?,
        "colour" => show_table(&mut terminal, Depth::TrueColor)?,
        _ => show(&mut terminal, &seen)?,
    }
    if mode == "probe" {
        let answers = probe::ask(false).await?;
        seen.push(format!(
            "complete={} light={:?} keyboard={}",
            answers.complete,
            answers.light(),
            answers.keyboard
        ));
        show(&mut terminal, &seen)?;
    }
    let mut keyboard = Keyboard::start()?;
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signal::HangUp | Signal::Continue if mode == "deaf" => continue,
                Signal::Suspend => {}
                Signal::Continue => {
                    guard.enter_again()?;
                    terminal.clear()?;
                    seen.push("again".to_owned());
                }
                Signal::Resize => seen.push(format!("{:?}", terminal.size()?)),
                last => return Ok(last.exit_code()),
            },
            input = keyboard.next() => match input {
                None => return Ok(Some(if mode == "deaf" { 3 } else { 129 })),
                Some(Input::Key(key)) => match key.code {
                    KeyCode::Char('q') => return Ok(None),
                    KeyCode::Char('p') => panic!("the panic of the test"),
                    KeyCode::Char('t') => tokio::spawn(async { panic!("the panic of a task") }).await.unwrap_or(()),
                    KeyCode::Char('z') => {
                        if let Some(last) = signals.suspend(&guard).await? {
                            return Ok(last.exit_code());
                        }
                        terminal.clear()?;
                        seen.push("back".to_owned());
                    }
                    KeyCode::Char(c) => seen.push(if key.burst { format!("burst-{c}") } else { c.to_string() }),
                    code => seen.push(format!("{code:?}")),
                },
                Some(other) => seen.push(format!("{other:?}")),
            },
        }
        // Drawing on a closed terminal is an error that ends the program too, before what is tested.
        if mode != "deaf" {
            show(&mut terminal, &seen)?;
        }
    }
}

fn show(terminal: &mut Terminal<FrameWriter<Tty>>, seen: &[String]) -> io::Result<()> {
    let text = format!("<{}>", seen.join(" "));
    terminal.draw(|frame| {
        frame.render_widget(
            Paragraph::new(text).wrap(Wrap { trim: false }),
            frame.area(),
        );
    })?;
    Ok(())
}

/// Two rows, of which the second is selected.
fn show_table(terminal: &mut Terminal<FrameWriter<Tty>>, depth: Depth) -> io::Result<()> {
    let theme = &Theme::standard(false, depth, Charset::Unicode);
    let columns = [Column {
        title: "",
        width: Width::Fixed(10),
        cut: Cut::End,
        optional: false,
    }];
    let table = Table {
        theme,
        columns: &columns,
        rows: 2,
        top: 0,
        selected: Some(1),
        cell: None,
        sorted: None,
    };
    let style = theme.style(Role::StatusDanger);
    terminal.draw(|frame| {
        let area = frame.area();
        table.draw(area, frame.buffer_mut(), |_| Row {
            cells: vec![(clean("ready"), style)],
            ..Row::default()
        });
    })?;
    Ok(())
}

#[test]
fn the_terminal_is_taken_and_given_back_as_it_was() {
    let mut pty = start("");
    assert!(pty.is_taken() && !pty.is_restored());
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    assert!(pty.is_restored());
    assert!(
        !pty.contents().contains("ready"),
        "what was on screen stays behind:\n{}",
        pty.contents()
    );
    assert!(
        pty.contents().contains("running 1 test"),
        "what was there before is lost:\n{}",
        pty.contents()
    );
}

#[test]
fn a_panic_gives_the_terminal_back_and_can_be_read() {
    let mut pty = start("");
    pty.send("p");
    assert_eq!(pty.wait_exit(), 101);
    assert!(pty.is_restored());
    assert!(
        pty.contents().contains("the panic of the test"),
        "{}",
        pty.contents()
    );
}

#[test]
fn a_panic_in_a_task_ends_the_program_too() {
    let mut pty = start("");
    pty.send("t");
    assert_eq!(pty.wait_exit(), 101);
    assert!(pty.is_restored());
    assert!(
        pty.contents().contains("the panic of a task"),
        "{}",
        pty.contents()
    );
}

#[test]
fn a_request_to_end_gives_the_terminal_back() {
    for (signal, code) in [(Number::TERM, 143), (Number::INT, 130), (Number::QUIT, 131)] {
        let mut pty = start("");
        pty.signal(signal);
        assert_eq!(pty.wait_exit(), code);
        assert!(pty.is_restored());
    }
}

#[test]
fn a_closed_terminal_ends_the_program_at_once() {
    assert_eq!(start("").hang_up(), 129);
}

#[test]
fn a_closed_terminal_ends_the_program_even_when_the_signal_is_missed() {
    assert_eq!(start("deaf").hang_up(), 3);
}

#[test]
fn a_suspended_console_leaves_the_shell_alone_and_comes_back() {
    let mut pty = start("");
    pty.send("z");
    pty.wait_stopped();
    pty.wait_until("the terminal given back", Pty::is_restored);
    pty.signal(Number::CONT);
    pty.wait_for("<ready back>");
    assert!(pty.is_taken());
    pty.send("x");
    pty.wait_for("<ready back x>");
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    assert!(pty.is_restored());
}

#[test]
fn a_console_stopped_from_outside_takes_the_terminal_again() {
    let mut pty = start("");
    pty.signal(Number::STOP);
    pty.wait_stopped();
    let before = pty.output.len();
    pty.signal(Number::CONT);
    pty.wait_for("<ready again>");
    assert!(
        pty.output[before..]
            .windows(8)
            .any(|bytes| bytes == b"\x1b[?1049h")
    );
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    assert!(pty.is_restored());
}

#[test]
fn no_color_leaves_the_selected_row_visible() {
    for (mode, colours) in [("mono", false), ("colour", true)] {
        let mut pty = start(mode);
        pty.wait_until("both rows", |pty| {
            pty.contents().matches("ready").count() == 2
        });
        let screen = pty.screen.screen();
        let (plain, selected) = (screen.cell(1, 3).unwrap(), screen.cell(2, 3).unwrap());
        assert_eq!(selected.contents(), "r");
        assert_ne!(
            (selected.inverse(), selected.bgcolor()),
            (plain.inverse(), plain.bgcolor()),
            "{mode}"
        );
        assert!(selected.bold() || selected.inverse(), "{mode}");
        let sent = String::from_utf8_lossy(&pty.output).into_owned();
        assert_eq!(sent.contains("8;2;"), colours, "{mode}: {sent:?}");
        assert!(colours || !sent.contains("8;5;"), "{sent:?}");
    }
}

#[test]
fn late_replies_are_not_keys() {
    let mut pty = start("");
    pty.send("\x1b]11;rgb:1e1e/adad/2e2e\x1b\\");
    pty.send("\x1bP>|terminal(390)\x1b\\\x1b]10;rgb:dada/cdcd/abab\x07\x1b[?62;4c");
    pty.send("x");
    pty.wait_for("x>");
    assert!(pty.contents().contains("<ready x>"), "{}", pty.contents());
}

/// Sends the second piece once the first was seen. Tries again when the machine was so slow that the pieces are
/// no longer held for parts of one sequence.
fn torn(first: &str, seen: &str, second: &str) {
    for _ in 0..10 {
        let mut pty = start("");
        let begun = Instant::now();
        pty.send(first);
        pty.wait_for(seen);
        pty.send(second);
        pty.send("x");
        pty.wait_for("x>");
        if begun.elapsed() < Duration::from_millis(500) {
            assert!(
                pty.contents().contains("<ready Esc x>"),
                "{}",
                pty.contents()
            );
            return;
        }
    }
    panic!("the machine is too slow to tell");
}

#[test]
fn a_torn_arrow_is_not_letters() {
    torn("\x1b", "Esc", "[A");
    torn("\x1b", "Esc", "[1;5D");
    torn("\x1b", "Esc", "OP");
}

#[test]
fn a_torn_reply_is_not_letters() {
    torn("\x1b", "Esc", "]11;rgb:1e1e/adad/2e2e\x1b\\");
    torn("\x1b", "Esc", "[?2026;2$y");
    torn("\x1b", "Esc", "P>|terminal(390)\x1b\\");
}

/// Tries again when the machine was so slow that the pieces are no longer held for parts of one sequence.
#[test]
fn a_slow_link_that_tears_sequences_anywhere_makes_no_letters_of_them() {
    let mut counted = 0;
    for seed in 0..20 {
        let mut pty = start("");
        let longest = Link::slow(Duration::from_millis(150), seed).send(
            &mut pty,
            "\x1b[A\x1b]11;rgb:adad/dada/1e1e\x1b\\\x1b[1;5C\x1bP>|xyay(1)\x1b\\\x1bOA\x1b[?62;4c",
        );
        pty.send("\x1b[24~");
        pty.wait_for("F(12)");
        if longest > Duration::from_millis(250) {
            continue;
        }
        let seen = pty.contents().replace('\n', "");
        let seen = seen
            .split_once("<ready")
            .unwrap()
            .1
            .trim_end_matches(['>', '\u{20}']);
        let keys: Vec<&str> = seen.split_whitespace().collect();
        assert!(
            keys.iter()
                .all(|key| ["Esc", "Up", "Right", "F(12)", "F(1"].contains(key)),
            "{keys:?}"
        );
        counted += 1;
        if counted == 2 {
            return;
        }
    }
    panic!("the machine is too slow to tell");
}

#[test]
fn pasted_text_arrives_as_text_and_unbracketed_text_as_a_burst() {
    let mut pty = start("");
    pty.send("\x1b[200~y\ry\x1b[201~");
    pty.wait_for("Paste(\"y\\ry\")");
    pty.send("yyy");
    pty.wait_for("burst-y burst-y burst-y");
}

#[test]
fn the_first_frame_does_not_wait_for_the_probe() {
    let mut pty = start("probe");
    pty.wait_until("the questions", |pty| {
        pty.output.windows(3).any(|bytes| bytes == b"\x1b[c")
    });
    pty.send("\x1b]10;rgb:0000/0000/0000\x1b\\\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?2026;2$y\x1b[?1u\x1b[?62;4c");
    pty.wait_for("complete=true light=Some(true) keyboard=true");
    pty.send("x");
    pty.wait_for("x>");
}

#[test]
fn a_terminal_that_does_not_answer_is_not_waited_for() {
    let mut pty = start("probe");
    pty.wait_for("complete=false light=None keyboard=false");
    pty.send("\x1b]10;rgb:dada/cdcd/abab\x1b\\\x1b]11;rgb:1e1e/adad/2e2e\x1b\\\x1b[?2026;2$y\x1b[?1u\x1b[?62;4c");
    pty.send("x");
    pty.wait_for("x>");
    assert!(
        pty.contents().contains("keyboard=false x>"),
        "{}",
        pty.contents()
    );
}

#[test]
fn a_new_size_is_noticed() {
    let mut pty = start("");
    pty.resize(30, 100);
    pty.wait_for("Size { width: 100, height: 30 }");
}
