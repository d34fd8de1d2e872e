//! What it takes to change something, and what never does.

use crossterm::event::{KeyCode, KeyModifiers};
use portcullis::console::confirm::{Act, Less};
use portcullis::console::msg::{Failure, Msg, Receipt, Tidings, Trip};
use portcullis::console::term::input::Key;
use std::time::Duration;

use super::desk::{Desk, event, grant_id, key, request_id};

#[test]
fn a_request_is_approved_by_a_and_y() {
    let mut desk = Desk::live(120, 40);
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    let changes = desk.changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(
        changes[0].act(),
        &Act::Approve {
            request: request_id(1),
            less: Less::default()
        }
    );
    assert_eq!(changes[0].version(), 1);
    assert!(
        desk.screen().contains("PENDING approve R-0000000001"),
        "{}",
        desk.screen()
    );
    assert!(
        desk.screen().contains("○ pending"),
        "nothing is done before the server says so"
    );
}

#[test]
fn keys_do_nothing_before_the_question_could_be_read() {
    let mut desk = Desk::live(80, 24);
    desk.keys("a");
    desk.wait(300);
    desk.keys("y");
    desk.wait(300);
    desk.keys("y");
    assert_eq!(
        desk.changes(),
        [],
        "each swallowed key begins the pause anew"
    );
    desk.read_it();
    desk.keys("y");
    assert_eq!(desk.changes().len(), 1);
}

#[test]
fn held_keys_bursts_enter_and_paste_are_no_answer() {
    let mut desk = Desk::live(80, 24);
    desk.keys("a");
    desk.read_it();
    let held = Key {
        repeat: true,
        ..key("y")
    };
    let burst = Key {
        burst: true,
        ..key("y")
    };
    for press in [held, burst, key("Enter"), key("a"), key("Y")] {
        desk.press(press);
        desk.read_it();
    }
    desk.send(Msg::Paste("y\ny\n".to_owned()));
    desk.read_it();
    assert_eq!(desk.changes(), []);
    assert!(desk.app.strip().is_some());
    desk.keys("n");
    assert!(desk.app.strip().is_none());
}

#[test]
fn nothing_opens_a_question_but_a_deliberate_key() {
    let mut desk = Desk::live(80, 24);
    desk.press(Key {
        burst: true,
        ..key("a")
    });
    desk.press(Key {
        repeat: true,
        ..key("d")
    });
    desk.send(Msg::Paste("a".to_owned()));
    desk.press(Key::press(KeyCode::Char('a'), KeyModifiers::ALT));
    assert!(desk.app.strip().is_none());
}

#[test]
fn the_first_key_after_the_window_got_the_keyboard_only_gets_it() {
    let mut desk = Desk::live(80, 24);
    desk.send(Msg::Focus(true));
    desk.wait(100);
    desk.keys("a");
    assert!(desk.app.strip().is_none());
    desk.keys("a");
    assert!(desk.app.strip().is_some());
}

#[test]
fn a_row_that_changes_under_the_question_is_shown_and_waited_for() {
    let mut desk = Desk::live(120, 40);
    desk.keys("a");
    desk.read_it();
    desk.requests[0].version = 2;
    desk.requests[0].duration_granted = "20m".to_owned();
    let mut told = event(90, "review.recorded", "rob");
    told.request = Some(request_id(1).to_string());
    desk.tell(vec![told]);
    desk.keys("y");
    assert_eq!(desk.changes(), []);
    assert!(
        desk.screen().contains("Changed   for: 1h -> 20m"),
        "{}",
        desk.screen()
    );
    desk.read_it();
    desk.keys("y");
    assert_eq!(desk.changes()[0].version(), 2);
}

#[test]
fn a_request_decided_by_somebody_else_cannot_be_approved_any_more() {
    let mut desk = Desk::live(120, 40);
    desk.keys("a");
    desk.read_it();
    desk.requests[0].version = 2;
    desk.requests[0].state = "denied".to_owned();
    desk.requests[0].allowed_actions[0].allowed = false;
    desk.requests[0].allowed_actions[0].reason =
        Some("request `R-0000000001` was already denied by `rob`".to_owned());
    let mut told = event(90, "request.denied", "rob");
    told.request = Some(request_id(1).to_string());
    desk.tell(vec![told]);
    desk.read_it();
    desk.keys("y");
    assert_eq!(desk.changes(), []);
    let screen = desk.screen();
    assert!(screen.contains("state: pending -> denied"), "{screen}");
    assert!(screen.contains("was already denied by `rob`"), "{screen}");
}

