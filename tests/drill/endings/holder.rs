//! People who get grants one after the other, are in until each is over, and then get the next.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::wire::CredentialView;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::book::{Book, Ending, Ends, Held};
use super::place::{Kind, Place, entry};
use super::prober::{Pass, probe};
use crate::drill::caller::Caller;
use crate::drill::history::{Outcome, Verb, wall_now};
use crate::support::random::Random;

/// Whatever is broken, a grant is over by then.
const PATIENCE: Duration = Duration::from_mins(3);
/// A grant that nobody ever got in with is made again, so often.
const AGAIN: u32 = 8;

/// How long things last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Grants that end by time, in seconds.
    pub(super) short: usize,
    /// Grants that are taken away before their end, in seconds.
    pub(super) long: usize,
    /// So long everybody tries on after an end was confirmed.
    pub(super) afterwards: Duration,
}

/// A grant that is to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub(super) kind: Kind,
    pub(super) ending: Ending,
    pub(super) tries: u32,
}

/// What everybody shares.
pub(super) struct Day {
    pub(super) place: Place,
    pub(super) book: Book,
    pub(super) ends: watch::Receiver<Ends>,
    pub(super) tickets: Mutex<VecDeque<Ticket>>,
    /// Everything that ever was to let somebody in, by its grant.
    pub(super) passes: Mutex<Vec<(String, Pass)>>,
    pub(super) pace: Pace,
    pub(super) over: AtomicBool,
}

impl Day {
    pub(super) fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    fn next(&self) -> Option<Ticket> {
        self.tickets.lock().unwrap().pop_front()
    }

    fn again(&self, ticket: Ticket) {
        assert!(ticket.tries < AGAIN, "nobody ever gets in: {ticket:?}");
        let tries = ticket.tries + 1;
        let ticket = Ticket { tries, ..ticket };
        self.tickets.lock().unwrap().push_back(ticket);
    }

    async fn until_over(&self, grant: &str) {
        let mut ends = self.ends.clone();
        let over = ends.wait_for(|ends| ends.contains_key(grant));
        let waited = tokio::time::timeout(PATIENCE, over).await;
        assert!(waited.is_ok(), "{grant} is not over after {PATIENCE:?}");
    }
}

/// Gets grants as long as there are tickets.
pub(super) async fn hold(day: Arc<Day>, holder: Caller, reviewer: Arc<Caller>, seed: u64) {
    let mut random = Random::new(seed);
    while let Some(ticket) = day.next() {
        let used = one_grant(&day, &holder, &reviewer, ticket, &mut random).await;
        if used != Some(true) {
            day.again(ticket);
        }
    }
}

/// Answers whether it ever let somebody in; nothing where it did not come to that.
async fn one_grant(
    day: &Arc<Day>,
    holder: &Caller,
    reviewer: &Caller,
    ticket: Ticket,
    random: &mut Random,
) -> Option<bool> {
    let Ticket { kind, ending, .. } = ticket;
    let seconds = match ending {
        Ending::Time => day.pace.short + random.below(3),
        _ => day.pace.long + random.below(4),
    };
    let body = json!({
        "target": kind.target(),
        "role": "readonly",
        "duration": format!("{seconds}s"),
        "reason": "endings",
    });
    let made = holder.change(Verb::Submit, None, "/v1/requests", None, body);
    let (request, version) = done(made.await)?;
    let path = format!("/v1/requests/{request}");
    let approve = format!("{path}/approve");
    let approved = reviewer.change(
        Verb::Approve,
        Some(&request),
        &approve,
        Some(version),
        json!({}),
    );
    done(approved.await)?;
    let shown = holder.ask(Method::GET, &path, None).await.ok()?;
    let grant = shown["grant"].as_str().unwrap().to_owned();
    let held = Held {
        kind,
        ending,
        taken: None,
        certified: None,
    };
    day.book
        .note(|notes| notes.held.insert(grant.clone(), held));
    let Some(pass) = pass(day, holder, &grant, kind).await else {
        day.until_over(&grant).await;
        return None;
    };
    let once_more = (grant.clone(), pass.clone());
    day.passes.lock().unwrap().push(once_more);
    let probing = tokio::spawn(probe(Arc::clone(day), grant.clone(), pass));
    let pause = 1_000 + u64::try_from(random.below(1_500)).unwrap();
    let lock = end_early(day, holder, reviewer, &grant, ending, pause).await;
    day.until_over(&grant).await;
    if let Some((lock, version)) = lock {
        let (path, body) = (
            format!("/v1/locks/{lock}/lift"),
            json!({ "reason": "endings" }),
        );
        let lifted = reviewer.change(Verb::Lift, Some(&grant), &path, Some(version), body);
        done(lifted.await)?;
    }
    Some(probing.await.unwrap())
}

