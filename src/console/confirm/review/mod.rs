//! A change of many rows: the list of what would be done, rows taken out one by one, a reason, and the count typed.
//! Afterwards the same list tells what became of each.

mod face;
mod fresh;

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;

use crate::console::confirm::service::LASTS;
use crate::console::confirm::strip::{act, preset};
use crate::console::confirm::{
    ARMING, EXTEND_BY, EXTEND_REASON, FRESH, Kind, LONGEST, Less, Mutation, Outcome, SHORTEST,
    astray,
};
use crate::console::keymap::{Action, Place};
use crate::console::store::{Seen, Subject};
use crate::console::term::input::Key;
use crate::console::widget::input::{Edited, Line};
use crate::console::world::World;

/// Nobody reads more rows than this before giving access to all of them.
const MOST_GIVEN: usize = 50;

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing was sent.
    Waiting,
    /// On its way, or waiting for another try.
    Sent,
    Done(String),
    /// It was over before.
    Over(String),
    /// It was no longer as shown, and nothing was done.
    Changed(String),
    Refused(String),
    /// Nobody knows whether it was done.
    Unanswered(String),
}

/// One row of the list.
#[derive(Debug, Clone)]
pub struct Item {
    pub subject: Subject,
    pub seen: Seen,
    /// Taken out by the person.
    pub dropped: bool,
    /// What changed since the list was opened.
    pub changes: Vec<String>,
    /// Why it cannot be done, as far as is known here.
    pub refused: Option<String>,
    pub state: State,
    mutation: Option<Mutation>,
    reading: bool,
}

impl Item {
    /// Says whether it would be acted on.
    pub fn is_kept(&self) -> bool {
        !self.dropped && self.refused.is_none()
    }
}

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Focus {
    Rows,
    Reason,
}

/// The open list.
#[derive(Debug, Clone)]
pub struct Review {
    kind: Kind,
    items: Vec<Item>,
    at: usize,
    focus: Focus,
    reason: Line,
    count: Line,
    armed_at: Instant,
    note: Option<String>,
    sent: bool,
    /// Somebody wants to confirm, and waits for rows that are too old.
    hurried: bool,
    /// When rows were asked for last.
    asked_at: Option<Instant>,
}

impl Review {
    /// Opens the list of marked rows as they are on screen. The error says why there is nothing to review.
    pub fn open(kind: Kind, rows: Vec<(Subject, Seen)>, world: &World) -> Result<Self, String> {
        if kind == Kind::Narrow {
            return Err("narrowing takes one request at a time: clear the marks first".to_owned());
        }
        if !kind.takes_away() && rows.len() > MOST_GIVEN {
            return Err(format!(
                "at most {MOST_GIVEN} at a time, {} are marked",
                rows.len()
            ));
        }
        let mut reason = Line::new(LONGEST);
        if kind == Kind::Extend {
            reason.set(EXTEND_REASON);
        }
        let item = |(subject, seen)| Item {
            subject,
            seen,
            dropped: false,
            changes: Vec::new(),
            refused: None,
            state: State::Waiting,
            mutation: None,
            reading: false,
        };
        let mut review = Self {
            kind,
            items: rows.into_iter().map(item).collect(),
            at: 0,
            focus: Focus::Rows,
            reason,
            count: Line::new(5),
            armed_at: world.now + ARMING,
            note: None,
            sent: false,
            hurried: false,
            asked_at: None,
        };
        review.judge(world);
        Ok(review)
    }

    /// Which question it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Every row, with what became of it.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Says whether it was confirmed, so that the list tells results.
    pub fn is_sent(&self) -> bool {
        self.sent
    }

    /// When keys begin to count.
    pub fn armed_at(&self) -> Instant {
        self.armed_at
    }

    /// Says whether keys go to the reason and not to the list.
    pub fn is_reasoning(&self) -> bool {
        self.focus == Focus::Reason
    }

    /// How many rows would be acted on: the number to type.
    pub fn kept(&self) -> usize {
        self.items.iter().filter(|item| item.is_kept()).count()
    }

    /// Takes what became of a change; says whether it belongs to this list.
    pub fn tell(&mut self, mutation: &Mutation, state: State) -> bool {
        let item = self
            .items
            .iter_mut()
            .find(|item| item.mutation.as_ref() == Some(mutation));
        let found = item.is_some();
        if let Some(item) = item {
            item.state = state;
        }
        found
    }

