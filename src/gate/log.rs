//! The tamper-evident log towards the outside: signed checkpoints, tiles, bundles of entries, and proofs.
//!
//! A node signs nothing that does not continue what it or another node signed before. What it signed last it keeps
//! in a file of its own, so that a database that was rolled back is noticed even when the database says otherwise.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::extent::Place;
use crate::domain::permit::{Action, permit, permit_at};
use crate::domain::refusal::Refusal;
use crate::store::Tx;
use crate::store::tree::Tree;
use crate::tlog::{
    Bundle, Checkpoint, Hash, Node, Note, SigningKey, TileAt, VerifyingKey, WIDTH,
    check_consistency, consistency, inclusion,
};

use crate::wire::export::SignedLog;

use super::{Caller, Error, Gate, hex};

/// Checkpoints are this far apart.
const PUBLISH: Duration = Duration::from_secs(10);
/// A file with a checkpoint is not longer than this, in bytes.
const KEPT_MAX: u64 = 64 * 1024;

/// What a node knows of the log that it signs.
#[derive(Default)]
pub struct Signer {
    /// Where the last checkpoint that this node signed is kept, if anywhere.
    kept: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<Checkpoint>,
    /// The file was read.
    read: bool,
    /// Why nothing is signed any more.
    broken: bool,
}

/// That an entry is in the log of a checkpoint.
#[derive(Debug, Clone)]
pub struct EntryProof {
    /// The bytes that are hashed.
    pub entry: Vec<u8>,
    pub checkpoint: String,
    pub hashes: Vec<Hash>,
}

impl Signer {
    /// A signer that keeps its last checkpoint in this file.
    pub fn kept_in(path: PathBuf) -> Self {
        Self {
            kept: Some(path),
            state: Mutex::default(),
        }
    }
}

impl Gate {
    /// Signs the log soon after it has grown, until told to stop.
    pub async fn run_publisher(self: Arc<Self>, stop: CancellationToken) {
        let mut size = self.store.watch_size();
        while !stop.is_cancelled() {
            if let Err(error) = self.publish().await {
                tracing::error!(error = ?error, "the audit log could not be signed; it is tried again");
            }
            let grown = async {
                tokio::time::sleep(PUBLISH).await;
                // The sender lives as long as the store, which this task holds.
                let _ = size.changed().await;
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = grown => {}
            }
        }
    }

    /// Signs the log as it is, if it has grown since it was signed last. Answers the size that is signed.
    pub async fn publish(&self) -> Result<u64, Error> {
        let mut state = self.signer.state.lock().await;
        if state.broken {
            return Ok(state.last.as_ref().map_or(0, |last| last.size));
        }
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        let key = self.log_key(tree.epoch)?;
        if !state.read {
            state.last = self.read_kept(key.verifying())?;
            state.read = true;
        }
        let theirs = signed_by(tree.checkpoint.as_deref(), key.verifying());
        let size = tree.frontier.size();
        for before in [state.last.clone(), theirs.clone()].into_iter().flatten() {
            if let Err(why) = continues(&mut tx, &tree, &before).await? {
                drop(tx);
                // Before anything else: what could not be said now is found and said again.
                self.rewritten(&before, &why).await?;
                state.broken = true;
                return Ok(before.size);
            }
        }
        drop(tx);
        if theirs.as_ref().is_none_or(|theirs| theirs.size < size) {
            let now = Checkpoint {
                origin: key.verifying().name().to_owned(),
                size,
                root: tree.frontier.root(),
            };
            let note = Note::new(now.to_string()).context("a checkpoint is no note")?;
            let note = note.signed(&key).to_string();
            let mut tx = self.store.write().await?;
            tx.keep_checkpoint(size, &note).await?;
            self.store.commit(tx).await?;
            // After the commit: what is kept here has to be in the database.
            self.keep(&note)?;
            state.last = Some(now);
        } else if state.last != theirs
            && let Some(note) = &tree.checkpoint
        {
            // Another node signed it, and this one saw it: that is worth as much.
            self.keep(note)?;
            state.last = theirs;
        }
        Ok(size)
    }

