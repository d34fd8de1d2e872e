//! The server of the tutor: a few rows in memory that answer as the real one would.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::console::confirm::{Act, Mutation};
use crate::console::msg::{Answer, Failure, Msg, Query, Receipt, Slice, These, Trip};
use crate::console::run::clock::Moment;
use crate::domain::ids::{GrantId, RequestId};
use crate::wire::{GrantView, Me, Page, RequestView, Sessions};

/// What stands in the rows at the beginning.
const ASKED: [(&str, &str, &str, &str, &str); 3] = [
    (
        "alice",
        "orders-db",
        "readonly",
        "1h",
        "INC-4127 consumer stuck, payments wait",
    ),
    (
        "bob",
        "ledger",
        "read-write",
        "30m",
        "CHG-9921 rotate the webhook secret",
    ),
    ("carol", "bastion", "root", "8h", "need it"),
];
const HELD: [(&str, &str, &str, i64); 3] = [
    ("mallory", "vault", "admin", 210),
    ("dave", "orders-db", "readonly", 4),
    ("erin", "bastion", "shell", 42),
];

/// The rows, and what was done to them.
#[derive(Debug)]
pub(super) struct Play {
    requests: Vec<RequestView>,
    grants: Vec<GrantView>,
    pub(super) approved: usize,
    pub(super) denied: usize,
    pub(super) revoked: usize,
}

impl Play {
    /// The rows as somebody finds them who begins now.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        let requests = ASKED
            .iter()
            .zip(1..)
            .filter_map(|(asked, number)| request(number, asked, now))
            .collect();
        let grants = HELD
            .iter()
            .zip(1..)
            .filter_map(|(held, number)| grant(number, held, now))
            .collect();
        Self {
            requests,
            grants,
            approved: 0,
            denied: 0,
            revoked: 0,
        }
    }

    pub(super) fn request_id(number: u64) -> RequestId {
        RequestId::from_bits(number)
    }

    /// Answers a question.
    pub(super) fn answer(&self, query: Query, now: Moment) -> Msg {
        let answer = self.known(&query, now).ok_or_else(|| Failure::Refused {
            code: "not_found".to_owned(),
            text: "the tutor has no such thing".to_owned(),
            hint: None,
            trace: None,
        });
        Msg::Answer(query, answer, trip(now))
    }

    fn known(&self, query: &Query, now: Moment) -> Option<Answer> {
        let open = |state: &str| matches!(state, "pending" | "active" | "closing");
        Some(match query {
            Query::Me => Answer::Me(Me {
                id: "P-tutor".to_owned(),
                name: "you".to_owned(),
                roles: vec!["admin".to_owned()],
                groups: Vec::new(),
                sign_in: "S-tutor".to_owned(),
                how: None,
                server: "practice".to_owned(),
                now: now.wall,
            }),
            Query::Request(id) => {
                let view = self.requests.iter().find(|view| view.id == id.as_str());
                Answer::Request(Box::new(view?.clone()))
            }
            Query::Grant(id) => {
                let view = self.grants.iter().find(|view| view.id == id.as_str());
                Answer::Grant(Box::new(view?.clone()))
            }
            Query::These(subjects) => {
                let asked = |id: &str| subjects.iter().any(|subject| subject.as_str() == id);
                let requests = self.requests.iter().filter(|view| asked(&view.id));
                let grants = self.grants.iter().filter(|view| asked(&view.id));
                Answer::These(These {
                    requests: requests.cloned().collect(),
                    grants: grants.cloned().collect(),
                    ..These::default()
                })
            }
            Query::Requests { slice, .. } => Answer::Requests(page(
                self.requests
                    .iter()
                    .filter(|view| open(&view.state) == (*slice == Slice::Open)),
            )),
            Query::Grants { slice, .. } => Answer::Grants(page(
                self.grants
                    .iter()
                    .filter(|view| open(&view.state) == (*slice == Slice::Open)),
            )),
            Query::Past { .. } => Answer::Past(page([].iter())),
            Query::Sessions => Answer::Sessions(Sessions {
                items: Vec::new(),
                sources: Vec::new(),
            }),
            Query::Locks => Answer::Locks(page([].iter())),
            Query::SignIns => Answer::SignIns(page([].iter())),
            Query::Services => Answer::Services(page([].iter())),
            Query::Standing => Answer::Standing(page([].iter())),
            Query::Factors => return None,
            Query::Uses => Answer::Uses(page([].iter())),
            Query::Targets => Answer::Targets(page([].iter())),
            Query::Trail(_) => Answer::Trail(page([].iter())),
            Query::Audit { .. } | Query::Find { .. } => Answer::Audit(page([].iter())),
            Query::Lock(_)
            | Query::Use(_)
            | Query::TryOut(_)
            | Query::Incident(_)
            | Query::OverTime { .. }
            | Query::Watch
            | Query::Prove(_)
            | Query::Facets { .. } => {
                return None;
            }
        })
    }

    /// Does a change to the rows here, and to nothing else.
    pub(super) fn change(&mut self, mutation: Mutation, now: Moment) -> Msg {
        let receipt = self.done(&mutation, now).ok_or_else(|| Failure::Refused {
            code: "tutor".to_owned(),
            text: "the tutor does not do this".to_owned(),
            hint: Some("try it in your own console".to_owned()),
            trace: None,
        });
        Msg::Acted(mutation, receipt, trip(now))
    }

    fn done(&mut self, mutation: &Mutation, now: Moment) -> Option<Receipt> {
        let (id, state) = match mutation.act() {
            Act::Approve { request, .. } => (request.as_str(), "approved"),
            Act::Deny { request, .. } => (request.as_str(), "denied"),
            Act::Revoke { grant, .. } => (grant.as_str(), "revoked"),
            _ => return None,
        };
        if let Some(view) = self.requests.iter_mut().find(|view| view.id == id) {
            state.clone_into(&mut view.state);
            view.version += 1;
            view.decided_at = Some(now.wall);
            view.allowed_actions.clear();
            match state {
                "approved" => self.approved += 1,
                _ => self.denied += 1,
            }
            return Some(Receipt::Request(Box::new(view.clone())));
        }
        let view = self.grants.iter_mut().find(|view| view.id == id)?;
        state.clone_into(&mut view.state);
        view.version += 1;
        view.ended_at = Some(now.wall);
        view.closed_by = Some("you".to_owned());
        view.allowed_actions.clear();
        self.revoked += 1;
        Some(Receipt::Grant(Box::new(view.clone())))
    }
}

