//! Reading the audit log. Those who may not read everybody's history see what they did and what was done about them.

use crate::domain::permit::{Action, permit};
use crate::store::audit::{Entry, Filter};

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
        permit(&caller.principal, Action::ReadOwn)?;
        if permit(&caller.principal, Action::ReadAudit).is_err() {
            filter.about = Some(caller.principal.name.to_string());
        }
        let (mut tx, _) = self.look().await?;
        Ok(tx.events(&filter, after, limit).await?)
    }

    /// Whether this event is one that the caller may see. Streams ask this for each event.
    pub fn may_see(caller: &Caller, entry: &Entry) -> bool {
        let name = &caller.principal.name;
        permit(&caller.principal, Action::ReadAudit).is_ok()
            || entry.event.actor.name() == name.as_str()
            || entry.event.principal.as_ref() == Some(name)
    }
}
