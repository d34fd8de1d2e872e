//! Histories as they could have happened: few people and targets are busy and many are not, most is in working hours, an
//! incident brings many requests at once, and each request leads to what real ones lead to, in their order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc, Weekday};
use portcullis::domain::event::{Actor, Event, EventCode, Outcome};
use portcullis::domain::ids::{GrantId, PrincipalId, PrincipalName, RequestId, TargetName};
use portcullis::domain::principal::PrincipalRef;
use portcullis::store::audit::Origin;

use super::chance::Chance;

const PEOPLE: usize = 420;
const TARGETS: usize = 310;
/// Requests of a working hour, of another hour, and how much an incident brings.
const BUSY_HOUR: f64 = 420.0;
const QUIET_HOUR: f64 = 45.0;
const BURST: u64 = 60;

const FIRST: [&str; 24] = [
    "ada", "ben", "carla", "deniz", "emil", "fatou", "goran", "hana", "ivo", "jun", "kira", "lars",
    "mina", "nils", "olga", "pablo", "quinn", "rosa", "sven", "tara", "uma", "viktor", "wanda",
    "yusuf",
];
const LAST: [&str; 18] = [
    "berg", "costa", "diaz", "eker", "fischer", "garcia", "haas", "ito", "jansen", "kaya", "lopez",
    "moreau", "novak", "okafor", "petrov", "rossi", "sato", "weber",
];
const SYSTEMS: [&str; 31] = [
    "orders", "payments", "ledger", "search", "billing", "users", "sessions", "catalog", "stock",
    "mail", "push", "fraud", "tax", "reports", "metrics", "edge", "auth", "media", "geo", "chat",
    "cart", "promo", "audit", "backup", "queue", "cache", "ci", "vault", "dns", "wiki", "hr",
];
const KINDS: [&str; 5] = ["db", "host", "k8s", "api", "replica"];
const WHY: [&str; 26] = [
    "stuck orders in the queue",
    "replication lag after the failover",
    "customer cannot log in",
    "rotate the certificate by hand",
    "disk is 95% full",
    "rerun the nightly settlement",
    "slow query on the checkout path",
    "deploy rollback",
    "investigate OOM kills",
    "check the backup of last night",
    "memory leak in the worker",
    "wrong VAT on invoices",
    "data fix approved by finance",
    "look at the error budget burn",
    "GDPR erasure request",
    "migration step 3 of 7",
    "restart after kernel update",
    "connection pool exhausted",
    "reproduce the bug from the report",
    "verify index bloat",
    "on-call page, latency p99",
    "drain the node before maintenance",
    "compare counts with the warehouse",
    "unlock the batch job",
    "read the slow log",
    "access for the quarterly review",
];
const DETAIL: [&str; 14] = [
    "",
    "",
    "",
    "",
    "",
    "as discussed with the team lead",
    "second try",
    "see the thread",
    "customer is waiting",
    "before the release freeze",
    "started 20 minutes ago",
    "handover from the night shift",
    "only reading",
    "will write a post-mortem",
];
const REFUSED: [&str; 5] = [
    "not enough detail, please name the ticket",
    "outside of the change window",
    "use the read replica instead",
    "ask the owner of the data first",
    "already solved",
];

/// One event of a history.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) at: DateTime<Utc>,
    pub(crate) origin: Origin,
    pub(crate) event: Event,
}

/// What happens later.
struct Later(Reverse<(DateTime<Utc>, u64)>, Box<Happened>);

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Later {}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// An endless history in the order of time.
pub(crate) struct History {
    chance: Chance,
    people: Vec<PrincipalRef>,
    targets: Vec<TargetName>,
    /// When the next request is made.
    next: DateTime<Utc>,
    /// Requests of an incident that are still to come, and about which target.
    burst: (u64, usize, u64),
    waiting: BinaryHeap<Later>,
    number: u64,
}

/// Somebody who does something, from somewhere, in one call.
#[derive(Clone)]
struct Call {
    actor: Actor,
    origin: Origin,
}

/// What a story is about.
struct About {
    who: PrincipalName,
    target: TargetName,
    role: &'static str,
    request: RequestId,
    grant: GrantId,
    reason: String,
}