#[test]
fn own_requests_say_why_they_cannot_be_approved() {
    let mut desk = Desk::live(120, 40);
    desk.requests[0].version = 2;
    desk.requests[0].allowed_actions[0].allowed = false;
    desk.requests[0].allowed_actions[0].reason = Some("you asked for this one".to_owned());
    desk.send(Msg::Woke);
    desk.wait(3_000);
    desk.keys("a");
    assert!(desk.app.strip().is_none());
    assert!(
        desk.screen().contains("! you asked for this one"),
        "{}",
        desk.screen()
    );
}

#[test]
fn denying_asks_for_the_comment() {
    let mut desk = Desk::live(80, 24);
    desk.keys("d");
    desk.read_it();
    desk.keys("Enter");
    assert!(
        desk.screen().contains("write at least 3 characters"),
        "{}",
        desk.screen()
    );
    desk.type_in("yes no");
    assert_eq!(desk.changes(), [], "letters are letters");
    desk.keys("Enter");
    let comment = "yes no".to_owned();
    assert_eq!(
        desk.changes()[0].act(),
        &Act::Deny {
            request: request_id(1),
            comment
        }
    );
}

#[test]
fn a_preset_fills_the_comment_but_does_not_send_it() {
    let mut desk = Desk::live(80, 24);
    desk.keys("d");
    desk.read_it();
    desk.keys("3");
    assert_eq!(desk.changes(), []);
    assert!(
        desk.screen().contains("Comment   ask for a shorter time"),
        "{}",
        desk.screen()
    );
    desk.keys("Enter");
    assert_eq!(desk.changes().len(), 1);
}

#[test]
fn revoking_asks_for_intent_and_then_for_the_reason() {
    let mut desk = Desk::live(80, 24);
    desk.keys("2 x");
    desk.read_it();
    desk.keys("Enter");
    desk.read_it();
    desk.keys("y");
    assert_eq!(desk.changes(), []);
    desk.type_in("wrong person");
    desk.keys("Enter");
    let reason = "wrong person".to_owned();
    assert_eq!(
        desk.changes()[0].act(),
        &Act::Revoke {
            grant: grant_id(6),
            reason
        }
    );
}

#[test]
fn extending_shows_the_new_end_and_keeps_the_cap() {
    let mut desk = Desk::live(80, 24);
    desk.keys("2 e");
    desk.read_it();
    assert!(
        desk.screen().contains("03:16:09Z -> 03:31:09Z"),
        "{}",
        desk.screen()
    );
    desk.keys("9 h");
    assert!(
        desk.screen().contains("at most 3h38m more: 4h in total"),
        "{}",
        desk.screen()
    );
    desk.keys("y");
    assert_eq!(desk.changes(), []);
    desk.keys("Backspace Backspace 3 0 m");
    assert!(
        desk.screen().contains("03:16:09Z -> 03:46:09Z"),
        "{}",
        desk.screen()
    );
    desk.keys("y");
    let changes = desk.changes();
    assert!(
        matches!(changes[0].act(), Act::Extend { grant, by, .. } if *grant == grant_id(6) && by.minutes() == 30)
    );
}

#[test]
fn a_request_can_be_approved_for_less_but_not_for_more() {
    let mut desk = Desk::live(120, 40);
    desk.keys("e");
    desk.read_it();
    desk.keys("2 h y");
    assert_eq!(desk.changes(), []);
    assert!(
        desk.screen().contains("only less than 1h can be given"),
        "{}",
        desk.screen()
    );
    desk.keys("Backspace Backspace 2 0 m y");
    let changes = desk.changes();
    assert!(
        matches!(changes[0].act(), Act::Approve { less: Less { duration: Some(span), .. }, .. } if span.minutes() == 20)
    );
}

#[test]
fn stale_data_stops_what_gives_access_and_never_what_takes_it() {
    let mut desk = Desk::live(120, 40);
    desk.answers = false;
    desk.send(Msg::Stream(Tidings::Lost {
        why: "it broke".to_owned(),
        retry_in: Duration::from_secs(4),
    }));
    desk.wait(42_000);
    desk.keys("a");
    assert!(desk.app.strip().is_none());
    assert!(
        desk.screen().contains("needs live data"),
        "{}",
        desk.screen()
    );
    desk.keys("2 x");
    desk.read_it();
    assert!(
        desk.screen()
            .contains("what you see is 0:42 old; revoking works anyway"),
        "{}",
        desk.screen()
    );
    desk.keys("y 1 Enter");
    assert_eq!(desk.changes().len(), 1);
}

