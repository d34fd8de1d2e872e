//! Signing in in place: what the person sees stays, and what was confirmed and refused because nobody was signed in
//! comes back as the same question. It is never sent by itself.

use std::time::Instant;

use crate::console::app::App;
use crate::console::app::acts::Pending;
use crate::console::confirm::{ARMING, Act, Form, Kind, LockForm, Mutation, ServiceForm, Strip};
use crate::console::msg::{Effect, Failure, Query};
use crate::console::overlay::sign_in::SignIn;
use crate::console::sign_in::{DeviceCode, Said, Way};
use crate::console::widget::toast::Level;
use crate::wire::{Me, SignInWays};

/// Why something that was confirmed is not done.
const SIGNED_OUT: &str = "you were signed out";

/// An attempt to sign in, as long as its box is open.
#[derive(Debug)]
pub struct Attempt {
    /// Before that no key counts: it was meant for something else.
    armed_at: Instant,
    ways: Option<SignInWays>,
    stage: Stage,
    problem: Option<String>,
    /// The command that would take the problem away, to be copied.
    remedy: Option<String>,
    /// The way was chosen for the person, who may choose another one.
    chosen: bool,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The person chooses and types.
    Open,
    /// The server is being asked.
    Sent,
    /// The browser has the word: with its address, once that is known, and whether one was opened.
    Browser(Option<(String, bool)>),
    /// Another machine has the word: with its code, once that is known.
    Device(Option<Asked>),
}

/// What somebody types on another machine meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub code: DeviceCode,
    /// The code is good until then.
    pub until: Instant,
    /// How often the server was asked whether they have.
    pub times: u32,
    /// Why it did not answer the last time.
    pub unheard: Option<String>,
}

/// Everything about signing in.
#[derive(Debug, Default)]
pub(super) struct SigningIn {
    attempt: Option<Attempt>,
    /// Numbers what is asked, so that the answer to something given up is not taken for another.
    turn: u64,
    /// The box has opened by itself since the last sign-in; it does so once.
    offered: bool,
    /// What was confirmed and found nobody signed in.
    held: Vec<Mutation>,
}

impl Attempt {
    /// Before that no key counts.
    pub fn armed_at(&self) -> Instant {
        self.armed_at
    }

    /// The ways to sign in, once the server has told them.
    pub fn ways(&self) -> Option<&SignInWays> {
        self.ways.as_ref()
    }

    /// How far it is.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// What went wrong.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The command that would take the problem away.
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

impl App {
    /// The attempt to sign in whose box is open.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.signing_in.attempt.as_ref()
    }

    /// What was confirmed and comes back as a question after the sign-in, one line each.
    pub fn held(&self) -> Vec<String> {
        let held = self.signing_in.held.iter();
        held.map(|change| told(change.act())).collect()
    }

    /// Opens the box, and asks the server how people sign in.
    pub(super) fn open_sign_in(&mut self) -> Vec<Effect> {
        self.signing_in.offered = true;
        self.signing_in.attempt = Some(Attempt {
            armed_at: self.world.now + ARMING,
            ways: None,
            stage: Stage::Open,
            problem: None,
            remedy: None,
            chosen: false,
        });
        let name = self.world.my_name().to_owned();
        self.overlay = Some(Box::new(SignIn::new(&name)));
        let mut effects = vec![Effect::ForgetKeys];
        effects.extend(self.sign_in(Way::Ask));
        effects
    }

    /// Opens the box once by itself: when nothing can be seen without, or when somebody has confirmed something.
    pub(super) fn offer_sign_in(&mut self) -> Vec<Effect> {
        let needed = !self.signing_in.held.is_empty() || !self.world.loaded;
        let free = self.overlay.is_none() && !self.signing_in.offered;
        if needed && free && self.world.link.is_signed_out() {
            return self.open_sign_in();
        }
        Vec::new()
    }