impl About {
    fn event(&self, code: EventCode, call: &Call) -> Event {
        let mut event = Event::new(code, call.actor.clone());
        event.principal = Some(self.who.clone());
        event.target = Some(self.target.clone());
        event.role = self.role.parse().ok();
        event.request = Some(self.request.clone());
        if !code.as_str().starts_with("request.") && !code.as_str().starts_with("review.") {
            event.grant = Some(self.grant.clone());
        }
        event
    }
}

impl History {
    pub(crate) fn new(seed: u64, from: DateTime<Utc>) -> anyhow::Result<Self> {
        let mut chance = Chance::new(seed);
        let people = (0..PEOPLE).map(|nth| {
            let first = FIRST.get(nth % FIRST.len()).copied().unwrap_or_default();
            let last = LAST.get(nth / FIRST.len()).copied().unwrap_or_default();
            Ok(PrincipalRef {
                id: PrincipalId::from_bits(chance.bits()),
                name: format!("{first}.{last}").parse()?,
            })
        });
        let people: anyhow::Result<Vec<PrincipalRef>> = people.collect();
        let targets = (0..TARGETS).map(|nth| {
            let system = SYSTEMS
                .get(nth % SYSTEMS.len())
                .copied()
                .unwrap_or_default();
            let kind = KINDS.get(nth / SYSTEMS.len() % KINDS.len()).copied();
            Ok(format!("{system}-{}-{}", kind.unwrap_or_default(), nth % 7 + 1).parse()?)
        });
        let targets: anyhow::Result<Vec<TargetName>> = targets.collect();
        Ok(Self {
            people: people?,
            targets: targets?,
            chance,
            next: from,
            burst: (0, 0, 0),
            waiting: BinaryHeap::new(),
            number: 0,
        })
    }

    /// Requests of an hour like this one.
    fn pace(at: DateTime<Utc>) -> f64 {
        let weekend = matches!(at.weekday(), Weekday::Sat | Weekday::Sun);
        match at.hour() {
            9..=11 | 13..=17 if !weekend => BUSY_HOUR,
            8 | 12 | 18 if !weekend => BUSY_HOUR / 2.0,
            _ => QUIET_HOUR,
        }
    }

    fn later(&mut self, at: DateTime<Utc>, call: &Call, event: Event) {
        self.number += 1;
        let happened = Happened {
            at,
            origin: call.origin.clone(),
            event,
        };
        self.waiting
            .push(Later(Reverse((at, self.number)), Box::new(happened)));
    }

    fn call(&mut self, person: usize) -> Call {
        let chance = &mut self.chance;
        let actor = self
            .people
            .get(person)
            .cloned()
            .map_or(Actor::System, Actor::Principal);
        let channel = match chance.below(10) {
            0..5 => "cli",
            5..8 => "tui",
            _ => "api",
        };
        // Most sit behind one of few addresses.
        let address = if chance.happens(0.6) {
            format!("198.51.100.{}", chance.below(12) + 1)
        } else {
            format!(
                "10.{}.{}.{}",
                person % 16,
                chance.below(256),
                chance.below(256)
            )
        };
        Call {
            actor,
            origin: Origin {
                trace: format!("{:016x}{:016x}", chance.bits(), chance.bits()),
                channel: channel.to_owned(),
                address: Some(address),
            },
        }
    }

    fn system(&mut self, trace: Option<&Call>) -> Call {
        let new = || format!("{:016x}{:016x}", self.chance.bits(), self.chance.bits());
        Call {
            actor: Actor::System,
            origin: Origin {
                trace: trace.map_or_else(new, |call| call.origin.trace.clone()),
                channel: "system".to_owned(),
                address: None,
            },
        }
    }

