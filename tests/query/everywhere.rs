//! The same filter gives the same rows over the API, page by page, on the command line and on the live stream.

use std::collections::BTreeSet;

use portcullis::client::{AuditQuery, Followed, GrantsQuery, RequestsQuery, follow_matching};
use portcullis::query::{Context, List, Row, Saved, parse};
use portcullis::wire::{Denial, EventView, Facets, LockOn, NewLock, Page, RequestView};

use crate::support::person::Person;
use crate::support::sse::Stream;
use crate::support::world::{Backend, World, ask, key, on_both, submit};

const REQUESTS: [&str; 14] = [
    "",
    "is:pending",
    "-is:pending",
    "state:denied OR user:ada",
    "user:ada target:bastion",
    "user:nobody",
    "state:pending state:denied",
    "refund",
    "-refund -user:ben",
    "reason:~\"order [0-9]+\"",
    "actor:root time:-1h",
    "age:<1h left:>1m",
    "id:R-0000000000",
    "principal:@me",
];

const EVENTS: [&str; 12] = [
    "event:request.*",
    "event:*denied",
    "actor:root",
    "user:ada event:grant.*",
    "outcome:success -event:auth.*",
    "time:<2020-01-01",
    "time:today OR time:yesterday",
    "is:system",
    "is:mine",
    "has:reason",
    "channel:api",
    "target:bastion is:human",
];

/// People and what they did: two pending requests, a denied one, a grant, and what led there.
async fn story(world: &World) {
    let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
    world.granted(&ada).await;
    let denied = submit(&ben).await;
    let denial = Denial {
        comment: "no ticket".to_owned(),
    };
    world
        .admin()
        .deny(&denied.id, 1, &denial, &key())
        .await
        .unwrap();
    for (who, reason) in [(&ada, "Refund of order 12"), (&ben, "look at \"it\"")] {
        let mut new = ask();
        new.reason = reason.to_owned();
        who.submit(&new, &key()).await.unwrap();
    }
    world.audit().await;
}

fn passing<R: Row, T: Ord>(
    text: &str,
    list: List,
    context: Context<'_>,
    rows: &[R],
    id: fn(&R) -> T,
) -> BTreeSet<T> {
    let expr = parse(text, list, &Saved::default()).whole().unwrap();
    let passing = rows.iter().filter(|row| expr.lets(*row, context));
    passing.map(id).collect()
}

on_both! {
    async fn a_filter_gives_the_rows_that_pass_it_on_pages_of_any_size(world: World) {
        story(&world).await;
        let root = world.admin();
        let context = Context { now: world.now().await, me: "root" };
        let all = root.requests(&RequestsQuery { limit: Some(200), ..RequestsQuery::default() }).await.unwrap().items;
        for text in REQUESTS {
            let expected = passing(text, List::Requests, context, &all, |view| view.id.clone());
            for limit in [1, 3, 200] {
                let mut query = RequestsQuery { q: Some(text.to_owned()), limit: Some(limit), ..RequestsQuery::default() };
                let mut found = Vec::new();
                loop {
                    let page = root.requests(&query).await.unwrap();
                    assert!(page.items.len() <= limit as usize);
                    found.extend(page.items.into_iter().map(|view| view.id));
                    let Some(next) = page.next else { break };
                    query.after = Some(next);
                }
                assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), expected, "{text} by {limit}");
                assert_eq!(found.len(), expected.len(), "{text}: nothing twice");
            }
        }
        let events = world.audit().await;
        for text in EVENTS {
            let expected = passing(text, List::Audit, context, &events, |view| view.index);
            let mut query = AuditQuery { q: Some(text.to_owned()), limit: Some(2), ..AuditQuery::default() };
            let mut found = BTreeSet::new();
            loop {
                let page = root.audit(&query).await.unwrap();
                // That somebody reads is on record, too.
                let read = page.items.into_iter().filter(|view| view.event != "audit.read");
                found.extend(read.map(|view| view.index));
                let Some(next) = page.next else { break };
                query.after = Some(next);
            }
            assert_eq!(found, expected, "{text}");
        }
        let grants = root.grants(&GrantsQuery { q: Some("is:open user:ada left:>1m".to_owned()), ..GrantsQuery::default() }).await.unwrap();
        assert_eq!(grants.items.len(), 1);
        let other = GrantsQuery { q: Some("is:over".to_owned()), mine: true, ..GrantsQuery::default() };
        assert!(root.grants(&other).await.unwrap().items.is_empty());
        assert_eq!(world.http(root).get("/v1/locks?q=is:open").await.status, 200);
        assert_eq!(world.http(root).get("/v1/sessions?q=is:mine").await.status, 200);
    }
}

