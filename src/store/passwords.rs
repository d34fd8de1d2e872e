//! Passwords of local accounts, as hashes.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::PrincipalId;
use crate::secret::HashedPassword;

use super::{Tx, millis};

impl Tx {
    /// What is kept of a person's password, if there is one.
    pub async fn password(&mut self, of: &PrincipalId) -> anyhow::Result<Option<HashedPassword>> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as("select hash from passwords where principal_id = $1").bind(of.as_str()).fetch_optional(c))
            .context("reading a password")?;
        Ok(row.map(|(hash,)| HashedPassword::stored(hash)))
    }

    /// Sets a person's password, or replaces it.
    pub async fn save_password(
        &mut self,
        of: &PrincipalId,
        hash: &HashedPassword,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query(
            "insert into passwords (principal_id, hash, set_at) values ($1, $2, $3) \
             on conflict (principal_id) do update set hash = excluded.hash, set_at = excluded.set_at")
            .bind(of.as_str()).bind(hash.as_str()).bind(millis(now)).execute(c))
        .context("writing a password")?;
        Ok(())
    }
}