    /// The key with which others check what is signed here, as `name+hash+key`.
    pub async fn log_verifier(&self) -> Result<String, Error> {
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        Ok(self.log_key(tree.epoch)?.verifying().to_string())
    }

    /// The newest checkpoint: a signed note.
    pub async fn checkpoint(&self, caller: &Caller) -> Result<String, Error> {
        permit_at(&caller.principal, Action::ReadOwn, Place::Somewhere)?;
        let (mut tx, _) = self.look().await?;
        Ok(newest(&tx.tree().await?)?)
    }

    /// That the log of one size is the beginning of the one of another.
    pub async fn consistency(
        &self,
        caller: &Caller,
        (from, to): (u64, u64),
    ) -> Result<Vec<Hash>, Error> {
        permit_at(&caller.principal, Action::ReadOwn, Place::Somewhere)?;
        let rows = consistency(from, to).ok_or_else(|| missing("size", &from))?;
        self.proof(&rows, to).await
    }

    /// That an entry is in the log of the newest checkpoint, for those who may see the event.
    pub async fn entry_proof(&self, caller: &Caller, index: u64) -> Result<EntryProof, Error> {
        permit_at(&caller.principal, Action::ReadOwn, Place::Somewhere)?;
        let place = i64::try_from(index).map_err(|_| missing("event", &index))?;
        let (mut tx, _) = self.look().await?;
        let event = tx.events_from(place, 1).await?;
        let event = event.first().filter(|event| event.index == place);
        if !event.is_some_and(|event| self.may_see(caller, event)) {
            return Err(missing("event", &index).into());
        }
        let tree = tx.tree().await?;
        let checkpoint = newest(&tree)?;
        let signed: Checkpoint = Note::read(&checkpoint)
            .ok()
            .and_then(|note| note.unverified().parse().ok())
            .context("the database has a checkpoint that cannot be read")?;
        let waits = || Refusal::NotFound {
            what: "checkpoint with event",
            name: index.to_string(),
        };
        let rows = inclusion(index, signed.size).ok_or_else(waits)?;
        let hashes = tx.prove(&rows, signed.size, tree.epoch).await?;
        let entry = tx.entries(index, 1, tree.epoch).await?.pop();
        Ok(EntryProof {
            entry: entry.ok_or_else(waits)?,
            checkpoint,
            hashes: hashes.ok_or_else(waits)?,
        })
    }

    /// The hashes of a tile, for those who may read everybody's history.
    pub async fn tile(&self, caller: &Caller, at: TileAt) -> Result<Vec<Hash>, Error> {
        permit(&caller.principal, Action::ReadAudit)?;
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        let reached = at.number.checked_mul(WIDTH).is_some_and(|first| {
            let last = first.saturating_add(u64::from(at.width));
            last <= tree.frontier.size() >> (u32::from(at.level) * 8)
        });
        let hashes = if reached {
            tx.tile(at, tree.epoch).await?
        } else {
            None
        };
        Ok(hashes.ok_or_else(|| missing("tile", &at))?)
    }

    /// The entries below a tile of the lowest level, for those who may read everybody's history.
    pub async fn bundle(&self, caller: &Caller, at: TileAt) -> Result<Vec<u8>, Error> {
        permit(&caller.principal, Action::ReadAudit)?;
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        let first = at.number.checked_mul(WIDTH);
        let first = first.filter(|first| *first < tree.frontier.size());
        let first = first.ok_or_else(|| missing("tile", &at))?;
        let width = i64::from(at.width);
        let entries = tx.entries(first, width, tree.epoch).await?;
        if entries.len() != usize::from(at.width) {
            return Err(missing("tile", &at).into());
        }
        let mut bundle = Bundle::default();
        if !entries.iter().all(|entry| bundle.push(entry)) {
            return Err(anyhow::anyhow!("an entry is too long for a bundle").into());
        }
        Ok(bundle.into_bytes())
    }

    async fn proof(&self, rows: &[Vec<Node>], size: u64) -> Result<Vec<Hash>, Error> {
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        let hashes = if size <= tree.frontier.size() {
            tx.prove(rows, size, tree.epoch).await?
        } else {
            None
        };
        Ok(hashes.ok_or_else(|| missing("size", &size))?)
    }

