//! What a person sees on the screens beyond the three first ones, at each size. The pictures are in `snapshots/`.

use chrono::TimeDelta;
use portcullis::console::msg::Msg;
use portcullis::console::term::caps::{Charset, Depth};
use portcullis::console::theme::Theme;
use portcullis::wire::{ClaimView, SignalView};

use super::desk::{Desk, event, grant, grant_id};
use super::sample::{self, full_desk};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// Compares the pictures that keys lead to, at each size.
fn pictures(name: &str, keys: &[&str]) {
    for (width, height) in SIZES {
        let mut desk = desk(width, height);
        for keys in keys {
            desk.keys(keys);
            desk.read_it();
        }
        desk.wait(100);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), desk.screen());
    }
}

/// A desk with something on every screen, somebody else on a request, and grants of some hours.
fn desk(width: u16, height: u16) -> Desk {
    let mut desk = full_desk(width, height);
    desk.requests[0].signals = ["first use", "off hours"]
        .iter()
        .map(|word| SignalView {
            code: "off_hours".to_owned(),
            word: (*word).to_owned(),
            why: "9 of 10 requests of the last 30 days came between 08:00 and 18:00".to_owned(),
        })
        .collect();
    desk.requests[1].claim = Some(ClaimView {
        by: "rob".to_owned(),
        since: desk.server_now(),
        until: desk.server_now() + TimeDelta::minutes(10),
    });
    for (number, who, state, back) in [
        (20, "alice", "ended", 200_i64),
        (21, "bob", "revoked", 150),
        (22, "erin", "closing", 80),
        (23, "alice", "scheduled", -30),
    ] {
        let mut view = grant(number, who, "ledger", "read-write", 60 - back);
        let begun = desk.server_now() - TimeDelta::minutes(back);
        view.state = state.to_owned();
        view.not_before = begun;
        view.created_at = begun;
        view.starts_at = (state != "scheduled").then_some(begun);
        view.ended_at =
            matches!(state, "ended" | "revoked").then(|| begun + TimeDelta::minutes(45));
        desk.grants.push(view);
    }
    let mut told = event(70, "grant.activated", "portcullis");
    told.grant = Some(grant_id(6).to_string());
    desk.events.push(told);
    desk.send(Msg::Woke);
    desk.wait(3_000);
    desk
}

#[test]
fn requests_with_signals_and_claims() {
    pictures("triage", &["Esc"]);
}

#[test]
fn sessions() {
    pictures("sessions", &["3"]);
}

#[test]
fn locks() {
    pictures("locks", &["5"]);
}

#[test]
fn locking() {
    pictures("locking", &["2 L"]);
}

#[test]
fn timeline() {
    pictures("timeline", &["6 h h h"]);
}

#[test]
fn review() {
    pictures("review", &["2 * x", "Space"]);
}

#[test]
fn incident_scope() {
    pictures("incident_scope", &["2 i"]);
}

#[test]
fn incident_review() {
    pictures("incident_review", &["2 i", "Enter"]);
}

#[test]
fn grant_in_detail() {
    pictures("grant_detail", &["2 Enter"]);
}

#[test]
fn raw_detail() {
    pictures("raw_detail", &["2 Enter J"]);
}

#[test]
fn the_new_screens_need_no_colour_and_no_unicode() {
    let mut desk = desk(120, 40);
    desk.theme = Theme::standard(false, Depth::Mono, Charset::Ascii);
    for (name, keys) in [
        ("sessions", "3"),
        ("locks", "5"),
        ("timeline", "6"),
        ("review", "2 * x"),
    ] {
        desk.keys(keys);
        let screen = desk.screen();
        insta::assert_snapshot!(format!("{name}_ascii_120x40"), screen);
        assert!(screen.is_ascii(), "{screen}");
        desk.keys("Esc");
    }
}

#[test]
fn sessions_are_read_only_while_somebody_looks() {
    let mut desk = full_desk(120, 40);
    let asked = |desk: &mut Desk| {
        let effects = std::mem::take(&mut desk.effects);
        let session = |effect: &&portcullis::console::msg::Effect| {
            matches!(
                effect,
                portcullis::console::msg::Effect::Fetch(portcullis::console::msg::Query::Sessions)
            )
        };
        effects.iter().filter(session).count()
    };
    asked(&mut desk);
    for _ in 0..10 {
        desk.wait(2_000);
        desk.tell(Vec::new());
    }
    assert_eq!(asked(&mut desk), 0);
    desk.keys("3");
    for _ in 0..10 {
        desk.wait(1_000);
    }
    let count = asked(&mut desk);
    assert!((2..=3).contains(&count), "{count}");
}

#[test]
fn a_target_that_does_not_report_is_named() {
    let mut desk = full_desk(120, 40);
    desk.keys("3");
    let screen = desk.screen();
    assert!(screen.contains("1 target does not report"), "{screen}");
    assert!(
        screen.contains("ledger: the target does not report sessions"),
        "{screen}"
    );
}

