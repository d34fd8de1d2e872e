//! What is put on the record when somebody is refused: once a minute for each refusal, and no more than they may see.

use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};

use crate::catalog::Catalog;
use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::ids::{GrantId, PrincipalId, RequestId, TargetName};
use crate::domain::refusal::Refusal;
use crate::store::Tx;

use super::{Caller, Error, Gate, sight};

/// The same refusal of the same caller is recorded once in this time, so that a loop cannot flood the log.
const DENIAL_PAUSE: TimeDelta = TimeDelta::minutes(1);

impl Gate {
    /// Records that somebody was refused, if the refusal is one that an auditor asks about. A failure to record
    /// does not turn the no into anything else.
    pub async fn record_refusal(&self, caller: &Caller, refusal: &Refusal, about: &str) {
        if !refusal.is_denial() {
            return;
        }
        let event = Event::new(
            EventCode::AccessRefused,
            Actor::Principal(caller.principal.as_ref()),
        )
        .outcome(Outcome::Denied)
        .reason(Some(refusal.text()))
        .detail("code", refusal.code())
        .detail("about", about);
        let key = format!("{} {} {about}", caller.principal.id, refusal.code());
        if let Err(error) = self.write_refusal(caller, event, about, key).await {
            tracing::error!(error = ?error, "a refusal could not be recorded");
        }
        if let Refusal::PolicyDenied { cause, .. } = refusal
            && !cause.errors.is_empty()
        {
            let event = Event::new(
                EventCode::PolicyFailed,
                Actor::Principal(caller.principal.as_ref()),
            )
            .outcome(Outcome::Error)
            .reason(Some(cause.errors.join("; ")))
            .detail("policy_version", cause.version.clone());
            let key = format!("policy {} {}", cause.version, cause.errors.join(";"));
            if let Err(error) = self.write_refusal(caller, event, about, key).await {
                tracing::error!(error = ?error, "the failure of a policy could not be recorded");
            }
        }
    }

    async fn write_refusal(
        &self,
        caller: &Caller,
        mut event: Event,
        about: &str,
        key: String,
    ) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        if !self.is_news(key, now) {
            return Ok(());
        }
        let rules = self.rules.current();
        name_subject(&mut tx, &mut event, caller, about, &rules.catalog).await?;
        tx.apply(
            &vec![Step::new(Record::Nothing, event)],
            &caller.origin,
            now,
        )
        .await?;
        Ok(self.store.commit(tx).await?)
    }

    /// Whether a denial has not been recorded lately. Each is asked about once before it is recorded.
    pub(super) fn is_news(&self, denial: String, now: DateTime<Utc>) -> bool {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        denials.retain(|_, at| now - *at < DENIAL_PAUSE);
        let news = !denials.contains_key(&denial);
        if news {
            denials.insert(denial, now);
        }
        news
    }
}

/// Puts what a refused call was about where searches look for it. Whoever was refused reads this event, so it names
/// no more than they typed, unless they may see the rest.
async fn name_subject(
    tx: &mut Tx,
    event: &mut Event,
    caller: &Caller,
    about: &str,
    catalog: &Catalog,
) -> Result<(), Error> {
    let who = &caller.principal;
    let sees = |owner: &PrincipalId, target: &TargetName| {
        *owner == who.id || sight::sees(who, target, catalog)
    };
    if let Ok(id) = about.parse::<GrantId>() {
        let grant = tx.grant(&id).await?;
        if let Some(grant) = grant.filter(|grant| sees(&grant.holder.id, &grant.target)) {
            event.target = Some(grant.target);
            event.role = Some(grant.role);
            event.request = Some(grant.request);
        }
        event.grant = Some(id);
    } else if let Ok(id) = about.parse::<RequestId>() {
        let request = tx.request(&id).await?;
        if let Some(request) =
            request.filter(|request| sees(&request.requester.id, &request.target))
        {
            event.target = Some(request.target);
            event.role = Some(request.role);
            event.grant = request.grant;
        }
        event.request = Some(id);
    } else if let Some((role, target)) = about.split_once(" on ") {
        event.role = role.parse().ok();
        event.target = target.parse().ok();
    }
    Ok(())
}
