//! The audit log: events are appended in the transaction of their change, numbered afterwards, and read by index.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::event::{Event, EventCode, Outcome};
use crate::domain::ids::{GrantId, PrincipalName, RequestId, TargetName};
use crate::query::index::Needed;
use crate::wire::{EventView, Recorded};

use super::among::{self, Among, Column};
use super::grants::{Bind, Binds};
use super::row::{COLUMNS, NewRow, Row};
use super::within::Within;
use super::{Inner, Tx, millis, moments, rows};

/// Events that one statement writes at most.
const AT_ONCE: usize = 250;

/// Where a change came from; the gate knows, rules do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Shared by all events of one call and of the work that follows from it.
    pub trace: String,
    /// `tui`, `cli`, `api` or `system`.
    pub channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// An event that is to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Fact<'e> {
    pub event: &'e Event,
    pub origin: &'e Origin,
    pub at: DateTime<Utc>,
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub index: i64,
    pub id: String,
    pub at: DateTime<Utc>,
    pub event: Event,
    pub origin: Origin,
}

impl Entry {
    /// As it is shown to people and sent elsewhere, with the tags that its target has now.
    pub fn view(&self, tags: BTreeMap<String, String>) -> EventView {
        let recorded = Recorded {
            index: self.index,
            id: self.id.clone(),
            time: self.at,
            trace: Some(self.origin.trace.clone()),
            channel: self.origin.channel.clone(),
            address: self.origin.address.clone(),
        };
        EventView::of(&self.event, recorded, tags)
    }
}

/// Which events a page shows. Everything absent means "any".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub actor: Option<String>,
    /// What its reader may see; none where that is everything.
    pub within: Option<Within>,
    pub events: Vec<EventCode>,
    pub target: Option<String>,
    pub request: Option<RequestId>,
    pub grant: Option<GrantId>,
    pub outcome: Option<Outcome>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Words that have to occur in the reason, the actor, the principal or the target.
    pub text: Vec<String>,
    /// What else of a filter's text can be compared here.
    pub among: Among,
    /// The same in the words of the index.
    pub needed: Needed,
    /// From an index to before another.
    pub stretch: Option<(i64, i64)>,
    /// The oldest come first.
    pub oldest_first: bool,
}

/// PostgreSQL takes no NUL in a text. What nobody can store, nobody finds.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// `like` with `_`, `%` and `\` taken literally.
fn pattern(word: &str) -> String {
    let mut out = String::from("%");
    for c in storable(word).chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('%');
    out
}

impl Filter {
    /// Whether it is about so few events that the database finds them by itself.
    pub(in crate::store) fn names_few(&self) -> bool {
        let few =
            |column: &Column| matches!(column, Column::Event | Column::Request | Column::Grant);
        self.request.is_some()
            || self.grant.is_some()
            || self.among.iter().any(|(column, _)| few(column))
    }

    /// What the database compares, behind the columns.
    fn conditions(&self) -> (String, Binds) {
        let mut binds = Binds(Vec::new());
        // Nothing about the index here: of two conditions about it SQLite may take the one that lets everything through.
        let mut sql = format!("select idx, {COLUMNS} from audit where true");
        let mut equal = |column: &str, value: Option<String>, binds: &mut Binds| {
            if let Some(value) = value {
                sql.push_str(&format!(
                    " and {column} = ${}",
                    binds.push(Bind::Text(storable(&value)))
                ));
            }
        };
        equal("actor", self.actor.clone(), &mut binds);
        equal("target", self.target.clone(), &mut binds);
        equal(
            "request_id",
            self.request.as_ref().map(ToString::to_string),
            &mut binds,
        );
        equal(
            "grant_id",
            self.grant.as_ref().map(ToString::to_string),
            &mut binds,
        );
        equal(
            "outcome",
            self.outcome.map(|outcome| outcome.as_str().to_owned()),
            &mut binds,
        );
        if let Some(within) = &self.within {
            sql.push_str(&format!(" and ({})", within.events(&mut binds)));
        }
        if !self.events.is_empty() {
            let places: Vec<String> = self
                .events
                .iter()
                .map(|code| format!("${}", binds.push(Bind::Text(code.as_str().to_owned()))))
                .collect();
            sql.push_str(&format!(" and code in ({})", places.join(", ")));
        }
        // The place in the log is known by now: the `+` keeps planners from the index of moments, which has no order.
        if let Some(since) = self.since {
            sql.push_str(&format!(
                " and +at >= ${}",
                binds.push(Bind::Number(millis(since)))
            ));
        }
        if let Some(until) = self.until {
            sql.push_str(&format!(
                " and +at < ${}",
                binds.push(Bind::Number(millis(until)))
            ));
        }
        for word in &self.text {
            let as_typed = binds.push(Bind::Text(pattern(word)));
            let place = binds.push(Bind::Text(pattern(&word.to_lowercase())));
            // SQLite knows no capitals beyond ASCII, so a word is looked for as it was typed, too.
            sql.push_str(&format!(
                " and (lower(reason) like ${place} escape '\\' or reason like ${as_typed} escape '\\' or actor like ${place} escape '\\' or principal like ${place} escape '\\' or target like ${place} escape '\\')"
            ));
        }
        among::push(&self.among, "principal", &mut sql, &mut binds);
        (sql, binds)
    }

