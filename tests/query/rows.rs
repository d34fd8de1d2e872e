//! The rows that filters are tried on, and the table of which filter lets which of them through.

use chrono::{DateTime, Utc};
use portcullis::query::{Context, List, Row, Saved, fields, parse};
use portcullis::wire::{
    BreakGlassView, EventView, GrantView, LockView, RequestView, ServiceView, SessionView,
    SignInView, StandingView,
};
use serde_json::{Value, json};

pub(super) fn now() -> DateTime<Utc> {
    "2026-11-20T03:12:09Z".parse().unwrap()
}

fn view<T: serde::de::DeserializeOwned>(mut base: Value, changes: Value) -> T {
    let Value::Object(changes) = changes else {
        panic!("no object")
    };
    base.as_object_mut().unwrap().extend(changes);
    serde_json::from_value(base).unwrap()
}

fn request(changes: Value) -> RequestView {
    view(
        json!({
            "id": "R-7k3qm2xd0a", "kind": "access", "state": "pending", "requester": "ada", "target": "orders-db",
            "role": "readonly", "duration": "1h", "reason": "INC-4127 stuck orders", "role_granted": "readonly",
            "duration_granted": "1h", "would_end_at": "2026-11-20T04:12:09Z", "verdict": "needs one review",
            "policy_version": "v1", "ways": [{"policy": "prod", "threshold": 1, "approvals": 0, "reviewers": "dba",
            "max_duration": "4h", "max_total": "8h"}], "reviews": [], "history": {"grants_30d": 0, "revoked_30d": 0},
            "tags": {"env": "prod", "team": "Core"}, "created_at": "2026-11-20T03:02:09Z",
            "decide_by": "2026-11-20T04:02:09Z", "version": 1, "allowed_actions": [],
        }),
        changes,
    )
}

/// Requests that end in `a`, `b`, `c` and `d`.
pub(super) fn requests() -> Vec<RequestView> {
    vec![
        request(json!({})),
        request(json!({
            "id": "R-7k3qm2xd0b", "requester": "bob", "target": "cache-1", "role": "admin", "role_granted": "readonly",
            "duration": "4h", "duration_granted": "2h", "reason": "Refund of \"order 9\"", "ticket": "OPS-12",
            "created_at": "2026-11-19T22:00:00Z", "decide_by": "2026-11-20T03:20:00Z", "tags": {"env": "dev"},
            "reviews": [{"reviewer": "maya", "decision": "approve", "created_at": "2026-11-19T23:00:00Z"}],
            "claim": {"by": "maya", "since": "2026-11-20T03:10:00Z", "until": "2026-11-20T03:20:00Z"},
            "signals": [{"code": "off_hours", "word": "off hours", "why": "at night"}],
            "allowed_actions": [{"action": "approve", "allowed": true}],
        })),
        request(json!({
            "id": "R-7k3qm2xd0c", "state": "denied", "requester": "svc-backup", "reason": "nightly",
            "created_at": "2026-11-18T10:00:00Z", "decided_at": "2026-11-18T10:30:00Z",
            "reviews": [{"reviewer": "maya", "decision": "deny", "created_at": "2026-11-18T10:30:00Z"}],
        })),
        request(json!({
            "id": "R-7k3qm2xd0d", "state": "approved", "kind": "extend", "requester": "ada", "target": "Orders_DB2",
            "duration": "30m", "duration_granted": "30m", "reason": "more time", "grant": "G-7k3qm2xd0z",
            "created_at": "2026-11-20T00:00:00Z", "decided_at": "2026-11-20T00:00:01Z",
        })),
    ]
}

fn grant(changes: Value) -> GrantView {
    view(
        json!({
            "id": "G-7k3qm2xd0a", "request": "R-7k3qm2xd0a", "state": "active", "holder": "ada", "target": "orders-db",
            "target_kind": "postgres", "enforcement": "A", "role": "readonly", "tags": {"env": "prod"},
            "reason": "INC-4127", "duration": "1h", "max_total": "8h", "not_before": "2026-11-20T03:00:00Z",
            "starts_at": "2026-11-20T03:00:00Z", "expires_at": "2026-11-20T04:00:00Z",
            "max_expires_at": "2026-11-20T11:00:00Z", "attempts": 0, "extensions": 0,
            "created_at": "2026-11-20T02:59:00Z", "version": 3, "allowed_actions": [],
        }),
        changes,
    )
}

