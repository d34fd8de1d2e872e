//! Whether to call somebody who looks elsewhere, and with what words. Only ids, targets and ages are in them: whatever
//! a requester typed would otherwise reach a desktop that knows nothing of cleaning.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::console::msg::Msg;
use crate::console::widget::countdown;
use crate::console::world::World;
use crate::wire::{BreakGlassView, RequestView};

/// Without a key for this long nobody is there, whatever the terminal says about its focus.
const IDLE: Duration = Duration::from_secs(30);
/// Called again not before this; what comes in between is said at once.
const PAUSE: Duration = Duration::from_secs(10);
/// Longer names are cut by every desktop.
const LONGEST: usize = 48;

/// Words for a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert(String);

impl Alert {
    /// The words: ids, targets and ages in plain ASCII.
    pub fn text(&self) -> &str {
        &self.0
    }

    fn of(calls: &[Call], now: DateTime<Utc>) -> Option<Self> {
        let oldest = calls.iter().min_by_key(|call| call.since)?;
        let age = countdown::text((now - oldest.since).to_std().unwrap_or_default());
        let words = format!("{} {} {age}", plain(&oldest.id), plain(&oldest.target));
        let broken = calls.iter().filter(|call| call.glass).count();
        Some(Self(match (calls.len(), broken) {
            (1, 0) => words,
            (1, _) => format!("break-glass {words}"),
            (count, 0) => format!("{count} requests wait, the oldest {words}"),
            (count, _) => {
                format!("{count} wait, {broken} of them break-glass, the oldest {words}")
            }
        }))
    }
}

/// A request that waits for the person who sits here.
#[derive(Debug, Clone)]
struct Call {
    id: String,
    target: String,
    since: DateTime<Utc>,
    /// It is a break-glass and not a request.
    glass: bool,
}

/// What is known about the person and about what they were called to.
#[derive(Debug)]
pub struct Notices {
    /// What the terminal said last about its focus.
    focused: Option<bool>,
    touched: Instant,
    called: Option<Instant>,
    /// Requests they know of, or were called to.
    known: HashSet<String>,
    waiting: Vec<Call>,
    /// The rows at the last look; none before the first lists are complete.
    revision: Option<u64>,
}

impl Notices {
    /// Nobody needs to be called to what waits at the start: it is on the screen they just opened.
    pub fn new(now: Instant) -> Self {
        Self {
            focused: None,
            touched: now,
            called: None,
            known: HashSet::new(),
            waiting: Vec::new(),
            revision: None,
        }
    }

    /// Hears what the person does.
    pub fn hear(&mut self, msg: &Msg, now: Instant) {
        match msg {
            Msg::Focus(has) => {
                self.focused = Some(*has);
                self.touched = now;
            }
            Msg::Key(_) | Msg::Paste(_) | Msg::Mouse(..) => {
                self.touched = now;
                // Some terminals say that the focus went and not that it came back.
                self.focused = self.focused.map(|_| true);
            }
            _ => {}
        }
    }

    /// Looks at the rows and says what to call them to, if anything.
    pub fn due(&mut self, world: &World) -> Option<Alert> {
        if !world.loaded {
            return None;
        }
        let revision = world.store.revision();
        if self.revision != Some(revision) {
            let first = self.revision.is_none();
            self.revision = Some(revision);
            self.look(world, first);
        }
        if self.waiting.is_empty() || self.next_change().is_some_and(|at| at > world.now) {
            return None;
        }
        let calls = std::mem::take(&mut self.waiting);
        if !self.is_away(world.now) {
            return None;
        }
        self.called = Some(world.now);
        Alert::of(&calls, world.server_now())
    }

    /// When the pause since the last call is over, if somebody waits for that.
    pub fn next_change(&self) -> Option<Instant> {
        let called = self.called?;
        (!self.waiting.is_empty()).then(|| called + PAUSE)
    }

    fn look(&mut self, world: &World, first: bool) {
        let requests = world.store.requests().map(|(_, view)| view);
        let requests = requests.filter(|view| waits_for_me(view)).map(|view| Call {
            id: view.id.clone(),
            target: view.target.clone(),
            since: view.created_at,
            glass: false,
        });
        let uses = world.store.uses().map(|(_, view)| view);
        let uses = uses
            .filter(|view| wants_my_sign_off(view))
            .map(|view| Call {
                id: view.id.clone(),
                target: view.target.clone(),
                since: view.created_at,
                glass: true,
            });
        let calls: Vec<Call> = requests.chain(uses).collect();
        let ids: HashSet<&str> = calls.iter().map(|call| call.id.as_str()).collect();
        self.waiting.retain(|call| ids.contains(call.id.as_str()));
        self.known.retain(|id| ids.contains(id.as_str()));
        for call in calls {
            if self.known.insert(call.id.clone()) && !first && self.is_away(world.now) {
                self.waiting.push(call);
            }
        }
    }

    fn is_away(&self, now: Instant) -> bool {
        self.focused == Some(false) || now.saturating_duration_since(self.touched) >= IDLE
    }
}

/// The server says who may decide; an own request is nobody's to decide here.
pub fn waits_for_me(view: &RequestView) -> bool {
    view.state == "pending"
        && view
            .allowed_actions
            .iter()
            .any(|allowed| allowed.action == "approve" && allowed.allowed)
}

/// The server says who may sign off; one's own use is somebody else's to look at.
pub fn wants_my_sign_off(view: &BreakGlassView) -> bool {
    view.state == "open"
        && view
            .allowed_actions
            .iter()
            .any(|allowed| allowed.action == "sign_off" && allowed.allowed)
}

/// Ids and target names are ASCII by rule; a server that breaks it must not write on desktops.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_./:@".contains(*c))
        .take(LONGEST)
        .collect()
}