on_both! {
    async fn a_filter_never_shows_more_than_one_may_see(world: World) {
        story(&world).await;
        let carl = world.engineer("carl").await;
        let mine = submit(&carl).await;
        let query = RequestsQuery { q: Some("user:ada OR user:carl".to_owned()), ..RequestsQuery::default() };
        let seen = carl.requests(&query).await.unwrap().items;
        assert_eq!(seen.iter().map(|view| &view.id).collect::<Vec<_>>(), [&mine.id]);
        let facets = carl.facets("requests", "principal", "", "").await.unwrap();
        assert_eq!(facets.items.iter().map(|facet| (facet.value.as_str(), facet.count)).collect::<Vec<_>>(), [("carl", 1)]);
    }
}

on_both! {
    async fn values_are_counted_among_the_rows_that_match(world: World) {
        story(&world).await;
        let root = world.admin();
        let values = |facets: Facets| facets.items.into_iter().map(|facet| format!("{} {}", facet.value, facet.count)).collect::<Vec<_>>();
        let counted = root.facets("requests", "principal", "", "").await.unwrap();
        assert!(!counted.approximate);
        assert_eq!(values(counted), ["ada 2", "ben 2"]);
        assert_eq!(values(root.facets("requests", "user", "a", "is:pending").await.unwrap()), ["ada 1"]);
        assert_eq!(values(root.facets("grants", "target", "", "").await.unwrap()), ["bastion 1"]);
        let lock = NewLock { on: LockOn::Principal { principal: "ben".to_owned() }, reason: "INC-1 leak".to_owned(), duration: None };
        root.place_lock(&lock, &key()).await.unwrap();
        assert_eq!(values(root.facets("locks", "kind", "", "").await.unwrap()), ["principal 1"]);
        assert_eq!(values(root.facets("locks", "actor", "ro", "is:open").await.unwrap()), ["root 1"]);
        assert_eq!(values(root.facets("locks", "kind", "", "is:lifted").await.unwrap()), [] as [&str; 0]);
        let none = root.facets("sessions", "target", "", "").await.unwrap();
        assert!(none.approximate, "a host reports no sessions");
        assert!(none.items.is_empty());
        let denied = root.facets("audit", "event", "request.d", "").await.unwrap();
        assert_eq!(values(denied), ["request.denied 1"]);
        let http = world.http(root);
        for (path, status) in [
            ("of=requests&field=reason", 422),
            ("of=doors&field=target", 400),
            ("of=audit&field=signal", 422),
            ("of=sessions&field=tag.env", 422),
            ("field=target", 400),
        ] {
            assert_eq!(http.get(&format!("/v1/facets?{path}")).await.status, status, "{path}");
        }
    }
}

on_both! {
    async fn a_filter_that_makes_no_sense_is_answered_with_its_place(world: World) {
        let http = world.http(world.admin());
        for path in ["requests", "events", "facets?of=requests&field=target"] {
            let sign = if path.contains('?') { '&' } else { '?' };
            let answer = http.get(&format!("/v1/{path}{sign}q=x%20usr:ada")).await;
            assert_eq!(answer.problem(), (422, "bad-filter".to_owned()), "{path}");
            let body = answer.json();
            assert_eq!(body["suggestion"], "user");
            assert_eq!((&body["span"]["start"], &body["span"]["end"]), (&2.into(), &5.into()));
            assert_eq!(body["title"], "unknown field `usr`");
        }
        let long = "x".repeat(2_001);
        assert_eq!(http.get(&format!("/v1/audit?q={long}")).await.status, 400);
    }
}

