//! Writes a change as the store does, and takes note of what a judge wants to know.

use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::TimeDelta;
use portcullis::domain::change::{Change, Record};
use portcullis::domain::event::{Event, EventCode};
use portcullis::domain::grant::{CloseKind, GrantState};
use portcullis::domain::request::{RequestKind, RequestState};
use portcullis::domain::review::Decision;

use super::{Filed, Held, Machine, Witnessed};

impl Machine {
    /// Writes a change as the store does: all of it, or nothing when a version is not the one that was read.
    pub(super) fn write(&mut self, change: Option<Change>, reviewer: Option<usize>) {
        let Some(change) = change.filter(|change| self.fits(change)) else {
            return;
        };
        for step in change {
            self.record(step.record, &step.event, reviewer);
            for done in step.done {
                self.promises.remove(&done);
            }
            for work in step.work {
                self.promises.insert((work.grant, work.kind), work.due_at);
            }
            self.events.push(step.event);
        }
    }

    /// The store's condition on every update: the version before, and a state that can still change.
    fn fits(&self, change: &Change) -> bool {
        let mut versions: BTreeMap<&str, i64> = BTreeMap::new();
        let requests = self.requests.iter().map(|filed| &filed.now);
        let requests = requests.filter(|request| request.state == RequestState::Pending);
        versions.extend(requests.map(|request| (request.id.as_str(), request.version)));
        let grants = self.grants.iter().map(|held| &held.now);
        let grants = grants.filter(|grant| !grant.state.is_final());
        versions.extend(grants.map(|grant| (grant.id.as_str(), grant.version)));
        change.iter().all(|step| match &step.record {
            // The database has room for one open use of a person.
            Record::NewUse(new) => self.open_use(&new.person.id).is_none(),
            Record::Use(next, _) => {
                let mut uses = self.uses.iter().map(|used| &used.now);
                uses.any(|now| now.request == next.request && now.version == next.version - 1)
            }
            Record::Nothing
            | Record::NewStanding(_)
            | Record::Standing(_)
            | Record::NewLock(_)
            | Record::NewIncident(_)
            | Record::Policy { .. } => true,
            Record::NewRequest(request) => versions.insert(request.id.as_str(), 1).is_none(),
            Record::NewGrant(grant) => versions.insert(grant.id.as_str(), 1).is_none(),
            Record::Request(request, _) => {
                versions.insert(request.id.as_str(), request.version) == Some(request.version - 1)
            }
            Record::Claim { request, .. } => {
                versions.get(request.id.as_str()) == Some(&request.version)
            }
            Record::Grant(grant) => {
                versions.insert(grant.id.as_str(), grant.version) == Some(grant.version - 1)
            }
            Record::Credential(grant) => {
                versions.get(grant.id.as_str()) == Some(&grant.version)
                    && grant.state == GrantState::Active
            }
            Record::Lock(lock) => self
                .locks
                .iter()
                .any(|now| now.id == lock.id && now.version == lock.version - 1),
        })
    }

    fn record(&mut self, record: Record, event: &Event, reviewer: Option<usize>) {
        match record {
            Record::Nothing => self.note_close(event),
            Record::NewIncident(_)
            | Record::Policy { .. }
            | Record::NewStanding(_)
            | Record::Standing(_) => {}
            Record::NewUse(new) => self.used(new),
            Record::Use(next, sign_off) => self.signed_off(next, &sign_off, reviewer),
            Record::NewLock(lock) => self.locks.push(lock),
            Record::Lock(lock) => {
                let mut all = self.locks.iter_mut();
                let held = all.find(|now| now.id == lock.id).unwrap();
                *held = lock;
            }
            Record::NewRequest(request) => self.requests.push(Filed {
                first: Rc::new(request.clone()),
                now: request,
                before: None,
                approvals: Vec::new(),
                events: 1,
                decided: None,
            }),
            Record::Request(request, review) => {
                let approved = review.filter(|review| review.decision == Decision::Approve);
                let witness = approved.and(reviewer).map(|who| Witnessed {
                    who: self.people[who].id.clone(),
                    groups: self.people[who].groups.clone(),
                    at: self.clock,
                });
                let mut all = self.requests.iter_mut();
                let filed = all.find(|filed| filed.now.id == request.id).unwrap();
                filed.approvals.extend(witness);
                filed.events += 1;
                if request.state != RequestState::Pending {
                    filed.decided = Some(Rc::new(request.clone()));
                }
                filed.before = Some(Rc::new(std::mem::replace(&mut filed.now, request)));
            }
            Record::Claim { request, .. } => {
                let mut all = self.requests.iter_mut();
                let filed = all.find(|filed| filed.now.id == request.id).unwrap();
                filed.now = request;
            }
            Record::NewGrant(grant) => self.grants.push(Held {
                now: grant,
                before: None,
                events: 1,
                promised_end: None,
                strongest: None,
                over: None,
            }),
            Record::Grant(grant) => {
                let added = self.extension_of(event);
                let mut all = self.grants.iter_mut();
                let held = all.find(|held| held.now.id == grant.id).unwrap();
                held.events += 1;
                if event.code == EventCode::GrantActivated {
                    held.promised_end = Some(grant.expires_at);
                }
                if let (Some(end), Some(added)) = (&mut held.promised_end, added) {
                    *end += added;
                }
                if grant.state.is_final() {
                    held.over = Some(Rc::new(grant.clone()));
                }
                held.before = Some(Rc::new(std::mem::replace(&mut held.now, grant)));
                self.note_close(event);
            }
            Record::Credential(grant) => {
                let mut all = self.grants.iter_mut();
                let held = all.find(|held| held.now.id == grant.id).unwrap();
                held.now = grant;
            }
        }
    }

    /// How much later the end becomes by an extension, from the approved request alone.
    fn extension_of(&self, event: &Event) -> Option<TimeDelta> {
        if event.code != EventCode::GrantExtended {
            return None;
        }
        let request = self
            .requests
            .iter()
            .find(|filed| Some(&filed.now.id) == event.request.as_ref())?;
        let approved =
            request.now.state == RequestState::Approved && request.now.kind == RequestKind::Extend;
        approved.then(|| request.now.terms().duration.to_chrono())
    }

    fn note_close(&mut self, event: &Event) {
        let word = event
            .details
            .get("close_kind")
            .and_then(|word| word.as_str());
        let Some(kind) = CloseKind::ALL
            .into_iter()
            .find(|kind| Some(kind.as_str()) == word)
        else {
            return;
        };
        let Some(held) = self
            .grants
            .iter_mut()
            .find(|held| Some(&held.now.id) == event.grant.as_ref())
        else {
            return;
        };
        // What is asked of a grant that is over comes too late to count.
        if held.over.is_none() {
            held.strongest = held.strongest.max(Some(kind));
        }
    }
}
