//! Break-glass and sealed codes for scoped people: they see and sign off what is on their targets, or their own.

use serde_json::{Value, json};

use super::organisation::{Organisation, Reader};
use super::writes::{DECIDES, Done, refused, version};

const PATH: &str = "/v1/break-glass";

fn verdict() -> Value {
    json!({"verdict": "justified", "comment": "looked at the session"})
}

fn ids<'a>(rows: impl Iterator<Item = &'a Value>) -> Vec<&'a str> {
    rows.map(|row| row["id"].as_str().unwrap()).collect()
}

pub(super) async fn is_in_scope(organisation: &Organisation, done: &mut Done) {
    let all = organisation.list(&organisation.root, PATH, 200).await;
    assert!(!all.is_empty(), "nobody broke glass");
    for reader in &organisation.readers {
        shown(organisation, reader, &all).await;
        let others: Vec<&Value> = all
            .iter()
            .filter(|row| row["person"] != json!(reader.name))
            .collect();
        for row in others {
            let tags = organisation.targets.get(row["target"].as_str().unwrap());
            if !reader.has(&DECIDES, tags) {
                let path = format!("{PATH}/{}/sign-off", row["id"].as_str().unwrap());
                refused(reader, &path, version(row), verdict(), done).await;
            }
        }
        sealed_codes(organisation, reader, done).await;
    }
    let after = organisation.list(&organisation.root, PATH, 200).await;
    let states = |rows: &[Value]| -> Vec<Value> {
        let versions = rows.iter().map(|row| json!([row["state"], row["version"]]));
        versions.collect()
    };
    assert_eq!(
        states(&after),
        states(&all),
        "somebody signed something off"
    );
    for reader in &organisation.readers {
        within(organisation, reader, done).await;
    }
    let by_themselves = "select count(*) from break_glass_sign_offs s join break_glass b on b.request_id = s.request_id \
         where s.reviewer_id = b.person_id";
    assert_eq!(organisation.world.number(by_themselves).await, 0);
}

/// Lists, filters, counts, single rows: what is on the reader's targets, and what the reader did.
async fn shown(organisation: &Organisation, reader: &Reader, all: &[Value]) {
    let shows = |row: &&Value| organisation.shows(reader, row, &["person"]);
    let expected = ids(all.iter().filter(shows));
    for limit in [1, 200] {
        let seen = organisation.list(&reader.http, PATH, limit).await;
        assert_eq!(ids(seen.iter()), expected, "uses as {}", reader.name);
    }
    for target in organisation.targets.keys() {
        let path = format!("{PATH}?target={target}");
        let seen = organisation.list(&reader.http, &path, 200).await;
        let here = |row: &&Value| row["target"] == json!(target) && shows(row);
        let expected = ids(all.iter().filter(here));
        assert_eq!(ids(seen.iter()), expected, "{path} as {}", reader.name);
    }
    for row in all {
        let path = format!("{PATH}/{}", row["id"].as_str().unwrap());
        let status = if shows(&row) { 200 } else { 404 };
        let answer = reader.http.get(&path).await;
        assert_eq!(answer.status, status, "{path} as {}", reader.name);
        // What nobody may see says nothing of itself either.
        if status == 404 {
            let hidden = row["reason"].as_str().unwrap();
            assert!(!answer.text.contains(hidden), "{path}: {}", answer.text);
        }
    }
}

/// Whose codes there are is about no target, so that a role for some tells nothing of those of others.
async fn sealed_codes(organisation: &Organisation, reader: &Reader, done: &mut Done) {
    let new = json!({"name": "ada", "count": 1, "expires": "7d"});
    refused(reader, "/v1/sealed-codes", None, new, done).await;
    let all = organisation.root.get("/v1/sealed-codes").await.json();
    for path in ["/v1/sealed-codes", "/v1/sealed-codes?name=ada"] {
        let seen = reader.http.get(path).await.json();
        for code in seen["items"].as_array().unwrap() {
            assert_eq!(code["name"], json!(reader.name), "{path}");
        }
    }
    for code in all["items"].as_array().unwrap() {
        let path = format!("/v1/sealed-codes/{}", code["id"].as_str().unwrap());
        let call = reader.http.call(reqwest::Method::DELETE, &path);
        let call = call.key(crate::support::world::key().as_str());
        let answer = call.json(&json!({})).send().await;
        assert!(answer.status == 403 || answer.status == 404, "{path}");
        done.refused += 1;
    }
}

/// What is offered in scope works, and what is their own is never offered.
async fn within(organisation: &Organisation, reader: &Reader, done: &mut Done) {
    for row in organisation.list(&reader.http, PATH, 200).await {
        let tags = organisation.targets.get(row["target"].as_str().unwrap());
        let offered = row["allowed_actions"][0]["allowed"] == json!(true);
        let path = format!("{PATH}/{}/sign-off", row["id"].as_str().unwrap());
        let own = row["person"] == json!(reader.name);
        assert!(!(own && offered), "{row}");
        if !own && row["state"] == "open" {
            assert_eq!(offered, reader.has(&DECIDES, tags), "{row}");
        }
        let answer = reader.http.post(&path, version(&row), verdict()).await;
        let said = format!("{path} as {}: {}", reader.name, answer.text);
        assert_eq!(answer.status == 200, offered, "{said}");
        done.carried_out += usize::from(offered);
    }
}
