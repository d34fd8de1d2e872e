//! What a node signs of the log, and when it refuses to.
//!
//! A node signs nothing that does not continue what it or another node signed before. What it signed last it keeps
//! in a file of its own, so that a database that was rolled back is noticed even when the database says otherwise.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::refusal::Refusal;
use crate::store::Tx;
use crate::store::epochs::Link;
use crate::store::tree::{Epoch, Tree};
use crate::tlog::{Checkpoint, Note, SigningKey, check_consistency, consistency};
use crate::wire::Recovered;

use crate::gate::{Error, Gate};

use super::links::{KeyAt, Signed, key_at};

/// Checkpoints are this far apart.
const PUBLISH: Duration = Duration::from_secs(10);
/// A file with a checkpoint is not longer than this, in bytes.
const KEPT_MAX: u64 = 64 * 1024;

/// What a node knows of the log that it signs.
#[derive(Default)]
pub struct Signer {
    /// Where the last checkpoint that this node signed is kept, if anywhere.
    kept: Option<PathBuf>,
    pub(in crate::gate) state: Mutex<State>,
    /// The size of the newest checkpoint, for those who show it to others.
    pub(in crate::gate) published: watch::Sender<u64>,
    /// Events wait for their place for so long that nothing is decided.
    pub(super) stuck: AtomicBool,
    /// How the record differs from what was signed before, while it does.
    rewritten: watch::Sender<Option<String>>,
}

#[derive(Default)]
pub(in crate::gate) struct State {
    pub last: Option<Signed>,
    /// The file was read.
    pub read: bool,
    /// The key with which nothing is signed any more, because the record is not what was signed before.
    pub broken: Option<KeyAt>,
}

/// A checkpoint that the record does not continue.
pub(in crate::gate) struct Lost {
    pub before: Option<Signed>,
    pub why: String,
}

impl Signer {
    /// A signer that keeps its last checkpoint in this file.
    pub fn kept_in(path: PathBuf) -> Self {
        Self {
            kept: Some(path),
            ..Self::default()
        }
    }
}

