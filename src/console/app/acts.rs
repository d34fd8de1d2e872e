//! Changes on their way: sent with one key however often, shown until the server has answered, never assumed.

use std::time::{Duration, Instant};

use crate::console::app::App;
use crate::console::confirm::{Act, Mutation};
use crate::console::msg::{Effect, Failure, Receipt, Trip};
use crate::console::store::Subject;
use crate::console::widget::countdown;
use crate::console::widget::toast::Level;

/// Taking access away is worth trying for long; the client itself tries for some seconds each time.
const REVOKE_FOR: Duration = Duration::from_mins(2);
/// Giving access must not happen long after the decision.
const OTHERS_FOR: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

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
        self.mutation.subject() == *subject
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.again
    }

    pub(super) fn text(&self, now: Instant) -> String {
        let subject = self.mutation.subject();
        let what = format!("{} {}", self.mutation.act().word(), subject.as_str());
        match self.again {
            None => format!("PENDING {what}"),
            Some(again) => {
                let age = countdown::text(now.saturating_duration_since(self.since));
                let left = again.saturating_duration_since(now).as_secs();
                format!("PENDING {what} for {age}, again in {left} s (r now, Esc gives up)")
            }
        }
    }

    fn patience(&self) -> Duration {
        if matches!(self.mutation.act(), Act::Revoke { .. }) {
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
        let subject = mutation.subject();
        self.refresher.mark(subject.clone());
        match receipt {
            Ok(receipt) => {
                self.settled(mutation);
                self.world.link.measured(trip.took());
                self.done(mutation, receipt);
            }
            Err(Failure::Refused { code, text, hint }) => {
                self.settled(mutation);
                let mut text = format!("not done, {text}");
                if code == "conflict" {
                    text.push_str(
                        &self
                            .world
                            .last_words(&subject)
                            .map(|words| format!(" ({words})"))
                            .unwrap_or_default(),
                    );
                }
                text.push_str(&hint.map(|hint| format!("; {hint}")).unwrap_or_default());
                self.say(Level::Error, &text);
            }
            Err(failure) => {
                if let Failure::SignedOut(why) = &failure {
                    self.world.link.signed_out(self.world.now, why);
                }
                self.unanswered(mutation, failure.text());
            }
        }
        Vec::new()
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
        if now.saturating_duration_since(pending.since) >= pending.patience() {
            self.settled(mutation);
            self.gave_up(mutation, why);
            return;
        }
        let pause = Duration::from_secs(1 << pending.tries.min(3)).min(LONGEST_PAUSE);
        pending.again = Some(now + pause);
    }

    fn gave_up(&mut self, mutation: &Mutation, why: &str) {
        let subject = mutation.subject();
        let word = mutation.act().word();
        let text = format!(
            "{word} {} was not answered, whether it was done is not known: {why}",
            subject.as_str()
        );
        self.say(Level::Error, &text);
    }

    fn done(&mut self, mutation: &Mutation, receipt: Receipt) {
        let (level, text) = match (mutation.act(), receipt) {
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
        };
        self.say(level, &text);
    }
}
