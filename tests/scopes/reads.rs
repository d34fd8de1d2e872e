//! What a scoped reader is shown, against what everybody may see filtered by the words of their product roles.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::sse::Stream;

use super::organisation::{Organisation, Reader};

pub(super) const READS: [&str; 3] = ["reviewer", "admin", "auditor"];
const FILTERS: [&str; 4] = ["", "principal%3Aada", "env%3Aprod", "reason%3Ainc"];

fn text<'a>(row: &'a Value, name: &str) -> Option<&'a str> {
    row[name].as_str()
}

impl Organisation {
    fn tags(&self, row: &Value) -> Option<&BTreeMap<String, String>> {
        self.targets.get(text(row, "target")?)
    }

    /// Whether this reader may see a row with a target; `own` are the fields that make it theirs.
    pub(super) fn shows(&self, reader: &Reader, row: &Value, own: &[&str]) -> bool {
        let mine = |name: &&str| {
            let value = &row[*name];
            value == &json!(reader.name) || value["name"] == json!(reader.name)
        };
        own.iter().any(mine) || reader.has(&READS, self.tags(row))
    }

    pub(super) fn shows_lock(&self, reader: &Reader, lock: &Value) -> bool {
        let on = &lock["on"];
        match text(on, "kind").unwrap() {
            "target" | "role" => reader.has(&READS, self.tags(on)),
            "tag" => {
                let (name, value) = (text(on, "name").unwrap(), text(on, "value").unwrap());
                let tagged = |tags: &&BTreeMap<String, String>| {
                    tags.get(name).is_some_and(|has| has == value)
                };
                self.targets
                    .values()
                    .filter(tagged)
                    .any(|tags| reader.has(&READS, Some(tags)))
            }
            _ => reader.is(&READS),
        }
    }

    fn shows_incident(&self, reader: &Reader, incident: &Value) -> bool {
        let scope = &incident["scope"];
        let named = scope["targets"].as_array().unwrap();
        let within =
            |target: &Value| reader.has(&READS, self.targets.get(target.as_str().unwrap()));
        let tagged = scope["tags"].as_object().unwrap().iter();
        let mut tagged =
            tagged.map(|(name, value)| reader.has_tag(&READS, name, value.as_str().unwrap()));
        let stays = tagged.any(|has| has) || (!named.is_empty() && named.iter().all(within));
        let items = incident["items"].as_array().unwrap();
        stays && items.iter().all(|item| within(&item["target"]))
    }
}

fn ids<'a>(rows: impl Iterator<Item = &'a Value>) -> Vec<&'a str> {
    rows.map(|row| text(row, "id").unwrap()).collect()
}

pub(super) async fn are_in_scope(organisation: &Organisation) {
    for reader in &organisation.readers {
        targets(organisation, reader).await;
        for (list, own) in [("requests", "requester"), ("grants", "holder")] {
            rows(organisation, reader, list, own).await;
        }
        audit(organisation, reader).await;
        locks(organisation, reader).await;
        incidents(organisation, reader).await;
        sessions(organisation, reader).await;
        answers(organisation, reader).await;
    }
}

