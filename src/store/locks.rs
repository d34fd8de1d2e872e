//! Locks. Few are ever in force, so every decision loads all of those.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::{IncidentId, LockId};
use crate::domain::lock::{Blocked, Lock, LockState};
use crate::domain::principal::PrincipalRef;

use super::grants::{Bind, Binds};
use super::within::Within;
use super::{Tx, millis, moment, moments, stored};

/// Which locks a page shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Empty: any.
    pub states: Vec<LockState>,
    /// The `(created_at, id)` of the last row of the page before.
    pub after: Option<(i64, String)>,
    /// What its reader may see; none where that is everything.
    pub within: Option<Within>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    kind: String,
    principal_id: Option<String>,
    principal_name: Option<String>,
    target: Option<String>,
    role: Option<String>,
    tag_name: Option<String>,
    tag_value: Option<String>,
    reason: String,
    placed_by_id: String,
    placed_by_name: String,
    created_at: i64,
    ends_at: Option<i64>,
    lifted_by_id: Option<String>,
    lifted_by_name: Option<String>,
    lifted_at: Option<i64>,
    lift_reason: Option<String>,
    incident_id: Option<String>,
    grants_closed: i64,
    version: i64,
}

fn principal(id: &str, name: &str) -> anyhow::Result<PrincipalRef> {
    Ok(PrincipalRef {
        id: stored("principal id", id)?,
        name: stored("principal name", name)?,
    })
}

impl Row {
    fn on(&self) -> anyhow::Result<Blocked> {
        let part = |what: &str, text: &Option<String>| {
            text.clone()
                .with_context(|| format!("lock {} names no {what}", self.id))
        };
        Ok(match self.kind.as_str() {
            "principal" => Blocked::Principal(principal(
                &part("principal", &self.principal_id)?,
                &part("principal", &self.principal_name)?,
            )?),
            "target" => Blocked::Target(stored("target name", &part("target", &self.target)?)?),
            "role" => Blocked::Role(
                stored("target name", &part("target", &self.target)?)?,
                stored("role name", &part("role", &self.role)?)?,
            ),
            "tag" => Blocked::Tag {
                name: part("tag", &self.tag_name)?,
                value: part("tag", &self.tag_value)?,
            },
            "everything" => Blocked::Everything,
            other => anyhow::bail!("the database has a lock on a `{other}`"),
        })
    }

    fn read(self) -> anyhow::Result<Lock> {
        let lifted_by = match (&self.lifted_by_id, &self.lifted_by_name) {
            (Some(id), Some(name)) => Some(principal(id, name)?),
            _ => None,
        };
        Ok(Lock {
            id: stored("lock id", &self.id)?,
            on: self.on()?,
            placed_by: principal(&self.placed_by_id, &self.placed_by_name)?,
            created_at: moment(self.created_at)?,
            ends_at: moments(self.ends_at)?,
            lifted_by,
            lifted_at: moments(self.lifted_at)?,
            lift_reason: self.lift_reason,
            incident: self
                .incident_id
                .map(|id| stored("incident id", &id))
                .transpose()?,
            grants_closed: self.grants_closed,
            version: self.version,
            reason: self.reason,
        })
    }
}

/// A lock's kind, and the parts that it names.
#[derive(Default)]
struct Parts<'a> {
    kind: &'static str,
    principal: Option<&'a PrincipalRef>,
    target: Option<&'a str>,
    role: Option<&'a str>,
    tag: Option<(&'a str, &'a str)>,
}

fn parts(on: &Blocked) -> Parts<'_> {
    let nothing = Parts::default();
    match on {
        Blocked::Principal(who) => Parts {
            kind: "principal",
            principal: Some(who),
            ..nothing
        },
        Blocked::Target(target) => Parts {
            kind: "target",
            target: Some(target.as_str()),
            ..nothing
        },
        Blocked::Role(target, role) => Parts {
            kind: "role",
            target: Some(target.as_str()),
            role: Some(role.as_str()),
            ..nothing
        },
        Blocked::Tag { name, value } => Parts {
            kind: "tag",
            tag: Some((name, value)),
            ..nothing
        },
        Blocked::Everything => Parts {
            kind: "everything",
            ..nothing
        },
    }
}

const COLUMNS: &str = "id, kind, principal_id, principal_name, target, role, tag_name, tag_value, reason, placed_by_id, placed_by_name, created_at, ends_at, lifted_by_id, lifted_by_name, lifted_at, lift_reason, incident_id, grants_closed, version";