    fn select(&self, after: Option<i64>, limit: i64) -> (String, Binds) {
        let (mut sql, mut binds) = self.conditions();
        if let Some((from, until)) = self.stretch {
            let from = binds.push(Bind::Number(from));
            let until = binds.push(Bind::Number(until));
            sql.push_str(&format!(" and idx >= ${from} and idx < ${until}"));
        }
        let (beyond, order) = if self.oldest_first {
            (">", "asc")
        } else {
            ("<", "desc")
        };
        // Few are sorted; planners that take them for many would walk through all of the log in its order. The `+` keeps
        // them from that.
        let idx = if self.names_few() { "+idx" } else { "idx" };
        if let Some(after) = after {
            let place = binds.push(Bind::Number(after));
            sql.push_str(&format!(" and {idx} {beyond} ${place}"));
        }
        let place = binds.push(Bind::Number(limit));
        sql.push_str(&format!(" order by {idx} {order} limit ${place}"));
        (sql, binds)
    }

    fn select_at(&self, places: &[i64]) -> (String, Binds) {
        let (mut sql, binds) = self.conditions();
        let places: Vec<String> = places.iter().map(ToString::to_string).collect();
        let order = if self.oldest_first { "asc" } else { "desc" };
        sql.push_str(&format!(
            " and idx in ({}) order by idx {order}",
            places.join(", ")
        ));
        (sql, binds)
    }
}

