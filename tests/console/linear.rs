//! The console without a screen: what is read out, and what it takes to change something.

use std::io::Write as _;
use std::process::{Command, Stdio};

use portcullis::console::app::{App, Settings};
use portcullis::console::confirm::{Act, Incident, Less, LockForm, Mutation};
use portcullis::console::linear::{Heard, Talk};
use portcullis::console::msg::{Effect, Failure, Msg, Receipt, Tidings, Trip};
use proptest::prelude::*;

use super::desk::{Desk, event, grant_id, request, request_id};
use super::program::Console;
use super::sample;
use crate::support::hostile::corpus;
use crate::support::world::submit;

/// A conversation over a desk.
struct Line {
    desk: Desk,
    talk: Talk,
    changes: Vec<Mutation>,
}

impl Line {
    fn new(keyboard: bool) -> Self {
        Self::over(Desk::live(120, 40), keyboard)
    }

    fn over(desk: Desk, keyboard: bool) -> Self {
        let mut line = Self {
            desk,
            talk: Talk::new(keyboard),
            changes: Vec::new(),
        };
        line.look();
        line
    }

    /// Types a line and gives what is read out then.
    fn say(&mut self, text: &str) -> String {
        self.hear(text, true)
    }

    /// The same, with what the server answers.
    fn asks(&mut self, text: &str) -> String {
        let said = self.say(text);
        format!("{said}{}", self.wait(20))
    }

    /// Waits until an answer counts, and gives it.
    fn answers(&mut self, text: &str) -> String {
        self.wait(400);
        self.asks(text)
    }

    /// The server says that the last change was done.
    fn done(&mut self, receipt: Receipt) -> String {
        let change = self.changes.last().unwrap().clone();
        let trip = Trip {
            sent: self.desk.now.steady,
            received: self.desk.now.steady,
        };
        self.desk.send(Msg::Acted(change, Ok(receipt), trip));
        self.wait(20)
    }

    fn hear(&mut self, text: &str, alone: bool) -> String {
        let heard = Heard {
            text: text.to_owned(),
            typed: self.desk.now.steady,
            at: self.desk.now,
            alone,
        };
        let effects = self.talk.hear(&mut self.desk.app, &heard);
        self.take(effects);
        self.said()
    }

    fn said(&mut self) -> String {
        let mut out = String::new();
        for line in self.talk.said() {
            out.push_str(line.as_str());
            out.push('\n');
        }
        out
    }

    /// Time passes, and what has changed is told.
    fn wait(&mut self, millis: u64) -> String {
        self.desk.wait(millis);
        self.look();
        self.said()
    }

    fn look(&mut self) {
        let effects = self.talk.look(&mut self.desk.app, self.desk.now);
        self.take(effects);
    }

    fn take(&mut self, effects: Vec<Effect>) {
        let changes = effects.iter().filter_map(|effect| match effect {
            Effect::Mutate(change) => Some(change.clone()),
            _ => None,
        });
        self.changes.extend(changes);
        self.desk.perform(effects);
    }
}

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
    let (keymap, wrong) =
        super::keymap::read("[keys]\n\"act.undo\" = [\"U\"]\n\"grant.revoke\" = [\"X\"]\n");
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

