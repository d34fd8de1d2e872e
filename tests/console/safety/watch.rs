//! Plays the steps, and has every change judged at the moment it is asked for.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyModifiers};
use portcullis::client::StepUpNeeded;
use portcullis::console::confirm::{Act, Less, Mutation, Review, Strip};
use portcullis::console::msg::{Answer, Effect, Failure, Msg, Query, Receipt, Trip};
use portcullis::console::sign_in::Said;
use portcullis::console::store::Subject;
use portcullis::console::term::input::Key;

use super::judge::{Before, assert_shown};
use super::server::{happen, receipt};
use super::step::Step;
use crate::console::desk::{Desk, key};

/// Plays the steps and checks each change at the moment it is asked for.
#[derive(Default)]
pub(super) struct Watch {
    /// When a key or a paste last came that was no answer.
    pub(super) noise: Option<std::time::Instant>,
    pub(super) said_yes: bool,
    pub(super) sent: Vec<Mutation>,
    /// What may be sent without a key: the very changes that were confirmed before.
    pub(super) confirmed: Vec<Mutation>,
    /// Changes of a list that was confirmed and whose turn comes later.
    pub(super) listed: Vec<(Subject, i64)>,
    /// Changes that the server has answered for good, with what it said.
    pub(super) over: Vec<(Mutation, Result<Receipt, Failure>)>,
    /// Questions without an answer, with what the answer would have been.
    pub(super) held: Vec<(Query, Answer)>,
    /// The number of the attempt to sign in that was begun last.
    pub(super) attempt: u64,
    /// How often each act was confirmed, and how often as one of many.
    pub(super) count: BTreeMap<String, usize>,
}

impl Watch {
    pub(super) fn play(&mut self, desk: &mut Desk, step: &Step) {
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
            // Lists claim nothing: who claims a row whose turn is still to come does that by a key.
            let of_a_list = |listed: &(Subject, i64)| {
                !matches!(change.act(), Act::Claim { .. } | Act::Release { .. })
                    && Some(listed) == row.as_ref()
            };
            let turn = self.listed.iter().position(of_a_list);
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
