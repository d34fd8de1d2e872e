//! Everything that was said, with its time and the trace to quote.

use portcullis::console::msg::{Effect, Msg, Tidings};

use super::desk::{Desk, event};

fn told() -> (Desk, Desk) {
    let desk = |width, height| {
        let mut desk = Desk::live(width, height);
        desk.send(Msg::Stream(Tidings::Gap));
        desk.wait(5_000);
        desk.keys("2");
        let mut submitted = event(200, "request.submitted", "eve");
        submitted.role = Some("admin".to_owned());
        desk.tell(vec![submitted]);
        desk.wait(20_000);
        desk.tell(Vec::new());
        desk
    };
    (desk(80, 24), desk(120, 40))
}

#[test]
fn what_was_said_can_be_read_later() {
    let (narrow, wide) = told();
    for (mut desk, name) in [(narrow, "80x24"), (wide, "120x40")] {
        assert!(desk.app.toasts().shown().is_empty(), "long gone");
        desk.keys("m");
        insta::assert_snapshot!(format!("messages_{name}"), desk.screen());
    }
}

#[test]
fn a_message_is_copied_with_its_time() {
    let (mut desk, _) = told();
    desk.keys("m k y");
    let copied = desk.effects.iter().find_map(|effect| match effect {
        Effect::Copy(text) => Some(text.clone()),
        _ => None,
    });
    assert_eq!(
        copied.as_deref(),
        Some("2026-11-20T03:12:12Z careful: events are missing, everything is read again")
    );
}

#[test]
fn words_of_others_in_a_message_are_clean() {
    let mut desk = Desk::live(120, 40);
    desk.keys("2");
    let mut submitted = event(200, "request.submitted", "eve\u{1b}[2J\u{202e}");
    submitted.role = Some("admin".to_owned());
    desk.tell(vec![submitted]);
    desk.keys("m");
    let screen = desk.screen();
    assert!(!screen.contains(['\u{1b}', '\u{202e}']), "{screen}");
    assert!(screen.contains("asks for"), "{screen}");
}

#[test]
fn refusals_of_keys_are_there_too() {
    let mut desk = Desk::readonly(120, 40);
    desk.keys("a");
    desk.wait(20_000);
    desk.keys("m");
    let screen = desk.screen();
    assert!(screen.contains("--readonly"), "{screen}");
}

#[test]
fn a_refusal_keeps_the_trace_to_quote() {
    use portcullis::console::msg::{Failure, Trip};
    let mut desk = Desk::live(120, 40);
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    let change = desk.changes().remove(0);
    let refused = Failure::Refused {
        code: "conflict".to_owned(),
        text: "somebody was quicker".to_owned(),
        hint: None,
        trace: Some("c-4711".to_owned()),
    };
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    desk.send(Msg::Acted(change, Err(refused), trip));
    desk.keys("m");
    let screen = desk.screen();
    assert!(
        screen.contains("not done, somebody was quicker") && screen.contains("trace c-4711"),
        "{screen}"
    );
}