    pub(super) fn log_key(&self, epoch: u32) -> Result<SigningKey, Error> {
        let key = self.rules.key();
        let id = hex(key
            .derive("audit log name", &[])
            .get(..16)
            .unwrap_or_default());
        let name = format!("portcullis/audit/{id}/{epoch}");
        let seed = key.derive("audit log", &[&name]);
        Ok(SigningKey::from_seed(&name, &seed).context("making the key of the log")?)
    }

    fn read_kept(&self, key: &VerifyingKey) -> Result<Option<Checkpoint>, Error> {
        let Some(path) = &self.signer.kept else {
            return Ok(None);
        };
        let shown = path.display();
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let fault = anyhow::Error::new(error).context(format!("looking at `{shown}`"));
                return Err(fault.into());
            }
            Ok(found) if found.len() > KEPT_MAX => {
                return Err(anyhow::anyhow!("`{shown}` is too large for a checkpoint").into());
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("reading `{shown}`"))?;
        // One of an epoch before has another name, and the operator has declared that history lost.
        Ok(signed_by(Some(&text), key))
    }

    fn keep(&self, note: &str) -> Result<(), Error> {
        let Some(path) = &self.signer.kept else {
            return Ok(());
        };
        let beside = path.with_extension("new");
        let written = std::fs::write(&beside, note).and_then(|()| std::fs::rename(&beside, path));
        let shown = path.display();
        Ok(written.with_context(|| format!("keeping the checkpoint in `{shown}`"))?)
    }

    /// Says once, where everybody looks, that the record is not what was signed.
    async fn rewritten(&self, before: &Checkpoint, why: &str) -> Result<(), Error> {
        metrics::gauge!("portcullis_audit_rewritten").set(1.0);
        tracing::error!(
            size = before.size,
            root = %before.root,
            why,
            "the audit log is not what was signed before; nothing more is signed"
        );
        let event = Event::new(EventCode::LogRewritten, Actor::System)
            .outcome(Outcome::Error)
            .reason(Some(why))
            .detail("size", before.size)
            .detail("root", before.root.to_string());
        self.record(event).await
    }
}

pub(super) fn newest(tree: &Tree) -> Result<String, Refusal> {
    tree.checkpoint.clone().ok_or_else(|| Refusal::NotFound {
        what: "checkpoint of epoch",
        name: tree.epoch.to_string(),
    })
}

fn missing(what: &'static str, name: &impl ToString) -> Refusal {
    Refusal::NotFound {
        what,
        name: name.to_string(),
    }
}

/// A checkpoint, if this key signed it.
pub(super) fn signed_by(text: Option<&str>, key: &VerifyingKey) -> Option<Checkpoint> {
    let note = Note::read(text?).ok()?;
    note.verify(key).ok()?.parse().ok()
}

/// Whether the tree begins as this checkpoint says; the error says what is wrong.
pub(super) async fn continues(
    tx: &mut Tx,
    tree: &Tree,
    before: &Checkpoint,
) -> Result<Result<(), String>, Error> {
    let (size, root) = (tree.frontier.size(), tree.frontier.root());
    let Some(rows) = consistency(before.size, size) else {
        let (had, lost) = (before.size, before.size - size);
        return Ok(Err(format!(
            "{lost} of {had} events that were signed are gone"
        )));
    };
    let Some(proof) = tx.prove(&rows, size, tree.epoch).await? else {
        return Ok(Err("events that were signed are gone".to_owned()));
    };
    let checked = check_consistency((before.size, before.root), (size, root), &proof);
    Ok(checked.map_err(|error| error.to_string()))
}

/// What a checkpoint of our own says, for those who check it themselves.
pub(super) fn signed(note: &str) -> Option<SignedLog> {
    let checkpoint: Checkpoint = Note::read(note).ok()?.unverified().parse().ok()?;
    Some(SignedLog {
        origin: checkpoint.origin,
        size: checkpoint.size,
        root: checkpoint.root.to_string(),
    })
}
