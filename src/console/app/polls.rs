//! What is read again and again, and only while somebody looks at it: live sessions, the record of the open detail,
//! the receipts of an incident.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::console::app::App;
use crate::console::confirm::Incident;
use crate::console::keymap::Place;
use crate::console::msg::{Effect, Query};
use crate::console::screen::Screen;
use crate::console::store::Subject;
use crate::console::widget::toast::Level;
use crate::console::world::{Trail, World};
use crate::wire::{EventView, IncidentPreview, IncidentPreviewAsk, IncidentView, Page, Sessions};

/// Targets are asked, so not more often.
const SESSIONS: Duration = Duration::from_secs(5);
/// When each was last used changes all the time.
const PEOPLE: Duration = Duration::from_secs(15);
/// A log that is rewritten is noticed within this time by every console that is open.
const LOG: Duration = Duration::from_mins(10);
/// Somebody waits for each line.
const RECEIPTS: Duration = Duration::from_secs(1);

/// A question asked at intervals.
#[derive(Debug, Clone, Copy, Default)]
struct Poll {
    asked: Option<Instant>,
    in_flight: bool,
}

impl Poll {
    fn due(self, every: Duration, now: Instant) -> Option<Instant> {
        (!self.in_flight).then(|| self.asked.map_or(now, |asked| asked + every))
    }

    fn take(&mut self, every: Duration, now: Instant) -> bool {
        let due = self.due(every, now).is_some_and(|due| due <= now);
        if due {
            self.asked = Some(now);
            self.in_flight = true;
        }
        due
    }
}

/// What is asked at intervals.
#[derive(Debug, Clone, Default)]
pub(super) struct Polls {
    sessions: Poll,
    receipts: Poll,
    sign_ins: Poll,
    services: Poll,
    standing: Poll,
    log: Poll,
}

impl Polls {
    /// Sessions have changed: they are read at once where somebody looks at them.
    pub(super) fn sessions_now(&mut self) {
        self.sessions.asked = None;
    }

    /// The same of who is signed in, of service accounts and of standing access.
    pub(super) fn people_now(&mut self) {
        self.sign_ins.asked = None;
        self.services.asked = None;
        self.standing.asked = None;
    }

    /// Another server may be answering: its log is looked at at once.
    pub(super) fn watch_now(&mut self) {
        self.log = Poll::default();
    }

    /// These came, or not.
    pub(super) fn took(&mut self, query: &Query) {
        match query {
            Query::SignIns => self.sign_ins.in_flight = false,
            Query::Services => self.services.in_flight = false,
            Query::Standing => self.standing.in_flight = false,
            Query::Watch => self.log.in_flight = false,
            _ => {}
        }
    }
}

