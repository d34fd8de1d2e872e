//! Incidents and their items, and what happened to those on their targets since.

use std::collections::HashMap;

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::event::{Event, EventCode};
use crate::domain::ids::{GrantId, IncidentId, RequestId};
use crate::domain::incident::{Incident, Item, ItemId};
use crate::domain::principal::PrincipalRef;
use crate::domain::request::RequestState;

use super::audit::Entry;
use super::grants::{Bind, Binds};
use super::row::{COLUMNS, Row as EventRow};
use super::within::Within;
use super::{Inner, Tx, millis, moment, rows, stored, word};

/// Values that one statement binds at most.
const AT_ONCE: usize = 500;
/// Items that one statement writes at most; in SQLite twice the values take four times as long.
const ITEMS_AT_ONCE: usize = 100;

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    reason: String,
    ask: String,
    started_by_id: String,
    started_by_name: String,
    created_at: i64,
    token: String,
    appeared: String,
}

impl Row {
    fn read(self, items: Vec<Item>) -> anyhow::Result<Incident> {
        Ok(Incident {
            id: stored("incident id", &self.id)?,
            reason: self.reason,
            ask: serde_json::from_str(&self.ask).context("reading what an incident was about")?,
            started_by: PrincipalRef {
                id: stored("principal id", &self.started_by_id)?,
                name: stored("principal name", &self.started_by_name)?,
            },
            created_at: moment(self.created_at)?,
            token: self.token,
            items,
            appeared: serde_json::from_str(&self.appeared).context("reading an incident")?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ItemRow {
    item_id: String,
    holder: String,
    target: String,
    role: String,
    fate: String,
    changed: Option<String>,
}

impl ItemRow {
    fn read(self) -> anyhow::Result<Item> {
        Ok(Item {
            id: stored("id", &self.item_id)?,
            holder: stored("principal name", &self.holder)?,
            target: stored("target name", &self.target)?,
            role: stored("role name", &self.role)?,
            fate: word("fate", &self.fate)?,
            changed: self.changed,
        })
    }
}

/// An incident in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without its items.
    pub incident: Incident,
    pub items: i64,
    /// How many grants are not off yet.
    pub revoking: i64,
}

#[derive(sqlx::FromRow)]
struct LineRow {
    #[sqlx(flatten)]
    incident: Row,
    items: i64,
    revoking: i64,
}

const BY_ID: &str = "select id, reason, ask, started_by_id, started_by_name, created_at, token, appeared from incidents where id = $1";
const ITEMS: &str = "select item_id, holder, target, role, fate, changed from incident_items where incident_id = $1 order by place";
/// `seen` is the condition for incidents that the reader may see.
fn page(seen: &str) -> String {
    format!(
        "select i.id, i.reason, i.ask, i.started_by_id, i.started_by_name, i.created_at, i.token, i.appeared, \
     (select count(*) from incident_items t where t.incident_id = i.id) as items, \
     (select count(*) from incident_items t join grants g on g.id = t.item_id where t.incident_id = i.id and t.fate = 'revoking' and g.state = 'closing') as revoking \
     from incidents i where (i.created_at, i.id) < ($1, $2){seen} order by i.created_at desc, i.id desc limit $3"
    )
}

fn places(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|place| format!("${place}")).collect();
    places.join(", ")
}

impl Tx {
    /// One incident.
    pub async fn incident(&mut self, id: &IncidentId) -> anyhow::Result<Option<Incident>> {
        let row: Option<Row> =
            on!(self, c => sqlx::query_as(BY_ID).bind(id.as_str()).fetch_optional(c))
                .context("reading an incident")?;
        let Some(row) = row else { return Ok(None) };
        let items: Vec<ItemRow> =
            on!(self, c => sqlx::query_as(ITEMS).bind(id.as_str()).fetch_all(c))
                .context("reading the items of an incident")?;
        let items = items.into_iter().map(ItemRow::read);
        row.read(items.collect::<anyhow::Result<_>>()?).map(Some)
    }

    /// A page of incidents, newest first, all before this moment and id. A reader who may not see everything sees
    /// those that took nothing from elsewhere.
    pub async fn incidents(
        &mut self,
        within: Option<&Within>,
        after: Option<&(i64, String)>,
        limit: i64,
    ) -> anyhow::Result<Vec<Line>> {
        let (at, id) = after.map_or((i64::MAX, ""), |(at, id)| (*at, id.as_str()));
        let mut binds = Binds(vec![
            Bind::Number(at),
            Bind::Text(id.to_owned()),
            Bind::Number(limit),
        ]);
        let seen = within.map_or_else(String::new, |within| {
            let elsewhere = within
                .places(&mut binds)
                .map_or_else(String::new, |places| format!(" and t.target not in ({places})"));
            format!(
                " and not exists (select 1 from incident_items t where t.incident_id = i.id{elsewhere})"
            )
        });
        let sql = page(&seen);
        let rows: Vec<LineRow> =
            on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c))
                .context("reading incidents")?;
        let lines = rows.into_iter().map(|row| {
            Ok(Line {
                incident: row.incident.read(Vec::new())?,
                items: row.items,
                revoking: row.revoking,
            })
        });
        lines.collect()
    }

