//! Acts on many rows, and the acts that have a form of their own.

use portcullis::console::confirm::{Act, IncidentStep, ItemState, Mutation};
use portcullis::console::msg::{Failure, Msg, Receipt, Trip};
use portcullis::console::term::input::Key;
use portcullis::wire::{ClaimView, LockOn};

use super::desk::{Desk, event, grant, grant_id, key, request_id};
use super::sample;

fn trip(desk: &Desk) -> Trip {
    Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    }
}

fn refuse(desk: &mut Desk, change: Mutation, code: &str, text: &str) {
    let refused = Failure::Refused {
        code: code.to_owned(),
        text: text.to_owned(),
        hint: None,
        trace: None,
    };
    let trip = trip(desk);
    desk.send(Msg::Acted(change, Err(refused), trip));
}

/// A desk with six grants, four of them marked.
fn marked() -> Desk {
    let mut desk = Desk::live(120, 40);
    desk.grants
        .extend((10..14).map(|number| grant(number, "erin", "ledger", "readonly", 50)));
    desk.send(Msg::Woke);
    desk.wait(3_000);
    desk.keys("2 g Space Space v j v");
    desk
}

#[test]
fn marks_move_on_and_ranges_and_all_are_counted() {
    let mut desk = marked();
    assert!(desk.screen().contains("4 marked"), "{}", desk.screen());
    desk.keys("*");
    assert!(desk.screen().contains("6 marked"), "{}", desk.screen());
    desk.keys("ctrl-\\");
    assert!(!desk.screen().contains("marked"), "{}", desk.screen());
}

#[test]
fn a_marked_row_that_vanishes_loses_its_mark() {
    let mut desk = marked();
    desk.grants
        .retain(|view| view.id != grant_id(6).to_string());
    desk.keys("/");
    desk.type_in("who:carol,erin");
    desk.keys("Enter");
    assert!(desk.screen().contains("3 marked"), "{}", desk.screen());
    let ids = desk.app.screen().unwrap().marked();
    assert!(ids.iter().all(|id| id.as_str() != grant_id(6).as_str()));
}

#[test]
fn a_change_of_many_is_exactly_the_list() {
    let mut desk = marked();
    desk.keys("x");
    assert!(
        desk.screen().contains("Revoke 4 of 4 marked"),
        "{}",
        desk.screen()
    );
    desk.keys("4 Enter");
    assert_eq!(desk.changes(), [], "before it could be read");
    desk.read_it();
    desk.keys("Enter");
    assert_eq!(desk.changes(), []);
    desk.read_it();
    desk.keys("1 Enter 3 Enter");
    assert!(
        desk.screen().contains("type 4 to do it to 4 rows"),
        "{}",
        desk.screen()
    );
    desk.keys("Backspace Delete");
    assert!(
        desk.screen().contains("Revoke 3 of 4 marked"),
        "{}",
        desk.screen()
    );
    desk.keys("3 Enter");
    let changes = desk.changes();
    assert_eq!(changes.len(), 3);
    assert!(changes.iter().all(|change| {
        matches!(change.act(), Act::Revoke { reason, .. } if reason == "the work is done")
            && change.version() == 3
    }));
    let keys: std::collections::HashSet<_> = changes
        .iter()
        .map(|change| change.idempotency_key().as_str().to_owned())
        .collect();
    assert_eq!(keys.len(), 3, "each its own key");
}