#[test]
fn nothing_typed_by_others_leaves_its_line_or_reaches_the_terminal_raw() {
    for attack in corpus() {
        let mut desk = Desk::new(120, 40);
        let mut asked = request(1, &attack, &attack, &attack, "1h", &attack);
        asked.verdict.clone_from(&attack);
        desk.requests = vec![asked];
        desk.connect();
        let mut line = Line::over(desk, true);
        let mut said = line.said();
        said.push_str(&line.say("show 1"));
        said.push_str(&line.say("approve 1"));
        said.push_str(&line.say("no"));
        said.push_str(&line.say(&format!("show {attack}")));
        for text in said.lines() {
            assert!(
                !text.chars().any(portcullis::text::hidden),
                "{attack:?} → {text:?}"
            );
            assert!(!text.starts_with("APPROVED"), "{attack:?} forges a line");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Type(String, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let words = prop_oneof![
        Just("requests"),
        Just("grants"),
        Just("approve 1"),
        Just("approve 2 10m"),
        Just("deny 1"),
        Just("revoke 1"),
        Just("extend 1"),
        Just("yes"),
        Just("y"),
        Just("no"),
        Just("1"),
        Just(""),
        Just("why not"),
        Just("show 1"),
        Just("claim 1"),
        Just("undo"),
        Just("mark all"),
        Just("mark 1"),
        Just("revoke marked"),
        Just("approve marked"),
        Just("deny marked"),
        Just("reason enough of this"),
        Just("drop 1"),
        Just("2"),
        Just("4"),
        Just("3"),
        Just("lock dave"),
        Just("dave"),
        Just("incident everything deny"),
        Just("keep 1"),
        Just("again"),
        Just("sessions"),
        Just("locks"),
        Just("end 1"),
        Just("lift 1"),
        Just("as of -2h"),
    ];
    prop_oneof![
        3 => (words, any::<bool>()).prop_map(|(text, alone)| Step::Type(text.to_owned(), alone)),
        1 => (".{0,20}", any::<bool>()).prop_map(|(text, alone)| Step::Type(text, alone)),
        2 => (0_u64..600).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Every change was asked about before, on the row that was named, and answered alone and after the pause.
    #[test]
    fn no_lines_change_anything_without_a_question_answered_in_time(steps in prop::collection::vec(step(), 1..60)) {
        let mut line = Line::over(sample::full_desk(120, 40), true);
        let mut quiet = 0;
        for step in steps {
            match step {
                Step::Wait(millis) => {
                    line.wait(millis);
                    quiet += millis;
                }
                Step::Type(text, alone) => {
                    let app = &line.desk.app;
                    let open = app.strip().map(|strip| strip.subject().clone());
                    let form = app.lock_form().map(LockForm::title);
                    let listed: Option<Vec<_>> = app.review().map(|review| {
                        let kept = review.items().iter().filter(|item| item.is_kept());
                        kept.map(|item| Some(item.subject.clone())).collect()
                    });
                    let counted = app.incident().map(Incident::count);
                    let before = line.changes.len();
                    line.hear(&text, alone);
                    let sent = &line.changes[before..];
                    for change in sent {
                        match change.act() {
                            // Nothing is given or taken, and others see it.
                            Act::Claim { .. } | Act::Release { .. } => continue,
                            Act::Lock { on, .. } => {
                                let name = portcullis::console::confirm::locked(on);
                                prop_assert_eq!(Some(format!("Lock {name}")), form.clone());
                                prop_assert_eq!(text.trim(), name);
                            }
                            Act::Incident { commit } => {
                                prop_assert_eq!(Some(commit.count as usize), counted);
                                prop_assert_eq!(text.trim().parse(), Ok(commit.count));
                            }
                            _ => {
                                if let Some(rows) = &listed {
                                    prop_assert!(rows.contains(&change.subject()));
                                    prop_assert_eq!(text.trim().parse(), Ok(rows.len()));
                                } else {
                                    prop_assert_eq!(change.subject(), open.clone());
                                    prop_assert_eq!(sent.len(), 1);
                                }
                            }
                        }
                        prop_assert!(alone && quiet >= 350, "{text:?} after {quiet} ms");
                    }
                    quiet = 0;
                }
            }
        }
    }
}

#[test]
fn a_conversation_needs_no_screen_settings() {
    let mut app = App::new(
        &Settings::default(),
        ratatui::layout::Size::new(120, 40),
        Desk::new(80, 24).now,
    );
    let mut talk = Talk::new(true);
    let effects = talk.look(&mut app, Desk::new(80, 24).now);
    assert!(effects.is_empty() && !talk.said().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_is_talked_to_line_by_line_in_a_terminal() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    let mut pty = Console::spawn(&world, &home, &["--linear"], &[("TERM", "dumb")], (24, 80));
    pty.wait_for("help");
    pty.wait_for("LIVE");
    assert!(!pty.is_taken());
    pty.send(format!("approve {}\n", request.id));
    pty.wait_for("`no` to leave");
    pty.send("yes\n");
    pty.wait_for("is approved");
    assert!(
        !pty.output.contains(&0x1b),
        "{:?}",
        String::from_utf8_lossy(&pty.output)
    );
    pty.send("quit\n");
    assert_eq!(pty.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_from_a_pipe_are_answered_into_a_pipe_and_may_not_change_anything() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["console", "--linear", "--server", &world.url()])
        .env("PORTCULLIS_DEVICE_KEY", "file")
        .env("PORTCULLIS_HOME", home.path().join("state"))
        .env("PORTCULLIS_CONFIG_DIR", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let typed = format!("requests\napprove {}\nyes\nquit\n", request.id);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(&format!("1. {} pending", request.id)),
        "{said}"
    );
    assert!(said.contains("somebody at a keyboard"), "{said}");
    assert!(!said.contains('\u{1b}'));
    assert_eq!(ada.request(&request.id).await.unwrap().state, "pending");
}

#[test]
fn a_dumb_terminal_is_told_of_the_lines() {
    let mut command = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["console", "--server", "http://127.0.0.1:1"]);
    command.env("TERM", "dumb");
    let mut pty = crate::support::pty::Pty::spawn(command, 24, 80);
    pty.wait_for("portcullis console --linear");
    assert_eq!(pty.wait_exit(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_and_an_incident_go_through_the_program_in_a_terminal() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let grant = world.granted(&ada).await;
    let mut pty = Console::spawn(&world, &home, &["--linear"], &[("TERM", "dumb")], (24, 200));
    pty.wait_for("LIVE");
    pty.wait_for("help");
    pty.send("incident everything\n");
    pty.wait_for("1 row would go");
    pty.wait_for("Type 1 to do exactly this");
    pty.send("reason INC-4127 token theft\n");
    pty.wait_until("the question again", |pty| {
        String::from_utf8_lossy(&pty.output)
            .matches("Type 1 to do exactly this")
            .count()
            == 2
    });
    pty.send("1\n");
    pty.wait_for("All 1 are settled.");
    assert_eq!(
        world.admin().grant(&grant.id).await.unwrap().state,
        "revoked"
    );
    pty.send("lock ada\n");
    pty.wait_for("Reason? Type it");
    pty.send("INC-4127 token theft\n");
    pty.wait_for("Type `ada` to lock it");
    pty.send("ada\n");
    pty.wait_for("ada is locked");
    pty.send("locks\n");
    pty.wait_for("on ada in force until somebody lifts it, placed by maya");
    assert!(!pty.output.contains(&0x1b));
    pty.send("quit\n");
    assert_eq!(pty.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_the_server_is_asked_for_come_through_a_pipe_in_their_order() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let grant = world.granted(&ada).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["console", "--linear", "--server", &world.url()])
        .env("PORTCULLIS_DEVICE_KEY", "file")
        .env("PORTCULLIS_HOME", home.path().join("state"))
        .env("PORTCULLIS_CONFIG_DIR", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let typed = format!(
        "locks\nsessions\nas of now\nshow {}\nlock ada\nmessages\n",
        grant.id
    );
    child
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let mut rest = said.as_str();
    for wanted in [
        "Nothing is locked.",
        "Nobody is connected, as far as the targets report it.",
        "bastion: this kind of target does not report sessions",
        "1 person has access by 1 grant",
        "At most until",
        "On record:",
        "grant.activated",
        "somebody at a keyboard",
    ] {
        let wanted = if wanted == "grant.activated" {
            "made usable"
        } else {
            wanted
        };
        let at = rest.find(wanted);
        assert!(at.is_some(), "no {wanted:?} in\n{rest}");
        rest = rest.split_at(at.unwrap()).1;
    }
    assert_eq!(world.number("select count(*) from locks").await, 0);
}