fn page<'v, T: Clone + 'v>(items: impl Iterator<Item = &'v T>) -> Page<T> {
    Page {
        items: items.cloned().collect(),
        next: None,
    }
}

fn trip(now: Moment) -> Trip {
    Trip {
        sent: now.steady,
        received: now.steady,
    }
}

fn request(
    number: u64,
    (who, target, role, length, reason): &(&str, &str, &str, &str, &str),
    now: DateTime<Utc>,
) -> Option<RequestView> {
    let age = 60 - 17 * i64::try_from(number).ok()?;
    let created = now - TimeDelta::minutes(age);
    let view = json!({
        "id": RequestId::from_bits(number), "kind": "access", "state": "pending", "requester": who,
        "target": target, "role": role, "duration": length, "reason": reason, "role_granted": role,
        "duration_granted": length, "would_end_at": now + TimeDelta::hours(1),
        "verdict": "needs 1 approval by a reviewer", "policy_version": "practice",
        "ways": [{"policy": "practice", "threshold": 1, "approvals": 0, "reviewers": "reviewers",
                  "max_duration": "8h", "max_total": "8h"}],
        "reviews": [],
        "history": {"grants_30d": 3, "revoked_30d": 0, "longest": "2h", "last_at": created},
        "created_at": created, "decide_by": created + TimeDelta::hours(24), "version": 1,
        "allowed_actions": [{"action": "approve", "allowed": true}, {"action": "deny", "allowed": true}],
    });
    serde_json::from_value(view).ok()
}

fn grant(
    number: u64,
    (who, target, role, minutes): &(&str, &str, &str, i64),
    now: DateTime<Utc>,
) -> Option<GrantView> {
    let begun = now - TimeDelta::minutes(18);
    let view = json!({
        "id": GrantId::from_bits(number), "request": RequestId::from_bits(number + 100),
        "state": "active", "holder": who, "target": target, "target_kind": "postgres", "enforcement": "A",
        "role": role, "reason": "INC-4127 disk 97% full", "duration": "4h", "max_total": "8h",
        "not_before": begun, "starts_at": begun, "expires_at": now + TimeDelta::minutes(*minutes),
        "max_expires_at": begun + TimeDelta::hours(8), "attempts": 0, "extensions": 0, "created_at": begun,
        "version": 3,
        "allowed_actions": [{"action": "revoke", "allowed": true}, {"action": "extend", "allowed": true}],
    });
    serde_json::from_value(view).ok()
}
