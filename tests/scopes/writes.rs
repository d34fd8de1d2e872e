//! What scoped people try on rows that are not theirs: out of scope everything is refused, and nothing changes.

use serde_json::{Value, json};

use crate::support::world::PUBLIC_KEY;

use super::organisation::{Organisation, Reader};

/// How much was tried, so that a property about nothing is noticed.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) refused: usize,
    pub(super) carried_out: usize,
}

pub(super) const DECIDES: [&str; 2] = ["reviewer", "admin"];

/// Every row, with what a change of it would show.
async fn snapshot(organisation: &Organisation) -> Vec<(String, Value, Value)> {
    let mut rows = Vec::new();
    for path in [
        "/v1/requests",
        "/v1/grants",
        "/v1/locks?state=in_force,lifted,over",
    ] {
        for row in organisation.list(&organisation.root, path, 200).await {
            let claim = json!([
                row["state"],
                row["claim"],
                row["expires_at"],
                row["lifted_by"]
            ]);
            rows.push((
                row["id"].as_str().unwrap().to_owned(),
                row["version"].clone(),
                claim,
            ));
        }
    }
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    rows
}

pub(super) async fn are_in_scope(organisation: &Organisation, done: &mut Done) {
    for reader in &organisation.readers {
        let before = snapshot(organisation).await;
        on_requests(organisation, reader, done).await;
        on_grants(organisation, reader, done).await;
        on_locks(organisation, reader, done).await;
        incidents(organisation, reader, done).await;
        about_nothing(reader, done).await;
        organisation.settled().await;
        assert_eq!(
            snapshot(organisation).await,
            before,
            "{} changed something",
            reader.name
        );
    }
    for reader in &organisation.readers {
        within(organisation, reader, done).await;
        own(organisation, reader).await;
    }
    let by_themselves = "select count(*) from reviews v join requests r on r.id = v.request_id \
         where v.decision = 'approve' and (v.reviewer_id = r.requester_id or v.reviewer_id = r.owner_id)";
    assert_eq!(organisation.world.number(by_themselves).await, 0);
}

/// Nobody approves what they asked for, whatever their product roles and groups are.
async fn own(organisation: &Organisation, reader: &Reader) {
    let rows = organisation.list(&reader.http, "/v1/requests?state=pending&mine=true", 200);
    for row in rows.await {
        let path = format!("/v1/requests/{}/approve", row["id"].as_str().unwrap());
        let answer = reader.http.post(&path, version(&row), json!({})).await;
        let (_, code) = answer.problem();
        let known = ["self-review", "out-of-scope", "not-allowed"];
        assert!(known.contains(&code.as_str()), "{path}: {}", answer.text);
    }
}

pub(super) async fn refused(
    reader: &Reader,
    path: &str,
    version: Option<i64>,
    body: Value,
    done: &mut Done,
) {
    let answer = reader.http.post(path, version, body).await;
    let (status, code) = answer.problem();
    let known = ["not-found", "not-allowed", "out-of-scope", "unknown-target"];
    assert!(
        known.contains(&code.as_str()),
        "{path} as {}: {status} {code} {}",
        reader.name,
        answer.text
    );
    done.refused += 1;
}

pub(super) fn version(row: &Value) -> Option<i64> {
    row["version"].as_i64()
}

async fn on_requests(organisation: &Organisation, reader: &Reader, done: &mut Done) {
    for row in organisation
        .list(&organisation.root, "/v1/requests", 200)
        .await
    {
        let tags = organisation.targets.get(row["target"].as_str().unwrap());
        if reader.has(&DECIDES, tags) || row["requester"] == json!(reader.name) {
            continue;
        }
        let path = format!("/v1/requests/{}", row["id"].as_str().unwrap());
        for (deed, body) in [
            ("approve", json!({})),
            ("deny", json!({"comment": "not today"})),
            ("claim", json!({})),
            ("release", json!({})),
        ] {
            let version = version(&row).filter(|_| matches!(deed, "approve" | "deny"));
            refused(reader, &format!("{path}/{deed}"), version, body, done).await;
        }
    }
}

async fn on_grants(organisation: &Organisation, reader: &Reader, done: &mut Done) {
    for row in organisation
        .list(&organisation.root, "/v1/grants", 200)
        .await
    {
        let tags = organisation.targets.get(row["target"].as_str().unwrap());
        if reader.has(&DECIDES, tags) || row["holder"] == json!(reader.name) {
            continue;
        }
        let path = format!("/v1/grants/{}", row["id"].as_str().unwrap());
        for (deed, versioned, body) in [
            (
                "extend",
                true,
                json!({"by": "15m", "reason": "still at it"}),
            ),
            ("revoke", true, json!({"reason": "leaving"})),
            ("sessions/4711-1/end", false, json!({"reason": "too long"})),
        ] {
            let version = version(&row).filter(|_| versioned);
            refused(reader, &format!("{path}/{deed}"), version, body, done).await;
        }
        if !reader.has(&super::reads::READS, tags) {
            let ask = json!({"public_key": PUBLIC_KEY});
            refused(reader, &format!("{path}/credential"), None, ask, done).await;
        }
    }
}

