//! Lists and news by words: what is read out, and to whom.

use portcullis::console::confirm::Act;

use super::Line;
use crate::console::desk::{Desk, event, grant_id, request, request_id};
use crate::console::sample;

#[test]
fn what_waits_is_read_out_at_the_start_and_has_numbers() {
    let mut line = Line::new(true);
    let said = line.said();
    let (one, two) = (request_id(1), request_id(2));
    for wanted in [
        "Connection: LIVE".to_owned(),
        format!(
            "1. {one} pending, 0 of 1 approvals: alice wants readonly on orders-db for 1h, asked 59m ago. Reason: INC-4127 consumer stuck, payments wait"
        ),
        format!("2. {two} pending"),
    ] {
        assert!(said.contains(&wanted), "no {wanted:?} in\n{said}");
    }
    let grants = line.say("grants");
    assert!(
        grants.contains(&format!(
            "1. {} active: dave as readonly on orders-db, ends",
            grant_id(6)
        )),
        "{grants}"
    );
    assert!(line.say("show 1").contains("At most until"));
    assert!(line.say("audit").contains("grant.activated"));
    assert!(line.say("status").contains("You: maya, admin"));
    assert!(line.say("help").contains("revoke 2"));
    assert!(line.say("frobnicate").contains("no command"));
    assert!(line.say("show 99").contains("neither a number"));
}

#[test]
fn sessions_and_locks_are_listed_shown_and_ended() {
    let mut line = Line::over(sample::full_desk(120, 40), true);
    let said = line.asks("sessions");
    assert!(said.contains("2 sessions, the oldest first:"), "{said}");
    assert!(
        said.contains(&format!(
            "4711 carol as readonly on bastion-04 under {}, up for 14m, running, psql from 10.4.1.31",
            grant_id(5)
        )),
        "{said}"
    );
    assert!(
        said.contains("ledger: the target does not report sessions"),
        "{said}"
    );
    let shown = line.asks("show 1");
    assert!(
        shown.contains("Last command, as the target tells it:") && shown.contains("You may end"),
        "{shown}"
    );
    assert!(line.asks("sessions user:dave").contains("1. 4712 dave"));
    assert!(
        line.asks("sessions usr:dave")
            .contains("did you mean `user`?")
    );
    line.say("end 1");
    line.answers("yes");
    line.answers("1");
    let Act::EndSession { session, reason } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!(
        (session.id.as_str(), reason.as_str()),
        ("4712", "left open, nobody is at it")
    );

    let said = line.asks("locks");
    assert!(
        said.contains(&format!(
            "1. {} on mallory in force until somebody lifts it, placed by rob",
            sample::lock_id(1)
        )),
        "{said}"
    );
    assert!(line.asks("locks all").contains("2 locks"));
    let asked = line.say("lift 1");
    assert!(asked.contains("Lift L-"), "{asked}");
    line.answers("yes");
    line.answers("calm again");
    let Act::Lift { lock, reason } = line.changes[1].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!((lock, reason.as_str()), (&sample::lock_id(1), "calm again"));
}

#[test]
fn a_break_glass_is_listed_and_signed_off() {
    let mut desk = Desk::live(120, 40);
    desk.uses.push(sample::used(60, "eve", "open"));
    desk.tell(vec![event(1_000, "break_glass.used", "eve")]);
    desk.wait(500);
    let mut line = Line::over(desk, true);
    let said = line.asks("break-glass");
    let id = request_id(60);
    assert!(
        said.contains(&format!(
            "1. {id} eve broke glass for admin on orders-db for 30m"
        )),
        "{said}"
    );
    assert!(line.say("status").contains("BREAK-GLASS: eve broke glass"));
    assert!(line.say("show 1").contains("Skipped: maya, rob"));
    let asked = line.say("sign-off 1");
    assert!(asked.contains(&format!("Sign off {id}")), "{asked}");
    line.answers("yes");
    line.answers("looked at the session");
    let Act::SignOff { of, comment, .. } = line.changes[0].act() else {
        panic!("{:?}", line.changes)
    };
    assert_eq!((of, comment.as_str()), (&id, "looked at the session"));
    let asked = line.say(&format!("object {id}"));
    assert!(asked.contains("not answered yet"), "{asked}");
}

#[test]
fn who_had_access_at_a_moment_is_answered() {
    let mut line = Line::new(true);
    let now = line.asks("as of now");
    assert!(
        now.contains("As of") && now.contains("2 people have access by 2 grants"),
        "{now}"
    );
    assert!(now.contains("dave"), "{now}");
    let before = line.asks("as of -10h");
    assert!(
        before.contains("nobody had access by 0 grants") || before.contains("0 people"),
        "{before}"
    );
    assert!(line.asks("as of tomorrowish").contains("write `14:32`"));
    assert!(line.asks("grants").contains("2 grants"));
}

#[test]
fn the_persons_own_keys_are_words() {
    let (keymap, wrong) = crate::console::keymap::read(
        "[keys]\n\"act.undo\" = [\"U\"]\n\"grant.revoke\" = [\"X\"]\n",
    );
    assert_eq!(wrong, "");
    let desk = Desk::settled(120, 40, |settings| settings.keymap = keymap);
    let mut line = Line::over(desk, true);
    line.say("grants");
    assert!(line.say("X 1").contains("Revoke"), "the key that revokes");
    line.say("no");
    assert!(line.say("U").contains("nothing to undo"));
    assert!(
        line.say("grant.revoke 1").contains("Revoke"),
        "its name, too"
    );
    line.answers("yes");
    line.answers("1");
    assert_eq!(line.changes.len(), 1);
}

#[test]
fn a_pipe_may_read_and_nothing_else() {
    let mut line = Line::new(false);
    assert!(line.say("requests").contains("2 requests"));
    for change in [
        "approve 1",
        "claim 1",
        "undo",
        "lock dave",
        "incident everything",
        "lift 1",
        "end 1",
    ] {
        assert!(
            line.say(change).contains("somebody at a keyboard"),
            "{change}"
        );
    }
    line.wait(400);
    line.say("yes");
    assert!(line.changes.is_empty());
}

#[test]
fn read_only_is_said() {
    let mut line = Line::over(Desk::readonly(120, 40), true);
    let said = line.say("approve 1");
    assert!(said.contains("--readonly"), "{said}");
    assert!(line.desk.app.strip().is_none());
}

#[test]
fn what_happens_is_told_once() {
    let mut line = Line::new(true);
    line.said();
    line.desk
        .requests
        .push(request(30, "zoe", "ledger", "readonly", "1h", "let me in"));
    let mut heard = event(60, "request.submitted", "zoe");
    heard.request = Some(request_id(30).to_string());
    line.desk.tell(vec![heard]);
    let told = format!("{}{}{}", line.wait(300), line.wait(300), line.wait(2_000));
    let new = format!("New: {} pending", request_id(30));
    assert_eq!(told.matches(&new).count(), 1, "{told}");
}
