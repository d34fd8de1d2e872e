//! From a decision to what it does on a real PostgreSQL server: a role that works, a session that is cut.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tokio::task::JoinHandle;

use crate::api::durable;
use crate::http::{Connection, text};
use crate::node::{Node, approve, submit};
use crate::support::postgres::{Cluster, PASSWORD, SUPERUSER};
use crate::table::{self, Line, Times, note};

/// How often each is done.
const SAMPLES: usize = 120;
/// How long a client would sleep that nobody cuts off.
const SLEEP: &str = "select pg_sleep(60)";
/// A verifier for the password `bare`, with as many rounds as ours: the server works through them once more.
const VERIFIER: &str = "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$";

/// A real server as a target, and two people.
struct Scene {
    _node: Node,
    admin: PgConnection,
    options: PgConnectOptions,
    reviewer: Connection,
    engineer: Connection,
    _cluster: Cluster,
}

#[derive(Default)]
struct Measured {
    decided: Times,
    usable: Times,
    logged_in: Times,
    cut: Times,
    bare_role: Times,
    bare_login: Times,
    bare_cut: Times,
}

pub(crate) async fn postgres() -> anyhow::Result<()> {
    let mut scene = set_up().await?;
    let mut seen = Measured::default();
    for number in 0..SAMPLES {
        if number % 30 == 0 {
            note(&format!("roles, {number} of {SAMPLES}"));
        }
        ours(&mut scene, &mut seen).await?;
        bare(&mut scene, number, &mut seen).await?;
    }
    let allowed = 3.0 * seen.bare_role.p50() + seen.decided.p50();
    let (usable, cut) = (&seen.usable, &seen.cut);
    let ratio = cut.p50() / seen.bare_cut.p50();
    table::print(
        "PostgreSQL as a target, with fsync (baseline: the bare statements on the same server)",
        &[
            Line::new("approve sent -> role is there and may log in", usable)
                .beside(&seen.bare_role, usable.p50() / seen.bare_role.p50())
                .goal("p50 <= 3x + the decision", usable.p50() <= allowed)
                .goal("p99 < 100 ms", usable.p99() < 100.0),
            Line::new("of that: the decision", &seen.decided),
            Line::new("approve sent -> holder is logged in", &seen.logged_in).beside(
                &seen.bare_login,
                seen.logged_in.p50() / seen.bare_login.p50(),
            ),
            Line::new("revoke sent -> open session is cut", cut)
                .beside(&seen.bare_cut, ratio)
                .goal("p50 <= 5x", ratio <= 5.0)
                .goal("p99 < 250 ms", cut.p99() < 250.0),
        ],
    )
}

async fn set_up() -> anyhow::Result<Scene> {
    let cluster = durable();
    let database = cluster.database().await;
    let secret = tempfile::NamedTempFile::new()?;
    std::fs::write(secret.path(), PASSWORD)?;
    let (_, secret) = secret.keep()?;
    let catalogue = format!(
        "[target.orders]\nkind = \"postgres\"\ndescription = \"Orders\"\ntags = {{ env = \"prod\" }}\nhost = \"{}\"\nport = {}\ndatabase = \"{}\"\nuser = \"{SUPERUSER}\"\npassword_file = \"{}\"\nsslmode = \"disable\"\n\
         [target.orders.role.readonly]\ndescription = \"Read\"\nmember_of = [\"pg_read_all_data\"]\n",
        cluster.host,
        cluster.port,
        database.name,
        secret.display()
    );
    let node = Node::start(&catalogue, "sqlite")?;
    let mut reviewer = node.root().await?;
    let engineer = node
        .invite(&mut reviewer, "ada", "requester", "engineers")
        .await?;
    let admin = database.options.connect().await?;
    Ok(Scene {
        _node: node,
        admin,
        options: database.options,
        reviewer,
        engineer,
        _cluster: cluster,
    })
}

