//! Every event in the words of OCSF 1.8.0, against what that version requires: `ocsf-1.8.0.json` has the required
//! fields, the types and the closed lists of the classes that are used, taken from the schema's own repository.

use std::sync::LazyLock;

use portcullis::domain::event::{EventCode, Outcome};
use portcullis::wire::export::{SignedLog, ocsf};
use portcullis::wire::{ActorView, EventView};
use serde_json::{Map, Value, json};

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("ocsf-1.8.0.json")).unwrap());

/// An event of a kind, as bare or as full as events come.
fn event(code: EventCode, outcome: Outcome, kind: &str, full: bool) -> EventView {
    let some = |text: &str| full.then(|| text.to_owned());
    let mut details = Map::new();
    if full {
        details.insert("account".to_owned(), "eve".into());
        details.insert("attempt".to_owned(), 3.into());
    }
    EventView {
        index: 7,
        id: "0190163d-8694-739b-aea5-000000000007".to_owned(),
        time: "2026-11-23T04:00:00.007Z".parse().unwrap(),
        event: code.as_str().to_owned(),
        outcome: outcome.as_str().to_owned(),
        actor: ActorView {
            kind: kind.to_owned(),
            name: "ada".to_owned(),
            id: some("P-0000000001"),
        },
        principal: some("ben"),
        target: some("orders-db"),
        role: some("readonly"),
        request: some("R-0000000001"),
        grant: some("G-0000000001"),
        reason: some("INC-4127 \"stuck\" orders"),
        trace: some("0190163d8694739baea5"),
        channel: "cli".to_owned(),
        address: some("10.0.0.1"),
        tags: if full {
            [("env".to_owned(), "prod".to_owned())].into()
        } else {
            [].into()
        },
        sentence: "ada did something".to_owned(),
        details,
    }
}

/// Whether a value is of a type of the schema.
fn check(path: &str, kind: &str, value: &Value) {
    if let Some(kind) = kind.strip_suffix("[]") {
        for value in value
            .as_array()
            .unwrap_or_else(|| panic!("{path} is no list"))
        {
            check(path, kind, value);
        }
        return;
    }
    let fits = match kind {
        "integer_t" | "long_t" | "timestamp_t" => value.is_i64(),
        "string_t" | "ip_t" | "hostname_t" | "datetime_t" => value.is_string(),
        "boolean_t" => value.is_boolean(),
        "object" => value.is_object(),
        object => {
            let schema = &SCHEMA["objects"][object];
            assert!(
                schema.is_object(),
                "{path} is a `{object}`, which the excerpt lacks"
            );
            check_object(path, schema, value);
            true
        }
    };
    assert!(fits, "{path} is not a {kind}: {value}");
}

fn check_object(path: &str, schema: &Value, value: &Value) {
    let fields = value
        .as_object()
        .unwrap_or_else(|| panic!("{path} is no object: {value}"));
    for required in schema["required"].as_array().unwrap() {
        let name = required.as_str().unwrap();
        assert!(fields.contains_key(name), "{path} has no `{name}`: {value}");
    }
    if let Some(one) = schema["at_least_one"].as_array() {
        let any = one
            .iter()
            .any(|name| fields.contains_key(name.as_str().unwrap()));
        assert!(any, "{path} has none of {one:?}");
    }
    for (name, value) in fields {
        let kind = schema["known"][name].as_str();
        let kind = kind.unwrap_or_else(|| {
            panic!("{path} has `{name}`, which 1.8.0 does not know, or calls deprecated")
        });
        check(&format!("{path}.{name}"), kind, value);
        if let Some(list) = schema["enums"][name].as_array() {
            assert!(list.contains(value), "{path}.{name} is {value}");
        }
    }
}

#[test]
fn every_event_is_one_of_ocsf_1_8_0() {
    let log = SignedLog {
        origin: "portcullis/audit/0123/1".to_owned(),
        size: 8,
        root: "x".to_owned(),
    };
    let classes = SCHEMA["classes"].as_object().unwrap();
    let mut used = std::collections::BTreeSet::new();
    for code in EventCode::ALL {
        for outcome in Outcome::ALL {
            for kind in ["principal", "system", "anonymous"] {
                for full in [false, true] {
                    let event = event(*code, outcome, kind, full);
                    let out = ocsf::event(&event, full.then_some(&log));
                    let class = classes
                        .values()
                        .find(|class| class["class_uid"] == out["class_uid"]);
                    let class = class.unwrap_or_else(|| panic!("{}: {out}", code.as_str()));
                    assert_eq!(class["deprecated"], false);
                    check_object(code.as_str(), class, &out);
                    assert_eq!(out["category_uid"], class["category_uid"]);
                    assert_eq!(out["class_name"], class["caption"]);
                    let type_uid = out["class_uid"].as_i64().unwrap() * 100
                        + out["activity_id"].as_i64().unwrap();
                    assert_eq!(out["type_uid"], type_uid);
                    assert_eq!(out["metadata"]["version"], SCHEMA["version"]);
                    assert_eq!(out["metadata"]["sequence"], 7);
                    used.insert(class["caption"].as_str().unwrap().to_owned());
                }
            }
        }
    }
    assert_eq!(
        used.len(),
        classes.len(),
        "the excerpt has exactly the classes that are used"
    );
}

#[test]
fn access_that_begins_and_ends_is_privileges_assigned_and_revoked() {
    let of = |code| ocsf::event(&event(code, Outcome::Success, "system", true), None);
    let begun = of(EventCode::GrantActivated);
    assert_eq!(begun["type_uid"], 300_501);
    assert_eq!(begun["privileges"], json!(["readonly"]));
    assert_eq!(begun["user"]["name"], "ben");
    assert_eq!(begun["resources"][0]["name"], "orders-db");
    assert_eq!(begun["actor"], json!({"app_name": "Portcullis"}));
    assert_eq!(of(EventCode::GrantRevoked)["type_uid"], 300_502);
    assert_eq!(of(EventCode::SignedIn)["type_uid"], 300_201);
}
