//! Many rows at once by words: lists to look at, counts, and incidents.

use portcullis::console::confirm::Act;
use portcullis::console::msg::{Failure, Msg, Receipt, Tidings, Trip};

use super::Line;
use crate::console::desk::grant_id;
use crate::console::sample;

#[test]
fn marked_rows_are_read_out_and_take_their_count() {
    let mut line = Line::new(true);
    line.say("grants");
    assert!(line.say("approve marked").contains("nothing is marked"));
    let said = line.say("mark 1-2");
    assert!(said.contains("2 rows are marked:"), "{said}");
    let asked = line.asks("revoke marked");
    assert!(asked.contains("Revoke 2 of 2 marked"), "{asked}");
    assert!(
        asked.contains(&format!("1. {} dave: readonly on orders-db", grant_id(6))),
        "{asked}"
    );
    let asked = line.wait(400);
    assert!(asked.contains("Type 2 to revoke them."), "{asked}");
    assert!(line.asks("2").contains("Not done yet: first the reason"));
    line.answers("reason the work is done here");
    assert!(
        line.answers("1")
            .contains("Not done yet: type 2 to do it to 2 rows"),
        "another count"
    );
    let dropped = line.answers("drop 1");
    assert!(dropped.contains("taken out"), "{dropped}");
    assert!(line.changes.is_empty());
    let sent = line.answers("1");
    assert!(sent.contains("Sent."), "{sent}");
    let [change] = line.changes.as_slice() else {
        panic!("{:?}", line.changes)
    };
    let Act::Revoke { grant, reason } = change.act() else {
        panic!("{change:?}")
    };
    assert_eq!(
        (grant, reason.as_str()),
        (&grant_id(5), "the work is done here")
    );
    let mut off = line.desk.grants[0].clone();
    off.state = "closing".to_owned();
    off.version += 1;
    let told = line.done(Receipt::Grant(Box::new(off)));
    assert!(told.contains(&format!("{} done: ", grant_id(5))), "{told}");
    assert!(line.desk.app.review().is_none());
    assert!(line.say("marks").contains("Nothing is marked."));
}

#[test]
fn what_was_not_answered_is_sent_again_from_within_its_list() {
    let mut line = Line::new(true);
    line.say("grants");
    line.say("mark 1-2");
    line.asks("revoke marked");
    line.answers("reason the work is done here");
    line.answers("2");
    let sent = line.changes.clone();
    assert_eq!(sent.len(), 2, "{sent:?}");
    let mut told = String::new();
    for _ in 0..60 {
        for change in &sent {
            let trip = Trip {
                sent: line.desk.now.steady,
                received: line.desk.now.steady,
            };
            let lost = Err(Failure::Unreachable("no route".to_owned()));
            line.desk.send(Msg::Acted(change.clone(), lost, trip));
        }
        told.push_str(&line.wait(6_000));
    }
    assert_eq!(told.matches("not answered, ").count(), 2, "{told}");
    assert_eq!(told.matches("Type `retry`").count(), 1, "{told}");
    assert!(line.say("hm").contains("Type `retry`"), "still open");
    let before = line.changes.len();
    line.answers("retry");
    assert_eq!(
        &line.changes[before..],
        sent,
        "the same, with the same keys"
    );
    assert!(line.say("no").contains("goes on"));
}

#[test]
fn an_incident_is_tried_out_counted_and_followed() {
    let mut line = Line::over(sample::full_desk(120, 40), true);
    assert!(
        line.say("incident frobnicate")
            .contains("says nothing here")
    );
    let asked = line.asks("incident deny") + &line.wait(400);
    assert!(
        asked.contains("name something, or tick everything") && line.desk.app.incident().is_none(),
        "{asked}"
    );
    line.say("incident everything deny");
    let read = line.wait(400) + &line.wait(20);
    assert!(
        read.contains("Dry run as of") && read.contains("4 rows would go"),
        "{read}"
    );
    assert!(
        read.contains(&format!("1. {} active", grant_id(5))),
        "{read}"
    );
    let asked = line.wait(400);
    assert!(asked.contains("Nothing was done yet. Type 4"), "{asked}");
    let kept = line.asks("keep 1");
    assert!(kept.contains("kept as it is"), "{kept}");
    assert!(line.answers("3").contains("Not done yet: first the reason"));
    // The lines of the reason have the keys now; a count is not a reason.
    line.answers("reason INC-4127 token theft");
    let wrong = line.answers("4");
    assert!(
        wrong.contains("Not done yet: type 3 to take away 3"),
        "{wrong}"
    );
    assert!(line.changes.is_empty());
    assert!(line.answers("3").contains("Sent."));
    let Act::Incident { commit } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(commit.keep, [grant_id(5).to_string()]);
    assert_eq!(commit.items.len(), 4);
    assert_eq!(commit.count, 3);
    assert!(!commit.ask.lock && commit.ask.deny_pending);
    line.desk.incident = Some(sample::incident(false));
    let told = line.done(Receipt::Incident(Box::new(sample::incident(false))));
    assert!(
        told.contains("Incident I-0000000001:") && told.contains("not off yet, in trouble"),
        "{told}"
    );
    assert!(line.desk.app.incident().is_none(), "it goes on by itself");
    assert!(line.say("incident").contains("this is how it stands"));
    line.desk.incident = Some(sample::incident(true));
    let now = line.desk.server_now();
    line.desk
        .send(Msg::Stream(Tidings::Hello { now, epoch: 1 }));
    let told = line.wait(1_100) + &line.wait(1_100);
    assert!(told.contains("All 3 are settled."), "{told}");
}
