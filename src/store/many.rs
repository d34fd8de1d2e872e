//! Writing many grants in few statements: an incident over thousands of them has to be one short transaction.

use anyhow::Context;

use crate::domain::change::{Record, Step};
use crate::domain::grant::{CloseKind, Grant};
use crate::domain::refusal::Refusal;

use super::apply::NotApplied;
use super::audit::Origin;
use super::{Tx, millis, rows};

/// Grants that one statement writes at most. SQLite looks every value up by its name, so a statement of twice the
/// values takes four times as long.
const AT_ONCE: usize = 64;

/// The grants of these steps, if each is about another one.
pub(in crate::store) fn grants(steps: &[Step]) -> Vec<(&Step, &Grant)> {
    let mut seen = std::collections::HashSet::new();
    steps
        .iter()
        .map_while(|step| match &step.record {
            Record::Grant(grant) if seen.insert(&grant.id) => Some((step, grant)),
            _ => None,
        })
        .collect()
}

fn places(from: usize, count: usize) -> String {
    let places: Vec<String> = (from..from + count)
        .map(|place| format!("${place}"))
        .collect();
    places.join(", ")
}

impl Tx {
    /// Writes the grants of these steps, each under the same condition as when it is written alone, and what they
    /// promise.
    pub(in crate::store) async fn apply_grants(
        &mut self,
        steps: &[(&Step, &Grant)],
        origin: &Origin,
    ) -> Result<(), NotApplied> {
        for steps in steps.chunks(AT_ONCE) {
            if self.update_grants(steps).await? != steps.len() {
                let name = steps.first().map(|(_, grant)| grant.id.to_string());
                return Err(NotApplied::Refused(Refusal::Conflict {
                    what: "grant",
                    name: name.unwrap_or_default(),
                }));
            }
            self.keep_promises(steps).await?;
            self.promise_all(steps, origin).await?;
        }
        Ok(())
    }

    async fn update_grants(&mut self, steps: &[(&Step, &Grant)]) -> anyhow::Result<usize> {
        // Both databases call the columns of a list of values `column1` and so on.
        let sql = format!(
            "update grants set state = v.column2, starts_at = v.column3, expires_at = v.column4, max_expires_at = v.column5, close_kind = v.column6, \
             close_reason = v.column7, closed_by_id = v.column8, closed_by_name = v.column9, attempts = v.column10, last_error = v.column11, \
             extensions = v.column12, epoch = v.column13, ended_at = v.column14, version = v.column15, close_due_at = v.column16 \
             from (values {}) as v \
             where grants.id = v.column1 and grants.version = v.column15 - 1 and grants.state not in ('ended', 'returned', 'revoked', 'activation_failed')",
            rows(steps.len(), &[""; 16])
        );
        let written = touch!(self, c => {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
            for (_, grant) in steps {
                let by = grant.closed_by.as_ref();
                query = query
                    .bind(grant.id.as_str()).bind(grant.state.as_str()).bind(grant.starts_at.map(millis))
                    .bind(millis(grant.expires_at)).bind(millis(grant.max_expires_at))
                    .bind(grant.close_kind.map(CloseKind::as_str)).bind(grant.close_reason.as_deref())
                    .bind(by.map(|by| by.id.as_str())).bind(by.map(|by| by.name.as_str()))
                    .bind(grant.attempts).bind(grant.last_error.as_deref()).bind(grant.extensions).bind(grant.epoch)
                    .bind(grant.ended_at.map(millis)).bind(grant.version).bind(grant.close_due_at.map(millis));
            }
            query.execute(c)
        })
        .context("writing grants")?;
        Ok(usize::try_from(written)?)
    }

    async fn keep_promises(&mut self, steps: &[(&Step, &Grant)]) -> anyhow::Result<()> {
        let done = steps.iter().flat_map(|(step, _)| &step.done);
        let mut kinds = std::collections::BTreeMap::new();
        for (grant, kind) in done {
            kinds.entry(*kind).or_insert_with(Vec::new).push(grant);
        }
        for (kind, ids) in kinds {
            for ids in ids.chunks(AT_ONCE) {
                let sql = format!(
                    "delete from outbox where kind = $1 and grant_id in ({})",
                    places(2, ids.len())
                );
                touch!(self, c => {
                    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone())).bind(kind.as_str());
                    for id in ids {
                        query = query.bind(id.as_str());
                    }
                    query.execute(c)
                })
                .context("keeping promises")?;
            }
        }
        Ok(())
    }

    async fn promise_all(
        &mut self,
        steps: &[(&Step, &Grant)],
        origin: &Origin,
    ) -> anyhow::Result<()> {
        let promised: Vec<_> = steps
            .iter()
            .flat_map(|(step, grant)| step.work.iter().map(|work| (work, &grant.target)))
            .collect();
        for works in promised.chunks(AT_ONCE) {
            let sql = format!(
                "insert into outbox (grant_id, kind, target, trace, due_at, lease_until) values {} \
                 on conflict (grant_id, kind) do update set due_at = excluded.due_at, lease_owner = null, lease_until = 0, trace = excluded.trace",
                rows(works.len(), &["", "", "", "", "", "0"])
            );
            touch!(self, c => {
                let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
                for (work, target) in works {
                    query = query.bind(work.grant.as_str()).bind(work.kind.as_str()).bind(target.as_str())
                        .bind(&origin.trace).bind(millis(work.due_at));
                }
                query.execute(c)
            })
            .context("promising work")?;
        }
        Ok(())
    }
}
