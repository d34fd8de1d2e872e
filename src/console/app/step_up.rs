//! Confirmed changes for which the server wants a second factor first: they wait, the person is asked once for all of
//! them, and then exactly they are sent again.
//!
//! Nothing here can make a change or alter one: what waits came from a question, and goes out as it came.

use std::time::{Duration, Instant};

use crate::client::{Chosen, IdempotencyKey, StepUpNeeded};
use crate::console::app::App;
use crate::console::confirm::{ARMING, ItemState, Mutation};
use crate::console::msg::{Effect, Failure, Proving};
use crate::console::overlay::step_up::StepUp;
use crate::console::widget::toast::Level;

/// Whoever looks for a phone longer than this has gone on to something else.
const PATIENCE: Duration = Duration::from_mins(3);
/// The server takes no more at once; the rest asks again.
const AT_ONCE: usize = 200;

/// Confirmed changes that wait for a second factor.
#[derive(Debug)]
pub struct Waiting {
    changes: Vec<(Mutation, StepUpNeeded)>,
    /// Before that no key counts: it was meant for something else.
    armed_at: Instant,
    until: Instant,
    stage: Stage,
    /// Why the last code was not taken.
    problem: Option<String>,
    /// Where the person has to go with a browser.
    address: Option<String>,
}

/// How far the proof is.
#[derive(Debug)]
enum Stage {
    Asked,
    /// Answered, while others of the same list are still on their way.
    Answered(Chosen),
    /// On its way.
    Sent,
}

impl Waiting {
    /// What was confirmed, one line each.
    pub fn acts(&self) -> Vec<String> {
        let acts = self.changes.iter().map(|(change, _)| change.act());
        acts.map(|act| format!("{} {}", act.word(), act.about()))
            .collect()
    }

    /// Before that no key counts.
    pub fn armed_at(&self) -> Instant {
        self.armed_at
    }

    /// Why the last code was not taken.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Where the person has to go with a browser, while that is waited for.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref().filter(|_| self.is_busy())
    }

    /// Whether typing a code proves all of it.
    pub fn by_code(&self) -> bool {
        self.changes.iter().all(|(_, needed)| needed.by_code())
    }

    /// Whether a passkey proves all of it.
    pub fn by_passkey(&self) -> bool {
        self.changes.iter().all(|(_, needed)| needed.by_passkey())
    }

    /// The way through the browser, if there is one; with a passkey rather than at the provider.
    pub fn in_browser(&self) -> Option<Chosen> {
        let passkey = self.by_passkey().then_some(Chosen::Passkey);
        passkey.or(self.at_provider().then_some(Chosen::AtProvider))
    }

    /// Whether there is something to type: a code, or which of two ways.
    pub fn types(&self) -> bool {
        self.by_code() || (self.by_passkey() && self.at_provider())
    }

    /// What is to be typed or pressed, as one line.
    pub fn ways(&self) -> &'static str {
        match (self.by_passkey(), self.by_code(), self.at_provider()) {
            (true, true, true) => {
                "Enter: your passkey; or the code of your authenticator, a recovery code, or `sign-in` for your identity provider"
            }
            (true, true, false) => {
                "Enter: your passkey, in your browser; or a code of your authenticator, or a recovery code"
            }
            (true, false, true) => "Enter: your passkey; or `sign-in` for your identity provider",
            (true, false, false) => "Enter: your passkey, in your browser",
            (false, true, true) => {
                "the code of your authenticator, a recovery code, or only Enter: sign in again with your browser"
            }
            (false, false, true) => "Enter: sign in again with your browser",
            (false, _, false) => "the code of your authenticator, or a recovery code",
        }
    }

    /// Whether a sign-in at the identity provider proves all of it.
    pub fn at_provider(&self) -> bool {
        self.changes.iter().all(|(_, needed)| needed.at_provider())
    }

    /// Says whether a code was typed and is not answered yet.
    pub fn is_busy(&self) -> bool {
        !matches!(self.stage, Stage::Asked)
    }
}

impl App {
    /// What waits for a second factor.
    pub fn step_up(&self) -> Option<&Waiting> {
        self.step_up.as_ref()
    }

    /// Lets a change wait that the server refused for the lack of a second factor.
    pub(super) fn wait_for_factor(
        &mut self,
        mutation: &Mutation,
        needed: StepUpNeeded,
        text: &str,
    ) {
        let now = self.world.now;
        let (armed_at, until) = (now + ARMING, now + PATIENCE);
        let waiting = self.step_up.get_or_insert(Waiting {
            changes: Vec::new(),
            armed_at,
            until,
            stage: Stage::Asked,
            problem: None,
            address: None,
        });
        if matches!(waiting.stage, Stage::Sent) {
            // It was proved, and the proof was not good for it.
            waiting.stage = Stage::Asked;
            waiting.problem = Some(text.to_owned());
        }
        if waiting.changes.iter().all(|(known, _)| known != mutation) {
            waiting.changes.push((mutation.clone(), needed));
        }
    }

