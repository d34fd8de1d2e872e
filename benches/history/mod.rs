//! Years of history: writing it, its size, and how long the first page of each usual search takes, beside the tools that
//! people would use on the same data.

mod ask;
mod chance;
mod load;
mod others;
mod story;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use portcullis::store::Location;
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnection;

use crate::http::text;
use crate::node::{Node, hosts};
use crate::support::postgres::{Cluster, PASSWORD, SUPERUSER};
use crate::table::{self, Line, note};

/// Events, unless `history=10M` says otherwise.
pub(crate) const USUALLY: u64 = 1_000_000;
/// The same history each time.
const SEED: u64 = 4_127;
/// So many events a day has about, so that the last one is not in the future.
const A_DAY: u64 = 21_000;
/// One write beside which nothing is waited for is what production does; the server of the figures may do so, too.
const SETTINGS: [&str; 4] = [
    "fsync=on",
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
];

/// How many events `1M` or `250k` are.
pub(crate) fn count(text: &str) -> anyhow::Result<u64> {
    let (digits, by) = match (text.strip_suffix('M'), text.strip_suffix('k')) {
        (Some(digits), _) => (digits, 1_000_000),
        (_, Some(digits)) => (digits, 1_000),
        _ => (text, 1),
    };
    Ok(digits.parse::<u64>().context("how many events?")? * by)
}

/// Prints the figures. `on` is `sqlite`, `postgres` or both of them.
pub(crate) async fn figures(events: u64, on: &[&str]) -> anyhow::Result<()> {
    let files = tempfile::tempdir()?;
    let lines = files.path().join("history.jsonl");
    let mut written = false;
    let mut seen = Vec::new();
    for database in on {
        let cluster = (*database == "postgres").then(|| Cluster::start(&SETTINGS));
        let place = match &cluster {
            Some(cluster) => {
                let name = cluster.database().await.name;
                let port = cluster.port;
                format!(
                    "postgres://{SUPERUSER}:{}@127.0.0.1:{port}/{name}",
                    PASSWORD.replace(' ', "%20")
                )
            }
            None => "sqlite".to_owned(),
        };
        let mut node = Node::start(&hosts(), &place)?;
        // Tokens do not last as long as the writing does.
        let auditor = json!({ "name": "vera", "roles": ["auditor"], "groups": [] }).to_string();
        let mut root = node.root().await?;
        let invited = root.post("/v1/invitations", None, &auditor);
        let code = text(&invited.await?.json()?, "code")?;
        node.stop()?;
        let data = node.folder.path().join("data");
        let location = match &cluster {
            Some(_) => Location::Postgres(place.clone()),
            None => Location::Sqlite(data.join("portcullis.db")),
        };
        note(&format!("{database}: writing {events} events"));
        let to = (!written).then_some(lines.as_path());
        let loaded = load::load(
            &location,
            story::History::new(SEED, begin(events)?)?,
            events,
            to,
        )
        .await?;
        written = true;
        let bytes = size(&location).await?;
        table::print(
            &format!("{events} events on {database}"),
            &loaded.lines(bytes),
        )?;
        let node = node.restart(|_| Ok(()))?;
        let mut reader = node.redeem(&code).await?;
        note(&format!("{database}: searching"));
        seen.push(ask::searches(&mut reader, &loaded).await?);
        drop(node);
    }
    note("other tools on the same events");
    let others = others::searches(&lines);
    let mut table = Vec::new();
    for (nth, question) in ask::QUESTIONS.iter().enumerate() {
        for (database, seen) in on.iter().zip(&seen) {
            let Some(answer) = seen.get(nth) else {
                continue;
            };
            let mut line = Line::new(format!("{}, {database}", question.what), answer);
            if let Some((said, ratio)) = others.beside(question, answer.p50()) {
                line = line.beside(said, ratio);
            }
            let goal = format!("{} ms", question.goal);
            table.push(line.goal(goal, answer.p50() <= question.goal));
        }
    }
    table::print(
        &format!(
            "First page of {events} events, at the client, p50 / p99; beside: {}",
            others.known()
        ),
        &table,
    )
}

/// When a history of so many events begins, if it is to end a while ago.
fn begin(events: u64) -> anyhow::Result<DateTime<Utc>> {
    #[expect(clippy::disallowed_methods, reason = "a history that is over")]
    let now = Utc::now();
    let days = i64::try_from(events / A_DAY)? + 3;
    Ok(now - TimeDelta::days(days))
}

async fn size(location: &Location) -> anyhow::Result<u64> {
    match location {
        Location::Sqlite(path) => Ok(std::fs::metadata(path)?.len()),
        Location::Postgres(url) => {
            let options: sqlx::postgres::PgConnectOptions = url.parse()?;
            let mut connection: PgConnection = options.connect().await?;
            let (bytes,): (i64,) = sqlx::query_as("select pg_database_size(current_database())")
                .fetch_one(&mut connection)
                .await?;
            Ok(u64::try_from(bytes)?)
        }
    }
}