pub(super) fn grants() -> Vec<GrantView> {
    vec![
        grant(
            json!({"allowed_actions": [{"action": "revoke", "allowed": true}], "overdue_at": "2026-11-20T04:01:00Z"}),
        ),
        grant(
            json!({"id": "G-7k3qm2xd0b", "holder": "bob", "expires_at": "2026-11-20T03:17:00Z", "extensions": 2,
            "target": "bastion", "target_kind": "ssh", "enforcement": "A+", "tags": {}}),
        ),
        grant(
            json!({"id": "G-7k3qm2xd0c", "state": "closing", "close_kind": "revoke", "closed_by": "maya",
            "close_reason": "incident", "last_error": "no route", "attempts": 3, "overdue_at": "2026-11-20T03:01:00Z"}),
        ),
        grant(
            json!({"id": "G-7k3qm2xd0d", "state": "ended", "ended_at": "2026-11-19T04:00:00Z",
            "starts_at": "2026-11-19T03:00:00Z", "expires_at": "2026-11-19T04:00:00Z"}),
        ),
    ]
}

fn event(changes: Value) -> EventView {
    view(
        json!({
            "index": 0, "id": "e0", "time": "2026-11-20T03:12:00Z", "event": "grant.revoked", "outcome": "success",
            "actor": {"kind": "principal", "name": "maya"}, "principal": "ada", "target": "orders-db",
            "role": "readonly", "request": "R-7k3qm2xd0a", "grant": "G-7k3qm2xd0a", "reason": "incident",
            "trace": "t1", "channel": "tui", "address": "10.0.0.7", "tags": {"env": "prod"},
            "sentence": "maya revoked",
        }),
        changes,
    )
}

pub(super) fn events() -> Vec<EventView> {
    vec![
        event(json!({})),
        event(
            json!({"index": 1, "id": "e1", "event": "request.denied", "outcome": "denied", "time": "2026-11-19T12:00:00Z",
            "grant": null, "tags": {}, "target": "cache-1", "principal": "bob", "reason": "no ticket", "channel": "cli"}),
        ),
        event(
            json!({"index": 2, "id": "e2", "event": "grant.close_failed", "outcome": "error", "channel": "system",
            "actor": {"kind": "system", "name": "portcullis"}, "time": "2026-11-20T03:00:00Z", "address": null,
            "reason": null, "principal": "bob", "details": {"session": "4711"}, "sentence": "could not yet take away"}),
        ),
        event(
            json!({"index": 3, "id": "e3", "event": "auth.signed_in", "actor": {"kind": "principal", "name": "ada"},
            "principal": null, "target": null, "role": null, "request": null, "grant": null, "reason": null, "tags": {},
            "time": "2026-11-18T23:59:59.999Z", "trace": "t2", "sentence": "ada signed in"}),
        ),
    ]
}

pub(super) fn sessions() -> Vec<SessionView> {
    let session = |changes| {
        view(
            json!({"id": "4711", "grant": "G-7k3qm2xd0a", "holder": "ada", "target": "orders-db", "role": "readonly",
                "started_at": "2026-11-20T03:00:00Z", "address": "10.0.0.7", "program": "psql", "activity": "running",
                "command": "select * from Refunds", "allowed_actions": []}),
            changes,
        )
    };
    vec![
        session(json!({})),
        session(
            json!({"id": "4712", "holder": "bob", "activity": "idle_in_transaction", "command": "begin"}),
        ),
        session(
            json!({"id": "4713", "holder": "bob", "activity": null, "address": null, "command": null, "started_at": null}),
        ),
    ]
}

pub(super) fn locks() -> Vec<LockView> {
    let lock = |changes| {
        view(
            json!({"id": "L-7k3qm2xd0a", "on": {"kind": "principal", "principal": "bob"}, "reason": "stolen laptop",
                "state": "in_force", "placed_by": "maya", "created_at": "2026-11-20T03:00:00Z", "grants_closed": 2,
                "version": 1, "allowed_actions": []}),
            changes,
        )
    };
    vec![
        lock(json!({})),
        lock(
            json!({"id": "L-7k3qm2xd0b", "on": {"kind": "role", "target": "orders-db", "role": "admin"},
            "ends_at": "2026-11-20T04:00:00Z", "placed_by": "ada"}),
        ),
        lock(
            json!({"id": "L-7k3qm2xd0c", "on": {"kind": "tag", "name": "env", "value": "prod"}, "state": "lifted",
            "lifted_by": "ada"}),
        ),
    ]
}

