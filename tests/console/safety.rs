//! Whatever happens in whatever order: nothing changes without its confirmation, and what changes is what was shown.

use std::collections::BTreeMap;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use portcullis::client::StepUpNeeded;
use portcullis::console::confirm::{Act, Less, Mutation, Review, Strip, locked};
use portcullis::console::msg::{Answer, Effect, Failure, Msg, Query, Receipt, Tidings, Trip};
use portcullis::console::screen::Screen;
use portcullis::console::sign_in::Said;
use portcullis::console::store::Subject;
use portcullis::console::term::input::{Key, Mouse};
use portcullis::wire::{AllowedAction, ClaimView, SessionEnded};
use proptest::collection::vec;
use proptest::prelude::*;
use ratatui::layout::Position;

use super::desk::{Desk, event, grant, grant_id, key, request, request_id};
use super::sample;
use super::services::token;

#[derive(Debug, Clone)]
enum Step {
    Press(&'static str),
    Held(&'static str),
    Burst(&'static str),
    Any(char),
    Paste(String),
    Wait(u64),
    Click(u16, u16),
    Focus,
    Resize(u16, u16),
    /// Somebody else decides on a request.
    Decided(u64),
    /// A new request comes.
    Asked(u64),
    /// Somebody else takes a grant away.
    Revoked(u64),
    Lost,
    Live,
    Woke,
    /// The server answers what is on its way, with a refusal.
    Refused(&'static str),
    Unanswered,
    /// The server wants a second factor for what is on its way.
    WantsFactor,
    /// It takes the code that was typed, if there is one.
    TakesFactor,
    /// The server says that nobody is signed in.
    SignedOut,
    /// Somebody signs in, if the box is open.
    SignsIn,
    /// The server did what is on its way.
    Done,
    /// An answer comes that came before.
    Twice,
    /// From here on no question is answered.
    Silent,
    /// Everything asked meanwhile is answered as things were then, dry runs too; and so on from here.
    Late,
}

const KEYS: &[&str] = &[
    "a",
    "d",
    "e",
    "x",
    "y",
    "n",
    "Enter",
    "Esc",
    "Tab",
    "1",
    "2",
    "3",
    "j",
    "k",
    "g",
    "G",
    ".",
    "/",
    "?",
    "r",
    "f",
    "Backspace",
    "m",
    "4",
    "5",
    "6",
    "9",
    "s",
    "c",
    "b",
    "t",
    "7",
    "8",
    "X",
    "I",
    "W",
    "L",
    "u",
    "i",
    "Space",
    "v",
    "*",
    ":",
    "<",
    ">",
    "z",
];

fn step() -> impl Strategy<Value = Step> {
    let press = proptest::sample::select(KEYS);
    prop_oneof![
        30 => press.clone().prop_map(Step::Press),
        3 => press.clone().prop_map(Step::Held),
        3 => press.prop_map(Step::Burst),
        3 => any::<char>().prop_map(Step::Any),
        2 => "[ayxed1-9\n]{1,8}".prop_map(Step::Paste),
        20 => prop_oneof![Just(5_u64), Just(100), Just(340), Just(400), Just(900), Just(6_000)].prop_map(Step::Wait),
        2 => (0_u16..130, 0_u16..40).prop_map(|(x, y)| Step::Click(x, y)),
        1 => Just(Step::Focus),
        1 => (20_u16..200, 5_u16..60).prop_map(|(width, height)| Step::Resize(width, height)),
        2 => Just(Step::Resize(100, 30)),
        3 => (1_u64..6).prop_map(Step::Decided),
        2 => (3_u64..6).prop_map(Step::Asked),
        2 => (5_u64..7).prop_map(Step::Revoked),
        1 => Just(Step::Lost),
        3 => Just(Step::Live),
        1 => Just(Step::Woke),
        2 => Just(Step::Refused("conflict")),
        1 => Just(Step::Refused("not-allowed")),
        1 => Just(Step::Unanswered),
        3 => Just(Step::WantsFactor),
        3 => Just(Step::TakesFactor),
        3 => Just(Step::Done),
        2 => Just(Step::SignedOut),
        3 => Just(Step::SignsIn),
        1 => Just(Step::Twice),
        1 => Just(Step::Silent),
        3 => Just(Step::Late),
    ]
}

/// What people really do, with one thing in between that they did not expect.
fn scene() -> impl Strategy<Value = Vec<Step>> {
    let scripts: [&[&'static str]; 27] = [
        &["Esc", "1", "a", "wait", "y"],
        &["Esc", "1", "j", "a", "wait", "y"],
        &["Esc", "1", "d", "wait", "3", "Enter"],
        &["Esc", "1", "e", "wait", "1", "m", "y"],
        &["Esc", "2", "e", "wait", "y"],
        &["Esc", "2", "x", "wait", "y", "1", "Enter"],
        &[
            "Esc", "Esc", "2", "*", "x", "wait", "Tab", "1", "Enter", "3", "Enter",
        ],
        &["Esc", "Esc", "2", "*", "e", "wait", "3", "Enter"],
        &[
            "Esc", "Esc", "3", "*", "t", "wait", "Tab", "1", "Enter", "2", "Enter",
        ],
        &[
            "Esc", "Esc", "5", "*", "x", "wait", "Tab", "1", "Enter", "1", "Enter",
        ],
        &["Esc", "Esc", "2", "g", "j", "b", "wait", "y"],
        &["Esc", "Esc", "1", "c", "done", "c", "done"],
        &[
            "Esc", "1", "a", "wait", "y", "done", "u", "wait", "y", "1", "Enter",
        ],
        &[
            "Esc", "Esc", "silent", "2", "i", "wait", "Enter", "Esc", "Enter", "late", "wait", "2",
            "Enter",
        ],
        &["Esc", "Esc", "1", "*", "a", "wait", "2", "Enter"],
        &[
            "Esc", "Esc", "1", "g", "Space", "d", "wait", "Tab", "2", "Enter", "1", "Enter", "Esc",
        ],
        &["Esc", "Esc", "3", "t", "wait", "y", "1", "Enter"],
        &["Esc", "Esc", "5", "x", "wait", "y", "1", "Enter"],
        &[
            "Esc", "Esc", "2", "L", "wait", "a", "b", "c", "Tab", "Tab", "d", "a", "v", "e",
            "Enter",
        ],
        &[
            "Esc", "Esc", "2", "i", "wait", "Enter", "wait", "Tab", "a", "b", "c", "Enter", "2",
            "Enter",
        ],
        &["Esc", "Esc", "1", "c", "u"],
        &["Esc", "Esc", "7", "x", "wait", "y"],
        &["Esc", "Esc", "7", "g", "X", "wait", "1", "Enter"],
        &["Esc", "Esc", "8", "x", "wait", "y"],
        &["Esc", "Esc", "9", "a", "wait", "y", "1", "Enter"],
        &[
            "Esc", "Esc", "1", "a", "wait", "y", "out", "wait", "in", "live", "wait", "y",
        ],
        &[
            "Esc", "Esc", "1", "a", "wait", "y", "factor", "wait", "1", "2", "Enter", "taken",
        ],
    ];
    let play = (
        proptest::sample::select(scripts.to_vec()),
        0_usize..12,
        step(),
    )
        .prop_map(|(script, at, surprise)| {
            let mut steps: Vec<Step> = Vec::new();
            for (place, text) in script.iter().enumerate() {
                if place == at {
                    steps.push(surprise.clone());
                }
                steps.push(match *text {
                    "wait" => Step::Wait(400),
                    "factor" => Step::WantsFactor,
                    "taken" => Step::TakesFactor,
                    "done" => Step::Done,
                    "silent" => Step::Silent,
                    "late" => Step::Late,
                    "out" => Step::SignedOut,
                    "in" => Step::SignsIn,
                    "live" => Step::Live,
                    key => Step::Press(key),
                });
            }
            steps
        });
    prop_oneof![3 => step().prop_map(|step| vec![step]), 1 => play]
}

/// What was open before a step, and how it looked.
struct Before {
    screen: String,
    strip: Option<(Subject, String, std::time::Instant)>,
    form: Option<(String, std::time::Instant)>,
    review: Option<(Vec<(Subject, i64)>, std::time::Instant)>,
    incident: Option<(Vec<String>, Vec<String>, std::time::Instant)>,
    selected: Option<Subject>,
}

impl Before {
    fn of(desk: &Desk) -> Self {
        let app = &desk.app;
        let strip = app
            .strip()
            .map(|strip| (strip.subject().clone(), strip.title(), strip.armed_at()));
        let form = app.form().map(|form| (form.title(), form.armed_at()));
        let review = app
            .review()
            .filter(|review| !review.is_sent())
            .map(|review| {
                let kept = review.items().iter().filter(|item| item.is_kept());
                let rows = kept.map(|item| (item.subject.clone(), item.seen.version()));
                (rows.collect(), review.armed_at())
            });
        let incident = app.incident().map(|incident| {
            let items = incident.preview().map(|preview| preview.items.clone());
            let ids = items
                .unwrap_or_default()
                .into_iter()
                .map(|item| item.id)
                .collect();
            let kept = incident.kept_as_they_are().iter().cloned().collect();
            (ids, kept, incident.armed_at())
        });
        // Drawing is what takes the time, and only an open question can lead to a change.
        let screen = if app.is_asked() {
            desk.screen()
        } else {
            String::new()
        };
        Self {
            screen,
            strip,
            form,
            review,
            incident,
            selected: app.screen().and_then(Screen::subject),
        }
    }

    /// Checks a change that a key led to.
    fn judge(
        &self,
        change: &Mutation,
        pressed: Key,
        now: std::time::Instant,
        watch: &Watch,
        desk: &Desk,
    ) {
        assert!(pressed.is_deliberate(), "{pressed:?} changed something");
        match change.act() {
            Act::Claim { .. } | Act::Release { .. } => {
                assert!(matches!(pressed.code, KeyCode::Char('c' | 'u')));
                if pressed.code == KeyCode::Char('c') {
                    assert_eq!(change.subject(), self.selected);
                }
            }
            Act::Lock { on, .. } => {
                let (title, armed) = self.form.as_ref().expect("only the form locks");
                assert_eq!(*title, format!("Lock {}", locked(on)));
                assert!(self.screen.contains(title.as_str()), "{}", self.screen);
                assert!(*armed <= now && pressed.code == KeyCode::Enter);
            }
            Act::MakeService { new } => {
                let (title, armed) = self.form.as_ref().expect("only the form makes one");
                assert_eq!(*title, format!("Make service account {}", new.name));
                assert!(self.screen.contains(title.as_str()), "{}", self.screen);
                assert!(*armed <= now && pressed.code == KeyCode::Enter);
            }
            Act::Incident { commit } => {
                let (ids, kept, armed) =
                    self.incident.as_ref().expect("only a dry run is committed");
                let sent: Vec<String> = commit.items.iter().map(|item| item.id.clone()).collect();
                assert_eq!(&sent, ids, "another list than the one shown");
                assert_shown(&self.screen, ids.iter().map(String::as_str));
                assert_eq!(&commit.keep, kept);
                assert_eq!(commit.count as usize, ids.len() - kept.len());
                assert!(*armed <= now && pressed.code == KeyCode::Enter);
            }
            _ => self.judge_one(change, pressed, now, watch, desk),
        }
    }

    /// Checks what the question about one row led to.
    fn judge_one(
        &self,
        change: &Mutation,
        pressed: Key,
        now: std::time::Instant,
        watch: &Watch,
        desk: &Desk,
    ) {
        let (subject, title, armed) = self
            .strip
            .as_ref()
            .expect("only an answer changes anything");
        assert_eq!(
            change.subject().as_ref(),
            Some(subject),
            "another row than the one in question"
        );
        assert!(
            self.screen.contains(title.as_str()) && title.contains(subject.as_str()),
            "not what was shown:\n{}",
            self.screen
        );
        assert!(*armed <= now, "before it could be read");
        let seen = desk
            .app
            .world()
            .store
            .get(subject)
            .expect("the row is known");
        assert_eq!(
            change.version(),
            seen.version(),
            "another version than the one shown"
        );
        match change.act() {
            Act::Approve { .. } | Act::Extend { .. } | Act::RotateService { .. } => {
                assert_eq!(pressed.code, KeyCode::Char('y'));
                desk.app
                    .world()
                    .link
                    .decidable(now)
                    .expect("access given on stale data");
            }
            Act::Return { .. } | Act::RevokeSignIn { .. } | Act::DeleteService { .. } => {
                assert_eq!(pressed.code, KeyCode::Char('y'));
            }
            Act::Deny { .. } => assert_eq!(pressed.code, KeyCode::Enter),
            Act::Revoke { .. }
            | Act::EndSession { .. }
            | Act::Lift { .. }
            | Act::SignOff { .. } => {
                assert_eq!(pressed.code, KeyCode::Enter);
                assert!(watch.said_yes, "done without a yes");
            }
            other => panic!("a question of one row led to {other:?}"),
        }
        if let Some(noise) = watch.noise.filter(
            |_| matches!(change.act(), Act::Approve { less, .. } if *less == Less::default()),
        ) {
            assert!(
                now - noise >= Duration::from_millis(350),
                "in the middle of other keys"
            );
        }
    }
}

/// Every row of a short list is on a screen that is large enough for it.
fn assert_shown<'a>(screen: &str, ids: impl ExactSizeIterator<Item = &'a str>) {
    let wide = screen.lines().map(|line| line.chars().count()).max();
    if ids.len() > 8 || screen.lines().count() < 30 || wide < Some(100) {
        return;
    }
    for id in ids {
        assert!(screen.contains(id), "{id} is not shown:\n{screen}");
    }
}

/// Plays the steps and checks each change at the moment it is asked for.
#[derive(Default)]
struct Watch {
    /// When a key or a paste last came that was no answer.
    noise: Option<std::time::Instant>,
    said_yes: bool,
    sent: Vec<Mutation>,
    /// What may be sent without a key: the very changes that were confirmed before.
    confirmed: Vec<Mutation>,
    /// Changes of a list that was confirmed and whose turn comes later.
    listed: Vec<(Subject, i64)>,
    /// Changes that the server has answered for good, with what it said.
    over: Vec<(Mutation, Result<Receipt, Failure>)>,
    /// Questions without an answer, with what the answer would have been.
    held: Vec<(Query, Answer)>,
    /// The number of the attempt to sign in that was begun last.
    attempt: u64,
    /// How often each act was confirmed, and how often as one of many.
    count: BTreeMap<String, usize>,
}

impl Watch {
    fn play(&mut self, desk: &mut Desk, step: &Step) {
        let before = Before::of(desk);
        let pressed = match step {
            Step::Press(text) => Some(key(text)),
            Step::Held(text) => Some(Key {
                repeat: true,
                ..key(text)
            }),
            Step::Burst(text) => Some(Key {
                burst: true,
                ..key(text)
            }),
            Step::Any(c) => Some(Key::press(KeyCode::Char(*c), KeyModifiers::NONE)),
            _ => None,
        };
        self.happen(desk, step, pressed);
        if !desk.answers {
            let asked = desk.effects.iter().filter_map(|effect| match effect {
                Effect::Fetch(query) => Some((query.clone(), desk.answer(query)?)),
                _ => None,
            });
            self.held.extend(asked.collect::<Vec<_>>());
        }
        let begun = desk.effects.iter().filter_map(|effect| match effect {
            Effect::SignIn(turn, _) => Some(*turn),
            _ => None,
        });
        self.attempt = begun.max().unwrap_or(self.attempt);
        let changes: Vec<Mutation> = desk.changes();
        if desk.app.review().is_some_and(Review::is_sent)
            && let Some((rows, armed)) = before.review.as_ref()
        {
            let pressed = pressed.expect("only a key confirms a list");
            assert!(*armed <= desk.now.steady && pressed.code == KeyCode::Enter);
            assert!(pressed.is_deliberate());
            assert_shown(
                &before.screen,
                rows.iter().map(|(subject, _)| subject.as_str()),
            );
            // Only a few are sent at a time; the others follow without a key.
            self.listed.extend(rows.iter().cloned());
        }
        for effect in &desk.effects {
            if let Effect::Prove(proving) = effect {
                let known = |key| {
                    self.confirmed
                        .iter()
                        .any(|change| change.idempotency_key() == key)
                };
                assert!(
                    proving.calls.iter().all(|(key, _)| known(key)),
                    "a proof for what nobody confirmed"
                );
            }
        }
        for change in changes {
            if self.confirmed.contains(&change) {
                let over = self.over.iter().any(|(over, _)| *over == change);
                assert!(!over, "sent again although it was answered: {change:?}");
                self.sent.push(change);
                continue;
            }
            let row = change.subject().map(|subject| (subject, change.version()));
            let turn = self
                .listed
                .iter()
                .position(|listed| Some(listed) == row.as_ref());
            let less =
                matches!(change.act(), Act::Approve { less, .. } if *less != Less::default());
            let word = if less { "narrow" } else { change.act().word() };
            let many = if turn.is_some() { "many " } else { "" };
            *self.count.entry(format!("{many}{word}")).or_default() += 1;
            if let Some(turn) = turn {
                self.listed.remove(turn);
            } else {
                let pressed = pressed.expect("only a key changes anything");
                before.judge(&change, pressed, desk.now.steady, self, desk);
            }
            self.confirmed.push(change.clone());
            self.sent.push(change);
        }
        marks_are_on_the_list(desk);
        let same = desk.app.strip().map(Strip::subject)
            == before.strip.as_ref().map(|(subject, ..)| subject);
        let yes = pressed
            .is_some_and(|pressed| pressed.code == KeyCode::Char('y') && pressed.is_deliberate());
        self.said_yes = same && before.strip.is_some() && (self.said_yes || yes);
        if (pressed.is_some() || matches!(step, Step::Paste(_))) && !yes {
            self.noise = Some(desk.now.steady);
        }
    }
}

/// A mark that nobody sees would be acted on with the others.
fn marks_are_on_the_list(desk: &Desk) {
    let Some(screen) = desk.app.screen() else {
        return;
    };
    for subject in screen.marked() {
        assert!(
            desk.app.world().store.get(&subject).is_some(),
            "{subject} is marked and unknown"
        );
        assert!(
            screen.shows(&subject),
            "{subject} is marked and not on the list"
        );
    }
}

/// What the server answers without a second factor.
fn wants_factor() -> Failure {
    Failure::StepUp {
        needed: StepUpNeeded {
            digest: "d".repeat(64),
            ways: vec!["totp".to_owned()],
        },
        text: "this needs a proof of your second factor".to_owned(),
        hint: None,
    }
}

impl Watch {
    fn happen(&mut self, desk: &mut Desk, step: &Step, pressed: Option<Key>) {
        if let Some(pressed) = pressed {
            desk.press(pressed);
            return;
        }
        let trip = Trip {
            sent: desk.now.steady,
            received: desk.now.steady,
        };
        match step {
            Step::Refused(code) => {
                let refused = Failure::Refused {
                    code: (*code).to_owned(),
                    text: "no".to_owned(),
                    hint: None,
                    trace: None,
                };
                for change in std::mem::take(&mut self.sent) {
                    self.over.push((change.clone(), Err(refused.clone())));
                    desk.send(Msg::Acted(change, Err(refused.clone()), trip));
                }
            }
            Step::Unanswered => {
                let failure = Failure::Unreachable("no route".to_owned());
                for change in std::mem::take(&mut self.sent) {
                    desk.send(Msg::Acted(change, Err(failure.clone()), trip));
                }
            }
            Step::SignedOut => {
                let failure = Failure::SignedOut("your sign-in is over".to_owned());
                for change in std::mem::take(&mut self.sent) {
                    // From here on it is a question again, and another change when that is answered.
                    self.over.push((change.clone(), Err(failure.clone())));
                    desk.send(Msg::Acted(change, Err(failure.clone()), trip));
                }
                // What waited for its turn or for another try is not sent either.
                self.listed.clear();
            }
            Step::SignsIn => {
                let Some(Answer::Me(me)) = desk.answer(&Query::Me) else {
                    return;
                };
                desk.send(Msg::SignIn(self.attempt, Said::Done(Ok(Box::new(me)))));
            }
            Step::WantsFactor => {
                for change in std::mem::take(&mut self.sent) {
                    desk.send(Msg::Acted(change, Err(wants_factor()), trip));
                }
            }
            Step::TakesFactor => {
                for proving in desk.proofs() {
                    let keys = proving.calls.into_iter().map(|(key, _)| key).collect();
                    desk.send(Msg::Proved(keys, Ok(())));
                }
            }
            Step::Done => {
                for change in std::mem::take(&mut self.sent) {
                    let receipt = receipt(desk, &change);
                    self.over.push((change.clone(), Ok(receipt.clone())));
                    desk.send(Msg::Acted(change, Ok(receipt), trip));
                }
            }
            Step::Twice => {
                if let Some((change, answer)) = self.over.last().cloned() {
                    desk.send(Msg::Acted(change, answer, trip));
                }
            }
            Step::Silent => desk.answers = false,
            Step::Late => {
                desk.answers = true;
                for (query, answer) in std::mem::take(&mut self.held) {
                    desk.send(Msg::Answer(query, Ok(answer), trip));
                }
            }
            step => happen(desk, step),
        }
    }
}

/// What the server says when it has done it; the rows on the desk are as it says from then on.
fn receipt(desk: &mut Desk, change: &Mutation) -> Receipt {
    let id = change.subject().map(|subject| subject.as_str().to_owned());
    let id = id.unwrap_or_default();
    let now = desk.server_now();
    let asked = desk.requests.iter_mut().find(|view| view.id == id);
    let granted = desk.grants.iter_mut().find(|view| view.id == id);
    match (change.act(), asked, granted) {
        (Act::Lock { .. }, ..) => {
            let lock = sample::lock(7, "dave", "in_force");
            desk.locks.push(lock.clone());
            Receipt::Lock(Box::new(lock))
        }
        (Act::Incident { .. }, ..) => {
            desk.incident = Some(sample::incident(false));
            Receipt::Incident(Box::new(sample::incident(false)))
        }
        (Act::EndSession { session, .. }, ..) => Receipt::Session(SessionEnded {
            grant: session.grant.to_string(),
            session: session.id.clone(),
            outcome: "ended".to_owned(),
        }),
        (Act::RevokeSignIn { .. }, ..) => {
            desk.sign_ins.retain(|view| view.id != id);
            Receipt::Gone
        }
        (Act::MakeService { .. } | Act::RotateService { .. }, ..) => token("deploy-bot"),
        (Act::DeleteService { .. }, ..) => {
            desk.services.retain(|view| view.name != id);
            Receipt::Gone
        }
        (Act::SignOff { verdict, .. }, ..) => {
            let used = desk.uses.iter_mut().find(|view| view.id == id);
            let used = used.expect("the use is known");
            used.version += 1;
            used.state = verdict.as_str().to_owned();
            used.allowed_actions.clear();
            Receipt::Use(Box::new(used.clone()))
        }
        (Act::Lift { .. }, ..) => {
            let mut lock = sample::lock(1, "mallory", "lifted");
            lock.id = id;
            lock.version = change.version() + 1;
            Receipt::Lock(Box::new(lock))
        }
        (Act::Extend { .. }, ..) => {
            let mut view = request(40, "carol", "bastion-04", "shell", "15m", "more time");
            view.state = "approved".to_owned();
            Receipt::Request(Box::new(view))
        }
        (_, _, Some(view)) => {
            view.version += 1;
            view.state = "closing".to_owned();
            Receipt::Grant(Box::new(view.clone()))
        }
        (act, Some(view), None) => {
            view.version += 1;
            view.claim = None;
            match act {
                Act::Approve { .. } => {
                    view.state = "approved".to_owned();
                    view.grant = Some(grant_id(6).to_string());
                }
                Act::Deny { .. } => view.state = "denied".to_owned(),
                Act::Claim { .. } => {
                    view.claim = Some(ClaimView {
                        by: "maya".to_owned(),
                        since: now,
                        until: now + chrono::TimeDelta::minutes(10),
                    });
                }
                _ => {}
            }
            Receipt::Request(Box::new(view.clone()))
        }
        (act, None, None) => panic!("nobody knows the row of {act:?}"),
    }
}

fn happen(desk: &mut Desk, step: &Step) {
    match step {
        Step::Paste(text) => desk.send(Msg::Paste(text.clone())),
        Step::Wait(millis) => desk.wait(*millis),
        Step::Click(x, y) => desk.send(Msg::Mouse(Mouse::Click, Position::new(*x, *y))),
        Step::Focus => desk.send(Msg::Focus(true)),
        Step::Resize(width, height) => desk.resize(*width, *height),
        Step::Decided(number) => {
            let id = request_id(*number).to_string();
            if let Some(view) = desk.requests.iter_mut().find(|view| view.id == id) {
                view.version += 1;
                view.duration_granted = "10m".to_owned();
            }
            let mut told = event(1_000, "review.recorded", "rob");
            told.request = Some(id);
            desk.tell(vec![told]);
        }
        Step::Asked(number) => {
            if desk
                .requests
                .iter()
                .all(|view| view.id != request_id(*number).to_string())
            {
                desk.requests.push(request(
                    *number,
                    "eve",
                    "ledger",
                    "admin",
                    "2h",
                    "y\ny\nplease",
                ));
            }
            let mut told = event(1_000, "request.submitted", "eve");
            told.request = Some(request_id(*number).to_string());
            desk.tell(vec![told]);
        }
        Step::Revoked(number) => {
            let id = grant_id(*number).to_string();
            if let Some(view) = desk.grants.iter_mut().find(|view| view.id == id) {
                view.version += 1;
                view.state = "revoked".to_owned();
                view.allowed_actions
                    .iter_mut()
                    .for_each(|action| action.allowed = false);
            }
            let mut told = event(1_000, "grant.revoked", "rob");
            told.grant = Some(id);
            desk.tell(vec![told]);
        }
        Step::Lost => {
            let retry_in = Duration::from_secs(2);
            desk.send(Msg::Stream(Tidings::Lost {
                why: "it broke".to_owned(),
                retry_in,
            }));
        }
        Step::Live => {
            let now = desk.server_now();
            desk.send(Msg::Stream(Tidings::Hello { now, epoch: 1 }));
        }
        Step::Woke => desk.send(Msg::Woke),
        _ => {}
    }
}

/// A few hundred plays are seconds; `PORTCULLIS_CASES=20000` is an hour.
fn cases() -> u32 {
    let asked = std::env::var("PORTCULLIS_CASES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(200)
}

/// A desk with something for every act, also a grant of one's own.
fn desk() -> Desk {
    let mut desk = sample::full_desk(120, 40);
    let mut own = grant(8, "maya", "ledger", "readonly", 30);
    own.allowed_actions.push(AllowedAction {
        action: "return".to_owned(),
        allowed: true,
        reason: None,
    });
    desk.grants.push(own);
    desk.send(Msg::Woke);
    desk.wait(3_000);
    let now = desk.server_now();
    desk.send(Msg::Stream(Tidings::Hello { now, epoch: 1 }));
    // The lists of locks and of uses were read before there were any.
    desk.uses = vec![
        sample::used(60, "eve", "open"),
        sample::used(61, "mallory", "open"),
    ];
    desk.tell(vec![
        event(999, "lock.placed", "rob"),
        event(1_000, "break_glass.used", "eve"),
    ]);
    desk.effects.clear();
    desk
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_done_without_its_confirmation(steps in vec(scene(), 1..60)) {
        let mut desk = desk();
        let mut watch = Watch::default();
        for step in steps.iter().flatten() {
            watch.play(&mut desk, step);
        }
    }

    #[test]
    fn pasted_text_and_the_mouse_change_nothing(texts in vec("[ -~\n]{0,30}", 1..20), clicks in vec((0_u16..120, 0_u16..40), 1..20)) {
        let mut desk = Desk::live(120, 40);
        for (text, (x, y)) in texts.into_iter().zip(clicks) {
            desk.keys("a");
            desk.read_it();
            desk.send(Msg::Paste(text));
            desk.send(Msg::Mouse(Mouse::Click, Position::new(x, y)));
            desk.wait(500);
        }
        prop_assert!(desk.effects.iter().all(|effect| !matches!(effect, Effect::Mutate(_))));
    }
}

/// The generator above must be able to reach every act, or it proves nothing about it.
#[test]
fn random_keys_reach_the_confirmation_of_every_act() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    const ACTS: [&str; 22] = [
        "approve",
        "narrow",
        "deny",
        "claim",
        "release",
        "extend",
        "revoke",
        "return",
        "end session",
        "lock",
        "lift",
        "end sign-in",
        "delete",
        "many end sign-in",
        "sign off",
        "incident",
        "many approve",
        "many deny",
        "many extend",
        "many revoke",
        "many end session",
        "many lift",
    ];
    let mut runner = TestRunner::deterministic();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..150 {
        let steps = vec(scene(), 40..60)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut desk = desk();
        let mut watch = Watch::default();
        for step in steps.iter().flatten() {
            watch.play(&mut desk, step);
        }
        for (act, times) in watch.count {
            *count.entry(act).or_default() += times;
        }
        if ACTS.iter().all(|act| count.contains_key(*act)) {
            return;
        }
    }
    let missing = ACTS.iter().filter(|act| !count.contains_key(**act));
    panic!(
        "never reached: {:?} among {count:?}",
        missing.collect::<Vec<_>>()
    );
}

#[test]
fn marks_of_a_question_name_the_selected_row_after_any_move() {
    let mut desk = Desk::live(120, 40);
    for (keys, id) in [("a", 1), ("Esc j a", 2), ("Esc k a", 1)] {
        desk.keys(keys);
        let strip = desk.app.strip().unwrap();
        assert_eq!(strip.subject(), &Subject::Request(request_id(id)));
        assert!(
            desk.screen()
                .contains(&format!("Approve {}", request_id(id)))
        );
    }
}
