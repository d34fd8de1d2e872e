//! The receipt of an ending, for whoever may see the grant, and the override of one that its target does not confirm.

use chrono::{DateTime, Utc};

use crate::domain::event::EventCode;
use crate::domain::extent::Place;
use crate::domain::grant::{Attempt, Grant, GrantState, Overrider, told};
use crate::domain::ids::GrantId;
use crate::domain::permit::{Action, permit_at};
use crate::domain::second_factor::Guarded;
use crate::store::audit::Entry;

use super::grants::{SeenGrant, Version, holder, same_version, seen_by};
use super::sight::place;
use super::{Caller, Error, Gate, OnceKey, Opened};

/// So many events are told from the beginning of an ending, and so many from its end: an ending that fails for days
/// has an attempt every minute.
const TOLD: i64 = 40;

/// Which part of an override somebody takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Propose,
    Confirm,
}

/// What the record has of the end of a grant.
#[derive(Debug, Clone)]
pub struct SeenEnding {
    pub grant: Grant,
    /// Oldest first.
    pub events: Vec<Entry>,
    /// There are more between the first ones and the last ones.
    pub left_out: bool,
    pub now: DateTime<Utc>,
}

impl Gate {
    /// How the end of a grant went.
    pub async fn ending(&self, caller: &Caller, id: &GrantId) -> Result<SeenEnding, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        let rules = self.rules.current();
        let (mut tx, now) = self.look().await?;
        let grant = seen_by(&mut tx, id, who, &rules.catalog).await?;
        let (events, left_out) = tx.ending_of(id, &told::CODES, TOLD).await?;
        Ok(SeenEnding {
            grant,
            events,
            left_out,
            now,
        })
    }

    /// Proposes that a grant counts as ended although its target has not confirmed, or confirms what somebody else
    /// proposed; only then it is over.
    pub async fn override_end(
        &self,
        caller: &Caller,
        id: &GrantId,
        version: Version,
        (part, reason): (Part, &str),
        once: &OnceKey,
    ) -> Result<SeenGrant, Error> {
        let opened = self
            .open_somewhere(caller, once, id.as_str(), Action::OverrideEnd)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.grant_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        writing.guard(Guarded::OverrideEnd);
        let rules = self.rules.current();
        let grant = seen_by(&mut writing.tx, id, &writing.who, &rules.catalog).await?;
        let holder = holder(&mut writing, &grant).await?;
        let by = Overrider {
            who: &writing.who,
            holder: &holder,
            place: place(&rules.catalog, &grant.target),
        };
        let (next, step) = match part {
            Part::Propose => grant.propose_override(by, reason, writing.now)?,
            Part::Confirm => {
                let overriding = grant.overriding.as_ref();
                let proposer = match overriding.map(|overriding| &overriding.proposed.by.id) {
                    Some(id) => writing.tx.principal(id).await?,
                    None => None,
                };
                grant.confirm_override(by, proposer.as_ref(), reason, writing.now)?
            }
        };
        same_version(&grant, version)?;
        self.finish_grant(writing, next, vec![step]).await
    }
}

impl SeenEnding {
    /// When the target is asked again at the latest, while it has not confirmed.
    pub fn next_attempt_at(&self) -> Option<DateTime<Utc>> {
        if self.grant.state != GrantState::Closing {
            return None;
        }
        let failed = |entry: &&Entry| entry.event.code == EventCode::GrantCloseFailed;
        let last = self.events.iter().rev().find(failed)?;
        last.event.details.get("retry_at")?.as_str()?.parse().ok()
    }

    /// How many live connections were cut in the end.
    pub fn sessions_ended(&self) -> u32 {
        let told = |entry: &Entry| Attempt::told_by(&entry.event.details, entry.at).sessions_ended;
        self.events.iter().map(told).max().unwrap_or(0)
    }
}
