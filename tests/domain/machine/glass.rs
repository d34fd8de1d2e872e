//! Break-glass as the gate does it: one use that waits for each person, a cap of its own, and a sign-off by others.

use std::rc::Rc;

use portcullis::domain::break_glass::{Limits, SignOff, Use, Verdict};
use portcullis::domain::ids::{GrantId, PrincipalId, RequestId};
use portcullis::domain::policy::{Snapshot, Way};
use portcullis::domain::request::{Ask, Glass, Request};

use super::{Machine, Used, Witnessed, minutes, role};

impl Machine {
    /// The use of this person that waits for its sign-off.
    pub(crate) fn open_use(&self, who: &PrincipalId) -> Option<&Use> {
        let mut uses = self.uses.iter().map(|used| &used.now);
        uses.find(|now| now.person.id == *who && now.verdict.is_none())
    }

    pub(super) fn break_glass(&mut self, who: usize, wanted: usize, length: u32) {
        let (person, limits) = (self.people[who].clone(), Limits::default());
        if self.open_use(&person.id).is_some() {
            self.kept_waiting += 1;
            return;
        }
        let ask = Ask {
            target: self.target.name.clone(),
            role: role(wanted),
            duration: minutes(length),
            not_before: None,
            reason: "INC-1 payments are down".to_owned(),
            ticket: None,
        };
        // Policy gives the ways that are long enough for what is asked.
        let long_enough = |way: &Way| way.max_duration >= ask.duration;
        let ways = limits.cap(self.snapshot.ways.clone());
        let ways: Vec<Way> = ways.into_iter().filter(long_enough).collect();
        if ask.duration > limits.max || ways.is_empty() {
            return;
        }
        let others = self.people.iter().filter(|other| other.id != person.id);
        let may = |way: &Way| {
            let mut groups = way.groups();
            let others = others.clone();
            groups.any(|group| others.clone().any(|other| other.groups.contains(group)))
        };
        if !ways.iter().any(may) {
            return;
        }
        let (id, grant) = (
            RequestId::from_bits(self.bits()),
            GrantId::from_bits(self.bits()),
        );
        let glass = Glass {
            snapshot: Snapshot {
                policy_version: self.snapshot.policy_version.clone(),
                ways,
            },
            grant,
            skipped: Vec::new(),
            code: None,
        };
        let used = Request::break_glass(id, &person, ask, glass, self.in_force(), self.clock);
        self.write(used.ok().map(|(_, _, change)| change), None);
    }

    pub(super) fn sign_off(&mut self, nth: usize, who: usize, verdict: Verdict, stale: bool) {
        let Some(used) = self.uses.iter().rev().nth(nth) else {
            return;
        };
        let mut seen = used.now.clone();
        // Somebody who looks at what it was before the last sign-off.
        if stale && seen.sign_offs.pop().is_some() {
            (seen.version, seen.verdict) = (seen.version - 1, None);
        }
        let comment = "looked at the session";
        let signed = seen.sign_off(&self.people[who], verdict, comment, self.clock);
        self.write(signed.ok().map(|(_, change)| change), Some(who));
    }

    pub(super) fn used(&mut self, new: Use) {
        self.uses.push(Used {
            now: new,
            found_justified: Vec::new(),
            found_wrong: Vec::new(),
            reviewed: None,
        });
    }

    pub(super) fn signed_off(&mut self, next: Use, sign_off: &SignOff, who: Option<usize>) {
        let seen = who.map(|who| Witnessed {
            who: self.people[who].id.clone(),
            groups: self.people[who].groups.clone(),
            at: self.clock,
        });
        let mut all = self.uses.iter_mut();
        let used = all.find(|used| used.now.request == next.request).unwrap();
        match sign_off.verdict {
            Verdict::Justified => used.found_justified.extend(seen),
            Verdict::NotJustified => used.found_wrong.extend(seen),
        }
        if next.verdict.is_some() {
            used.reviewed = Some(Rc::new(next.clone()));
        }
        used.now = next;
    }
}
