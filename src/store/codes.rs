//! One-time codes that sign somebody in. Stored as hashes only.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::PrincipalId;

use super::{Tx, millis, moment, moments, stored};

/// A one-time code as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Whom it signs in; none for the bootstrap code.
    pub principal: Option<PrincipalId>,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
}

impl Tx {
    /// Stores a one-time code by its hash; earlier unused codes for the same principal are good no longer.
    pub async fn insert_code(
        &mut self,
        hash: &str,
        principal: Option<&PrincipalId>,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let id = principal.map(PrincipalId::as_str);
        touch!(self, c => sqlx::query("delete from codes where used_at is null and coalesce(principal_id, '') = $1").bind(id.unwrap_or_default()).execute(c)).context("replacing a code")?;
        touch!(self, c => sqlx::query("insert into codes (hash, principal_id, created_at, expires_at) values ($1, $2, $3, $4)")
            .bind(hash).bind(id).bind(millis(now)).bind(millis(expires_at)).execute(c))
        .context("writing a code")?;
        Ok(())
    }

    /// Looks a one-time code up by its hash.
    pub async fn code(&mut self, hash: &str) -> anyhow::Result<Option<Code>> {
        let row: Option<(Option<String>, i64, Option<i64>)> =
            on!(self, c => sqlx::query_as("select principal_id, expires_at, used_at from codes where hash = $1").bind(hash).fetch_optional(c)).context("looking a code up")?;
        row.map(|(principal, expires_at, used_at)| {
            Ok(Code {
                principal: principal
                    .map(|id| stored("principal id", &id))
                    .transpose()?,
                expires_at: moment(expires_at)?,
                used_at: moments(used_at)?,
            })
        })
        .transpose()
    }

    /// Uses a one-time code up; `false` when somebody used it first.
    pub async fn use_code(&mut self, hash: &str, now: DateTime<Utc>) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update codes set used_at = $2 where hash = $1 and used_at is null").bind(hash).bind(millis(now)).execute(c)).context("using a code")?;
        Ok(rows == 1)
    }
}
