//! What hosts say of themselves: who may say it, what becomes of it, and who is silent.

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::client::{Channel, Client, Session};
use portcullis::domain::standing::StandingState;
use portcullis::secret::Secret;
use portcullis::wire::{HostKey, HostReport, NewService, StandingView, StandingWord, UnreadKeys};
use reqwest::Method;
use serde_json::json;

use super::refused;
use crate::support::node::orders_db;
use crate::support::postgres::cluster;
use crate::support::world::{Backend, CATALOGUE, World, key, on_both};

async fn machine(world: &World, name: &str, scopes: &[&str]) -> Client {
    let new = NewService {
        name: name.to_owned(),
        owner: "root".to_owned(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        groups: Vec::new(),
        expires: "30d".to_owned(),
    };
    let token = world.admin().create_service(&new, &key()).await.unwrap();
    let session = Session::of_service(&world.url().parse().unwrap(), Secret::new(token.token));
    Client::new(session, Channel::Cli).unwrap()
}

fn print(letter: char) -> String {
    format!("SHA256:{}", letter.to_string().repeat(43))
}

fn host_key(account: &str, letter: char) -> HostKey {
    HostKey {
        account: Some(account.to_owned()),
        fingerprint: print(letter),
        algorithm: "ssh-ed25519".to_owned(),
        authority: false,
        options: Vec::new(),
        comment: format!("{account}@laptop"),
        file: format!("/home/{account}/.ssh/authorized_keys"),
        changed_at: Some(day("2026-01-02T03:04:05Z")),
    }
}

fn day(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn report(keys: &[HostKey]) -> HostReport {
    HostReport {
        keys: keys.to_vec(),
        ..HostReport::default()
    }
}

async fn seen(world: &World, all: bool) -> Vec<StandingView> {
    let every: &[StandingState] = &StandingState::ALL;
    let states = if all { every } else { &[StandingState::Open] };
    let page = world.admin().standing_access(states, None, None).await;
    let mut items = page.unwrap().items;
    items.sort_by(|one, other| one.subject.cmp(&other.subject));
    items
}

on_both! {
    async fn a_report_is_listed_and_what_is_not_in_the_next_one_is_gone(world: World) {
        let host = machine(&world, "host", &["report:bastion"]).await;
        let mut full = report(&[host_key("ada", 'a'), host_key("root", 'b')]);
        full.passwords = vec!["ada".to_owned()];
        full.unread = vec![UnreadKeys {
            account: None,
            file: "/opt/keys \u{202e}".to_owned(),
            line: None,
            why: "a program says which keys open it".to_owned(),
        }];
        host.report_standing("bastion", &full, &key()).await.unwrap();
        let items = seen(&world, false).await;
        let subjects: Vec<(&str, &str)> = items.iter().map(|item| (item.kind.as_str(), item.subject.as_str())).collect();
        let (a, b) = (format!("ada {}", print('a')), format!("root {}", print('b')));
        assert_eq!(subjects, [
            ("account", "ada"), ("key", a.as_str()), ("key", "everybody /opt/keys \u{202e}"), ("key", b.as_str()),
        ]);
        assert!(items.iter().all(|item| item.target == "bastion" && item.state == "open"));
        assert_eq!(items[1].rights, ["may log in", "ssh-ed25519 `ada@laptop` in `/home/ada/.ssh/authorized_keys`"]);
        assert_eq!(items[1].since, Some(day("2026-01-02T03:04:05Z")));
        assert_eq!(items[0].since, None);
        // Nobody looks at a host, so nothing is gone because nobody saw it.
        world.gate().reconcile().await;
        assert_eq!(seen(&world, false).await.len(), 4);
        full.keys.pop();
        host.report_standing("bastion", &full, &key()).await.unwrap();
        assert_eq!(seen(&world, false).await.len(), 3);
        assert_eq!(seen(&world, true).await[3].state, "gone");
        let codes = ["standing.found", "standing.gone", "standing.changed"];
        assert_eq!(world.events(&codes).await, [4, 1, 0]);
        let events = world.audit().await;
        let found = events.iter().find(|event| event.event == "standing.found").unwrap();
        assert_eq!(found.actor.name, "host", "who said so is on record");
    }
}

on_both! {
    async fn the_same_report_twice_writes_nothing_new(world: World) {
        let host = machine(&world, "host", &["report:bastion"]).await;
        let full = report(&[host_key("ada", 'a'), host_key("root", 'b')]);
        let once = key();
        host.report_standing("bastion", &full, &once).await.unwrap();
        let (before, items) = (world.audit().await.len(), seen(&world, true).await);
        host.report_standing("bastion", &full, &once).await.unwrap();
        host.report_standing("bastion", &full, &key()).await.unwrap();
        assert_eq!(world.audit().await.len(), before);
        assert_eq!(seen(&world, true).await, items);
        assert_eq!(refused(host.report_standing("bastion", &report(&[]), &once).await), "idempotency-key-reused");
    }
}

on_both! {
    async fn a_key_that_may_more_than_when_it_was_ignored_is_open_again(world: World) {
        let host = machine(&world, "host", &["report:bastion"]).await;
        let mut tied = host_key("ada", 'a');
        tied.options = vec!["from=\"10.0.0.0/8\"".to_owned()];
        host.report_standing("bastion", &report(&[tied]), &key()).await.unwrap();
        let item = seen(&world, false).await.remove(0);
        let word = StandingWord { reason: "nightly backup, CHG-77".to_owned() };
        world.admin().ignore_standing(&item.id, item.version, &word, &key()).await.unwrap();
        assert_eq!(seen(&world, false).await, []);
        host.report_standing("bastion", &report(&[host_key("ada", 'a')]), &key()).await.unwrap();
        assert_eq!(seen(&world, false).await[0].rights[0], "may log in");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reports_but_the_host_itself_and_an_admin() {
    let world = World::start(Backend::Sqlite).await;
    let known = report(&[host_key("ada", 'a')]);
    let host = machine(&world, "host", &["report:bastion"]).await;
    host.report_standing("bastion", &known, &key())
        .await
        .unwrap();
    let others = [
        machine(&world, "other", &["report:bastion2"]).await,
        machine(&world, "scraper", &["metrics", "read", "request:*/*"]).await,
        world.person("olga", &["operator"], &[]).await,
        world.reviewer("rob").await,
        world.engineer("eve").await,
    ];
    for other in others {
        let called = other.report_standing("bastion", &report(&[]), &key()).await;
        assert_eq!(refused(called), "not-allowed");
    }
    assert_eq!(seen(&world, false).await.len(), 1);
    // Nor may the host do anything else.
    assert_eq!(
        refused(host.standing_access(&[], None, None).await),
        "not-allowed"
    );
    assert_eq!(refused(host.targets().await), "not-allowed");
    assert_eq!(
        refused(host.report_standing("bastion2", &known, &key()).await),
        "not-allowed"
    );
    world
        .admin()
        .report_standing("bastion", &report(&[]), &key())
        .await
        .unwrap();
    assert_eq!(seen(&world, false).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_for_what_is_no_host_or_of_what_no_host_says_is_refused() {
    let database = cluster().database().await;
    let folder = tempfile::tempdir().unwrap();
    let orders = orders_db(cluster(), &database.name, &folder.path().join("password"));
    let world = World::with_targets(Backend::Sqlite, &format!("{CATALOGUE}\n{orders}")).await;
    let admin = world.admin();
    let good = report(&[host_key("ada", 'a')]);
    for (target, code) in [("orders-db", "unsupported"), ("nowhere", "unknown-target")] {
        let called = admin.report_standing(target, &good, &key()).await;
        assert_eq!(refused(called), code);
    }
    let mut wrong = host_key("ada", 'a');
    wrong.comment = "\u{1b}[2J".to_owned();
    let many = vec![host_key("ada", 'a'); 501];
    for bad in [report(&[wrong]), report(&many)] {
        let called = admin.report_standing("bastion", &bad, &key()).await;
        assert_eq!(refused(called), "bad-input");
    }
    let http = world.http(admin);
    let path = "/v1/targets/bastion/standing";
    let large = json!({"keys": [], "passwords": ["x".repeat(1024 * 1024)], "unread": []});
    for (body, status) in [
        (large, 413),
        // What is left out might be forgotten: the whole has to be said.
        (json!({}), 400),
        (
            json!({"keys": [], "passwords": [], "unread": [], "more": []}),
            400,
        ),
    ] {
        let call = http.call(Method::PUT, path).key(key().as_str());
        assert_eq!(call.json(&body).send().await.status, status);
    }
    assert_eq!(seen(&world, true).await, []);
}

on_both! {
    async fn a_host_that_falls_silent_is_on_record_and_in_the_list(world: World, clock by hand) {
        let (admin, ada) = (world.admin(), world.engineer("ada").await);
        let reported = |targets: portcullis::wire::Page<portcullis::wire::TargetView>| targets.items[0].reported.clone();
        assert_eq!(reported(admin.targets().await.unwrap()).unwrap().at, None);
        assert_eq!(reported(ada.targets().await.unwrap()), None, "only for those who see standing access");
        world.gate().reconcile().await;
        assert_eq!(world.events(&["target.drifted"]).await, [0], "nobody set it up, so nobody misses it");
        let host = machine(&world, "host", &["report:bastion"]).await;
        host.report_standing("bastion", &report(&[]), &key()).await.unwrap();
        assert!(reported(admin.targets().await.unwrap()).unwrap().at.is_some());
        world.pass(TimeDelta::hours(23));
        world.gate().reconcile().await;
        assert_eq!(world.events(&["target.drifted"]).await, [0]);
        world.pass(TimeDelta::hours(2));
        world.gate().reconcile().await;
        world.gate().reconcile().await;
        assert_eq!(world.events(&["target.drifted"]).await, [1]);
    }
}
