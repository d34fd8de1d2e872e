//! Events in the words of the Open Cybersecurity Schema Framework, version 1.8.0, as other systems read them.
//!
//! Version 1.8.0 is pinned: 1.9 deprecates two of these classes in favour of `user_management`, and whoever reads this
//! has to know which one they get. A test checks each event against the required fields and the closed lists of 1.8.0.
//!
//! | what happened | class | activity |
//! |---|---|---|
//! | `grant.activated` | 3005 User Access Management | 1 Assign Privileges |
//! | `grant.ended`, `.returned`, `.revoked` | 3005 | 2 Revoke Privileges |
//! | the rest of `grant.*`, `break_glass.used` | 3005 | 99 Other, by name |
//! | `auth.signed_in`, `auth.refused` | 3002 Authentication | 1 Logon |
//! | `auth.signed_out`, `auth.revoked`, `auth.identity_*` | 3002 | 2 Logoff |
//! | the rest of `auth.*` but groups and device keys | 3002 | 99 Other, by name |
//! | `principal.invited`, `service.created` | 3001 Account Change | 1 Create |
//! | `account.password_set` | 3001 | 3 Password Change |
//! | `service.deleted` | 3001 | 6 Delete |
//! | `factor.added` / `factor.removed`, `factor.reset` | 3001 | 10 / 11 MFA Factor Enable / Disable |
//! | other accounts, groups, device keys | 3001 | 99 Other, by name |
//! | `server.started` / `.stopped` | 6002 Application Lifecycle | 3 / 4 |
//! | `config.*`, `tls.*` | 6002 | 8 Update |
//! | what adds, reads or takes away something else | 6003 API Activity | 1, 2, 4 |
//! | everything else | 6003 | 3 Update |
//!
//! | field | is |
//! |---|---|
//! | `time` | when it happened, in milliseconds since 1970 |
//! | `metadata.uid`, `.sequence`, `.event_code`, `.correlation_uid`, `.original_time` | id, index, code, trace, moment of the event |
//! | `message` | its sentence |
//! | `actor.user` | who did it; `actor.app_name` where Portcullis itself did |
//! | `user` | whose access or account it is about; who did it where nobody else is named |
//! | `privileges`, `resources` | the role; the target with its tags |
//! | `api.operation`, `src_endpoint.ip` | the code; where the call came from |
//! | `status_id`, `status`, `status_detail` | 1 for `success`, else 2, the outcome and the reason |
//! | `severity_id` | 1; 2 for what was denied, 3 for what failed, 4 for break-glass, 5 when the record was rewritten |
//! | `unmapped` | reason, request, grant, channel, details, and `log`: the newest signed log that the event is in |

use serde_json::{Map, Value, json};

use super::SignedLog;
use crate::wire::EventView;

/// The version of the schema.
pub const VERSION: &str = "1.8.0";

struct Class {
    uid: u32,
    name: &'static str,
    category: &'static str,
}

const ACCOUNT_CHANGE: Class = iam(3001, "Account Change");
const AUTHENTICATION: Class = iam(3002, "Authentication");
const USER_ACCESS: Class = iam(3005, "User Access Management");
const LIFECYCLE: Class = application(6002, "Application Lifecycle");
const API: Class = application(6003, "API Activity");

const fn iam(uid: u32, name: &'static str) -> Class {
    let category = "Identity & Access Management";
    Class {
        uid,
        name,
        category,
    }
}

const fn application(uid: u32, name: &'static str) -> Class {
    let category = "Application Activity";
    Class {
        uid,
        name,
        category,
    }
}

const OTHER: u32 = 99;

