//! Changes on their way: sent with one key however often, shown until the server has answered, never assumed.

use std::time::{Duration, Instant};

use crate::console::app::App;
use crate::console::app::undo::Undo;
use crate::console::confirm::{Act, Form, ItemState, Mutation, ServiceForm};
use crate::console::fate::is_open_state;
use crate::console::keymap::{Action, Keymap, Place};
use crate::console::msg::{Effect, Failure, Receipt, Trip};
use crate::console::store::Subject;
use crate::console::widget::countdown;
use crate::console::widget::toast::Level;
use crate::text::clean;

/// Taking access away is worth trying for long; the client itself tries for some seconds each time.
const REVOKE_FOR: Duration = Duration::from_mins(2);
/// Giving access must not happen long after the decision.
const OTHERS_FOR: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Changes of one list on their way at the same time.
const AT_ONCE: usize = 4;
/// The code of a refusal for the lack of a second factor.
const STEP_UP: &str = "step-up-required";

/// The code of a refusal for a key that was used already.
const REUSED: &str = "idempotency-key-reused";

/// A change that is not answered yet.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    mutation: Mutation,
    since: Instant,
    tries: u32,
    /// When it is sent again; nothing while it is on its way.
    again: Option<Instant>,
}

impl Pending {
    pub(super) fn is_about(&self, subject: &Subject) -> bool {
        self.mutation.subject().as_ref() == Some(subject)
    }

    pub(super) fn into_change(self) -> Mutation {
        self.mutation
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.again
    }

    pub(super) fn text(&self, keymap: &Keymap, now: Instant) -> String {
        let act = self.mutation.act();
        let what = format!("{} {}", act.word(), act.about());
        match self.again {
            None => format!("PENDING {what}"),
            Some(again) => {
                let age = countdown::text(now.saturating_duration_since(self.since));
                let left = again.saturating_duration_since(now).as_secs();
                let retry = keymap.key(Place::Anywhere, Action::Retry);
                let back = keymap.key(Place::Anywhere, Action::Back);
                format!(
                    "PENDING {what} for {age}, again in {left} s ({retry} now, {back} gives up)"
                )
            }
        }
    }

    fn patience(&self) -> Duration {
        if self.mutation.act().takes_away() {
            REVOKE_FOR
        } else {
            OTHERS_FOR
        }
    }
}

impl App {
    /// Sends a confirmed change.
    pub(super) fn begin(&mut self, mutation: Mutation) -> Vec<Effect> {
        let pending = Pending {
            mutation: mutation.clone(),
            since: self.world.now,
            tries: 1,
            again: None,
        };
        self.pending.push(pending);
        vec![Effect::Mutate(mutation)]
    }

    /// The server answered a change, or did not.
    pub(super) fn acted(
        &mut self,
        mutation: &Mutation,
        receipt: Result<Receipt, Failure>,
        trip: Trip,
    ) -> Vec<Effect> {
        if let Some(subject) = mutation.subject() {
            self.refresher.mark(subject, self.world.now);
        }
        match receipt {
            Ok(receipt) => {
                self.settled(mutation);
                self.world.link.measured(trip.took());
                let undo = Undo::of(mutation, &receipt, self.world.now);
                let (level, text) = self.done(mutation, receipt);
                if self.tell_review(mutation, || ItemState::Done(text.clone())) {
                    return self.send_queued();
                }
                let keymap = &self.world.keymap;
                match undo.as_ref().and_then(|undo| undo.offer(keymap)) {
                    // Its receipts say more.
                    _ if matches!(mutation.act(), Act::Incident { .. })
                        && self.open.in_incident => {}
                    Some((offer, until)) => {
                        self.toasts.push_until(
                            level,
                            clean(&format!("{text} ({offer})")),
                            until,
                            self.world.now,
                        );
                    }
                    None => self.say(level, &text),
                }
                self.undo = undo.or(self.undo.take());
            }
            Err(Failure::Refused {
                code,
                text,
                hint,
                trace,
            }) => {
                self.settled(mutation);
                let said = self.not_done(mutation, &code, text, hint);
                if let (true, Some(trace)) = (said, trace) {
                    self.toasts.traced(&clean(&trace));
                }
            }
            Err(Failure::StepUp { needed, text, hint }) => {
                let known = self.pending.len();
                self.settled(mutation);
                if self.pending.len() == known {
                    // Nobody waits for this any more.
                } else if needed.ways.is_empty() {
                    self.not_done(mutation, STEP_UP, text, hint);
                } else {
                    self.wait_for_factor(mutation, needed, &text);
                }
            }
            Err(Failure::SignedOut(why)) => {
                self.settled(mutation);
                self.hold(mutation.clone());
                self.signed_out(&why);
            }
            Err(failure) => {
                self.unanswered(mutation, failure.text());
            }
        }
        self.send_queued()
    }

