//! What people do all day: many small changes, and a few grants that somebody really uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::wire::CredentialView;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::task::JoinSet;

use super::caller::Caller;
use super::history::{Certified, Outcome, Recorder, Verb};
use super::prober::{Pass, Tries, probe, probe_host};
use crate::support::random::Random;
use crate::support::sshd::Sshd;

/// The day of everybody.
pub(super) struct Day {
    pub(super) recorder: Arc<Recorder>,
    pub(super) tries: Arc<Tries>,
    pub(super) sshd: Arc<Sshd>,
    pub(super) over: AtomicBool,
    /// No more grants than this in all.
    pub(super) grants: AtomicUsize,
}

impl Day {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// The record as the last call left it; nothing when the call came to nothing, which the check looks at.
fn done(outcome: Outcome) -> Option<(String, i64)> {
    match outcome {
        Outcome::Done { id, version, .. } => Some((id, version)),
        Outcome::Refused(_) | Outcome::Open => None,
    }
}

/// Asks for access that nobody gets: it is withdrawn or denied, and sometimes somebody looks at it before.
pub(super) async fn ask(day: Arc<Day>, requester: Arc<Caller>, reviewer: Arc<Caller>, seed: u64) {
    let mut random = Random::new(seed);
    while day.goes_on() {
        if one_request(&requester, &reviewer, &mut random)
            .await
            .is_none()
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn one_request(requester: &Caller, reviewer: &Caller, random: &mut Random) -> Option<()> {
    let body =
        json!({ "target": "bastion", "role": "readonly", "duration": "1h", "reason": "drill" });
    let made = requester
        .change(Verb::Submit, None, "/v1/requests", None, body)
        .await;
    let (id, version) = done(made)?;
    if random.chance(3) {
        requester.look(&id).await;
    }
    let path = |act: &str| format!("/v1/requests/{id}/{act}");
    for _ in 0..random.below(3) {
        let claimed = reviewer
            .change(Verb::Claim, Some(&id), &path("claim"), None, json!({}))
            .await;
        done(claimed)?;
        if random.chance(3) {
            let path = path("release");
            let released = reviewer
                .change(Verb::Release, Some(&id), &path, None, json!({}))
                .await;
            done(released)?;
        }
    }
    let over = if random.chance(2) {
        let path = path("withdraw");
        requester
            .change(Verb::Withdraw, Some(&id), &path, Some(version), json!({}))
            .await
    } else {
        let (path, body) = (path("deny"), json!({ "comment": "drill" }));
        reviewer
            .change(Verb::Deny, Some(&id), &path, Some(version), body)
            .await
    };
    done(over)?;
    if random.chance(3) {
        requester.look(&id).await;
    }
    Some(())
}

/// Places locks on somebody who does nothing, and lifts them again.
pub(super) async fn lock(day: Arc<Day>, reviewer: Arc<Caller>, whom: String) {
    for nth in 0_u64.. {
        if !day.goes_on() {
            return;
        }
        let reason = |act: &str| format!("{act} {whom} {nth}");
        let (placing, lifting) = (reason("lock"), reason("lift"));
        let body = json!({ "on": { "kind": "principal", "principal": whom }, "reason": placing });
        let placed = reviewer
            .change(Verb::Lock, Some(&placing), "/v1/locks", None, body)
            .await;
        let Some((id, version)) = done(placed) else {
            continue;
        };
        let (path, body) = (format!("/v1/locks/{id}/lift"), json!({ "reason": lifting }));
        reviewer
            .change(Verb::Lift, Some(&lifting), &path, Some(version), body)
            .await;
    }
}

/// Gets grants that end soon, and uses each for as long as the target lets it.
pub(super) async fn hold(day: Arc<Day>, holder: Arc<Caller>, reviewer: Arc<Caller>, seed: u64) {
    let mut random = Random::new(seed);
    let mut probers = JoinSet::new();
    let one_less = |left: usize| left.checked_sub(1);
    while day.goes_on()
        && day
            .grants
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
    {
        let seconds = 2 + u64::try_from(random.below(7)).unwrap();
        let pause = Duration::from_millis(500 + u64::try_from(random.below(1_500)).unwrap());
        one_grant(&day, &holder, &reviewer, seconds, &mut random, &mut probers).await;
        tokio::time::sleep(pause).await;
    }
    while let Some(probed) = probers.join_next().await {
        probed.unwrap();
    }
}

async fn one_grant(
    day: &Day,
    holder: &Caller,
    reviewer: &Caller,
    seconds: u64,
    random: &mut Random,
    probers: &mut JoinSet<()>,
) -> Option<()> {
    let target = if random.chance(3) {
        "host"
    } else {
        "orders-db"
    };
    let body = json!({ "target": target, "role": "readonly", "duration": format!("{seconds}s"), "reason": "drill" });
    let made = holder
        .change(Verb::Submit, None, "/v1/requests", None, body)
        .await;
    let (request, version) = done(made)?;
    let path = format!("/v1/requests/{request}/approve");
    let approved = reviewer
        .change(
            Verb::Approve,
            Some(&request),
            &path,
            Some(version),
            json!({}),
        )
        .await;
    done(approved)?;
    let shown = holder
        .ask(Method::GET, &format!("/v1/requests/{request}"), None)
        .await
        .ok()?;
    let grant = shown["grant"].as_str().unwrap().to_owned();
    if target == "host" {
        enter(day, holder, &grant, probers).await?;
    } else {
        query(day, holder, &grant, probers).await?;
    }
    let turn = random.below(4);
    if turn == 3 {
        return Some(());
    }
    let path = |act: &str| format!("/v1/grants/{grant}/{act}");
    let shown = holder
        .ask(Method::GET, &format!("/v1/grants/{grant}"), None)
        .await
        .ok()?;
    let version = shown["version"].as_i64().unwrap();
    let reason = json!({ "reason": "drill" });
    match turn {
        0 => {
            let body = json!({ "by": "3s", "reason": "drill" });
            reviewer
                .change(Verb::Extend, None, &path("extend"), Some(version), body)
                .await
        }
        1 => {
            holder
                .change(
                    Verb::Return,
                    Some(&grant),
                    &path("return"),
                    Some(version),
                    json!({}),
                )
                .await
        }
        _ => {
            reviewer
                .change(
                    Verb::Revoke,
                    Some(&grant),
                    &path("revoke"),
                    Some(version),
                    reason,
                )
                .await
        }
    };
    Some(())
}

/// Lets somebody with a password loose on the database.
async fn query(day: &Day, holder: &Caller, grant: &str, probers: &mut JoinSet<()>) -> Option<()> {
    let CredentialView::Postgres {
        host,
        port,
        database,
        user,
        password,
        ..
    } = credential(holder, grant, &json!({})).await?
    else {
        panic!("orders-db is a database");
    };
    let options = PgConnectOptions::new_without_pgpass()
        .host(&host)
        .port(port)
        .database(&database)
        .username(&user)
        .password(&password)
        .ssl_mode(PgSslMode::Disable);
    let (recorder, tries) = (Arc::clone(&day.recorder), Arc::clone(&day.tries));
    probers.spawn(probe(grant.to_owned(), options, recorder, tries));
    Some(())
}

/// Lets somebody with a certificate loose on the host.
async fn enter(day: &Day, holder: &Caller, grant: &str, probers: &mut JoinSet<()>) -> Option<()> {
    let (sshd, name) = (Arc::clone(&day.sshd), grant.to_owned());
    let made = tokio::task::spawn_blocking(move || sshd.client_key(&name));
    let (key, public) = made.await.unwrap();
    let body = json!({ "public_key": public });
    let CredentialView::Ssh {
        certificate,
        ends_at,
        ..
    } = credential(holder, grant, &body).await?
    else {
        panic!("host is a host");
    };
    let certified = Certified {
        grant: grant.to_owned(),
        until: ends_at.timestamp_millis(),
    };
    day.recorder
        .note(|history| history.certificates.push(certified));
    let pass = Pass {
        sshd: Arc::clone(&day.sshd),
        key,
        certificate,
    };
    let (recorder, tries) = (Arc::clone(&day.recorder), Arc::clone(&day.tries));
    probers.spawn(probe_host(grant.to_owned(), pass, recorder, tries));
    Some(())
}

/// The credential, once there is one; none when the grant is over before.
async fn credential(holder: &Caller, grant: &str, body: &Value) -> Option<CredentialView> {
    let path = format!("/v1/grants/{grant}/credential");
    loop {
        match holder.ask(Method::POST, &path, Some(body)).await {
            Ok(value) => return Some(serde_json::from_value(value).unwrap()),
            // A certificate counts whole seconds, so that there is none for the last one of a grant.
            Err(code) if ["grant-not-active", "unsupported"].contains(&code.as_str()) => {}
            Err(code) => panic!("{grant} has no credential: {code}"),
        }
        let shown = holder
            .ask(Method::GET, &format!("/v1/grants/{grant}"), None)
            .await
            .ok()?;
        if !["scheduled", "activating"].contains(&shown["state"].as_str().unwrap()) {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
