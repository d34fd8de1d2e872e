//! The end of a grant on a target that does not always answer: its receipt, step by step.

use chrono::TimeDelta;
use portcullis::client::{Client, ClientError};
use portcullis::domain::grant::OVERDUE;
use portcullis::wire::{GrantView, OverrideWord, ReceiptView};

use super::refused;
use crate::support::vpn::Vpn;
use crate::support::world::{Backend, key};

fn word() -> OverrideWord {
    OverrideWord {
        reason: "host scrapped, CHG-77".to_owned(),
    }
}

/// As a person would, who looks again where an attempt came in between.
async fn part(
    who: &Client,
    grant: &GrantView,
    call: impl AsyncFn(i64) -> Result<GrantView, ClientError>,
) -> Result<GrantView, ClientError> {
    for _ in 0..10 {
        let seen = who.grant(&grant.id).await?;
        match call(seen.version).await {
            Err(error) if error.code() == Some("conflict") => {}
            other => return other,
        }
    }
    panic!("it changes all the time")
}

async fn propose(who: &Client, grant: &GrantView) -> Result<GrantView, ClientError> {
    let call = async |version| {
        who.propose_override(&grant.id, version, &word(), &key())
            .await
    };
    part(who, grant, call).await
}

async fn confirm(who: &Client, grant: &GrantView) -> Result<GrantView, ClientError> {
    let call = async |version| {
        who.confirm_override(&grant.id, version, &word(), &key())
            .await
    };
    part(who, grant, call).await
}

fn kinds(receipt: &ReceiptView) -> Vec<&str> {
    receipt
        .steps
        .iter()
        .map(|step| step.kind.as_str())
        .collect()
}

