//! Principals, their sign-ins, and the tokens and one-time codes of those. Secrets are stored as hashes only.

use std::collections::BTreeSet;

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::{GroupName, PrincipalId, PrincipalName, SignInId};
use crate::domain::principal::{Principal, PrincipalRef, ProductRole};
use crate::domain::roles::Roles;
use crate::domain::service::Service;
use crate::domain::sign_in::Method;

use super::grants::{Bind, Binds};
use super::{Inner, Stamp, Tx, millis, moment, moments, stored};

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

/// A sign-in that this transaction holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// When this was read.
    pub stamp: Stamp,
    pub expires_at: DateTime<Utc>,
    pub principal: Principal,
}

/// A one-time code as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Whom it signs in; none for the bootstrap code.
    pub principal: Option<PrincipalId>,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct PrincipalRow {
    id: String,
    name: String,
    roles: String,
    group_names: String,
    owner_id: Option<String>,
    owner_name: Option<String>,
    scopes: Option<String>,
    maker_id: Option<String>,
}

impl PrincipalRow {
    fn read(self) -> anyhow::Result<Principal> {
        let roles: Roles =
            serde_json::from_str(&self.roles).context("reading a principal's roles")?;
        let groups: BTreeSet<GroupName> =
            serde_json::from_str(&self.group_names).context("reading a principal's groups")?;
        let service = match (&self.owner_id, &self.owner_name, &self.scopes) {
            (Some(id), Some(name), Some(scopes)) => Some(Service {
                owner: PrincipalRef {
                    id: stored("principal id", id)?,
                    name: stored("principal name", name)?,
                },
                scopes: serde_json::from_str(scopes).context("reading a service's scopes")?,
                maker: self
                    .maker_id
                    .as_deref()
                    .map(|id| stored("principal id", id))
                    .transpose()?,
            }),
            _ => None,
        };
        Ok(Principal {
            id: stored("principal id", &self.id)?,
            name: stored("principal name", &self.name)?,
            roles,
            groups,
            service,
        })
    }
}