pub(super) fn uses() -> Vec<BreakGlassView> {
    let used = |changes| {
        view(
            json!({"id": "R-7k3qm2xd0a", "state": "open", "person": "ada", "target": "orders-db", "role": "admin",
                "duration": "30m", "reason": "INC-4127 payments are down", "grant": "G-7k3qm2xd0a", "grant_state": "active",
                "ends_at": "2026-11-20T03:30:00Z", "skipped": ["maya"], "reviewers": "`dba`", "threshold": 1,
                "justified_by": 0, "sign_offs": [], "tags": {"env": "prod"}, "created_at": "2026-11-20T03:00:00Z",
                "version": 1, "allowed_actions": []}),
            changes,
        )
    };
    vec![
        used(json!({})),
        used(
            json!({"id": "R-7k3qm2xd0b", "person": "bob", "ticket": "OPS-12", "sealed_code": "C-7k3qm2xd0a",
            "sealed_by": "root", "allowed_actions": [{"action": "sign_off", "allowed": true}]}),
        ),
        used(
            json!({"id": "R-7k3qm2xd0c", "state": "not_justified", "person": "cyd", "sign_offs": [{"reviewer": "maya",
            "verdict": "not_justified", "comment": "it could have waited", "created_at": "2026-11-20T03:05:00Z"}]}),
        ),
    ]
}

pub(super) fn sign_ins() -> Vec<SignInView> {
    let sign_in = |changes| {
        view(
            json!({"id": "S-7k3qm2xd0a", "principal": "maya", "device": "cli on laptop-7", "method": "oidc",
                "bound": true, "created_at": "2026-11-20T02:00:00Z", "last_used_at": "2026-11-20T03:10:00Z",
                "expires_at": "2026-11-20T12:00:00Z", "current": true}),
            changes,
        )
    };
    vec![
        sign_in(json!({})),
        sign_in(
            json!({"id": "S-7k3qm2xd0b", "principal": "bob", "method": "code", "bound": false,
            "device": "console on desk-3", "current": false, "expires_at": "2026-11-20T04:00:00Z"}),
        ),
        sign_in(
            json!({"id": "S-7k3qm2xd0c", "principal": "ada", "current": false,
            "created_at": "2026-11-20T03:00:00Z"}),
        ),
    ]
}

pub(super) fn services() -> Vec<ServiceView> {
    let service = |changes| {
        view(
            json!({"name": "deploy-bot", "owner": "ada", "scopes": ["read", "request:orders-db/readonly"],
                "groups": ["machines"], "expires_at": "2026-11-22T04:00:00Z"}),
            changes,
        )
    };
    vec![
        service(json!({})),
        service(json!({"name": "metrics", "owner": "bob", "scopes": ["metrics"], "groups": []})),
        service(json!({"name": "old-bot", "owner": "bob", "expires_at": null})),
    ]
}

pub(super) fn standing() -> Vec<StandingView> {
    let standing = |changes| {
        view(
            json!({"id": "A-7k3qm2xd0a", "target": "orders-db", "kind": "account", "subject": "old_backup",
                "rights": ["is superuser"], "state": "open", "found_at": "2026-11-20T01:00:00Z", "version": 1,
                "allowed_actions": []}),
            changes,
        )
    };
    vec![
        standing(json!({})),
        standing(
            json!({"id": "A-7k3qm2xd0b", "subject": "metrics", "rights": ["may log in"], "state": "imported",
                "owner": "ada", "until": "2026-11-22T04:00:00Z", "said_by": "maya", "reason": "CHG-78"}),
        ),
        standing(
            json!({"id": "A-7k3qm2xd0c", "target": "vpn", "kind": "member", "subject": "eve", "rights": ["is a member"],
                "state": "ignored", "found_at": "2026-11-01T01:00:00Z", "said_by": "maya", "reason": "see CHG-78"}),
        ),
    ]
}

/// The places of the rows that pass, as letters.
pub(super) fn passing<R: Row>(text: &str, list: List, rows: &[R]) -> String {
    let expr = parse(text, list, &Saved::default())
        .whole()
        .unwrap_or_else(|problem| panic!("{text}: {problem}"));
    let context = Context {
        now: now(),
        me: "ada",
    };
    let letters = rows
        .iter()
        .zip('a'..)
        .filter(|(row, _)| expr.lets(*row, context));
    letters.map(|(_, letter)| letter).collect()
}

/// Every filter with the rows that pass it, for each list.
fn check<R: Row>(list: List, rows: &[R], cases: &[(&str, &str)]) {
    for (text, pass) in cases {
        assert_eq!(passing(text, list, rows), *pass, "{text}");
    }
}

