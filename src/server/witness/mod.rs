//! A witness of logs (c2sp.org/tlog-witness): it signs a checkpoint when that continues what it saw of the log before,
//! and nothing else. It is a server of its own, for a machine that nobody who runs Portcullis can reach.
//!
//! It trusts the keys that it was given, and no others: a log that goes on under another key or in another epoch is
//! signed again once somebody has given it that key. So whoever has the log's machine alone can begin nothing anew.

mod http;
mod memory;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};

use crate::secret::{self, Secret};
use crate::tlog::{
    Checkpoint, NotCosigned, Note, Submission, VerifyingKey, WitnessKey, WitnessSigner, judge,
};

pub use http::serve;
use memory::Memory;

/// One witness: its key, the logs that it knows, and what it saw of them.
pub struct Witness {
    signer: WitnessSigner,
    logs: Vec<VerifyingKey>,
    /// INVARIANT: comparing with what was seen and keeping what is seen now is done by one at a time
    /// (`of_two_forks_that_arrive_at_once_a_witness_signs_one`).
    memory: Mutex<Memory>,
}

/// What a witness says to a submission.
#[derive(Debug)]
pub enum Answer {
    /// The line to put below the checkpoint.
    Signed(String),
    Refused(NotCosigned),
    /// It could not be kept, and so it was not signed.
    Fault(anyhow::Error),
}

impl Witness {
    /// Opens or makes the folder of a witness. Its key is made with the name at the first start.
    pub fn open(
        folder: &Path,
        name: Option<&str>,
        logs: Vec<VerifyingKey>,
    ) -> anyhow::Result<Self> {
        let memory = Memory::open(folder)?;
        let signer = signer(&folder.join("key"), name)?;
        Ok(Self {
            memory: Mutex::new(memory.read(&signer)?),
            signer,
            logs,
        })
    }

    /// What others check its signatures with.
    pub fn key(&self) -> &WitnessKey {
        self.signer.verifying()
    }

    /// The keys of logs that it knows.
    pub fn logs(&self) -> &[VerifyingKey] {
        &self.logs
    }

    /// What was seen last of a log.
    pub fn seen(&self, origin: &str) -> Option<Checkpoint> {
        self.memory().seen(origin)
    }

    /// Looks at a submission, and signs it at this moment if it is as it should be.
    pub fn add(&self, text: &str, now: u64) -> Answer {
        let submission: Submission = match text.parse() {
            Ok(submission) => submission,
            Err(refused) => return Answer::Refused(refused),
        };
        let mut memory = self.memory();
        let judged = judge(&submission, &self.logs, |origin| memory.seen(origin));
        let checkpoint = match judged {
            Ok(checkpoint) => checkpoint,
            Err(refused) => {
                report(&submission, &refused);
                if refused == NotCosigned::Forked
                    && let Err(error) = memory.keep_fork(&submission.note)
                {
                    tracing::error!(error = ?error, "what shows the fork could not be kept");
                }
                return Answer::Refused(refused);
            }
        };
        let line = self.signer.cosign(&submission.note, now);
        // Only what was checked is shown to others.
        let note = submission.note.only_of(&self.logs);
        match memory.keep(checkpoint, &format!("{note}{line}")) {
            Ok(()) => Answer::Signed(line),
            Err(error) => Answer::Fault(error),
        }
    }

    /// The last checkpoint of the log whose origin has this hash, with both signatures.
    pub fn newest(&self, hash: &str) -> Option<String> {
        self.memory().newest(hash)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says what may be a sign that a log was rewritten; the rest is a mistake of whoever sends.
fn report(submission: &Submission, refused: &NotCosigned) {
    let Ok(checkpoint) = submission.note.unverified().parse::<Checkpoint>() else {
        return;
    };
    let (origin, size, root) = (checkpoint.origin, checkpoint.size, checkpoint.root);
    match refused {
        NotCosigned::Forked | NotCosigned::Inconsistent => {
            tracing::error!(origin, size, %root, "not signed: {refused}");
        }
        // A log asks with a stale size when it starts; one that is shorter than what was seen has lost something.
        NotCosigned::Conflict { size: seen } if *seen > size => {
            tracing::error!(
                origin,
                size,
                seen,
                "not signed: the log is shorter than it was"
            );
        }
        NotCosigned::UnknownLog { .. } | NotCosigned::Unsigned { .. } => {
            tracing::warn!(origin, size, "not signed: {refused}");
        }
        NotCosigned::Conflict { .. } | NotCosigned::Form { .. } => {}
    }
}

/// The key of the witness, made at its first start.
fn signer(path: &Path, name: Option<&str>) -> anyhow::Result<WitnessSigner> {
    let shown = path.display();
    if !path
        .try_exists()
        .with_context(|| format!("looking at `{shown}`"))?
    {
        let Some(name) = name else {
            bail!("a witness needs a name at its first start");
        };
        let private = WitnessSigner::private(name, &secret::random()?)
            .with_context(|| format!("`{}` is no name for a witness", name.escape_debug()))?;
        secret::create_private(path, &Secret::new(private))?;
    }
    let text = secret::read_private(path)?;
    let signer =
        WitnessSigner::read(text.expose()).with_context(|| format!("reading `{shown}`"))?;
    let known = signer.verifying().name();
    if let Some(name) = name.filter(|name| *name != known) {
        bail!(
            "this witness is called `{known}` and not `{name}`: a name belongs to its key, which is in `{shown}`"
        );
    }
    Ok(signer)
}

/// The checkpoint that a note of ours is about.
fn checkpoint_of(note: &Note) -> anyhow::Result<Checkpoint> {
    let read = note.unverified().parse().map_err(anyhow::Error::msg);
    read.context("it is no checkpoint")
}
