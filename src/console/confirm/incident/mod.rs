//! Incident mode: say what it is about, let the server try it out, take rows off the list, type the count, and watch
//! until each one is off or named. What is committed is exactly the dry run on screen; nothing is called done before
//! the server has read it back.

mod face;
mod receipts;
mod scope;

use std::collections::BTreeSet;
use std::time::Instant;

use crossterm::event::KeyCode;

pub use crate::console::confirm::incident::scope::Around;
use crate::console::confirm::incident::scope::Scope;
use crate::console::confirm::{ARMING, Act, LONGEST, Mutation, Outcome, SHORTEST, astray};
use crate::console::keymap::{Action, Place};
use crate::console::term::input::Key;
use crate::console::widget::input::{Edited, Line};
use crate::console::world::World;
use crate::wire::{IncidentCommit, IncidentPreview, IncidentPreviewAsk, IncidentView};

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Scope,
    /// The server is trying it out.
    Looking,
    Review,
    /// Committed; the receipts come.
    Receipts,
}

/// Where keys of the review go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Focus {
    Rows,
    Reason,
}

/// An incident being prepared or watched.
#[derive(Debug, Clone)]
pub struct Incident {
    step: Step,
    scope: Scope,
    ask: IncidentPreviewAsk,
    preview: Option<IncidentPreview>,
    /// Ids that stay as they are.
    keep: BTreeSet<String>,
    /// What the last dry run had not.
    new: BTreeSet<String>,
    /// What only the dry run before had.
    gone: Vec<String>,
    at: usize,
    focus: Focus,
    reason: Line,
    count: Line,
    armed_at: Instant,
    note: Option<String>,
    mutation: Option<Mutation>,
    view: Option<IncidentView>,
    /// What became of the commit when there is no receipt.
    trouble: Option<String>,
}

impl Incident {
    /// Opens the form with what the person was looking at.
    pub fn open(target: Option<&str>, filter: Option<&str>, world: &World) -> Self {
        Self {
            step: Step::Scope,
            scope: Scope::new(target, filter),
            ask: IncidentPreviewAsk::default(),
            preview: None,
            keep: BTreeSet::new(),
            new: BTreeSet::new(),
            gone: Vec::new(),
            at: 0,
            focus: Focus::Rows,
            reason: Line::new(LONGEST),
            count: Line::new(5),
            armed_at: world.now + ARMING,
            note: None,
            mutation: None,
            view: None,
            trouble: None,
        }
    }

    /// Opens the form with what somebody has named in full, where there is no screen to fill it in on.
    pub fn around(around: &Around, world: &World) -> Self {
        Self {
            scope: Scope::around(around),
            ..Self::open(None, None, world)
        }
    }

    /// Shows the receipts of an incident that was committed before, by whomever.
    pub fn recall(view: IncidentView, world: &World) -> Self {
        Self {
            step: Step::Receipts,
            view: Some(view),
            ..Self::open(None, None, world)
        }
    }

    /// The receipts so far, once it was taken.
    pub fn view(&self) -> Option<&IncidentView> {
        self.view.as_ref()
    }

    /// Why there is no receipt although it was sent.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// How far it is.
    pub fn step(&self) -> Step {
        self.step
    }

    /// When keys begin to count.
    pub fn armed_at(&self) -> Instant {
        self.armed_at
    }

    /// Says whether keys go to the reason and not to the list.
    pub fn is_reasoning(&self) -> bool {
        self.focus == Focus::Reason
    }

    /// The dry run on screen.
    pub fn preview(&self) -> Option<&IncidentPreview> {
        self.preview.as_ref()
    }

    /// Ids that were taken off the list.
    pub fn kept_as_they_are(&self) -> &BTreeSet<String> {
        &self.keep
    }

    /// How many would be acted on: the number to type.
    pub fn count(&self) -> usize {
        self.preview.as_ref().map_or(0, |preview| {
            preview.items.len().saturating_sub(self.keep.len())
        })
    }

    /// The incident to ask the server about again, while something is left to wait for.
    pub fn watched(&self) -> Option<&str> {
        self.view
            .as_ref()
            .filter(|view| !view.done)
            .map(|view| view.id.as_str())
    }

    /// Says whether it was committed, so that it is worth coming back to.
    pub fn is_committed(&self) -> bool {
        self.mutation.is_some() || self.view.is_some()
    }

