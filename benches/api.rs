//! Decisions through the API, beside what the same database does without us.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bare::{self, per_second};
use crate::http::{Connection, text};
use crate::node::{HOSTS, Node, approve, hosts, submit, submit_for_later};
use crate::support::postgres::{Cluster, Database, PASSWORD, SUPERUSER};
use crate::table::{self, Line, Times, note, short};

/// Callers at once.
const CALLERS: usize = 16;
/// People who ask, for each caller: each has up to ten requests pending.
const ASKERS: usize = 6;
/// Rounds, each with its baseline beside it.
const ROUNDS: usize = 5;
/// Decisions of one caller in a round.
const ALONE: usize = 60;
/// Before each of those the server comes to rest, and the database beside it, too.
const REST: Duration = Duration::from_millis(25);
/// How long a baseline of many callers runs.
const BARE: Duration = Duration::from_secs(1);

/// A reviewer with the people whose requests it decides on.
struct Caller {
    reviewer: Connection,
    askers: Vec<Connection>,
}

/// When the access begins that is decided on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    AtOnce,
    Later,
}

/// What one kind of database made of it.
#[derive(Default)]
struct Measured {
    alone: Times,
    bare_alone: Times,
    rates: Vec<f64>,
    rates_at_once: Vec<f64>,
    bare_rates: Vec<f64>,
    crowd: Times,
    bare_crowd: Times,
    settled: Vec<f64>,
}

pub(crate) async fn sqlite() -> anyhow::Result<()> {
    let node = Node::start(&hosts(), "sqlite")?;
    let mut callers = callers(&node).await?;
    let mut bare = bare::Sqlite::create(&node.folder.path().join("bare.db")).await?;
    let mut seen = Measured::default();
    for round in 0..ROUNDS {
        note(&format!("SQLite, round {} of {ROUNDS}", round + 1));
        alone(&mut callers, &mut seen).await?;
        let mut number = 0;
        for _ in 0..ALONE {
            number += 1;
            tokio::time::sleep(REST).await;
            seen.bare_alone.push(bare.approve(number).await?);
        }
        callers = crowd(callers, &mut seen, When::Later).await?;
        callers = crowd(callers, &mut seen, When::AtOnce).await?;
        let (began, mut number) = (Instant::now(), 0);
        while began.elapsed() < BARE {
            number += 1;
            seen.bare_crowd.push(bare.row(number).await?);
        }
        seen.bare_rates.push(per_second(number, began.elapsed()));
    }
    let ratio = seen.alone.p50() / seen.bare_alone.p50();
    let rate = middle(&seen.rates) / middle(&seen.bare_rates);
    table::print(
        "Decisions on SQLite (baseline: bare commits of one writer to a file beside it)",
        &[
            Line::new("approve, 1 client", &seen.alone)
                .beside(&seen.bare_alone, ratio)
                .goal("p50 <= 4x", ratio <= 4.0),
            Line::new("approvals/s, 16 clients", short(middle(&seen.rates)))
                .beside(format!("{} rows/s", short(middle(&seen.bare_rates))), rate)
                .goal(">= 0.5x", rate >= 0.5),
            Line::new("approve, 16 clients", &seen.crowd),
            Line::new(
                "approvals/s, 16 clients, access begins at once",
                short(middle(&seen.rates_at_once)),
            ),
            Line::new(
                "the same until each access is real, too",
                short(middle(&seen.settled)),
            ),
        ],
    )
}

pub(crate) async fn postgres() -> anyhow::Result<()> {
    let cluster = durable();
    let (ours, theirs) = (cluster.database().await, cluster.database().await);
    let node = Node::start(&hosts(), &url(&cluster, &ours))?;
    let mut callers = callers(&node).await?;
    let mut bare = Vec::new();
    for number in 0..CALLERS {
        bare.push(bare::Postgres::connect(&theirs.options, number == 0).await?);
    }
    let mut seen = Measured::default();
    for round in 0..ROUNDS {
        note(&format!("PostgreSQL, round {} of {ROUNDS}", round + 1));
        alone(&mut callers, &mut seen).await?;
        if let Some(first) = bare.first_mut() {
            let mut number = 0;
            for _ in 0..ALONE {
                number += 1;
                tokio::time::sleep(REST).await;
                seen.bare_alone.push(first.approve(number).await?);
            }
        }
        callers = crowd(callers, &mut seen, When::Later).await?;
        callers = crowd(callers, &mut seen, When::AtOnce).await?;
        bare = bare_crowd(bare, &mut seen).await?;
    }
    let ratio = seen.alone.p50() / seen.bare_alone.p50();
    let rate = middle(&seen.rates) / middle(&seen.bare_rates);
    let p99 = seen.crowd.p99();
    table::print(
        "Decisions on PostgreSQL with fsync (baseline: bare update, three inserts, commit on the same server)",
        &[
            Line::new("approve, 1 client", &seen.alone).beside(&seen.bare_alone, ratio),
            Line::new("approvals/s, 16 clients", short(middle(&seen.rates)))
                .beside(format!("{} tx/s", short(middle(&seen.bare_rates))), rate)
                .goal(">= 0.4x", rate >= 0.4),
            Line::new("approve, 16 clients", &seen.crowd)
                .beside(&seen.bare_crowd, seen.crowd.p50() / seen.bare_crowd.p50())
                .goal("p99 < 50 ms", p99 < 50.0),
            Line::new(
                "approvals/s, 16 clients, access begins at once",
                short(middle(&seen.rates_at_once)),
            ),
            Line::new(
                "the same until each access is real, too",
                short(middle(&seen.settled)),
            ),
        ],
    )
}

