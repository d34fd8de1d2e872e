//! When a witness saw something else than what is here: a log that was cut, rewritten, or signed twice.
//!
//! A witness may be wrong, or lie. So only what has a signature of our own stops the signing: the checkpoint that it
//! saw, which it shows. What it merely says is put on record, and the log goes on.

use chrono::{DateTime, Utc};

use crate::config::witness::Witness;
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::gate::log::{Signed, key_at};
use crate::gate::{Error, Gate};

use super::Cosigned;
use super::call::Call;

impl Gate {
    /// A witness saw a longer log than the one that it was shown.
    pub(super) async fn beyond(
        &self,
        witness: &Witness,
        call: &Call,
        signed: &Signed,
        theirs: u64,
        now: DateTime<Utc>,
    ) -> Result<Cosigned, Error> {
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        drop(tx);
        // Whatever was signed was in the database before, so a log that is shorter by now has lost something.
        let there = tree.frontier.size();
        if key_at(&tree) != signed.by || theirs <= there {
            return Ok(Cosigned::Again);
        }
        let name = &witness.name;
        let why = format!("witness `{name}` saw {theirs} events, and {there} are there");
        self.disagreed(witness, call, signed, why, now).await
    }

    /// A witness does not take the log for the one that it saw.
    pub(super) async fn disagreed(
        &self,
        witness: &Witness,
        call: &Call,
        signed: &Signed,
        why: String,
        now: DateTime<Utc>,
    ) -> Result<Cosigned, Error> {
        let origin = &signed.checkpoint.origin;
        let shown = match call.newest(origin).await {
            Ok(Some(note)) => self.signed_by_us(&note)?,
            Ok(None) | Err(_) => None,
        };
        let shown = shown.filter(|shown| shown.checkpoint.origin == *origin);
        let first = self.witnesses.change(&witness.name, |standing| {
            standing.attempts += 1;
            standing.error = Some(why.clone());
            standing.failing_since.get_or_insert(now);
            !std::mem::replace(&mut standing.disagrees, true)
        });
        if let Some(shown) = shown
            && self.remember_shown(shown).await?
        {
            self.publish().await?;
            return Ok(Cosigned::Disagrees);
        }
        if first {
            let name = &witness.name;
            tracing::error!(
                witness = name,
                why,
                "a witness does not take the audit log for the one that it saw, and shows nothing that proves it"
            );
            let event = Event::new(EventCode::LogRewritten, Actor::System)
                .outcome(Outcome::Error)
                .reason(Some(why))
                .detail("witness", name.as_str());
            self.record(event).await?;
        }
        Ok(Cosigned::Disagrees)
    }

    /// Takes a checkpoint of ours that a witness shows for what was signed last, where the record does not continue it:
    /// from there on it is as if this node had kept it, also after a new start.
    async fn remember_shown(&self, shown: Signed) -> Result<bool, Error> {
        let mut state = self.signer.state.lock().await;
        self.recall(&mut state)?;
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        if self.goes_on_from(&mut tx, &tree, &shown).await? {
            return Ok(false);
        }
        drop(tx);
        self.keep(&shown)?;
        state.last = Some(shown);
        Ok(true)
    }
}