#[test]
fn each_row_of_a_list_gets_its_own_result_and_only_the_unanswered_is_retried() {
    let mut desk = marked();
    desk.keys("x");
    desk.read_it();
    desk.keys("Tab 1 Enter 4 Enter");
    let changes = desk.changes();
    let [first, second, third, fourth] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    let mut closing = desk.grants[0].clone();
    closing.id = first.subject().unwrap().as_str().to_owned();
    closing.state = "closing".to_owned();
    closing.version = 9;
    let at = trip(&desk);
    desk.send(Msg::Acted(
        first.clone(),
        Ok(Receipt::Grant(Box::new(closing))),
        at,
    ));
    refuse(
        &mut desk,
        second.clone(),
        "conflict",
        "somebody was quicker",
    );
    refuse(&mut desk, third.clone(), "forbidden", "you may not");
    for _ in 0..60 {
        let at = trip(&desk);
        let lost = Failure::Unreachable("no route".to_owned());
        desk.send(Msg::Acted(fourth.clone(), Err(lost), at));
        desk.wait(6_000);
    }
    let states: Vec<ItemState> = desk
        .app
        .review()
        .unwrap()
        .items()
        .iter()
        .map(|item| item.state.clone())
        .collect();
    assert!(matches!(states[0], ItemState::Done(_)), "{states:?}");
    assert!(matches!(states[1], ItemState::Changed(_)), "{states:?}");
    assert!(matches!(states[2], ItemState::Refused(_)), "{states:?}");
    assert!(matches!(states[3], ItemState::Unanswered(_)), "{states:?}");
    desk.changes();
    desk.keys("r");
    assert_eq!(
        desk.changes().as_slice(),
        std::slice::from_ref(fourth),
        "the very same change"
    );
}

#[test]
fn a_row_that_changes_in_a_list_is_said_and_the_count_begins_anew() {
    let mut desk = marked();
    desk.keys("x");
    desk.read_it();
    desk.keys("Tab 1 Enter 4");
    let at = desk
        .grants
        .iter_mut()
        .find(|view| view.id == grant_id(5).to_string());
    let changed = at.unwrap();
    changed.version = 4;
    changed.state = "revoked".to_owned();
    changed
        .allowed_actions
        .iter_mut()
        .for_each(|action| action.allowed = false);
    let mut told = event(90, "grant.revoked", "rob");
    told.grant = Some(grant_id(5).to_string());
    desk.tell(vec![told]);
    desk.keys("Enter");
    assert_eq!(desk.changes(), []);
    assert!(desk.screen().contains("cannot"), "{}", desk.screen());
    desk.read_it();
    desk.keys("3 Enter");
    assert_eq!(desk.changes().len(), 3);
}

#[test]
fn leaving_a_list_sends_nothing_and_keeps_the_marks() {
    let mut desk = marked();
    desk.keys("x");
    desk.read_it();
    desk.keys("Tab 1 Enter 4 Esc");
    assert_eq!(desk.changes(), []);
    assert!(
        desk.screen().contains("nothing was sent"),
        "{}",
        desk.screen()
    );
    assert!(desk.screen().contains("4 marked"), "{}", desk.screen());
}

#[test]
fn a_claim_is_one_key_and_the_same_key_gives_it_back() {
    let mut desk = Desk::live(120, 40);
    desk.keys("c");
    let change = desk.changes().remove(0);
    assert_eq!(
        change.act(),
        &Act::Claim {
            request: request_id(1)
        }
    );
    desk.requests[0].claim = Some(ClaimView {
        by: "maya".to_owned(),
        since: desk.server_now(),
        until: desk.server_now() + chrono::TimeDelta::minutes(10),
    });
    let view = desk.requests[0].clone();
    let at = trip(&desk);
    desk.send(Msg::Acted(change, Ok(Receipt::Request(Box::new(view))), at));
    assert!(
        desk.screen().contains("you are on R-0000000001"),
        "{}",
        desk.screen()
    );
    desk.press(Key {
        repeat: true,
        ..key("c")
    });
    assert_eq!(desk.changes(), []);
    desk.keys("u");
    assert_eq!(
        desk.changes()[0].act(),
        &Act::Release {
            request: request_id(1)
        }
    );
}

