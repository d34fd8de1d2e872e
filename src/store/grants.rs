//! Grants, and the filter that pages of grants and of requests share.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::grant::{CloseKind, Grant};
use crate::domain::ids::{GrantId, PrincipalId, TargetName};
use crate::domain::principal::PrincipalRef;

use super::among::{self, Among};
use super::requests::span;
use super::within::Within;
use super::{Tx, millis, moment, moments, stored, word};

/// Which requests or grants a page shows. Empty lists mean "any".
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub states: Vec<&'static str>,
    pub person: Option<PrincipalId>,
    /// What its reader may see; none where that is everything.
    pub within: Option<Within>,
    pub target: Option<TargetName>,
    /// What else of a filter's text can be compared here.
    pub among: Among,
    /// Made at this moment or later, and before that one.
    pub made: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    /// The `(created_at, id)` of the last row of the page before.
    pub after: Option<(i64, String)>,
}

pub(in crate::store) enum Bind {
    Text(String),
    Number(i64),
}

pub(in crate::store) struct Binds(pub Vec<Bind>);

impl Binds {
    pub(in crate::store) fn push(&mut self, bind: Bind) -> usize {
        self.0.push(bind);
        self.0.len()
    }

    pub(in crate::store) fn bind<'q, DB, O>(
        &'q self,
        mut query: sqlx::query::QueryAs<'q, DB, O, DB::Arguments>,
    ) -> sqlx::query::QueryAs<'q, DB, O, DB::Arguments>
    where
        DB: sqlx::Database,
        &'q str: sqlx::Encode<'q, DB> + sqlx::Type<DB>,
        i64: sqlx::Encode<'q, DB> + sqlx::Type<DB>,
    {
        for bind in &self.0 {
            query = match bind {
                Bind::Text(text) => query.bind(text.as_str()),
                Bind::Number(number) => query.bind(*number),
            };
        }
        query
    }
}

