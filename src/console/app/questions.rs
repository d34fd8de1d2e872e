//! What stands between a key and a change: opening questions, handing them keys, sending what they confirm.

use crate::console::app::App;
use crate::console::confirm::{
    Form, Incident, IncidentStep, ItemState, Kind, LockForm, Outcome, Review, ServiceForm, Strip,
    claim,
};
use crate::console::keymap::{Action, Place};
use crate::console::msg::{Effect, Query, Wish};
use crate::console::screen::Screen;
use crate::console::store::{Seen, Subject};
use crate::console::term::input::Key;
use crate::console::widget::toast::Level;

/// The questions besides the one about a single row.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) form: Option<Form>,
    pub(super) review: Option<Review>,
    /// The incident being prepared, or the last one committed from here.
    pub(super) incident: Option<Incident>,
    /// The incident has the screen.
    pub(super) in_incident: bool,
}

impl App {
    /// The open form of a lock.
    pub fn lock_form(&self) -> Option<&LockForm> {
        match &self.open.form {
            Some(Form::Lock(form)) => Some(form),
            _ => None,
        }
    }

    /// The open form, whatever it is about.
    pub fn form(&self) -> Option<&Form> {
        self.open.form.as_ref()
    }

    /// The open list of a change of many.
    pub fn review(&self) -> Option<&Review> {
        self.open.review.as_ref()
    }

    /// The incident that has the screen.
    pub fn incident(&self) -> Option<&Incident> {
        self.open
            .incident
            .as_ref()
            .filter(|_| self.open.in_incident)
    }

    /// Says whether something is open that takes every key.
    pub fn is_asked(&self) -> bool {
        self.question_place().is_some()
    }

    /// Where keys are looked up while something is open.
    pub(super) fn question_place(&self) -> Option<Place> {
        if self.open.in_incident && self.open.incident.is_some() {
            Some(Place::Incident)
        } else if self.open.review.is_some() {
            Some(Place::Review)
        } else if self.strip.is_some() || self.open.form.is_some() {
            Some(Place::Question)
        } else {
            None
        }
    }

    /// Closes every question; what was sent goes on.
    pub(super) fn drop_questions(&mut self) {
        self.strip = None;
        self.open.form = None;
        self.open.review = None;
        self.open.in_incident = false;
        if self
            .open
            .incident
            .as_ref()
            .is_some_and(|incident| !incident.is_committed())
        {
            self.open.incident = None;
        }
    }

    /// Opens the question of an action, or says why not.
    pub(super) fn question(&mut self, kind: Kind, action: Action) -> Vec<Effect> {
        let marked = self.screen().map(Screen::marked).unwrap_or_default();
        if !marked.is_empty() {
            return self.review_marked(kind, marked);
        }
        if let Some(why) = self.refusal(action) {
            self.say(Level::Warn, &why);
            return Vec::new();
        }
        let Some(subject) = self.screen().and_then(|screen| screen.subject_of(kind)) else {
            return Vec::new();
        };
        self.ask_about(kind, subject)
    }

    /// Opens a question about a row that was named and not selected, or says why not.
    pub(super) fn about(&mut self, action: Action, subject: Subject) -> Vec<Effect> {
        let Some(kind) = Kind::of(action) else {
            return Vec::new();
        };
        if let Some(why) = self.refusal_about(kind, &subject) {
            self.say(Level::Warn, &why);
            return Vec::new();
        }
        self.ask_about(kind, subject)
    }

    /// Does what somebody types who has no screen.
    pub(super) fn wish(&mut self, wish: Wish) -> Vec<Effect> {
        match wish {
            Wish::Many(action, subjects) => match Kind::of(action) {
                Some(kind) => self.review_marked(kind, subjects),
                None => Vec::new(),
            },
            Wish::Claim(subject) => self.claim_of(&subject),
            Wish::Do(action) => self.action(action),
            Wish::Show(subject) => self.look_for(subject, true),
            Wish::SignInsLike(subject) => match self.world.store.get(&subject) {
                Some(Seen::SignIn(view)) => self.end_sign_ins_of(&view.principal),
                _ => Vec::new(),
            },
            Wish::SignIn(way) => self.sign_in(way),
            Wish::Lock(..) | Wish::Incident(_) if self.world.writable().is_err() => {
                let why = self.world.writable().err().unwrap_or_default();
                self.say(Level::Warn, &why);
                Vec::new()
            }
            Wish::Lock(on, lasts) => {
                let form = LockForm::of(&on, &lasts, &self.world);
                self.open.form = Some(Form::Lock(form));
                vec![Effect::ForgetKeys]
            }
            Wish::Incident(around) => {
                if !self.is_incident_running() {
                    self.open.incident = Some(Incident::around(&around, &self.world));
                }
                self.open.in_incident = true;
                vec![Effect::ForgetKeys]
            }
        }
    }