#[derive(sqlx::FromRow)]
struct SignInRow {
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
    fn read(self) -> anyhow::Result<SignIn> {
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
struct ServiceRow {
    ends_at: Option<i64>,
    #[sqlx(flatten)]
    principal: PrincipalRow,
}

#[derive(sqlx::FromRow)]
struct HeldRow {
    stamp: Stamp,
    expires_at: i64,
    #[sqlx(flatten)]
    principal: PrincipalRow,
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

/// More people than this in one group are not looked at one by one.
const REVIEWERS_MAX: u32 = 1_000;
/// Who may review, on every target or on some, and is in a group.
const REVIEWERS: &str = "select id, name, roles, group_names, owner_id, owner_name, scopes, maker_id from principals where id <> $1 and owner_id is null and group_names like $2 escape '\\' and (roles like $3 escape '\\' or roles like $4 escape '\\') limit $5";
const PRINCIPAL: &str = "select id, name, roles, group_names, owner_id, owner_name, scopes, maker_id from principals where id = $1";
const BY_NAME: &str = "select id, name, roles, group_names, owner_id, owner_name, scopes, maker_id from principals where name = $1";
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
    /// One principal by id.
    pub async fn principal(&mut self, id: &PrincipalId) -> anyhow::Result<Option<Principal>> {
        let row: Option<PrincipalRow> =
            on!(self, c => sqlx::query_as(PRINCIPAL).bind(id.as_str()).fetch_optional(c))
                .context("reading a principal")?;
        row.map(PrincipalRow::read).transpose()
    }

    /// These principals; one that is gone is left out.
    pub async fn principals(
        &mut self,
        ids: &BTreeSet<&PrincipalId>,
    ) -> anyhow::Result<Vec<Principal>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut binds = Binds(Vec::new());
        let places: Vec<String> = ids
            .iter()
            .map(|id| format!("${}", binds.push(Bind::Text(id.to_string()))))
            .collect();
        let sql = format!(
            "select id, name, roles, group_names, owner_id, owner_name, scopes, maker_id from principals where id in ({})",
            places.join(", ")
        );
        let rows: Vec<PrincipalRow> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c))
            .context("reading principals")?;
        rows.into_iter().map(PrincipalRow::read).collect()
    }

    /// One principal by name.
    pub async fn principal_named(
        &mut self,
        name: &PrincipalName,
    ) -> anyhow::Result<Option<Principal>> {
        let row: Option<PrincipalRow> =
            on!(self, c => sqlx::query_as(BY_NAME).bind(name.as_str()).fetch_optional(c))
                .context("reading a principal")?;
        row.map(PrincipalRow::read).transpose()
    }

    /// Whether there is anybody at all.
    pub async fn has_principals(&mut self) -> anyhow::Result<bool> {
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as("select created_at from principals limit 1").fetch_optional(c))
            .context("looking for principals")?;
        Ok(row.is_some())
    }

    /// Principals besides `but` who may review and are in this group: those who may on every target, or those who may
    /// on some. No more than `enough` are looked for.
    pub async fn reviewers_in(
        &mut self,
        group: &GroupName,
        but: &PrincipalId,
        everywhere: bool,
        enough: Option<u32>,
    ) -> anyhow::Result<Vec<Principal>> {
        // Roles and groups are stored as JSON lists, so the quotes delimit a name. `_` in it is not a wildcard.
        let quoted = |word: &str| format!("%\"{}\"%", word.replace('_', "\\_"));
        let role = |role: ProductRole| {
            if everywhere {
                quoted(role.as_str())
            } else {
                format!("%\"{role}@%")
            }
        };
        let rows: Vec<PrincipalRow> = on!(self, c => sqlx::query_as(REVIEWERS)
            .bind(but.as_str()).bind(quoted(group.as_str()))
            .bind(role(ProductRole::Reviewer)).bind(role(ProductRole::Admin))
            .bind(i64::from(enough.unwrap_or(REVIEWERS_MAX))).fetch_all(c))
        .context("looking for reviewers")?;
        rows.into_iter().map(PrincipalRow::read).collect()
    }

    /// Adds a principal, or gives a known one these roles and groups.
    pub async fn save_principal(
        &mut self,
        who: &Principal,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let roles = serde_json::to_string(&who.roles)?;
        let groups = serde_json::to_string(&who.groups)?;
        let owner = who.service.as_ref().map(|service| &service.owner);
        let maker = who
            .service
            .as_ref()
            .and_then(|service| service.maker.as_ref());
        let maker = maker.map(PrincipalId::as_str);
        let scopes = who
            .service
            .as_ref()
            .map(|service| serde_json::to_string(&service.scopes))
            .transpose()?;
        touch!(self, c => sqlx::query(
            "insert into principals (id, name, roles, group_names, created_at, version, owner_id, owner_name, scopes, maker_id) values ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9) \
             on conflict (id) do update set roles = excluded.roles, group_names = excluded.group_names, maker_id = excluded.maker_id, version = principals.version + 1")
            .bind(who.id.as_str()).bind(who.name.as_str()).bind(&roles).bind(&groups).bind(millis(now))
            .bind(owner.map(|owner| owner.id.as_str())).bind(owner.map(|owner| owner.name.as_str())).bind(&scopes).bind(maker).execute(c))
        .context("writing a principal")?;
        Ok(())
    }

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
        let row: Option<HeldRow> = match &mut self.inner {
            // SQLite has one writer, and it is this transaction.
            Inner::Sqlite(c) => {
                sqlx::query_as(behind!("null", ""))
                    .bind(id.as_str())
                    .fetch_optional(&mut **c)
                    .await
            }
            Inner::Postgres(c) => {
                sqlx::query_as(behind!(postgres_clock!(), " for share"))
                    .bind(id.as_str())
                    .fetch_optional(&mut **c)
                    .await
            }
        }
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

    /// Takes every scope and role from a service account; it is deleted from then on.
    pub async fn drop_scopes(&mut self, id: &PrincipalId) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update principals set scopes = '[]', roles = '[]', group_names = '[]', version = version + 1 where id = $1 and owner_id is not null").bind(id.as_str()).execute(c))
            .context("deleting a service account")?;
        Ok(())
    }

    /// The service accounts that were not deleted, and when their tokens end.
    pub async fn services(
        &mut self,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Vec<(Principal, Option<DateTime<Utc>>)>> {
        let rows: Vec<ServiceRow> = on!(self, c => sqlx::query_as(
            "select p.id, p.name, p.roles, p.group_names, p.owner_id, p.owner_name, p.scopes, p.maker_id, \
             (select max(s.expires_at) from sign_ins s where s.principal_id = p.id and s.revoked_at is null and s.expires_at > $1) as ends_at \
             from principals p where p.owner_id is not null and p.scopes <> '[]' order by p.name limit 500")
            .bind(millis(now)).fetch_all(c))
        .context("reading service accounts")?;
        rows.into_iter()
            .map(|row| Ok((row.principal.read()?, moments(row.ends_at)?)))
            .collect()
    }

    /// Looks a token up by its hash, with its sign-in and principal.
    pub async fn token(&mut self, hash: &str, kind: TokenUse) -> anyhow::Result<Option<Token>> {
        let row: Option<TokenRow> = match &mut self.inner {
            Inner::Sqlite(c) => {
                sqlx::query_as(token!("null"))
                    .bind(hash)
                    .bind(kind.as_str())
                    .fetch_optional(&mut **c)
                    .await
            }
            Inner::Postgres(c) => {
                sqlx::query_as(token!(postgres_clock!()))
                    .bind(hash)
                    .bind(kind.as_str())
                    .fetch_optional(&mut **c)
                    .await
            }
        }
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
        let rows = touch!(self, c => sqlx::query("insert into proofs (hash, expires_at) values ($1, $2) on conflict (hash) do nothing").bind(hash).bind(millis(until)).execute(c)).context("writing a proof")?;
        Ok(rows == 1)
    }

    /// Forgets proofs that are too old to be taken.
    pub async fn drop_proofs_before(&mut self, before: DateTime<Utc>) -> anyhow::Result<u64> {
        touch!(self, c => sqlx::query("delete from proofs where expires_at < $1").bind(millis(before)).execute(c)).context("forgetting proofs")
    }

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
