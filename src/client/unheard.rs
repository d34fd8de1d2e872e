//! The keys of changes whose answer was not heard yet, each in a private file of its own.
//!
//! A program that is killed, or gives up, leaves its key here. Whoever asks for exactly the same within a day asks with
//! that key, so it is done once. A file is locked as long as the program works that wrote it: two programs that ask for
//! the same at the same time mean two changes.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::call::Call;
use crate::client::{ClientError, IdempotencyKey};
use crate::secret::hash_of;

/// The server forgets keys some time after this, and nobody means yesterday's change with the same words today.
const GOOD_FOR: Duration = Duration::from_hours(24);
/// So many programs may ask for the same at once; those beyond keep nothing.
const AT_ONCE: usize = 8;
/// Nobody waits for more answers than this; beyond it the oldest keys are let go.
const MOST: usize = 256;

/// Where keys are kept until there is an answer.
#[derive(Debug, Clone)]
pub(super) struct Unheard {
    folder: PathBuf,
    /// Whose they are, so that nobody gets a key of somebody else who signed in here.
    server: String,
}

/// A key that is kept, and locked until this is dropped.
#[derive(Debug)]
pub(super) struct Kept {
    key: IdempotencyKey,
    /// Somebody asked before and did not hear what came of it.
    pub again: bool,
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl Unheard {
    /// In this folder, for changes on this server.
    pub(super) fn kept_in(folder: PathBuf, server: String) -> Self {
        Self { folder, server }
    }

    /// Keeps the key of a call before it is sent, or gives the one of the same call whose answer was never heard.
    /// Nothing where it cannot be kept: a full disk keeps nobody from revoking.
    pub(super) async fn keep(&self, call: &Call<'_>, who: &str) -> Option<Kept> {
        let fresh = call.key.filter(|_| call.keepable)?.clone();
        let name = self.name(call, who);
        let folder = self.folder.clone();
        let kept = tokio::task::spawn_blocking(move || {
            tidy(&folder);
            keep(&folder, &name, &fresh)
        });
        kept.await.ok().flatten()
    }

    /// What a call is known by: exactly what the server compares when a key comes again, and who asks.
    fn name(&self, call: &Call<'_>, who: &str) -> String {
        let version = call.version.map(|version| version.to_string());
        let path = call.path.join("\n");
        let query = format!("{:?}", call.query);
        let body = String::from_utf8_lossy(call.body.as_deref().unwrap_or_default());
        let parts = [
            self.server.as_str(),
            who,
            call.method.as_str(),
            &path,
            &query,
            version.as_deref().unwrap_or_default(),
            &body,
        ];
        // Each part after its length, so that no two calls are the same text.
        let whole = parts.iter().fold(String::new(), |text, part| {
            text + &format!("{}:{part}", part.len())
        });
        hash_of(&whole)
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

impl Kept {
    /// The key to send.
    pub(super) fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// Lets the key go if what came back says for certain what became of the call.
    pub(super) fn settle(
        self,
        unanswered: bool,
        result: Result<&Vec<u8>, &ClientError>,
    ) -> Settled {
        let definite = match result {
            Ok(_) => true,
            Err(error) => is_definite(error, unanswered || self.again),
        };
        if !definite {
            return Settled::StillUnheard;
        }
        // One that stays is asked for once more at worst, and then has its answer.
        let _ = fs::remove_file(&self.path);
        Settled::Heard
    }
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Heard,
    /// Whoever asks for the same again asks with it.
    StillUnheard,
}

/// Whether an error says for certain that a call was not done, or what it came to. `open` where an earlier try may have
/// been done: then a refusal that looks at the caller, and not at the key, says nothing of that try.
fn is_definite(error: &ClientError, open: bool) -> bool {
    match error {
        ClientError::Problem(problem) => match problem.status {
            401 | 403 | 408 | 425 | 429 => !open,
            400..500 | 502 => true,
            _ => problem.code == "no-writable-store" && !open,
        },
        ClientError::OutcomeUnknown | ClientError::BadReply { .. } => false,
        ClientError::NotSignedIn { .. }
        | ClientError::Unreachable { .. }
        | ClientError::Local { .. }
        | ClientError::NoKeyring { .. } => !open,
    }
}

fn keep(folder: &Path, name: &str, fresh: &IdempotencyKey) -> Option<Kept> {
    let places = || (0..AT_ONCE).map(|place| folder.join(format!("{name}-{place}")));
    let left_behind = places().find_map(|path| {
        let mut file = File::options().read(true).write(true).open(&path).ok()?;
        file.try_lock().ok()?;
        let about = file.metadata().ok()?;
        let key = read(&mut file)?;
        (about.is_file() && about.nlink() > 0 && is_recent(&about)).then_some(Kept {
            key,
            again: true,
            path,
            _file: file,
        })
    });
    left_behind.or_else(|| places().find_map(|path| write(&path, fresh)))
}

/// Writes a key where no other program has one, so that it is on the disk before anything is sent.
fn write(path: &Path, key: &IdempotencyKey) -> Option<Kept> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .ok()?;
    file.try_lock().ok()?;
    // Somebody may have taken the file away between the two.
    if file.metadata().ok()?.nlink() == 0 {
        return None;
    }
    file.set_len(0).ok()?;
    file.rewind().ok()?;
    writeln!(file, "{}", key.as_str()).ok()?;
    file.sync_all().ok()?;
    File::open(path.parent()?).ok()?.sync_all().ok()?;
    Some(Kept {
        key: key.clone(),
        again: false,
        path: path.to_owned(),
        _file: file,
    })
}

fn read(file: &mut File) -> Option<IdempotencyKey> {
    let mut text = String::new();
    file.take(100).read_to_string(&mut text).ok()?;
    IdempotencyKey::read(text.strip_suffix('\n')?)
}

fn is_recent(about: &fs::Metadata) -> bool {
    let age = about.modified().map(|at| at.elapsed());
    // A clock that was set back makes a key look younger than none.
    matches!(age, Ok(Ok(age)) if age < GOOD_FOR) || matches!(age, Ok(Err(_)))
}

/// Takes away what is too old, and the oldest where there are too many. What a program still works with stays, and what
/// is not ours is left alone.
fn tidy(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let ours = |name: &str| {
        name.split_once('-').is_some_and(|(hash, place)| {
            hash.len() == 64
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                && place.len() == 1
        })
    };
    let mut kept: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(ours))
        .filter_map(|entry| Some((entry.metadata().ok()?, entry.path())))
        .filter(|(about, _)| about.is_file())
        .collect();
    kept.sort_by_key(|(about, _)| std::cmp::Reverse(about.modified().ok()));
    for (place, (about, path)) in kept.iter().enumerate() {
        if (place >= MOST || !is_recent(about))
            && let Ok(file) = File::open(path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;

    fn keys() -> (tempfile::TempDir, Unheard) {
        let folder = tempfile::tempdir().unwrap();
        let unheard = Unheard::kept_in(folder.path().to_owned(), "https://a.example".to_owned());
        (folder, unheard)
    }

    fn fresh() -> IdempotencyKey {
        IdempotencyKey::new().unwrap()
    }

    fn deny(version: i64, key: &IdempotencyKey) -> Call<'_> {
        let path = &["v1", "requests", "R-1", "deny"];
        Call::new(Method::POST, path).version(version).key(key)
    }

    fn count(folder: &tempfile::TempDir) -> usize {
        fs::read_dir(folder.path()).unwrap().count()
    }

    #[tokio::test]
    async fn the_same_call_gets_the_key_whose_answer_was_not_heard() {
        let (folder, unheard) = keys();
        let (one, two) = (fresh(), fresh());
        let kept = unheard.keep(&deny(1, &one), "P-1").await.unwrap();
        assert!(!kept.again);
        let mode = fs::metadata(&kept.path).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let unknown = Err(&ClientError::OutcomeUnknown);
        assert_eq!(kept.settle(true, unknown), Settled::StillUnheard);
        for (version, who) in [(2, "P-1"), (1, "P-2")] {
            let other = unheard.keep(&deny(version, &two), who).await.unwrap();
            assert_eq!((other.again, other.key()), (false, &two));
            other.settle(false, Ok(&Vec::new()));
        }
        let again = unheard.keep(&deny(1, &two), "P-1").await.unwrap();
        assert_eq!((again.again, again.key()), (true, &one));
        assert_eq!(again.settle(false, Ok(&Vec::new())), Settled::Heard);
        assert_eq!(count(&folder), 0);
        let later = unheard.keep(&deny(1, &two), "P-1").await.unwrap();
        assert_eq!((later.again, later.key()), (false, &two));
    }

    #[tokio::test]
    async fn two_who_ask_for_the_same_at_once_mean_two_changes() {
        let (folder, unheard) = keys();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            let key = fresh();
            let kept = unheard.keep(&deny(1, &key), "P-1").await.unwrap();
            assert_eq!((kept.again, kept.key()), (false, &key));
            held.push(kept);
        }
        assert!(unheard.keep(&deny(1, &fresh()), "P-1").await.is_none());
        // The last one is killed, the others have their answers: its key is found although its place is not the first.
        let killed = held.pop().unwrap();
        let key = killed.key().clone();
        drop(killed);
        for kept in held {
            kept.settle(false, Ok(&Vec::new()));
        }
        assert_eq!(count(&folder), 1);
        let again = unheard.keep(&deny(1, &fresh()), "P-1").await.unwrap();
        assert_eq!((again.again, again.key()), (true, &key));
    }

    #[tokio::test]
    async fn garbage_does_no_harm_and_the_number_of_keys_has_a_bound() {
        let (folder, unheard) = keys();
        let key = fresh();
        let name = unheard.name(&deny(1, &key), "P-1");
        let at = |name: &str| folder.path().join(name);
        fs::write(at(&format!("{name}-0")), "not a key\u{1b}[31m\n").unwrap();
        fs::create_dir(at(&format!("{name}-1"))).unwrap();
        fs::write(at("letter"), "of somebody").unwrap();
        let kept = unheard.keep(&deny(1, &key), "P-1").await.unwrap();
        assert_eq!((kept.again, kept.key()), (false, &key));
        kept.settle(false, Ok(&Vec::new()));
        for number in 0..MOST + 50 {
            fs::write(at(&format!("{number:064x}-0")), "k\n").unwrap();
        }
        unheard.keep(&deny(1, &key), "P-1").await.unwrap();
        assert!(count(&folder) <= MOST + 3, "{}", count(&folder));
        assert!(at("letter").exists());
    }

    #[test]
    fn a_refusal_of_the_caller_says_nothing_of_an_earlier_try() {
        let problem = |status: u16, code: &str| {
            let body = serde_json::json!({ "type": "", "status": status, "code": code, "title": "", "instance": "" });
            let problem: crate::wire::Problem = serde_json::from_value(body).unwrap();
            ClientError::from(problem)
        };
        for (status, code, first, later) in [
            (412, "conflict", true, true),
            (401, "not-signed-in", true, false),
            (403, "step-up-required", true, false),
            (429, "too-many", true, false),
            (500, "fault", false, false),
            (503, "busy", false, false),
            (503, "no-writable-store", true, false),
        ] {
            let error = problem(status, code);
            assert_eq!(is_definite(&error, false), first, "{code}");
            assert_eq!(is_definite(&error, true), later, "{code}");
        }
        let unreachable = ClientError::Unreachable {
            text: String::new(),
        };
        assert!(is_definite(&unreachable, false));
        assert!(!is_definite(&unreachable, true));
    }
}
