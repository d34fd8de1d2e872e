//! What people typed and where they were can be erased, nobody finds it again, and the log is as whole as before.

use portcullis::client::AuditQuery;
use portcullis::wire::{Denial, Erasure};

use crate::api::refused;
use crate::support::person::Person;
use crate::support::world::{Backend, World, ask, key, on_both};

const SECRET: &str = "my mother is at St. Mary's";

fn erasure(person: Option<&str>, event: Option<i64>) -> Erasure {
    Erasure {
        person: person.map(str::to_owned),
        event,
        reason: "they asked for it, PRIV-12".to_owned(),
    }
}

/// Where somebody who may read everything still finds these words.
async fn found(world: &World, words: &str) -> Vec<String> {
    let http = world.http(world.admin());
    let mut found = Vec::new();
    let second = words.split(' ').nth(1).unwrap();
    for list in ["requests", "grants", "audit", "locks"] {
        for query in ["", &format!("?q={second}"), &format!("?text={second}")] {
            if query.starts_with("?text") && list != "audit" {
                continue;
            }
            let answer = http.get(&format!("/v1/{list}{query}")).await;
            if answer.text.contains(words) {
                found.push(format!("{list}{query}"));
            }
        }
    }
    if http
        .get("/v1/audit/export?format=ndjson")
        .await
        .text
        .contains(words)
    {
        found.push("export".to_owned());
    }
    found
}

on_both! {
    async fn the_texts_of_a_person_are_gone_and_the_log_stands(world: World) {
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let mut new = ask();
        new.reason = SECRET.to_owned();
        let request = ada.submit(&new, &key()).await.unwrap();
        world.admin().deny(&request.id, 1, &Denial { comment: format!("{SECRET}, so no") }, &key()).await.unwrap();
        let other = ben.submit(&ask(), &key()).await.unwrap();
        world.audit().await;
        world.gate().publish().await.unwrap();
        let before = vera.json(&["audit", "verify"]).await;
        assert!(found(&world, SECRET).await.len() >= 5);
        let erased = world.admin().erase(&erasure(Some("ada"), None), &key()).await.unwrap();
        assert!(erased.events >= 3, "{erased:?}");
        assert_eq!(found(&world, SECRET).await, Vec::<String>::new());
        // Whose it was, what happened and everything about others is as it was.
        let all = world.audit().await;
        let asked = all.iter().find(|event| event.request.as_deref() == Some(&request.id)).unwrap();
        assert_eq!((asked.actor.name.as_str(), &asked.reason, &asked.address), ("ada", &None, &None));
        let others = all.iter().find(|event| event.request.as_deref() == Some(&other.id)).unwrap();
        assert_eq!(others.reason.as_deref(), Some("INC-4127 stuck orders"));
        // It is on record, without what it was about.
        let event = all.iter().find(|event| event.event == "audit.erased").unwrap();
        assert_eq!((event.principal.as_deref(), event.details["events"].as_u64()), (Some("ada"), Some(erased.events)));
        assert!(!serde_json::to_string(event).unwrap().contains("mother"));
        // The log is whole, and the beginning of it is the one that was seen before.
        world.gate().publish().await.unwrap();
        let after = vera.json(&["audit", "verify"]).await;
        assert_eq!((&after["compared"], &after["key"]), (&1.into(), &before["key"]));
        let left = world.number("select count(*) from audit where (actor = 'ada' or principal = 'ada') and code <> 'audit.erased' and (reason is not null or salt is not null or address is not null)").await;
        assert_eq!(left, 0);
        let again = world.admin().erase(&erasure(Some("ada"), None), &key()).await.unwrap();
        assert!(again.events <= 1, "{again:?}");
    }
}

on_both! {
    async fn one_event_is_erased_with_what_repeats_it(world: World) {
        let ada = world.engineer("ada").await;
        let mut new = ask();
        new.reason = SECRET.to_owned();
        let request = ada.submit(&new, &key()).await.unwrap();
        ada.withdraw(&request.id, 1, &key()).await.unwrap();
        let all = world.audit().await;
        let index = all.iter().find(|event| event.reason.as_deref() == Some(SECRET)).unwrap().index;
        // The reason for it goes on record, so it cannot say what is erased.
        let repeats = Erasure { reason: format!("because of `{SECRET}`"), ..erasure(None, Some(index)) };
        assert_eq!(refused(world.admin().erase(&repeats, &key()).await), "bad-input");
        let once = key();
        let first = world.admin().erase(&erasure(None, Some(index)), &once).await.unwrap();
        assert_eq!(world.admin().erase(&erasure(None, Some(index)), &once).await.unwrap().events, first.events);
        assert_eq!(found(&world, SECRET).await, Vec::<String>::new());
        assert_eq!(world.events(&["audit.erased"]).await, [1]);
        assert_eq!(refused(world.admin().erase(&erasure(None, Some(99_999)), &key()).await), "not-found");
        let vera = world.person("vera", &["auditor"], &[]).await;
        assert_eq!(refused(vera.erase(&erasure(None, Some(index)), &key()).await), "not-allowed");
        assert!(!vera.audit(&AuditQuery::default()).await.unwrap().items.is_empty());
    }
}

on_both! {
    async fn evidence_with_an_erased_event_is_good_and_says_so(world: World) {
        let ada = world.engineer("ada").await;
        let grant = world.granted(&ada).await;
        world.admin().erase(&erasure(Some("ada"), None), &key()).await.unwrap();
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        let path = vera.home().join("case.json");
        let path = path.to_str().unwrap();
        let said = vera.json(&["evidence", &grant.id, path]).await;
        let checked = vera.json(&["audit", "verify", path, "--key", said["key"].as_str().unwrap()]).await;
        assert!(checked["erased"].as_u64() >= Some(2), "{checked}");
        // What is open keeps its reason: somebody has to decide about it.
        assert!(std::fs::read_to_string(path).unwrap().contains("INC-4127"));
    }
}
