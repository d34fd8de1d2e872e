//! Being called while looking elsewhere: when, how often, and in whose words.

use portcullis::config::Notify;
use portcullis::console::Calling;
use portcullis::console::msg::{Effect, Msg};
use portcullis::console::widget::toast::Level;
use portcullis::wire::RequestView;
use proptest::prelude::*;

use super::desk::{Desk, event, request, request_id};

/// A desk whose person looks elsewhere.
fn away() -> Desk {
    let mut desk = Desk::live(80, 24);
    desk.send(Msg::Focus(false));
    desk
}

/// Somebody asks, and the console hears of it.
fn ask(desk: &mut Desk, request: RequestView) {
    let mut heard = event(100, "request.submitted", &request.requester);
    heard.request = Some(request.id.clone());
    heard.grant = None;
    desk.requests.push(request);
    desk.tell(vec![heard]);
    desk.wait(500);
    desk.wait(500);
}

/// What was called out since the last time.
fn calls(desk: &mut Desk) -> Vec<String> {
    let effects = std::mem::take(&mut desk.effects);
    let words = effects.into_iter().filter_map(|effect| match effect {
        Effect::Notify(alert) => Some(alert.text().to_owned()),
        _ => None,
    });
    words.collect()
}

fn fresh(number: u64) -> RequestView {
    request(number, "zoe", "orders-db", "readonly", "1h", "let me in")
}

#[test]
fn somebody_who_looks_elsewhere_is_called_with_id_target_and_age() {
    let mut desk = away();
    assert!(
        calls(&mut desk).is_empty(),
        "what was there at the start is no news"
    );
    ask(&mut desk, fresh(30));
    let id = request_id(30);
    assert_eq!(calls(&mut desk), [format!("{id} orders-db 30m")]);
    desk.wait(20_000);
    assert!(calls(&mut desk).is_empty(), "once");
}

#[test]
fn somebody_who_is_there_is_not_called() {
    let mut desk = Desk::live(80, 24);
    desk.send(Msg::Focus(true));
    ask(&mut desk, fresh(30));
    assert!(calls(&mut desk).is_empty());
    desk.wait(60_000);
    assert!(calls(&mut desk).is_empty(), "it is on the screen");
    ask(&mut desk, fresh(31));
    assert_eq!(
        calls(&mut desk).len(),
        1,
        "nobody has touched a key for a minute"
    );
}

#[test]
fn requests_that_come_together_are_one_call() {
    let mut desk = away();
    ask(&mut desk, fresh(40));
    assert_eq!(calls(&mut desk).len(), 1);
    for number in 41..44 {
        ask(&mut desk, fresh(number));
        assert!(calls(&mut desk).is_empty(), "called less than 10 s ago");
    }
    desk.wait(10_000);
    let called = calls(&mut desk);
    assert_eq!(called.len(), 1, "{called:?}");
    let oldest = request_id(41);
    assert!(
        called[0].starts_with(&format!("3 requests wait, the oldest {oldest} orders-db ")),
        "{called:?}"
    );
}

#[test]
fn what_somebody_else_decides_meanwhile_is_not_called_out() {
    let mut desk = away();
    ask(&mut desk, fresh(40));
    calls(&mut desk);
    ask(&mut desk, fresh(41));
    let decided = desk.requests.last_mut().unwrap();
    decided.state = "denied".to_owned();
    decided.version = 2;
    let mut heard = event(101, "request.denied", "carol");
    heard.request = Some(request_id(41).to_string());
    desk.tell(vec![heard]);
    desk.wait(1_000);
    desk.wait(10_000);
    assert!(calls(&mut desk).is_empty());
}

#[test]
fn an_own_request_and_one_for_others_call_nobody() {
    let mut desk = away();
    let mut own = fresh(40);
    own.allowed_actions[0].allowed = false;
    ask(&mut desk, own);
    assert!(calls(&mut desk).is_empty());
}

#[test]
fn the_title_counts_what_waits() {
    let desk = Desk::live(80, 24);
    assert_eq!(desk.app.calls(), 2);
}

#[test]
fn quiet_hours_may_go_past_midnight() {
    let calling = |from, until| Calling {
        way: Notify::Desktop,
        quiet: Some((from, until)),
    };
    let night = calling(22 * 60, 7 * 60);
    assert!(night.is_quiet(23 * 60) && night.is_quiet(0) && night.is_quiet(7 * 60 - 1));
    assert!(!night.is_quiet(7 * 60) && !night.is_quiet(12 * 60));
    let lunch = calling(12 * 60, 13 * 60);
    assert!(lunch.is_quiet(12 * 60) && !lunch.is_quiet(13 * 60));
    assert!(!Calling::default().is_quiet(0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The words differ in nothing when everything differs that a requester typed.
    #[test]
    fn a_call_never_holds_what_a_requester_typed(
        typed in "\\PC{0,200}", who in "\\PC{1,40}", ticket in "\\PC{0,30}"
    ) {
        let words = |reason: &str, who: &str, ticket: &str| {
            let mut desk = away();
            let mut asked = fresh(30);
            asked.reason = reason.to_owned();
            asked.requester = who.to_owned();
            asked.ticket = Some(ticket.to_owned());
            ask(&mut desk, asked);
            calls(&mut desk)
        };
        let plain = words("reason", "zoe", "INC-1");
        prop_assert_eq!(words(&typed, &who, &ticket), plain);
    }

    #[test]
    fn a_server_cannot_write_on_the_desktop(target in "\\PC*|.*") {
        let mut desk = away();
        let mut asked = fresh(30);
        asked.target = target;
        ask(&mut desk, asked);
        for words in calls(&mut desk) {
            prop_assert!(words.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert!(words.len() < 120);
        }
    }
}

#[test]
fn what_the_program_has_to_say_is_a_message_like_others() {
    let mut desk = Desk::live(80, 24);
    desk.send(Msg::Say(Level::Warn, "there is no theme `x`".to_owned()));
    assert!(desk.screen().contains("there is no theme `x`"));
}
