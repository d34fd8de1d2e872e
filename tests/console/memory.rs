//! A console that is open for weeks: rows that are over are let go of, but none that somebody has in hand.

use portcullis::console::msg::Msg;
use portcullis::wire::RequestView;

use super::desk::{Desk, request, request_id};

/// More than are kept.
const MANY: u64 = 1_500;

/// A request that was decided so many minutes ago.
fn decided(desk: &Desk, number: u64, minutes: i64) -> RequestView {
    let at = desk.server_now() - chrono::TimeDelta::minutes(minutes);
    let mut view = request(number, "erin", "ledger", "readonly", "1h", "month end");
    view.state = "denied".to_owned();
    view.created_at = at;
    view.decided_at = Some(at);
    view.version = 2;
    view
}

/// The lists are read again with so many more decided requests, later than all before.
fn later(desk: &mut Desk, from: u64) {
    for number in from..from + MANY {
        let minutes = i64::try_from(90_000 - number).unwrap();
        let view = decided(desk, number, minutes);
        desk.requests.push(view);
    }
    desk.send(Msg::Woke);
    desk.wait(3_000);
}

fn known(desk: &Desk, number: u64) -> bool {
    desk.app
        .world()
        .store
        .request(&request_id(number))
        .is_some()
}

#[test]
fn what_is_over_is_let_go_of_and_what_is_open_never() {
    let mut desk = Desk::live(120, 40);
    later(&mut desk, 100);
    let kept = |desk: &Desk| desk.app.world().store.requests().count();
    assert!((402..450).contains(&kept(&desk)), "{}", kept(&desk));
    assert!(known(&desk, 1) && known(&desk, 2), "pending");
    assert!(known(&desk, 100 + MANY - 1));
    desk.requests.retain(|view| view.state == "pending");
    later(&mut desk, 10_000);
    assert!((402..450).contains(&kept(&desk)), "{}", kept(&desk));
    assert!(!desk.screen().contains('✝'), "{}", desk.screen());
    let rows = format!("of {}", kept(&desk));
    assert!(desk.screen().contains(&rows), "{}", desk.screen());
}

#[test]
fn a_row_in_hand_stays_and_nothing_in_sight_moves() {
    let mut desk = Desk::live(120, 40);
    later(&mut desk, 100);
    desk.requests.retain(|view| view.state == "pending");
    // The very last row, and one somewhere above that is marked and out of sight.
    desk.keys("G ctrl-u ctrl-u ctrl-u Space G");
    let list = |desk: &Desk| -> String {
        let screen = desk.screen();
        let lines = screen.lines().skip(3).take(20);
        lines.collect::<Vec<_>>().join("\n")
    };
    let (before, selected) = (list(&desk), desk.app.screen().unwrap().subject());
    let marked = desk.app.screen().unwrap().marked();
    assert_eq!(marked.len(), 1);
    later(&mut desk, 10_000);
    assert_eq!(desk.app.screen().unwrap().subject(), selected);
    assert_eq!(desk.app.screen().unwrap().marked(), marked);
    assert_eq!(list(&desk), before);
    assert!(desk.app.world().store.get(&marked[0]).is_some());
    let kept = desk.app.world().store.requests().count();
    assert!((403..500).contains(&kept), "{kept}");
}
