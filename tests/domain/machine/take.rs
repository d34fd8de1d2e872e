//! Takes a step by the rules; what they refuse changes nothing.

use chrono::TimeDelta;
use portcullis::domain::break_glass::Verdict;
use portcullis::domain::grant::{Attempt, CloseKind, GrantState};
use portcullis::domain::ids::{GrantId, LockId, RequestId};
use portcullis::domain::lock::{Blocked, Lock, Locks};
use portcullis::domain::request::{About, Ask, Request, RequestState};
use portcullis::domain::review::Narrowing;
use portcullis::domain::span::Span;

use super::{GROUPS, Machine, ROLES, Step, group, minutes, person, role};

impl Machine {
    /// Takes one step; what the rules refuse changes nothing.
    pub(crate) fn take(&mut self, step: &Step) {
        let now = self.clock;
        match *step {
            Step::Proceed { who, choice } => self.take(&self.next(who, choice)),
            Step::Pass(millis) => self.clock += TimeDelta::milliseconds(i64::from(millis)),
            Step::ReachEnd(grant, aside) => {
                let end = self.held(grant, false).map(|grant| grant.expires_at);
                self.reach(end, aside);
            }
            Step::ReachDeadline(request, aside) => {
                let deadline = self.filed(request, false).map(|request| request.decide_by);
                self.reach(deadline, aside);
            }
            Step::Regroup(who, bits) => {
                self.people[who].groups = (0..GROUPS.len())
                    .filter(|index| bits & (1 << index) != 0)
                    .map(group)
                    .collect();
            }
            Step::Submit {
                who,
                role: wanted,
                minutes: length,
                start_in,
            } => {
                let ask = Ask {
                    target: self.target.name.clone(),
                    role: role(wanted),
                    duration: minutes(length),
                    not_before: start_in
                        .map(|minutes| now + TimeDelta::minutes(i64::from(minutes))),
                    reason: "INC-1 look".to_owned(),
                    ticket: None,
                };
                let (request, grant) = (
                    RequestId::from_bits(self.bits()),
                    GrantId::from_bits(self.bits()),
                );
                let filed = Request::submit(
                    request,
                    &self.people[who],
                    ask,
                    self.snapshot.clone(),
                    grant,
                    self.in_force(),
                    now,
                );
                self.write(filed.map(|(_, change)| change).ok(), None);
            }
            Step::Approve {
                request,
                who,
                shorter,
                role: lesser,
                start_in,
                stale,
            } => {
                let Some(request) = self.filed(request, stale) else {
                    return;
                };
                let narrowed = Narrowing {
                    duration: shorter.map(minutes),
                    role: lesser.map(role),
                    not_before: start_in
                        .map(|minutes| now + TimeDelta::minutes(i64::from(minutes))),
                };
                let parent = self.parent(&request);
                let grant = GrantId::from_bits(self.bits());
                let about = About {
                    target: &self.target,
                    parent: parent.as_ref(),
                    grant: &grant,
                    locks: self.in_force(),
                };
                let approved = request.approve_by(&self.people[who], None, narrowed, about, now);
                self.write(approved.map(|(_, change)| change).ok(), Some(who));
            }
            Step::Deny {
                request,
                who,
                stale,
            } => {
                let Some(request) = self.filed(request, stale) else {
                    return;
                };
                let denied = request.deny_by(&self.people[who], "not today", now);
                self.write(denied.map(|(_, change)| change).ok(), Some(who));
            }
            Step::Withdraw { request, who } => {
                let Some(request) = self.filed(request, false) else {
                    return;
                };
                self.write(
                    request
                        .withdraw(&self.people[who], now)
                        .map(|(_, change)| change)
                        .ok(),
                    None,
                );
            }
            Step::Claim { request, who } => {
                let Some(request) = self.filed(request, false) else {
                    return;
                };
                let claimed = request.take_claim(&self.people[who], now);
                self.write(claimed.map(|(_, change)| change).ok(), None);
            }
            Step::Release { request, who } => {
                let Some(request) = self.filed(request, false) else {
                    return;
                };
                let released = request.release_claim(&self.people[who], now);
                self.write(released.map(|(_, change)| change).ok(), None);
            }
            Step::Expire(request) => {
                let Some(request) = self.filed(request, false) else {
                    return;
                };
                self.write(request.expire(now).map(|(_, change)| change), None);
            }
            Step::Extend {
                grant,
                who,
                minutes: by,
            } => self.extend(grant, who, minutes(by)),
            Step::Close {
                grant,
                who,
                kind,
                stale,
            } => {
                let Some(grant) = self.held(grant, stale) else {
                    return;
                };
                let closed = match kind {
                    CloseKind::End => grant.end(now),
                    CloseKind::Return => grant.give_back(&self.people[who], now).ok(),
                    CloseKind::Revoke => grant.revoke(&self.people[who], "leaving", now).ok(),
                };
                self.write(closed.map(|(_, step)| vec![step]), None);
            }
            Step::Credential { grant, who } => {
                let Some(grant) = self.held(grant, false) else {
                    return;
                };
                let issued = grant.credential_issued(
                    &self.people[who],
                    grant.expires_at.min(now + TimeDelta::minutes(10)),
                    "password",
                    self.in_force(),
                    now,
                );
                self.write(issued.map(|(_, step)| vec![step]).ok(), None);
            }
            Step::Lock { what, who, minutes } => self.lock(what, who, minutes),
            Step::Unlock(nth) => self.unlock(nth),
            Step::BreakGlass { who, role, minutes } => self.break_glass(who, role, minutes),
            Step::SignOff {
                nth,
                who,
                justified,
                stale,
            } => {
                let verdict = if justified {
                    Verdict::Justified
                } else {
                    Verdict::NotJustified
                };
                self.sign_off(nth, who, verdict, stale);
            }
            _ => self.work(step),
        }
    }

