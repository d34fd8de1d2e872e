//! Somebody who holds a credential and does not let go: real logins on the target, and a session that stays open.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::history::{Access, Recorder, Seen, wall_now};
use crate::support::sshd::Sshd;

/// A target that works answers sooner than this.
const ANSWER: Duration = Duration::from_secs(5);
/// So long a credential is tried on that was refused: somebody who comes late may make it work again.
const AFTERWARDS: Duration = Duration::from_secs(45);

/// A certificate is tried on after it was refused, so often: it may have been the host that was busy.
const REFUSED: u32 = 5;

/// What probers did, all together.
#[derive(Debug, Default)]
pub(super) struct Tries {
    pub(super) logins: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) sessions: AtomicU64,
    /// The same for hosts.
    pub(super) certified: AtomicU64,
    pub(super) hosted: AtomicU64,
}

/// What gets somebody into a host.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub(super) sshd: Arc<Sshd>,
    pub(super) key: PathBuf,
    pub(super) certificate: String,
}

impl Pass {
    /// Whether the host lets somebody in, once the command is over.
    async fn runs(&self, command: &'static str) -> bool {
        let pass = self.clone();
        let ran = tokio::task::spawn_blocking(move || {
            pass.sshd.run(&pass.key, &pass.certificate, &[command])
        });
        ran.await.unwrap().status.success()
    }
}

/// Uses a certificate until it is refused for good.
pub(super) async fn probe_host(
    grant: String,
    pass: Pass,
    recorder: Arc<Recorder>,
    tries: Arc<Tries>,
) {
    let session = async {
        tries.hosted.fetch_add(1, Ordering::Relaxed);
        pass.runs("sleep 300").await;
        note(&recorder, &grant, wall_now(), Access::Host);
    };
    let logins = async {
        let mut refused = 0;
        while refused < REFUSED {
            let at = wall_now();
            tries.certified.fetch_add(1, Ordering::Relaxed);
            if pass.runs("true").await {
                note(&recorder, &grant, at, Access::Certificate);
            } else {
                tries.refused.fetch_add(1, Ordering::Relaxed);
                refused += 1;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::join!(session, logins);
}

/// Uses a grant until it is refused for good.
pub(super) async fn probe(
    grant: String,
    credential: PgConnectOptions,
    recorder: Arc<Recorder>,
    tries: Arc<Tries>,
) {
    let session = stay(&grant, &credential, &recorder, &tries);
    let logins = log_in(&grant, &credential, &recorder, &tries);
    tokio::join!(session, logins);
}

/// Opens one session and uses it until it is cut.
async fn stay(grant: &str, credential: &PgConnectOptions, recorder: &Recorder, tries: &Tries) {
    let Ok(Ok(mut session)) = tokio::time::timeout(ANSWER, credential.connect()).await else {
        return;
    };
    tries.sessions.fetch_add(1, Ordering::Relaxed);
    loop {
        let at = wall_now();
        match tokio::time::timeout(ANSWER, session.execute("select 1")).await {
            Ok(Ok(_)) => note(recorder, grant, at, Access::Session),
            _ => return,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Logs in again and again.
async fn log_in(grant: &str, credential: &PgConnectOptions, recorder: &Recorder, tries: &Tries) {
    let mut refused_since: Option<Instant> = None;
    while refused_since.is_none_or(|since| since.elapsed() < AFTERWARDS) {
        let at = wall_now();
        tries.logins.fetch_add(1, Ordering::Relaxed);
        let entered = tokio::time::timeout(ANSWER, credential.connect()).await;
        let pause = if let Ok(Ok(session)) = entered {
            note(recorder, grant, at, Access::Login);
            drop(session.close().await);
            refused_since = None;
            200
        } else {
            tries.refused.fetch_add(1, Ordering::Relaxed);
            // Time begins with the first refusal.
            refused_since.get_or_insert_with(Instant::now);
            1_000
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

fn note(recorder: &Recorder, grant: &str, at: i64, by: Access) {
    let grant = grant.to_owned();
    recorder.note(|history| history.seen.push(Seen { at, grant, by }));
}