impl Gate {
    /// Signs the log soon after it has grown, until told to stop.
    pub async fn run_publisher(self: Arc<Self>, stop: CancellationToken) {
        let mut head = self.store.watch_head();
        while !stop.is_cancelled() {
            let writable = stop.run_until_cancelled(self.store.until_writable());
            if writable.await.is_none() {
                break;
            }
            if let Err(error) = self.publish().await {
                tracing::error!(error = ?error, "the audit log could not be signed; it is tried again");
            }
            let grown = async {
                tokio::time::sleep(PUBLISH).await;
                // The sender lives as long as the store, which this task holds.
                let _ = head.changed().await;
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
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        let at = key_at(&tree);
        if state.broken == Some(at) {
            return Ok(state.last.as_ref().map_or(0, |last| last.checkpoint.size));
        }
        let key = self.log_key(at)?;
        let size = tree.frontier.size();
        self.recall(&mut state)?;
        if let Some(lost) = self.lost(&mut tx, &tree, &state).await? {
            drop(tx);
            // Before anything else: what could not be said now is found and said again.
            self.rewritten(&lost).await?;
            state.broken = Some(at);
            self.signer.rewritten.send_replace(Some(lost.why));
            return Ok(lost.before.map_or(0, |before| before.checkpoint.size));
        }
        drop(tx);
        let theirs = match &tree.checkpoint {
            Some(note) => self.signed_with(note, at)?,
            None => None,
        };
        let signed = theirs.as_ref().map(|theirs| theirs.checkpoint.size);
        if signed.is_none_or(|signed| signed < size) {
            let now = checkpoint(&key, &tree);
            let note = Note::new(now.to_string()).context("a checkpoint is no note")?;
            let note = note.signed(&key).to_string();
            let mut tx = self.store.write().await?;
            let kept = tx
                .keep_checkpoint((tree.epoch, tree.generation), size, &note)
                .await?;
            self.store.commit(tx).await?;
            if kept {
                // After the commit: what is kept here has to be in the database.
                let (by, checkpoint) = (at, now);
                let signed = Signed {
                    by,
                    checkpoint,
                    note,
                };
                self.keep(&signed)?;
                state.last = Some(signed);
            }
        } else if let Some(theirs) = theirs
            && state.last.as_ref() != Some(&theirs)
        {
            // Another node signed it, and this one saw it: that is worth as much.
            self.keep(&theirs)?;
            state.last = Some(theirs);
        }
        self.whole(&mut state);
        let newest = state.last.as_ref().map_or(0, |last| last.checkpoint.size);
        self.signer.published.send_replace(newest);
        Ok(size)
    }

    /// Says no to what gives access while the record is not what was signed before: the database may be one from before
    /// a revocation. INVARIANT: only what gives access asks this
    /// (`nothing_is_given_on_a_record_that_was_rolled_back_and_everything_ends`).
    pub(in crate::gate) fn log_is_ours(&self) -> Result<(), Refusal> {
        match self.signer.rewritten.borrow().clone() {
            None => Ok(()),
            Some(why) => Err(Refusal::LogRewritten { why }),
        }
    }

    /// Reads what this node signed before it was started.
    pub(in crate::gate) fn recall(&self, state: &mut State) -> Result<(), Error> {
        if !state.read {
            state.last = self.read_kept()?;
            state.read = true;
        }
        Ok(())
    }

    /// What was signed before that the record does not continue.
    pub(in crate::gate) async fn lost(
        &self,
        tx: &mut Tx,
        tree: &Tree,
        state: &State,
    ) -> Result<Option<Lost>, Error> {
        let at = key_at(tree);
        let theirs = match &tree.checkpoint {
            Some(note) => self.signed_with(note, at)?,
            None => None,
        };
        let links = tx.links().await?;
        for before in [state.last.clone(), theirs].into_iter().flatten() {
            if let Err(why) = self.follows(tx, tree, &links, &before).await? {
                let before = Some(before);
                return Ok(Some(Lost { before, why }));
            }
        }
        let announced = self.announced(tx, tree, &links).await?;
        Ok(announced.err().map(|why| Lost { before: None, why }))
    }

    /// Why the record does not continue what this node has seen of it, if so: the database is one of before, or another.
    pub async fn gone_back(&self) -> Result<Option<String>, Error> {
        let mut state = self.signer.state.lock().await;
        self.recall(&mut state)?;
        let Some(last) = &state.last else {
            return Ok(None);
        };
        // What is there may not have its place in the tree yet.
        self.store.sequence().await?;
        let (mut tx, _) = self.look().await?;
        let (tree, links) = (tx.tree().await?, tx.links().await?);
        Ok(self.follows(&mut tx, &tree, &links, last).await?.err())
    }

    /// Whether the record continues a checkpoint, or says how it was lost; the error says what is wrong.
    async fn follows(
        &self,
        tx: &mut Tx,
        tree: &Tree,
        links: &[Link],
        before: &Signed,
    ) -> Result<Result<(), String>, Error> {
        let at = key_at(tree);
        if before.by.0 < at.0 {
            return self.admitted(tx, links, before).await;
        }
        if before.by > at {
            let (generation, epoch) = (before.by.1, before.by.0);
            return Ok(Err(format!(
                "events that were signed with key {generation} of epoch {epoch} are gone"
            )));
        }
        continues(tx, tree, &before.checkpoint).await
    }

    /// Whether the record goes on from a checkpoint that somebody shows.
    pub(in crate::gate) async fn goes_on_from(
        &self,
        tx: &mut Tx,
        tree: &Tree,
        shown: &Signed,
    ) -> Result<bool, Error> {
        let links = tx.links().await?;
        Ok(self.follows(tx, tree, &links, shown).await?.is_ok())
    }

    /// Whether the recoveries since say of what was lost as much as this checkpoint of an epoch before.
    async fn admitted(
        &self,
        tx: &mut Tx,
        links: &[Link],
        before: &Signed,
    ) -> Result<Result<(), String>, Error> {
        let mut later = links.iter();
        let next = later.find(|link| link.epoch.number > before.by.0);
        let recovered = match next {
            Some(link) => self.recovered(tx, link).await?,
            None => None,
        };
        let (epoch, size) = (before.by.0, before.checkpoint.size);
        let root = before.checkpoint.root.to_string();
        let covers = match &recovered {
            Some(recovered) if recovered.covers(epoch, size, &root) => true,
            // Another node had lost something else, and all of this was found.
            Some(found) if found.found_epoch == epoch => {
                self.was_found(tx, links, before, found).await?
            }
            _ => false,
        };
        Ok(if covers {
            Ok(())
        } else {
            Err(format!(
                "{size} events of epoch {epoch} were signed, and the recovery since says nothing of them"
            ))
        })
    }

    /// Whether what a recovery found of an epoch continues a checkpoint of it.
    async fn was_found(
        &self,
        tx: &mut Tx,
        links: &[Link],
        before: &Signed,
        found: &Recovered,
    ) -> Result<bool, Error> {
        let (number, log) = (found.found_epoch, &before.checkpoint);
        let begun = links.iter().find(|link| link.epoch.number == number);
        let begins = begun.map_or(0, |link| link.epoch.begins);
        let (Some(rows), Ok(root)) = (
            consistency(log.size, found.found_size),
            found.found_root.parse(),
        ) else {
            return Ok(false);
        };
        let epoch = Epoch { number, begins };
        let proof = tx.prove(&rows, found.found_size, epoch).await?;
        let now = (found.found_size, root);
        Ok(proof.is_some_and(|proof| check_consistency((log.size, log.root), now, &proof).is_ok()))
    }

    fn read_kept(&self) -> Result<Option<Signed>, Error> {
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
        let kept = self.signed_by_us(&text)?;
        if kept.is_none() {
            tracing::warn!(
                file = %shown,
                "the checkpoint that is kept was not signed with a key of this server; it is passed over"
            );
        }
        Ok(kept)
    }

    /// Keeps a checkpoint where this node looks when it starts, and where others look who trust no node.
    pub(in crate::gate) fn keep(&self, signed: &Signed) -> Result<(), Error> {
        if let Some(folder) = &self.settings.audit.checkpoints {
            // It is for others: without it the log is as good as ever, and the next checkpoint is tried again.
            self.add_or_say(folder, signed, "");
        }
        let Some(path) = &self.signer.kept else {
            return Ok(());
        };
        let beside = path.with_extension("new");
        let written = std::fs::write(&beside, &signed.note);
        let written = written.and_then(|()| std::fs::rename(&beside, path));
        let shown = path.display();
        Ok(written.with_context(|| format!("keeping the checkpoint in `{shown}`"))?)
    }

    /// Adds a checkpoint that a witness has signed, too, to where others look.
    pub(in crate::gate) fn add_cosigned(&self, signed: &Signed, witness: &str) {
        if let Some(folder) = &self.settings.audit.checkpoints {
            self.add_or_say(folder, signed, &format!("-{witness}"));
        }
    }

    fn add_or_say(&self, folder: &Path, signed: &Signed, end: &str) {
        if let Err(error) = self.add_to(folder, signed, end) {
            metrics::counter!("portcullis_audit_checkpoints_not_written").increment(1);
            tracing::error!(error = ?error, folder = %folder.display(), "a checkpoint could not be added to the folder");
        }
    }

    /// Adds a file with a checkpoint and its key. INVARIANT: no file that is there is ever changed
    /// (`every_checkpoint_is_added_to_a_folder_and_none_is_changed`).
    fn add_to(&self, folder: &Path, signed: &Signed, end: &str) -> Result<(), Error> {
        let key = self.log_key(signed.by)?;
        let name = key.verifying().name().replace('/', "-");
        let (_, generation) = signed.by;
        let path = folder.join(format!(
            "{name}-{generation}-{:012}{end}",
            signed.checkpoint.size
        ));
        std::fs::create_dir_all(folder).context("making the folder")?;
        let text = format!("{}\n{}", key.verifying(), signed.note);
        let file = std::fs::File::create_new(&path);
        let written = file.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        match written {
            // Another node was first, or this one before it was started again.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            written => Ok(written.with_context(|| format!("adding `{}`", path.display()))?),
        }
    }

    /// The record continues what was signed before, or says how that was lost.
    pub(super) fn whole(&self, state: &mut State) {
        state.broken = None;
        self.signer.rewritten.send_replace(None);
        metrics::gauge!("portcullis_audit_rewritten").set(0.0);
    }

    /// Says once, where everybody looks, that the record is not what was signed.
    async fn rewritten(&self, lost: &Lost) -> Result<(), Error> {
        metrics::gauge!("portcullis_audit_rewritten").set(1.0);
        let mut event = Event::new(EventCode::LogRewritten, Actor::System)
            .outcome(Outcome::Error)
            .reason(Some(lost.why.as_str()));
        if let Some(before) = &lost.before {
            event = event
                .detail("size", before.checkpoint.size)
                .detail("root", before.checkpoint.root.to_string());
        }
        tracing::error!(
            why = lost.why,
            signed = lost.before.as_ref().map(|before| before.note.as_str()),
            "the audit log is not what was signed before; nothing more is signed until `portcullis audit recover`"
        );
        self.record(event).await
    }
}

/// What the log is at this moment.
pub(super) fn checkpoint(key: &SigningKey, tree: &Tree) -> Checkpoint {
    Checkpoint {
        origin: key.verifying().name().to_owned(),
        size: tree.frontier.size(),
        root: tree.frontier.root(),
    }
}

/// Whether the tree begins as this checkpoint says; the error says what is wrong.
pub(in crate::gate) async fn continues(
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