#[test]
fn ending_a_session_asks_and_revoking_from_it_is_about_its_grant() {
    use portcullis::console::confirm::Act;
    let mut desk = full_desk(120, 40);
    desk.keys("3 t");
    assert!(
        desk.screen().contains("End session 4711 of G-0000000005"),
        "{}",
        desk.screen()
    );
    desk.read_it();
    desk.keys("y 1 Enter");
    let changes = desk.changes();
    assert!(
        matches!(changes[0].act(), Act::EndSession { session, .. } if session.id == "4711"),
        "{changes:?}"
    );
    desk.keys("j x");
    assert!(
        desk.screen().contains("Revoke G-0000000006"),
        "{}",
        desk.screen()
    );
}

#[test]
fn the_timeline_answers_who_had_access_at_a_moment() {
    let mut desk = desk(120, 40);
    desk.keys("6 o");
    desk.type_in("00:10");
    desk.keys("Enter");
    let screen = desk.screen();
    assert!(screen.contains("As of 00:10:00Z"), "{screen}");
    assert!(
        screen.contains("1 person had access by 1 grant"),
        "{screen}"
    );
    desk.keys("t");
    assert!(
        desk.screen().contains("(now): 3 people have access"),
        "{}",
        desk.screen()
    );
}

#[test]
fn a_filter_never_hides_trouble_quietly() {
    let mut desk = desk(120, 40);
    desk.keys("2 /");
    desk.type_in("who:carol");
    desk.keys("Enter");
    assert!(
        desk.screen()
            .contains("!! 1 closing or failed are not shown"),
        "{}",
        desk.screen()
    );
}

#[test]
fn requests_can_be_narrowed_to_ones_own() {
    let mut desk = desk(120, 40);
    desk.requests[0].allowed_actions[0].allowed = false;
    desk.requests[0].version = 2;
    desk.send(Msg::Woke);
    desk.wait(3_000);
    desk.keys("Tab");
    let screen = desk.screen();
    assert!(screen.contains("Requests for you to decide"), "{screen}");
    assert!(
        screen.contains("bob") && !screen.contains("○ pending      59m alice"),
        "{screen}"
    );
}

#[test]
fn receipts() {
    use portcullis::console::msg::{Receipt, Trip};
    for (width, height) in SIZES {
        let mut desk = desk(width, height);
        desk.keys("2 i");
        desk.read_it();
        desk.keys("Enter");
        desk.read_it();
        desk.keys("Tab");
        desk.type_in("token theft");
        let count = desk.app.incident().unwrap().count();
        desk.keys(&format!("Enter {count} Enter"));
        let change = desk.changes().remove(0);
        desk.incident = Some(sample::incident(false));
        let view = Box::new(sample::incident(false));
        let trip = Trip {
            sent: desk.now.steady,
            received: desk.now.steady,
        };
        desk.send(Msg::Acted(change, Ok(Receipt::Incident(view)), trip));
        insta::assert_snapshot!(format!("receipts_{width}x{height}"), desk.screen());
    }
}

#[test]
fn the_record_can_be_jumped_through() {
    let mut desk = Desk::new(120, 40);
    desk.events = (0..600)
        .map(|index| {
            let mut event = event(index, "grant.activated", "portcullis");
            event.time = desk.server_now() - TimeDelta::minutes(600 - index);
            if index == 50 {
                event.outcome = "denied".to_owned();
                event.event = "request.refused".to_owned();
            }
            event
        })
        .collect();
    desk.connect();
    desk.keys("4 (");
    assert!(desk.screen().contains("Event 50 "), "{}", desk.screen());
    desk.keys("]");
    assert!(desk.screen().contains("Event 110 "), "{}", desk.screen());
    desk.keys("[");
    assert!(desk.screen().contains("Event 50 "), "{}", desk.screen());
    desk.keys(")");
    assert!(
        desk.screen().contains("nothing was refused or failed"),
        "{}",
        desk.screen()
    );
    desk.keys("o");
    assert!(desk.screen().contains("trace:c-1"), "{}", desk.screen());
}

#[test]
fn who_is_signed_in_and_which_machines_there_are() {
    pictures("sign_ins", &["7"]);
    pictures("sign_in_detail", &["7 j Enter"]);
    pictures("ending_a_sign_in", &["7 g x"]);
    pictures("ending_all_of_a_person", &["7 g X"]);
    pictures("services", &["8"]);
    pictures("deleting_a_service", &["8 x"]);
    pictures("who_am_i", &["W"]);
}

#[test]
fn tabs_that_have_no_room_are_around_the_corner() {
    let mut desk = desk(80, 24);
    let tabs =
        |desk: &crate::console::desk::Desk| desk.screen().lines().nth(1).unwrap().trim().to_owned();
    assert!(tabs(&desk).ends_with('>'), "{}", tabs(&desk));
    desk.keys("0");
    assert!(tabs(&desk).starts_with('<'), "{}", tabs(&desk));
    assert!(tabs(&desk).ends_with("[0 Standing 2]"), "{}", tabs(&desk));
}
