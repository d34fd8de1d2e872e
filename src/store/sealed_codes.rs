//! Sealed codes, by the hash of each.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::break_glass::Code;
use crate::domain::ids::{CodeId, PrincipalId, SignInId};
use crate::domain::principal::PrincipalRef;

use super::{Tx, millis, moment, moments, stored};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    principal_id: String,
    principal_name: String,
    made_by_id: String,
    made_by_name: String,
    created_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl Row {
    fn read(self) -> anyhow::Result<Code> {
        let who = |id: &str, name: &str| -> anyhow::Result<PrincipalRef> {
            Ok(PrincipalRef {
                id: stored("principal id", id)?,
                name: stored("principal name", name)?,
            })
        };
        Ok(Code {
            id: stored("sealed code id", &self.id)?,
            person: who(&self.principal_id, &self.principal_name)?,
            made_by: who(&self.made_by_id, &self.made_by_name)?,
            created_at: moment(self.created_at)?,
            expires_at: moment(self.expires_at)?,
            used_at: moments(self.used_at)?,
            revoked_at: moments(self.revoked_at)?,
        })
    }
}

/// More codes than this are not listed at once; the newest are.
const LISTED: i64 = 500;
const CODES: &str = "select id, principal_id, principal_name, made_by_id, made_by_name, created_at, expires_at, used_at, revoked_at from sealed_codes";

impl Tx {
    /// The sealed codes of one person or of everybody, newest first.
    pub async fn sealed_codes(&mut self, of: Option<&PrincipalId>) -> anyhow::Result<Vec<Code>> {
        let sql = format!(
            "{CODES} where ($1 = '' or principal_id = $1) order by created_at desc, id limit $2"
        );
        let of = of.map_or("", PrincipalId::as_str);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(of).bind(LISTED).fetch_all(c))
            .context("reading sealed codes")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// One sealed code.
    pub async fn sealed_code(&mut self, id: &CodeId) -> anyhow::Result<Option<Code>> {
        let sql = format!("{CODES} where id = $1");
        let row: Option<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(id.as_str()).fetch_optional(c))
            .context("reading a sealed code")?;
        row.map(Row::read).transpose()
    }

    /// The sealed code that opened a sign-in.
    pub async fn code_behind(&mut self, sign_in: &SignInId) -> anyhow::Result<Option<Code>> {
        let sql = format!("{CODES} where sign_in_id = $1");
        let row: Option<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(sign_in.as_str()).fetch_optional(c))
            .context("reading a sealed code")?;
        row.map(Row::read).transpose()
    }

    /// Keeps a sealed code by its hash.
    pub async fn insert_sealed_code(&mut self, code: &Code, hash: &str) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query(
            "insert into sealed_codes (id, hash, principal_id, principal_name, made_by_id, made_by_name, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(code.id.as_str()).bind(hash).bind(code.person.id.as_str()).bind(code.person.name.as_str())
            .bind(code.made_by.id.as_str()).bind(code.made_by.name.as_str()).bind(millis(code.created_at)).bind(millis(code.expires_at)).execute(c))
        .context("writing a sealed code")?;
        Ok(())
    }

    /// Uses a sealed code up; nothing when there is none, or it is used, revoked or too old. INVARIANT: of several who
    /// present one code at the same time, this lets one through
    /// (`a_sealed_code_opens_one_sign_in_however_many_present_it`).
    pub async fn use_sealed_code(
        &mut self,
        hash: &str,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<Code>> {
        let rows = touch!(self, c => sqlx::query(
            "update sealed_codes set used_at = $2 where hash = $1 and used_at is null and revoked_at is null and expires_at > $2")
            .bind(hash).bind(millis(now)).execute(c))
        .context("using a sealed code")?;
        if rows != 1 {
            return Ok(None);
        }
        let sql = format!("{CODES} where hash = $1");
        let row: Option<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(hash).fetch_optional(c))
            .context("reading a sealed code")?;
        row.map(Row::read).transpose()
    }

    /// Remembers which sign-in a sealed code has opened.
    pub async fn code_opened(&mut self, id: &CodeId, sign_in: &SignInId) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update sealed_codes set sign_in_id = $2 where id = $1").bind(id.as_str()).bind(sign_in.as_str()).execute(c))
            .context("writing a sealed code")?;
        Ok(())
    }

    /// Lets the code behind a sign-in count as the second factor of one call; `false` when it did before, or was
    /// opened before this moment.
    pub async fn prove_by_code(
        &mut self,
        sign_in: &SignInId,
        digest: &str,
        good_since: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query(
            "update sealed_codes set proved_digest = $2 where sign_in_id = $1 and proved_digest is null and used_at >= $3")
            .bind(sign_in.as_str()).bind(digest).bind(millis(good_since)).execute(c))
        .context("proving by a sealed code")?;
        Ok(rows == 1)
    }

    /// Revokes a code that nobody has used; `false` when it was used or revoked before.
    pub async fn revoke_sealed_code(
        &mut self,
        id: &CodeId,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query(
            "update sealed_codes set revoked_at = $2 where id = $1 and used_at is null and revoked_at is null")
            .bind(id.as_str()).bind(millis(now)).execute(c))
        .context("revoking a sealed code")?;
        Ok(rows == 1)
    }
}
