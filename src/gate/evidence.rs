//! Everything about one grant, gathered for somebody who checks it elsewhere.

use chrono::{DateTime, Utc};

use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::grant::Grant;
use crate::domain::ids::{GrantId, RequestId};
use crate::domain::permit::{Action, permit_at};
use crate::store::audit::Entry;
use crate::store::policies::Kept;
use crate::tlog::{Hash, Note};
use crate::wire::evidence::seal;

use super::grants::SeenGrant;
use super::log::{SeenLink, Step};
use super::requests::SeenRequest;
use super::sessions::SeenSession;
use super::sight::place;
use super::{Caller, Error, Gate};

/// One event with its proof.
#[derive(Debug, Clone)]
pub struct Proved {
    pub entry: Entry,
    /// The bytes that are hashed.
    pub bytes: Vec<u8>,
    pub salt: Option<String>,
    pub inclusion: Vec<Hash>,
}

/// What is there about a grant.
#[derive(Debug, Clone)]
pub struct SeenEvidence {
    pub grant: SeenGrant,
    pub request: SeenRequest,
    /// Further requests about it.
    pub requests: Vec<SeenRequest>,
    /// The text of the policy under which it was asked for, if it was kept.
    pub policy: Option<Kept>,
    pub sessions: Vec<SeenSession>,
    pub events: Vec<Proved>,
    /// The index of the first event of the present epoch of the log.
    pub begins: u64,
    pub checkpoint: String,
    /// From the epoch of the oldest event to the present one.
    pub recoveries: Vec<Step>,
    /// What vouches for each key of the log but the first.
    pub links: Vec<SeenLink>,
    pub now: DateTime<Utc>,
}

/// What can be proved about a grant.
struct Found {
    events: Vec<Proved>,
    begins: u64,
    checkpoint: String,
    recoveries: Vec<Step>,
    now: DateTime<Utc>,
}

impl Gate {
    /// Gathers what is there about a grant, for those who may read everybody's history there. That they do is recorded
    /// before it is answered.
    pub async fn evidence(&self, caller: &Caller, id: &GrantId) -> Result<SeenEvidence, Error> {
        let rules = self.rules.current();
        let grant = self.grant(caller, id).await?;
        let here = place(&rules.catalog, &grant.grant.target);
        permit_at(&caller.principal, Action::ReadAudit, here)?;
        let why = self.why_grant(caller, id).await?;
        let request = self.request(caller, &grant.grant.request).await?;
        let requests = self.further(caller, &grant.grant).await?;
        let sessions = if grant.grant.ended_at.is_none() {
            let seen = self.sessions(caller).await?.sessions;
            seen.into_iter().filter(|one| one.grant.id == *id).collect()
        } else {
            Vec::new()
        };
        // So that what has just happened is in the log that the proofs are about.
        self.store.sequence().await?;
        self.publish().await?;
        self.await_witnesses().await;
        let ids: Vec<RequestId> = std::iter::once(&request)
            .chain(&requests)
            .map(|seen| seen.request.id.clone())
            .collect();
        let found = self.proved(id, &ids).await?;
        let links = self.log_links().await?;
        let mut event = Event::new(
            EventCode::EvidenceTaken,
            Actor::Principal(caller.principal.as_ref()),
        )
        .detail("events", found.events.len());
        event.principal = Some(grant.grant.holder.name.clone());
        event.target = Some(grant.grant.target.clone());
        event.role = Some(grant.grant.role.clone());
        event.grant = Some(id.clone());
        self.write_read(event, &caller.origin).await?;
        Ok(SeenEvidence {
            grant,
            request,
            requests,
            policy: why.kept,
            sessions,
            events: found.events,
            begins: found.begins,
            checkpoint: found.checkpoint,
            recoveries: found.recoveries,
            links,
            now: found.now,
        })
    }

    /// Seals the parts of a file with the key of the log.
    pub async fn seal_parts(&self, parts: &[(String, String)]) -> Result<String, Error> {
        let (mut tx, _) = self.look().await?;
        let key = self.log_key(super::log::key_at(&tx.tree().await?))?;
        let note = Note::new(seal(parts)).ok_or_else(|| anyhow::anyhow!("a seal is no note"))?;
        Ok(note.signed(&key).to_string())
    }

    async fn further(&self, caller: &Caller, grant: &Grant) -> Result<Vec<SeenRequest>, Error> {
        let (mut tx, _) = self.look().await?;
        let ids = tx.requests_about(&grant.id, &grant.request).await?;
        drop(tx);
        let mut all = Vec::new();
        for id in ids {
            all.push(self.request(caller, &id).await?);
        }
        Ok(all)
    }

    async fn proved(&self, grant: &GrantId, requests: &[RequestId]) -> Result<Found, Error> {
        let (mut tx, now) = self.look().await?;
        let tree = tx.tree().await?;
        let parts = self.parts(&mut tx, &tree).await?;
        let (mut events, mut oldest) = (Vec::new(), parts.last());
        for (entry, salt) in tx.salted_events_about(grant, requests).await? {
            let index = u64::try_from(entry.index).unwrap_or(u64::MAX);
            // What is not in the signed log yet could not be proved; whoever asks again gets it.
            if let Some((part, bytes, inclusion)) = parts.prove(&mut tx, index).await? {
                oldest = oldest.min(part);
                events.push(Proved {
                    entry,
                    bytes,
                    salt,
                    inclusion,
                });
            }
        }
        let recoveries = parts.steps(&mut tx, oldest).await?;
        Ok(Found {
            events,
            begins: tree.epoch.begins,
            recoveries: recoveries.ok_or_else(|| anyhow::anyhow!("a recovery cannot be proved"))?,
            checkpoint: parts.checkpoint,
            now,
        })
    }
}
