//! Cursors of deliveries: how far each place has the history, and which node is at it.

use anyhow::Context;
use chrono::{DateTime, Utc};

use super::{Tx, millis, moments};

/// How a delivery stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The first event that has not been delivered.
    pub next: i64,
    /// Which node is at it.
    pub owner: Option<String>,
    pub until: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub failed_since: Option<DateTime<Utc>>,
    pub attempts: i64,
    pub error: Option<String>,
    /// Whether its failing is on record.
    pub told: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    next_idx: i64,
    lease_owner: Option<String>,
    lease_until: i64,
    delivered_at: Option<i64>,
    failed_since: Option<i64>,
    attempts: i64,
    error: Option<String>,
    told: i64,
}

impl Tx {
    /// How a delivery stands; nothing when it never began.
    pub async fn siem_cursor(&mut self, name: &str) -> anyhow::Result<Option<Cursor>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as("select next_idx, lease_owner, lease_until, delivered_at, failed_since, attempts, error, told from siem_cursors where name = $1").bind(name).fetch_optional(c))
            .context("reading the cursor of a delivery")?;
        row.map(|row| {
            Ok(Cursor {
                next: row.next_idx,
                owner: row.lease_owner,
                until: moments(Some(row.lease_until))?,
                delivered_at: moments(row.delivered_at)?,
                failed_since: moments(row.failed_since)?,
                attempts: row.attempts,
                error: row.error,
                told: row.told == 1,
            })
        })
        .transpose()
    }

    /// Begins a delivery at an index, unless it has begun.
    pub async fn begin_siem(&mut self, name: &str, next: i64) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into siem_cursors (name, next_idx) values ($1, $2) on conflict (name) do nothing").bind(name).bind(next).execute(c))
            .context("beginning a delivery")?;
        Ok(())
    }

    /// Takes a delivery for this node until some moment; `false` while another node has it. INVARIANT: of several that
    /// ask at one moment one gets it: the row is changed by compare-and-swap.
    pub async fn lease_siem(
        &mut self,
        name: &str,
        owner: &str,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update siem_cursors set lease_owner = $2, lease_until = $3 where name = $1 and (lease_owner is null or lease_owner = $2 or lease_until < $4)")
            .bind(name).bind(owner).bind(millis(until)).bind(millis(now)).execute(c))
        .context("taking a delivery")?;
        Ok(rows == 1)
    }

    /// Moves a cursor after a delivery; `false` when another node has taken it over meanwhile.
    pub async fn delivered_siem(
        &mut self,
        name: &str,
        owner: &str,
        (from, to): (i64, i64),
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update siem_cursors set next_idx = $4, delivered_at = $5, failed_since = null, attempts = 0, error = null, told = 0 where name = $1 and lease_owner = $2 and next_idx = $3")
            .bind(name).bind(owner).bind(from).bind(to).bind(millis(now)).execute(c))
        .context("moving the cursor of a delivery")?;
        Ok(rows == 1)
    }

    /// Notes that a delivery failed; the beginning of the trouble stays.
    pub async fn failed_siem(
        &mut self,
        name: &str,
        owner: &str,
        (error, told): (&str, bool),
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update siem_cursors set failed_since = coalesce(failed_since, $3), attempts = attempts + 1, error = $4, told = $5 where name = $1 and lease_owner = $2")
            .bind(name).bind(owner).bind(millis(now)).bind(error).bind(i64::from(told)).execute(c))
        .context("noting that a delivery failed")?;
        Ok(())
    }
}