#[test]
fn undoing_an_approval_asks_to_revoke_the_grant() {
    let mut desk = Desk::live(120, 40);
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    let change = desk.changes().remove(0);
    let mut view = desk.requests[0].clone();
    view.state = "approved".to_owned();
    view.version = 2;
    view.grant = Some(grant_id(6).to_string());
    let at = trip(&desk);
    desk.send(Msg::Acted(change, Ok(Receipt::Request(Box::new(view))), at));
    assert!(
        desk.screen()
            .contains("is approved (u revokes its grant) 30 s"),
        "{}",
        desk.screen()
    );
    desk.wait(5_000);
    desk.tell(Vec::new());
    assert!(
        desk.screen().contains("(u revokes its grant) 25 s"),
        "{}",
        desk.screen()
    );
    desk.keys("u");
    assert!(
        desk.screen().contains("Revoke G-0000000006"),
        "{}",
        desk.screen()
    );
    assert_eq!(desk.changes(), []);
    desk.keys("Esc");
    desk.wait(26_000);
    desk.keys("u");
    assert!(
        desk.screen().contains("nothing to undo"),
        "{}",
        desk.screen()
    );
}

#[test]
fn what_cannot_be_undone_says_why() {
    let mut desk = Desk::live(120, 40);
    desk.keys("2 x");
    desk.read_it();
    desk.keys("y 1 Enter");
    let change = desk.changes().remove(0);
    let mut closing = desk.grants[1].clone();
    closing.state = "closing".to_owned();
    closing.version = 4;
    let at = trip(&desk);
    desk.send(Msg::Acted(
        change,
        Ok(Receipt::Grant(Box::new(closing))),
        at,
    ));
    desk.keys("u");
    assert!(
        desk.screen()
            .contains("does not come back: `dave` must ask again"),
        "{}",
        desk.screen()
    );
}

#[test]
fn a_lock_needs_its_name_typed() {
    let mut desk = Desk::live(120, 40);
    desk.keys("2 L");
    assert!(desk.screen().contains("Lock dave"), "{}", desk.screen());
    assert!(
        desk.screen().contains("1: dave readonly on orders-db"),
        "{}",
        desk.screen()
    );
    desk.read_it();
    desk.type_in("stolen laptop");
    desk.keys("Tab 2 h Tab");
    desk.send(Msg::Paste("dave".to_owned()));
    desk.read_it();
    desk.keys("Enter");
    assert_eq!(desk.changes(), []);
    assert!(
        desk.screen().contains("type `dave` in the last line"),
        "{}",
        desk.screen()
    );
    desk.type_in("dave");
    desk.keys("Enter");
    let changes = desk.changes();
    let Act::Lock { on, reason, lasts } = changes[0].act() else {
        panic!("{changes:?}")
    };
    assert_eq!(
        on,
        &LockOn::Principal {
            principal: "dave".to_owned()
        }
    );
    assert_eq!(reason, "stolen laptop");
    assert_eq!(lasts.unwrap().to_string(), "2h");
}

fn incident_at_review() -> Desk {
    let mut desk = Desk::live(120, 40);
    desk.grants.push(grant(7, "erin", "orders-db", "admin", 50));
    desk.send(Msg::Woke);
    desk.wait(3_000);
    desk.keys("2 i");
    desk.read_it();
    desk.keys("Enter");
    desk.read_it();
    desk
}

