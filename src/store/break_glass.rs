//! Uses of break-glass and their sign-offs.

use std::collections::{HashMap, HashSet};

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::break_glass::{SignOff, Use, UseState, Verdict};
use crate::domain::grant::GrantState;
use crate::domain::ids::{GrantId, PrincipalId, RequestId, TargetName};
use crate::domain::policy::Snapshot;
use crate::domain::principal::PrincipalRef;

use super::grants::{Bind, Binds};
use super::requests::span;
use super::within::Within;
use super::{Tx, millis, moment, moments, stored, word};

/// Which uses a page shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Empty: any.
    pub states: Vec<UseState>,
    pub person: Option<PrincipalId>,
    /// What its reader may see; none where that is everything.
    pub within: Option<Within>,
    pub target: Option<TargetName>,
    /// The `(created_at, id)` of the last row of the page before.
    pub after: Option<(i64, String)>,
}

/// A use with what became of its grant.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub of: Use,
    pub grant_state: GrantState,
    /// When the access ends, or has ended.
    pub ends_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    request_id: String,
    grant_id: String,
    person_id: String,
    person_name: String,
    target: String,
    role: String,
    skipped: String,
    code: Option<String>,
    created_at: i64,
    verdict: Option<String>,
    reviewed_at: Option<i64>,
    version: i64,
    duration: i64,
    reason: String,
    ticket: Option<String>,
    snapshot: String,
    state: String,
    ends_at: i64,
}

