//! Somebody who holds a grant and does not let go: real logins on each kind of target, and one session that stays open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ldap3::{Ldap, LdapConnAsync, Scope};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::time::timeout;

use super::book::{Seen, Use};
use super::holder::Day;
use super::place::{Kind, SECRET};
use crate::drill::history::wall_now;
use crate::support::slapd::PASSWORD;
use crate::support::sshd::Sshd;

/// A target that works answers sooner, and none stands still for longer.
const ANSWER: Duration = Duration::from_secs(8);

/// What gets somebody in.
#[derive(Debug, Clone)]
pub(super) enum Pass {
    Postgres(Box<PgConnectOptions>),
    Ssh {
        sshd: Arc<Sshd>,
        /// One for the session and one for logins: each call writes a file beside its key.
        keys: [PathBuf; 2],
        certificate: String,
        /// What the session runs.
        command: String,
    },
    /// Somebody's own account in a directory.
    Ldap {
        url: String,
        who: String,
    },
}

impl Pass {
    fn kind(&self) -> Kind {
        match self {
            Self::Postgres(_) => Kind::Postgres,
            Self::Ssh { .. } => Kind::Ssh,
            Self::Ldap { .. } => Kind::Ldap,
        }
    }

    /// Whether it lets somebody in from outside.
    pub(super) async fn enters(&self) -> bool {
        match self {
            Self::Postgres(options) => {
                let Ok(Ok(session)) = timeout(ANSWER, options.connect()).await else {
                    return false;
                };
                drop(timeout(ANSWER, session.close()).await);
                true
            }
            Self::Ssh { keys, .. } => self.ssh(&keys[1], "echo in".to_owned()).await,
            Self::Ldap { url, who } => match timeout(ANSWER, bound(url, who)).await {
                Ok(Some(mut ldap)) => {
                    let reads = timeout(ANSWER, reads(&mut ldap)).await;
                    drop(ldap.unbind().await);
                    reads.unwrap_or_default()
                }
                _ => false,
            },
        }
    }

    /// Stays in until thrown out, and tells each time that it worked.
    async fn stays(&self, worked: impl Fn(i64)) {
        match self {
            Self::Postgres(options) => {
                let Ok(Ok(mut session)) = timeout(ANSWER, options.connect()).await else {
                    return;
                };
                loop {
                    let at = wall_now();
                    let read = session.execute("select id from public.orders");
                    match timeout(ANSWER, read).await {
                        Ok(Ok(_)) => worked(at),
                        _ => return,
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Self::Ssh { keys, command, .. } => {
                let command = format!("echo in; exec {command}");
                if self.ssh(&keys[0], command).await {
                    worked(wall_now());
                }
            }
            Self::Ldap { url, who } => {
                let Ok(Some(mut ldap)) = timeout(ANSWER, bound(url, who)).await else {
                    return;
                };
                loop {
                    let at = wall_now();
                    if !timeout(ANSWER, reads(&mut ldap)).await.unwrap_or_default() {
                        break;
                    }
                    worked(at);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                drop(ldap.unbind().await);
            }
        }
    }

    /// Whether the host let somebody in, once the command is over.
    async fn ssh(&self, key: &Path, command: String) -> bool {
        let Self::Ssh {
            sshd, certificate, ..
        } = self
        else {
            return false;
        };
        let (sshd, key, certificate) = (Arc::clone(sshd), key.to_owned(), certificate.clone());
        let ran =
            tokio::task::spawn_blocking(move || sshd.run(&key, &certificate, &[command.as_str()]));
        ran.await.unwrap().stdout.starts_with(b"in")
    }
}

/// A connection to the directory with somebody's own password.
async fn bound(url: &str, who: &str) -> Option<Ldap> {
    let (connection, mut ldap) = LdapConnAsync::new(url).await.ok()?;
    tokio::spawn(async move { drop(connection.drive().await) });
    ldap.simple_bind(who, PASSWORD).await.ok()?.success().ok()?;
    Some(ldap)
}

/// Whether they see what members of the group may read.
async fn reads(ldap: &mut Ldap) -> bool {
    let found = ldap
        .search(SECRET, Scope::Base, "(objectClass=*)", vec!["description"])
        .await;
    let found = found.ok().and_then(|found| found.success().ok());
    found.is_some_and(|(entries, _)| !entries.is_empty())
}

/// Uses a grant until it is over, and tries on for a while after that. Answers whether it ever let somebody in.
pub(super) async fn probe(day: Arc<Day>, grant: String, pass: Pass) -> bool {
    let kind = pass.kind();
    // Every login on a host is some processes.
    let pause = Duration::from_millis(if kind == Kind::Ssh { 700 } else { 250 });
    let (entered, stayed) = (AtomicBool::new(false), AtomicBool::new(false));
    let seen = |at, by| {
        let grant = grant.clone();
        let was = match by {
            Use::Login => &entered,
            Use::Session => &stayed,
        };
        was.store(true, Ordering::Relaxed);
        day.book
            .note(|notes| notes.seen.push(Seen { at, grant, by }));
    };
    let is_over = || day.ends.borrow().contains_key(&grant);
    let session = async {
        while !is_over() {
            let before = stayed.load(Ordering::Relaxed);
            let again = AtomicBool::new(false);
            pass.stays(|at| {
                again.store(true, Ordering::Relaxed);
                seen(at, Use::Session);
            })
            .await;
            if before && again.into_inner() {
                day.book
                    .note(|notes| *notes.reopened.entry(kind).or_default() += 1);
            }
            tokio::time::sleep(pause).await;
        }
    };
    let logins = async {
        let mut over: Option<Instant> = None;
        while over.is_none_or(|since| since.elapsed() < day.pace.afterwards) {
            if over.is_none() && is_over() {
                over = Some(Instant::now());
            }
            let at = wall_now();
            if pass.enters().await {
                seen(at, Use::Login);
            }
            day.book.note(|notes| {
                *notes.tries.entry(kind).or_default() += 1;
                if over.is_some() {
                    *notes.afterwards.entry(kind).or_default() += 1;
                }
            });
            tokio::time::sleep(pause).await;
        }
    };
    tokio::join!(session, logins);
    entered.into_inner() || stayed.into_inner()
}
