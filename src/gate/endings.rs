//! The receipt of an ending: what the record has of it, for whoever may see the grant.

use chrono::{DateTime, Utc};

use crate::domain::event::EventCode;
use crate::domain::extent::Place;
use crate::domain::grant::{Attempt, Grant, GrantState, told};
use crate::domain::ids::GrantId;
use crate::domain::permit::{Action, permit_at};
use crate::store::audit::Entry;

use super::grants::seen_by;
use super::{Caller, Error, Gate};

/// So many events are told from the beginning of an ending, and so many from its end: an ending that fails for days
/// has an attempt every minute.
const TOLD: i64 = 40;

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