#[test]
fn a_question_open_when_the_data_goes_stale_is_not_answered() {
    let mut desk = Desk::live(120, 40);
    desk.keys("a");
    desk.answers = false;
    desk.wait(30_000);
    desk.keys("y");
    assert_eq!(desk.changes(), []);
    assert!(
        desk.screen().contains("needs live data"),
        "{}",
        desk.screen()
    );
}

#[test]
fn what_was_read_long_ago_is_read_again_before_it_is_decided() {
    let mut desk = Desk::live(120, 40);
    desk.keys("a");
    desk.answers = false;
    for _ in 0..3 {
        desk.wait(3_000);
        desk.tell(Vec::new());
    }
    desk.keys("y");
    assert_eq!(desk.changes(), []);
    assert!(
        desk.screen().contains("reading it once more"),
        "{}",
        desk.screen()
    );
}

#[test]
fn an_unanswered_revocation_is_sent_again_with_the_same_key() {
    let mut desk = Desk::live(120, 40);
    desk.keys("2 x");
    desk.read_it();
    desk.keys("y 1 Enter");
    let first = desk.changes().remove(0);
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    desk.send(Msg::Acted(
        first.clone(),
        Err(Failure::Unreachable("no route".to_owned())),
        trip,
    ));
    assert!(
        desk.screen().contains("PENDING revoke G-0000000006"),
        "{}",
        desk.screen()
    );
    desk.keys("x");
    assert!(desk.app.strip().is_none(), "one change of a row at a time");
    desk.wait(3_000);
    assert_eq!(
        desk.changes(),
        std::slice::from_ref(&first),
        "the very same change"
    );
    desk.send(Msg::Acted(
        first,
        Err(Failure::Unreachable("no route".to_owned())),
        trip,
    ));
    for _ in 0..40 {
        desk.wait(6_000);
        for change in desk.changes() {
            desk.send(Msg::Acted(
                change,
                Err(Failure::Unreachable("no route".to_owned())),
                trip,
            ));
        }
    }
    let screen = desk.screen();
    assert!(screen.contains("was not answered"), "{screen}");
    assert!(!screen.contains("PENDING"), "{screen}");
}

#[test]
fn revoked_is_said_only_when_the_target_was_read_back() {
    let mut desk = Desk::live(120, 40);
    desk.keys("2 x");
    desk.read_it();
    desk.keys("y 1 Enter");
    let change = desk.changes().remove(0);
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    let mut closing = desk.grants[1].clone();
    closing.state = "closing".to_owned();
    closing.close_kind = Some("revoke".to_owned());
    closing.version = 4;
    desk.grants[1] = closing.clone();
    desk.send(Msg::Acted(
        change,
        Ok(Receipt::Grant(Box::new(closing))),
        trip,
    ));
    let screen = desk.screen();
    assert!(
        screen.contains("is closing") && !screen.contains("revoked"),
        "{screen}"
    );
    desk.grants[1].state = "revoked".to_owned();
    desk.grants[1].version = 5;
    let mut told = event(91, "grant.revoked", "portcullis");
    told.grant = Some(grant_id(6).to_string());
    desk.tell(vec![told]);
    desk.wait(200);
    assert!(
        desk.screen()
            .contains("G-0000000006 is revoked, the target was read back"),
        "{}",
        desk.screen()
    );
}

#[test]
fn a_conflict_says_who_did_what_and_refreshes_the_row() {
    let mut desk = Desk::live(120, 40);
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    let change = desk.changes().remove(0);
    let mut told = event(90, "request.denied", "rob");
    told.request = Some(request_id(1).to_string());
    desk.tell(vec![told]);
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    let refused = Failure::Refused {
        code: "conflict".to_owned(),
        text: "somebody was quicker".to_owned(),
        hint: None,
        trace: None,
    };
    desk.requests[0].state = "denied".to_owned();
    desk.requests[0].version = 2;
    desk.send(Msg::Acted(change, Err(refused), trip));
    desk.wait(200);
    let screen = desk.screen();
    assert!(
        screen.contains("not done, somebody was quicker"),
        "{screen}"
    );
    assert!(screen.contains("✗ denied"), "{screen}");
}

#[test]
fn a_read_only_console_changes_nothing() {
    let mut desk = Desk::readonly(120, 40);
    for keys in ["a", "d", "e", "2 x", "e"] {
        desk.keys(keys);
        assert!(desk.app.strip().is_none());
    }
    assert!(desk.screen().contains("--readonly"), "{}", desk.screen());
}