    /// Says whether every row is settled.
    pub fn is_over(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.done)
    }

    /// Says whether a change is the commit of this one.
    pub fn is(&self, mutation: &Mutation) -> bool {
        self.mutation.as_ref() == Some(mutation)
    }

    /// The dry run came, or not. What differs from the one before is marked, and the pause begins anew.
    pub fn previewed(
        &mut self,
        ask: &IncidentPreviewAsk,
        preview: Result<IncidentPreview, String>,
        now: Instant,
    ) {
        if self.step != Step::Looking || *ask != self.ask {
            return;
        }
        self.rearm(now);
        let preview = match preview {
            Ok(preview) => preview,
            Err(why) => {
                self.note = Some(why);
                self.step = if self.preview.is_some() {
                    Step::Review
                } else {
                    Step::Scope
                };
                return;
            }
        };
        let ids = |preview: &IncidentPreview| -> BTreeSet<String> {
            preview.items.iter().map(|item| item.id.clone()).collect()
        };
        let present = ids(&preview);
        if let Some(before) = self.preview.as_ref().map(ids) {
            self.new = present.difference(&before).cloned().collect();
            self.gone = before.difference(&present).cloned().collect();
        }
        self.keep.retain(|id| present.contains(id));
        self.count.set("");
        self.at = self.at.min(preview.items.len().saturating_sub(1));
        self.preview = Some(preview);
        self.step = Step::Review;
    }

    /// The server took the commit; these are the receipts so far.
    pub fn received(&mut self, view: IncidentView) {
        self.trouble = None;
        self.view = Some(view);
    }

    /// The commit was refused or not answered; `sure` says that nothing was done.
    pub fn failed(&mut self, why: String, sure: bool, now: Instant) {
        if sure {
            self.mutation = None;
            self.step = Step::Review;
            self.note = Some(why);
            self.rearm(now);
        } else {
            self.trouble = Some(why);
        }
    }

    /// Takes pasted text, which is never an answer.
    pub fn paste(&mut self, text: &str, now: Instant) {
        match (self.step, self.focus) {
            (Step::Scope, _) => self.scope.paste(text),
            (Step::Review, Focus::Reason) => drop(self.reason.paste(text)),
            _ => self.rearm(now),
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key, world: &World) -> Outcome {
        let action = world.keymap.action(Place::Incident, key);
        let typing = self.step == Step::Scope || self.focus == Focus::Reason;
        if key.code == KeyCode::Esc || (action == Some(Action::No) && !typing) {
            return self.back(world.now);
        }
        if world.now < self.armed_at {
            self.rearm(world.now);
            return Outcome::Stays;
        }
        self.note = None;
        match self.step {
            Step::Scope => self.scope_key(key, world),
            Step::Looking => Outcome::Stays,
            Step::Review => self.review_key(key, action, world),
            Step::Receipts => {
                let rows = self.view.as_ref().map_or(0, |view| view.items.len());
                self.walk(action, rows);
                Outcome::Stays
            }
        }
    }

    /// One step back, then out.
    fn back(&mut self, now: Instant) -> Outcome {
        match self.step {
            Step::Scope | Step::Receipts => return Outcome::Closed,
            Step::Looking | Step::Review if self.focus == Focus::Reason => {
                self.focus = Focus::Rows;
            }
            Step::Looking | Step::Review => {
                self.step = Step::Scope;
                self.preview = None;
                self.keep.clear();
                self.new.clear();
                self.gone.clear();
            }
        }
        self.rearm(now);
        Outcome::Stays
    }

    fn scope_key(&mut self, key: Key, world: &World) -> Outcome {
        match key.code {
            KeyCode::Tab | KeyCode::Down => self.scope.turn(1),
            KeyCode::BackTab | KeyCode::Up => self.scope.turn(scope::FIELDS.len() - 1),
            KeyCode::Enter if key.is_deliberate() => return self.look(world),
            _ if self.scope.key(key) => {}
            _ => self.rearm(world.now),
        }
        Outcome::Stays
    }

    /// Asks the server to try it out.
    fn look(&mut self, world: &World) -> Outcome {
        if let Err(why) = world.writable() {
            self.note = Some(why);
            return Outcome::Stays;
        }
        match self.scope.ask() {
            Ok(ask) => {
                self.ask = ask.clone();
                self.step = Step::Looking;
                Outcome::TryOut(Box::new(ask))
            }
            Err(why) => {
                self.note = Some(why);
                Outcome::Stays
            }
        }
    }

    fn review_key(&mut self, key: Key, action: Option<Action>, world: &World) -> Outcome {
        match (self.focus, key.code) {
            (Focus::Reason, KeyCode::Enter) if self.reason().chars().count() < SHORTEST => {
                self.note = Some(format!("a reason has at least {SHORTEST} characters"));
            }
            (Focus::Reason, KeyCode::Tab | KeyCode::BackTab | KeyCode::Enter) => {
                self.focus = Focus::Rows;
            }
            (Focus::Reason, _) => {
                if self.reason.key(key) == Edited::Unused {
                    self.rearm(world.now);
                }
            }
            (Focus::Rows, KeyCode::Char('0'..='9') | KeyCode::Backspace) if key.is_deliberate() => {
                self.count.key(key);
            }
            (Focus::Rows, _) => match action {
                Some(Action::Confirm) if key.is_deliberate() => return self.commit(world),
                Some(Action::NextField | Action::PreviousField) => self.focus = Focus::Reason,
                Some(Action::Drop) => self.keep_row(world),
                Some(Action::DryRun) if key.is_deliberate() => return self.look(world),
                action => {
                    let rows = self
                        .preview
                        .as_ref()
                        .map_or(0, |preview| preview.items.len());
                    if !self.walk(action, rows) {
                        self.note = Some(astray(&world.keymap, Place::Incident));
                        self.rearm(world.now);
                    }
                }
            },
        }
        Outcome::Stays
    }

    fn walk(&mut self, action: Option<Action>, rows: usize) -> bool {
        let last = rows.saturating_sub(1);
        let to = match action {
            Some(Action::Down) => self.at + 1,
            Some(Action::Up) => self.at.saturating_sub(1),
            Some(Action::HalfDown | Action::PageDown) => self.at + 10,
            Some(Action::HalfUp | Action::PageUp) => self.at.saturating_sub(10),
            Some(Action::Top) => 0,
            Some(Action::Bottom) => last,
            _ => return false,
        };
        self.at = to.min(last);
        true
    }

    /// Another list is another number.
    fn keep_row(&mut self, world: &World) {
        let Some(id) = self
            .preview
            .as_ref()
            .and_then(|preview| preview.items.get(self.at))
            .map(|item| item.id.clone())
        else {
            return;
        };
        if self.ask.lock && id.starts_with("G-") && !self.keep.contains(&id) {
            let key = world.keymap.key(Place::Incident, Action::No);
            let why = format!(
                "the lock takes away every grant that it matches: go back with {key} and untick it to keep some"
            );
            self.note = Some(why);
            return;
        }
        if !self.keep.remove(&id) {
            self.keep.insert(id);
        }
        self.count.set("");
        let rows = self
            .preview
            .as_ref()
            .map_or(0, |preview| preview.items.len());
        self.walk(Some(Action::Down), rows);
    }

    fn reason(&self) -> &str {
        self.reason.text().trim()
    }

    fn rearm(&mut self, now: Instant) {
        self.armed_at = now + ARMING;
    }

    /// INVARIANT: exactly the dry run on screen, without the rows taken off it
    /// (`an_incident_commits_exactly_the_dry_run`).
    fn commit(&mut self, world: &World) -> Outcome {
        let Some(preview) = &self.preview else {
            return Outcome::Stays;
        };
        let count = self.count();
        let reason = self.reason().to_owned();
        let missing = if preview.good_until <= world.server_now() {
            let key = world.keymap.key(Place::Incident, Action::DryRun);
            Some(format!(
                "this dry run is too old: press {key} to run it again"
            ))
        } else if count == 0 && preview.locks.is_empty() {
            Some("nothing is left to do".to_owned())
        } else if reason.chars().count() < SHORTEST {
            self.focus = Focus::Reason;
            Some(format!("first the reason, at least {SHORTEST} characters"))
        } else if self.count.text().parse() != Ok(count) {
            Some(format!("type {count} to take away {count}"))
        } else {
            None
        };
        if missing.is_some() {
            self.note = missing;
            return Outcome::Stays;
        }
        let commit = IncidentCommit {
            token: preview.token.clone(),
            ask: self.ask.clone(),
            items: preview.items.clone(),
            keep: self.keep.iter().cloned().collect(),
            count: u32::try_from(count).unwrap_or(u32::MAX),
            reason,
        };
        let act = Act::Incident {
            commit: Box::new(commit),
        };
        match Mutation::new(act, 0) {
            Ok(mutation) => {
                self.mutation = Some(mutation.clone());
                self.step = Step::Receipts;
                self.at = 0;
                Outcome::Confirmed(mutation)
            }
            Err(why) => {
                self.note = Some(why);
                Outcome::Stays
            }
        }
    }
}