fn classify(code: &str) -> (&'static Class, u32) {
    match code {
        "grant.activated" => (&USER_ACCESS, 1),
        "grant.ended" | "grant.returned" | "grant.revoked" | "grant.overridden" => {
            (&USER_ACCESS, 2)
        }
        "break_glass.used" => (&USER_ACCESS, OTHER),
        "auth.signed_in" | "auth.refused" => (&AUTHENTICATION, 1),
        "auth.signed_out" | "auth.revoked" | "auth.identity_lapsed" | "auth.identity_gone" => {
            (&AUTHENTICATION, 2)
        }
        "principal.invited" | "service.created" => (&ACCOUNT_CHANGE, 1),
        "account.password_set" => (&ACCOUNT_CHANGE, 3),
        "service.deleted" => (&ACCOUNT_CHANGE, 6),
        "factor.added" => (&ACCOUNT_CHANGE, 10),
        "factor.removed" | "factor.reset" => (&ACCOUNT_CHANGE, 11),
        "auth.groups_changed" | "auth.device_enrolled" | "auth.device_revoked" => {
            (&ACCOUNT_CHANGE, OTHER)
        }
        "server.started" => (&LIFECYCLE, 3),
        "server.stopped" => (&LIFECYCLE, 4),
        "request.submitted"
        | "lock.placed"
        | "incident.started"
        | "break_glass.codes_made"
        | "credential.issued" => (&API, 1),
        "audit.read" | "audit.exported" | "audit.export_started" | "audit.evidence" => (&API, 2),
        "lock.lifted"
        | "session.ended"
        | "target.orphan_removed"
        | "break_glass.code_revoked"
        | "audit.erased"
        | "audit.pruned" => (&API, 4),
        _ => match code.split('.').next().unwrap_or_default() {
            "grant" => (&USER_ACCESS, OTHER),
            "auth" => (&AUTHENTICATION, OTHER),
            "service" | "factor" | "account" | "principal" => (&ACCOUNT_CHANGE, OTHER),
            "config" | "tls" => (&LIFECYCLE, 8),
            _ => (&API, 3),
        },
    }
}

fn activity_name(class: &Class, activity: u32, code: &str) -> String {
    let name = match (class.uid, activity) {
        (3005, 1) => "Assign Privileges",
        (3005, 2) => "Revoke Privileges",
        (3002, 1) => "Logon",
        (3002, 2) => "Logoff",
        (3001 | 6003, 1) => "Create",
        (3001, 3) => "Password Change",
        (3001, 6) | (6003, 4) => "Delete",
        (3001, 10) => "MFA Factor Enable",
        (3001, 11) => "MFA Factor Disable",
        (6002, 3) => "Start",
        (6002, 4) => "Stop",
        (6002, 8) | (6003, 3) => "Update",
        (6003, 2) => "Read",
        // For "other" the schema wants the source's own word.
        _ => code,
    };
    name.to_owned()
}

fn severity(event: &EventView) -> (u32, &'static str) {
    match (event.event.as_str(), event.outcome.as_str()) {
        ("audit.rewritten", _) => (5, "Critical"),
        ("break_glass.used" | "auth.token_reused", _) => (4, "High"),
        (_, "error") => (3, "Medium"),
        (_, "denied") => (2, "Low"),
        _ => (1, "Informational"),
    }
}