async fn targets(organisation: &Organisation, reader: &Reader) {
    let seen = reader.http.get("/v1/targets").await;
    if seen.status == 403 {
        return;
    }
    let seen = seen.json();
    let seen: BTreeSet<&str> = seen["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| text(row, "name").unwrap())
        .collect();
    let roles = ["requester", "reviewer", "admin", "auditor"];
    let expected = organisation
        .targets
        .iter()
        .filter(|(_, tags)| reader.has(&roles, Some(tags)));
    assert_eq!(seen, expected.map(|(name, _)| name.as_str()).collect());
}

async fn rows(organisation: &Organisation, reader: &Reader, list: &str, own: &str) {
    for filter in FILTERS {
        let path = if filter.is_empty() {
            format!("/v1/{list}")
        } else {
            format!("/v1/{list}?q={filter}")
        };
        let all = organisation.list(&organisation.root, &path, 200).await;
        let seen = organisation.list(&reader.http, &path, 3).await;
        let expected: Vec<&Value> = all
            .iter()
            .filter(|row| organisation.shows(reader, row, &[own]))
            .collect();
        assert_eq!(
            ids(seen.iter()),
            ids(expected.iter().copied()),
            "{path} as {}",
            reader.name
        );
        let q = if filter.is_empty() {
            String::new()
        } else {
            format!("&q={filter}")
        };
        for (field, key) in [("target", "target"), ("principal", own), ("state", "state")] {
            facet(
                reader,
                &format!("of={list}&field={field}{q}"),
                &expected,
                key,
            )
            .await;
        }
    }
    for row in organisation
        .list(&organisation.root, &format!("/v1/{list}"), 200)
        .await
    {
        let id = text(&row, "id").unwrap();
        let status = if organisation.shows(reader, &row, &[own]) {
            200
        } else {
            404
        };
        for path in [format!("/v1/{list}/{id}"), format!("/v1/{list}/{id}/why")] {
            assert_eq!(
                reader.http.get(&path).await.status,
                status,
                "{path} as {}",
                reader.name
            );
        }
        let named = format!("/v1/{list}?target={}", text(&row, "target").unwrap());
        let seen = organisation.list(&reader.http, &named, 200).await;
        assert!(
            seen.iter()
                .all(|row| organisation.shows(reader, row, &[own])),
            "{named}"
        );
    }
}

/// The counts of a facet are those of the rows that its reader sees.
async fn facet(reader: &Reader, query: &str, rows: &[&Value], key: &str) {
    let seen = reader.http.get(&format!("/v1/facets?{query}")).await.json();
    let counts: BTreeMap<String, u64> = seen["items"]
        .as_array()
        .unwrap_or_else(|| panic!("{query}: {seen}"))
        .iter()
        .map(|item| {
            (
                text(item, "value").unwrap().to_owned(),
                item["count"].as_u64().unwrap(),
            )
        })
        .collect();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        if let Some(value) = text(row, key) {
            *expected.entry(value.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(counts, expected, "{query} as {}", reader.name);
}

async fn audit(organisation: &Organisation, reader: &Reader) {
    // What others are refused meanwhile is one more row, so the record is compared as far as it went.
    let all = organisation
        .list(&organisation.root, "/v1/audit?order=oldest", 200)
        .await;
    let end = all.last().unwrap()["index"].as_i64().unwrap();
    let index = |row: &Value| row["index"].as_i64().unwrap();
    let shown = |row: &&Value| organisation.shows(reader, row, &["actor", "principal"]);
    let expected: Vec<i64> = all.iter().filter(shown).map(index).collect();
    let seen = organisation
        .list(&reader.http, "/v1/audit?order=oldest", 7)
        .await;
    let seen: Vec<i64> = seen
        .iter()
        .map(index)
        .filter(|index| *index <= end)
        .collect();
    assert_eq!(seen, expected, "the record as {}", reader.name);
    let (mut stream, _) = Stream::open(&reader.http, Some("1.-1")).await;
    for index in expected {
        assert_eq!(
            stream.event().await.unwrap().index(),
            index,
            "the stream of {}",
            reader.name
        );
    }
    drop(stream);
    for target in organisation.targets.keys() {
        let found = organisation
            .list(&reader.http, &format!("/v1/audit?text={target}"), 200)
            .await;
        assert!(
            found
                .iter()
                .all(|row| organisation.shows(reader, row, &["actor", "principal"]))
        );
    }
}

async fn locks(organisation: &Organisation, reader: &Reader) {
    let all = organisation
        .list(
            &organisation.root,
            "/v1/locks?state=in_force,lifted,over",
            200,
        )
        .await;
    if !reader.is(&READS) {
        assert_eq!(reader.http.get("/v1/locks").await.status, 403);
        return;
    }
    let seen = organisation
        .list(&reader.http, "/v1/locks?state=in_force,lifted,over", 2)
        .await;
    let expected: Vec<&Value> = all
        .iter()
        .filter(|lock| organisation.shows_lock(reader, lock))
        .collect();
    assert_eq!(
        ids(seen.iter()),
        ids(expected.iter().copied()),
        "locks as {}",
        reader.name
    );
    for lock in &all {
        let status = if organisation.shows_lock(reader, lock) {
            200
        } else {
            404
        };
        let path = format!("/v1/locks/{}", text(lock, "id").unwrap());
        assert_eq!(reader.http.get(&path).await.status, status, "{path}");
    }
}

async fn incidents(organisation: &Organisation, reader: &Reader) {
    if !reader.is(&READS) {
        return;
    }
    let mut expected = Vec::new();
    for line in organisation
        .list(&organisation.root, "/v1/incidents", 200)
        .await
    {
        let path = format!("/v1/incidents/{}", text(&line, "id").unwrap());
        let whole = organisation.root.get(&path).await.json();
        let shown = organisation.shows_incident(reader, &whole);
        assert_eq!(
            reader.http.get(&path).await.status == 200,
            shown,
            "{path} as {}",
            reader.name
        );
        expected.extend(shown.then(|| text(&line, "id").unwrap().to_owned()));
    }
    let seen = organisation.list(&reader.http, "/v1/incidents", 1).await;
    assert_eq!(ids(seen.iter()), expected, "incidents as {}", reader.name);
}

async fn sessions(organisation: &Organisation, reader: &Reader) {
    let own = organisation.list(&reader.http, "/v1/grants", 200).await;
    let targets: BTreeSet<&str> = own.iter().map(|row| text(row, "target").unwrap()).collect();
    let seen = reader.http.get("/v1/sessions").await.json();
    for source in seen["sources"].as_array().unwrap() {
        assert!(
            targets.contains(text(source, "target").unwrap()),
            "{source}"
        );
    }
}

/// What policy says to others, and what another one would have said.
async fn answers(organisation: &Organisation, reader: &Reader) {
    let replayed = reader.http.call(reqwest::Method::POST, "/v1/policy/replay");
    let replayed = replayed
        .json(&json!({"policy": "", "days": 1}))
        .send()
        .await;
    assert_eq!(replayed.status == 200, reader.is(&["admin", "auditor"]));
    if replayed.status == 200 {
        for row in replayed.json()["different"].as_array().unwrap() {
            let seen = reader.has(&["admin", "auditor"], organisation.tags(row));
            assert!(
                seen || text(row, "requester") == Some(&reader.name),
                "{row}"
            );
        }
    }
    for (target, tags) in &organisation.targets {
        let ask =
            json!({"principal": "ada", "target": target, "role": "readonly", "duration": "1h"});
        let call = reader
            .http
            .call(reqwest::Method::POST, "/v1/policy/explain");
        let status = call.json(&ask).send().await.status;
        assert_eq!(
            status == 200,
            reader.has(&["admin", "auditor"], Some(tags)),
            "{target}: {status}"
        );
    }
}
