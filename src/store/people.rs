//! Principals, their sign-ins, and the tokens and one-time codes of those. Secrets are stored as hashes only.

use std::collections::BTreeSet;

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::{GroupName, PrincipalId, PrincipalName};
use crate::domain::principal::{Principal, PrincipalRef, ProductRole};
use crate::domain::roles::Roles;
use crate::domain::service::Service;

use super::grants::{Bind, Binds};
use super::{Tx, millis, moments, stored};

#[derive(sqlx::FromRow)]
pub(super) struct PrincipalRow {
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
    pub(super) fn read(self) -> anyhow::Result<Principal> {
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
struct ServiceRow {
    ends_at: Option<i64>,
    #[sqlx(flatten)]
    principal: PrincipalRow,
}

/// More people than this in one group are not looked at one by one.
const REVIEWERS_MAX: u32 = 1_000;
/// Who may review, on every target or on some, and is in a group.
const REVIEWERS: &str = "select id, name, roles, group_names, owner_id, owner_name, scopes, maker_id from principals where id <> $1 and owner_id is null and group_names like $2 escape '\\' and (roles like $3 escape '\\' or roles like $4 escape '\\') limit $5";
const PRINCIPAL: &str = "select id, name, roles, group_names, owner_id, owner_name, scopes, maker_id from principals where id = $1";
const BY_NAME: &str = "select id, name, roles, group_names, owner_id, owner_name, scopes, maker_id from principals where name = $1";
const FIRST_ADMIN: &str = "select id, name, roles, group_names, owner_id, owner_name, scopes, maker_id from principals where owner_id is null and roles like '%\"admin\"%' order by created_at, id limit 1";

const ADMINS: &str = "select id, name, roles, group_names, owner_id, owner_name, scopes, maker_id from principals where owner_id is null and (roles like '%\"admin\"%' or roles like '%\"admin@%') order by name limit 1000";

impl Tx {
    /// Everybody who is an admin, of everything or of something.
    pub async fn admins(&mut self) -> anyhow::Result<Vec<Principal>> {
        let rows: Vec<PrincipalRow> =
            on!(self, c => sqlx::query_as(ADMINS).fetch_all(c)).context("looking for admins")?;
        rows.into_iter().map(PrincipalRow::read).collect()
    }

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

    /// The admin who has been here longest, if there is one.
    pub async fn first_admin(&mut self) -> anyhow::Result<Option<Principal>> {
        let row: Option<PrincipalRow> =
            on!(self, c => sqlx::query_as(FIRST_ADMIN).fetch_optional(c))
                .context("looking for an admin")?;
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
}
