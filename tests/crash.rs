//! The server is killed at random moments while grants come and go. Nothing is lost, nothing outlives its end by
//! more than the bound, and nothing is left on the target.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::client::{Channel, Client, ClientError, IdempotencyKey, Session, StateDir};
use portcullis::wire::{Approval, CredentialAsk, CredentialView, NewRequest, Revocation};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

use crate::support::node::{Node, orders_db};
use crate::support::postgres::{Cluster, Database};
use crate::support::world::{POLICY, ring};

/// No live session or login outlives its end by more than this while a server is up (`reliability.md` §3.3).
const BOUND: TimeDelta = TimeDelta::seconds(11);

/// Deterministic noise: enough to hit many different moments, and the same ones again for the same seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[derive(Default)]
struct Acknowledged {
    approved: AtomicU64,
    done: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_is_left_when_the_server_is_killed_again_and_again() {
    killed(6, 1).await;
}

/// The long form: `cargo test --release --test main two_hundred -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes about ten minutes; run by hand before a release"]
async fn the_same_with_two_hundred_kills() {
    killed(200, 7).await;
}

async fn killed(kills: u64, seed: u64) {
    ring();
    // Roles belong to a whole server: on a shared one those of other tests would be taken for lost ones.
    let cluster = Cluster::start(&[]);
    let database = cluster.database().await;
    let mut node = Node::prepare("", POLICY);
    let catalogue = orders_db(&cluster, &database.name, &node.folder().join("password"));
    std::fs::write(node.folder().join("config/portcullis.toml"), catalogue).unwrap();
    node.start();
    node.sign_in_root();
    for name in ["ada", "bob", "eve"] {
        node.invite(name, "requester", "engineers");
    }
    let told = Arc::new(Acknowledged::default());
    let engineers: Vec<_> = ["ada", "bob", "eve"]
        .map(|name| {
            tokio::spawn(work(
                client(&node, name),
                client(&node, "root"),
                Arc::clone(&told),
                name.len() as u64 + seed,
            ))
        })
        .into();
    let prober = tokio::spawn(probe(database.clone(), Arc::clone(&told)));

    let mut noise = Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(50 + noise.next(1_500))).await;
        node.kill();
        node.start();
    }
    told.done.store(true, Ordering::SeqCst);
    for engineer in engineers {
        engineer.await.unwrap();
    }
    let admin = client(&node, "root");
    let grants = everything_is_over(&admin).await;
    let late = prober.await.unwrap();
    let left: Vec<String> = ours(&database)
        .await
        .into_iter()
        .filter(|role| grants.contains_key(digits(role)))
        .collect();
    assert_eq!(
        left,
        Vec::<String>::new(),
        "something is left on the target"
    );

    // What was acknowledged is there: every approval that a client saw has its grant.
    let approved = told.approved.load(Ordering::SeqCst);
    assert!(
        grants.len() as u64 >= approved,
        "{approved} approvals were acknowledged, {} grants are there",
        grants.len()
    );
    bijection(&admin).await;
    for (role, seen) in &late {
        let digits = digits(role);
        let end = grants
            .get(digits)
            .unwrap_or_else(|| panic!("{role} belongs to no grant"));
        assert!(
            *seen <= *end + BOUND + TimeDelta::seconds(3),
            "{role} could log in {} after its end",
            *seen - *end
        );
    }
    eprintln!(
        "{kills} kills, {} grants, {approved} acknowledged approvals, {} roles seen: none lost, none late, none left",
        grants.len(),
        late.len()
    );
}

fn client(node: &Node, who: &str) -> Client {
    let server = node.url().parse().unwrap();
    Client::new(
        Session::open(&server, &StateDir::at(node.home(who))).unwrap(),
        Channel::Cli,
    )
    .unwrap()
}

