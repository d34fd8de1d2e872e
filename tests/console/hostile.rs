//! Text of strangers through the whole console: every screen, the real program, the real server. What reaches the
//! terminal is read by a terminal's own parser, and nothing but our own sequences may be in it.

use portcullis::console::msg::{Failure, Msg, Query, Trip};
use portcullis::console::term::caps::{Charset, Depth};
use portcullis::console::term::writer::FrameWriter;
use portcullis::console::theme::Theme;
use portcullis::console::view::view;
use portcullis::wire::{EventView, GrantView, RequestView};
use ratatui::Terminal;
use ratatui::layout::Size;

use super::desk::{Desk, event, grant, request, start};
use super::program::Console;
use crate::support::hostile::corpus;
use crate::support::infest::infest;
use crate::support::tokens::{Allowed, strangers};
use crate::support::world::{ask, key, submit};

/// Rows of a desk; as many as a screen shows at once.
const ROWS: usize = 40;

/// Draws a desk onto a writer as the program does, and keeps every byte.
struct Glass {
    terminal: Terminal<FrameWriter<Vec<u8>>>,
}

impl Glass {
    fn new(charset: Charset) -> Self {
        let writer = FrameWriter::new(Vec::new(), || Ok(Size::new(100, 30)), charset);
        Self {
            terminal: Terminal::new(writer).unwrap(),
        }
    }

    fn draw(&mut self, desk: &Desk) {
        self.terminal
            .draw(|frame| view(&desk.app, &desk.theme, frame))
            .unwrap();
    }

    fn output(&self) -> &[u8] {
        self.terminal.backend().sink()
    }
}

/// The same row with this text wherever somebody could have written it. A server that is broken or hostile is no
/// excuse, so that includes what the server itself writes.
fn hostile_request(number: u64, attack: &str) -> RequestView {
    let mut view = request(number, attack, attack, attack, "1h", attack);
    view.verdict = attack.to_owned();
    view.ticket = Some(attack.to_owned());
    view.ways[0].policy = attack.to_owned();
    view.ways[0].reviewers = Some(attack.to_owned());
    view.tags = [(attack.to_owned(), attack.to_owned())].into();
    let extra = serde_json::json!({
        "signals": [{"code": attack, "word": attack, "why": attack}],
        "claim": {"by": attack, "since": start(), "until": start() + chrono::TimeDelta::hours(1)},
        "reviews": [{"reviewer": attack, "decision": attack, "comment": attack, "at": start()}],
    });
    with(view, &extra)
}

fn hostile_grant(number: u64, attack: &str) -> GrantView {
    let mut view = grant(number, attack, attack, attack, 30);
    view.reason = attack.to_owned();
    view.last_error = Some(attack.to_owned());
    view.closed_by = Some(attack.to_owned());
    view.tags = [(attack.to_owned(), attack.to_owned())].into();
    view
}

fn hostile_event(index: i64, attack: &str) -> EventView {
    let mut view = event(index, attack, attack);
    view.target = Some(attack.to_owned());
    view.principal = Some(attack.to_owned());
    view.role = Some(attack.to_owned());
    view.reason = Some(attack.to_owned());
    view.address = Some(attack.to_owned());
    view.channel = attack.to_owned();
    view.sentence = attack.to_owned();
    view.outcome = attack.to_owned();
    view.details
        .insert(attack.to_owned(), serde_json::json!(attack));
    view
}

/// Puts fields into a view as far as it has such fields; the shapes of lists are the wire's own.
fn with(view: RequestView, extra: &serde_json::Value) -> RequestView {
    let mut whole = serde_json::to_value(&view).unwrap();
    for (name, value) in extra.as_object().unwrap() {
        whole[name] = value.clone();
        if serde_json::from_value::<RequestView>(whole.clone()).is_err() {
            whole[name] = serde_json::to_value(&view).unwrap()[name].clone();
        }
    }
    serde_json::from_value(whole).unwrap_or(view)
}

fn infested(attacks: &[String]) -> Desk {
    let mut desk = Desk::new(100, 30);
    for (number, attack) in (0_u64..).zip(attacks) {
        desk.requests.push(hostile_request(number + 1, attack));
        desk.grants.push(hostile_grant(number + 1, attack));
        desk.events
            .push(hostile_event(i64::try_from(number).unwrap(), attack));
    }
    desk.connect();
    desk
}

