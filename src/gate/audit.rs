//! Reading the audit log. Those who may not read everybody's history see what they did, what was done about them, and
//! what is about the targets that their product roles are for.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::domain::extent::Place;
use crate::domain::permit::{Action, permit, permit_at};
use crate::query::Name;
use crate::store::audit::{Entry, Filter};
use crate::store::index::{Counted, Slice};

use super::sight::{place, within};
use super::{Caller, Error, Gate};

impl Gate {
    /// A page of events, newest first unless the filter says otherwise, all beyond the index `after`.
    pub async fn events(
        &self,
        caller: &Caller,
        filter: Filter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Entry>, Error> {
        let filter = self.seen_by(caller, filter)?;
        let (mut tx, _) = self.look().await?;
        Ok(tx.events(&filter, after, limit).await?)
    }

    /// Looks for events, newest first unless the filter says otherwise, all beyond the index `after`, until there are
    /// enough of them or the deadline has passed. The index finds them; whoever asked looks at each once more.
    pub async fn find_events(
        &self,
        caller: &Caller,
        filter: &Filter,
        after: Option<i64>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Slice, Error> {
        let filter = self.seen_by(caller, filter.clone())?;
        let mut tx = self.store.search().await?;
        let slice = tx.find(&filter, after, limit, deadline).await?;
        tx.found();
        Ok(slice)
    }

    /// Counts events between each two of some moments; nothing where they have to be looked at.
    pub async fn count_events(
        &self,
        caller: &Caller,
        filter: &Filter,
        moments: &[DateTime<Utc>],
        deadline: Instant,
    ) -> Result<Option<Counted<Vec<u64>>>, Error> {
        let filter = self.seen_by(caller, filter.clone())?;
        let mut tx = self.store.search().await?;
        let counted = tx.count_between(&filter, moments, deadline).await?;
        tx.found();
        Ok(counted)
    }

    /// Counts the values of a field among events; nothing where they have to be looked at.
    pub async fn count_values(
        &self,
        caller: &Caller,
        filter: &Filter,
        name: Name,
        deadline: Instant,
    ) -> Result<Option<Counted<HashMap<String, u64>>>, Error> {
        let filter = self.seen_by(caller, filter.clone())?;
        let mut tx = self.store.search().await?;
        let counted = tx.count_values(&filter, name, deadline).await?;
        tx.found();
        Ok(counted)
    }

    /// The filter with what the caller may see. INVARIANT: counts pass it like events
    /// (`counts_say_nothing_of_what_one_may_not_see`).
    fn seen_by(&self, caller: &Caller, mut filter: Filter) -> Result<Filter, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        filter.within = within(who, Action::ReadAudit, &self.rules.current().catalog);
        Ok(filter)
    }

    /// Whether this event is one that the caller may see. Streams ask this for each event.
    pub fn may_see(&self, caller: &Caller, entry: &Entry) -> bool {
        let (who, event) = (&caller.principal, &entry.event);
        if permit(who, Action::ReadAudit).is_ok()
            || event.actor.name() == who.name.as_str()
            || event.principal.as_ref() == Some(&who.name)
        {
            return true;
        }
        let Some(target) = &event.target else {
            return false;
        };
        let rules = self.rules.current();
        permit_at(who, Action::ReadAudit, place(&rules.catalog, target)).is_ok()
    }
}