    /// Opens the question about one row as it is known.
    pub(super) fn ask_about(&mut self, kind: Kind, subject: Subject) -> Vec<Effect> {
        let Some(seen) = self.world.store.get(&subject) else {
            self.say(
                Level::Warn,
                "it is not known here yet, try again in a moment",
            );
            self.refresher.mark(subject, self.world.now);
            return Vec::new();
        };
        self.strip = Some(Strip::open(kind, subject, seen, &self.world));
        let mut effects = vec![Effect::ForgetKeys];
        if kind == Kind::Narrow && self.world.targets.is_empty() {
            effects.push(Effect::Fetch(Query::Targets));
        }
        effects
    }

    fn review_marked(&mut self, kind: Kind, marked: Vec<Subject>) -> Vec<Effect> {
        if let Err(why) = self.world.writable() {
            self.say(Level::Warn, &why);
            return Vec::new();
        }
        if kind == Kind::RotateService && marked.len() > 1 {
            let why = "tokens are shown one at a time: take the marks away and choose one";
            self.say(Level::Warn, why);
            return Vec::new();
        }
        if marked.iter().any(|subject| self.is_busy(subject)) {
            let why = "the last change of a marked row is not answered yet";
            self.say(Level::Warn, why);
            return Vec::new();
        }
        let subjects = marked
            .into_iter()
            .map(|subject| kind_subject(kind, subject));
        let mut rows = Vec::new();
        for subject in subjects {
            if let Some(seen) = self.world.store.get(&subject)
                && rows.iter().all(|(known, _)| *known != subject)
            {
                rows.push((subject, seen));
            }
        }
        match Review::open(kind, rows, &self.world) {
            Ok(review) => {
                self.open.review = Some(review);
                vec![Effect::ForgetKeys]
            }
            Err(why) => {
                self.say(Level::Warn, &why);
                Vec::new()
            }
        }
    }

    /// Opens the list of every sign-in of the selected person but the one in use here.
    pub(super) fn end_all_sign_ins(&mut self) -> Vec<Effect> {
        let person = self.screen().and_then(|screen| screen.person(&self.world));
        let Some(person) = person else {
            self.say(Level::Warn, "nothing is selected");
            return Vec::new();
        };
        self.end_sign_ins_of(&person)
    }

    fn end_sign_ins_of(&mut self, person: &str) -> Vec<Effect> {
        let all = self.world.store.people().sign_ins();
        let theirs = all.filter(|(_, view)| view.principal == person && !view.current);
        let theirs: Vec<Subject> = theirs.map(|(id, _)| Subject::SignIn(id.clone())).collect();
        if theirs.is_empty() {
            let text = format!("{person} has no sign-in besides the one in use here");
            self.say(Level::Info, &text);
            return Vec::new();
        }
        self.review_marked(Kind::RevokeSignIn, theirs)
    }

    /// Claims at once, because nothing is given or taken.
    pub(super) fn claim(&mut self) -> Vec<Effect> {
        let Some(subject) = self.screen().and_then(Screen::subject) else {
            self.say(Level::Warn, "nothing is selected");
            return Vec::new();
        };
        self.claim_of(&subject)
    }

    fn claim_of(&mut self, subject: &Subject) -> Vec<Effect> {
        if self.is_busy(subject) {
            return Vec::new();
        }
        match claim(&self.world, subject) {
            Ok(mutation) => self.begin(mutation),
            Err(why) => {
                self.say(Level::Warn, &why);
                Vec::new()
            }
        }
    }

    /// Opens the form that locks what the selected row is about, or anything.
    pub(super) fn lock(&mut self) -> Vec<Effect> {
        if let Err(why) = self.world.writable() {
            self.say(Level::Warn, &why);
            return Vec::new();
        }
        let on = self.screen().and_then(|screen| screen.lock_on(&self.world));
        let form = match on {
            Some(on) => LockForm::of(&on, "", &self.world),
            None => LockForm::open(&self.world),
        };
        self.open.form = Some(Form::Lock(form));
        vec![Effect::ForgetKeys]
    }

    /// Opens the form that makes a service account.
    pub(super) fn make_service(&mut self) -> Vec<Effect> {
        if let Err(why) = self.world.may_make_service() {
            self.say(Level::Warn, &why);
            return Vec::new();
        }
        self.open.form = Some(Form::Service(ServiceForm::open(&self.world)));
        vec![Effect::ForgetKeys]
    }

