//! Whether somebody may still have what they asked for: at a later start, and when their groups change.

use chrono::{DateTime, Utc};

use crate::catalog::Rulebook;
use crate::domain::extent::Place;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy::{self, Deed, Policy, Verdict};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestKind};
use crate::store::Tx;

use super::Error;
use super::deeds::decide;
use super::policy::read_kept;

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

/// Why somebody as they are now would not have got what they asked for, if they would not.
///
/// Judged by the policy under which it was asked and at the moment when it was asked, so that only the person can be
/// the difference: neither another policy nor another hour takes away what was decided.
pub(super) async fn no_more(
    tx: &mut Tx,
    request: &Request,
    who: &Principal,
    rules: &Rulebook,
) -> Result<Option<String>, Error> {
    let target = rules.catalog.target(&request.target);
    let place = target.map_or(Place::Somewhere, |target| Place::On(Some(&target.tags)));
    if permit_at(who, Action::Submit, place).is_err() {
        return Ok(Some(format!(
            "`{}` no longer has the product role requester for this target",
            who.name
        )));
    }
    let Some(target) = target else {
        return Ok(None);
    };
    let kept = as_it_was(tx, rules, &request.snapshot.policy_version).await?;
    let policy = kept.as_ref().unwrap_or(&rules.policy);
    let ask = policy::Ask {
        asker: who,
        target,
        role: &request.role,
        kind: request.kind,
        duration: request.duration,
        total: request.duration,
        ticket: request.ticket.as_deref(),
        reason_length: request.reason.chars().count(),
        now: request.created_at,
    };
    Ok(match policy.decide_as(deed(request.kind), &ask) {
        Verdict::Permitted { .. } => None,
        Verdict::Denied(denial) => Some(format!(
            "policy does not permit it to `{}` any more, whose groups have changed: {}",
            who.name, denial.why
        )),
    })
}

/// The policy of that version, where it is another one than that in use and was kept.
async fn as_it_was(tx: &mut Tx, rules: &Rulebook, version: &str) -> Result<Option<Policy>, Error> {
    if rules.policy.version() == version {
        return Ok(None);
    }
    let Some(kept) = tx.policy_kept(version).await? else {
        return Ok(None);
    };
    Ok(read_kept(&kept).ok())
}

fn deed(kind: RequestKind) -> Deed {
    match kind {
        RequestKind::BreakGlass => Deed::BreakGlass,
        RequestKind::Access | RequestKind::Extend => Deed::Request,
    }
}