    /// Says whether a change belongs to this list.
    pub fn has(&self, mutation: &Mutation) -> bool {
        self.items
            .iter()
            .any(|item| item.mutation.as_ref() == Some(mutation))
    }

    /// A change was not sent after all; says whether it belongs to this list.
    pub fn take_back(&mut self, mutation: &Mutation) -> bool {
        let mut items = self.items.iter_mut();
        let Some(item) = items.find(|item| item.mutation.as_ref() == Some(mutation)) else {
            return false;
        };
        item.mutation = None;
        item.state = State::Waiting;
        true
    }

    /// Tells the person something about the list.
    pub fn note(&mut self, text: &str) {
        self.note = Some(text.to_owned());
    }

    /// Becomes the list of what was confirmed and not sent, as it is known now, to be confirmed anew; says whether
    /// there was anything.
    pub fn ask_again(&mut self, world: &World) -> bool {
        let left = self.items.iter();
        let left = left.filter(|item| item.is_kept() && item.state == State::Waiting);
        let rows: Vec<(Subject, Seen)> = left
            .filter_map(|item| Some((item.subject.clone(), world.store.get(&item.subject)?)))
            .collect();
        if !self.sent || rows.is_empty() {
            return false;
        }
        let Ok(mut again) = Self::open(self.kind, rows, world) else {
            return false;
        };
        again.reason.set(self.reason.text());
        *self = again;
        true
    }

    /// Says how many rows wait for an answer.
    pub fn running(&self) -> usize {
        self.items
            .iter()
            .filter(|item| item.state == State::Sent)
            .count()
    }