#[test]
fn requests_pass_as_the_table_says() {
    let cases = [
        ("", "abcd"),
        ("id:r-7k3qm2xd0B", "b"),
        ("state:pending", "ab"),
        ("state:pending,denied", "abc"),
        ("-state:pending", "cd"),
        ("user:ada", "ad"),
        ("principal:@me", "ad"),
        ("user:svc-*", "c"),
        ("user:*b", "b"),
        ("target:*ORDERS*", "acd"),
        ("target:orders", ""),
        ("target:~^orders[-_]", "acd"),
        ("role:admin", "b"),
        ("role:readonly", "abcd"),
        ("env:prod", "acd"),
        ("tag.team:core", "acd"),
        ("has:env -env:prod", "b"),
        ("reason:refund", "b"),
        ("reason:\"order 9\"", "b"),
        ("reason:=nightly", "c"),
        ("reason:=night", ""),
        ("reason:~\"^(more|inc)\"", "ad"),
        ("orders", "acd"),
        ("\"stuck orders\"", "a"),
        ("ops-12", "b"),
        ("ticket:OPS-*", "b"),
        ("has:ticket", "b"),
        ("-has:ticket,grant", "ac"),
        ("actor:maya", "bc"),
        ("by:maya state:denied", "c"),
        ("claim:maya", "b"),
        ("signal:off_hours", "b"),
        ("group:dba policy:prod", "abcd"),
        ("duration:>1h", "b"),
        ("duration:30m..1h", "acd"),
        ("duration:2h", "b"),
        ("for:<=30m", "d"),
        ("age:>5h", "bc"),
        ("age:..30m", "a"),
        ("left:<15m", "b"),
        ("left:>1m", "ab"),
        ("time:today", "ad"),
        ("time:yesterday", "b"),
        ("time:-24h", "abd"),
        ("time:2026-11-18..2026-11-19", "bc"),
        ("time:<2026-11-19", "c"),
        ("time:>=03:02", "a"),
        ("time:22:00", "b"),
        ("is:mine", "ad"),
        ("is:pending -is:mine", "b"),
        ("is:decidable", "b"),
        ("is:claimed", "b"),
        ("is:urgent", "b"),
        ("is:unusual", "b"),
        ("is:extension", "d"),
        ("is:narrowed", "b"),
        ("is:reviewed", "bc"),
        ("is:decided", "cd"),
        ("kind:extend grant:g-7k3qm2xd0z request:r-7k3qm2xd0d", "d"),
        ("user:bob OR state:denied", "bc"),
        ("(user:bob OR state:denied) -target:cache-1", "c"),
        ("user:ada state:pending OR user:bob", "ab"),
        ("NOT (user:ada OR user:bob)", "c"),
    ];

    check(List::Requests, &requests(), &cases);
}

#[test]
fn grants_pass_as_the_table_says() {
    check(
        List::Grants,
        &grants(),
        &[
            ("is:open", "abc"),
            ("is:over", "d"),
            ("is:active", "ab"),
            ("is:expiring", "b"),
            ("is:closing", "c"),
            ("is:overdue", "c"),
            ("is:failed", "c"),
            ("is:extended", "b"),
            ("is:revocable", "a"),
            ("is:mine", "acd"),
            ("holder:bob", "b"),
            ("left:<10m", "b"),
            ("left:>30m", "a"),
            ("class:A+", "b"),
            ("enforcement:a", "acd"),
            ("kind:ssh", "b"),
            ("actor:maya reason:incident", "c"),
            ("has:actor", "c"),
            ("env:prod", "acd"),
            ("time:2026-11-19", "d"),
            ("age:<1h", "abc"),
            ("\"no route\"", "c"),
            ("request:R-7k3qm2xd0a grant:*b", "b"),
            ("duration:1h role:readonly", "abcd"),
        ],
    );
}

#[test]
fn events_pass_as_the_table_says() {
    check(
        List::Audit,
        &events(),
        &[
            ("event:grant.*", "ac"),
            ("event:grant.revoked,request.denied", "ab"),
            ("event:*denied", "b"),
            ("outcome:denied", "b"),
            ("-outcome:success", "bc"),
            ("actor:maya", "ab"),
            ("user:bob", "bc"),
            ("is:mine", "ad"),
            ("is:human", "abd"),
            ("is:system", "c"),
            ("is:denied", "b"),
            ("is:failed", "c"),
            ("env:prod", "ac"),
            ("channel:cli,tui trace:t1", "ab"),
            ("ip:10.0.*", "abd"),
            ("session:4711", "c"),
            ("time:-24h", "abc"),
            ("time:2026-11-18", "d"),
            ("time:03:00..03:12", "ac"),
            ("time:>=2026-11-20T03:12:00Z", "a"),
            ("age:>15h", "bd"),
            ("has:target -has:address", "c"),
            ("take away", "c"),
            ("grant:g-7k3qm2xd0a request:R-7k3qm2xd0a", "ac"),
            ("role:readonly id:e1", "b"),
            ("reason:ticket", "b"),
        ],
    );
}

