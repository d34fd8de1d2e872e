//! Sign-ins: who is behind them, how it was proved, and their end.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::{PrincipalId, SignInId};
use crate::domain::principal::Principal;
use crate::domain::sign_in::Method;

use super::people::PrincipalRow;
use super::{Stamp, Tx, millis, moment, moments, stored};

/// One sign-in: a family of tokens that live and die together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    pub id: SignInId,
    pub principal: Principal,
    pub device: String,
    pub method: Method,
    /// When the person proved who it is; a refresh proves nothing anew.
    pub authenticated_at: DateTime<Utc>,
    /// What was proved, in the words of RFC 8176.
    pub amr: Vec<String>,
    /// The thumbprint of the device key without which the tokens are worth nothing.
    pub jkt: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A sign-in that this transaction holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// When this was read.
    pub stamp: Stamp,
    pub expires_at: DateTime<Utc>,
    pub principal: Principal,
}

#[derive(sqlx::FromRow)]
pub(super) struct SignInRow {
    sign_in_id: String,
    device: String,
    method: String,
    authenticated_at: Option<i64>,
    amr: String,
    jkt: Option<String>,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
    #[sqlx(flatten)]
    principal: PrincipalRow,
}

impl SignInRow {
    pub(super) fn read(self) -> anyhow::Result<SignIn> {
        Ok(SignIn {
            id: stored("sign-in id", &self.sign_in_id)?,
            principal: self.principal.read()?,
            device: self.device,
            method: stored("method", &self.method)?,
            authenticated_at: moment(self.authenticated_at.unwrap_or(self.created_at))?,
            amr: serde_json::from_str(&self.amr).context("reading what was proved")?,
            jkt: self.jkt,
            created_at: moment(self.created_at)?,
            last_used_at: moment(self.last_used_at)?,
            expires_at: moment(self.expires_at)?,
            revoked_at: moments(self.revoked_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct HeldRow {
    stamp: Stamp,
    expires_at: i64,
    #[sqlx(flatten)]
    principal: PrincipalRow,
}

/// Who is behind a sign-in that was not revoked, with the clock in the same row.
macro_rules! behind {
    ($clock:expr, $end:literal) => {
        concat!(
            "select ", $clock, " as stamp, s.expires_at, p.id, p.name, p.roles, p.group_names, p.owner_id, p.owner_name, p.scopes, p.maker_id \
             from sign_ins s join principals p on p.id = s.principal_id where s.id = $1 and s.revoked_at is null", $end
        )
    };
}
const SIGN_INS: &str = "select s.id as sign_in_id, s.device, s.method, s.authenticated_at, s.amr, s.jkt, s.created_at, s.last_used_at, s.expires_at, s.revoked_at, p.id, p.name, p.roles, p.group_names, p.owner_id, p.owner_name, p.scopes, p.maker_id \
     from sign_ins s join principals p on p.id = s.principal_id where s.revoked_at is null and s.expires_at > $1 order by s.created_at desc limit 500";
const SIGN_IN: &str = "select s.id as sign_in_id, s.device, s.method, s.authenticated_at, s.amr, s.jkt, s.created_at, s.last_used_at, s.expires_at, s.revoked_at, p.id, p.name, p.roles, p.group_names, p.owner_id, p.owner_name, p.scopes, p.maker_id \
     from sign_ins s join principals p on p.id = s.principal_id where s.revoked_at is null and s.expires_at > $1 and s.id = $2";

impl Tx {
    /// Opens a sign-in.
    pub async fn insert_sign_in(&mut self, sign_in: &SignIn) -> anyhow::Result<()> {
        let amr = serde_json::to_string(&sign_in.amr)?;
        touch!(self, c => sqlx::query("insert into sign_ins (id, principal_id, device, method, authenticated_at, amr, jkt, created_at, last_used_at, expires_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(sign_in.id.as_str()).bind(sign_in.principal.id.as_str()).bind(&sign_in.device)
            .bind(sign_in.method.as_str()).bind(millis(sign_in.authenticated_at)).bind(&amr).bind(&sign_in.jkt)
            .bind(millis(sign_in.created_at)).bind(millis(sign_in.last_used_at)).bind(millis(sign_in.expires_at)).execute(c))
        .context("writing a sign-in")?;
        Ok(())
    }

    /// The sign-ins that are still good.
    pub async fn sign_ins(&mut self, now: DateTime<Utc>) -> anyhow::Result<Vec<SignIn>> {
        let rows: Vec<SignInRow> =
            on!(self, c => sqlx::query_as(SIGN_INS).bind(millis(now)).fetch_all(c))
                .context("reading sign-ins")?;
        rows.into_iter().map(SignInRow::read).collect()
    }

    /// Whoever is behind a sign-in, as long as it is good.
    pub async fn signed_in(
        &mut self,
        id: &SignInId,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<Principal>> {
        let row: Option<PrincipalRow> = on!(self, c => sqlx::query_as(
            "select p.id, p.name, p.roles, p.group_names, p.owner_id, p.owner_name, p.scopes, p.maker_id from sign_ins s join principals p on p.id = s.principal_id where s.id = $1 and s.revoked_at is null and s.expires_at > $2")
            .bind(id.as_str()).bind(millis(now)).fetch_optional(c))
        .context("looking at a sign-in")?;
        row.map(PrincipalRow::read).transpose()
    }

    /// Whoever is behind a sign-in that was not revoked, and when it ends. Until this transaction ends neither the
    /// sign-in nor what its principal may do changes.
    pub async fn hold_sign_in(&mut self, id: &SignInId) -> anyhow::Result<Option<Held>> {
        // SQLite has one writer, and it is this transaction.
        let sql = self.either(
            behind!("null", ""),
            behind!(postgres_clock!(), " for share"),
        );
        let row: Option<HeldRow> =
            on!(self, c => sqlx::query_as(sql).bind(id.as_str()).fetch_optional(c))
                .context("looking at a sign-in")?;
        row.map(|row| {
            Ok(Held {
                stamp: row.stamp,
                expires_at: moment(row.expires_at)?,
                principal: row.principal.read()?,
            })
        })
        .transpose()
    }

    /// One sign-in, as long as it is good.
    pub async fn sign_in(
        &mut self,
        id: &SignInId,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<SignIn>> {
        let row: Option<SignInRow> = on!(self, c => sqlx::query_as(SIGN_IN).bind(millis(now)).bind(id.as_str()).fetch_optional(c))
            .context("looking at a sign-in")?;
        row.map(SignInRow::read).transpose()
    }

    /// Notes that a sign-in was used.
    pub async fn touch_sign_in(&mut self, id: &SignInId, now: DateTime<Utc>) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update sign_ins set last_used_at = $2 where id = $1").bind(id.as_str()).bind(millis(now)).execute(c)).context("writing a sign-in")?;
        Ok(())
    }

    /// Ends a sign-in and with it all its tokens; `false` when it was ended before.
    pub async fn revoke_sign_in(
        &mut self,
        id: &SignInId,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update sign_ins set revoked_at = $2 where id = $1 and revoked_at is null").bind(id.as_str()).bind(millis(now)).execute(c))
            .context("ending a sign-in")?;
        Ok(rows == 1)
    }

    /// Ends every sign-in of a principal.
    pub async fn revoke_sign_ins_of(
        &mut self,
        who: &PrincipalId,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update sign_ins set revoked_at = $2 where principal_id = $1 and revoked_at is null").bind(who.as_str()).bind(millis(now)).execute(c))
            .context("ending the sign-ins of somebody")?;
        Ok(())
    }

    /// Ends the sign-ins of a principal that were made at the identity provider.
    pub async fn revoke_provider_sign_ins_of(
        &mut self,
        who: &PrincipalId,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update sign_ins set revoked_at = $2 where principal_id = $1 and revoked_at is null and method in ('oidc', 'device')").bind(who.as_str()).bind(millis(now)).execute(c))
            .context("ending the sign-ins of somebody")?;
        Ok(())
    }
}
