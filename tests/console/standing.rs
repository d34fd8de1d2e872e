//! Standing access in the console: listed, answered for, ignored and opened again, with the target one key from a lock.

use portcullis::console::confirm::{Act, Mutation};
use portcullis::console::msg::{Failure, Msg, Receipt, Trip};
use portcullis::wire::LockOn;

use super::desk::Desk;
use super::linear::Line;
use super::sample::{full_desk, standing};

fn answer(desk: &mut Desk, change: Mutation, answer: Result<Receipt, Failure>) {
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    desk.send(Msg::Acted(change, answer, trip));
}

/// The only change that is on its way.
fn one(desk: &mut Desk) -> Mutation {
    let mut changes = desk.changes();
    assert_eq!(changes.len(), 1, "{changes:?}");
    changes.remove(0)
}

#[test]
fn what_nobody_said_anything_about_is_first_and_counted() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut desk = full_desk(width, height);
        desk.keys("0");
        let screen = desk.screen();
        assert!(screen.contains("Standing 2"), "{screen}");
        let at = |name: &str| {
            screen
                .find(name)
                .unwrap_or_else(|| panic!("no {name} in\n{screen}"))
        };
        assert!(at("old_backup") < at("Mallo") && at("Mallo") < at("monitoring"));
        assert!(!screen.contains('\u{202e}'), "{screen}");
        insta::assert_snapshot!(format!("standing_{width}x{height}"), screen);
        desk.keys("Enter");
        let screen = desk.screen();
        assert!(
            screen.contains("is member of dba") && screen.contains("on the target itself"),
            "{screen}"
        );
    }
}

#[test]
fn answering_for_it_names_oneself_for_a_time_and_asks_why() {
    let mut desk = full_desk(120, 40);
    desk.keys("0 a y");
    assert_eq!(desk.changes(), [], "not before it was read");
    desk.read_it();
    assert!(
        desk.screen().contains("maya answers for it until then"),
        "{}",
        desk.screen()
    );
    insta::assert_snapshot!("answer_for_120x40", desk.screen());
    desk.type_in("7d");
    desk.keys("y Enter");
    assert_eq!(desk.changes(), [], "not without a reason");
    desk.type_in("moves to grants, CHG-80");
    desk.keys("Enter");
    let change = one(&mut desk);
    let Act::ImportStanding {
        standing: id,
        owner,
        lasts,
        reason,
    } = change.act()
    else {
        panic!("{change:?}")
    };
    assert_eq!(id.to_string(), desk.standing[0].id);
    assert_eq!(
        (owner.as_str(), lasts.to_string(), change.version()),
        ("maya", "7d".to_owned(), 3)
    );
    assert_eq!(reason, "moves to grants, CHG-80");
    answer(
        &mut desk,
        change,
        Ok(Receipt::Standing(Box::new(standing(
            1,
            "old_backup",
            &["may log in"],
            "imported",
        )))),
    );
    let screen = desk.screen();
    assert!(
        screen.contains("maya answers for A-") && screen.contains("u opens it again"),
        "{screen}"
    );
    assert!(screen.contains("Standing 1"), "{screen}");
    desk.keys("u");
    assert!(desk.screen().contains("Open again A-"), "{}", desk.screen());
}

#[test]
fn what_is_ignored_needs_a_reason_and_can_be_opened_again() {
    let mut desk = full_desk(80, 24);
    desk.keys("0 d");
    desk.read_it();
    desk.keys("y 2 Enter");
    let change = one(&mut desk);
    let Act::IgnoreStanding { reason, .. } = change.act() else {
        panic!("{change:?}")
    };
    assert_eq!(reason, "the emergency account, kept in the safe");
    let mut desk = full_desk(80, 24);
    desk.keys("0 o");
    assert!(
        desk.screen().contains("nobody said anything about it"),
        "{}",
        desk.screen()
    );
    assert!(desk.app.strip().is_none());
    desk.keys("G o");
    desk.read_it();
    desk.keys("y 1 Enter");
    let change = one(&mut desk);
    assert!(
        matches!(change.act(), Act::ReopenStanding { .. }),
        "{change:?}"
    );
}

#[test]
fn marked_ones_are_ignored_together_after_a_look_at_the_list() {
    let mut desk = full_desk(120, 40);
    desk.keys("0 Space Space d");
    let screen = desk.screen();
    assert!(
        screen.contains("old_backup") && screen.contains("account on orders-db"),
        "{screen}"
    );
    assert!(desk.app.review().is_some());
    assert_eq!(desk.changes(), []);
}

#[test]
fn a_lock_begun_here_is_on_the_target() {
    let mut desk = full_desk(120, 40);
    desk.keys("0 L");
    assert!(
        desk.screen().contains("Lock orders-db"),
        "{}",
        desk.screen()
    );
    desk.read_it();
    desk.type_in("mallory has a superuser");
    desk.keys("Tab Tab");
    desk.type_in("orders-db");
    desk.keys("Enter");
    let change = one(&mut desk);
    let Act::Lock { on, .. } = change.act() else {
        panic!("{change:?}")
    };
    assert_eq!(
        *on,
        LockOn::Target {
            target: "orders-db".to_owned()
        }
    );
}

#[test]
fn what_grew_meanwhile_is_shown_before_it_is_decided() {
    let mut desk = full_desk(120, 40);
    desk.keys("0 d");
    desk.read_it();
    let mut grown = standing(1, "old_backup", &["is superuser", "may log in"], "open");
    grown.version = 4;
    desk.standing[0] = grown;
    desk.wait(16_000);
    assert!(
        desk.screen().contains("is superuser, may log in") && desk.screen().contains("Changed"),
        "{}",
        desk.screen()
    );
}

#[test]
fn the_language_of_filters_knows_it() {
    let mut desk = full_desk(120, 40);
    desk.keys("0 /");
    desk.type_in("is:settled owner:@me");
    desk.keys("Enter");
    let screen = desk.screen();
    assert!(
        screen.contains("monitoring") && !screen.contains("old_backup"),
        "{screen}"
    );
}

#[test]
fn without_a_screen_it_is_read_out_and_settled_by_words() {
    let mut line = Line::over(full_desk(120, 40), true);
    assert!(line.say("help").contains("ignore 1"));
    let said = line.asks("standing");
    assert!(
        said.contains("2 pieces of standing access, the newest first:")
            && said.contains("account old_backup on orders-db, found 1h"),
        "{said}"
    );
    line.say("ignore 1");
    line.answers("yes");
    line.answers("1");
    let Act::IgnoreStanding { reason, .. } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(reason, "a service lives on it and cannot ask");
}