/// One event as OCSF has it.
pub fn event(event: &EventView, log: Option<&SignedLog>) -> Value {
    let (class, activity) = classify(&event.event);
    let (severity_id, severity) = severity(event);
    let success = event.outcome == "success";
    let mut out = json!({
        "activity_id": activity,
        "activity_name": activity_name(class, activity, &event.event),
        "category_name": class.category,
        "category_uid": class.uid / 1000,
        "class_name": class.name,
        "class_uid": class.uid,
        "message": event.sentence,
        "metadata": {
            "version": VERSION,
            "product": {
                "name": "Portcullis",
                "vendor_name": "Portcullis",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "uid": event.id,
            "sequence": event.index,
            "event_code": event.event,
            "log_name": "audit",
            "original_time": event.time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        },
        "severity": severity,
        "severity_id": severity_id,
        "status": if success { "Success" } else { "Failure" },
        "status_id": if success { 1 } else { 2 },
        "time": event.time.timestamp_millis(),
        "type_name": format!("{}: {}", class.name, activity_name(class, activity, &event.event)),
        "type_uid": class.uid * 100 + activity,
        "unmapped": unmapped(event, log),
    });
    if let Some(trace) = &event.trace
        && let Some(metadata) = out.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("correlation_uid".to_owned(), trace.as_str().into());
    }
    let Some(fields) = out.as_object_mut() else {
        return out;
    };
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if !success {
        put("status_code", event.outcome.as_str().into());
        if let Some(reason) = &event.reason {
            put("status_detail", reason.as_str().into());
        }
    }
    if class.uid == LIFECYCLE.uid {
        put("app", json!({"name": "Portcullis"}));
        return out;
    }
    put("actor", actor(event));
    match (&event.address, class.uid) {
        (Some(address), _) => drop(put("src_endpoint", json!({"ip": address}))),
        (None, 6003) => drop(put("src_endpoint", json!({"svc_name": "portcullis"}))),
        (None, _) => {}
    }
    if matches!(class.uid, 3001 | 3002 | 3005) {
        put("user", user(event));
    }
    if class.uid == AUTHENTICATION.uid {
        put("service", json!({"name": "Portcullis"}));
    }
    if class.uid == USER_ACCESS.uid {
        let role = event.role.as_deref().unwrap_or("unknown");
        put("privileges", json!([role]));
    }
    if class.uid == API.uid {
        put(
            "api",
            json!({"operation": event.event, "service": {"name": "Portcullis"}}),
        );
    }
    if let Some(target) = &event.target
        && matches!(class.uid, 3005 | 6003)
    {
        let tags = event.tags.iter();
        let labels: Vec<String> = tags
            .map(|(name, value)| format!("{name}:{value}"))
            .collect();
        let mut resource = json!({"name": target, "type": "target"});
        if !labels.is_empty()
            && let Some(resource) = resource.as_object_mut()
        {
            resource.insert("labels".to_owned(), labels.into());
        }
        put("resources", json!([resource]));
    }
    out
}

fn actor(event: &EventView) -> Value {
    match event.actor.kind.as_str() {
        "system" => json!({"app_name": "Portcullis"}),
        "anonymous" => json!({"user": {"name": event.actor.name, "type_id": 0, "type": "Unknown"}}),
        _ => json!({"user": person(&event.actor.name, event.actor.id.as_deref())}),
    }
}

fn user(event: &EventView) -> Value {
    match &event.principal {
        Some(principal) => {
            let own = *principal == event.actor.name;
            let id = event.actor.id.as_deref().filter(|_| own);
            person(principal, id)
        }
        // Whoever tried to sign in is nobody yet; the name that they typed is all there is.
        None => match event.details.get("account").and_then(Value::as_str) {
            Some(account) => person(account, None),
            None => person(&event.actor.name, event.actor.id.as_deref()),
        },
    }
}

fn person(name: &str, id: Option<&str>) -> Value {
    let mut person = json!({"name": name, "type_id": 1, "type": "User"});
    if let (Some(id), Some(person)) = (id, person.as_object_mut()) {
        person.insert("uid".to_owned(), id.into());
    }
    person
}

fn unmapped(event: &EventView, log: Option<&SignedLog>) -> Value {
    let mut more = Map::new();
    let texts = [
        ("request", &event.request),
        ("grant", &event.grant),
        ("role", &event.role),
        ("principal", &event.principal),
        ("reason", &event.reason),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            more.insert(name.to_owned(), text.as_str().into());
        }
    }
    more.insert("channel".to_owned(), event.channel.as_str().into());
    if !event.details.is_empty() {
        more.insert("details".to_owned(), Value::Object(event.details.clone()));
    }
    if let Some(log) = log {
        let log = json!({"origin": log.origin, "size": log.size, "root": log.root});
        more.insert("log".to_owned(), log);
    }
    Value::Object(more)
}
