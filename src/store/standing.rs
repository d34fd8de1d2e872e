//! Standing access. A piece of it has one row for ever: what is gone and comes back is the same one.

use std::collections::HashMap;

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::{StandingId, TargetName};
use crate::domain::principal::PrincipalRef;
use crate::domain::standing::{Said, Standing, StandingKind, StandingState};

use super::grants::{Bind, Binds};
use super::within::Within;
use super::{Tx, millis, moment, moments, stored};

/// Which standing access a page shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Empty: any.
    pub states: Vec<StandingState>,
    pub target: Option<TargetName>,
    /// The `(found_at, id)` of the last row of the page before.
    pub after: Option<(i64, String)>,
    /// What its reader may see; none where that is everything.
    pub within: Option<Within>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    target: String,
    kind: String,
    subject: String,
    rights: String,
    found_at: i64,
    since_at: Option<i64>,
    gone_at: Option<i64>,
    said_by_id: Option<String>,
    said_by_name: Option<String>,
    said_at: Option<i64>,
    reason: Option<String>,
    owner: Option<String>,
    until_at: Option<i64>,
    version: i64,
}

impl Row {
    fn read(self) -> anyhow::Result<Standing> {
        let said = match (
            &self.said_by_id,
            &self.said_by_name,
            self.said_at,
            self.reason,
        ) {
            (Some(id), Some(name), Some(at), Some(reason)) => Some(Said {
                by: PrincipalRef {
                    id: stored("principal id", id)?,
                    name: stored("principal name", name)?,
                },
                at: moment(at)?,
                reason,
                import: match (&self.owner, self.until_at) {
                    (Some(owner), Some(until)) => {
                        Some((stored("principal name", owner)?, moment(until)?))
                    }
                    _ => None,
                },
            }),
            _ => None,
        };
        let kind = StandingKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == self.kind)
            .with_context(|| format!("the database has standing access of kind `{}`", self.kind))?;
        Ok(Standing {
            id: stored("standing access id", &self.id)?,
            target: stored("target name", &self.target)?,
            kind,
            subject: self.subject,
            rights: serde_json::from_str(&self.rights)
                .with_context(|| format!("reading the rights of {}", self.id))?,
            found_at: moment(self.found_at)?,
            since: moments(self.since_at)?,
            gone_at: moments(self.gone_at)?,
            said,
            version: self.version,
        })
    }
}

const COLUMNS: &str = "id, target, kind, subject, rights, found_at, since_at, gone_at, said_by_id, said_by_name, said_at, reason, owner, until_at, version";

impl Filter {
    fn select(&self, now: DateTime<Utc>, limit: i64) -> (String, Binds) {
        let mut binds = Binds(Vec::new());
        let mut sql = format!("select {COLUMNS} from standing where 1 = 1");
        if !self.states.is_empty() {
            let now = binds.push(Bind::Number(millis(now)));
            let states: Vec<String> = self
                .states
                .iter()
                .map(|state| match state {
                    StandingState::Open => {
                        format!("(gone_at is null and (said_at is null or until_at <= ${now}))")
                    }
                    StandingState::Imported => {
                        format!("(gone_at is null and until_at > ${now})")
                    }
                    StandingState::Ignored => {
                        "(gone_at is null and said_at is not null and until_at is null)".to_owned()
                    }
                    StandingState::Gone => "gone_at is not null".to_owned(),
                })
                .collect();
            sql.push_str(&format!(" and ({})", states.join(" or ")));
        }
        if let Some(target) = &self.target {
            let target = binds.push(Bind::Text(target.to_string()));
            sql.push_str(&format!(" and target = ${target}"));
        }
        if let Some(within) = &self.within {
            sql.push_str(&format!(" and ({})", within.targets(&mut binds)));
        }
        if let Some((at, id)) = &self.after {
            let at = binds.push(Bind::Number(*at));
            let id = binds.push(Bind::Text(id.clone()));
            sql.push_str(&format!(" and (found_at, id) < (${at}, ${id})"));
        }
        sql.push_str(&format!(
            " order by found_at desc, id desc limit ${}",
            binds.push(Bind::Number(limit))
        ));
        (sql, binds)
    }
}

