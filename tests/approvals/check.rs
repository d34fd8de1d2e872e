//! The rule itself, over rows that this test reads and approvals that it saw given: no code of the product's.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use portcullis::store::Location;

use super::Often;
use super::organisation::{Given, Organisation, Seats};

/// Every grant there is, with what it came from.
const GRANTS: &str = "select g.id, r.id, r.kind, r.state, r.requester_name, r.snapshot, r.target from grants g join requests r on r.id = g.request_id";
/// Every extension that was approved.
const EXTENSIONS: &str = "select coalesce(r.grant_id, ''), r.id, r.kind, r.state, r.requester_name, r.snapshot, r.target from requests r where r.kind = 'extend' and r.state = 'approved'";
const APPROVALS: &str = "select v.reviewer_name from reviews v where v.request_id = $1 and v.decision = 'approve' order by v.reviewer_name";
const MACHINES: &str = "select count(*) from (select reviewer_id from reviews union all select reviewer_id from break_glass_sign_offs) v \
     join principals p on p.id = v.reviewer_id where p.owner_id is not null";
const UNEARNED: &str = "select count(*) from grants g join requests r on r.id = g.request_id where r.state <> 'approved'";
const GLASS: &str = "select b.request_id, b.person_name, b.verdict from break_glass b";
const SIGN_OFFS: &str = "select s.reviewer_name from break_glass_sign_offs s where s.request_id = $1 order by s.reviewer_name";

type Row = (String, String, String, String, String, String, String);

pub(super) async fn everything(organisation: &Organisation, often: &mut Often) {
    let seed = organisation.seed;
    let Location::Sqlite(path) = &organisation.world.location else {
        panic!("these organisations live in SQLite")
    };
    let mut database = SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap();
    let count = async |sql: &'static str| organisation.world.number(sql).await;
    assert_eq!(count(MACHINES).await, 0, "seed {seed}: a machine counted");
    assert_eq!(
        count(UNEARNED).await,
        0,
        "seed {seed}: access without an approved request"
    );
    let mut rows: Vec<Row> = sqlx::query_as(GRANTS)
        .fetch_all(&mut database)
        .await
        .unwrap();
    let more: Vec<Row> = sqlx::query_as(EXTENSIONS)
        .fetch_all(&mut database)
        .await
        .unwrap();
    rows.extend(more);
    for (grant, request, kind, _, requester, snapshot, _) in &rows {
        let about = format!("seed {seed}: {kind} {request} of {requester} ({grant})");
        if kind == "break_glass" {
            assert!(
                organisation.uses.contains(request),
                "{about}: nobody broke glass"
            );
            continue;
        }
        let stored: Vec<(String,)> = sqlx::query_as(APPROVALS)
            .bind(request)
            .fetch_all(&mut database)
            .await
            .unwrap();
        let given = organisation.approvals.get(request);
        let given = given.map(Vec::as_slice).unwrap_or_default();
        same_people(&about, &stored, given);
        earned(organisation, &about, requester, given);
        let snapshot: Value = serde_json::from_str(snapshot).unwrap();
        let ways = snapshot["ways"].as_array().unwrap();
        let mut ways = ways
            .iter()
            .map(|way| &organisation.ways[way["policy_id"].as_str().unwrap()]);
        let people: Vec<&BTreeSet<String>> = given.iter().map(|one| &one.groups).collect();
        assert!(
            ways.any(|seats| filled(&mut seats.clone(), &people)),
            "{about}: too few people approved: {given:?}, {snapshot}"
        );
        let what = match (kind.as_str(), given.len()) {
            ("extend", _) => "extended",
            (_, 0) => "approved by policy",
            (_, 1) => "approved",
            _ => "several people approved",
        };
        *often.entry(what).or_default() += 1;
        if organisation.known[requester].behind.is_some() && !given.is_empty() {
            *often.entry("machine was approved").or_default() += 1;
        }
    }
    let uses: Vec<(String, String, Option<String>)> = sqlx::query_as(GLASS)
        .fetch_all(&mut database)
        .await
        .unwrap();
    for (request, person, verdict) in &uses {
        let about = format!("seed {seed}: break-glass {request} of {person}");
        let stored: Vec<(String,)> = sqlx::query_as(SIGN_OFFS)
            .bind(request)
            .fetch_all(&mut database)
            .await
            .unwrap();
        let given = organisation.sign_offs.get(request);
        let given = given.map(Vec::as_slice).unwrap_or_default();
        same_people(&about, &stored, given);
        earned(organisation, &about, person, given);
        assert!(
            organisation.known[person].behind.is_none(),
            "{about}: a machine"
        );
        let maker = organisation.sealed_by.get(request);
        assert!(
            given.iter().all(|one| Some(&one.by) != maker),
            "{about}: {maker:?} made its code"
        );
        let people: Vec<&BTreeSet<String>> = given.iter().map(|one| &one.groups).collect();
        let enough = filled(&mut organisation.ways["glass"].clone(), &people);
        assert_eq!(
            verdict.is_some(),
            enough,
            "{about}: {verdict:?} by {given:?}"
        );
    }
    database.close().await.unwrap();
}

/// What is on record is what was answered.
fn same_people(about: &str, stored: &[(String,)], given: &[Given]) {
    let mut seen: Vec<&str> = given.iter().map(|one| one.by.as_str()).collect();
    seen.sort_unstable();
    let stored: Vec<&str> = stored.iter().map(|(name,)| name.as_str()).collect();
    assert_eq!(stored, seen, "{about}");
}

/// Distinct people, none of them whoever asked or is behind it, and each with a product role for it at that moment.
fn earned(organisation: &Organisation, about: &str, requester: &str, given: &[Given]) {
    let mut people = BTreeSet::new();
    for Given { by, may_review, .. } in given {
        assert_ne!(by, requester, "{about}: by themselves");
        let asked = &organisation.known[requester];
        let behind = asked
            .behind
            .as_ref()
            .is_some_and(|behind| behind.contains(by));
        assert!(
            !behind,
            "{about}: {by} answers for it or has seen its token"
        );
        // Somebody whom the provider knows under two subjects is one person.
        let subject = |name: &str| {
            let subject = organisation.known[name].subject.as_deref()?;
            Some(subject.trim().to_lowercase())
        };
        assert!(
            subject(by).is_none() || subject(by) != subject(requester),
            "{about}: {by} is {requester} again"
        );
        let person = subject(by).unwrap_or_else(|| by.clone());
        assert!(people.insert(person), "{about}: {by} counted twice");
        assert!(may_review, "{about}: {by} may not review there");
    }
}

/// Tries every way to seat people.
fn filled(seats: &mut Seats, people: &[&BTreeSet<String>]) -> bool {
    if seats.iter().all(|(_, count)| *count == 0) {
        return true;
    }
    let Some((first, rest)) = people.split_first() else {
        return false;
    };
    for seat in 0..seats.len() {
        if seats[seat].1 > 0 && first.contains(&seats[seat].0) {
            seats[seat].1 -= 1;
            let all = filled(seats, rest);
            seats[seat].1 += 1;
            if all {
                return true;
            }
        }
    }
    filled(seats, rest)
}