impl Row {
    fn read(self, sign_offs: Vec<SignOff>) -> anyhow::Result<Found> {
        let snapshot: Snapshot =
            serde_json::from_str(&self.snapshot).context("reading a policy snapshot")?;
        let code = self.code.as_deref().map(serde_json::from_str).transpose();
        let of = Use {
            request: stored("request id", &self.request_id)?,
            grant: stored("grant id", &self.grant_id)?,
            person: PrincipalRef {
                id: stored("principal id", &self.person_id)?,
                name: stored("principal name", &self.person_name)?,
            },
            target: stored("target name", &self.target)?,
            role: stored("role name", &self.role)?,
            duration: span(self.duration)?,
            reason: self.reason,
            ticket: self.ticket,
            ways: snapshot.ways,
            skipped: serde_json::from_str(&self.skipped).context("reading who was skipped")?,
            code: code.context("reading a sealed code")?,
            created_at: moment(self.created_at)?,
            sign_offs,
            verdict: self
                .verdict
                .map(|text| stored("verdict", &text))
                .transpose()?,
            reviewed_at: moments(self.reviewed_at)?,
            version: self.version,
        };
        Ok(Found {
            of,
            grant_state: word("state", &self.state)?,
            ends_at: moment(self.ends_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct SignOffRow {
    request_id: String,
    reviewer_id: String,
    reviewer_name: String,
    verdict: String,
    comment: String,
    counted_groups: String,
    created_at: i64,
}

impl SignOffRow {
    fn read(self) -> anyhow::Result<SignOff> {
        Ok(SignOff {
            reviewer: PrincipalRef {
                id: stored("principal id", &self.reviewer_id)?,
                name: stored("principal name", &self.reviewer_name)?,
            },
            verdict: stored("verdict", &self.verdict)?,
            comment: self.comment,
            counted_groups: serde_json::from_str(&self.counted_groups)
                .context("reading counted groups")?,
            created_at: moment(self.created_at)?,
        })
    }
}

const USES: &str = "select u.request_id, u.grant_id, u.person_id, u.person_name, u.target, u.role, u.skipped, u.code, u.created_at, u.verdict, u.reviewed_at, u.version, \
     r.duration, r.reason, r.ticket, r.snapshot, g.state, coalesce(g.ended_at, g.expires_at) as ends_at \
     from break_glass u join requests r on r.id = u.request_id join grants g on g.id = u.grant_id where 1 = 1";

impl Filter {
    fn select(&self, limit: i64) -> (String, Binds) {
        let mut binds = Binds(Vec::new());
        let mut sql = USES.to_owned();
        if !self.states.is_empty() {
            let states: Vec<String> = self
                .states
                .iter()
                .map(|state| match state {
                    UseState::Open => "u.verdict is null".to_owned(),
                    UseState::Reviewed(verdict) => {
                        let place = binds.push(Bind::Text(verdict.as_str().to_owned()));
                        format!("u.verdict = ${place}")
                    }
                })
                .collect();
            sql.push_str(&format!(" and ({})", states.join(" or ")));
        }
        if let Some(person) = &self.person {
            let place = binds.push(Bind::Text(person.to_string()));
            sql.push_str(&format!(" and u.person_id = ${place}"));
        }
        if let Some(within) = &self.within {
            sql.push_str(&format!(" and ({})", within.uses(&mut binds)));
        }
        if let Some(target) = &self.target {
            let place = binds.push(Bind::Text(target.to_string()));
            sql.push_str(&format!(" and u.target = ${place}"));
        }
        if let Some((at, id)) = &self.after {
            let at = binds.push(Bind::Number(*at));
            let id = binds.push(Bind::Text(id.clone()));
            sql.push_str(&format!(
                " and (u.created_at, u.request_id) < (${at}, ${id})"
            ));
        }
        sql.push_str(&format!(
            " order by u.created_at desc, u.request_id desc limit ${}",
            binds.push(Bind::Number(limit))
        ));
        (sql, binds)
    }
}

impl Tx {
    /// A page of uses, newest first, with their sign-offs.
    pub async fn uses(&mut self, filter: &Filter, limit: i64) -> anyhow::Result<Vec<Found>> {
        let (sql, binds) = filter.select(limit);
        let rows: Vec<Row> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c)).context("reading uses of break-glass")?;
        let ids: Vec<String> = rows.iter().map(|row| row.request_id.clone()).collect();
        let mut sign_offs = self.sign_offs_of(&ids).await?;
        rows.into_iter()
            .map(|row| {
                let of_this = sign_offs.remove(&row.request_id).unwrap_or_default();
                row.read(of_this)
            })
            .collect()
    }

    /// One use.
    pub async fn use_of(&mut self, id: &RequestId) -> anyhow::Result<Option<Found>> {
        let sql = format!("{USES} and u.request_id = $1");
        let row: Option<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(id.as_str()).fetch_optional(c)).context("reading a use of break-glass")?;
        let Some(row) = row else { return Ok(None) };
        let sign_offs = self
            .sign_offs_of(std::slice::from_ref(&row.request_id))
            .await?;
        let of_this = sign_offs.into_values().next().unwrap_or_default();
        row.read(of_this).map(Some)
    }

    async fn sign_offs_of(
        &mut self,
        uses: &[String],
    ) -> anyhow::Result<HashMap<String, Vec<SignOff>>> {
        let mut found: HashMap<String, Vec<SignOff>> = HashMap::new();
        if uses.is_empty() {
            return Ok(found);
        }
        let places: Vec<String> = (1..=uses.len()).map(|n| format!("${n}")).collect();
        let sql = format!(
            "select request_id, reviewer_id, reviewer_name, verdict, comment, counted_groups, created_at from break_glass_sign_offs where request_id in ({}) order by version",
            places.join(", ")
        );
        let rows: Vec<SignOffRow> = on!(self, c => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()));
            for id in uses {
                query = query.bind(id);
            }
            query.fetch_all(c)
        })
        .context("reading sign-offs")?;
        for row in rows {
            let of = row.request_id.clone();
            found.entry(of).or_default().push(row.read()?);
        }
        Ok(found)
    }

    /// The use of this person that waits for its sign-off.
    pub async fn open_use(&mut self, who: &PrincipalId) -> anyhow::Result<Option<RequestId>> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(
            "select request_id from break_glass where person_id = $1 and verdict is null")
            .bind(who.as_str()).fetch_optional(c))
        .context("looking for a break-glass that waits")?;
        row.map(|(id,)| stored("request id", &id)).transpose()
    }

    /// Whether the grant came of a break-glass that was done with a sealed code.
    pub async fn is_sealed(&mut self, grant: &GrantId) -> anyhow::Result<bool> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(
            "select request_id from break_glass where grant_id = $1 and code is not null")
            .bind(grant.as_str()).fetch_optional(c))
        .context("looking at where a grant comes from")?;
        Ok(row.is_some())
    }

    /// Which of these grants came of a break-glass; as many as a statement can name.
    pub async fn broke_glass(&mut self, grants: &[&GrantId]) -> anyhow::Result<HashSet<GrantId>> {
        if grants.is_empty() {
            return Ok(HashSet::new());
        }
        let places: Vec<String> = (1..=grants.len()).map(|n| format!("${n}")).collect();
        let sql = format!(
            "select grant_id from break_glass where grant_id in ({})",
            places.join(", ")
        );
        let rows: Vec<(String,)> = on!(self, c => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()));
            for id in grants {
                query = query.bind(id.as_str());
            }
            query.fetch_all(c)
        })
        .context("looking at where grants come from")?;
        rows.iter().map(|(id,)| stored("grant id", id)).collect()
    }

    /// Adds a use; `false` where its person has another one that waits.
    pub(in crate::store) async fn insert_use(&mut self, of: &Use) -> anyhow::Result<bool> {
        let skipped = serde_json::to_string(&of.skipped)?;
        let code = of.code.as_ref().map(serde_json::to_string).transpose()?;
        let rows = touch!(self, c => sqlx::query(
            "insert into break_glass (request_id, grant_id, person_id, person_name, target, role, skipped, code, created_at, version) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing")
            .bind(of.request.as_str()).bind(of.grant.as_str()).bind(of.person.id.as_str()).bind(of.person.name.as_str())
            .bind(of.target.as_str()).bind(of.role.as_str()).bind(&skipped).bind(&code)
            .bind(millis(of.created_at)).bind(of.version).execute(c))
        .context("writing a break-glass")?;
        Ok(rows == 1)
    }

    pub(in crate::store) async fn update_use(&mut self, of: &Use) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query(
            "update break_glass set verdict = $2, reviewed_at = $3, version = $4 where request_id = $1 and version = $5 and verdict is null")
            .bind(of.request.as_str()).bind(of.verdict.map(Verdict::as_str)).bind(of.reviewed_at.map(millis))
            .bind(of.version).bind(of.version - 1).execute(c))
        .context("writing a break-glass")?;
        Ok(rows == 1)
    }

    pub(in crate::store) async fn insert_sign_off(
        &mut self,
        of: &Use,
        sign_off: &SignOff,
    ) -> anyhow::Result<()> {
        let groups = serde_json::to_string(&sign_off.counted_groups)?;
        touch!(self, c => sqlx::query(
            "insert into break_glass_sign_offs (request_id, reviewer_id, reviewer_name, verdict, comment, counted_groups, created_at, version) \
             values ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(of.request.as_str()).bind(sign_off.reviewer.id.as_str()).bind(sign_off.reviewer.name.as_str())
            .bind(sign_off.verdict.as_str()).bind(&sign_off.comment).bind(&groups)
            .bind(millis(sign_off.created_at)).bind(of.version).execute(c))
        .context("writing a sign-off")?;
        Ok(())
    }
}
