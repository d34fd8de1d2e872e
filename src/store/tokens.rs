//! The tokens of sign-ins, and the proofs of device keys that were taken. Stored as hashes only.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::SignInId;

use super::sign_ins::{SignIn, SignInRow};
use super::{Stamp, Tx, millis, moment, moments};

/// Whether a token is for calls or for getting new tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenUse {
    Access,
    Refresh,
    Service,
}

impl TokenUse {
    fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Service => "service",
        }
    }
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// When this was read.
    pub stamp: Stamp,
    pub sign_in: SignIn,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
    /// The hash of the refresh token that replaced this one.
    pub successor: Option<String>,
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    stamp: Stamp,
    token_expires_at: i64,
    used_at: Option<i64>,
    successor: Option<String>,
    #[sqlx(flatten)]
    sign_in: SignInRow,
}

/// Who has a token, with the clock in the same row.
macro_rules! token {
    ($clock:expr) => {
        concat!(
            "select ", $clock, " as stamp, t.expires_at as token_expires_at, t.used_at, t.successor, \
             s.id as sign_in_id, s.device, s.method, s.authenticated_at, s.amr, s.jkt, s.created_at, s.last_used_at, s.expires_at, s.revoked_at, p.id, p.name, p.roles, p.group_names, p.owner_id, p.owner_name, p.scopes, p.maker_id \
             from tokens t join sign_ins s on s.id = t.sign_in_id join principals p on p.id = s.principal_id where t.hash = $1 and t.kind = $2"
        )
    };
}

impl Tx {
    /// Looks a token up by its hash, with its sign-in and principal.
    pub async fn token(&mut self, hash: &str, kind: TokenUse) -> anyhow::Result<Option<Token>> {
        let sql = self.either(token!("null"), token!(postgres_clock!()));
        let row: Option<TokenRow> =
            on!(self, c => sqlx::query_as(sql).bind(hash).bind(kind.as_str()).fetch_optional(c))
                .context("looking a token up")?;
        row.map(|row| {
            Ok(Token {
                stamp: row.stamp,
                expires_at: moment(row.token_expires_at)?,
                used_at: moments(row.used_at)?,
                successor: row.successor,
                sign_in: row.sign_in.read()?,
            })
        })
        .transpose()
    }

    /// Stores a token by its hash.
    pub async fn insert_token(
        &mut self,
        hash: &str,
        kind: TokenUse,
        sign_in: &SignInId,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into tokens (hash, sign_in_id, kind, created_at, expires_at) values ($1, $2, $3, $4, $5)")
            .bind(hash).bind(sign_in.as_str()).bind(kind.as_str()).bind(millis(now)).bind(millis(expires_at)).execute(c))
        .context("writing a token")?;
        Ok(())
    }

    /// Uses a refresh token up; `false` when somebody used it first.
    pub async fn use_token(
        &mut self,
        hash: &str,
        successor: &str,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update tokens set used_at = $2, successor = $3 where hash = $1 and used_at is null").bind(hash).bind(millis(now)).bind(successor).execute(c))
            .context("using a token")?;
        Ok(rows == 1)
    }

    /// Keeps others from using a token until this transaction ends, so that what is read of it stays true.
    pub async fn hold_token(&mut self, hash: &str) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update tokens set expires_at = expires_at where hash = $1").bind(hash).execute(c)).context("holding a token")?;
        Ok(())
    }

    /// Points a used refresh token at a newer successor, when the first one was never used itself. The first one
    /// counts as used from then on: should anybody present it, two have had it.
    pub async fn replace_successor(
        &mut self,
        hash: &str,
        old: &str,
        new: &str,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let replaced = touch!(self, c => sqlx::query("update tokens set used_at = $2 where hash = $1 and used_at is null").bind(old).bind(millis(now)).execute(c)).context("replacing a token")?;
        if replaced != 1 {
            return Ok(false);
        }
        touch!(self, c => sqlx::query("update tokens set successor = $2 where hash = $1").bind(hash).bind(new).execute(c)).context("replacing a token")?;
        Ok(true)
    }

    /// Forgets tokens that are long over.
    pub async fn drop_tokens_before(&mut self, before: DateTime<Utc>) -> anyhow::Result<u64> {
        touch!(self, c => sqlx::query("delete from tokens where expires_at < $1").bind(millis(before)).execute(c)).context("forgetting tokens")
    }

    /// Puts down that a proof was taken; `false` when it was before. One statement, also outside of a transaction.
    pub async fn take_proof(&mut self, hash: &str, until: DateTime<Utc>) -> anyhow::Result<bool> {
        // Nothing was promised about it, so that it waits for no standby: should it be lost, the change that came with
        // the proof still happens once, by its key.
        let sql = self.either(
            "insert into proofs (hash, expires_at) values ($1, $2) on conflict (hash) do nothing",
            "insert into proofs (hash, expires_at) select $1, $2 from (select set_config('synchronous_commit', 'local', true)) as hurry on conflict (hash) do nothing",
        );
        let rows = touch!(self, c => sqlx::query(sql).bind(hash).bind(millis(until)).execute(c))
            .context("writing a proof")?;
        Ok(rows == 1)
    }

    /// Forgets proofs that are too old to be taken.
    pub async fn drop_proofs_before(&mut self, before: DateTime<Utc>) -> anyhow::Result<u64> {
        touch!(self, c => sqlx::query("delete from proofs where expires_at < $1").bind(millis(before)).execute(c)).context("forgetting proofs")
    }
}