    /// Does what the person chose in the box.
    pub(super) fn sign_in(&mut self, way: Way) -> Vec<Effect> {
        let Some(attempt) = &mut self.signing_in.attempt else {
            return Vec::new();
        };
        attempt.problem = None;
        attempt.remedy = None;
        attempt.stage = match way {
            Way::Ask | Way::Stop => Stage::Open,
            Way::Browser => Stage::Browser(None),
            Way::Device => Stage::Device(None),
            Way::Password { .. } | Way::Code { .. } => Stage::Sent,
        };
        self.signing_in.turn += 1;
        vec![Effect::SignIn(self.signing_in.turn, way)]
    }

    /// The person does not want to: nothing that was confirmed is done.
    pub(super) fn leave_sign_in(&mut self) -> Vec<Effect> {
        let effects = self.sign_in(Way::Stop);
        self.close_sign_in();
        for change in std::mem::take(&mut self.signing_in.held) {
            self.not_sent(change.act());
        }
        effects
    }

    /// Something came of an attempt.
    pub(super) fn sign_in_said(&mut self, turn: u64, said: Said) -> Vec<Effect> {
        if turn != self.signing_in.turn {
            return Vec::new();
        }
        let Some(attempt) = &mut self.signing_in.attempt else {
            return Vec::new();
        };
        match said {
            Said::Ways(Ok(ways)) => {
                // Where no browser opens, the code for another machine is what most people want.
                let by_itself = self.settings.headless && ways.device && !attempt.chosen;
                attempt.ways = Some(ways);
                if by_itself {
                    attempt.chosen = true;
                    return self.sign_in(Way::Device);
                }
            }
            Said::TypeThere(code) => {
                let until = self.world.now + code.lasts;
                attempt.stage = Stage::Device(Some(Asked {
                    code,
                    until,
                    times: 0,
                    unheard: None,
                }));
            }
            Said::NotYet(unheard) => {
                if let Stage::Device(Some(asked)) = &mut attempt.stage {
                    asked.times += 1;
                    asked.unheard = unheard;
                }
            }
            Said::NotEnrolled { command } => {
                attempt.stage = Stage::Open;
                attempt.problem = Some(format!(
                    "the key of this machine is not enrolled; where you are signed in, run: {command}"
                ));
                attempt.remedy = Some(command);
            }
            Said::GoTo { address, opened } => {
                attempt.stage = Stage::Browser(Some((address, opened)));
            }
            Said::Ways(Err(failure)) | Said::Done(Err(failure)) => {
                attempt.stage = Stage::Open;
                attempt.problem = Some(why(failure));
            }
            Said::Done(Ok(me)) => return self.signed_in(*me),
        }
        Vec::new()
    }

    /// The sign-in is over: what waits for another try or its turn waits for the person instead.
    pub(super) fn signed_out(&mut self, why: &str) {
        self.world.link.signed_out(self.world.now, why);
        let pending = std::mem::take(&mut self.pending);
        let (waiting, on_their_way): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .partition(|pending| pending.due().is_some());
        self.pending = on_their_way;
        let waiting = waiting.into_iter().map(Pending::into_change);
        let queued = std::mem::take(&mut self.queue);
        let changes: Vec<Mutation> = waiting
            .chain(queued)
            .chain(self.let_go_of_factor())
            .collect();
        for change in changes {
            self.hold(change);
        }
    }

    /// Keeps a confirmed change until somebody is signed in, to ask again.
    pub(super) fn hold(&mut self, change: Mutation) {
        let now = self.world.now;
        if let Some(incident) = &mut self.open.incident
            && incident.is(&change)
        {
            incident.failed(format!("nothing was done, {SIGNED_OUT}"), true, now);
        } else if let Some(review) = &mut self.open.review
            && review.take_back(&change)
        {
            review.note(&format!("what is left was not sent, {SIGNED_OUT}"));
        }
        if !self.signing_in.held.contains(&change) {
            self.signing_in.held.push(change);
        }
    }