    /// Sends what waits behind other changes of the same list, a few at a time.
    pub(super) fn send_queued(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.pending.len() < AT_ONCE
            && let Some(mutation) = self.queue.pop_front()
        {
            effects.extend(self.begin(mutation));
        }
        effects
    }

    /// Says whether it was told in the corner and not in a list.
    fn not_done(
        &mut self,
        mutation: &Mutation,
        code: &str,
        mut text: String,
        hint: Option<String>,
    ) -> bool {
        let subject = mutation.subject();
        let words = subject
            .as_ref()
            .filter(|_| code == "conflict")
            .and_then(|subject| self.world.last_words(subject));
        if let Some(words) = &words {
            text.push_str(&format!(" ({words})"));
        }
        if self
            .open
            .incident
            .as_ref()
            .is_some_and(|incident| incident.is(mutation))
        {
            text.push_str(&hint.map(|hint| format!("; {hint}")).unwrap_or_default());
            let now = self.world.now;
            if let Some(incident) = &mut self.open.incident {
                incident.failed(format!("not done, {text}"), true, now);
            }
            return false;
        }
        let over = subject
            .and_then(|subject| self.world.store.get(&subject))
            .is_some_and(|seen| !is_open_state(seen.state()));
        let state = || match (code, over) {
            (_, true) => ItemState::Over(text.clone()),
            ("conflict", false) => ItemState::Changed(text.clone()),
            _ => ItemState::Refused(text.clone()),
        };
        if self.tell_review(mutation, state) {
            return false;
        }
        match mutation.act() {
            // Sent again after its answer was lost: the server has done it and tells the token to nobody twice.
            Act::MakeService { .. } | Act::RotateService { .. } if code == REUSED => {
                let text = "the answer was lost, and the token with it: make another token";
                self.say(Level::Error, text);
                self.polls.people_now();
                return true;
            }
            // What was typed is not lost.
            Act::MakeService { new } if !self.is_asked() => {
                let form = ServiceForm::again(new, Some(&text), &self.world);
                self.open.form = Some(Form::Service(form));
            }
            _ => {}
        }
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        self.say(Level::Error, &format!("not done, {text}{hint}"));
        true
    }

    /// Writes the result into the open list; says whether the change belongs to it.
    pub(super) fn tell_review(
        &mut self,
        mutation: &Mutation,
        state: impl FnOnce() -> ItemState,
    ) -> bool {
        self.open
            .review
            .as_mut()
            .is_some_and(|review| review.has(mutation) && review.tell(mutation, state()))
    }

    /// Sends again what has waited long enough.
    pub(super) fn retry_pending(&mut self) -> Vec<Effect> {
        let now = self.world.now;
        let mut effects = Vec::new();
        for pending in &mut self.pending {
            if pending.again.is_some_and(|again| again <= now) {
                pending.again = None;
                pending.tries = pending.tries.saturating_add(1);
                effects.push(Effect::Mutate(pending.mutation.clone()));
            }
        }
        effects
    }

    /// A person does not want to wait for the next try.
    pub(super) fn retry_now(&mut self) -> Vec<Effect> {
        let now = self.world.now;
        for pending in self
            .pending
            .iter_mut()
            .filter(|pending| pending.again.is_some())
        {
            pending.again = Some(now);
        }
        self.refresher.all();
        let mut effects = vec![Effect::Fetch(crate::console::msg::Query::Me)];
        if self.world.link.hurry(now) {
            effects.push(Effect::RetryNow);
        }
        effects
    }

    /// A person gives up on what waits for another try; says whether there was anything.
    pub(super) fn give_up_waiting(&mut self) -> bool {
        let (waiting, on_their_way): (Vec<Pending>, Vec<Pending>) =
            std::mem::take(&mut self.pending)
                .into_iter()
                .partition(|pending| pending.again.is_some());
        self.pending = on_their_way;
        for pending in &waiting {
            self.gave_up(&pending.mutation, "you gave up");
        }
        !waiting.is_empty()
    }

    fn settled(&mut self, mutation: &Mutation) {
        self.pending.retain(|pending| pending.mutation != *mutation);
    }

    fn unanswered(&mut self, mutation: &Mutation, why: &str) {
        let now = self.world.now;
        let Some(pending) = self
            .pending
            .iter_mut()
            .find(|pending| pending.mutation == *mutation)
        else {
            return;
        };
        if let Some(incident) = &mut self.open.incident
            && incident.is(mutation)
        {
            incident.failed(why.to_owned(), false, now);
        }
        if now.saturating_duration_since(pending.since) >= pending.patience() {
            self.settled(mutation);
            self.gave_up(mutation, why);
            return;
        }
        let pause = Duration::from_secs(1 << pending.tries.min(3)).min(LONGEST_PAUSE);
        pending.again = Some(now + pause);
    }

