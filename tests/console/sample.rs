//! Rows that a server could have sent: sessions, locks, targets, incidents.

use chrono::TimeDelta;
use portcullis::domain::ids::{LockId, SignInId, StandingId};
use portcullis::wire::{
    BreakGlassView, Factors, IncidentPreview, IncidentPreviewAsk, IncidentView, LockView,
    ServiceView, SessionSource, SessionView, SignInView, StandingView, TargetView,
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

/// A sign-in that was last used some minutes ago.
pub(crate) fn sign_in(number: u64, who: &str, method: &str, minutes: i64) -> SignInView {
    serde_json::from_value(json!({
        "id": SignInId::from_bits(number), "principal": who, "device": format!("cli on laptop-{number}"),
        "method": method, "bound": method != "code", "created_at": start() - TimeDelta::hours(3),
        "last_used_at": start() - TimeDelta::minutes(minutes), "expires_at": start() + TimeDelta::hours(9),
        "current": number == 1,
    }))
    .unwrap()
}

/// A service account with a token that ends in some days, or with none.
pub(crate) fn service(name: &str, owner: &str, days: Option<i64>) -> ServiceView {
    serde_json::from_value(json!({
        "name": name, "owner": owner, "scopes": ["read", "request:orders-db/readonly"], "groups": ["machines"],
        "expires_at": days.map(|days| start() + TimeDelta::days(days)),
    }))
    .unwrap()
}

/// The second factors of the person at the desk.
pub(crate) fn factors() -> Factors {
    serde_json::from_value(json!({
        "factors": [{"id": "F-0000000001", "kind": "totp", "name": "phone", "confirmed": true,
                     "created_at": start() - TimeDelta::days(90), "last_used_at": start() - TimeDelta::minutes(95)}],
        "recovery_codes_left": 8, "has_password": false, "notices": [],
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
    desk.sign_ins = vec![
        sign_in(1, "maya", "oidc", 0),
        sign_in(2, "maya", "oidc", 170),
        sign_in(3, "bob", "password", 12),
        sign_in(4, "carol", "code", 44),
    ];
    desk.services = vec![
        service("deploy-bot", "bob", Some(3)),
        service("metrics", "maya", Some(40)),
        service("old-bot", "carol", None),
    ];
    desk.standing = vec![
        standing(1, "old_backup", &["may log in", "is member of dba"], "open"),
        standing(
            2,
            "Mallory \u{202e}",
            &["is superuser", "may log in"],
            "open",
        ),
        standing(3, "monitoring", &["may log in"], "imported"),
        standing(4, "break_glass", &["is superuser", "may log in"], "ignored"),
    ];
    desk.keys("5 6 7 8 0 3");
    desk.wait(200);
    desk.keys("1");
    desk.effects.clear();
    desk
}

/// Standing access on `orders-db`; somebody said something about it unless it is open.
pub(crate) fn standing(number: u64, subject: &str, rights: &[&str], state: &str) -> StandingView {
    let settled = state != "open";
    let nothing_said = (!settled).then_some("nobody said anything about it");
    let mut view = json!({
        "id": StandingId::from_bits(number), "target": "orders-db", "kind": "account", "subject": subject,
        "rights": rights, "state": state, "found_at": start() - TimeDelta::hours(i64::try_from(number).unwrap()),
        "version": 3, "allowed_actions": [{"action": "ignore", "allowed": true}, {"action": "import", "allowed": true},
        {"action": "reopen", "allowed": settled, "reason": nothing_said}],
    });
    if settled {
        view["said_by"] = json!("rob");
        view["said_at"] = json!(start() - TimeDelta::minutes(60));
        view["reason"] = json!("moves to grants, CHG-78");
    }
    if state == "imported" {
        view["owner"] = json!("maya");
        view["until"] = json!(start() + TimeDelta::days(5));
    }
    serde_json::from_value(view).unwrap()
}
