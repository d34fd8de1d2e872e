//! Rows that a server could have sent: sessions, locks, targets, incidents.

use chrono::TimeDelta;
use portcullis::domain::ids::LockId;
use portcullis::wire::{
    BreakGlassView, IncidentPreview, IncidentPreviewAsk, IncidentView, LockView, SessionSource,
    SessionView, TargetView,
};
use serde_json::json;

use super::desk::{Desk, grant_id, request_id, start};

pub(crate) fn lock_id(number: u64) -> LockId {
    LockId::from_bits(number)
}

/// A live connection under a grant.
pub(crate) fn session(id: &str, grant: u64, who: &str, target: &str, command: &str) -> SessionView {
    serde_json::from_value(json!({
        "id": id, "grant": grant_id(grant), "holder": who, "target": target, "role": "readonly",
        "started_at": start() - TimeDelta::minutes(14), "address": "10.4.1.31", "program": "psql",
        "activity": "running", "command": command, "allowed_actions": [{"action": "end", "allowed": true}],
    }))
    .unwrap()
}

/// What a target said when it was asked for its sessions.
pub(crate) fn source(target: &str, problem: Option<&str>) -> SessionSource {
    SessionSource {
        target: target.to_owned(),
        as_of: start(),
        problem: problem.map(str::to_owned),
    }
}

/// A lock of a person.
pub(crate) fn lock(number: u64, who: &str, state: &str) -> LockView {
    serde_json::from_value(json!({
        "id": lock_id(number), "on": {"kind": "principal", "principal": who}, "reason": "INC-4127 stolen laptop",
        "state": state, "placed_by": "rob", "created_at": start() - TimeDelta::minutes(40), "grants_closed": 2,
        "version": 1, "allowed_actions": [{"action": "lift", "allowed": state == "in_force"}],
    }))
    .unwrap()
}

/// A break-glass that waits for a sign-off, or has one.
pub(crate) fn used(number: u64, who: &str, state: &str) -> BreakGlassView {
    serde_json::from_value(json!({
        "id": request_id(number), "state": state, "person": who, "target": "orders-db", "role": "admin",
        "duration": "30m", "reason": "INC-4127 payments are down", "ticket": "INC-4127", "grant": grant_id(number),
        "grant_state": "active", "ends_at": start() + TimeDelta::minutes(26), "skipped": ["maya", "rob"],
        "reviewers": "`dba`", "threshold": 1, "justified_by": 0, "sign_offs": [], "tags": {"env": "prod"},
        "created_at": start() - TimeDelta::minutes(4), "version": 1,
        "allowed_actions": [{"action": "sign_off", "allowed": state == "open"}],
    }))
    .unwrap()
}

/// A target whose admin role holds lesser ones.
pub(crate) fn target(name: &str) -> TargetView {
    let role = |name: &str, includes: &[&str]| json!({"name": name, "description": "", "includes": includes, "verdict": "", "may_ask": true});
    serde_json::from_value(json!({
        "name": name, "kind": "postgres", "enforcement": "A", "description": "", "tags": {},
        "roles": [role("read-write", &["readonly"]), role("readonly", &[])],
    }))
    .unwrap()
}

/// What the server would say to a dry run, from the rows on the desk.
pub(crate) fn preview(desk: &Desk, ask: &IncidentPreviewAsk) -> IncidentPreview {
    let scope = &ask.scope;
    let lets = |target: &str, who: &str| {
        (scope.targets.is_empty() || scope.targets.iter().any(|name| name == target))
            && (scope.principals.is_empty() || scope.principals.iter().any(|name| name == who))
    };
    let grants: Vec<_> = desk
        .grants
        .iter()
        .filter(|view| matches!(view.state.as_str(), "active" | "scheduled" | "activating"))
        .filter(|view| lets(&view.target, &view.holder))
        .cloned()
        .collect();
    let requests: Vec<_> = desk
        .requests
        .iter()
        .filter(|view| ask.deny_pending && view.state == "pending")
        .filter(|view| lets(&view.target, &view.requester))
        .cloned()
        .collect();
    let items: Vec<_> = grants
        .iter()
        .map(|view| json!({"id": view.id, "version": view.version}))
        .chain(
            requests
                .iter()
                .map(|view| json!({"id": view.id, "version": view.version})),
        )
        .collect();
    let locks: Vec<String> = if ask.lock {
        scope
            .targets
            .iter()
            .map(|name| format!("target `{name}`, until somebody lifts it"))
            .collect()
    } else {
        Vec::new()
    };
    serde_json::from_value(json!({
        "token": "t-1", "as_of": desk.server_now(), "good_until": desk.server_now() + TimeDelta::minutes(5),
        "people": grants.len(), "grants": grants, "requests": requests, "items": items, "locks": locks,
    }))
    .unwrap()
}

/// An incident with one row off, one closing and one in trouble.
pub(crate) fn incident(done: bool) -> IncidentView {
    let at = start();
    let row = |number: u64, who: &str, outcome: &str, error: Option<&str>| {
        let off = done || outcome == "revoked";
        json!({
            "id": grant_id(number), "holder": who, "target": "orders-db", "role": "readonly",
            "outcome": if off { "revoked" } else { outcome }, "state": if off { "revoked" } else { "closing" },
            "blocked_at": at, "sessions_ended": off.then_some(2),
            "steps": if off { vec!["2 sessions cut", "role dropped", "read back: nothing left"] } else { vec![] },
            "read_back_at": off.then_some(at), "last_error": error.filter(|_| !off),
        })
    };
    serde_json::from_value(json!({
        "id": "I-0000000001", "reason": "INC-4127 token theft", "scope": {"targets": ["orders-db"]},
        "started_by": "maya", "created_at": at, "appeared": ["G-0000000099"], "locks": [], "done": done,
        "items": [
            row(5, "carol.diaz", "revoked", None),
            row(6, "dave", "revoking", None),
            row(7, "erin.moss", "revoking", Some("connection refused")),
        ],
    }))
    .unwrap()
}

/// A desk with something on every screen.
pub(crate) fn full_desk(width: u16, height: u16) -> Desk {
    let mut desk = Desk::live(width, height);
    desk.sessions = vec![
        session("4711", 5, "carol", "bastion-04", "tail -f /var/log/syslog"),
        session(
            "4712",
            6,
            "dave",
            "orders-db",
            "select id, state from transfer",
        ),
    ];
    desk.sources = vec![
        source("orders-db", None),
        source("ledger", Some("the target does not report sessions")),
    ];
    desk.locks = vec![lock(1, "mallory", "in_force"), lock(2, "eve", "lifted")];
    desk.targets = vec![target("orders-db"), target("ledger")];
    desk.keys("5 6 3");
    desk.wait(200);
    desk.keys("1");
    desk.effects.clear();
    desk
}