    /// Takes who the person is, as the server says. Somebody else sees nothing that the one before has seen.
    pub(super) fn met(&mut self, me: Me) -> Vec<Effect> {
        let known = self.world.me.as_ref();
        let other = known.is_some_and(|known| known.id != me.id);
        if !other {
            self.world.me = Some(me);
            return Vec::new();
        }
        for change in std::mem::take(&mut self.signing_in.held) {
            self.not_sent(change.act());
        }
        let text = format!(
            "you are {} now; what {} saw is forgotten",
            me.name,
            self.world.my_name()
        );
        let settings = self.settings.clone();
        self.begin_anew(&settings);
        self.say(Level::Info, &text);
        self.world.me = Some(me);
        vec![
            Effect::Switch(self.settings.backend.clone()),
            Effect::Connect,
        ]
    }

    fn signed_in(&mut self, me: Me) -> Vec<Effect> {
        self.close_sign_in();
        self.signing_in.offered = false;
        let text = format!("signed in as {}", me.name);
        let effects = self.met(me);
        if !effects.is_empty() {
            return effects;
        }
        self.say(Level::Success, &text);
        self.world.link.hurry(self.world.now);
        self.refresher.all();
        let mut effects = vec![
            Effect::ForgetKeys,
            Effect::RetryNow,
            Effect::Fetch(Query::Me),
        ];
        effects.extend(self.ask_again());
        effects
    }

    /// Asks again what was confirmed and not done: the same question, to be read and confirmed anew.
    fn ask_again(&mut self) -> Vec<Effect> {
        if let Some(strip) = &mut self.strip {
            strip.pause(self.world.now);
        }
        let listed = self
            .open
            .review
            .as_mut()
            .is_some_and(|review| review.ask_again(&self.world));
        let mut effects = Vec::new();
        for change in std::mem::take(&mut self.signing_in.held) {
            let act = change.act();
            let own = matches!(act, Act::Incident { .. });
            if own || (listed && self.is_listed(&change)) {
                continue;
            }
            if self.is_asked() || !self.ask_one_again(act, &mut effects) {
                self.not_sent(act);
            }
        }
        effects
    }

    fn ask_one_again(&mut self, act: &Act, effects: &mut Vec<Effect>) -> bool {
        if let Act::Lock { on, reason, lasts } = act {
            let lasts = lasts.map(|span| span.to_string()).unwrap_or_default();
            let form = LockForm::of(on, &lasts, &self.world).because(reason);
            self.open.form = Some(Form::Lock(form));
            return true;
        }
        if let Act::MakeService { new } = act {
            let form = ServiceForm::again(new, None, &self.world);
            self.open.form = Some(Form::Service(form));
            return true;
        }
        let (Some(kind), Some(subject)) = (Kind::of_act(act), act.subject()) else {
            return false;
        };
        if self.world.store.get(&subject).is_none() {
            return false;
        }
        effects.extend(self.ask_about(kind, subject));
        if let Some(strip) = &mut self.strip {
            Strip::fill(strip, act);
        }
        true
    }

    /// Says whether a change belongs to the open list.
    fn is_listed(&self, change: &Mutation) -> bool {
        let review = self.open.review.as_ref();
        review.is_some_and(|review| {
            let items = review.items().iter();
            items
                .map(|item| Some(&item.subject))
                .any(|subject| subject == change.subject().as_ref())
        })
    }

    fn not_sent(&mut self, act: &Act) {
        let text = format!("not done, {SIGNED_OUT}: {}", told(act));
        self.say(Level::Warn, &text);
    }

    fn close_sign_in(&mut self) {
        if self.signing_in.attempt.take().is_some() {
            self.overlay = None;
        }
    }
}

fn told(act: &Act) -> String {
    format!("{} {}", act.word(), act.about())
}

fn why(failure: Failure) -> String {
    match failure {
        Failure::Refused {
            text,
            hint: Some(hint),
            ..
        } => format!("{text}; {hint}"),
        other => other.text().to_owned(),
    }
}
