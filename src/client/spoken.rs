//! A call as a person would say it, for the page on which it is confirmed.

use reqwest::Method;
use serde_json::Value;

/// What a call does, with what it is about: by its address, and by its body where that says more. One that has no
/// words of its own is named by its address.
pub(super) fn spoken(method: &Method, path: &[&str], body: Option<&[u8]>) -> String {
    let body: Value = body
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or_default();
    let said = |name: &str| {
        let found = body.get(name).and_then(Value::as_str);
        found.unwrap_or("…").to_owned()
    };
    match path {
        ["v1", "requests", id, "approve"] => format!("approve request {id}"),
        ["v1", "requests", id, "deny"] => format!("deny request {id}"),
        ["v1", "grants", id, "extend"] => format!("extend grant {id} by {}", said("by")),
        ["v1", "grants", id, "override"] => format!("propose that grant {id} counts as ended"),
        ["v1", "grants", id, "override", "confirm"] => {
            format!("confirm that grant {id} counts as ended")
        }
        ["v1", "locks"] => format!("place a lock on {}", locked(body.get("on"))),
        ["v1", "locks", id, "lift"] => format!("lift lock {id}"),
        ["v1", "incidents"] => format!("revoke in bulk: {} at once", counted(&body, "row")),
        ["v1", "break-glass"] => format!(
            "break glass: {} on {} for {}",
            said("role"),
            said("target"),
            said("duration")
        ),
        ["v1", "break-glass", id, "sign-off"] => {
            let verdict = said("verdict").replace('_', " ");
            format!("sign off break-glass {id} as {verdict}")
        }
        ["v1", "sealed-codes"] => {
            format!(
                "make {} for {}",
                counted(&body, "sealed code"),
                said("name")
            )
        }
        ["v1", "policy", "apply"] => format!("apply policy {}", said("version")),
        ["v1", "device-keys"] => format!("enrol device {}", said("name")),
        ["v1", "factors"] => format!("add a second factor: {}", said("kind")),
        ["v1", "factors", id] if method == Method::DELETE => format!("remove second factor {id}"),
        ["v1", "recovery-codes"] => "make new recovery codes".to_owned(),
        ["v1", "account", "password"] => "set your password".to_owned(),
        ["v1", "audit", "recover"] => "recover the audit log".to_owned(),
        ["v1", "audit", "rotate-key"] => "change the key of the audit log".to_owned(),
        ["v1", "people", name, "reset-factors"] => {
            format!("remove every second factor of {name}")
        }
        ["v1", "audit", "erase"] => match body.get("event").and_then(Value::as_i64) {
            Some(index) => format!("erase the texts of event {index}"),
            None => format!("erase the texts of {} from the history", said("person")),
        },
        ["v1", "audit", "prune"] => match body.get("to").and_then(Value::as_i64) {
            Some(index) => format!("prune the history before event {index}"),
            None => format!("prune the history before {}", said("before")),
        },
        ["v1", rest @ ..] => format!("{method} {}", rest.join("/")),
        _ => format!("{method} {}", path.join("/")),
    }
}

/// What a lock is on, in words.
fn locked(on: Option<&Value>) -> String {
    let said = |name: &str| {
        let found = on.and_then(|on| on.get(name)).and_then(Value::as_str);
        found.unwrap_or("…").to_owned()
    };
    match said("kind").as_str() {
        "everything" => "everything".to_owned(),
        "principal" => format!("whatever {} has", said("principal")),
        "target" => format!("target {}", said("target")),
        "role" => format!("role {} on {}", said("role"), said("target")),
        "tag" => format!("targets with {}={}", said("name"), said("value")),
        other => other.to_owned(),
    }
}