impl Filter {
    fn select(&self, now: DateTime<Utc>, limit: i64) -> (String, Binds) {
        let mut binds = Binds(Vec::new());
        let mut sql = format!("select {COLUMNS} from locks where 1 = 1");
        if !self.states.is_empty() {
            let now = binds.push(Bind::Number(millis(now)));
            let states: Vec<String> = self
                .states
                .iter()
                .map(|state| match state {
                    LockState::InForce => {
                        format!("(lifted_at is null and (ends_at is null or ends_at > ${now}))")
                    }
                    LockState::Lifted => "lifted_at is not null".to_owned(),
                    LockState::Over => {
                        format!("(lifted_at is null and ends_at <= ${now})")
                    }
                })
                .collect();
            sql.push_str(&format!(" and ({})", states.join(" or ")));
        }
        if let Some(within) = &self.within {
            sql.push_str(&format!(" and ({})", within.locks(&mut binds)));
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

impl Tx {
    /// Every lock in force, oldest first.
    pub async fn locks_in_force(&mut self, now: DateTime<Utc>) -> anyhow::Result<Vec<Lock>> {
        let filter = Filter {
            states: vec![LockState::InForce],
            ..Filter::default()
        };
        let mut locks = self.locks(&filter, now, i64::from(i32::MAX)).await?;
        locks.reverse();
        Ok(locks)
    }

    /// A page of locks, newest first.
    pub async fn locks(
        &mut self,
        filter: &Filter,
        now: DateTime<Utc>,
        limit: i64,
    ) -> anyhow::Result<Vec<Lock>> {
        let (sql, binds) = filter.select(now, limit);
        let rows: Vec<Row> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c)).context("reading locks")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// One lock.
    pub async fn lock(&mut self, id: &LockId) -> anyhow::Result<Option<Lock>> {
        let sql = format!("select {COLUMNS} from locks where id = $1");
        let row: Option<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(id.as_str()).fetch_optional(c)).context("reading a lock")?;
        row.map(Row::read).transpose()
    }

    /// The locks that were placed in an incident, oldest first.
    pub async fn locks_of(&mut self, incident: &IncidentId) -> anyhow::Result<Vec<Lock>> {
        let sql =
            format!("select {COLUMNS} from locks where incident_id = $1 order by created_at, id");
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(incident.as_str()).fetch_all(c)).context("reading the locks of an incident")?;
        rows.into_iter().map(Row::read).collect()
    }

    pub(in crate::store) async fn insert_lock(&mut self, lock: &Lock) -> anyhow::Result<()> {
        let on = parts(&lock.on);
        touch!(self, c => sqlx::query(
            "insert into locks (id, kind, principal_id, principal_name, target, role, tag_name, tag_value, reason, placed_by_id, placed_by_name, created_at, ends_at, incident_id, grants_closed, version) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)")
            .bind(lock.id.as_str()).bind(on.kind)
            .bind(on.principal.map(|who| who.id.as_str())).bind(on.principal.map(|who| who.name.as_str()))
            .bind(on.target).bind(on.role).bind(on.tag.map(|(name, _)| name)).bind(on.tag.map(|(_, value)| value))
            .bind(&lock.reason).bind(lock.placed_by.id.as_str()).bind(lock.placed_by.name.as_str())
            .bind(millis(lock.created_at)).bind(lock.ends_at.map(millis)).bind(lock.incident.as_ref().map(IncidentId::as_str))
            .bind(lock.grants_closed).bind(lock.version).execute(c))
        .context("writing a lock")?;
        Ok(())
    }

    pub(in crate::store) async fn update_lock(&mut self, lock: &Lock) -> anyhow::Result<bool> {
        let by = lock.lifted_by.as_ref();
        let rows = touch!(self, c => sqlx::query(
            "update locks set lifted_by_id = $2, lifted_by_name = $3, lifted_at = $4, lift_reason = $5, version = $6 where id = $1 and version = $7 and lifted_at is null")
            .bind(lock.id.as_str()).bind(by.map(|by| by.id.as_str())).bind(by.map(|by| by.name.as_str()))
            .bind(lock.lifted_at.map(millis)).bind(lock.lift_reason.as_deref()).bind(lock.version).bind(lock.version - 1).execute(c))
        .context("writing a lock")?;
        Ok(rows == 1)
    }
}