#[test]
fn an_incident_commits_exactly_the_dry_run() {
    let mut desk = incident_at_review();
    assert_eq!(desk.app.incident().unwrap().step(), IncidentStep::Review);
    let screen = desk.screen();
    assert!(
        screen.contains("2 grants of 2 people, 1 pending request;"),
        "{screen}"
    );
    assert!(
        screen.contains("target `orders-db`, until somebody lifts it"),
        "{screen}"
    );
    desk.keys("Space");
    assert!(
        desk.screen().contains("the lock takes away every grant"),
        "{}",
        desk.screen()
    );
    desk.keys("G Space Tab");
    desk.type_in("INC-4127 token theft");
    desk.keys("Enter 3 Enter");
    assert_eq!(desk.changes(), []);
    assert!(
        desk.screen().contains("type 2 to take away 2"),
        "{}",
        desk.screen()
    );
    desk.keys("Backspace 2 Enter");
    let changes = desk.changes();
    let Act::Incident { commit } = changes[0].act() else {
        panic!("{changes:?}")
    };
    assert_eq!(
        (commit.token.as_str(), commit.items.len(), commit.count),
        ("t-1", 3, 2)
    );
    assert_eq!(commit.keep, [commit.items[2].id.clone()]);
    assert!(
        desk.screen().contains("the server has not answered yet"),
        "{}",
        desk.screen()
    );
}

#[test]
fn a_second_dry_run_says_what_is_new_and_what_is_gone() {
    let mut desk = incident_at_review();
    desk.grants.push(grant(8, "zoe", "orders-db", "admin", 50));
    desk.grants
        .retain(|view| view.id != grant_id(7).to_string());
    desk.keys("v");
    desk.read_it();
    let screen = desk.screen();
    assert!(screen.contains("1 NEW, gone: G-0000000007"), "{screen}");
    assert!(screen.contains("NEW  INC-4127 disk"), "{screen}");
}

#[test]
fn an_incident_is_over_when_every_row_was_read_back() {
    let mut desk = incident_at_review();
    desk.keys("Tab");
    desk.type_in("token theft");
    desk.keys("Enter 3 Enter");
    let change = desk.changes().remove(0);
    let at = trip(&desk);
    let lost = Failure::Unreachable("no route".to_owned());
    desk.send(Msg::Acted(change.clone(), Err(lost), at));
    assert!(
        desk.screen()
            .contains("whether anything was done is not known"),
        "{}",
        desk.screen()
    );
    desk.wait(3_000);
    assert_eq!(
        desk.changes().as_slice(),
        std::slice::from_ref(&change),
        "the same key"
    );
    desk.incident = Some(sample::incident(false));
    let view = sample::incident(false);
    desk.send(Msg::Acted(
        change,
        Ok(Receipt::Incident(Box::new(view))),
        at,
    ));
    let screen = desk.screen();
    assert!(
        screen.contains("2 of 3 are not off yet, 1 of them in trouble"),
        "{screen}"
    );
    assert!(screen.contains("connection refused"), "{screen}");
    desk.keys("Esc");
    assert!(
        desk.screen().contains("the incident goes on: 2 of 3"),
        "{}",
        desk.screen()
    );
    desk.keys("i");
    desk.incident = Some(sample::incident(true));
    desk.wait(2_000);
    assert!(
        desk.screen().contains("all 3 are settled"),
        "{}",
        desk.screen()
    );
}

#[test]
fn leaving_an_incident_before_its_count_sends_nothing() {
    let mut desk = incident_at_review();
    desk.keys("Esc");
    desk.read_it();
    desk.keys("Esc");
    assert!(desk.app.incident().is_none());
    assert!(
        desk.screen().contains("nothing was sent"),
        "{}",
        desk.screen()
    );
    assert_eq!(desk.changes(), []);
}

#[test]
fn a_request_can_be_approved_for_a_lesser_role_and_later() {
    let mut desk = Desk::live(120, 40);
    desk.targets = vec![sample::target("ledger")];
    desk.keys("j e");
    desk.read_it();
    desk.keys("Tab Right Tab 1 0 m");
    let screen = desk.screen();
    assert!(
        screen.contains("readonly instead of read-write"),
        "{screen}"
    );
    assert!(screen.contains("not before"), "{screen}");
    desk.keys("y");
    let changes = desk.changes();
    let Act::Approve { less, .. } = changes[0].act() else {
        panic!("{changes:?}")
    };
    assert_eq!(less.role.as_deref(), Some("readonly"));
    assert!(less.not_before.is_some() && less.duration.is_none());
}
