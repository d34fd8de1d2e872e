//! The texts of the policies under which requests were made.

use anyhow::Context;
use chrono::{DateTime, Utc};

use super::{Tx, millis};

/// A policy as it was when a request was made under it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Kept {
    pub text: String,
    /// The time zone of its hours.
    pub time_zone: String,
}

impl Tx {
    /// Keeps the text of a policy; it is never changed afterwards.
    pub async fn keep_policy(
        &mut self,
        version: &str,
        text: &str,
        time_zone: &str,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into policies (version, text, time_zone, first_used_at) values ($1, $2, $3, $4) on conflict (version) do nothing")
            .bind(version).bind(text).bind(time_zone).bind(millis(now)).execute(c))
        .context("keeping a policy")?;
        Ok(())
    }

    /// The policy of this version, if anything was asked under it since its text is kept.
    pub async fn policy_kept(&mut self, version: &str) -> anyhow::Result<Option<Kept>> {
        on!(self, c => sqlx::query_as("select text, time_zone from policies where version = $1").bind(version).fetch_optional(c))
            .context("reading a policy")
    }
}