impl Tx {
    /// A page of standing access, newest first.
    pub async fn standing(
        &mut self,
        filter: &Filter,
        now: DateTime<Utc>,
        limit: i64,
    ) -> anyhow::Result<Vec<Standing>> {
        let (sql, binds) = filter.select(now, limit);
        let rows: Vec<Row> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c))
            .context("reading standing access")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// One piece of it.
    pub async fn one_standing(&mut self, id: &StandingId) -> anyhow::Result<Option<Standing>> {
        let sql = format!("select {COLUMNS} from standing where id = $1");
        let row: Option<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(id.as_str()).fetch_optional(c))
            .context("reading standing access")?;
        row.map(Row::read).transpose()
    }

    /// How much of it nobody has said anything about, or not for now.
    pub async fn open_standing(&mut self, now: DateTime<Utc>) -> anyhow::Result<i64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as("select count(*) from standing where gone_at is null and (said_at is null or until_at <= $1)").bind(millis(now)).fetch_one(c))
            .context("counting standing access")?;
        Ok(count)
    }

    /// Notes that a host has told everything that it has to tell.
    pub async fn host_reported(
        &mut self,
        target: &TargetName,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into standing_reports (target, reported_at) values ($1, $2) \
             on conflict (target) do update set reported_at = excluded.reported_at").bind(target.as_str()).bind(millis(now)).execute(c))
        .context("writing that a host reported")?;
        Ok(())
    }

    /// When each host reported last.
    pub async fn reports_of_hosts(&mut self) -> anyhow::Result<HashMap<TargetName, DateTime<Utc>>> {
        let rows: Vec<(String, i64)> = on!(self, c => sqlx::query_as("select target, reported_at from standing_reports").fetch_all(c))
            .context("reading when hosts reported")?;
        let read = |(target, at): (String, i64)| Ok((stored("target name", &target)?, moment(at)?));
        rows.into_iter().map(read).collect()
    }

    /// Answers `false` when another node has found it in the same moment.
    pub(in crate::store) async fn insert_standing(
        &mut self,
        standing: &Standing,
    ) -> anyhow::Result<bool> {
        let rights = serde_json::to_string(&standing.rights).context("writing rights")?;
        let rows = touch!(self, c => sqlx::query(
            "insert into standing (id, target, kind, subject, rights, found_at, since_at, version) values ($1, $2, $3, $4, $5, $6, $7, $8) \
             on conflict (target, kind, subject) do nothing")
            .bind(standing.id.as_str()).bind(standing.target.as_str()).bind(standing.kind.as_str()).bind(&standing.subject)
            .bind(&rights).bind(millis(standing.found_at)).bind(standing.since.map(millis)).bind(standing.version).execute(c))
        .context("writing standing access")?;
        Ok(rows == 1)
    }

    pub(in crate::store) async fn update_standing(
        &mut self,
        standing: &Standing,
    ) -> anyhow::Result<bool> {
        let rights = serde_json::to_string(&standing.rights).context("writing rights")?;
        let said = standing.said.as_ref();
        let import = said.and_then(|said| said.import.as_ref());
        let rows = touch!(self, c => sqlx::query(
            "update standing set rights = $2, found_at = $3, gone_at = $4, said_by_id = $5, said_by_name = $6, said_at = $7, \
             reason = $8, owner = $9, until_at = $10, since_at = $11, version = $12 where id = $1 and version = $13")
            .bind(standing.id.as_str()).bind(&rights).bind(millis(standing.found_at)).bind(standing.gone_at.map(millis))
            .bind(said.map(|said| said.by.id.as_str())).bind(said.map(|said| said.by.name.as_str()))
            .bind(said.map(|said| millis(said.at))).bind(said.map(|said| said.reason.as_str()))
            .bind(import.map(|(owner, _)| owner.as_str())).bind(import.map(|(_, until)| millis(*until)))
            .bind(standing.since.map(millis)).bind(standing.version).bind(standing.version - 1).execute(c))
        .context("writing standing access")?;
        Ok(rows == 1)
    }
}