    fn work(&mut self, step: &Step) {
        let now = self.clock;
        let soon = now + TimeDelta::seconds(1);
        let (Step::Activate(nth)
        | Step::RetryActivation(nth)
        | Step::FailActivation(nth)
        | Step::RetryClose(nth)
        | Step::Confirm(nth)
        | Step::Acknowledge { grant: nth, .. }) = *step
        else {
            return;
        };
        let Some(grant) = self.held(nth, false) else {
            return;
        };
        let done = match step {
            Step::Activate(_) => grant.activate(now),
            // A worker that slept tells of an attempt that was overtaken.
            Step::Acknowledge { stale, .. } => {
                grant.activated(grant.epoch - i64::from(*stale), now)
            }
            Step::RetryActivation(_) => grant.activation_retried(grant.epoch, "no route", soon),
            Step::FailActivation(_) => grant.activation_failed(grant.epoch, "no such role", now),
            Step::RetryClose(_) => grant.close_retried("no route", &Attempt::default(), soon),
            _ => grant.closed(&Attempt::default(), now),
        };
        self.write(done.map(|(_, step)| vec![step]), None);
    }

    /// As the gate does it: the holder's own wish waits, somebody else's carries that person's approval.
    fn extend(&mut self, nth: usize, who: usize, by: Span) {
        let now = self.clock;
        let Some(grant) = self.held(nth, false) else {
            return;
        };
        let id = RequestId::from_bits(self.bits());
        let who_is = self.people[who].clone();
        let holder = self
            .people
            .iter()
            .find(|person| person.id == grant.holder.id)
            .unwrap_or(&who_is)
            .clone();
        let Ok((request, mut change)) = Request::submit_extension(
            id,
            &grant,
            &holder,
            &who_is,
            by,
            "still at it",
            self.snapshot.clone(),
            self.in_force(),
            now,
        ) else {
            return;
        };
        let other = who_is.id != grant.holder.id;
        if other && request.state == RequestState::Pending {
            let about = About {
                target: &self.target,
                parent: Some(&grant),
                grant: &grant.id,
                locks: self.in_force(),
            };
            match request.approve_by(&who_is, None, Narrowing::default(), about, now) {
                Ok((_, more)) => change.extend(more),
                Err(_) => return,
            }
        }
        self.write(Some(change), other.then_some(who));
    }

    /// Places a lock as the gate does: what it matches goes in the same change.
    fn lock(&mut self, what: usize, who: usize, length: Option<u32>) {
        let on = match what {
            0 => Blocked::Principal(self.people[who].as_ref()),
            1 => Blocked::Role(self.target.name.clone(), role(who % ROLES.len())),
            2 => Blocked::Tag {
                name: "env".to_owned(),
                value: ["prod", "dev"][who % 2].to_owned(),
            },
            3 => Blocked::Target(self.target.name.clone()),
            _ => Blocked::Everything,
        };
        let (id, now, keeper) = (LockId::from_bits(self.bits()), self.clock, person(99, &[]));
        let placed = Lock::place(
            id,
            on,
            length.map(minutes),
            "INC-1 leak",
            (&keeper, None),
            now,
        );
        let lock = placed.unwrap();
        let locks = Locks::new(std::slice::from_ref(&lock), Some(&self.target.tags));
        let mut change = vec![lock.placed()];
        for held in &self.grants {
            let grant = &held.now;
            if grant.state != GrantState::Closing && locks.on(grant.into(), now).is_some() {
                let cut = grant.cut(Some(&keeper.as_ref()), "INC-1 leak", ("lock", "L-1"), now);
                change.extend(cut.map(|(_, step)| step));
            }
        }
        self.write(Some(change), None);
    }

    fn unlock(&mut self, nth: usize) {
        let Some(lock) = self.locks.iter().rev().nth(nth) else {
            return;
        };
        let (keeper, now) = (person(99, &[]), self.clock);
        let lifted = lock.lift(&keeper, "calm again", self.in_force(), now);
        self.write(lifted.ok().map(|(_, step)| vec![step]), None);
    }
}