/// Takes the grant away in its way, unless time is to end it. Answers the lock where it is by one.
async fn end_early(
    day: &Day,
    holder: &Caller,
    reviewer: &Caller,
    grant: &str,
    ending: Ending,
    pause: u64,
) -> Option<(String, i64)> {
    if ending == Ending::Time {
        return None;
    }
    tokio::time::sleep(Duration::from_millis(pause)).await;
    let reason = json!({ "reason": "endings" });
    let (acknowledged, lock) = match ending {
        Ending::Lock => {
            let on = json!({ "kind": "principal", "principal": holder.name });
            let body = json!({ "on": on, "reason": "endings" });
            let placed = reviewer.change(Verb::Lock, Some(grant), "/v1/locks", None, body);
            let lock = done(placed.await);
            (lock.is_some(), lock)
        }
        Ending::Return => (
            take(holder, Verb::Return, grant, "return", json!({})).await,
            None,
        ),
        _ => (
            take(reviewer, Verb::Revoke, grant, "revoke", reason).await,
            None,
        ),
    };
    if acknowledged {
        let now = wall_now();
        day.book.note(|notes| {
            if let Some(held) = notes.held.get_mut(grant) {
                held.taken = Some(now);
            }
        });
    }
    lock
}

/// Takes a grant away; whoever changed it meanwhile is looked at first. Answers whether that was acknowledged.
async fn take(who: &Caller, verb: Verb, grant: &str, act: &str, body: Value) -> bool {
    let path = format!("/v1/grants/{grant}");
    loop {
        let Ok(shown) = who.ask(Method::GET, &path, None).await else {
            return false;
        };
        let (version, act) = (shown["version"].as_i64(), format!("{path}/{act}"));
        let told = who
            .change(verb, Some(grant), &act, version, body.clone())
            .await;
        match told {
            Outcome::Done { .. } => return true,
            Outcome::Refused(code) if code == "conflict" => {}
            Outcome::Refused(_) | Outcome::Open => return false,
        }
    }
}

/// What lets the holder in, once there is something; none when the grant is over before.
async fn pass(day: &Day, holder: &Caller, grant: &str, kind: Kind) -> Option<Pass> {
    let keys = if kind == Kind::Ssh {
        Some(keys(day, grant).await)
    } else {
        None
    };
    let body = match &keys {
        Some((_, public)) => json!({ "public_key": public }),
        None => json!({}),
    };
    let path = format!("/v1/grants/{grant}/credential");
    let value = loop {
        match holder.ask(Method::POST, &path, Some(&body)).await {
            Ok(value) => break value,
            // A certificate counts whole seconds, so that there is none for the last one of a grant.
            Err(code) if ["grant-not-active", "unsupported"].contains(&code.as_str()) => {}
            Err(code) => panic!("{grant} has no credential: {code}"),
        }
        if day.ends.borrow().contains_key(grant) {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    Some(match serde_json::from_value(value).unwrap() {
        // Past the way that breaks: it is that of nodes.
        CredentialView::Postgres { user, password, .. } => Pass::Postgres(Box::new(
            day.place
                .cluster
                .options(&day.place.orders.name)
                .username(&user)
                .password(&password),
        )),
        CredentialView::Ssh {
            certificate,
            ends_at,
            ..
        } => {
            day.book.note(|notes| {
                if let Some(held) = notes.held.get_mut(grant) {
                    held.certified = Some(ends_at.timestamp_millis());
                }
            });
            let (keys, _) = keys?;
            Pass::Ssh {
                sshd: Arc::clone(&day.place.sshd),
                keys,
                certificate,
                command: day.place.long_command(),
            }
        }
        CredentialView::OwnAccount { .. } => Pass::Ldap {
            url: day.place.directory.slapd.url(),
            who: entry(&holder.name),
        },
    })
}

/// Two files with the same private key, and its public key.
async fn keys(day: &Day, grant: &str) -> ([std::path::PathBuf; 2], String) {
    let (sshd, name) = (Arc::clone(&day.place.sshd), grant.to_owned());
    let made = tokio::task::spawn_blocking(move || {
        let (key, public) = sshd.client_key(&name);
        let other = key.with_file_name(format!("{name}-2"));
        std::fs::copy(&key, &other).unwrap();
        ([key, other], public)
    });
    made.await.unwrap()
}

/// The record as the last call left it; nothing when the call came to nothing.
fn done(outcome: Outcome) -> Option<(String, i64)> {
    match outcome {
        Outcome::Done { id, version, .. } => Some((id, version)),
        Outcome::Refused(_) | Outcome::Open => None,
    }
}