    fn reason(&mut self) -> String {
        let chance = &mut self.chance;
        let ticket = match chance.below(20) {
            0..11 => format!("INC-{} ", 1_000 + chance.busy(9_000)),
            11..16 => format!("CHG-{} ", 20_000 + chance.below(9_000)),
            16..18 => format!("#{}: ", chance.below(99_999)),
            _ => String::new(),
        };
        let why = WHY.get(chance.busy(WHY.len())).copied().unwrap_or_default();
        let system = SYSTEMS
            .get(chance.busy(SYSTEMS.len()))
            .copied()
            .unwrap_or_default();
        let detail = chance.one(&DETAIL).copied().unwrap_or_default();
        let number = chance.below(100_000);
        match chance.below(6) {
            0 => format!("{ticket}{why} ({system})"),
            1 => format!("{ticket}{why}, order {number}"),
            2 if !detail.is_empty() => format!("{ticket}{why}; {detail}"),
            3 => format!("{ticket}{system}: {why}"),
            4 if !detail.is_empty() => format!("{ticket}{system}: {why}, {detail}, case {number}"),
            _ => format!("{ticket}{why}"),
        }
    }

    fn after(&mut self, at: DateTime<Utc>, mean_seconds: f64) -> DateTime<Utc> {
        #[expect(clippy::cast_possible_truncation, reason = "some days in milliseconds")]
        let wait = (self.chance.wait(mean_seconds) * 1_000.0) as i64;
        at + TimeDelta::milliseconds(wait + 3)
    }

    /// Somebody asks for something, and what becomes of it.
    fn ask(&mut self, at: DateTime<Utc>) {
        let who = self.chance.busy(self.people.len());
        let target = match self.burst {
            (0, ..) => self.chance.busy(self.targets.len()),
            (_, target, _) => target,
        };
        let mut reason = self.reason();
        if self.burst.0 > 0 {
            reason = format!("INC-{} {reason}", self.burst.2);
        }
        let (Some(person), Some(target)) = (
            self.people.get(who).cloned(),
            self.targets.get(target).cloned(),
        ) else {
            return;
        };
        let role = match self.chance.below(10) {
            0..7 => "readonly",
            7..9 => "readwrite",
            _ => "admin",
        };
        let about = About {
            who: person.name,
            target,
            role,
            request: RequestId::from_bits(self.chance.bits()),
            grant: GrantId::from_bits(self.chance.bits()),
            reason,
        };
        let call = self.call(who);
        if self.chance.happens(0.25) {
            let method = self
                .chance
                .one(&["oidc", "passkey", "code"])
                .copied()
                .unwrap_or_default();
            let event =
                Event::new(EventCode::SignedIn, call.actor.clone()).detail("method", method);
            self.later(at, &call, event);
        }
        let minutes = self
            .chance
            .one(&[30, 60, 60, 60, 120, 240, 480])
            .copied()
            .unwrap_or(60);
        let submitted = about
            .event(EventCode::RequestSubmitted, &call)
            .reason(Some(about.reason.clone()))
            .detail("duration", format!("{minutes}m"))
            .detail("kind", "access")
            .detail("policy_version", format!("{:016x}", at.num_days_from_ce()))
            .moment("decide_by", at + TimeDelta::hours(24));
        self.later(at, &call, submitted);
        match self.chance.below(100) {
            0..4 => {
                let at = self.after(at, 900.0);
                let event = about.event(EventCode::RequestWithdrawn, &call);
                self.later(at, &call, event);
            }
            4..6 => {
                let system = self.system(None);
                let event = about.event(EventCode::RequestExpired, &system);
                self.later(at + TimeDelta::hours(24), &system, event);
            }
            6..12 => {
                let at = self.after(at, 600.0);
                let reviewer = self.chance.busy(40);
                let call = self.call(reviewer);
                let why = self.chance.one(&REFUSED).copied();
                let event = about
                    .event(EventCode::RequestDenied, &call)
                    .outcome(Outcome::Denied)
                    .reason(why);
                self.later(at, &call, event);
            }
            _ => self.grant(at, &about, who, minutes),
        }
        if self.chance.happens(0.03) {
            self.aside(at, &about, who);
        }
    }