    /// Asks as soon as nothing else lies over the screen, sends a code that was typed, and gives up in the end.
    pub(super) fn tend_factor(&mut self) -> Vec<Effect> {
        let now = self.world.now;
        let Some(waiting) = &self.step_up else {
            return Vec::new();
        };
        if now >= waiting.until && !matches!(waiting.stage, Stage::Sent) {
            return self.give_up_factor("nobody gave a second factor in time");
        }
        let mut effects = Vec::new();
        if self.overlay.is_none() {
            self.overlay = Some(Box::new(StepUp::default()));
            effects.push(Effect::ForgetKeys);
        }
        effects.extend(self.send_proof());
        effects
    }

    /// When waiting has an end.
    pub(super) fn factor_due(&self) -> Option<Instant> {
        let waiting = self.step_up.as_ref()?;
        let armed = Some(waiting.armed_at).filter(|at| *at > self.world.now);
        armed.or(Some(waiting.until).filter(|at| *at > self.world.now))
    }

    /// The person typed a code, or wants to go to the identity provider.
    pub(super) fn prove(&mut self, how: Chosen) -> Vec<Effect> {
        let now = self.world.now;
        match &mut self.step_up {
            Some(waiting) if !waiting.is_busy() && now >= waiting.armed_at => {
                waiting.stage = Stage::Answered(how);
                waiting.problem = None;
                waiting.address = None;
            }
            _ => return Vec::new(),
        }
        self.send_proof()
    }

    /// The browser has to go to this address.
    pub(super) fn sent_to(&mut self, address: String) -> Vec<Effect> {
        if let Some(waiting) = &mut self.step_up {
            waiting.address = Some(address);
        }
        Vec::new()
    }

    /// Sends the answer once the whole list has been answered, so that one code is for all of it.
    fn send_proof(&mut self) -> Vec<Effect> {
        let settled = self.queue.is_empty() && self.pending.is_empty();
        let Some(waiting) = self.step_up.as_mut().filter(|_| settled) else {
            return Vec::new();
        };
        let Stage::Answered(how) = &waiting.stage else {
            return Vec::new();
        };
        let proving = Proving {
            calls: waiting
                .changes
                .iter()
                .take(AT_ONCE)
                .map(|(change, needed)| (change.idempotency_key().clone(), needed.digest.clone()))
                .collect(),
            acts: waiting.acts().into_iter().take(AT_ONCE).collect(),
            how: how.clone(),
        };
        waiting.stage = Stage::Sent;
        vec![Effect::Prove(proving)]
    }

    /// The server took the code, or did not.
    pub(super) fn proved(
        &mut self,
        keys: &[IdempotencyKey],
        answer: Result<(), Failure>,
    ) -> Vec<Effect> {
        let now = self.world.now;
        let Some(waiting) = &mut self.step_up else {
            return Vec::new();
        };
        // Without keys it is the end of one that was given up before.
        if !matches!(waiting.stage, Stage::Sent) || keys.is_empty() {
            return Vec::new();
        }
        if let Err(failure) = answer {
            waiting.stage = Stage::Asked;
            waiting.until = now + PATIENCE;
            waiting.problem = Some(failure.text().to_owned());
            return Vec::new();
        }
        let (proved, left): (Vec<_>, Vec<_>) = std::mem::take(&mut waiting.changes)
            .into_iter()
            .partition(|(change, _)| keys.contains(change.idempotency_key()));
        waiting.changes = left;
        waiting.stage = Stage::Asked;
        if waiting.changes.is_empty() {
            self.step_up = None;
            self.close_factor();
        }
        // Exactly what was confirmed, with the key that it had.
        self.queue
            .extend(proved.into_iter().map(|(change, _)| change));
        self.send_queued()
    }

    /// The person does not want to, or took too long: nothing of it was done.
    pub(super) fn give_up_factor(&mut self, why: &str) -> Vec<Effect> {
        self.close_factor();
        let Some(waiting) = self.step_up.take() else {
            return Vec::new();
        };
        let now = self.world.now;
        for (change, _) in &waiting.changes {
            if let Some(incident) = &mut self.open.incident
                && incident.is(change)
            {
                incident.failed(format!("nothing was done, {why}"), true, now);
                continue;
            }
            if self.tell_review(change, || ItemState::Refused(format!("not done, {why}"))) {
                continue;
            }
            let act = change.act();
            let text = format!("not done, {why}: {} {}", act.word(), act.about());
            self.say(Level::Warn, &text);
        }
        vec![Effect::StopProving]
    }

    /// Asks for no second factor any more, and gives what waited for one.
    pub(super) fn let_go_of_factor(&mut self) -> Vec<Mutation> {
        self.close_factor();
        let waiting = self.step_up.take();
        let changes = waiting.into_iter().flat_map(|waiting| waiting.changes);
        changes.map(|(change, _)| change).collect()
    }

    /// Says whether a change of this kind waits for a second factor.
    pub(super) fn waits_for_factor(&self, is: impl Fn(&Mutation) -> bool) -> bool {
        let waiting = self.step_up.as_ref();
        waiting.is_some_and(|waiting| waiting.changes.iter().any(|(change, _)| is(change)))
    }

    fn close_factor(&mut self) {
        if self
            .overlay
            .as_ref()
            .is_some_and(|overlay| overlay.is_step_up())
        {
            self.overlay = None;
        }
    }
}
