//! Facts about the installation itself, and the memory of calls that must happen only once.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::PrincipalId;

use super::{Tx, millis};

/// What an idempotency key was used for.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Once {
    /// A digest of the route and the body: the same key with another call is a mistake.
    pub digest: String,
    /// The id of what resulted.
    pub result: String,
}

impl Tx {
    /// One fact by name.
    pub async fn setting(&mut self, name: &str) -> anyhow::Result<Option<String>> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as("select value from settings where name = $1").bind(name).fetch_optional(c)).context("reading a setting")?;
        Ok(row.map(|(value,)| value))
    }

    /// Sets a fact once; the first value stays.
    pub async fn set_once(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into settings (name, value) values ($1, $2) on conflict (name) do nothing").bind(name).bind(value).execute(c)).context("writing a setting")?;
        Ok(())
    }

    /// Sets a fact, whatever it was.
    pub async fn put(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into settings (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value").bind(name).bind(value).execute(c)).context("writing a setting")?;
        Ok(())
    }

    /// Sets a fact that was this one; `false` when it was another.
    pub async fn replace(&mut self, name: &str, before: &str, now: &str) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update settings set value = $3 where name = $1 and value = $2").bind(name).bind(before).bind(now).execute(c)).context("writing a setting")?;
        Ok(rows == 1)
    }

    /// What this principal used this key for, if it did.
    pub async fn once(
        &mut self,
        principal: &PrincipalId,
        key: &str,
    ) -> anyhow::Result<Option<Once>> {
        on!(self, c => sqlx::query_as("select digest, result from idempotency where principal_id = $1 and key = $2").bind(principal.as_str()).bind(key).fetch_optional(c))
            .context("looking up an idempotency key")
    }

    /// Takes the key for this transaction; `false` when a call that was committed has used it. One that is still
    /// under way is waited for, so that calls sent side by side are carried out once and answered alike.
    pub async fn claim(
        &mut self,
        principal: &PrincipalId,
        key: &str,
        once: &Once,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("insert into idempotency (principal_id, key, digest, result, created_at) values ($1, $2, $3, $4, $5) on conflict do nothing")
            .bind(principal.as_str()).bind(key).bind(&once.digest).bind(&once.result).bind(millis(now)).execute(c))
        .context("taking an idempotency key")?;
        Ok(rows == 1)
    }

    /// Says what the call of a key came to, where that was not known when the key was taken.
    pub async fn settle(
        &mut self,
        principal: &PrincipalId,
        key: &str,
        result: &str,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update idempotency set result = $3 where principal_id = $1 and key = $2")
            .bind(principal.as_str()).bind(key).bind(result).execute(c))
        .context("writing what an idempotency key led to")?;
        Ok(())
    }

    /// Forgets keys that nobody can be retrying any more.
    pub async fn forget_before(&mut self, before: DateTime<Utc>) -> anyhow::Result<u64> {
        touch!(self, c => sqlx::query("delete from idempotency where created_at < $1").bind(millis(before)).execute(c)).context("forgetting idempotency keys")
    }
}
