//! Takes over changed files while the server runs. Files that are wrong change nothing, and it is said why.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Rulebook, Texts, understand};
use crate::config::{Problem, paths};
use crate::secret::Key;
use crate::targets::Environment;

/// How often the files are looked at. A change is taken over once it has been still for one more look.
const EVERY: Duration = Duration::from_secs(1);

/// What came of looking at the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// They are as they were.
    Unchanged,
    /// They are being changed; the next look will tell.
    Settling,
    /// They were taken over.
    Replaced {
        from: String,
        to: String,
        warnings: Vec<Problem>,
    },
    /// They are wrong, so what was loaded before stays.
    Kept {
        version: String,
        problems: Vec<Problem>,
    },
}

/// How things stand, for the server's health and the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The version in use.
    pub version: String,
    /// Why the files as they are now could not be taken over; empty when they are in use.
    pub last_problem: Vec<Problem>,
}

/// Holds the rulebook in use, and looks after its files.
pub struct Watcher {
    folder: PathBuf,
    environment: Environment,
    current: ArcSwap<Rulebook>,
    status: watch::Sender<Status>,
    seen: Mutex<Seen>,
}

/// What the last looks found.
struct Seen {
    marks: Marks,
    /// Whether the files must be read at the next look, if they are still by then.
    unread: bool,
    in_use: Texts,
}

/// What tells a changed file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    /// Of any change, also one that sets the time of modification back.
    changed: (i64, i64),
}

/// The marks of both files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Marks([Option<Mark>; 2]);

impl Marks {
    fn of(folder: &Path) -> Self {
        Self([paths::SERVER_FILE, paths::POLICY_FILE].map(|name| {
            let about = std::fs::metadata(folder.join(name)).ok()?;
            let changed = (about.ctime(), about.ctime_nsec());
            Some(Mark {
                device: about.dev(),
                inode: about.ino(),
                size: about.size(),
                changed,
            })
        }))
    }
}

impl Watcher {
    /// Loads a folder and begins to look after it. A server does not start with files that are wrong.
    pub fn open(folder: &Path, environment: Environment) -> Result<Self, Vec<Problem>> {
        let marks = Marks::of(folder);
        let texts = Texts::read(folder)?;
        let rulebook = understand(&texts, folder, &environment)?;
        let (status, _) = watch::channel(Status {
            version: rulebook.version.clone(),
            last_problem: Vec::new(),
        });
        Ok(Self {
            folder: folder.to_owned(),
            environment,
            current: ArcSwap::from_pointee(rulebook),
            status,
            seen: Mutex::new(Seen {
                marks,
                unread: true,
                in_use: texts,
            }),
        })
    }

    /// The master key of the installation, for what its nodes sign for one another.
    pub fn key(&self) -> &Key {
        &self.environment.key
    }

    /// The rulebook in use. One decision takes it once and keeps it to its end.
    pub fn current(&self) -> Arc<Rulebook> {
        self.current.load_full()
    }

    /// Follows how things stand.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Takes the files over as they are, as SIGHUP asks for.
    pub fn reload(&self) -> Reloaded {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.marks = Marks::of(&self.folder);
        // Read once more at the next look: whoever asked may not have been done with writing.
        seen.unread = true;
        self.take_over(&mut seen, true)
    }

    /// Looks whether the files have changed, and takes them over once they have been still since the last look.
    pub fn poll(&self) -> Reloaded {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let marks = Marks::of(&self.folder);
        if marks != seen.marks {
            // Half a policy can be a valid policy without its last `forbid`.
            seen.marks = marks;
            seen.unread = true;
            return Reloaded::Settling;
        }
        if !std::mem::take(&mut seen.unread) {
            return Reloaded::Unchanged;
        }
        self.take_over(&mut seen, false)
    }

    /// Polls until told to stop, and reports each change that was taken over or refused.
    pub async fn run(
        self: Arc<Self>,
        stop: CancellationToken,
        mut report: impl FnMut(Reloaded) + Send,
    ) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let watcher = Arc::clone(&self);
            // Validating a long policy takes milliseconds that other tasks should not wait for.
            let looked = tokio::task::spawn_blocking(move || watcher.poll()).await;
            match looked {
                Ok(Reloaded::Unchanged | Reloaded::Settling) => {}
                Ok(change) => report(change),
                Err(error) => tracing::error!(%error, "looking at the configuration failed"),
            }
        }
    }

    fn take_over(&self, seen: &mut Seen, asked: bool) -> Reloaded {
        let before = self.current();
        let understood = Texts::read(&self.folder).and_then(|texts| {
            if texts == seen.in_use {
                return Ok(None);
            }
            gone(&seen.in_use, &texts)?;
            let rulebook = understand(&texts, &self.folder, &self.environment)?;
            Ok(Some((rulebook, texts)))
        });
        match understood {
            Ok(None) => {
                // What was refused may have been put back; nothing is wrong any more.
                self.status.send_if_modified(|status| {
                    !std::mem::take(&mut status.last_problem).is_empty()
                });
                Reloaded::Unchanged
            }
            Ok(Some((mut rulebook, texts))) => {
                retire(&before, &mut rulebook);
                let (from, to) = (before.version.clone(), rulebook.version.clone());
                let warnings = rulebook.warnings.clone();
                self.current.store(Arc::new(rulebook));
                self.status.send_replace(Status {
                    version: to.clone(),
                    last_problem: Vec::new(),
                });
                seen.in_use = texts;
                Reloaded::Replaced { from, to, warnings }
            }
            Err(problems) => {
                let version = before.version.clone();
                let status = Status {
                    version: version.clone(),
                    last_problem: problems.clone(),
                };
                // The same complaint is reported once, unless somebody asked.
                let news = *self.status.borrow() != status;
                if news {
                    self.status.send_replace(status);
                }
                if news || asked {
                    Reloaded::Kept { version, problems }
                } else {
                    Reloaded::Unchanged
                }
            }
        }
    }
}

/// A file that was there is not suddenly meant to be empty: some editors and tools take it away before they write it.
fn gone(before: &Texts, after: &Texts) -> Result<(), Vec<Problem>> {
    let lost = |name: &str, before: &Option<String>, after: &Option<String>| {
        let hint = Some("put it back; to have an empty one, write an empty file".to_owned());
        (before.is_some() && after.is_none()).then(|| Problem::of(name, "the file is gone", hint))
    };
    let server = lost(paths::SERVER_FILE, &before.server, &after.server);
    let policy = lost(paths::POLICY_FILE, &before.policy, &after.policy);
    let problems: Vec<_> = server.into_iter().chain(policy).collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// Keeps what is needed to close access on targets that are no longer in the file.
fn retire(before: &Rulebook, after: &mut Rulebook) {
    let known = before.catalog.retired.iter().chain(&before.catalog.targets);
    for (name, entry) in known.filter(|(name, _)| !after.catalog.targets.contains_key(*name)) {
        after.catalog.retired.insert(name.clone(), entry.clone());
    }
}