on_both! {
    async fn a_filtered_stream_resumes_without_repeating_or_losing(world: World) {
        story(&world).await;
        let who = world.http(world.admin());
        let all = world.audit().await;
        let context = Context { now: world.now().await, me: "root" };
        let filter = "event:request.*";
        let expected = passing(filter, List::Audit, context, &all, |view| view.index);
        let path = "/v1/events?q=event:request.*";
        let mut seen = Vec::new();
        let mut after = "1.-1".to_owned();
        // A new connection for each event, as bad luck has it.
        while seen.len() < expected.len() {
            let (mut stream, _) = Stream::open_at(&who, path, Some(&after)).await;
            let event = stream.event().await.unwrap();
            after = event.id.clone().unwrap();
            seen.push(event.index());
        }
        assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>(), expected);
        assert_eq!(seen.len(), expected.len());

        // Events that were skipped are behind the cursor of the next heartbeat.
        let ada = world.person("dora", &["requester"], &["engineers"]).await;
        let last = world.audit().await.iter().map(|event| event.index).max().unwrap();
        let (mut stream, _) = Stream::open_at(&who, path, Some(&after)).await;
        let beat = stream.next().await.unwrap();
        assert_eq!((beat.event.as_str(), beat.index()), ("heartbeat", last));
        let request = submit(&ada).await;
        let (mut stream, _) = Stream::open_at(&who, path, beat.id.as_deref()).await;
        assert_eq!(stream.event().await.unwrap().data["request"], request.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_follows_a_filter_misses_nothing_and_calls_nothing_missing() {
    let world = World::start(Backend::Sqlite).await;
    let ada = world.engineer("ada").await;
    let filter = "event:request.submitted".to_owned();
    let mut follow = follow_matching(world.admin().clone(), None, filter);
    let (Some(Followed::Standing(_)), Some(Followed::Hello { .. })) =
        (follow.next().await, follow.next().await)
    else {
        panic!("no greeting")
    };
    let mut asked = Vec::new();
    for _ in 0..3 {
        let request = submit(&ada).await;
        ada.withdraw(&request.id, 1, &key()).await.unwrap();
        asked.push(request.id);
    }
    let mut heard = Vec::new();
    while heard.len() < asked.len() {
        match follow.next().await.unwrap() {
            Followed::Event(event) => heard.push(event.request.unwrap()),
            Followed::Gap { .. } => panic!("nothing is missing"),
            _ => {}
        }
    }
    assert_eq!(heard, asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_filter_as_the_server_does_and_show_where_a_filter_is_wrong() {
    let world = World::start(Backend::Sqlite).await;
    story(&world).await;
    let mia = Person::of(&world, "mia", &["admin"], &["reviewers"]).await;
    let ids = |text: String| -> Vec<String> {
        let page: Page<RequestView> = serde_json::from_str(&text).unwrap();
        page.items.into_iter().map(|view| view.id).collect()
    };
    for filter in REQUESTS {
        let query = RequestsQuery {
            q: Some(filter.replace("@me", "mia")),
            ..RequestsQuery::default()
        };
        let expected = world.admin().requests(&query).await.unwrap().items;
        let expected: Vec<String> = expected.into_iter().map(|view| view.id).collect();
        let found = mia.does(&["requests", "--json", "--filter", filter]).await;
        assert_eq!(ids(found), expected, "{filter}");
    }
    let events = mia
        .does(&[
            "audit",
            "--json",
            "--filter",
            "-event:auth.* user:ada is:denied",
        ])
        .await;
    let events: Vec<EventView> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(events.is_empty());
    let grants = mia.does(&["grants", "--filter", "env:none"]).await;
    assert_eq!(grants.trim(), "no open grants");
    let wrong = mia
        .run(&["requests", "--filter", "is:pending usr:ada refund"])
        .await;
    assert_eq!(wrong.code, 2);
    insta::assert_snapshot!(wrong.err);
}
