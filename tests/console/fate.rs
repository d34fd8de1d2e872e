//! Rows that vanish under somebody's eyes stay in their place and say what happened.

use portcullis::console::msg::Msg;
use serde_json::json;

use super::desk::{Desk, event, grant_id, request_id};

fn line(desk: &Desk, with: &str) -> String {
    let screen = desk.screen();
    let found = screen.lines().find(|line| line.contains(with));
    found.unwrap_or_else(|| panic!("{screen}")).to_owned()
}

#[test]
fn a_request_that_somebody_else_decides_says_who_and_how_long_ago() {
    let mut desk = Desk::live(120, 40);
    desk.keys("/");
    desk.type_in("state:pending");
    desk.keys("Enter");
    desk.requests[0].state = "approved".to_owned();
    desk.requests[0].version = 2;
    let mut told = event(90, "request.approved", "bob");
    told.actor.kind = "principal".to_owned();
    told.request = Some(request_id(1).to_string());
    told.time = desk.server_now();
    desk.tell(vec![told]);
    desk.wait(3_000);
    let row = line(&desk, "alice");
    assert!(row.contains("approved by bob 3 s ago"), "{row}");
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    assert_eq!(desk.changes(), [], "nothing may be done with it");
    desk.wait(300_000);
    let row = line(&desk, "alice");
    assert!(row.contains("approved by bob 5m ago"), "{row}");
}

#[test]
fn a_grant_says_who_closed_it_also_when_its_event_was_not_heard() {
    let mut desk = Desk::live(120, 40);
    desk.keys("2 /");
    desk.type_in("state:active");
    desk.keys("Enter");
    let ended = desk.server_now();
    for view in &mut desk.grants {
        view.state = "revoked".to_owned();
        view.version = 9;
        view.closed_by = Some("rob".to_owned());
        view.ended_at = Some(ended);
    }
    desk.send(Msg::Woke);
    desk.wait(3_000);
    let row = line(&desk, "carol");
    assert!(row.contains("revoked by rob 3 s ago"), "{row}");
}

#[test]
fn a_row_that_only_stopped_to_match_is_not_said_to_be_over() {
    let mut desk = Desk::live(120, 40);
    desk.keys("/");
    desk.type_in("reason:stuck");
    desk.keys("Enter");
    desk.requests[0].reason = "something else".to_owned();
    desk.requests[0].version = 2;
    let told = json!({
        "index": 91, "id": "x", "time": desk.server_now(), "event": "request.claimed", "outcome": "success",
        "actor": {"kind": "principal", "name": "bob"}, "channel": "tui", "sentence": "", "request": request_id(1),
    });
    desk.tell(vec![serde_json::from_value(told).unwrap()]);
    desk.wait(3_000);
    let row = line(&desk, "alice");
    assert!(row.contains("no longer matches"), "{row}");
    assert!(
        desk.app
            .world()
            .store
            .get(&portcullis::console::store::Subject::Grant(grant_id(5)))
            .is_some()
    );
}
