//! As much as one node is to hold: a hundred thousand live grants, decisions at a pace beside them, and ten thousand
//! grants that end within a minute on fifty targets of which five are dead.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, query, query_as};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::api::{durable, url};
use crate::http::{Connection, text};
use crate::node::{self, HOSTS, Node, approve, hosts, submit_for_later};
use crate::support::link::{Link, Way};
use crate::support::postgres::{Cluster, PASSWORD, SUPERUSER};
use crate::table::{self, Line, Times, note, short};

/// Grants that are live all the time.
const LIVE: i64 = 100_000;
/// People who hold them.
const HOLDERS: i64 = 1_000;
/// How long the node is watched while none of them is due.
const WATCHED: Duration = Duration::from_mins(1);
/// Decisions every second: half of them are the policy's on what is asked, half a reviewer's.
const RATE: u32 = 500;
/// Pairs of somebody who asks and somebody who approves.
const PAIRS: u32 = 32;
/// How long decisions are made where nobody says otherwise.
pub(crate) const USUALLY: Duration = Duration::from_mins(1);
/// Memory may grow by so much while decisions are made.
const FLAT_MIB: f64 = 16.0;
/// Databases with grants that end, and how many of them are dead by then.
const TARGETS: usize = 50;
const DEAD: usize = 5;
/// Everybody who asks holds one grant on each target.
const ENGINEERS: usize = 200;
/// All of them end within this time.
const MINUTE: u64 = 60;
/// Time to make them real before the first one ends.
const LEAD: Duration = Duration::from_secs(200);
/// Grants that are asked for and not yet real, at most: whoever asks faster than that would only shift the ends.
const AHEAD: i64 = 100;
/// What is late by more than this is not waited for any longer.
const PATIENCE: Duration = Duration::from_mins(3);

/// People on call get it without a review.
const AT_ONCE: &str = r#"
@id("on-call")
@threshold("0")
@max_duration("4h")
@max_total("8h")
permit (principal in Group::"on-call", action == Action::"request", resource)
when { context.role == "readonly" };
"#;

/// One node, its database, and the server that all targets are on.
struct Scene {
    node: Node,
    root: Connection,
    admin: PgConnection,
    target: PgConnection,
    links: Vec<Link>,
    _clusters: [Cluster; 2],
}

pub(crate) async fn figures(load: Duration) -> anyhow::Result<()> {
    let mut scene = set_up().await?;
    let title = format!("One node on PostgreSQL with {LIVE} live grants");
    let mut lines = live(&mut scene).await?;
    lines.extend(decisions(&mut scene, load).await?);
    table::print(&title, &lines)?;
    table::print(
        &format!("{title}, and others that end"),
        &endings(&mut scene).await?,
    )
}

async fn set_up() -> anyhow::Result<Scene> {
    let (own, targets) = (durable(), Cluster::start(&["max_connections=600"]));
    let (database, orders) = (own.database().await, targets.database().await);
    // Only a file of the server's own is believed to hold a password.
    let secret = tempfile::NamedTempFile::new()?;
    std::fs::write(secret.path(), PASSWORD)?;
    let (_, password) = secret.keep()?;
    let mut links = Vec::new();
    let mut catalogue = hosts();
    for number in 0..TARGETS {
        let port = if number < DEAD {
            let link = Link::to(SocketAddr::from(([127, 0, 0, 1], targets.port))).await;
            links.push(link);
            links.last().map_or(0, |link| link.port)
        } else {
            targets.port
        };
        catalogue.push_str(&format!(
            "[target.db-{number}]\nkind = \"postgres\"\ndescription = \"Orders\"\ntags = {{ env = \"prod\" }}\nhost = \"127.0.0.1\"\nport = {port}\n\
             database = \"{}\"\nuser = \"{SUPERUSER}\"\npassword_file = \"{}\"\nsslmode = \"disable\"\n\
             [target.db-{number}.role.readonly]\ndescription = \"Read\"\nmember_of = [\"pg_read_all_data\"]\n",
            orders.name,
            password.display()
        ));
    }
    let policy = format!("{}{AT_ONCE}", node::POLICY);
    let node = Node::start_under(&policy, &catalogue, &url(&own, &database))?;
    let root = node.root().await?;
    Ok(Scene {
        root,
        node,
        admin: database.options.connect().await?,
        target: orders.options.connect().await?,
        links,
        _clusters: [own, targets],
    })
}

