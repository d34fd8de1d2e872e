//! Somebody who holds a credential and does not let go: real logins on the target, and a session that stays open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::history::{Access, Recorder, Seen, wall_now};

/// A target that works answers sooner than this.
const ANSWER: Duration = Duration::from_secs(5);
/// So long a credential is tried on that was refused: somebody who comes late may make it work again.
const AFTERWARDS: Duration = Duration::from_secs(45);

/// What probers did, all together.
#[derive(Debug, Default)]
pub(super) struct Tries {
    pub(super) logins: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) sessions: AtomicU64,
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