    fn gave_up(&mut self, mutation: &Mutation, why: &str) {
        let act = mutation.act();
        let text = format!(
            "{} {} was not answered, whether it was done is not known: {why}",
            act.word(),
            act.about()
        );
        if self.tell_review(mutation, || ItemState::Unanswered(why.to_owned())) {
            return;
        }
        self.say(Level::Error, &text);
    }

    /// Takes what the server says a change led to, and says it.
    fn done(&mut self, mutation: &Mutation, receipt: Receipt) -> (Level, String) {
        match (mutation.act(), receipt) {
            (Act::Extend { grant, by, .. }, Receipt::Request(view)) => {
                let text = match view.state.as_str() {
                    "approved" => (Level::Success, format!("{grant} is extended by {by}")),
                    state => (
                        Level::Info,
                        format!("extension {} of {grant} is {state}", view.id),
                    ),
                };
                self.world.store.take_request(*view);
                text
            }
            (Act::Claim { request }, Receipt::Request(view)) => {
                self.world.store.take_request(*view);
                (
                    Level::Success,
                    format!("you are on {request}, others see it"),
                )
            }
            (Act::Release { request }, Receipt::Request(view)) => {
                self.world.store.take_request(*view);
                (Level::Success, format!("you are no longer on {request}"))
            }
            (_, Receipt::Request(view)) => {
                let text = match view.state.as_str() {
                    "pending" => {
                        let (have, need) = crate::console::show::progress(&view);
                        (
                            Level::Info,
                            format!("your review of {} counts: {have} of {need}", view.id),
                        )
                    }
                    state => (Level::Success, format!("{} is {state}", view.id)),
                };
                self.world.store.take_request(*view);
                text
            }
            (_, Receipt::Grant(view)) => {
                let text = match view.state.as_str() {
                    "closing" => (
                        Level::Info,
                        format!("{} is closing, the target is being asked", view.id),
                    ),
                    state => (Level::Success, format!("{} is {state}", view.id)),
                };
                if let (Ok(id), "closing") = (view.id.parse(), view.state.as_str()) {
                    self.watched.insert(id);
                }
                self.world.store.take_grant(*view);
                text
            }
            (_, Receipt::Lock(view)) => {
                let on = crate::console::confirm::locked(&view.on);
                let text = match (view.state.as_str(), view.grants_closed) {
                    ("in_force", 0) => format!("{on} is locked, no grant was open"),
                    ("in_force", count) => format!("{on} is locked, {count} grants are closing"),
                    (state, _) => format!("the lock on {on} is {state}"),
                };
                self.world.store.take_lock(*view);
                self.refresher.all();
                (Level::Success, text)
            }
            (_, Receipt::Use(view)) => {
                let text = match view.state.as_str() {
                    "open" => format!(
                        "your sign-off of {} counts: {} of {}",
                        view.id, view.justified_by, view.threshold
                    ),
                    state => format!("{} was found {}", view.id, state.replace('_', " ")),
                };
                self.world.store.take_use(*view);
                (Level::Success, text)
            }
            (_, Receipt::Standing(view)) => {
                let text = match (&view.owner, view.state.as_str()) {
                    (Some(owner), "imported") => format!("{owner} answers for {}", view.id),
                    (_, state) => format!("{} is {state}", view.id),
                };
                self.world.store.settle_standing(*view);
                (Level::Success, text)
            }
            (_, Receipt::Session(ended)) => {
                self.polls.sessions_now();
                let text = match ended.outcome.as_str() {
                    "gone" => format!("session {} had ended by itself", ended.session),
                    _ => format!("session {} was cut", ended.session),
                };
                (Level::Success, text)
            }
            (_, Receipt::Token(new)) => {
                let text = format!("{} has a token, shown this once", new.name);
                self.tokens.push(*new);
                self.polls.people_now();
                (Level::Success, text)
            }
            (act, Receipt::Gone) => {
                let (word, about) = (act.word(), act.about());
                if let Some(subject) = act.subject() {
                    self.world.store.forget(&subject);
                }
                self.polls.people_now();
                let text = match act {
                    Act::RevokeSignIn { .. } => format!("sign-in {about} is ended"),
                    Act::DeleteService { .. } => format!("service account {about} is deleted"),
                    _ => format!("{word} {about}: done"),
                };
                (Level::Success, text)
            }
            (_, Receipt::Incident(view)) => {
                let text = format!("{} began: {} items", view.id, view.items.len());
                self.refresher.all();
                if let Some(incident) = &mut self.open.incident {
                    incident.received(*view);
                }
                (Level::Info, text)
            }
        }
    }
}
