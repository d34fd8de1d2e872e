//! What requesters did on targets before, for a whole page of requests at once.

use std::collections::HashMap;

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::request::Request;
use crate::domain::signal::{COUNTED, Facts, LONGEST_WITHIN, OFTEN_WITHIN, REUSED_WITHIN};

use super::grants::{Bind, Binds};
use super::requests::span;
use super::within::Within;
use super::{Tx, millis, moments};

/// What one person did on one target before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    pub grants: i64,
    pub revoked: i64,
    pub last_at: Option<DateTime<Utc>>,
    pub longest_seconds: Option<i64>,
}

/// What went before one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Counted back from now.
    pub history: History,
    /// Counted back from the moment when the request was filed, so that they do not change while it waits.
    pub facts: Facts,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    grants: i64,
    revoked: i64,
    last_at: Option<i64>,
    longest: Option<i64>,
    longest_before: Option<i64>,
    grants_before: i64,
    same_reason: i64,
    same_reason_last: Option<i64>,
    requests_before: i64,
}

/// Each subquery is a short walk along an index, so a page costs one statement. What somebody asks for all day, as a machine
/// may, is counted up to [`COUNTED`]. An extension is not compared with the requests about its own grant: their reasons are
/// alike by nature. `seen` is the condition for requests that the reader may see.
fn statement(seen: &str, of: &str) -> String {
    let alike = format!(
        "from requests s where s.requester_id = r.requester_id and s.reason_key = r.reason_key and s.created_at >= r.created_at - $3 and s.created_at <= r.created_at \
         and s.id <> r.id and not (r.kind = 'extend' and coalesce(s.grant_id, '') = coalesce(r.grant_id, '')){seen}"
    );
    format!(
        "select r.id, \
         count(case when g.created_at >= $1 then 1 end) as grants, \
         count(case when g.created_at >= $1 and g.state = 'revoked' then 1 end) as revoked, \
         max(case when g.created_at >= $1 then g.starts_at end) as last_at, \
         max(case when g.created_at >= $1 then g.duration end) as longest, \
         max(case when g.created_at < r.created_at then g.duration end) as longest_before, \
         (select count(*) from (select 1 from grants e where e.target = r.target and e.holder_id = r.requester_id and e.created_at < r.created_at limit 1) one) as grants_before, \
         (select count(*) from (select 1 {alike} limit {COUNTED}) counted) as same_reason, \
         (select s.created_at {alike} order by s.created_at desc limit 1) as same_reason_last, \
         (select count(*) from (select 1 from requests q where q.requester_id = r.requester_id and q.target = r.target and q.kind = 'access' and q.created_at > r.created_at - $4 and q.created_at <= r.created_at \
         and q.id <> r.id limit {COUNTED}) counted) as requests_before \
         from requests r left join grants g on g.target = r.target and g.holder_id = r.requester_id and g.created_at >= r.created_at - $2 and g.request_id <> r.id \
         where r.id in ({of}) group by r.id"
    )
}

impl Row {
    fn read(self) -> anyhow::Result<Past> {
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Past {
            history: History {
                grants: self.grants,
                revoked: self.revoked,
                last_at: moments(self.last_at)?,
                longest_seconds: self.longest,
            },
            facts: Facts {
                had_grant: self.grants_before > 0,
                longest: self.longest_before.map(span).transpose()?,
                same_reason: count(self.same_reason),
                same_reason_last: moments(self.same_reason_last)?,
                requests_before: count(self.requests_before),
            },
        })
    }
}

impl Tx {
    /// What went before each of these requests, by their ids; their histories reach back to `since`. Requests that the
    /// reader may not see are not counted.
    pub async fn pasts(
        &mut self,
        requests: &[&Request],
        since: DateTime<Utc>,
        within: Option<&Within>,
    ) -> anyhow::Result<HashMap<String, Past>> {
        if requests.is_empty() {
            return Ok(HashMap::new());
        }
        let mut binds = Binds(
            [
                millis(since),
                LONGEST_WITHIN.num_milliseconds(),
                REUSED_WITHIN.num_milliseconds(),
                OFTEN_WITHIN.num_milliseconds(),
            ]
            .map(Bind::Number)
            .into(),
        );
        let places: Vec<String> = requests
            .iter()
            .map(|request| format!("${}", binds.push(Bind::Text(request.id.to_string()))))
            .collect();
        let seen = within.map_or_else(String::new, |within| {
            let own = binds.push(Bind::Text(within.own.to_string()));
            let places = within.places(&mut binds);
            let on =
                places.map_or_else(String::new, |places| format!(" or s.target in ({places})"));
            format!(" and (s.requester_id = ${own}{on})")
        });
        let sql = statement(&seen, &places.join(", "));
        let rows: Vec<Row> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c))
            .context("reading what went before requests")?;
        rows.into_iter()
            .map(|row| Ok((row.id.clone(), row.read()?)))
            .collect()
    }
}
