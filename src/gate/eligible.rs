//! Whether the holder of a grant that begins later than it was given may still have it.

use chrono::{DateTime, Utc};

use crate::catalog::Rulebook;
use crate::domain::extent::Place;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy;
use crate::domain::refusal::Refusal;
use crate::domain::request::RequestKind;
use crate::store::Tx;

use super::Error;
use super::deeds::decide;

/// Why a grant must not begin now, if it must not. One that begins with its approval was judged in that moment; one
/// that was scheduled for later is judged again, because people change teams and policies change in between.
pub(super) async fn lost(
    tx: &mut Tx,
    grant: &Grant,
    rules: &Rulebook,
    now: DateTime<Utc>,
) -> Result<Option<String>, Error> {
    let later = grant.not_before > grant.created_at;
    if grant.state != GrantState::Scheduled || !later || now < grant.not_before {
        return Ok(None);
    }
    let holder = tx.principal(&grant.holder.id).await?;
    let requester = |place: Place<'_>| {
        let holder = holder.as_ref()?;
        permit_at(holder, Action::Submit, place)
            .is_ok()
            .then_some(holder)
    };
    if requester(Place::Somewhere).is_none() {
        return Ok(Some(
            "its holder no longer has the product role requester".to_owned(),
        ));
    }
    // A target that is not in the catalogue cannot be made usable, and the connector says so.
    let Some(target) = rules.catalog.target(&grant.target) else {
        return Ok(None);
    };
    let Some(holder) = requester(Place::On(Some(&target.tags))) else {
        return Ok(Some(
            "its holder no longer has the product role requester for this target".to_owned(),
        ));
    };
    let request = tx.request(&grant.request).await?;
    let decided = decide(
        &rules.policy,
        &policy::Ask {
            asker: holder,
            target,
            role: &grant.role,
            kind: RequestKind::Access,
            duration: grant.duration,
            total: grant.duration,
            ticket: request
                .as_ref()
                .and_then(|request| request.ticket.as_deref()),
            reason_length: grant.reason.chars().count(),
            now,
        },
    );
    match decided {
        Ok(_) => Ok(None),
        Err(Refusal::PolicyDenied { why, .. }) => {
            Ok(Some(format!("policy no longer permits it: {why}")))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