impl App {
    /// When something is to be read again.
    pub(super) fn next_poll(&self) -> Option<Instant> {
        if self.world.link.is_down() {
            return None;
        }
        let now = self.world.now;
        let sessions = self
            .wants_sessions()
            .then(|| self.polls.sessions.due(SESSIONS, now))
            .flatten();
        let receipts = self
            .watched_incident()
            .and_then(|_| self.polls.receipts.due(RECEIPTS, now));
        let review = self
            .open
            .review
            .as_ref()
            .and_then(|review| review.read_again_at(&self.world));
        let sign_ins = self
            .is_front(Place::SignIns)
            .then(|| self.polls.sign_ins.due(PEOPLE, now));
        let services = self
            .is_front(Place::Services)
            .then(|| self.polls.services.due(PEOPLE, now));
        let standing = self
            .is_front(Place::Standing)
            .then(|| self.polls.standing.due(PEOPLE, now));
        let log = self.world.loaded.then(|| self.polls.log.due(LOG, now));
        [
            log.flatten(),
            sessions,
            receipts,
            review,
            sign_ins.flatten(),
            services.flatten(),
            standing.flatten(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Reads what is due.
    pub(super) fn poll(&mut self) -> Vec<Effect> {
        if self.world.link.is_down() {
            return Vec::new();
        }
        let now = self.world.now;
        let mut queries = Vec::new();
        if self.world.loaded && self.polls.log.take(LOG, now) {
            queries.push(Query::Watch);
        }
        if self.wants_sessions() && self.polls.sessions.take(SESSIONS, now) {
            queries.push(Query::Sessions);
        }
        if self.is_front(Place::SignIns) && self.polls.sign_ins.take(PEOPLE, now) {
            queries.push(Query::SignIns);
        }
        if self.is_front(Place::Services) && self.polls.services.take(PEOPLE, now) {
            queries.push(Query::Services);
        }
        if self.is_front(Place::Standing) && self.polls.standing.take(PEOPLE, now) {
            queries.push(Query::Standing);
        }
        if let Some(id) = self.watched_incident()
            && self.polls.receipts.take(RECEIPTS, now)
        {
            queries.push(Query::Incident(id));
        }
        if let Some(review) = &mut self.open.review {
            let old = review.to_read(&self.world);
            queries.extend((!old.is_empty()).then_some(Query::These(old)));
        }
        queries.extend(self.trail());
        queries.into_iter().map(Effect::Fetch).collect()
    }

    /// The sessions came, or not.
    pub(super) fn take_sessions(&mut self, sessions: Sessions, sent: Instant) {
        self.polls.sessions.in_flight = false;
        self.world.sessions_problem = None;
        self.world.store.take_sessions(sessions, sent);
    }

    /// A poll failed; the next comes in its time.
    pub(super) fn poll_failed(&mut self, query: &Query, why: &str) {
        match query {
            Query::Sessions => {
                self.polls.sessions.in_flight = false;
                self.world.sessions_problem = Some(why.to_owned());
            }
            Query::SignIns | Query::Services | Query::Standing => {
                self.polls.took(query);
                self.world.people_problem = Some(why.to_owned());
            }
            Query::Factors => self.say(
                Level::Warn,
                &format!("your second factors were not read: {why}"),
            ),
            Query::Incident(id) if self.looked_for.as_ref() == Some(id) => {
                self.looked_for = None;
                self.say(Level::Warn, &format!("`{id}` is not shown: {why}"));
            }
            Query::Incident(_) => self.polls.receipts.in_flight = false,
            Query::Trail(subject) => {
                if let Some(trail) = trail_of(&mut self.world, subject) {
                    trail.problem = Some(why.to_owned());
                }
            }
            Query::TryOut(ask) => self.tried_out(ask, Err(why.to_owned())),
            _ => {}
        }
    }

    /// The dry run came, or not.
    pub(super) fn tried_out(
        &mut self,
        ask: &IncidentPreviewAsk,
        preview: Result<IncidentPreview, String>,
    ) {
        let now = self.world.now;
        if let Some(incident) = &mut self.open.incident {
            incident.previewed(ask, preview, now);
        }
    }

    /// The receipts as they are now.
    pub(super) fn take_incident(&mut self, view: IncidentView) {
        self.polls.receipts.in_flight = false;
        if self.looked_for.take_if(|id| *id == view.id).is_some() && !self.is_asked() {
            self.open.incident = Some(Incident::recall(view, &self.world));
            self.open.in_incident = true;
            return;
        }
        if let Some(incident) = &mut self.open.incident
            && incident.watched() == Some(view.id.as_str())
        {
            incident.received(view);
        }
    }

    /// The record of a row came.
    pub(super) fn take_trail(&mut self, subject: &Subject, page: Page<EventView>) {
        if let Some(trail) = trail_of(&mut self.world, subject) {
            trail.more = page.next.is_some();
            trail.problem = None;
            trail.events = Some(page.items.into_iter().map(Rc::new).collect());
        }
    }

    fn watched_incident(&self) -> Option<String> {
        let incident = self.open.incident.as_ref()?;
        incident.watched().map(str::to_owned)
    }

    fn is_front(&self, place: Place) -> bool {
        self.screen().is_some_and(|screen| screen.place() == place)
    }

    fn wants_sessions(&self) -> bool {
        let revoking = self.strip.is_some();
        self.screen().is_some_and(|screen| {
            screen.place() == Place::Sessions
                || ((screen.zoomed() || revoking)
                    && matches!(screen.subject(), Some(Subject::Grant(_))))
        })
    }

    /// The record of the row whose detail was just opened.
    fn trail(&mut self) -> Option<Query> {
        let open = self
            .screen()
            .filter(|screen| screen.zoomed())
            .and_then(Screen::detailed);
        let known = self.world.trail.as_ref().map(|trail| &trail.subject);
        if open.is_none() {
            self.world.trail = None;
            return None;
        }
        let subject = open.filter(|subject| Some(subject) != known)?;
        self.world.trail = Some(Trail {
            subject: subject.clone(),
            events: None,
            more: false,
            problem: None,
        });
        Some(Query::Trail(subject))
    }
}

fn trail_of<'a>(world: &'a mut World, subject: &Subject) -> Option<&'a mut Trail> {
    world
        .trail
        .as_mut()
        .filter(|trail| trail.subject == *subject)
}
