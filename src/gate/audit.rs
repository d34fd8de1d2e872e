//! Reading the audit log. Those who may not read everybody's history see what they did, what was done about them, and
//! what is about the targets that their product roles are for.

use crate::domain::extent::Place;
use crate::domain::permit::{Action, permit, permit_at};
use crate::store::audit::{Entry, Filter};

use super::sight::{place, within};
use super::{Caller, Error, Gate};

impl Gate {
    /// A page of events, newest first unless the filter says otherwise, all beyond the index `after`.
    pub async fn events(
        &self,
        caller: &Caller,
        mut filter: Filter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Entry>, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        filter.within = within(who, Action::ReadAudit, &self.rules.current().catalog);
        let (mut tx, _) = self.look().await?;
        Ok(tx.events(&filter, after, limit).await?)
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