    fn grant(&mut self, at: DateTime<Utc>, about: &About, who: usize, minutes: i64) {
        let mut at = self.after(at, 420.0);
        let reviewer = self.chance.busy(40);
        let review = self.call(reviewer);
        if about.role == "admin" {
            let event = about
                .event(EventCode::ReviewRecorded, &review)
                .detail("approvals", 1)
                .detail("threshold", 2);
            self.later(at, &review, event);
            at = self.after(at, 300.0);
        }
        let end = at + TimeDelta::minutes(minutes);
        let event = about
            .event(EventCode::RequestApproved, &review)
            .detail("policy", about.role)
            .detail("threshold", 1);
        self.later(at, &review, event);
        let system = self.system(Some(&review));
        let event = about
            .event(EventCode::GrantScheduled, &system)
            .detail("duration", format!("{minutes}m"))
            .moment("expires_at", end);
        self.later(at, &system, event);
        at += TimeDelta::milliseconds(12);
        let event = about
            .event(EventCode::GrantActivating, &system)
            .detail("attempt", 1)
            .moment("expires_at", end);
        self.later(at, &system, event);
        if self.chance.happens(0.02) {
            let event = about
                .event(EventCode::GrantActivationRetried, &system)
                .outcome(Outcome::Error)
                .reason(Some("connection refused (os error 111)"))
                .detail("attempt", 1)
                .moment("retry_at", at + TimeDelta::seconds(2));
            self.later(at + TimeDelta::milliseconds(40), &system, event);
            at += TimeDelta::seconds(2);
        }
        at += TimeDelta::milliseconds(35);
        let event = about
            .event(EventCode::GrantActivated, &system)
            .moment("starts_at", at)
            .moment("expires_at", end);
        self.later(at, &system, event);
        for _ in 0..=self.chance.below(3) {
            let at = self.after(at, 600.0).min(end);
            let call = self.call(who);
            let event = about
                .event(EventCode::CredentialIssued, &call)
                .detail("credential", "certificate")
                .moment("ends_at", end);
            self.later(at, &call, event);
        }
        let (code, kind, at) = match self.chance.below(100) {
            0..3 => (
                EventCode::GrantRevoked,
                "revoke",
                self.after(at, 1_200.0).min(end),
            ),
            3..28 => (
                EventCode::GrantReturned,
                "return",
                self.after(at, 1_500.0).min(end),
            ),
            _ => (EventCode::GrantEnded, "end", end),
        };
        let by = match kind {
            "revoke" => self.call(reviewer),
            "return" => self.call(who),
            _ => self.system(None),
        };
        let closing = about
            .event(EventCode::GrantClosing, &by)
            .detail("close_kind", kind)
            .detail("from", "active");
        let closing = if kind == "revoke" {
            closing.reason(Some("no longer needed, incident is over"))
        } else {
            closing
        };
        self.later(at, &by, closing);
        let system = self.system(Some(&by));
        let event = about
            .event(code, &system)
            .detail("sessions_ended", self.chance.below(3))
            .moment("ended_at", at + TimeDelta::milliseconds(60));
        self.later(at + TimeDelta::milliseconds(60), &system, event);
    }

    /// What else happens, rarely.
    fn aside(&mut self, at: DateTime<Utc>, about: &About, who: usize) {
        let at = self.after(at, 1_000.0);
        let call = self.call(who);
        let code = EventCode::ALL
            .get(self.chance.busy(EventCode::ALL.len()))
            .copied()
            .unwrap_or(EventCode::AccessRefused);
        let outcome = match self.chance.below(4) {
            0 => Outcome::Denied,
            1 => Outcome::Error,
            _ => Outcome::Success,
        };
        let reason = self.reason();
        let event = about
            .event(code, &call)
            .outcome(outcome)
            .reason(Some(reason))
            .detail("on", about.target.as_str());
        self.later(at, &call, event);
    }
}

impl Iterator for History {
    type Item = Happened;

    fn next(&mut self) -> Option<Happened> {
        loop {
            let due = self
                .waiting
                .peek()
                .is_some_and(|Later(Reverse((at, _)), _)| *at <= self.next);
            if due {
                return self.waiting.pop().map(|Later(_, happened)| *happened);
            }
            let at = self.next;
            self.ask(at);
            let mut mean = 3_600.0 / Self::pace(at);
            if self.burst.0 > 0 {
                self.burst.0 -= 1;
                mean = mean.min(4.0);
            } else if self.chance.happens(0.000_7) {
                let target = self.chance.busy(self.targets.len());
                self.burst = (
                    self.chance.below(BURST) + 10,
                    target,
                    5_000 + self.chance.below(900),
                );
            }
            self.next = self.after(at, mean);
        }
    }
}