/// What the node takes while nothing is due.
async fn live(scene: &mut Scene) -> anyhow::Result<Vec<Line>> {
    note(&format!("{LIVE} live grants"));
    fill(scene).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (before, began) = (scene.node.usage()?, Instant::now());
    tokio::time::sleep(WATCHED).await;
    let cpu = scene.node.usage()?.percent_since(&before, began.elapsed());
    let memory = mib(scene.node.usage()?.resident_kib);
    Ok(vec![
        Line::new("CPU, none due, over a minute", format!("{} %", short(cpu)))
            .goal("< 0.5 %", cpu < 0.5),
        Line::new("memory", format!("{} MiB", short(memory))),
    ])
}

/// One real grant and many like it, each with its own promise to end it.
async fn fill(scene: &mut Scene) -> anyhow::Result<()> {
    let mut first = scene
        .node
        .invite(&mut scene.root, "on-call", "requester", "on-call")
        .await?;
    let ask = json!({ "target": "host-0", "role": "readonly", "duration": "4h", "reason": "INC-4127 stuck orders" });
    let request = first
        .post("/v1/requests", None, &ask.to_string())
        .await?
        .json()?;
    let grant = text(&request, "grant")?;
    let request = text(&request, "id")?;
    let active = "select count(*) from grants where state = 'active'";
    while one(&mut scene.admin, active).await? == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let digits = "lpad(i::text, 10, '0')";
    let holder = format!("lpad((i % {HOLDERS})::text, 10, '0')");
    for (table, key, value, count, changes) in [
        (
            "principals",
            "name",
            "on-call",
            HOLDERS,
            format!("'id', 'P-' || {digits}, 'name', 'holder-' || i"),
        ),
        (
            "requests",
            "id",
            &request,
            LIVE,
            format!(
                "'id', 'R-' || {digits}, 'grant_id', 'G-' || {digits}, 'requester_id', 'P-' || {holder}, 'requester_name', 'holder-' || i % {HOLDERS}"
            ),
        ),
        (
            "grants",
            "id",
            &grant,
            LIVE,
            format!(
                "'id', 'G-' || {digits}, 'request_id', 'R-' || {digits}, 'holder_id', 'P-' || {holder}, 'holder_name', 'holder-' || i % {HOLDERS}, 'target', 'host-' || i % {HOSTS}"
            ),
        ),
        (
            "outbox",
            "grant_id",
            &grant,
            LIVE,
            format!("'grant_id', 'G-' || {digits}, 'target', 'host-' || i % {HOSTS}"),
        ),
    ] {
        let sql = format!(
            "insert into {table} select (jsonb_populate_record(t, jsonb_build_object({changes}))).* \
             from {table} t, generate_series(0, $2 - 1) i where t.{key} = $1"
        );
        query(AssertSqlSafe(sql))
            .bind(value)
            .bind(count)
            .execute(&mut scene.admin)
            .await
            .with_context(|| format!("filling {table}"))?;
    }
    query("analyze").execute(&mut scene.admin).await?;
    let live = one(&mut scene.admin, active).await?;
    anyhow::ensure!(live > LIVE, "only {live} grants are live");
    Ok(())
}