#[test]
fn sessions_and_locks_pass_as_the_table_says() {
    check(
        List::Sessions,
        &sessions(),
        &[
            ("is:mine", "a"),
            ("is:running", "a"),
            ("is:idle", "b"),
            ("is:blocking", "b"),
            ("-has:state", "c"),
            ("refunds", "a"),
            ("ip:10.*", "ab"),
            ("age:>10m", "ab"),
            ("time:today", "ab"),
            ("user:bob target:orders-db role:readonly grant:g-*", "bc"),
            ("session:4712", "b"),
            ("id:4713", "c"),
        ],
    );
    check(
        List::Locks,
        &locks(),
        &[
            ("is:open", "ab"),
            ("is:lifted", "c"),
            ("is:over", "c"),
            ("is:endless", "ac"),
            ("is:mine", "b"),
            ("user:bob", "a"),
            ("target:orders-db role:admin", "b"),
            ("kind:tag env:prod", "c"),
            ("by:ada", "bc"),
            ("reason:laptop", "abc"),
            ("left:<2h", "b"),
            ("age:<1h time:today id:l-*", "abc"),
            ("stolen", "abc"),
        ],
    );
}

#[test]
fn uses_of_break_glass_pass_as_the_table_says() {
    check(
        List::BreakGlass,
        &uses(),
        &[
            ("is:open", "ab"),
            ("is:reviewed", "c"),
            ("is:signable", "b"),
            ("is:sealed", "b"),
            ("is:mine", "a"),
            ("user:bob env:prod", "b"),
            ("by:maya", "c"),
            ("reason:waited", "c"),
            ("state:not_*", "c"),
            ("ticket:ops-12 duration:30m", "b"),
            ("id:r-7k3qm2xd0a grant:g-*", "a"),
            ("payments age:>5m target:orders-*", "abc"),
        ],
    );
    check(
        List::SignIns,
        &sign_ins(),
        &[
            ("is:mine", "c"),
            ("is:here", "a"),
            ("is:bound", "ac"),
            ("user:bob,ada", "bc"),
            ("device:laptop", "ac"),
            ("method:code", "b"),
            ("via:oidc -is:mine", "a"),
            ("age:<30m", "c"),
            ("left:<2h", "b"),
            ("id:s-*", "abc"),
            ("desk-3", "b"),
        ],
    );
    check(
        List::Services,
        &services(),
        &[
            ("is:mine", "a"),
            ("is:good", "ab"),
            ("owner:bob", "bc"),
            ("user:*-bot", "ac"),
            ("scope:read", "ac"),
            ("scope:request:*", "ac"),
            ("group:machines left:<7d", "a"),
            ("metrics", "b"),
        ],
    );
    check(
        List::Standing,
        &standing(),
        &[
            ("is:open", "a"),
            ("is:settled", "bc"),
            ("is:mine", "b"),
            ("state:ignored", "c"),
            ("user:old_* target:orders-db", "a"),
            ("kind:account", "ab"),
            ("by:maya reason:chg-78", "bc"),
            ("owner:@me left:<7d", "b"),
            ("age:>1d", "c"),
            ("superuser", "a"),
            ("id:A-*", "abc"),
        ],
    );
}

#[test]
fn every_is_word_is_true_of_some_row_and_untrue_of_another() {
    for word in fields::WORDS {
        let text = format!("is:{}", word.word);
        let (pass, all) = match word.list {
            List::Requests => (passing(&text, word.list, &requests()), requests().len()),
            List::Grants => (passing(&text, word.list, &grants()), grants().len()),
            List::Audit => (passing(&text, word.list, &events()), events().len()),
            List::Sessions => (passing(&text, word.list, &sessions()), sessions().len()),
            List::Locks => (passing(&text, word.list, &locks()), locks().len()),
            List::BreakGlass => (passing(&text, word.list, &uses()), uses().len()),
            List::SignIns => (passing(&text, word.list, &sign_ins()), sign_ins().len()),
            List::Services => (passing(&text, word.list, &services()), services().len()),
            List::Standing => (passing(&text, word.list, &standing()), standing().len()),
        };
        assert!(
            !pass.is_empty() && pass.len() < all,
            "{text} in {}: {pass}",
            word.list.as_str()
        );
    }
}
