//! Who somebody is at the identity provider, and sign-ins that were begun there.

use std::collections::BTreeSet;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::{PrincipalId, SignInId};

use super::{Tx, millis, moment, moments, stored};

/// Somebody as the provider knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
    pub principal: PrincipalId,
    /// Sealed; only the gate can open it.
    pub refresh_token: Option<String>,
    /// When the provider last said what groups this person has.
    pub checked_at: DateTime<Utc>,
    /// Since when the provider takes the refresh token no more, which may mean that the person is gone.
    pub lapsed_at: Option<DateTime<Utc>>,
    /// When everything was taken from this person, because the provider knows them no more.
    pub gone_at: Option<DateTime<Utc>>,
}

/// A call to the provider that a browser brings back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderCall {
    pub nonce: String,
    pub redirect_uri: String,
    pub code_challenge: String,
    pub device: String,
    /// What it proves; nothing when it is a sign-in.
    pub step_up: Option<ForStepUp>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Whose step-up a call to the provider is, and for which calls here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForStepUp {
    pub principal: String,
    pub sign_in: String,
    pub digests: BTreeSet<String>,
}

impl ForStepUp {
    /// Whether this person began it in this sign-in.
    pub fn is_of(&self, principal: &PrincipalId, sign_in: &SignInId) -> bool {
        self.principal == principal.as_str() && self.sign_in == sign_in.as_str()
    }
}

#[derive(sqlx::FromRow)]
struct IdentityRow {
    issuer: String,
    subject: String,
    principal_id: String,
    refresh_token: Option<String>,
    checked_at: i64,
    lapsed_at: Option<i64>,
    gone_at: Option<i64>,
}

