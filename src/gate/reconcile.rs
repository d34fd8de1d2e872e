//! Comparing targets with what should be there: at start and every five minutes, without hints.
//!
//! What bears our mark and belongs to no open grant is removed; what differs from what we made is
//! reported. What lets people in and does not bear our mark is standing access, and only shown.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::catalog::Entry;
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::grant::Grant;
use crate::domain::ids::GrantId;
use crate::targets::{Observation, Observed};

use super::{Error, Gate};

/// How often each target is compared.
const EVERY: Duration = Duration::from_mins(5);
/// How often it is tried after the database was restored, until every target was compared.
const SOON: Duration = Duration::from_secs(10);
/// Looking at a whole target may take longer than touching one grant.
const LOOK: Duration = Duration::from_secs(30);

/// Differences that were reported and are still there; each is an event once.
#[derive(Default)]
pub(super) struct Seen(Mutex<HashSet<String>>);

impl Gate {
    /// Compares every target with its grants until told to stop.
    pub async fn run_reconciler(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let writable = stop.run_until_cancelled(self.store.until_writable());
            if writable.await.is_none() {
                break;
            }
            self.reconcile().await;
            let owes = self.owes_reconciling().await.unwrap_or_else(|error| {
                tracing::error!(error = ?error, "nobody could look which targets are to be compared");
                false
            });
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(if owes { SOON } else { EVERY }) => {}
            }
        }
    }

    /// Compares every target with its grants once. Targets are looked at side by side: a dead one delays none.
    pub async fn reconcile(&self) {
        let rules = self.rules.current();
        let entries = rules
            .catalog
            .targets
            .values()
            .chain(rules.catalog.retired.values());
        futures_util::future::join_all(entries.map(|entry| async move {
            if let Err(error) = self.reconcile_one(entry).await {
                tracing::error!(target.name = %entry.target.name, error = ?error, "a target could not be compared with its grants");
            }
        }))
        .await;
    }

    async fn reconcile_one(&self, entry: &Entry) -> Result<(), Error> {
        let name = &entry.target.name;
        let looked = tokio::time::timeout(LOOK, entry.connector.observe()).await;
        let mut observation = match looked {
            Ok(Ok(observation)) => observation,
            Ok(Err(failure)) => {
                unreachable(entry, &failure.message);
                return Ok(());
            }
            Err(_) => {
                unreachable(entry, "it did not answer within 30 seconds");
                return Ok(());
            }
        };
        // Looked at the target first, then at the grants: an access that was made in between is in neither list,
        // and one that ended in between is removed twice, which is harmless.
        let (mut tx, _) = self.look().await?;
        let open = tx.open_grants_on(name).await?;
        drop(tx);
        let mut gone = true;
        for object in &observation.objects {
            match open.iter().find(|grant| grant.id == object.grant) {
                None => gone &= self.remove_orphan(entry, object).await?,
                Some(grant) => self.report(entry, Some(grant), &object.drift).await?,
            }
        }
        observation.warnings.extend(self.silence(entry).await?);
        self.report(entry, None, &observation.warnings).await?;
        if let Some(standing) = &observation.standing {
            self.note_standing(entry, standing).await?;
        }
        self.forget_settled(entry, &observation);
        if gone {
            self.reconciled(name).await?;
        }
        Ok(())
    }

    /// Answers whether it is gone.
    async fn remove_orphan(&self, entry: &Entry, object: &Observed) -> Result<bool, Error> {
        let removed = entry.connector.remove_orphan(&object.object).await;
        let (outcome, reason) = match &removed {
            Ok(_) => (Outcome::Success, None),
            Err(failure) => (Outcome::Error, Some(failure.message.clone())),
        };
        let mut event = Event::new(EventCode::OrphanRemoved, Actor::System)
            .outcome(outcome)
            .reason(reason)
            .detail("object", object.object.as_str())
            .detail("live_sessions", object.live_sessions);
        event.target = Some(entry.target.name.clone());
        event.grant = Some(object.grant.clone());
        self.record(event).await?;
        Ok(removed.is_ok())
    }

    /// Puts a difference on record the first time that it is seen.
    async fn report(
        &self,
        entry: &Entry,
        grant: Option<&Grant>,
        sentences: &[String],
    ) -> Result<(), Error> {
        for sentence in sentences {
            let key = key(entry, grant.map(|grant| &grant.id), sentence);
            if !self
                .reconcile
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key)
            {
                continue;
            }
            let mut event = Event::new(EventCode::TargetDrifted, Actor::System)
                .outcome(Outcome::Error)
                .reason(Some(sentence));
            event.target = Some(entry.target.name.clone());
            event.grant = grant.map(|grant| grant.id.clone());
            event.request = grant.map(|grant| grant.request.clone());
            event.principal = grant.map(|grant| grant.holder.name.clone());
            self.record(event).await?;
        }
        Ok(())
    }

    fn forget_settled(&self, entry: &Entry, observation: &Observation) {
        let mut present: HashSet<String> = observation
            .warnings
            .iter()
            .map(|sentence| key(entry, None, sentence))
            .collect();
        for object in &observation.objects {
            present.extend(
                object
                    .drift
                    .iter()
                    .map(|sentence| key(entry, Some(&object.grant), sentence)),
            );
        }
        let of_this = format!("{} ", entry.target.name);
        self.reconcile
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|known| !known.starts_with(&of_this) || present.contains(known));
    }
}

fn unreachable(entry: &Entry, why: &str) {
    let name = &entry.target.name;
    tracing::warn!(target.name = %name, why, "a target could not be looked at");
    metrics::counter!("portcullis_targets_unreachable_total", "target" => name.to_string())
        .increment(1);
}

fn key(entry: &Entry, grant: Option<&GrantId>, sentence: &str) -> String {
    format!(
        "{} {} {sentence}",
        entry.target.name,
        grant.map_or("", |grant| grant.as_str())
    )
}
