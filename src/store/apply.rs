//! The one function that writes requests, reviews, grants, locks, their promises and the events that explain them.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::break_glass::BreakGlassRefusal;
use crate::domain::change::{Change, Record, Step};
use crate::domain::refusal::Refusal;

use super::audit::{Fact, Origin};
use super::many;
use super::{Tx, millis, rows};

/// Why a change was not written.
#[derive(Debug)]
pub enum NotApplied {
    /// Somebody else changed the record first; nothing of the change is kept.
    Refused(Refusal),
    Fault(anyhow::Error),
}

impl From<anyhow::Error> for NotApplied {
    fn from(fault: anyhow::Error) -> Self {
        Self::Fault(fault)
    }
}

impl Tx {
    /// Writes what a rule returned. INVARIANT: each step's state and its one event are in the same transaction
    /// (`every_state_change_has_exactly_one_event`).
    pub async fn apply(
        &mut self,
        change: &Change,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<(), NotApplied> {
        let mut rest = change.as_slice();
        while let Some(step) = rest.first() {
            let together = many::grants(rest);
            if together.len() > 1 {
                self.apply_grants(&together, origin).await?;
                rest = rest.get(together.len()..).unwrap_or_default();
                continue;
            }
            rest = rest.get(1..).unwrap_or_default();
            self.record(step).await?;
            for (grant, kind) in &step.done {
                touch!(self, c => sqlx::query("delete from outbox where grant_id = $1 and kind = $2").bind(grant.as_str()).bind(kind.as_str()).execute(c))
                    .context("keeping a promise")?;
            }
            self.promise(step, origin).await?;
        }
        let facts: Vec<Fact<'_>> = change
            .iter()
            .map(|step| Fact {
                event: &step.event,
                origin,
                at: now,
            })
            .collect();
        Ok(self.append(&facts).await?)
    }

    /// Promises what one step asks for, in one statement: of each kind there is one.
    async fn promise(&mut self, step: &Step, origin: &Origin) -> anyhow::Result<()> {
        if step.work.is_empty() {
            return Ok(());
        }
        let target = step
            .event
            .target
            .as_ref()
            .map_or("", |target| target.as_str());
        let sql = format!(
            "insert into outbox (grant_id, kind, target, trace, due_at, lease_until) values {} \
             on conflict (grant_id, kind) do update set due_at = excluded.due_at, lease_owner = null, lease_until = 0, trace = excluded.trace",
            rows(step.work.len(), &["", "", "", "", "", "0"])
        );
        touch!(self, c => {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
            for work in &step.work {
                query = query.bind(work.grant.as_str()).bind(work.kind.as_str()).bind(target).bind(&origin.trace).bind(millis(work.due_at));
            }
            query.execute(c)
        })
        .context("promising work")?;
        Ok(())
    }

    async fn record(&mut self, step: &Step) -> Result<(), NotApplied> {
        let (what, name, written) = match &step.record {
            Record::Nothing => return Ok(()),
            Record::NewRequest(request) => {
                if self.insert_request(request).await? {
                    return Ok(());
                }
                let (who, target) = (&request.requester.id, &request.target);
                if let Some(request) = self.pending_like(who, target, &request.role).await? {
                    return Err(NotApplied::Refused(Refusal::DuplicatePending { request }));
                }
                ("request", request.id.to_string(), false)
            }
            Record::NewGrant(grant) => return Ok(self.insert_grant(grant).await?),
            Record::Request(request, review) => {
                let written = self.update_request(request).await?;
                if let (true, Some(review)) = (written, review) {
                    self.insert_review(request, review).await?;
                }
                ("request", request.id.to_string(), written)
            }
            Record::Claim { request, before } => (
                "request",
                request.id.to_string(),
                self.update_claim(request, before.as_ref()).await?,
            ),
            Record::Grant(grant) => (
                "grant",
                grant.id.to_string(),
                self.update_grant(grant).await?,
            ),
            Record::NewIncident(incident) => {
                if self.insert_incident(incident).await? {
                    return Ok(());
                }
                return Err(NotApplied::Refused(Refusal::PreviewNotValid {
                    why: "it was committed already",
                }));
            }
            Record::NewUse(of) => {
                if self.insert_use(of).await? {
                    return Ok(());
                }
                let request = self
                    .open_use(&of.person.id)
                    .await?
                    .context("the use that stands in the way is gone")?;
                let refusal = BreakGlassRefusal::Unreviewed { request };
                return Err(NotApplied::Refused(refusal.into()));
            }
            Record::Use(of, sign_off) => {
                let written = self.update_use(of).await?;
                if written {
                    self.insert_sign_off(of, sign_off).await?;
                }
                ("break-glass", of.request.to_string(), written)
            }
            Record::Policy { before, now } => (
                "policy",
                before.as_ref().unwrap_or(now).version.clone(),
                self.use_policy(before.as_ref(), now).await?,
            ),
            Record::NewLock(lock) => return Ok(self.insert_lock(lock).await?),
            Record::NewStanding(standing) => (
                "standing access",
                standing.id.to_string(),
                self.insert_standing(standing).await?,
            ),
            Record::Standing(standing) => (
                "standing access",
                standing.id.to_string(),
                self.update_standing(standing).await?,
            ),
            Record::Lock(lock) => ("lock", lock.id.to_string(), self.update_lock(lock).await?),
            Record::Credential(grant) => (
                "grant",
                grant.id.to_string(),
                self.update_credential(grant).await?,
            ),
        };
        // INVARIANT: a transition is one conditional update; no row means that somebody was faster.
        if written {
            Ok(())
        } else {
            Err(NotApplied::Refused(Refusal::Conflict { what, name }))
        }
    }
}
