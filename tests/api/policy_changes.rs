//! A changed policy comes into use by the word of an admin, and neither a restart nor another node goes round it.

use portcullis::client::{Client, ClientError, StepUpNeeded};
use portcullis::wire::{NewRequest, PolicyApply, PolicyStatus};

use super::refused;
use crate::support::authenticator::Phone;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, ask, key, submit};

const APPLY: &str = "[step_up]\npolicy_changes = \"apply\"\n";

/// A policy that is stricter about `readonly`, and has one policy more.
fn stricter() -> String {
    let more = "@id(\"freeze\") @because(\"we freeze\") forbid (principal, action, resource) when { context.role == \"admin\" };";
    format!(
        "{}{more}\n",
        POLICY.replacen("@threshold(\"1\")", "@threshold(\"2\")", 1)
    )
}

/// Where a changed policy waits.
async fn careful(backend: Backend) -> World {
    let catalogue = format!("{APPLY}{CATALOGUE}");
    World::with(backend, POLICY, &catalogue, Some(1_800_000_000_000)).await
}

macro_rules! on_each {
    (async fn $name:ident($world:ident: World) $body:block) => {
        mod $name {
            use super::*;

            async fn body($world: World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                body(careful(Backend::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                body(careful(Backend::Postgres).await).await;
            }
        }
    };
}

async fn apply(who: &Client, version: &str, seen: &str) -> Result<PolicyStatus, ClientError> {
    let apply = PolicyApply {
        version: version.to_owned(),
        instead_of: seen.to_owned(),
        reason: "CHG-77 as agreed".to_owned(),
    };
    who.apply_policy(&apply, &key()).await
}

/// The policy that waits, once the server has seen it.
async fn waiting(world: &World) -> String {
    let ask = async || Some(world.admin().policy().await.unwrap().waiting?.version);
    world.until("a policy waits", ask).await
}

on_each! {
    async fn a_changed_policy_waits_until_an_admin_applies_it(world: World) {
        world.reviewer("rob").await;
        let (ada, ben) = (world.engineer("ada").await, world.engineer("ben").await);
        let before = world.admin().policy().await.unwrap();
        assert_eq!((before.changes.as_str(), before.policies, &before.waiting), ("apply", 3, &None));
        world.rewrite("policy.cedar", &stricter());
        world.recorded("policy.waiting", 1).await;
        let status = world.admin().policy().await.unwrap();
        let next = status.waiting.unwrap();
        assert_eq!((next.added, next.removed, next.changed), (vec!["freeze".to_owned()], vec![], vec!["readonly".to_owned()]));
        // It is only a proposal.
        let asked = submit(&ada).await;
        assert_eq!((&asked.policy_version, asked.ways[0].threshold), (&before.version, 1));
        assert_eq!(world.admin().policy_text(&next.version).await.unwrap().text, stricter());
        let after = apply(world.admin(), &next.version, &before.version).await.unwrap();
        assert_eq!((&after.version, after.applied_by.as_deref(), after.waiting), (&next.version, Some("root"), None));
        let asked = submit(&ben).await;
        assert_eq!((&asked.policy_version, asked.ways[0].threshold), (&next.version, 2));
        let log = world.audit().await;
        let applied = log.iter().find(|event| event.event == "policy.applied" && event.actor.name == "root").unwrap();
        assert_eq!(applied.reason.as_deref(), Some("CHG-77 as agreed"));
        assert_eq!(applied.details["from"], *before.version);
        assert_eq!(applied.details["to"], *next.version);
        assert_eq!(applied.details["added"], serde_json::json!(["freeze"]));
    }
}

on_each! {
    async fn applying_needs_a_second_factor_for_exactly_this_policy(world: World) {
        let mut world = world;
        world.require_step_up().await;
        let phone = Phone::of(&world, world.admin()).await;
        let before = world.admin().policy().await.unwrap().version;
        world.rewrite("policy.cedar", &stricter());
        let next = waiting(&world).await;
        world.recorded("policy.waiting", 1).await;
        world.rewrite("policy.cedar", &stricter().replace("we freeze", "we all freeze"));
        let other = world.until("another policy waits", async || Some(waiting(&world).await).filter(|found| *found != next)).await;
        world.recorded("policy.waiting", 2).await;
        let needed = match apply(world.admin(), &next, &before).await.unwrap_err() {
            ClientError::Problem(problem) => StepUpNeeded::of(&problem).unwrap(),
            found => panic!("{found:?}"),
        };
        let proof = world.admin().step_up(vec![needed.digest], phone.next(&world).await).await.unwrap();
        let proved = world.admin().clone().with_proof(proof);
        assert_eq!(refused(apply(&proved, &other, &before).await), "step-up-required");
        assert_eq!(world.admin().policy().await.unwrap().version, before);
        assert_eq!(apply(&proved, &next, &before).await.unwrap().version, next);
        let log = world.audit().await;
        let applied = log.iter().find(|event| event.event == "policy.applied" && event.actor.name == "root").unwrap();
        assert_eq!(applied.details["second_factor"], "totp");
    }
}

on_each! {
    async fn a_restart_does_not_go_round_the_word_of_an_admin(world: World) {
        let mut world = world;
        let before = world.admin().policy().await.unwrap().version;
        world.stop().await;
        std::fs::write(world.folder().join("policy.cedar"), stricter()).unwrap();
        world.restart().await;
        let rules = world.gate().rules();
        assert_eq!(rules.current().policy.version(), before);
        let next = rules.waiting().unwrap().version().to_owned();
        // It is reported once, however often the server starts.
        world.restart().await;
        let reported = "code = 'policy.waiting'";
        assert_eq!(world.on_record(reported).await, 1);
        let rules = world.gate().rules();
        assert_eq!((rules.current().policy.version(), rules.waiting().unwrap().version()), (before.as_str(), next.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_has_the_policy_that_was_applied_whatever_its_file_says() {
    let world = careful(Backend::Postgres).await;
    let before = world.admin().policy().await.unwrap().version;
    let mut other = world.another_node().await;
    other.rewrite("policy.cedar", &stricter());
    let of_file = || {
        let waiting = other.gate().rules().waiting()?;
        Some(waiting.version().to_owned())
    };
    let next = of_file().unwrap();
    assert_eq!(other.gate().rules().current().policy.version(), before);
    world.recorded("policy.waiting", 1).await;
    // What waits on one node can be applied on another.
    apply(world.admin(), &next, &before).await.unwrap();
    world
        .until("the other node follows", async || {
            (other.gate().rules().current().policy.version() == next).then_some(())
        })
        .await;
    assert_eq!(of_file(), None);
    // Here the file still has the old one.
    world.recorded("policy.waiting", 2).await;
    assert_eq!(waiting(&world).await, before);
    other.stop().await;
}

on_each! {
    async fn an_earlier_policy_comes_back_and_what_somebody_else_changed_meanwhile_is_not_overrun(world: World) {
        let first = world.admin().policy().await.unwrap().version;
        world.rewrite("policy.cedar", &stricter());
        let second = waiting(&world).await;
        world.recorded("policy.waiting", 1).await;
        assert_eq!(refused(apply(world.admin(), &first, &first).await), "policy-in-use");
        assert_eq!(refused(apply(world.admin(), &second, &second).await), "conflict");
        assert_eq!(refused(apply(world.admin(), "0123456789ab", &first).await), "not-found");
        apply(world.admin(), &second, &first).await.unwrap();
        assert_eq!(refused(apply(world.admin(), &first, &first).await), "conflict");
        assert_eq!(apply(world.admin(), &first, &second).await.unwrap().version, first);
        // The file still says the other one.
        assert_eq!(waiting(&world).await, second);
    }
}

on_each! {
    async fn targets_hold_at_once_while_a_policy_waits_and_so_does_nothing_of_the_policy(world: World) {
        let before = world.admin().policy().await.unwrap();
        let more = CATALOGUE.replace("bastion", "gateway");
        world.rewrite("portcullis.toml", &format!("{APPLY}[policy]\ntime_zone = \"Europe/Berlin\"\n{CATALOGUE}{more}"));
        world.recorded("config.loaded", 1).await;
        let ada = world.engineer("ada").await;
        let asked = ada.submit(&NewRequest { target: "gateway".to_owned(), ..ask() }, &key()).await.unwrap();
        assert_eq!(asked.policy_version, before.version);
        // The same text by another clock is another policy.
        let status = world.admin().policy().await.unwrap();
        let next = status.waiting.unwrap();
        assert_eq!((status.time_zone.as_str(), next.time_zone.as_str()), ("UTC", "Europe/Berlin"));
        world.recorded("policy.waiting", 1).await;
        let after = apply(world.admin(), &next.version, &before.version).await.unwrap();
        assert_eq!((after.time_zone.as_str(), after.waiting), ("Europe/Berlin", None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_files_hold_at_once_a_change_is_on_record_and_nothing_can_be_applied() {
    let world = World::start(Backend::Sqlite).await;
    let before = world.admin().policy().await.unwrap();
    assert_eq!((before.changes.as_str(), before.applied_by), ("file", None));
    world.rewrite("policy.cedar", &stricter());
    world.recorded("policy.applied", 2).await;
    let after = world.admin().policy().await.unwrap();
    assert_ne!(after.version, before.version);
    let refused = refused(apply(world.admin(), &before.version, &after.version).await);
    assert_eq!(refused, "unsupported");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_policy_file_waits_for_nobody() {
    let catalogue = format!("{APPLY}{CATALOGUE}");
    let world = World::with(Backend::Sqlite, "", &catalogue, None).await;
    let ada = world.engineer("ada").await;
    assert_eq!(world.events(&["policy.applied"]).await, [0]);
    assert_eq!(refused(ada.submit(&ask(), &key()).await), "policy-denied");
    world.rewrite("policy.cedar", POLICY);
    world.recorded("policy.applied", 1).await;
    submit(&ada).await;
    world.rewrite("policy.cedar", &stricter());
    waiting(&world).await;
}

on_each! {
    async fn admins_who_apply_at_once_leave_every_node_with_what_was_applied_last(world: World) {
        let first = world.admin().policy().await.unwrap().version;
        world.rewrite("policy.cedar", &stricter());
        let second = waiting(&world).await;
        world.recorded("policy.waiting", 1).await;
        let other = world.person("adam", &["admin"], &[]).await;
        for _ in 0..10 {
            let there = async { apply(&other, &second, &first).await.is_ok() };
            let back = async {
                // As soon as it is there somebody takes it back.
                world.until("it is taken back", async || apply(world.admin(), &first, &second).await.ok()).await;
            };
            assert!(tokio::join!(there, back).0);
            assert_eq!(world.gate().rules().current().policy.version(), first);
        }
    }
}