/// Decisions at a pace that does not wait for answers.
async fn decisions(scene: &mut Scene, load: Duration) -> anyhow::Result<Vec<Line>> {
    let mut pairs = JoinSet::new();
    let pace = Duration::from_secs(1) * 2 * PAIRS / RATE;
    let mut people = Vec::new();
    for pair in 0..PAIRS {
        let (asker, reviewer) = (format!("asker-{pair}"), format!("reviewer-{pair}"));
        let root = &mut scene.root;
        let asker = scene
            .node
            .invite(root, &asker, "requester", "engineers")
            .await?;
        let reviewer = scene
            .node
            .invite(root, &reviewer, "reviewer", "reviewers")
            .await?;
        people.push((asker, reviewer));
    }
    note(&format!("{RATE} decisions/s for {load:?}"));
    let began = Instant::now();
    for (pair, (mut asker, mut reviewer)) in (0_u32..).zip(people) {
        pairs.spawn(async move {
            let mut times = Times::default();
            let mut ticks = interval_at((began + pace * pair / PAIRS).into(), pace);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut number = 0_usize;
            while began.elapsed() < load {
                // Time begins when it was to be asked, whenever that became possible.
                let due = ticks.tick().await.into_std();
                number += 1;
                let request =
                    submit_for_later(&mut asker, &format!("host-{}", number % HOSTS)).await?;
                let asked = Instant::now();
                times.push(asked - due);
                approve(&mut reviewer, &request).await?;
                times.push(asked.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    // What is kept of people and requests has its size after a while.
    tokio::time::sleep(load / 4).await;
    let early = mib(scene.node.usage()?.resident_kib);
    tokio::time::sleep((load * 19 / 20).saturating_sub(began.elapsed())).await;
    let late = mib(scene.node.usage()?.resident_kib);
    let mut times = Times::default();
    while let Some(pair) = pairs.join_next().await {
        times.extend(pair??);
    }
    let rate = times.count() / began.elapsed().as_secs_f64();
    let goal = f64::from(RATE);
    Ok(vec![
        Line::new(format!("decisions/s over {load:?}"), short(rate))
            .goal(format!(">= {goal}"), rate >= goal * 0.99),
        Line::new("each of them", &times).goal("p99 < 300 ms", times.p99() < 300.0),
        Line::new(
            "memory after a quarter of that, and at the end",
            format!("{} -> {} MiB", short(early), short(late)),
        )
        .goal("flat", late < early + FLAT_MIB),
    ])
}

/// Grants on real databases that all end within a minute.
async fn endings(scene: &mut Scene) -> anyhow::Result<Vec<Line>> {
    let first_end = Instant::now() + LEAD;
    let made = make(scene, first_end).await?;
    let count = "select count(*) from pg_roles where rolname like 'pcl\\_%' and rolcanlogin";
    let roles = one(&mut scene.target, count).await?;
    note(&format!("{roles} roles are real; {DEAD} targets die"));
    for (number, link) in scene.links.iter().enumerate() {
        let way = if number % 2 == 0 {
            Way::Silent
        } else {
            Way::Cut
        };
        link.set(way);
    }
    let healthy = format!(
        "target like 'db-%' and target not in ({})",
        (0..DEAD)
            .map(|number| format!("'db-{number}'"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let open =
        format!("select count(*) from grants where {healthy} and state in ('active', 'closing')");
    let last_end = first_end + Duration::from_secs(MINUTE);
    tokio::time::sleep_until(last_end.into()).await;
    while one(&mut scene.admin, &open).await? > 0 && last_end.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let left = one(&mut scene.admin, &open).await?;
    let sql = format!(
        "select ended_at - expires_at, expires_at from grants where {healthy} and state = 'ended'"
    );
    let ended: Vec<(i64, i64)> = query_as(AssertSqlSafe(sql))
        .fetch_all(&mut scene.admin)
        .await?;
    let mut late = Times::default();
    for (past, _) in &ended {
        late.push(Duration::from_millis(u64::try_from(*past).unwrap_or(0)));
    }
    let ends: Vec<i64> = ended.iter().map(|(_, end)| *end).collect();
    let (from, to) = (ends.iter().min(), ends.iter().max());
    #[expect(clippy::cast_precision_loss, reason = "a minute or two")]
    let span = (to.copied().unwrap_or(0) - from.copied().unwrap_or(0)) as f64 / 1_000.0;
    let kept = one(&mut scene.target, count).await?;
    note(&format!(
        "{} ended, {kept} roles are left; the dead targets come back",
        ended.len()
    ));
    for link in &scene.links {
        link.set(Way::Open);
    }
    let (back, all) = (
        Instant::now(),
        "select count(*) from grants where target like 'db-%' and state in ('active', 'closing')",
    );
    while one(&mut scene.admin, all).await? > 0 && back.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let drained = back.elapsed();
    let residue = one(&mut scene.target, count).await? + one(&mut scene.admin, all).await?;
    Ok(vec![
        Line::new(
            format!(
                "grants that ended within {} s on {} targets, {DEAD} more being dead",
                short(span),
                TARGETS - DEAD
            ),
            ended.len(),
        )
        .goal(format!("all ({left} did not)"), left == 0),
        Line::new("end -> role gone and read back", &late)
            .goal("p99 <= 5 s", late.p99() <= 5_000.0)
            .goal("all <= 60 s", late.at(1.0) <= 60_000.0),
        Line::new(
            format!("targets are back -> the other {} gone", made - ended.len()),
            format!("{drained:.1?}"),
        )
        .goal(format!("none left ({residue} were)"), residue == 0),
    ])
}

/// Asks for everything, and answers how many there are once all of them are real.
async fn make(scene: &mut Scene, first_end: Instant) -> anyhow::Result<usize> {
    let all = ENGINEERS * TARGETS;
    note(&format!("{all} grants on {TARGETS} databases"));
    let mut engineers = Vec::new();
    for number in 0..ENGINEERS {
        let name = format!("engineer-{number}");
        let invited = scene
            .node
            .invite(&mut scene.root, &name, "requester", "on-call");
        engineers.push((number, invited.await?));
    }
    let (asked, real) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let mut asking = JoinSet::new();
    let many = engineers.len().div_ceil(8);
    while !engineers.is_empty() {
        let some: Vec<_> = engineers.drain(..many.min(engineers.len())).collect();
        let (asked, real) = (Arc::clone(&asked), Arc::clone(&real));
        asking.spawn(async move {
            for (number, mut engineer) in some {
                for target in 0..TARGETS {
                    while asked.load(Ordering::Relaxed) - real.load(Ordering::Relaxed) > AHEAD {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    let end = first_end + Duration::from_secs(u64::try_from(number)? * 17 % MINUTE);
                    let seconds = end.saturating_duration_since(Instant::now()).as_secs();
                    let ask = json!({ "target": format!("db-{target}"), "role": "readonly", "duration": format!("{seconds}s"), "reason": "INC-4127 stuck orders" });
                    let ask = ask.to_string();
                    engineer.post("/v1/requests", None, &ask).await?.json()?;
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            }
            anyhow::Ok(())
        });
    }
    let active = "select count(*) from grants where target like 'db-%' and state = 'active'";
    while first_end > Instant::now() {
        real.store(one(&mut scene.admin, active).await?, Ordering::Relaxed);
        if usize::try_from(real.load(Ordering::Relaxed))? >= all {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let made = real.load(Ordering::Relaxed);
    anyhow::ensure!(
        usize::try_from(made)? >= all,
        "{made} of {all} grants were real before the first one was to end"
    );
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    Ok(all)
}

async fn one(connection: &mut PgConnection, sql: &str) -> anyhow::Result<i64> {
    let (count,): (i64,) = query_as(AssertSqlSafe(sql.to_owned()))
        .fetch_one(connection)
        .await?;
    Ok(count)
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}