impl Filter {
    /// The statement for one page, newest first. Only our own words are put into the text; values are bound.
    pub(in crate::store) fn select(
        &self,
        columns: &str,
        table: &str,
        person: &str,
        limit: i64,
    ) -> (String, Binds) {
        let mut binds = Binds(Vec::new());
        let mut sql = format!("select {columns} from {table} where 1 = 1");
        if !self.states.is_empty() {
            let places: Vec<String> = self
                .states
                .iter()
                .map(|state| format!("${}", binds.push(Bind::Text((*state).to_owned()))))
                .collect();
            sql.push_str(&format!(" and state in ({})", places.join(", ")));
        }
        if let Some(who) = &self.person {
            sql.push_str(&format!(
                " and {person} = ${}",
                binds.push(Bind::Text(who.to_string()))
            ));
        }
        if let Some(within) = &self.within {
            sql.push_str(&format!(" and ({})", within.rows(person, &mut binds)));
        }
        if let Some(target) = &self.target {
            sql.push_str(&format!(
                " and target = ${}",
                binds.push(Bind::Text(target.to_string()))
            ));
        }
        among::push(&self.among, person, &mut sql, &mut binds);
        for (than, at) in [(">=", self.made.0), ("<", self.made.1)] {
            if let Some(at) = at {
                let at = binds.push(Bind::Number(millis(at)));
                sql.push_str(&format!(" and created_at {than} ${at}"));
            }
        }
        if let Some((at, id)) = &self.after {
            let at = binds.push(Bind::Number(*at));
            let id = binds.push(Bind::Text(id.clone()));
            sql.push_str(&format!(" and (created_at, id) < (${at}, ${id})"));
        }
        sql.push_str(&format!(
            " order by created_at desc, id desc limit ${}",
            binds.push(Bind::Number(limit))
        ));
        (sql, binds)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    request_id: String,
    holder_id: String,
    holder_name: String,
    target: String,
    role: String,
    reason: String,
    state: String,
    duration: i64,
    max_total: i64,
    not_before: i64,
    starts_at: Option<i64>,
    expires_at: i64,
    max_expires_at: i64,
    close_kind: Option<String>,
    close_reason: Option<String>,
    closed_by_id: Option<String>,
    closed_by_name: Option<String>,
    close_due_at: Option<i64>,
    overriding: Option<String>,
    attempts: i64,
    last_error: Option<String>,
    extensions: i64,
    epoch: i64,
    credential_ends_at: Option<i64>,
    created_at: i64,
    ended_at: Option<i64>,
    version: i64,
}

impl Row {
    fn read(self) -> anyhow::Result<Grant> {
        let closed_by = match (self.closed_by_id, self.closed_by_name) {
            (Some(id), Some(name)) => Some(PrincipalRef {
                id: stored("principal id", &id)?,
                name: stored("principal name", &name)?,
            }),
            _ => None,
        };
        Ok(Grant {
            id: stored("grant id", &self.id)?,
            request: stored("request id", &self.request_id)?,
            holder: PrincipalRef {
                id: stored("principal id", &self.holder_id)?,
                name: stored("principal name", &self.holder_name)?,
            },
            target: stored("target name", &self.target)?,
            role: stored("role name", &self.role)?,
            reason: self.reason,
            state: word("state", &self.state)?,
            duration: span(self.duration)?,
            max_total: span(self.max_total)?,
            not_before: moment(self.not_before)?,
            starts_at: moments(self.starts_at)?,
            expires_at: moment(self.expires_at)?,
            max_expires_at: moment(self.max_expires_at)?,
            close_kind: self
                .close_kind
                .map(|kind| word("close kind", &kind))
                .transpose()?,
            close_reason: self.close_reason,
            closed_by,
            close_due_at: moments(self.close_due_at)?,
            overriding: self
                .overriding
                .map(|text| serde_json::from_str(&text).context("reading an override"))
                .transpose()?,
            attempts: self.attempts,
            last_error: self.last_error,
            extensions: self.extensions,
            epoch: self.epoch,
            credential_ends_at: moments(self.credential_ends_at)?,
            created_at: moment(self.created_at)?,
            ended_at: moments(self.ended_at)?,
            version: self.version,
        })
    }
}

const COLUMNS: &str = "id, request_id, holder_id, holder_name, target, role, reason, state, duration, max_total, not_before, starts_at, expires_at, max_expires_at, close_kind, close_reason, closed_by_id, closed_by_name, close_due_at, overriding, attempts, last_error, extensions, epoch, credential_ends_at, created_at, ended_at, version";
const BY_ID: &str = "select id, request_id, holder_id, holder_name, target, role, reason, state, duration, max_total, not_before, starts_at, expires_at, max_expires_at, close_kind, close_reason, closed_by_id, closed_by_name, close_due_at, overriding, attempts, last_error, extensions, epoch, credential_ends_at, created_at, ended_at, version from grants where id = $1";

impl Tx {
    /// One grant.
    pub async fn grant(&mut self, id: &GrantId) -> anyhow::Result<Option<Grant>> {
        let row: Option<Row> =
            on!(self, c => sqlx::query_as(BY_ID).bind(id.as_str()).fetch_optional(c))
                .context("reading a grant")?;
        row.map(Row::read).transpose()
    }

    /// A page of grants, newest first.
    pub async fn grants(&mut self, filter: &Filter, limit: i64) -> anyhow::Result<Vec<Grant>> {
        let (sql, binds) = filter.select(COLUMNS, "grants", "holder_id", limit);
        let rows: Vec<Row> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c)).context("reading grants")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// The grants on one target that are not over: what reconciling compares the target with.
    pub async fn open_grants_on(&mut self, target: &TargetName) -> anyhow::Result<Vec<Grant>> {
        let filter = Filter {
            states: vec!["scheduled", "activating", "active", "closing"],
            target: Some(target.clone()),
            ..Filter::default()
        };
        self.grants(&filter, i64::from(i32::MAX)).await
    }

