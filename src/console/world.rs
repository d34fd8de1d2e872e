//! What every screen may look at: the rows, the connection, the server's clock, and who sits here.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::client::Shelf;
use crate::console::confirm::Kind;
use crate::console::keymap::{Action, Keymap, Place};
use crate::console::link::Link;
use crate::console::notice::wants_my_sign_off;
use crate::console::run::clock::Clock;
use crate::console::show;
use crate::console::store::{Seen, Store, Subject};
use crate::domain::extent::Place::Everywhere;
use crate::domain::ids::RequestId;
use crate::domain::permit::Action as Permitted;
use crate::domain::roles::{GivenRole, Roles};
use crate::query::Context;
use crate::text::{DisplayText, clean};
use crate::wire::{EventView, Factors, Me, TargetView};

/// The record of one row, read from the server when its detail was opened.
#[derive(Debug, Clone)]
pub struct Trail {
    pub subject: Subject,
    /// Newest first; nothing before the answer.
    pub events: Option<Vec<Rc<EventView>>>,
    /// There are older ones than these.
    pub more: bool,
    pub problem: Option<String>,
}

/// Everything known, read-only for screens.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub struct World {
    pub store: Store,
    pub link: Link,
    pub clock: Clock,
    pub me: Option<Me>,
    /// The filters that the person keeps.
    pub shelf: Shelf,
    /// The catalogue, for the roles that a request could be narrowed to.
    pub targets: Vec<TargetView>,
    /// What the record says about the row whose detail is open.
    pub trail: Option<Trail>,
    /// Why the last reading of sessions failed.
    pub sessions_problem: Option<String>,
    /// Why the last reading of sign-ins or of service accounts failed.
    pub people_problem: Option<String>,
    /// The second factors of the person, once somebody has asked for them, and when.
    pub factors: Option<(Factors, Instant)>,
    /// When the list of locks that came last was asked for.
    pub locks_read: Option<Instant>,
    /// What is wrong with the signed log, as this machine has seen it.
    pub log_problem: Option<String>,
    /// The uses of break-glass that were in front of the person here.
    pub looked_at: HashSet<RequestId>,
    /// The keys in force.
    pub keymap: Keymap,
    /// Where the server is, as the person wrote it.
    pub server: DisplayText,
    /// The first lists are complete; until then rows find their places as they come.
    pub loaded: bool,
    /// The server has decided requests that are not here.
    pub older_requests: bool,
    /// The server has grants that are over and not here.
    pub older_grants: bool,
    /// Nothing may be changed.
    pub readonly: bool,
    /// The backend that says so, unless the person did.
    pub readonly_backend: Option<String>,
    /// The moment this picture of the world is of.
    pub now: Instant,
}

impl World {
    /// The line below the tabs while something is wrong with the connection.
    pub fn banner(&self) -> Option<String> {
        let key = |action| self.keymap.key(Place::Anywhere, action);
        let (retry, sign_in) = (key(Action::Retry), key(Action::SignIn));
        self.link.banner(self.now, &retry, &sign_in)
    }

    /// The line below the tabs while the record is not what it was, while somebody broke glass and the person who
    /// sits here, who was skipped, has not looked at it yet, or while the database may lose what it acknowledged. Only names are in it, none of what anybody typed.
    pub fn alarm(&self) -> Option<String> {
        let log = self.log_problem.as_ref();
        let log = log.map(|why| {
            format!("THE AUDIT LOG IS NOT WHOLE: {why}; `portcullis audit verify` tells more")
        });
        let unsafe_store = self.link.may_lose().then(|| {
            "ACKNOWLEDGED CHANGES MAY BE LOST: the database runs in the mode `available`".to_owned()
        });
        match (log.or_else(|| self.broken_glass()), unsafe_store) {
            (Some(first), Some(second)) => Some(format!("{first}   {second}")),
            (one, other) => one.or(other),
        }
    }

    fn broken_glass(&self) -> Option<String> {
        let unseen = self
            .store
            .uses()
            .filter(|(id, view)| wants_my_sign_off(view) && !self.looked_at.contains(*id));
        let unseen: Vec<_> = unseen.map(|(_, view)| view).collect();
        let last = unseen.iter().max_by_key(|view| view.created_at)?;
        let key = self.keymap.key(Place::Anywhere, Action::GoGlass);
        let what = format!(
            "{} broke glass for {} on {} {} ago",
            last.person,
            last.role,
            last.target,
            show::age(last.created_at, self.server_now())
        );
        let more = match unseen.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        Some(format!("BREAK-GLASS: {what}{more}; {key} to look at it"))
    }

    /// The server's time.
    pub fn server_now(&self) -> DateTime<Utc> {
        self.clock.at(self.now)
    }

    /// Says whether anything may be changed from here, and if not, why.
    pub fn writable(&self) -> Result<(), String> {
        if !self.readonly {
            return Ok(());
        }
        Err(match &self.readonly_backend {
            Some(name) => format!("`{name}` is read-only in console.toml"),
            None => "this console was started with `--readonly`".to_owned(),
        })
    }

    /// Says whether a change of this kind may be asked for, and if not, why.
    pub fn may(&self, kind: Kind, subject: &Subject) -> Result<(), String> {
        self.writable()?;
        let Some(seen) = self.store.get(subject) else {
            return Err("it is no longer there".to_owned());
        };
        // Taking access away must work when little else does.
        if !kind.takes_away() {
            self.link.decidable(self.now)?;
        }
        self.owns(&seen)?;
        seen.allows(kind.word())
    }

    /// Says whether service accounts may be made from here, and if not, why.
    pub fn may_make_service(&self) -> Result<(), String> {
        self.writable()?;
        self.link.decidable(self.now)?;
        if self.is_permitted(Permitted::ManageServices) {
            return Ok(());
        }
        Err("only an admin for all targets makes service accounts".to_owned())
    }

    /// What is somebody else's only an admin ends.
    fn owns(&self, seen: &Seen) -> Result<(), String> {
        let (owner, action, refusal) = match seen {
            Seen::SignIn(view) => (
                &view.principal,
                Permitted::Invite,
                "only an admin for all targets ends sign-ins of others",
            ),
            Seen::Service(view) => (
                &view.owner,
                Permitted::ManageServices,
                "only its owner, and an admin for all targets, changes a service account",
            ),
            _ => return Ok(()),
        };
        if owner == self.my_name() || self.is_permitted(action) {
            return Ok(());
        }
        Err(refusal.to_owned())
    }

    /// Says whether the roles of the person allow what is about no target; for some targets is not enough.
    fn is_permitted(&self, action: Permitted) -> bool {
        let words = self.me.iter().flat_map(|me| &me.roles);
        let roles: Roles = words
            .filter_map(|word| word.parse::<GivenRole>().ok())
            .collect();
        let mut extents = action.roles().iter().map(|role| roles.extent(*role));
        extents.any(|extent| extent.covers(Everywhere))
    }

    /// Who asks when a filter is tried, and when.
    pub fn asking(&self) -> Context<'_> {
        Context {
            now: self.server_now(),
            me: self.my_name(),
        }
    }

    /// The name of the person at the keyboard.
    pub fn my_name(&self) -> &str {
        self.me.as_ref().map_or("", |me| &me.name)
    }

    /// What the last event about a row said, for rows that changed while somebody looked at them.
    pub fn last_words(&self, subject: &Subject) -> Option<DisplayText> {
        let event = self.store.events_about(subject).next()?.view();
        Some(clean(&format!("{}, by {}", event.event, event.actor.name)))
    }
}