impl Tx {
    /// Appends events in their order. Their indexes come later, from the sequencer.
    pub async fn append(&mut self, facts: &[Fact<'_>]) -> anyhow::Result<()> {
        // A database takes only so many values in one statement; one change can be a whole incident.
        for facts in facts.chunks(AT_ONCE) {
            let new = facts.iter().copied().map(NewRow::of);
            let new: Vec<NewRow<'_>> = new.collect::<anyhow::Result<_>>()?;
            self.insert_waiting(&new).await?;
        }
        self.wrote_events = true;
        Ok(())
    }

    async fn insert_waiting(&mut self, new: &[NewRow<'_>]) -> anyhow::Result<()> {
        // INVARIANT: events of one row are numbered in the order in which they happened to it
        // (`events_of_one_row_are_in_the_order_in_which_they_happened`). The moment was asked for before the rows of the
        // change were held, and whoever held them meanwhile wrote a later one.
        let places = match &self.inner {
            // It looks each numbered place up among all of them; it need not look for others.
            Inner::Sqlite(_) => {
                vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; new.len()].join(", ")
            }
            Inner::Postgres(_) => {
                let mut columns = [""; 13];
                if self.times_events {
                    columns[1] = concat!("greatest({}::bigint, ", postgres_clock!(), ")");
                }
                rows(new.len(), &columns)
            }
        };
        let sql = format!("insert into audit_waiting ({COLUMNS}) values {places}");
        touch!(self, c => {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
            for NewRow { id, fact, body, salt } in new {
                let Fact { event, origin, at } = fact;
                query = query.bind(id.as_slice()).bind(millis(*at)).bind(event.code.as_str()).bind(event.outcome.as_str()).bind(event.actor.name())
                    .bind(event.principal.as_ref().map(PrincipalName::as_str)).bind(event.target.as_ref().map(TargetName::as_str))
                    .bind(event.request.as_ref().map(RequestId::as_str)).bind(event.grant.as_ref().map(GrantId::as_str))
                    .bind(event.reason.as_deref()).bind(origin.address.as_deref()).bind(salt.as_deref()).bind(body);
            }
            query.execute(c)
        })
        .context("writing audit events")?;
        Ok(())
    }

    /// A page of events, newest first unless the filter says otherwise, all of them beyond the index `after`.
    pub async fn events(
        &mut self,
        filter: &Filter,
        after: Option<i64>,
        limit: i64,
    ) -> anyhow::Result<Vec<Entry>> {
        let (sql, binds) = filter.select(after, limit);
        let rows: Vec<Row> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c)).context("reading audit events")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Those of the events at some indexes that a filter lets through, in its order. The indexes are in its stretch.
    pub(in crate::store) async fn events_at(
        &mut self,
        filter: &Filter,
        places: &[i64],
    ) -> anyhow::Result<Vec<Entry>> {
        let (sql, binds) = filter.select_at(places);
        // Each is asked once: nothing is gained by keeping it prepared.
        let rows: Vec<Row> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).persistent(false).fetch_all(c))
            .context("reading audit events")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Events from an index to before another, oldest first.
    pub(in crate::store) async fn entries_between(
        &mut self,
        from: i64,
        until: i64,
    ) -> anyhow::Result<Vec<Entry>> {
        let sql =
            format!("select idx, {COLUMNS} from audit where idx >= $1 and idx < $2 order by idx");
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(from).bind(until).fetch_all(c))
            .context("reading audit events")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Events from an index on, oldest first: what a stream continues with.
    pub async fn events_from(&mut self, index: i64, limit: i64) -> anyhow::Result<Vec<Entry>> {
        let sql = format!("select idx, {COLUMNS} from audit where idx >= $1 order by idx limit $2");
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(index).bind(limit).fetch_all(c))
            .context("reading audit events")?;
        rows.into_iter().map(Row::read).collect()
    }

    /// With what the texts of an event were hashed, while they are there.
    pub async fn salt_of(&mut self, index: i64) -> anyhow::Result<Option<String>> {
        let row: Option<(Option<String>,)> = on!(self, c => sqlx::query_as("select salt from audit where idx = $1").bind(index).fetch_optional(c))
            .context("reading the salt of an event")?;
        Ok(row.and_then(|(salt,)| salt))
    }

    /// Every numbered event about a grant or one of these requests, oldest first, each with what its texts are hashed
    /// with.
    pub async fn salted_events_about(
        &mut self,
        grant: &GrantId,
        requests: &[RequestId],
    ) -> anyhow::Result<Vec<(Entry, Option<String>)>> {
        let mut binds = Binds(vec![Bind::Text(grant.to_string())]);
        let places: Vec<String> = requests
            .iter()
            .map(|id| format!("${}", binds.push(Bind::Text(id.to_string()))))
            .collect();
        let sql = format!(
            "select idx, {COLUMNS} from audit where grant_id = $1 or request_id in ({}) order by +idx",
            places.join(", ")
        );
        let rows: Vec<Row> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c)).context("reading audit events")?;
        rows.into_iter()
            .map(|row| {
                let salt = row.salt.clone();
                Ok((row.read()?, salt))
            })
            .collect()
    }

    /// The oldest event without an index, for the alarm about a stuck sequencer.
    pub async fn oldest_waiting(&mut self) -> anyhow::Result<Option<DateTime<Utc>>> {
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as("select at from audit_waiting order by at, event_id limit 1").fetch_optional(c)).context("looking at the audit log")?;
        moments(row.map(|(at,)| at))
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _, SqliteConnection};

    use super::*;
    use crate::store::{Clock, Location, Store};

    /// How SQLite would go about a statement.
    async fn plan(connection: &mut SqliteConnection, sql: &str) -> String {
        let explain = AssertSqlSafe(format!("explain query plan {sql}"));
        let rows = sqlx::query(explain).fetch_all(connection).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        steps.join("; ")
    }

    #[tokio::test]
    async fn a_database_that_was_closed_while_it_was_small_looks_things_up_when_it_is_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portcullis.db");
        let location = Location::Sqlite(path.clone());
        let open = async || Store::open(&location, Clock::Database).await.unwrap();
        open().await.close().await;
        let options = SqliteConnectOptions::new().filename(&path);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute("insert into audit (idx, at, code, outcome, actor, body) values (0, 0, 'a', 'a', 'a', '{}'); analyze").await.unwrap();
        connection.close().await.unwrap();
        open().await.close().await;
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let id = RequestId::from_bits(1);
        let few = Filter {
            request: Some(id),
            ..Filter::default()
        };
        let stretch = Filter {
            actor: Some("ada".to_owned()),
            since: Some(DateTime::UNIX_EPOCH),
            stretch: Some((4_096, 6_144)),
            ..Filter::default()
        };
        let found = [
            (
                few.select(Some(9), 100).0,
                "audit_by_request (request_id=?)",
            ),
            (stretch.select(None, 100).0, "(idx>? AND idx<?)"),
            (stretch.select_at(&[5_000, 5_007]).0, "(idx=?)"),
        ];
        for (sql, by) in found {
            let plan = plan(&mut connection, &sql).await;
            assert!(plan.contains(by), "{sql}\n{plan}");
        }
    }
}
