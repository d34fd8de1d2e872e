//! What the console knows of the server's rows: only what the server said, never what it is expected to say.

mod packed;
mod people;
mod prune;
mod standing;
mod subject;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use crate::domain::ids::{GrantId, LockId, RequestId};
use crate::wire::{
    BreakGlassView, EventView, GrantView, LockView, RequestView, ServiceView, SessionSource,
    SessionView, Sessions, SignInView, StandingView,
};

pub use packed::{Packed, Told};
pub use people::People;
pub use prune::Pruned;
pub use standing::StandingAccess;
pub use subject::{Seen, SessionKey, Subject};

/// The latest events kept to say what happened to a row; the record has the others, and the server has all.
const RING: usize = 2_000;

/// Every known row.
#[derive(Debug, Clone, Default)]
pub struct Store {
    requests: HashMap<RequestId, Rc<RequestView>>,
    grants: HashMap<GrantId, Rc<GrantView>>,
    locks: HashMap<LockId, Rc<LockView>>,
    uses: HashMap<RequestId, Rc<BreakGlassView>>,
    sessions: BTreeMap<SessionKey, Rc<SessionView>>,
    sources: Vec<SessionSource>,
    sessions_at: Option<Instant>,
    people: People,
    standing: StandingAccess,
    asked: HashMap<Subject, Instant>,
    ring: VecDeque<Rc<Packed>>,
    /// Grants that are over and were asked for on purpose, which stay beyond the usual number.
    past: usize,
    revision: u64,
}

impl Store {
    /// Takes a request unless a later version is known; says whether it is another than before.
    pub fn take_request(&mut self, view: RequestView) -> bool {
        let Ok(id) = view.id.parse::<RequestId>() else {
            return false;
        };
        let known = self.requests.get(&id);
        if known.is_some_and(|known| known.version > view.version || **known == view) {
            return false;
        }
        self.requests.insert(id, Rc::new(view));
        self.revision += 1;
        true
    }

    /// Takes a grant unless a later version is known; says whether it is another than before.
    pub fn take_grant(&mut self, view: GrantView) -> bool {
        let Ok(id) = view.id.parse::<GrantId>() else {
            return false;
        };
        let known = self.grants.get(&id);
        if known.is_some_and(|known| known.version > view.version || **known == view) {
            return false;
        }
        self.grants.insert(id, Rc::new(view));
        self.revision += 1;
        true
    }

    /// Takes a lock unless a later version is known.
    pub fn take_lock(&mut self, view: LockView) {
        let Ok(id) = view.id.parse::<LockId>() else {
            return;
        };
        let known = self.locks.get(&id);
        if known.is_some_and(|known| known.version > view.version || **known == view) {
            return;
        }
        self.locks.insert(id, Rc::new(view));
        self.revision += 1;
    }

    /// Takes a use of break-glass unless a later version is known.
    pub fn take_use(&mut self, view: BreakGlassView) {
        let Ok(id) = view.id.parse::<RequestId>() else {
            return;
        };
        let known = self.uses.get(&id);
        if known.is_some_and(|known| known.version > view.version || **known == view) {
            return;
        }
        self.uses.insert(id, Rc::new(view));
        self.revision += 1;
    }

    /// Takes every live session at once: what is not among them has ended.
    pub fn take_sessions(&mut self, sessions: Sessions, asked: Instant) {
        self.sessions = sessions
            .items
            .into_iter()
            .filter_map(|view| Some((SessionKey::of(&view)?, Rc::new(view))))
            .collect();
        self.sources = sessions.sources;
        self.sessions_at = Some(asked);
        self.revision += 1;
    }

    /// The server no longer shows this row.
    pub fn forget(&mut self, subject: &Subject) {
        match subject {
            Subject::Session(key) => drop(self.sessions.remove(key)),
            Subject::Lock(id) => drop(self.locks.remove(id)),
            Subject::Use(id) => drop(self.uses.remove(id)),
            Subject::Request(id) => drop(self.requests.remove(id)),
            Subject::Grant(id) => drop(self.grants.remove(id)),
            Subject::SignIn(_) | Subject::Service(_) => self.people.forget(subject),
            Subject::Standing(id) => self.standing.forget(id),
        }
        self.revision += 1;
    }

    /// Changes with every change of a row, so that lists know when to look again.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// A row was read alone by a call that left at this moment, so it is at least that fresh.
    pub fn read(&mut self, subject: Subject, sent: Instant) {
        let latest = self.asked.entry(subject).or_insert(sent);
        *latest = (*latest).max(sent);
    }

    /// When the row was last read alone.
    pub fn read_at(&self, subject: &Subject) -> Option<Instant> {
        self.asked.get(subject).copied()
    }

    /// Adds live events.
    pub fn push_events(&mut self, events: impl Iterator<Item = Rc<Packed>>) {
        self.ring.extend(events);
        let excess = self.ring.len().saturating_sub(RING);
        self.ring.drain(..excess);
    }

    /// Adds the newest events from before the stream began, given newest first.
    pub fn seed_events(&mut self, events: &[EventView]) {
        let first = self.ring.front().map_or(i64::MAX, |event| event.index);
        for event in events.iter().filter(|event| event.index < first) {
            self.ring.push_front(Rc::new(Packed::of(event)));
        }
    }