async fn on_locks(organisation: &Organisation, reader: &Reader, done: &mut Done) {
    let mut wide = vec![
        json!({"kind": "principal", "principal": "ada"}),
        json!({"kind": "everything"}),
        json!({"kind": "target", "target": "no-such-target"}),
        json!({"kind": "tag", "name": "no-such", "value": "tag"}),
    ];
    for (target, tags) in &organisation.targets {
        if !reader.has(&DECIDES, Some(tags)) {
            wide.push(json!({"kind": "target", "target": target}));
            wide.push(json!({"kind": "role", "target": target, "role": "admin"}));
        }
        for (name, value) in tags {
            if !reader.has_tag(&DECIDES, name, value) {
                wide.push(json!({"kind": "tag", "name": name, "value": value}));
            }
        }
    }
    for on in wide {
        let body = json!({"on": on, "reason": "INC-1 leak"});
        refused(reader, "/v1/locks", None, body, done).await;
    }
    for lock in organisation
        .list(&organisation.root, "/v1/locks", 200)
        .await
    {
        let on = &lock["on"];
        let may = match on["kind"].as_str().unwrap() {
            "target" | "role" => reader.has(
                &DECIDES,
                organisation.targets.get(on["target"].as_str().unwrap()),
            ),
            "tag" => reader.has_tag(
                &DECIDES,
                on["name"].as_str().unwrap(),
                on["value"].as_str().unwrap(),
            ),
            _ => false,
        };
        if !may {
            let path = format!("/v1/locks/{}/lift", lock["id"].as_str().unwrap());
            refused(
                reader,
                &path,
                version(&lock),
                json!({"reason": "calm again"}),
                done,
            )
            .await;
        }
    }
}

async fn incidents(organisation: &Organisation, reader: &Reader, done: &mut Done) {
    let mut wide = vec![
        json!({"everything": true}),
        json!({"principals": ["ada"]}),
        json!({"filter": "env:prod"}),
        json!({"targets": organisation.targets.keys().collect::<Vec<_>>()}),
    ];
    for (target, tags) in &organisation.targets {
        if !reader.has(&DECIDES, Some(tags)) {
            wide.push(json!({"targets": [target]}));
        }
        for (name, value) in tags {
            if !reader.has_tag(&DECIDES, name, value) {
                wide.push(json!({"tags": {name.as_str(): value}}));
            }
        }
    }
    let all = organisation
        .targets
        .values()
        .all(|tags| reader.has(&DECIDES, Some(tags)));
    for scope in wide {
        if all && scope["targets"].is_array() {
            continue;
        }
        let ask = json!({"scope": scope, "lock": false, "deny_pending": false});
        refused(reader, "/v1/incidents/preview", None, ask.clone(), done).await;
        let commit =
            json!({"token": "", "ask": ask, "items": [], "count": 0, "reason": "INC-1 leak"});
        refused(reader, "/v1/incidents", None, commit, done).await;
    }
}

/// What is about no target needs a product role for all of them.
async fn about_nothing(reader: &Reader, done: &mut Done) {
    let invitation = json!({"name": "mallory", "roles": ["admin"], "groups": []});
    refused(reader, "/v1/invitations", None, invitation, done).await;
    let machine = json!({"name": "bot", "owner": "root", "scopes": ["read"], "expires": "1d"});
    refused(reader, "/v1/service-accounts", None, machine, done).await;
    assert_eq!(reader.http.get("/metrics").await.status, 403);
    let own = reader.http.get("/v1/sign-ins").await.json();
    for sign_in in own["items"].as_array().unwrap() {
        assert_eq!(sign_in["principal"], json!(reader.name));
    }
}

/// What is offered in scope works.
async fn within(organisation: &Organisation, reader: &Reader, done: &mut Done) {
    for row in organisation
        .list(&reader.http, "/v1/requests?state=pending", 200)
        .await
    {
        let tags = organisation.targets.get(row["target"].as_str().unwrap());
        let actions = row["allowed_actions"].as_array().unwrap();
        let offered = |name: &str| {
            let found = actions.iter().find(|one| one["action"] == json!(name));
            found.unwrap()["allowed"] == json!(true)
        };
        let may = reader.has(&DECIDES, tags);
        assert!(may || !offered("approve"), "{row}");
        let path = format!("/v1/requests/{}/claim", row["id"].as_str().unwrap());
        let answer = reader.http.post(&path, None, json!({})).await;
        assert_eq!(
            answer.status == 200,
            offered("claim"),
            "{path} as {}: {}",
            reader.name,
            answer.text
        );
        if offered("approve") {
            let path = format!("/v1/requests/{}/approve", row["id"].as_str().unwrap());
            let answer = reader.http.post(&path, version(&row), json!({})).await;
            assert_eq!(
                answer.status, 200,
                "{path} as {}: {}",
                reader.name, answer.text
            );
            done.carried_out += 1;
        }
    }
}