/// Runs one body on both databases.
macro_rules! on_both_with_a_vpn {
    ($(async fn $name:ident($vpn:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body($vpn: Vpn) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                body(Vpn::new(Backend::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                body(Vpn::new(Backend::Postgres).await).await;
            }
        }
    )*};
}

on_both_with_a_vpn! {
    async fn the_receipt_has_every_step_with_its_time_also_of_attempts_that_failed(vpn) {
        let ada = vpn.world.engineer("ada").await;
        let stuck = vpn.stuck(&ada).await;
        let began = ada.receipt(&stuck.id).await.unwrap();
        assert_eq!(kinds(&began)[..4], ["asked", "blocked", "acknowledged", "failed"]);
        let (asked, done, failed) = (&began.steps[0], &began.steps[2], &began.steps[3]);
        assert_eq!((asked.what.as_str(), asked.reason.as_deref()), ("root takes it away", Some("laptop stolen")));
        assert!(done.what.starts_with("ran `") && done.attempt == Some(1), "{done:?}");
        assert_eq!((failed.attempt, failed.what.contains("the VPN cannot be reached")), (Some(1), true));
        assert!(began.next_attempt_at.is_some_and(|at| at > failed.at));
        assert_eq!((began.state.as_str(), began.ended_at), ("closing", None));

        let gone = vpn.answers(&stuck).await;
        assert_eq!(gone.state, "revoked");
        let whole = vpn.world.admin().receipt(&stuck.id).await.unwrap();
        assert!(kinds(&whole).ends_with(&["acknowledged", "acknowledged", "ended"]), "{whole:?}");
        assert!(whole.steps.iter().any(|step| step.what.starts_with("read back:")));
        assert!(whole.steps.windows(2).all(|two| two[0].at <= two[1].at));
        assert_eq!((whole.attempts, whole.next_attempt_at, whole.left_out), (gone.attempts, None, false));
        let last = whole.steps.last().unwrap();
        assert_eq!((Some(last.at), last.what.as_str()), (whole.ended_at, "revoked, confirmed by the target"));
    }

    async fn an_ending_that_fails_for_long_is_told_from_both_ends(vpn) {
        let ada = vpn.world.engineer("ada").await;
        let stuck = vpn.stuck(&ada).await;
        let told = stuck.id.parse().unwrap();
        let codes = portcullis::domain::grant::told::CODES;
        let mut tx = vpn.world.gate().store().read().await.unwrap();
        let (all, left_out) = tx.ending_of(&told, &codes, 40).await.unwrap();
        drop(tx);
        assert!(all.len() >= 2 && !left_out);
        let often = async || {
            vpn.world.pass(TimeDelta::seconds(60));
            let grant = ada.grant(&stuck.id).await.unwrap();
            (grant.attempts >= 5).then_some(())
        };
        vpn.world.until("it was tried five times", often).await;
        vpn.world.audit().await;
        let mut tx = vpn.world.gate().store().read().await.unwrap();
        let (some, left_out) = tx.ending_of(&told, &codes, 2).await.unwrap();
        assert!(left_out && some.len() >= 4, "{some:?}");
        assert_eq!(some[0].event.code.as_str(), "grant.closing");
    }

    async fn an_end_that_is_not_confirmed_is_counted_and_listed_until_it_is_gone(vpn) {
        let ada = vpn.world.engineer("ada").await;
        let stuck = vpn.stuck(&ada).await;
        assert_eq!((vpn.counted().await, vpn.listed().await), (0, Vec::new()));
        assert!(!ada.receipt(&stuck.id).await.unwrap().overdue);
        // Each attempt puts off the next one, and never this.
        for attempts in 2..5 {
            vpn.world.pass(TimeDelta::seconds(61));
            let tried = async || {
                vpn.world.pass(TimeDelta::seconds(1));
                (ada.grant(&stuck.id).await.unwrap().attempts >= attempts).then_some(())
            };
            vpn.world.until("it was tried again", tried).await;
            assert_eq!((vpn.counted().await, vpn.listed().await), (1, vec![stuck.id.clone()]));
        }
        assert!(ada.receipt(&stuck.id).await.unwrap().overdue);
        let gone = vpn.answers(&stuck).await;
        assert_eq!((gone.overdue_at, vpn.counted().await, vpn.listed().await), (None, 0, Vec::new()));
    }

    async fn two_admins_let_it_count_as_ended_and_the_mark_stays(vpn) {
        let (world, ada) = (&vpn.world, vpn.world.engineer("ada").await);
        let kim = world.person("kim", &["admin"], &[]).await;
        let stuck = vpn.stuck(&ada).await;
        assert_eq!(refused(propose(world.admin(), &stuck).await), "not-overdue");
        world.pass(OVERDUE);
        assert_eq!(refused(propose(&ada, &stuck).await), "not-allowed");
        assert_eq!(refused(confirm(&kim, &stuck).await), "override-not-proposed");
        let proposed = propose(world.admin(), &stuck).await.unwrap();
        assert_eq!(proposed.state, "closing");
        let said = proposed.overriding.unwrap();
        assert_eq!((said.proposed_by.as_str(), said.confirmed_by), ("root", None));
        assert_eq!(refused(confirm(world.admin(), &stuck).await), "override-own-proposal");
        assert_eq!(refused(propose(&kim, &stuck).await), "override-proposed");
        let old = kim.confirm_override(&stuck.id, 1, &word(), &key()).await;
        assert_eq!(refused(old), "conflict");
        let over = confirm(&kim, &stuck).await.unwrap();
        assert_eq!((over.state.as_str(), over.overdue_at), ("revoked", None));
        let said = over.overriding.unwrap();
        assert_eq!((said.proposed_by.as_str(), said.confirmed_by.as_deref()), ("root", Some("kim")));
        assert_eq!(refused(confirm(&kim, &stuck).await), "not-overdue");

        let receipt = ada.receipt(&stuck.id).await.unwrap();
        assert_eq!(kinds(&receipt).last(), Some(&"overridden"), "{receipt:?}");
        let said = receipt.steps.iter().filter(|step| ["proposed", "overridden"].contains(&step.kind.as_str()));
        let said: Vec<_> = said.map(|step| (step.kind.as_str(), step.reason.as_deref())).collect();
        assert_eq!(said, [("proposed", Some("host scrapped, CHG-77")), ("overridden", Some("host scrapped, CHG-77"))]);
        assert!(!kinds(&receipt).contains(&"ended"), "nobody says that the target confirmed");
        assert_eq!(world.events(&["grant.override_proposed", "grant.overridden", "grant.revoked"]).await, [1, 1, 0]);
        assert_eq!((vpn.counted().await, world.number("select count(*) from outbox").await), (0, 0));

        // What the program still lists is found and removed like everything that no grant backs.
        vpn.leave_behind();
        std::fs::remove_file(vpn.silent()).unwrap();
        world.gate().reconcile().await;
        assert_eq!(world.events(&["target.orphan_removed"]).await, [1]);
        let receipt = ada.receipt(&stuck.id).await.unwrap();
        assert_eq!(kinds(&receipt).last(), Some(&"found"));
        assert_eq!(ada.grant(&stuck.id).await.unwrap().state, "revoked");
    }

    async fn a_proposal_that_nobody_confirms_within_an_hour_is_over(vpn) {
        let (world, ada) = (&vpn.world, vpn.world.engineer("ada").await);
        let kim = world.person("kim", &["admin"], &[]).await;
        let stuck = vpn.stuck(&ada).await;
        world.pass(OVERDUE);
        propose(world.admin(), &stuck).await.unwrap();
        world.pass(TimeDelta::hours(1));
        assert_eq!(refused(confirm(&kim, &stuck).await), "override-not-proposed");
        assert_eq!(ada.grant(&stuck.id).await.unwrap().overriding, None);
        propose(&kim, &stuck).await.unwrap();
        assert_eq!(confirm(world.admin(), &stuck).await.unwrap().state, "revoked");
    }

    async fn only_who_may_see_a_grant_sees_its_receipt(vpn) {
        let (ada, ben) = (vpn.world.engineer("ada").await, vpn.world.engineer("ben").await);
        let grant = vpn.granted(&ada).await;
        let receipt = ada.receipt(&grant.id).await.unwrap();
        assert_eq!((receipt.steps, receipt.state.as_str()), (Vec::new(), "active"));
        assert_eq!(refused(ben.receipt(&grant.id).await), "not-found");
        assert_eq!(refused(ada.receipt("G-0000000000").await), "not-found");
    }
}