/// A PostgreSQL server that loses nothing.
pub(crate) fn durable() -> Cluster {
    Cluster::start(&["fsync=on", "full_page_writes=on", "shared_buffers=128MB"])
}

/// Where a server finds this database.
pub(crate) fn url(cluster: &Cluster, database: &Database) -> String {
    let password = PASSWORD.replace(' ', "%20");
    format!(
        "postgres://{SUPERUSER}:{password}@{}:{}/{}?sslmode=disable",
        cluster.host, cluster.port, database.name
    )
}

/// The value in the middle.
pub(crate) fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

async fn callers(node: &Node) -> anyhow::Result<Vec<Caller>> {
    let mut root = node.root().await?;
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let name = format!("reviewer-{caller}");
        let reviewer = node
            .invite(&mut root, &name, "reviewer", "reviewers")
            .await?;
        let mut askers = Vec::new();
        for asker in 0..ASKERS {
            let name = format!("engineer-{caller}-{asker}");
            askers.push(
                node.invite(&mut root, &name, "requester", "engineers")
                    .await?,
            );
        }
        callers.push(Caller { reviewer, askers });
    }
    Ok(callers)
}

/// One decision after the other.
async fn alone(callers: &mut [Caller], seen: &mut Measured) -> anyhow::Result<()> {
    let Some(caller) = callers.first_mut() else {
        return Ok(());
    };
    for number in 0..ALONE {
        let asks = caller.askers.len();
        if let Some(asker) = caller.askers.get_mut(number % asks) {
            let request = submit(asker, "host-0", "INC-4127 stuck orders").await?;
            tokio::time::sleep(REST).await;
            let began = Instant::now();
            approve(&mut caller.reviewer, &request).await?;
            seen.alone.push(began.elapsed());
        }
    }
    Ok(())
}

/// Everybody decides at once on what was asked before.
async fn crowd(
    callers: Vec<Caller>,
    seen: &mut Measured,
    when: When,
) -> anyhow::Result<Vec<Caller>> {
    let mut asking = tokio::task::JoinSet::new();
    for mut caller in callers {
        asking.spawn(async move {
            let mut requests = Vec::new();
            for asker in &mut caller.askers {
                for host in 0..HOSTS {
                    let target = format!("host-{host}");
                    requests.push(match when {
                        When::AtOnce => submit(asker, &target, "INC-4127 stuck orders").await?,
                        When::Later => submit_for_later(asker, &target).await?,
                    });
                }
            }
            anyhow::Ok((caller, requests))
        });
    }
    let mut ready: Vec<(Caller, Vec<Value>)> = Vec::new();
    while let Some(asked) = asking.join_next().await {
        ready.push(asked??);
    }
    let me = match ready.first_mut() {
        Some((caller, _)) => caller.reviewer.get("/v1/me").await?.json()?,
        None => return Ok(Vec::new()),
    };
    let asked = text(&me, "now")?;
    let began = Instant::now();
    let (mut deciding, mut count) = (tokio::task::JoinSet::new(), 0);
    for (mut caller, requests) in ready {
        count += i64::try_from(requests.len())?;
        deciding.spawn(async move {
            let mut times = Times::default();
            for request in &requests {
                let began = Instant::now();
                approve(&mut caller.reviewer, request).await?;
                times.push(began.elapsed());
            }
            anyhow::Ok((caller, times))
        });
    }
    let mut back = Vec::new();
    while let Some(decided) = deciding.join_next().await {
        let (caller, times) = decided??;
        if when == When::Later {
            seen.crowd.extend(times);
        }
        back.push(caller);
    }
    let rate = per_second(count, began.elapsed());
    if when == When::Later {
        seen.rates.push(rate);
        return Ok(back);
    }
    seen.rates_at_once.push(rate);
    if let Some(caller) = back.first_mut() {
        while !all_real(&mut caller.reviewer, &asked).await? {}
    }
    seen.settled.push(per_second(count, began.elapsed()));
    Ok(back)
}

/// Whether no grant waits that begins at once. Those that begin later are older, and pages show the newest first.
async fn all_real(reviewer: &mut Connection, asked: &str) -> anyhow::Result<bool> {
    let path = "/v1/grants?state=scheduled,activating&limit=1";
    let page = reviewer.get(path).await?.json()?;
    let first = page.get("items").and_then(|items| items.get(0));
    Ok(match first {
        None => true,
        Some(grant) => text(grant, "created_at")?.as_str() < asked,
    })
}

async fn bare_crowd(
    bare: Vec<bare::Postgres>,
    seen: &mut Measured,
) -> anyhow::Result<Vec<bare::Postgres>> {
    let (mut running, mut rate, mut back) = (tokio::task::JoinSet::new(), 0.0, Vec::new());
    for (place, mut connection) in (0_i64..).zip(bare) {
        running.spawn(async move {
            let (began, mut times, mut number) = (Instant::now(), Times::default(), 0);
            while began.elapsed() < BARE {
                number += 1;
                // Each has rows of its own: reviewers do not wait for each other's requests either.
                times.push(connection.approve(place * 60 + number % 60).await?);
            }
            let rate = per_second(number, began.elapsed());
            anyhow::Ok((connection, rate, times))
        });
    }
    while let Some(ran) = running.join_next().await {
        let (connection, one, times) = ran??;
        rate += one;
        seen.bare_crowd.extend(times);
        back.push(connection);
    }
    seen.bare_rates.push(rate);
    Ok(back)
}