async fn ours(scene: &mut Scene, seen: &mut Measured) -> anyhow::Result<()> {
    let request = submit(&mut scene.engineer, "orders", "INC-4127 stuck orders").await?;
    let began = Instant::now();
    let approved = approve(&mut scene.reviewer, &request).await?;
    seen.decided.push(began.elapsed());
    let grant = text(&approved, "grant")?;
    let digits = grant.trim_start_matches("G-").to_owned();
    let role = format!("select 1 from pg_roles where rolname like 'pcl%{digits}' and rolcanlogin");
    while scene
        .admin
        .fetch_optional(AssertSqlSafe(role.clone()))
        .await?
        .is_none()
    {
        // Asking all the time would take the CPU away from whoever is to answer.
        std::thread::sleep(Duration::from_micros(200));
    }
    seen.usable.push(began.elapsed());
    let credential = loop {
        let path = format!("/v1/grants/{grant}/credential");
        let answer = scene.engineer.post(&path, None, "{}").await?;
        if answer.status == 200 {
            break answer.json()?;
        }
    };
    let (user, password) = login(&credential)?;
    let holder = connect(&scene.options, &user, &password).await?;
    seen.logged_in.push(began.elapsed());

    let sleeping = sleep(&mut scene.admin, &user, holder).await?;
    let version = loop {
        let view = scene
            .reviewer
            .get(&format!("/v1/grants/{grant}"))
            .await?
            .json()?;
        if text(&view, "state")? == "active" {
            break view.get("version").and_then(Value::as_i64);
        }
    };
    let began = Instant::now();
    let body = json!({ "reason": "the incident is over" }).to_string();
    let path = format!("/v1/grants/{grant}/revoke");
    scene.reviewer.post(&path, version, &body).await?.json()?;
    let cut = sleeping.await??;
    seen.cut.push(cut.saturating_duration_since(began));
    // The next sample begins when this grant is over.
    loop {
        let path = format!("/v1/grants/{grant}");
        let view = scene.reviewer.get(&path).await?.json()?;
        if text(&view, "state")? == "revoked" {
            return Ok(());
        }
    }
}

fn login(credential: &Value) -> anyhow::Result<(String, String)> {
    let inner = credential.get("postgres").unwrap_or(credential);
    Ok((text(inner, "user")?, text(inner, "password")?))
}

async fn connect(
    options: &PgConnectOptions,
    user: &str,
    password: &str,
) -> anyhow::Result<PgConnection> {
    let options = options.clone().username(user).password(password);
    options.connect().await.context("logging in")
}

/// Lets a session do something long, and answers when that was cut off.
async fn sleep(
    admin: &mut PgConnection,
    user: &str,
    mut session: PgConnection,
) -> anyhow::Result<JoinHandle<anyhow::Result<Instant>>> {
    let sleeping = tokio::spawn(async move {
        let ended = session.execute(SLEEP).await;
        let at = Instant::now();
        anyhow::ensure!(ended.is_err(), "the session was not cut off");
        Ok(at)
    });
    let busy = format!(
        "select 1 from pg_stat_activity where usename = '{user}' and state = 'active' and wait_event = 'PgSleep'"
    );
    while admin
        .fetch_optional(AssertSqlSafe(busy.clone()))
        .await?
        .is_none()
    {}
    Ok(sleeping)
}

async fn bare(scene: &mut Scene, number: usize, seen: &mut Measured) -> anyhow::Result<()> {
    let role = format!("bare_{number}");
    let verifier = verifier();
    let began = Instant::now();
    let admin = &mut scene.admin;
    admin.execute("begin").await?;
    let create = format!(
        "create role {role} login password '{verifier}' valid until '2099-01-01' in role pg_read_all_data"
    );
    admin.execute(AssertSqlSafe(create)).await?;
    admin.execute("commit").await?;
    seen.bare_role.push(began.elapsed());
    let holder = connect(&scene.options, &role, "bare").await?;
    seen.bare_login.push(began.elapsed());

    let sleeping = sleep(&mut scene.admin, &role, holder).await?;
    let began = Instant::now();
    let disable = format!("alter role {role} nologin");
    scene.admin.execute(AssertSqlSafe(disable)).await?;
    let cut =
        format!("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'");
    scene.admin.execute(AssertSqlSafe(cut)).await?;
    let at = sleeping.await??;
    seen.bare_cut.push(at.saturating_duration_since(began));
    tokio::time::sleep(Duration::from_millis(2)).await;
    let drop = format!("drop role {role}");
    scene.admin.execute(AssertSqlSafe(drop)).await?;
    Ok(())
}

/// The verifier of the password `bare`.
fn verifier() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::{digest, hmac, pbkdf2};
    let mut salted = [0; 32];
    let rounds = std::num::NonZeroU32::MIN.saturating_add(4_095);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        b"0123456789abcdef",
        b"bare",
        &mut salted,
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client = hmac::sign(&key, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client.as_ref());
    let server = hmac::sign(&key, b"Server Key");
    format!(
        "{VERIFIER}{}:{}",
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}
