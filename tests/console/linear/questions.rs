//! Questions by words: what is asked, and which lines are an answer.

use portcullis::console::confirm::{Act, Less};
use portcullis::console::msg::Receipt;

use super::Line;
use crate::console::desk::{event, grant_id, request_id};
use crate::console::sample;

#[test]
fn yes_after_reading_the_question_approves_what_was_shown() {
    let mut line = Line::new(true);
    let asked = line.say("approve 2");
    assert!(
        asked.contains(&format!("Approve {}", request_id(2))),
        "{asked}"
    );
    assert!(
        asked.contains("| CHG-9921 rotate webhook secret"),
        "{asked}"
    );
    assert!(
        !asked.contains("yes"),
        "before it counts nobody is asked for it: {asked}"
    );
    let asked = line.wait(400);
    assert!(
        asked.ends_with("Type `yes` to do it, `no` to leave.\n"),
        "{asked}"
    );
    assert!(line.say("yes").contains("Sent."));
    let [change] = line.changes.as_slice() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(
        (change.act(), change.version()),
        (
            &Act::Approve {
                request: request_id(2),
                less: Less::default()
            },
            1
        )
    );
}

#[test]
fn a_yes_that_comes_too_early_or_with_other_lines_does_nothing() {
    let mut line = Line::new(true);
    line.say("approve 1");
    assert!(line.say("yes").contains("too fast"));
    line.wait(400);
    assert!(
        line.hear("yes", false).contains("too fast"),
        "pasted with others"
    );
    line.wait(400);
    assert!(line.say("certainly").contains("nothing was done"));
    assert!(line.desk.app.strip().is_none());
    assert!(line.say("yes").contains("no command"));
    assert!(line.changes.is_empty());
}

#[test]
fn a_row_that_changes_meanwhile_is_read_out_again_and_takes_another_yes() {
    let mut line = Line::new(true);
    line.say("approve 1");
    line.wait(400);
    let changed = &mut line.desk.requests[0];
    changed.version = 2;
    "2h".clone_into(&mut changed.duration_granted);
    let mut heard = event(50, "request.reviewed", "carol");
    heard.request = Some(request_id(1).to_string());
    line.desk.tell(vec![heard]);
    let told = line.wait(300);
    let told = format!("{told}{}", line.wait(300));
    assert!(
        told.contains("Something has changed. Read it again:"),
        "{told}"
    );
    line.wait(400);
    line.say("yes");
    assert_eq!(line.changes.len(), 1);
    assert_eq!(line.changes[0].version(), 2);
}

#[test]
fn a_revocation_takes_yes_and_a_reason() {
    let mut line = Line::new(true);
    line.say("grants");
    line.say("revoke 1");
    line.wait(400);
    line.say("yes");
    let asked = line.wait(400);
    assert!(asked.contains("Reason? Type it"), "{asked}");
    assert!(asked.contains("1 the work is done"), "{asked}");
    assert!(line.changes.is_empty());
    line.say("1");
    let Act::Revoke { grant, reason } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!((grant, reason.as_str()), (&grant_id(6), "the work is done"));
}

#[test]
fn a_denial_takes_a_comment() {
    let mut line = Line::new(true);
    line.say(&format!("deny {}", request_id(1)));
    let asked = line.wait(400);
    assert!(asked.contains("Comment? Type it"), "{asked}");
    line.say("use the replica");
    let Act::Deny { comment, .. } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(comment, "use the replica");
}

#[test]
fn an_extension_shows_its_length_before_it_is_confirmed() {
    let mut line = Line::new(true);
    line.say("grants");
    line.say("extend 1 30m");
    let asked = line.wait(400) + &line.wait(400);
    assert!(
        asked.ends_with("Extend by 30m. Type `yes` to do it, `no` to leave.\n"),
        "{asked}"
    );
    line.say("yes");
    let Act::Extend { by, .. } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(by.to_string(), "30m");
}

#[test]
fn a_lock_takes_a_reason_and_then_its_name() {
    let mut line = Line::over(sample::full_desk(120, 40), true);
    let asked = line.say("lock dave for 2h");
    assert!(
        asked.contains("Lock dave:") && asked.contains("1: dave readonly on orders-db"),
        "{asked}"
    );
    assert!(asked.contains("2h"), "{asked}");
    assert!(line.wait(400).contains("Reason? Type it"));
    assert!(line.asks("x").contains("at least 3 characters"));
    let asked = line.answers("INC-4127 stolen laptop") + &line.wait(400);
    assert!(
        asked.contains("Type `dave` to lock it, `no` to leave."),
        "{asked}"
    );
    let wrong = line.asks("bob");
    assert!(wrong.contains("Not done yet: type `dave`"), "{wrong}");
    assert!(line.changes.is_empty());
    assert!(line.answers("dave").contains("Sent."));
    let Act::Lock { on, reason, lasts } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(portcullis::console::confirm::locked(on), "dave");
    assert_eq!(reason, "INC-4127 stolen laptop");
    assert_eq!(lasts.unwrap().to_string(), "2h");
    for (typed, name) in [
        ("lock target orders-db", "orders-db"),
        ("lock role readonly on orders-db", "readonly on orders-db"),
        ("lock tag env=prod", "env=prod"),
        ("lock everything", "everything"),
    ] {
        assert!(
            line.say(typed).contains(&format!("Lock {name}:")),
            "{typed}"
        );
        line.say("no");
    }
    assert!(line.say("lock").contains("write `lock bob`"));
    assert_eq!(line.changes.len(), 1);
}

#[test]
fn a_claim_is_one_line_and_undone_by_another() {
    let mut line = Line::new(true);
    line.say("claim 1");
    let Act::Claim { request } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(request, &request_id(1));
    let mut claimed = line.desk.requests[0].clone();
    let now = line.desk.server_now();
    claimed.version += 1;
    claimed.claim = Some(portcullis::wire::ClaimView {
        by: "maya".to_owned(),
        since: now,
        until: now + chrono::TimeDelta::minutes(10),
    });
    line.desk.requests[0] = claimed.clone();
    let told = line.done(Receipt::Request(Box::new(claimed)));
    assert!(told.contains("(u undoes it)"), "{told}");
    // What a message calls `u` is a command here.
    line.say("u");
    assert!(matches!(line.changes[1].act(), Act::Release { .. }));
    assert!(line.say("undo").contains("nothing to undo"));
    let said = line.say("messages");
    assert!(said.contains("you are on R-"), "{said}");
}

#[test]
fn an_approval_is_undone_by_revoking_its_grant() {
    let mut line = Line::new(true);
    line.say("approve 1");
    line.answers("yes");
    let mut approved = line.desk.requests[0].clone();
    approved.state = "approved".to_owned();
    approved.version += 1;
    approved.grant = Some(grant_id(6).to_string());
    line.done(Receipt::Request(Box::new(approved)));
    let asked = line.asks("undo");
    assert!(
        asked.contains(&format!("Revoke {}:", grant_id(6))),
        "{asked}"
    );
}