/// Looks at everything there is, and opens every question.
fn look_around(desk: &mut Desk, glass: &mut Glass, rows: usize) {
    for screen in ["1", "2", "3", "4", "5", "6"] {
        desk.keys(&format!("{screen} g"));
        for row in 0..rows {
            desk.keys("j");
            // The detail of every row, and the list wherever it has moved on.
            if desk.app.screens().1 < 2 || row.is_multiple_of(8) {
                glass.draw(desk);
            }
        }
        for keys in [
            "g Enter",
            "PgDn",
            "Esc a",
            "Esc d",
            "Esc x y",
            "Esc Esc e",
            "Esc ?",
            "Esc m",
            "Esc",
        ] {
            desk.keys(keys);
            glass.draw(desk);
        }
    }
}

#[test]
fn text_of_strangers_cannot_leave_its_cell_on_any_screen() {
    for (charset, depth, step) in [
        (Charset::Unicode, Depth::TrueColor, 1),
        // The cleaning is the same and only the last defence differs, so some of them are enough.
        (Charset::Ascii, Depth::Mono, 6),
    ] {
        for attacks in corpus().chunks(ROWS).step_by(step) {
            let mut desk = infested(attacks);
            desk.theme = Theme::standard(false, depth, charset);
            let mut glass = Glass::new(charset);
            look_around(&mut desk, &mut glass, attacks.len());
            let found = strangers(glass.output(), Allowed::Screen);
            assert!(found.is_empty(), "{found:#?} from one of {attacks:#?}");
            if charset == Charset::Ascii {
                assert!(glass.output().is_ascii(), "one of {attacks:#?}");
            }
        }
    }
}

#[test]
fn text_of_strangers_in_messages_filters_and_pastes_is_only_text() {
    let mut desk = Desk::live(100, 30);
    let mut glass = Glass::new(Charset::Unicode);
    for attack in corpus() {
        let now = desk.now.steady;
        let trip = Trip {
            sent: now,
            received: now,
        };
        let failure = Failure::Refused {
            code: attack.clone(),
            text: attack.clone(),
            hint: Some(attack.clone()),
            trace: None,
        };
        desk.send(Msg::Answer(Query::Me, Err(failure), trip));
        desk.send(Msg::Say(
            portcullis::console::widget::toast::Level::Error,
            attack.clone(),
        ));
        glass.draw(&desk);
        desk.keys("/");
        desk.send(Msg::Paste(attack.clone()));
        glass.draw(&desk);
        desk.keys("Esc Esc d");
        desk.read_it();
        desk.send(Msg::Paste(attack.clone()));
        glass.draw(&desk);
        desk.keys("Esc Esc Esc");
    }
    let found = strangers(glass.output(), Allowed::Screen);
    assert!(found.is_empty(), "{found:#?}");
    assert!(desk.changes().is_empty(), "text is no decision");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_program_shows_a_poisoned_server_and_sends_only_its_own_sequences() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    world.granted(&ada).await;
    submit(&ada).await;
    // What the server itself lets through, and then what it never would: rows of a database that somebody broke.
    for attack in corpus()
        .into_iter()
        .filter(|attack| attack.chars().count() > 3)
        .step_by(60)
    {
        let mut asked = ask();
        asked.reason = attack.chars().filter(|c| !c.is_control()).collect();
        let _ = ada.submit(&asked, &key()).await;
    }
    infest(&world, &corpus()).await;
    let mut pty = Console::spawn(&world, &home, &[], &[], (50, 160));
    pty.wait_for("LIVE");
    pty.wait_for("maya");
    for screen in ["1", "2", "3", "4", "5", "6"] {
        for key in [screen, "g", "j", "j", "\x1b[6~", "\x1b[6~", "\r", "\x1b[6~"] {
            pty.send(key);
            // The help is drawn by the loop that took the key before it.
            pty.send("?");
            pty.wait_for("Keys for");
            pty.send("\x1b");
            pty.wait_until("no help", |pty| !pty.contents().contains("Keys for"));
        }
    }
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    let found = strangers(&pty.output, Allowed::Screen);
    assert!(found.is_empty(), "{found:#?}");
    let shown = String::from_utf8_lossy(&pty.output).into_owned();
    assert!(
        shown.contains("\\x1b") && shown.contains("‹U+"),
        "nothing hostile was on screen"
    );
}
