//! The texts of policies, and which of them is in use.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::policy::Applied;

use super::{Tx, millis};

/// A policy as it was when a request was made under it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Kept {
    pub text: String,
    /// The time zone of its hours.
    pub time_zone: String,
}

/// The fact that says which policy is in use, as JSON.
const IN_USE: &str = "policy in use";
/// The fact that says which version was reported last as waiting.
const WAITING: &str = "policy waiting";

impl Tx {
    /// The policy in use; none before the first start with a policy file.
    pub async fn policy_in_use(&mut self) -> anyhow::Result<Option<Applied>> {
        let text = self.setting(IN_USE).await?;
        text.map(|text| serde_json::from_str(&text).context("reading which policy is in use"))
            .transpose()
    }

    /// Puts another policy into use; `false` when meanwhile another than `before` is.
    pub(super) async fn use_policy(
        &mut self,
        before: Option<&Applied>,
        now: &Applied,
    ) -> anyhow::Result<bool> {
        let now = serde_json::to_string(now)?;
        let rows = match before {
            Some(before) => {
                let before = serde_json::to_string(before)?;
                touch!(self, c => sqlx::query("update settings set value = $3 where name = $1 and value = $2").bind(IN_USE).bind(&before).bind(&now).execute(c))
            }
            None => {
                touch!(self, c => sqlx::query("insert into settings (name, value) values ($1, $2) on conflict (name) do nothing").bind(IN_USE).bind(&now).execute(c))
            }
        };
        Ok(rows.context("putting a policy into use")? == 1)
    }

    /// Remembers which version waits, if any; `false` when that was known.
    pub async fn note_waiting(&mut self, version: &str) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("insert into settings (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value where settings.value <> excluded.value")
            .bind(WAITING).bind(version).execute(c))
        .context("remembering which policy waits")?;
        Ok(rows == 1)
    }

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

    /// The policy of this version, if anything was asked under it or it waited since texts are kept.
    pub async fn policy_kept(&mut self, version: &str) -> anyhow::Result<Option<Kept>> {
        on!(self, c => sqlx::query_as("select text, time_zone from policies where version = $1").bind(version).fetch_optional(c))
            .context("reading a policy")
    }
}