    /// The grants on one target that are over, and of which a credential is good for longer than to this moment.
    pub async fn outlived_grants_on(
        &mut self,
        target: &TargetName,
        at: DateTime<Utc>,
    ) -> anyhow::Result<Vec<Grant>> {
        // No credential outlives the planned end, so the index on that has few rows to look at.
        let sql = format!(
            "select {COLUMNS} from grants where state in ('closing', 'ended', 'returned', 'revoked') and expires_at > $1 \
             and target = $2 and credential_ends_at > $1 order by id"
        );
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(millis(at)).bind(target.as_str()).fetch_all(c))
            .context("reading grants that are over")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Every grant that fits, newest first, held until the transaction ends: nobody changes one in between, so that a
    /// change of many cannot fail because of one.
    pub async fn hold_grants(&mut self, filter: &Filter) -> anyhow::Result<Vec<Grant>> {
        let (mut sql, binds) = filter.select(COLUMNS, "grants", "holder_id", i64::from(i32::MAX));
        if self.is_postgres() {
            // All who hold several take them in this order. A promise may still point at a held grant.
            sql.push_str(" for no key update");
        }
        let rows: Vec<Row> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c)).context("holding grants")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// As many grants as a statement can name.
    pub(in crate::store) async fn grants_in(
        &mut self,
        ids: &[GrantId],
    ) -> anyhow::Result<Vec<Grant>> {
        let places: Vec<String> = (1..=ids.len()).map(|place| format!("${place}")).collect();
        let sql = format!(
            "select {COLUMNS} from grants where id in ({})",
            places.join(", ")
        );
        let rows: Vec<Row> = on!(self, c => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()));
            for id in ids {
                query = query.bind(id.as_str());
            }
            query.fetch_all(c)
        })
        .context("reading grants")?;
        rows.into_iter().map(Row::read).collect()
    }

    pub(in crate::store) async fn insert_grant(&mut self, grant: &Grant) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query(
            "insert into grants (id, request_id, holder_id, holder_name, target, role, reason, state, duration, max_total, not_before, expires_at, max_expires_at, attempts, extensions, epoch, created_at, version) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)")
            .bind(grant.id.as_str()).bind(grant.request.as_str()).bind(grant.holder.id.as_str()).bind(grant.holder.name.as_str())
            .bind(grant.target.as_str()).bind(grant.role.as_str()).bind(&grant.reason).bind(grant.state.as_str())
            .bind(i64::from(grant.duration.seconds())).bind(i64::from(grant.max_total.seconds()))
            .bind(millis(grant.not_before)).bind(millis(grant.expires_at)).bind(millis(grant.max_expires_at))
            .bind(grant.attempts).bind(grant.extensions).bind(grant.epoch).bind(millis(grant.created_at)).bind(grant.version).execute(c))
        .context("writing a grant")?;
        Ok(())
    }

    pub(in crate::store) async fn update_grant(&mut self, grant: &Grant) -> anyhow::Result<bool> {
        let overriding = grant.overriding.as_ref().map(serde_json::to_string);
        let overriding = overriding.transpose().context("writing an override")?;
        let rows = touch!(self, c => sqlx::query(
            "update grants set state = $2, starts_at = $3, expires_at = $4, max_expires_at = $5, close_kind = $6, close_reason = $7, closed_by_id = $8, closed_by_name = $9, \
             attempts = $10, last_error = $11, extensions = $12, epoch = $13, ended_at = $14, version = $15, close_due_at = $16, overriding = $17 \
             where id = $1 and version = $18 and state not in ('ended', 'returned', 'revoked', 'activation_failed')")
            .bind(grant.id.as_str()).bind(grant.state.as_str()).bind(grant.starts_at.map(millis)).bind(millis(grant.expires_at)).bind(millis(grant.max_expires_at))
            .bind(grant.close_kind.map(CloseKind::as_str)).bind(grant.close_reason.as_deref())
            .bind(grant.closed_by.as_ref().map(|by| by.id.as_str())).bind(grant.closed_by.as_ref().map(|by| by.name.as_str()))
            .bind(grant.attempts).bind(grant.last_error.as_deref()).bind(grant.extensions).bind(grant.epoch)
            .bind(grant.ended_at.map(millis)).bind(grant.version).bind(grant.close_due_at.map(millis)).bind(&overriding).bind(grant.version - 1).execute(c))
        .context("writing a grant")?;
        Ok(rows == 1)
    }

    /// INVARIANT: a credential is recorded only while the grant is active in the same transaction, so that a
    /// closing that commits first makes this fail, and one that commits later knows of the credential.
    pub(in crate::store) async fn update_credential(
        &mut self,
        grant: &Grant,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update grants set credential_ends_at = $2 where id = $1 and version = $3 and state = 'active'")
            .bind(grant.id.as_str()).bind(grant.credential_ends_at.map(millis)).bind(grant.version).execute(c))
        .context("writing a credential")?;
        Ok(rows == 1)
    }
}