impl IdentityRow {
    fn read(self) -> anyhow::Result<Identity> {
        Ok(Identity {
            issuer: self.issuer,
            subject: self.subject,
            principal: stored("principal id", &self.principal_id)?,
            refresh_token: self.refresh_token,
            checked_at: moment(self.checked_at)?,
            lapsed_at: moments(self.lapsed_at)?,
            gone_at: moments(self.gone_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct CallRow {
    nonce: String,
    redirect_uri: String,
    code_challenge: String,
    device: String,
    step_up: Option<String>,
    created_at: i64,
    expires_at: i64,
}

const OF: &str = "select issuer, subject, principal_id, refresh_token, checked_at, lapsed_at, gone_at from identities where principal_id = $1";
const BY_SUBJECT: &str = "select issuer, subject, principal_id, refresh_token, checked_at, lapsed_at, gone_at from identities where issuer = $1 and subject = $2";
const ALIKE: &str = "select subject from identities where issuer = $1 and subject <> $2 and lower(replace(subject, ' ', '')) = lower(replace($2, ' ', '')) limit 1";
const WITH_ACCESS: &str = "select distinct i.principal_id from identities i join grants g on g.holder_id = i.principal_id \
     where g.state in ('scheduled', 'activating', 'active') and i.gone_at is null and i.lapsed_at is null and i.checked_at < $1 limit 100";
const LAPSED: &str =
    "select principal_id from identities where lapsed_at < $1 and gone_at is null limit 100";

impl Tx {
    /// What the provider knows of a principal, if it comes from there.
    pub async fn identity_of(&mut self, who: &PrincipalId) -> anyhow::Result<Option<Identity>> {
        let row: Option<IdentityRow> =
            on!(self, c => sqlx::query_as(OF).bind(who.as_str()).fetch_optional(c))
                .context("reading an identity")?;
        row.map(IdentityRow::read).transpose()
    }

    /// Somebody by what alone says who they are at the provider.
    pub async fn identity(
        &mut self,
        issuer: &str,
        subject: &str,
    ) -> anyhow::Result<Option<Identity>> {
        let row: Option<IdentityRow> =
            on!(self, c => sqlx::query_as(BY_SUBJECT).bind(issuer).bind(subject).fetch_optional(c))
                .context("reading an identity")?;
        row.map(IdentityRow::read).transpose()
    }

    /// Whether somebody at this issuer has the same subject but for capitals and spaces. Until this transaction ends
    /// nobody is added who could.
    pub async fn has_alike(&mut self, issuer: &str, subject: &str) -> anyhow::Result<bool> {
        // SQLite has one writer, and it is this transaction.
        if self.is_postgres() {
            let hold = "lock table identities in share row exclusive mode";
            touch!(self, c => sqlx::query(hold).execute(c)).context("holding the identities")?;
        }
        let row: Option<(String,)> =
            on!(self, c => sqlx::query_as(ALIKE).bind(issuer).bind(subject).fetch_optional(c))
                .context("looking for identities that are alike")?;
        Ok(row.is_some())
    }

    /// Principals with access whose groups were last asked for before a moment.
    pub async fn stale_holders(
        &mut self,
        before: DateTime<Utc>,
    ) -> anyhow::Result<Vec<PrincipalId>> {
        let rows: Vec<(String,)> =
            on!(self, c => sqlx::query_as(WITH_ACCESS).bind(millis(before)).fetch_all(c))
                .context("looking for identities")?;
        rows.into_iter()
            .map(|(id,)| stored("principal id", &id))
            .collect()
    }

    /// Principals whom the provider has not confirmed any more since before a moment.
    pub async fn lapsed_before(
        &mut self,
        before: DateTime<Utc>,
    ) -> anyhow::Result<Vec<PrincipalId>> {
        let rows: Vec<(String,)> =
            on!(self, c => sqlx::query_as(LAPSED).bind(millis(before)).fetch_all(c))
                .context("looking for identities")?;
        rows.into_iter()
            .map(|(id,)| stored("principal id", &id))
            .collect()
    }

    /// Adds an identity, or notes what the provider just said of a known one.
    pub async fn save_identity(
        &mut self,
        identity: &Identity,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query(
            "insert into identities (issuer, subject, principal_id, refresh_token, created_at, checked_at, asking_until, gone_at, lapsed_at) values ($1, $2, $3, $4, $5, $6, 0, $7, $8) \
             on conflict (issuer, subject) do update set refresh_token = excluded.refresh_token, checked_at = excluded.checked_at, asking_until = 0, gone_at = excluded.gone_at, lapsed_at = excluded.lapsed_at")
            .bind(&identity.issuer).bind(&identity.subject).bind(identity.principal.as_str()).bind(&identity.refresh_token)
            .bind(millis(now)).bind(millis(identity.checked_at)).bind(identity.gone_at.map(millis)).bind(identity.lapsed_at.map(millis)).execute(c))
        .context("writing an identity")?;
        Ok(())
    }

    /// Takes the turn to ask the provider about somebody; `false` when another has it.
    pub async fn take_identity(
        &mut self,
        who: &PrincipalId,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update identities set asking_until = $3 where principal_id = $1 and asking_until <= $2")
            .bind(who.as_str()).bind(millis(now)).bind(millis(until)).execute(c))
        .context("taking an identity")?;
        Ok(rows == 1)
    }

    /// Gives the turn back without an answer.
    pub async fn drop_identity(&mut self, who: &PrincipalId) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update identities set asking_until = 0 where principal_id = $1").bind(who.as_str()).execute(c))
            .context("giving an identity back")?;
        Ok(())
    }

    /// Remembers a call to the provider under the hash of its state, and forgets those that are over.
    pub async fn insert_provider_call(
        &mut self,
        state: &str,
        call: &ProviderCall,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from provider_calls where expires_at < $1").bind(millis(call.created_at)).execute(c))
            .context("forgetting calls to the provider")?;
        let step_up = call.step_up.as_ref().map(serde_json::to_string);
        let step_up = step_up.transpose().context("writing a step-up")?;
        touch!(self, c => sqlx::query("insert into provider_calls (state, nonce, redirect_uri, code_challenge, device, step_up, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(state).bind(&call.nonce).bind(&call.redirect_uri).bind(&call.code_challenge).bind(&call.device).bind(step_up)
            .bind(millis(call.created_at)).bind(millis(call.expires_at)).execute(c))
        .context("writing a call to the provider")?;
        Ok(())
    }

    /// Takes a call out: whoever comes second finds nothing.
    pub async fn take_provider_call(
        &mut self,
        state: &str,
    ) -> anyhow::Result<Option<ProviderCall>> {
        let row: Option<CallRow> = on!(self, c => sqlx::query_as(
            "delete from provider_calls where state = $1 returning nonce, redirect_uri, code_challenge, device, step_up, created_at, expires_at")
            .bind(state).fetch_optional(c))
        .context("taking a call to the provider")?;
        row.map(|row| {
            let step_up = row.step_up.as_deref().map(serde_json::from_str);
            Ok(ProviderCall {
                step_up: step_up.transpose().context("reading a step-up")?,
                nonce: row.nonce,
                redirect_uri: row.redirect_uri,
                code_challenge: row.code_challenge,
                device: row.device,
                created_at: moment(row.created_at)?,
                expires_at: moment(row.expires_at)?,
            })
        })
        .transpose()
    }
}