    /// Opens incident mode, or the incident that is not over.
    pub(super) fn begin_incident(&mut self) -> Vec<Effect> {
        if let Err(why) = self.world.writable() {
            self.say(Level::Warn, &why);
            return Vec::new();
        }
        if !self.is_incident_running() {
            let (target, filter) = self
                .screen()
                .map(|screen| screen.scope(&self.world))
                .unwrap_or_default();
            let incident = Incident::open(target.as_deref(), filter.as_deref(), &self.world);
            self.open.incident = Some(incident);
        }
        self.open.in_incident = true;
        vec![Effect::ForgetKeys]
    }

    fn is_incident_running(&self) -> bool {
        self.open
            .incident
            .as_ref()
            .is_some_and(|incident| incident.is_committed() && !incident.is_over())
    }

    /// The incident being prepared, or the last one committed from here, whether or not it has the screen.
    pub fn last_incident(&self) -> Option<&Incident> {
        self.open.incident.as_ref()
    }

    /// Hands a key to whatever is open.
    pub(super) fn question_key(&mut self, key: Key) -> Vec<Effect> {
        let world = &self.world;
        let place = self.question_place();
        let outcome = match place {
            Some(Place::Incident) => self.open.incident.as_mut().map(|open| open.key(key, world)),
            Some(Place::Review) => self.open.review.as_mut().map(|open| open.key(key, world)),
            _ if self.open.form.is_some() => {
                self.open.form.as_mut().map(|open| open.key(key, world))
            }
            _ => self.strip.as_mut().map(|open| open.key(key, world)),
        };
        match outcome {
            None | Some(Outcome::Stays) => Vec::new(),
            Some(Outcome::Closed) => {
                self.closed();
                Vec::new()
            }
            Some(Outcome::Confirmed(mutation)) => {
                if place == Some(Place::Question) {
                    self.strip = None;
                    self.open.form = None;
                }
                self.begin(mutation)
            }
            Some(Outcome::All(mutations)) => {
                self.queue.extend(mutations);
                self.send_queued()
            }
            Some(Outcome::TryOut(ask)) => vec![Effect::Fetch(Query::TryOut(ask))],
        }
    }

    /// Hands pasted text to whatever is open; says whether something was.
    pub(super) fn question_paste(&mut self, text: &str) -> bool {
        let now = self.world.now;
        match self.question_place() {
            Some(Place::Incident) => {
                if let Some(incident) = &mut self.open.incident {
                    incident.paste(text, now);
                }
            }
            Some(Place::Review) => {
                if let Some(review) = &mut self.open.review {
                    review.paste(text, now);
                }
            }
            Some(_) => {
                if let Some(form) = &mut self.open.form {
                    form.paste(text, now);
                } else if let Some(strip) = &mut self.strip {
                    strip.paste(text, now);
                }
            }
            None => return false,
        }
        true
    }

    /// Somebody left: says what was not sent, or what goes on.
    fn closed(&mut self) {
        match self.question_place() {
            Some(Place::Incident) => {
                self.open.in_incident = false;
                let Some(incident) = &self.open.incident else {
                    return;
                };
                let key = self.world.keymap.key(Place::Anywhere, Action::Incident);
                let text = match (incident.is_committed(), incident.progress()) {
                    (false, _) => Some("nothing was sent".to_owned()),
                    (true, Some((0, _))) => None,
                    (true, Some((open, all))) => Some(format!(
                        "the incident goes on: {open} of {all} are not off yet ({key} comes back)"
                    )),
                    (true, None) => Some(format!(
                        "the incident is not answered yet ({key} comes back)"
                    )),
                };
                if incident.step() != IncidentStep::Receipts {
                    self.open.incident = None;
                }
                if let Some(text) = text {
                    self.say(Level::Info, &text);
                }
            }
            Some(Place::Review) => {
                let Some(review) = self.open.review.take() else {
                    return;
                };
                if !review.is_sent() {
                    self.say(Level::Info, "nothing was sent, the marks stay");
                    return;
                }
                let done: Vec<Subject> = review
                    .items()
                    .iter()
                    .filter(|item| !matches!(item.state, ItemState::Waiting))
                    .map(|item| item.subject.clone())
                    .collect();
                if let Some(screen) = self.screens.get_mut(self.at) {
                    screen.unmark(&done);
                }
                if review.running() > 0 {
                    let text = format!("{} are not answered yet, it goes on", review.running());
                    self.say(Level::Info, &text);
                }
            }
            _ => {
                self.strip = None;
                self.open.form = None;
            }
        }
    }
}

/// Revoking from a list of sessions is about their grants.
pub(super) fn kind_subject(kind: Kind, subject: Subject) -> Subject {
    match (kind, subject) {
        (Kind::Revoke | Kind::Extend, Subject::Session(key)) => Subject::Grant(key.grant),
        (_, subject) => subject,
    }
}