    /// Writes an incident with its items; `false` when its dry run was committed before.
    pub(in crate::store) async fn insert_incident(
        &mut self,
        incident: &Incident,
    ) -> anyhow::Result<bool> {
        let ask = serde_json::to_string(&incident.ask)?;
        let appeared = serde_json::to_string(&incident.appeared)?;
        let written = touch!(self, c => sqlx::query(
            "insert into incidents (id, reason, ask, started_by_id, started_by_name, created_at, token, appeared) \
             values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (token) do nothing")
            .bind(incident.id.as_str()).bind(&incident.reason).bind(&ask)
            .bind(incident.started_by.id.as_str()).bind(incident.started_by.name.as_str())
            .bind(millis(incident.created_at)).bind(&incident.token).bind(&appeared).execute(c))
        .context("writing an incident")?;
        if written == 0 {
            return Ok(false);
        }
        let mut place = 0;
        for items in incident.items.chunks(ITEMS_AT_ONCE) {
            let sql = format!(
                "insert into incident_items (incident_id, place, item_id, holder, target, role, fate, changed) values {}",
                rows(items.len(), &[""; 8])
            );
            let first = place;
            touch!(self, c => {
                let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
                for (item, place) in items.iter().zip(first..) {
                    query = query.bind(incident.id.as_str()).bind(place).bind(item.id.as_str())
                        .bind(item.holder.as_str()).bind(item.target.as_str()).bind(item.role.as_str())
                        .bind(item.fate.as_str()).bind(item.changed.as_deref());
                }
                query.execute(c)
            })
            .context("writing the items of an incident")?;
            place += i64::try_from(items.len())?;
        }
        Ok(true)
    }

    /// The events of these grants or requests with one of these codes since a moment, oldest first; also those that
    /// have no index yet.
    pub async fn events_about(
        &mut self,
        ids: &[ItemId],
        codes: &[EventCode],
        since: DateTime<Utc>,
    ) -> anyhow::Result<HashMap<String, Vec<(DateTime<Utc>, Event)>>> {
        let mut found: HashMap<String, Vec<(DateTime<Utc>, Event)>> = HashMap::new();
        let (grants, requests): (Vec<&ItemId>, Vec<&ItemId>) =
            ids.iter().partition(|id| matches!(id, ItemId::Grant(_)));
        for (column, ids) in [("grant_id", grants), ("request_id", requests)] {
            for ids in ids.chunks(AT_ONCE) {
                let codes_from = ids.len() + 2;
                let words: Vec<String> = (codes_from..codes_from + codes.len())
                    .map(|place| format!("${place}"))
                    .collect();
                // The grants' own events name their request, too.
                let own = if column == "request_id" {
                    "and (code like 'request.%' or code like 'review.%')"
                } else {
                    ""
                };
                let such = format!(
                    "{column} in ({}) and at >= ${} and code in ({}) {own}",
                    places(ids.len()),
                    ids.len() + 1,
                    words.join(", ")
                );
                // What happened a moment ago may have no index yet.
                let sql = format!(
                    "select idx, {COLUMNS} from audit where {such} union all select cast(-1 as bigint), {COLUMNS} from audit_waiting where {such} order by at, event_id"
                );
                let rows: Vec<EventRow> = on!(self, c => {
                    let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()));
                    for id in ids {
                        query = query.bind(id.as_str());
                    }
                    query = query.bind(millis(since));
                    for code in codes {
                        query = query.bind(code.as_str());
                    }
                    query.fetch_all(c)
                })
                .context("reading what became of an incident")?;
                for row in rows {
                    let Entry { at, event, .. } = row.read()?;
                    let id = match column {
                        "grant_id" => event.grant.as_ref().map(ToString::to_string),
                        _ => event.request.as_ref().map(ToString::to_string),
                    };
                    found
                        .entry(id.unwrap_or_default())
                        .or_default()
                        .push((at, event));
                }
            }
        }
        Ok(found)
    }

    /// Holds these requests until the transaction ends: nobody decides one in between.
    pub async fn hold_requests(&mut self, ids: &[RequestId]) -> anyhow::Result<()> {
        if matches!(self.inner, Inner::Sqlite(_)) {
            // Its one writer is this transaction.
            return Ok(());
        }
        for ids in ids.chunks(AT_ONCE) {
            let sql = format!(
                "select 1 from requests where id in ({}) order by id for no key update",
                places(ids.len())
            );
            let _: Vec<(i32,)> = on!(self, c => {
                let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()));
                for id in ids {
                    query = query.bind(id.as_str());
                }
                query.fetch_all(c)
            })
            .context("holding requests")?;
        }
        Ok(())
    }

    /// These grants, in no order.
    pub async fn grants_by_id(
        &mut self,
        ids: &[GrantId],
    ) -> anyhow::Result<HashMap<GrantId, crate::domain::grant::Grant>> {
        let mut found = HashMap::new();
        for ids in ids.chunks(AT_ONCE) {
            let read = self.grants_in(ids).await?;
            found.extend(read.into_iter().map(|grant| (grant.id.clone(), grant)));
        }
        Ok(found)
    }

    /// The states of these requests.
    pub async fn request_states(
        &mut self,
        ids: &[RequestId],
    ) -> anyhow::Result<HashMap<String, RequestState>> {
        let mut found = HashMap::new();
        for ids in ids.chunks(AT_ONCE) {
            let sql = format!(
                "select id, state from requests where id in ({})",
                places(ids.len())
            );
            let rows: Vec<(String, String)> = on!(self, c => {
                let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()));
                for id in ids {
                    query = query.bind(id.as_str());
                }
                query.fetch_all(c)
            })
            .context("reading requests")?;
            for (id, state) in rows {
                found.insert(id, word("state", &state)?);
            }
        }
        Ok(found)
    }
}
