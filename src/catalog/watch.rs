//! Takes over changed files while the server runs. Files that are wrong change nothing, and it is said why. Where a
//! policy was put into use by somebody's word, another one in the file waits for such a word, too.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Rulebook, Texts, understand};
use crate::config::{Problem, paths};
use crate::domain::policy::Policy;
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
    /// The version of the policy in the file, where it waits to be applied.
    pub waiting: Option<String>,
}

/// Holds the rulebook in use, and looks after its files.
pub struct Watcher {
    folder: PathBuf,
    environment: Environment,
    current: ArcSwap<Rulebook>,
    /// The policy of the file, where it is another than the one in use.
    waiting: ArcSwapOption<Policy>,
    status: watch::Sender<Status>,
    seen: Mutex<Seen>,
}

/// What the last looks found.
struct Seen {
    marks: Marks,
    /// Whether the files must be read at the next look, if they are still by then.
    unread: bool,
    in_use: Texts,
    /// The policy that holds whatever the file says, if one was put into use so.
    held: Option<Policy>,
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
            waiting: None,
        });
        Ok(Self {
            folder: folder.to_owned(),
            environment,
            current: ArcSwap::from_pointee(rulebook),
            waiting: ArcSwapOption::empty(),
            status,
            seen: Mutex::new(Seen {
                marks,
                unread: true,
                in_use: texts,
                held: None,
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

    /// The policy of the file, where it waits to be applied.
    pub fn waiting(&self) -> Option<Arc<Policy>> {
        self.waiting.load_full()
    }

    /// Whether there is a policy file at all.
    pub fn has_policy(&self) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.in_use.policy.is_some()
    }

    /// Whether the policy of this version was put into use and holds.
    pub fn holds(&self, version: &str) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let held = seen.held.as_ref();
        held.is_some_and(|held| held.version() == version)
    }

    /// From now on this policy holds, whatever the file says.
    pub fn hold(&self, policy: Policy) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rulebook = Rulebook::clone(&self.current());
        if let Some(of_file) = self.waiting.load_full() {
            rulebook.policy = Policy::clone(&of_file);
        }
        seen.held = Some(policy);
        self.put(&seen, rulebook);
    }

    /// Puts what the files say into use, but for a policy that has to wait.
    fn put(&self, seen: &Seen, mut rulebook: Rulebook) {
        let held = seen.held.as_ref();
        let held = held.filter(|held| held.version() != rulebook.policy.version());
        let waiting = held.map(|held| {
            let of_file = std::mem::replace(&mut rulebook.policy, held.clone());
            rulebook.version = seen.in_use.version_with(held.text());
            Arc::new(of_file)
        });
        if held.is_none() {
            rulebook.version = seen.in_use.version();
        }
        let status = Status {
            version: rulebook.version.clone(),
            last_problem: Vec::new(),
            waiting: waiting.as_ref().map(|policy| policy.version().to_owned()),
        };
        self.waiting.store(waiting);
        self.current.store(Arc::new(rulebook));
        self.status.send_replace(status);
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
                let warnings = rulebook.warnings.clone();
                seen.in_use = texts;
                self.put(seen, rulebook);
                let (from, to) = (before.version.clone(), self.current().version.clone());
                if from == to {
                    // Another policy, and it waits.
                    return Reloaded::Unchanged;
                }
                Reloaded::Replaced { from, to, warnings }
            }
            Err(problems) => {
                let version = before.version.clone();
                let waiting = self.waiting.load();
                let status = Status {
                    version: version.clone(),
                    last_problem: problems.clone(),
                    waiting: waiting.as_ref().map(|policy| policy.version().to_owned()),
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