/// Repeats a call until the server says something definite, always with the same key.
async fn definite<T, F: Future<Output = Result<T, ClientError>>>(
    call: impl Fn() -> F,
) -> Result<T, String> {
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error)
                if error
                    .code()
                    .is_some_and(|code| code != "busy" && code != "fault") =>
            {
                return Err(error.to_string());
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// One engineer's day: ask, get, hold for a few seconds, and now and then lose it early.
async fn work(engineer: Client, admin: Client, told: Arc<Acknowledged>, seed: u64) {
    let mut noise = Noise(seed | 1);
    let approval = Approval::default();
    while !told.done.load(Ordering::SeqCst) {
        let ask = NewRequest {
            target: "orders-db".to_owned(),
            role: "readonly".to_owned(),
            duration: format!("{}s", 1 + noise.next(4)),
            reason: "stress".to_owned(),
            ticket: None,
            not_before: None,
        };
        let key = IdempotencyKey::new().unwrap();
        let Ok(request) = definite(|| engineer.submit(&ask, &key)).await else {
            continue;
        };
        let key = IdempotencyKey::new().unwrap();
        let Ok(request) =
            definite(|| admin.approve(&request.id, request.version, &approval, &key)).await
        else {
            continue;
        };
        told.approved.fetch_add(1, Ordering::SeqCst);
        use_it(&engineer, request.grant.as_deref().unwrap()).await;
        if noise.next(3) == 0 {
            let id = request.grant.unwrap();
            let Ok(grant) = definite(|| admin.grant(&id)).await else {
                continue;
            };
            let key = IdempotencyKey::new().unwrap();
            let reason = Revocation {
                reason: "stress is over".to_owned(),
            };
            // A conflict only says that the grant went on in the meantime; its end comes by itself.
            let _ = definite(|| admin.revoke(&id, grant.version, &reason, &key)).await;
        }
    }
}

/// Opens a real session under the grant and leaves it open: only Portcullis ends it.
async fn use_it(engineer: &Client, grant: &str) {
    let key = IdempotencyKey::new().unwrap();
    let ask = CredentialAsk::default();
    let credential = loop {
        match engineer.credential(grant, &ask, &key).await {
            Ok(CredentialView::Postgres {
                host,
                port,
                database,
                user,
                password,
                ..
            }) => {
                break PgConnectOptions::new_without_pgpass()
                    .host(&host)
                    .port(port)
                    .database(&database)
                    .username(&user)
                    .password(&password);
            }
            Ok(_) => unreachable!("orders-db is a database"),
            // Not active yet, or already over.
            Err(error) if error.code() == Some("grant-not-active") => {
                match engineer.grant(grant).await {
                    Ok(grant) if ["scheduled", "activating"].contains(&grant.state.as_str()) => {}
                    Ok(_) => return,
                    Err(_) => {}
                }
            }
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    tokio::spawn(async move {
        if let Ok(mut session) =
            sqlx::PgConnection::connect_with(&credential.ssl_mode(PgSslMode::Disable)).await
        {
            let _ = session.execute("select pg_sleep(600)").await;
        }
    });
}

/// The grant's digits in the name of a role.
fn digits(role: &str) -> &str {
    role.rsplit('_').next().unwrap()
}

/// Every role on the server that Portcullis made.
async fn ours(database: &Database) -> Vec<String> {
    let mut admin = sqlx::PgConnection::connect_with(&database.options)
        .await
        .unwrap();
    let rows = admin
        .fetch_all(
            "select rolname::text from pg_roles where rolname ~ '^pcl_[a-z0-9]{6}_[0-9a-z]{10}$'",
        )
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Watches the target itself, and remembers when each role could last be used.
async fn probe(database: Database, told: Arc<Acknowledged>) -> BTreeMap<String, DateTime<Utc>> {
    let mut admin = sqlx::PgConnection::connect_with(&database.options)
        .await
        .unwrap();
    let question = "select rolname::text, extract(epoch from clock_timestamp())::float8 * 1000 from pg_roles where rolname ~ '^pcl_[a-z0-9]{6}_[0-9a-z]{10}$' and ((rolcanlogin and rolvaliduntil > now()) or exists (select from pg_stat_activity where usename = rolname))";
    let mut seen = BTreeMap::new();
    while !told.done.load(Ordering::SeqCst) {
        for row in admin
            .fetch_all(AssertSqlSafe(question.to_owned()))
            .await
            .unwrap()
        {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "milliseconds of this century fit"
            )]
            let at = DateTime::from_timestamp_millis(row.get::<f64, _>(1) as i64).unwrap();
            seen.insert(row.get::<String, _>(0), at);
        }
        admin.execute("select pg_sleep(0.1)").await.unwrap();
    }
    seen
}

/// Waits until no grant is open, and answers the end of each by its digits.
async fn everything_is_over(admin: &Client) -> BTreeMap<String, DateTime<Utc>> {
    let began = Instant::now();
    loop {
        let mut ends = BTreeMap::new();
        let mut open = 0;
        let mut query = portcullis::client::GrantsQuery {
            limit: Some(200),
            ..Default::default()
        };
        loop {
            let page = admin.grants(&query).await.unwrap();
            for grant in page.items {
                if !["ended", "returned", "revoked", "activation_failed"]
                    .contains(&grant.state.as_str())
                {
                    open += 1;
                }
                ends.insert(
                    grant.id.trim_start_matches("G-").to_owned(),
                    grant.expires_at,
                );
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        if open == 0 {
            return ends;
        }
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{open} grants never ended"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The audit has no gap, and each grant that is over has exactly one event that says so.
async fn bijection(admin: &Client) {
    let mut query = portcullis::client::AuditQuery {
        limit: Some(200),
        ..Default::default()
    };
    let (mut next_index, mut ends) = (None, BTreeMap::<String, u32>::new());
    loop {
        let page = admin.audit(&query).await.unwrap();
        for event in &page.items {
            if let Some(expected) = next_index {
                assert_eq!(event.index, expected, "the record has a gap");
            }
            next_index = Some(event.index - 1);
            if [
                "grant.ended",
                "grant.revoked",
                "grant.returned",
                "grant.activation_failed",
            ]
            .contains(&event.event.as_str())
            {
                *ends.entry(event.grant.clone().unwrap()).or_default() += 1;
            }
        }
        match page.next {
            Some(next) => query.after = Some(next.parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(next_index, Some(-1), "the record does not begin at 0");
    assert!(
        ends.values().all(|count| *count == 1),
        "a grant ended twice: {ends:?}"
    );
}