fn counted(body: &Value, what: &str) -> String {
    match body.get("count").and_then(Value::as_u64) {
        Some(1) => format!("1 {what}"),
        Some(count) => format!("{count} {what}s"),
        None => format!("some {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    use crate::domain::second_factor::Guarded;

    /// The calls that a deed is done with, as our client makes them.
    fn calls(deed: Guarded) -> Vec<(Method, Vec<&'static str>, Value)> {
        let post = |path: &[&'static str], body: Value| (Method::POST, path.to_vec(), body);
        let lock = |on: Value| post(&["v1", "locks"], json!({"on": on, "reason": "INC-1"}));
        match deed {
            Guarded::Approve => vec![post(&["v1", "requests", "R-1", "approve"], json!({}))],
            Guarded::Deny => vec![post(&["v1", "requests", "R-1", "deny"], json!({}))],
            Guarded::ExtendOthers => {
                vec![post(
                    &["v1", "grants", "G-1", "extend"],
                    json!({"by": "15m"}),
                )]
            }
            Guarded::Incident => vec![post(&["v1", "incidents"], json!({"count": 12}))],
            Guarded::OverrideEnd => vec![
                post(&["v1", "grants", "G-1", "override"], json!({})),
                post(&["v1", "grants", "G-1", "override", "confirm"], json!({})),
            ],
            Guarded::PlaceLock => vec![
                lock(json!({"kind": "everything"})),
                lock(json!({"kind": "principal", "principal": "ben"})),
                lock(json!({"kind": "target", "target": "bastion"})),
                lock(json!({"kind": "role", "target": "bastion", "role": "admin"})),
                lock(json!({"kind": "tag", "name": "env", "value": "prod"})),
            ],
            Guarded::LiftLock => vec![post(&["v1", "locks", "L-1", "lift"], json!({}))],
            Guarded::ChangePolicy => vec![post(
                &["v1", "policy", "apply"],
                json!({"version": "0123456789ab", "instead_of": "ba9876543210", "reason": "INC-1"}),
            )],
            Guarded::BreakGlass => vec![post(
                &["v1", "break-glass"],
                json!({"target": "bastion", "role": "admin", "duration": "30m"}),
            )],
            Guarded::SignOff => vec![post(
                &["v1", "break-glass", "R-1", "sign-off"],
                json!({"verdict": "not_justified"}),
            )],
            Guarded::SealCodes => vec![
                post(&["v1", "sealed-codes"], json!({"name": "ada", "count": 3})),
                post(&["v1", "sealed-codes"], json!({"name": "ada", "count": 1})),
            ],
            Guarded::EraseHistory => vec![
                post(&["v1", "audit", "erase"], json!({"person": "ada"})),
                post(&["v1", "audit", "erase"], json!({"event": 7})),
            ],
            Guarded::PruneHistory => vec![
                post(&["v1", "audit", "prune"], json!({"to": 512})),
                post(&["v1", "audit", "prune"], json!({"before": "2025-11-01"})),
            ],
            Guarded::EnrolDevice => {
                vec![post(&["v1", "device-keys"], json!({"name": "build host"}))]
            }
            Guarded::RecoverLog => {
                vec![post(
                    &["v1", "audit", "recover"],
                    json!({"reason": "INC-1"}),
                )]
            }
            Guarded::RotateLogKey => vec![post(&["v1", "audit", "rotate-key"], Value::Null)],
            Guarded::ResetFactors => {
                vec![post(&["v1", "people", "ben", "reset-factors"], Value::Null)]
            }
            Guarded::ChangeFactors => vec![
                post(&["v1", "factors"], json!({"kind": "totp"})),
                (Method::DELETE, vec!["v1", "factors", "F-1"], Value::Null),
                post(&["v1", "recovery-codes"], Value::Null),
            ],
            Guarded::SetPassword => vec![post(&["v1", "account", "password"], Value::Null)],
        }
    }

    #[test]
    fn every_deed_that_may_need_a_second_factor_has_words() {
        let mut all = String::new();
        for deed in Guarded::ALL {
            for (method, path, body) in calls(*deed) {
                let said = spoken(&method, &path, Some(body.to_string().as_bytes()));
                for wrong in ["POST", "DELETE", "/", "…", "v1", "some "] {
                    assert!(!said.contains(wrong), "{deed:?}: {said}");
                }
                all.push_str(&said);
                all.push('\n');
            }
        }
        insta::assert_snapshot!(all.trim_end(), @r"
        approve request R-1
        extend grant G-1 by 15m
        revoke in bulk: 12 rows at once
        propose that grant G-1 counts as ended
        confirm that grant G-1 counts as ended
        place a lock on everything
        place a lock on whatever ben has
        place a lock on target bastion
        place a lock on role admin on bastion
        place a lock on targets with env=prod
        lift lock L-1
        apply policy 0123456789ab
        break glass: admin on bastion for 30m
        sign off break-glass R-1 as not justified
        make 3 sealed codes for ada
        make 1 sealed code for ada
        erase the texts of ada from the history
        erase the texts of event 7
        prune the history before event 512
        prune the history before 2025-11-01
        enrol device build host
        recover the audit log
        change the key of the audit log
        deny request R-1
        remove every second factor of ben
        add a second factor: totp
        remove second factor F-1
        make new recovery codes
        set your password
        ");
    }

    #[test]
    fn what_has_no_words_is_named_by_its_address() {
        let call = spoken(&Method::POST, &["v1", "new", "thing"], None);
        assert_eq!(call, "POST new/thing");
        let glass = spoken(&Method::POST, &["v1", "break-glass"], Some(b"{"));
        assert_eq!(glass, "break glass: … on … for …");
    }
}