    /// Takes pasted text, which is never an answer.
    pub fn paste(&mut self, text: &str, now: Instant) {
        if self.focus == Focus::Reason && !self.sent && now >= self.armed_at {
            self.reason.paste(text);
        } else {
            self.rearm(now);
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key, world: &World) -> Outcome {
        let action = world.keymap.action(Place::Review, key);
        let typing = self.focus == Focus::Reason && !self.sent;
        if key.code == KeyCode::Esc || (action == Some(Action::No) && !typing) {
            return Outcome::Closed;
        }
        if self.sent {
            return self.result_key(key, action);
        }
        if world.now < self.armed_at {
            self.rearm(world.now);
            return Outcome::Stays;
        }
        self.note = None;
        match (self.focus, key.code) {
            (Focus::Reason, KeyCode::Tab | KeyCode::BackTab) => self.turn(),
            (Focus::Reason, KeyCode::Enter) if self.reason().chars().count() < SHORTEST => {
                self.note = Some(format!("a reason has at least {SHORTEST} characters"));
            }
            (Focus::Reason, KeyCode::Enter) => self.focus = Focus::Rows,
            (Focus::Reason, _) => {
                if let Some(text) = preset(self.kind, key, &self.reason) {
                    self.reason.set(text);
                } else if self.reason.key(key) == Edited::Unused {
                    self.rearm(world.now);
                }
            }
            (Focus::Rows, KeyCode::Char('0'..='9') | KeyCode::Backspace) if key.is_deliberate() => {
                self.count.key(key);
            }
            (Focus::Rows, _) => match action {
                Some(Action::Confirm) if key.is_deliberate() => return self.confirm(world),
                Some(Action::NextField) => self.turn(),
                Some(Action::Drop) => self.drop_row(),
                Some(action) if self.walk(action) => {}
                _ => {
                    self.note = self
                        .kind
                        .wants_sentence()
                        .then(|| astray(&world.keymap, Place::Review));
                    self.rearm(world.now);
                }
            },
        }
        Outcome::Stays
    }

    /// After the confirmation only looking is left, and trying again what was not answered, with the same keys.
    fn result_key(&mut self, key: Key, action: Option<Action>) -> Outcome {
        if action == Some(Action::Retry) && key.is_deliberate() {
            let again: Vec<Mutation> = self
                .items
                .iter_mut()
                .filter(|item| matches!(item.state, State::Unanswered(_)))
                .filter_map(|item| {
                    item.state = State::Sent;
                    item.mutation.clone()
                })
                .collect();
            if !again.is_empty() {
                return Outcome::All(again);
            }
        }
        if action == Some(Action::Confirm) && self.running() == 0 {
            return Outcome::Closed;
        }
        if let Some(action) = action {
            self.walk(action);
        }
        Outcome::Stays
    }

    fn walk(&mut self, action: Action) -> bool {
        let last = self.items.len().saturating_sub(1);
        let to = match action {
            Action::Down => self.at + 1,
            Action::Up => self.at.saturating_sub(1),
            Action::HalfDown | Action::PageDown => self.at + 10,
            Action::HalfUp | Action::PageUp => self.at.saturating_sub(10),
            Action::Top => 0,
            Action::Bottom => last,
            _ => return false,
        };
        self.at = to.min(last);
        true
    }

    fn turn(&mut self) {
        self.focus = match self.focus {
            Focus::Rows if self.kind.wants_sentence() => Focus::Reason,
            _ => Focus::Rows,
        };
    }

    /// Another list is another number.
    fn drop_row(&mut self) {
        if let Some(item) = self.items.get_mut(self.at) {
            item.dropped = !item.dropped;
            self.count.set("");
            self.walk(Action::Down);
        }
    }

    fn reason(&self) -> &str {
        self.reason.text().trim()
    }

    fn rearm(&mut self, now: Instant) {
        self.armed_at = now + ARMING;
    }

    /// Finds out which rows cannot be acted on.
    fn judge(&mut self, world: &World) {
        for item in &mut self.items {
            let possible = world
                .may(self.kind, &item.subject)
                .and_then(|()| item.seen.allows(self.kind.word()));
            item.refused = possible.err();
        }
    }

    /// INVARIANT: exactly the rows that are listed and not taken out, each at the version that is shown
    /// (`a_change_of_many_is_exactly_the_list`).
    fn confirm(&mut self, world: &World) -> Outcome {
        let shown: Vec<bool> = self.items.iter().map(Item::is_kept).collect();
        self.judge(world);
        if !self.items.iter().map(Item::is_kept).eq(shown) {
            // What can be done has changed since the list was drawn, and nobody has read the other one.
            self.count.set("");
            self.note = Some("the list has changed: read it again".to_owned());
            self.rearm(world.now);
            return Outcome::Stays;
        }
        let kept = self.kept();
        if kept == 0 {
            self.note = Some("nothing is left to do".to_owned());
            return Outcome::Stays;
        }
        let reason = self.reason().to_owned();
        if self.kind.wants_sentence() && reason.chars().count() < SHORTEST {
            self.focus = Focus::Reason;
            self.note = Some(format!("first the reason, at least {SHORTEST} characters"));
            return Outcome::Stays;
        }
        if self.count.text().parse() != Ok(kept) {
            self.note = Some(format!("type {kept} to do it to {kept} rows"));
            return Outcome::Stays;
        }
        let old = self.items.iter().filter(|item| {
            item.is_kept()
                && item.subject.can_be_read()
                && age(world, &item.subject).is_none_or(|age| age > FRESH)
        });
        if !self.kind.takes_away() && old.count() > 0 {
            self.hurried = true;
            self.note = Some("reading them once more, press again in a moment".to_owned());
            return Outcome::Stays;
        }
        let by = match self.kind {
            Kind::ImportStanding => LASTS,
            _ => EXTEND_BY,
        };
        let by = by.parse().ok();
        let kind = self.kind;
        let made: Result<Vec<(usize, Mutation)>, String> = self
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.is_kept())
            .filter_map(|(at, item)| {
                let act = act(
                    kind,
                    &item.subject,
                    reason.clone(),
                    Less::default(),
                    by,
                    world.my_name(),
                )?;
                Some(Mutation::new(act, item.seen.version()).map(|mutation| (at, mutation)))
            })
            .collect();
        let made = match made {
            Ok(made) => made,
            Err(why) => {
                self.note = Some(why);
                return Outcome::Stays;
            }
        };
        for (at, mutation) in &made {
            if let Some(item) = self.items.get_mut(*at) {
                item.state = State::Sent;
                item.mutation = Some(mutation.clone());
            }
        }
        self.sent = true;
        self.at = 0;
        Outcome::All(made.into_iter().map(|(_, mutation)| mutation).collect())
    }
}

fn age(world: &World, subject: &Subject) -> Option<Duration> {
    let read = world.store.read_at(subject)?;
    Some(world.now.saturating_duration_since(read))
}
