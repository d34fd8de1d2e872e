//! Work that was promised in a transaction and is done after it. A promise is a row: nobody has to remember a timer.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::change::WorkKind;
use crate::domain::grant::OVERDUE;
use crate::domain::ids::{GrantId, TargetName};

use super::{Tx, millis, moments, stored};

/// How long a worker may keep a promise to itself; after this another one takes it.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);
/// Workers with such names show a sign of life for as long as they are connected to the database.
pub(super) const ALIVE: &str = "live:";
/// The first half of the number of the lock that is the sign; the second half is a hash of the name.
pub(super) const SIGN: i32 = 0x70_63_6c_01;

/// One promise that is due and now leased by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub grant: GrantId,
    pub kind: WorkKind,
    pub target: TargetName,
    pub trace: String,
    /// Who holds the lease.
    pub owner: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    grant_id: String,
    kind: String,
    target: String,
    trace: String,
}

impl Tx {
    /// The targets that have work due which nobody holds.
    pub async fn due_targets(&mut self, now: DateTime<Utc>) -> anyhow::Result<Vec<String>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as("select distinct target from outbox where due_at <= $1 and lease_until <= $1").bind(millis(now)).fetch_all(c))
            .context("looking for due work")?;
        Ok(rows.into_iter().map(|(target,)| target).collect())
    }

    /// Leases up to `limit` due promises of one target, skipping what others hold. Closings come first: taking
    /// access away never waits behind giving it.
    pub async fn take_due(
        &mut self,
        target: &str,
        owner: &str,
        now: DateTime<Utc>,
        limit: i64,
    ) -> anyhow::Result<Vec<Due>> {
        const SQLITE: &str = "select grant_id, kind, target, trace from outbox where target = $3 and due_at <= $1 and lease_until <= $1 order by kind desc, due_at limit $2";
        const POSTGRES: &str = "select grant_id, kind, target, trace from outbox where target = $3 and due_at <= $1 and lease_until <= $1 order by kind desc, due_at limit $2 for update skip locked";
        let sql = self.either(SQLITE, POSTGRES);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(sql).bind(millis(now)).bind(limit).bind(target).fetch_all(c))
            .context("looking for due work")?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            touch!(self, c => sqlx::query("update outbox set lease_owner = $3, lease_until = $4 where grant_id = $1 and kind = $2")
                .bind(&row.grant_id).bind(&row.kind).bind(owner).bind(millis(now + LEASE)).execute(c))
            .context("leasing work")?;
            let kind = if row.kind == WorkKind::Activate.as_str() {
                WorkKind::Activate
            } else {
                WorkKind::Close
            };
            due.push(Due {
                grant: stored("grant id", &row.grant_id)?,
                kind,
                target: stored("target name", &row.target)?,
                trace: row.trace,
                owner: owner.to_owned(),
            });
        }
        Ok(due)
    }

    /// When the next promise that nobody holds is due.
    pub async fn next_due(&mut self, now: DateTime<Utc>) -> anyhow::Result<Option<DateTime<Utc>>> {
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as("select due_at from outbox where lease_until <= $1 order by due_at limit 1").bind(millis(now)).fetch_optional(c))
            .context("looking for the next work")?;
        moments(row.map(|(at,)| at))
    }

    /// Gives a lease back, so that the promise is taken again at `at`.
    pub async fn put_back(&mut self, due: &Due, at: DateTime<Utc>) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update outbox set due_at = $4, lease_owner = null, lease_until = 0 where grant_id = $1 and kind = $2 and lease_owner = $3")
            .bind(due.grant.as_str()).bind(due.kind.as_str()).bind(&due.owner).bind(millis(at)).execute(c))
        .context("giving work back")?;
        Ok(())
    }

    /// Workers that hold leases and are gone: they showed a sign of life when they took them, and show none now. A worker
    /// that stands still, or that the database has not missed yet, is not among them.
    pub async fn gone_workers(&mut self, now: DateTime<Utc>) -> anyhow::Result<Vec<String>> {
        const HELD: &str = "select distinct lease_owner from outbox o
            where due_at <= $1 and lease_until > $1 and lease_owner like $2 || '%' and not exists (
                select from pg_locks l join pg_database d on d.oid = l.database
                where l.locktype = 'advisory' and l.granted and l.objsubid = 2 and d.datname = current_database()
                  and l.classid::bigint = $3 and l.objid::bigint = hashtext(o.lease_owner)::bigint & 4294967295)";
        if !self.is_postgres() {
            return Ok(Vec::new());
        }
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as(HELD).bind(millis(now)).bind(ALIVE).bind(i64::from(SIGN)).fetch_all(c))
            .context("looking for workers that are gone")?;
        Ok(rows.into_iter().map(|(owner,)| owner).collect())
    }

    /// Ends every lease of one worker, or of all.
    pub async fn end_leases(&mut self, owner: Option<&str>) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update outbox set lease_owner = null, lease_until = 0 where lease_until > 0 and ($1 is null or lease_owner = $1)")
            .bind(owner).execute(c))
        .context("ending leases")?;
        Ok(())
    }

    /// Marks a promise as kept that no change of state goes with, if it is still the caller's.
    pub async fn keep(&mut self, due: &Due) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from outbox where grant_id = $1 and kind = $2 and lease_owner = $3")
            .bind(due.grant.as_str()).bind(due.kind.as_str()).bind(&due.owner).execute(c))
        .context("keeping a promise")?;
        Ok(())
    }

    /// Promises work again for a grant whose target may have been touched late.
    pub async fn promise_again(
        &mut self,
        due: &Due,
        kind: WorkKind,
        at: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query(
            "insert into outbox (grant_id, kind, target, trace, due_at, lease_until) values ($1, $2, $3, $4, $5, 0) \
             on conflict (grant_id, kind) do update set due_at = excluded.due_at, lease_owner = null, lease_until = 0")
            .bind(due.grant.as_str()).bind(kind.as_str()).bind(due.target.as_str()).bind(&due.trace).bind(millis(at)).execute(c))
        .context("promising work again")?;
        Ok(())
    }

    /// How many ends are overdue: what an operator is paged for. An attempt that is to be made again later moves nothing.
    pub async fn overdue(&mut self, now: DateTime<Utc>) -> anyhow::Result<i64> {
        const COUNT: &str = "select (select count(*) from grants where state = 'closing' and coalesce(close_due_at, expires_at) <= $1)
            + (select count(*) from grants where state in ('scheduled', 'activating', 'active') and expires_at <= $1)";
        let (count,): (i64,) =
            on!(self, c => sqlx::query_as(COUNT).bind(millis(now - OVERDUE)).fetch_one(c))
                .context("counting overdue ends")?;
        Ok(count)
    }
}