    /// The row as last seen.
    pub fn get(&self, subject: &Subject) -> Option<Seen> {
        match subject {
            Subject::Request(id) => self.requests.get(id).cloned().map(Seen::Request),
            Subject::Grant(id) => self.grants.get(id).cloned().map(Seen::Grant),
            Subject::Session(key) => self.sessions.get(key).cloned().map(Seen::Session),
            Subject::Lock(id) => self.locks.get(id).cloned().map(Seen::Lock),
            Subject::SignIn(_) | Subject::Service(_) => self.people.get(subject),
            Subject::Standing(id) => self.standing.one(id).cloned().map(Seen::Standing),
            Subject::Use(id) => self.uses.get(id).cloned().map(Seen::Use),
        }
    }

    /// Says whether the row is known.
    pub fn has(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Request(id) => self.requests.contains_key(id),
            Subject::Grant(id) => self.grants.contains_key(id),
            Subject::Session(key) => self.sessions.contains_key(key),
            Subject::Lock(id) => self.locks.contains_key(id),
            Subject::SignIn(_) | Subject::Service(_) => self.people.get(subject).is_some(),
            Subject::Standing(id) => self.standing.one(id).is_some(),
            Subject::Use(id) => self.uses.contains_key(id),
        }
    }

    /// A request.
    pub fn request(&self, id: &RequestId) -> Option<&Rc<RequestView>> {
        self.requests.get(id)
    }

    /// A grant.
    pub fn grant(&self, id: &GrantId) -> Option<&Rc<GrantView>> {
        self.grants.get(id)
    }

    /// The state of the access that somebody took by break-glass, as far as it is known: the use may have been read
    /// before its grant.
    pub fn access_of(&self, view: &BreakGlassView) -> String {
        let grant = view.grant.parse().ok().and_then(|id| self.grant(&id));
        let state = grant.map_or(&view.grant_state, |grant| &grant.state);
        state.replace('_', " ")
    }

    /// All requests, in no order.
    pub fn requests(&self) -> impl Iterator<Item = (&RequestId, &Rc<RequestView>)> {
        self.requests.iter()
    }

    /// All grants, in no order.
    pub fn grants(&self) -> impl Iterator<Item = (&GrantId, &Rc<GrantView>)> {
        self.grants.iter()
    }

    /// A lock.
    pub fn lock(&self, id: &LockId) -> Option<&Rc<LockView>> {
        self.locks.get(id)
    }

    /// All locks, in no order.
    pub fn locks(&self) -> impl Iterator<Item = (&LockId, &Rc<LockView>)> {
        self.locks.iter()
    }

    /// A use of break-glass.
    pub fn use_of(&self, id: &RequestId) -> Option<&Rc<BreakGlassView>> {
        self.uses.get(id)
    }

    /// All uses of break-glass, in no order.
    pub fn uses(&self) -> impl Iterator<Item = (&RequestId, &Rc<BreakGlassView>)> {
        self.uses.iter()
    }

    /// A session.
    pub fn session(&self, key: &SessionKey) -> Option<&Rc<SessionView>> {
        self.sessions.get(key)
    }

    /// All live sessions that targets reported, by grant.
    pub fn sessions(&self) -> impl Iterator<Item = (&SessionKey, &Rc<SessionView>)> {
        self.sessions.iter()
    }

    /// Who is signed in, and the service accounts.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Standing access that is on its targets now.
    pub fn standing(&self) -> &StandingAccess {
        &self.standing
    }

    /// Takes every sign-in at once: what is not among them has ended.
    pub fn take_sign_ins(&mut self, views: Vec<SignInView>, asked: Instant) {
        self.people.take_sign_ins(views, asked);
        self.revision += 1;
    }

    /// Takes every service account at once: what is not among them was deleted.
    pub fn take_services(&mut self, views: Vec<ServiceView>, asked: Instant) {
        self.people.take_services(views, asked);
        self.revision += 1;
    }

    /// Takes all standing access at once: what is not among it is gone.
    pub fn take_standing(&mut self, views: Vec<StandingView>, asked: Instant) {
        self.standing.take(views, asked);
        self.revision += 1;
    }

    /// Takes one piece of standing access as a change left it.
    pub fn settle_standing(&mut self, view: StandingView) {
        self.standing.settle(view);
        self.revision += 1;
    }

    /// How much each target's part of the sessions can be trusted.
    pub fn sources(&self) -> &[SessionSource] {
        &self.sources
    }

    /// When sessions were last asked for.
    pub fn sessions_at(&self) -> Option<Instant> {
        self.sessions_at
    }

    /// The last events about a row, newest first.
    pub fn events_about<'a>(
        &'a self,
        subject: &'a Subject,
    ) -> impl Iterator<Item = &'a Rc<Packed>> {
        let newest = self.ring.iter().rev();
        newest.filter(move |event| event.is_about(subject))
    }

    /// The newest events, oldest of them first.
    pub fn latest(&self, most: usize) -> impl Iterator<Item = &Rc<Packed>> {
        self.ring.iter().skip(self.ring.len().saturating_sub(most))
    }
}
