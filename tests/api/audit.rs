//! Searching the audit history.

use portcullis::client::{AuditQuery, Client, HistogramQuery};
use portcullis::wire::{Denial, EventView};

use super::refused;
use crate::support::world::{Backend, World, ask, key, on_both, submit};

/// What was found, but for the events that say who looked.
async fn found(who: &Client, query: AuditQuery) -> Vec<EventView> {
    let mut found = who.audit(&query).await.unwrap().items;
    found.retain(|event| event.event != "audit.read");
    found
}

fn codes(events: &[EventView]) -> Vec<&str> {
    events.iter().map(|event| event.event.as_str()).collect()
}

fn text(words: &str) -> AuditQuery {
    AuditQuery {
        text: Some(words.to_owned()),
        ..AuditQuery::default()
    }
}

on_both! {
    async fn every_filter_narrows_the_history(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let grant = world.granted(&ada).await;
        let denied = submit(&ben).await;
        world.admin().deny(&denied.id, 1, &Denial { comment: "ask ada".to_owned() }, &key()).await.unwrap();
        refused(ben.request(&grant.request).await);
        let all = world.audit().await;
        let root = world.admin();
        let any = AuditQuery::default;

        let by_root = found(root, AuditQuery { actor: Some("root".to_owned()), ..any() }).await;
        assert_eq!(codes(&by_root), ["request.denied", "request.approved", "principal.invited", "principal.invited", "auth.signed_in"]);
        let of_grant = found(root, AuditQuery { grant: Some(grant.id.clone()), events: vec!["grant.*".to_owned()], ..any() }).await;
        assert_eq!(codes(&of_grant), ["grant.activated", "grant.activating", "grant.scheduled"]);
        let of_request = found(root, AuditQuery { request: Some(denied.id.clone()), ..any() }).await;
        assert_eq!(codes(&of_request), ["request.denied", "request.submitted"]);
        let two = AuditQuery { events: vec!["request.denied".to_owned(), "auth.*".to_owned()], ..any() };
        assert_eq!(codes(&found(root, two).await), ["request.denied", "auth.signed_in", "auth.signed_in", "auth.signed_in"]);
        assert_eq!(found(root, AuditQuery { target: Some("bastion".to_owned()), ..any() }).await.len(), 7);
        assert!(found(root, AuditQuery { target: Some("bast".to_owned()), ..any() }).await.is_empty());
        assert!(found(root, AuditQuery { outcome: Some("error".to_owned()), ..any() }).await.is_empty());
        let success = found(root, AuditQuery { outcome: Some("success".to_owned()), limit: Some(200), ..any() }).await;
        assert_eq!(success.len(), all.len());

        // From the moment of the denial on, and everything before it.
        let at = of_request[0].time;
        let since = found(root, AuditQuery { since: Some(at), ..any() }).await;
        assert_eq!(codes(&since), ["request.denied"]);
        let until = found(root, AuditQuery { until: Some(at), limit: Some(200), ..any() }).await;
        assert_eq!(until.len(), all.iter().filter(|event| event.time < at).count());
        let both = AuditQuery { actor: Some("ada".to_owned()), events: vec!["request.*".to_owned()], target: Some("bastion".to_owned()), ..any() };
        assert_eq!(codes(&found(root, both).await), ["request.submitted"]);
    }
}

on_both! {
    async fn words_are_found_as_they_are_written(world: World) {
        let ada = world.engineer("ada").await;
        let reasons = ["100% of DISK_full", "ÄRGER mit \"Quotes\" und \\ 'x'; drop table audit --", "ärger im plain text", "disk full"];
        for reason in reasons {
            let mut new = ask();
            new.reason = reason.to_owned();
            let request = ada.submit(&new, &key()).await.unwrap();
            ada.withdraw(&request.id, 1, &key()).await.unwrap();
        }
        world.audit().await;
        let hits = async |words: &str| {
            let mut query = text(words);
            query.events = vec!["request.submitted".to_owned()];
            let events = found(world.admin(), query).await;
            events.into_iter().map(|event| reasons.iter().position(|reason| Some(*reason) == event.reason.as_deref()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(hits("disk").await, [3, 0]);
        assert_eq!(hits("FULL disk").await, [3, 0]);
        assert_eq!(hits("100%").await, [0]);
        assert_eq!(hits("k_f").await, [0], "no wildcard");
        assert_eq!(hits("d%k").await, [] as [usize; 0]);
        assert_eq!(hits("\\").await, [1]);
        assert_eq!(hits("'x'; drop").await, [1]);
        assert!(hits("ÄRGER").await.contains(&1) && hits("ärger").await.contains(&2));
        assert_eq!(hits("ada bastion").await.len(), 4);
        assert_eq!(hits("nobody").await.len() + hits("\u{0}").await.len(), 0);
        let http = world.http(world.admin());
        for parameter in ["text", "actor", "target"] {
            assert_eq!(http.get(&format!("/v1/audit?{parameter}=%00")).await.status, 200, "{parameter}");
        }
    }
}

on_both! {
    async fn pages_follow_each_other_without_a_gap_while_events_arrive(world: World) {
        let ada = world.engineer("ada").await;
        for _ in 0..8 {
            let request = submit(&ada).await;
            ada.withdraw(&request.id, 1, &key()).await.unwrap();
        }
        let before = world.audit().await;
        let mut query = AuditQuery { limit: Some(3), ..AuditQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = world.admin().audit(&query).await.unwrap();
            assert!(page.items.len() <= 3);
            seen.extend(page.items.into_iter().map(|event| event.index));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
            let request = submit(&ada).await;
            ada.withdraw(&request.id, 1, &key()).await.unwrap();
            world.gate().store().sequence().await.unwrap();
        }
        let expected: Vec<i64> = before.iter().rev().map(|event| event.index).collect();
        assert_eq!(seen, expected);
        assert_eq!(expected.last(), Some(&0));
    }
}

on_both! {
    async fn from_any_place_the_record_is_read_both_ways(world: World) {
        let root = &world.admin();
        let ada = world.engineer("ada").await;
        for _ in 0..6 {
            let request = submit(&ada).await;
            ada.withdraw(&request.id, 1, &key()).await.unwrap();
        }
        let before = world.audit().await;
        assert!(before.len() > 8);
        let any = AuditQuery::default;
        let all = found(root, any()).await;
        let indexes = |events: &[EventView]| events.iter().map(|event| event.index).collect::<Vec<_>>();
        let mut rising = indexes(&all);
        rising.reverse();
        let mut read = Vec::new();
        let mut after = None;
        loop {
            let query = AuditQuery { oldest_first: true, after: after.take(), limit: Some(5), ..any() };
            let page = root.audit(&query).await.unwrap();
            read.extend(page.items.iter().filter(|event| event.event != "audit.read").map(|event| event.index));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(read, rising);
        let middle = rising[rising.len() / 2];
        let beyond = AuditQuery { oldest_first: true, after: Some(middle.to_string()), limit: Some(2), ..any() };
        assert_eq!(indexes(&root.audit(&beyond).await.unwrap().items), [middle + 1, middle + 2]);
        let before = AuditQuery { after: Some(middle.to_string()), limit: Some(2), ..any() };
        assert_eq!(indexes(&root.audit(&before).await.unwrap().items), [middle - 1, middle - 2]);
        let time = all.iter().find(|event| event.index == middle).unwrap().time;
        let until = AuditQuery { until: Some(time), limit: Some(1), ..any() };
        let last = root.audit(&until).await.unwrap().items;
        assert!(last.iter().all(|event| event.time < time));
    }
}

on_both! {
    async fn engineers_read_what_they_did_and_what_was_done_about_them(world: World) {
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        world.granted(&ada).await;
        submit(&ben).await;
        world.audit().await;
        let own = found(&ada, AuditQuery { limit: Some(200), ..AuditQuery::default() }).await;
        assert_eq!(
            codes(&own),
            ["grant.activated", "grant.activating", "grant.scheduled", "request.approved", "request.submitted", "auth.signed_in", "principal.invited"],
        );
        assert!(own.iter().all(|event| event.actor.name == "ada" || event.principal.as_deref() == Some("ada")));
        // A filter widens nothing.
        assert!(found(&ada, AuditQuery { actor: Some("ben".to_owned()), ..AuditQuery::default() }).await.is_empty());
        assert!(found(&ada, text("ben")).await.is_empty());
        let aud = world.person("aud", &["auditor"], &[]).await;
        world.audit().await;
        let all = found(&aud, AuditQuery { limit: Some(200), ..AuditQuery::default() }).await;
        let there = world.audit().await;
        assert_eq!(all.len(), there.iter().filter(|event| event.event != "audit.read").count());
        let op = world.person("op", &["operator"], &[]).await;
        assert_eq!(refused(op.audit(&AuditQuery::default()).await), "not-allowed");
    }
}

on_both! {
    async fn an_event_says_who_from_where_and_in_which_call(world: World) {
        let ada = world.engineer("ada").await;
        let http = world.http(&ada);
        let body = serde_json::to_value(ask()).unwrap();
        for channel in ["tui", "cli", "api", "<script>"] {
            let call = http.call(reqwest::Method::POST, "/v1/requests").key(key().as_str()).json(&body);
            let answer = call.header("portcullis-channel", channel).send().await;
            assert_eq!(answer.status, 201);
            let log = world.audit().await;
            let event = log.last().unwrap();
            assert_eq!(event.trace.as_deref(), answer.headers["portcullis-trace"].to_str().ok());
            assert_eq!(event.channel, if channel.starts_with('<') { "api" } else { channel });
            assert_eq!(event.address.as_deref(), Some("127.0.0.1"));
            assert_eq!((event.actor.kind.as_str(), event.outcome.as_str()), ("principal", "success"));
            assert_eq!(event.sentence, "ada asked for readonly on bastion: INC-4127 stuck orders");
            ada.withdraw(&answer.text("id"), 1, &key()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_start_and_a_stop_are_on_record() {
    let mut world = World::start(Backend::Sqlite).await;
    world.restart().await;
    let log = world
        .on_record("code in ('server.started', 'server.stopped')")
        .await;
    assert_eq!(log, 3);
}

on_both! {
    async fn what_is_no_search_is_said(world: World) {
        let http = world.http(world.admin());
        let bad = [
            "event=grant.revoke", "event=", "event=grants.*", "outcome=good", "since=yesterday", "until=2026-13-01T00:00:00Z",
            "after=x", "after=-5", "limit=0", "limit=201", "limit=-1", "limit=1&limit=2", "who=ada", "text=%", "text=%zz", "text=%ff",
            "request=G-7k3qm2xd0v", "grant=7", "after=99999999999999999999",
        ];
        for query in bad {
            let answer = http.get(&format!("/v1/audit?{query}")).await;
            assert_eq!(answer.problem(), (400, "malformed".to_owned()), "{query}");
        }
        let answer = http.get("/v1/audit?event=grant.revoke").await;
        assert_eq!(answer.text("title"), "there is no event `grant.revoke`; did you mean `grant.revoked`?");
        for good in ["after=0", "since=2026-01-01T00:00:00Z", "since=2026-01-01T01:00:00%2B01:00", "&&", "text="] {
            assert_eq!(http.get(&format!("/v1/audit?{good}")).await.status, 200, "{good}");
        }
    }
}

on_both! {
    async fn events_are_counted_over_time_by_those_who_may_see_them(world: World, clock by hand) {
        let ada = world.engineer("ada").await;
        submit(&ada).await;
        world.pass(chrono::TimeDelta::hours(3));
        let ben = world.engineer("ben").await;
        submit(&ben).await;
        let all = world.audit().await;
        let root = world.admin();
        let whole = root.histogram(&HistogramQuery { buckets: Some(3), ..HistogramQuery::default() }).await.unwrap();
        assert_eq!(whole.total, u64::try_from(all.len()).unwrap());
        assert_eq!(whole.buckets.iter().map(|bucket| bucket.count).sum::<u64>(), whole.total);
        assert_eq!(whole.buckets[1].count, 0);
        assert!(!whole.partial);
        let of = async |who: &Client, q: &str| {
            let query = HistogramQuery { q: Some(q.to_owned()), since: Some(whole.since), until: Some(whole.until), buckets: Some(2) };
            let counted = who.histogram(&query).await.unwrap();
            counted.buckets.into_iter().map(|bucket| bucket.count).collect::<Vec<_>>()
        };
        assert_eq!(of(root, "event:request.submitted").await, [1, 1]);
        assert_eq!(of(root, "event:request.submitted actor:ada").await, [1, 0]);
        assert_eq!(of(root, "event:request.* -reason:nothing").await, [1, 1]);
        assert_eq!(of(root, "time:<2000-01-01").await, [0, 0]);
        assert_eq!(of(&ben, "event:request.submitted").await, [0, 1], "only what he may see");
        for (query, status) in [("buckets=0", 400), ("buckets=501", 400), ("q=usr:ada", 422), ("since=2026", 400), ("until=2000-01-01T00:00:00Z", 200)] {
            assert_eq!(world.http(root).get(&format!("/v1/audit/histogram?{query}")).await.status, status, "{query}");
        }
        let later = root.audit_at(whole.buckets[1].since, None).await.unwrap().unwrap();
        assert_eq!(later.event, "principal.invited");
        assert_eq!(root.audit_at(whole.buckets[1].since, Some("actor:ben event:request.*")).await.unwrap().unwrap().event, "request.submitted");
        assert_eq!(root.audit_at(whole.until, None).await.unwrap(), None);
    }
}
