//! Mail through a real server: whom it goes to, what it says, and what happens when the server is gone.

use chrono::TimeDelta;
use portcullis::domain::grant::OVERDUE;
use portcullis::wire::{Approval, Denial, NewBreakGlass, NewRequest, OverrideWord, Revocation};

use super::{arrives, by_mail, later, settled, world};
use crate::api::services::service;
use crate::support::http::Http;
use crate::support::smtp::{Smtp, Taken};
use crate::support::vpn::Vpn;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, ask, key, submit};

async fn a_request_and_its_decision(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let world = world(backend, &by_mail(&smtp, folder.path(), "")).await;
    world.reviewer("rita").await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    for reviewer in ["root", "rita"] {
        let mail = &arrives(&world, &smtp, reviewer, 1).await[0];
        assert!(mail.tls && mail.signed_in);
        assert_eq!(
            mail.header("Subject").unwrap(),
            "Portcullis: ada asks for readonly on bastion for 1h"
        );
        let command = format!("next step: portcullis approve {}", request.id);
        assert!(mail.text().contains(&command), "{}", mail.raw);
        // What somebody typed is not in it, and no address that decides anything.
        assert!(!mail.raw.contains("INC-4127"), "{}", mail.raw);
        assert!(!mail.raw.contains("/v1/"), "{}", mail.raw);
        assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-generated");
    }
    assert_eq!(smtp.mail_to("ada").len(), 0, "nobody is told what they did");
    later(&world).await;
    let approval = Approval::default();
    world
        .admin()
        .approve(&request.id, request.version, &approval, &key())
        .await
        .unwrap();
    let told = &arrives(&world, &smtp, "ada", 1).await[0];
    assert!(
        told.text()
            .contains("root approved your request for readonly on bastion"),
        "{}",
        told.raw
    );
    let handled = &arrives(&world, &smtp, "rita", 2).await[1];
    assert!(
        handled
            .text()
            .contains("root approved ada's request for readonly on bastion"),
        "{}",
        handled.raw
    );
    settled(&world).await;
    assert_eq!(smtp.mail_to("root").len(), 1, "root did it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviewers_hear_of_a_request_and_then_that_it_is_handled_on_sqlite() {
    a_request_and_its_decision(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviewers_hear_of_a_request_and_then_that_it_is_handled_on_postgres() {
    a_request_and_its_decision(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_requests_within_a_minute_are_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let world = world(Backend::Sqlite, &by_mail(&smtp, folder.path(), "")).await;
    submit(&world.engineer("ada").await).await;
    arrives(&world, &smtp, "root", 1).await;
    for name in ["bob", "cyd", "dan"] {
        submit(&world.engineer(name).await).await;
    }
    settled(&world).await;
    assert_eq!(smtp.mail_to("root").len(), 1, "the others wait for company");
    later(&world).await;
    let both = arrives(&world, &smtp, "root", 2).await;
    settled(&world).await;
    assert_eq!(smtp.mail_to("root").len(), 2);
    assert_eq!(both[1].header("Subject").unwrap(), "Portcullis: 3 notices");
    for name in ["bob", "cyd", "dan"] {
        assert!(both[1].text().contains(&format!("{name} asks for")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_told_once_before_it_comes_with_the_command_that_moves_it() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let channels = by_mail(
        &smtp,
        folder.path(),
        "kinds = [\"ends_soon\", \"over\", \"active\"]",
    );
    let world = world(Backend::Sqlite, &channels).await;
    let ada = world.engineer("ada").await;
    let grant = world.granted(&ada).await;
    arrives(&world, &smtp, "ada", 1).await;
    world.pass(TimeDelta::minutes(49));
    settled(&world).await;
    assert_eq!(smtp.mail_to("ada").len(), 1, "eleven minutes are left");
    world.pass(TimeDelta::minutes(2));
    let warned = &arrives(&world, &smtp, "ada", 2).await[1];
    let text = warned.text();
    assert!(text.contains("your readonly on bastion ends at"), "{text}");
    let command = format!("portcullis extend {} --by 30m", grant.id);
    assert!(text.contains(&command), "{text}");
    later(&world).await;
    settled(&world).await;
    assert_eq!(smtp.mail_to("ada").len(), 2, "once for each end");
    let why = Revocation {
        reason: "INC-9 <script>".to_owned(),
    };
    let now = world.admin().grant(&grant.id).await.unwrap();
    world
        .admin()
        .revoke(&grant.id, now.version, &why, &key())
        .await
        .unwrap();
    let over = &arrives(&world, &smtp, "ada", 3).await[2];
    assert!(
        over.text()
            .contains("root took away your readonly on bastion"),
        "{}",
        over.raw
    );
    assert!(!over.raw.contains("script"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn break_glass_does_not_wait_for_company() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let world = world(Backend::Sqlite, &by_mail(&smtp, folder.path(), "")).await;
    let ada = world.engineer("ada").await;
    submit(&ada).await;
    arrives(&world, &smtp, "root", 1).await;
    let glass = NewBreakGlass {
        target: "bastion".to_owned(),
        role: "admin".to_owned(),
        duration: "30m".to_owned(),
        reason: "INC-1 everything burns".to_owned(),
        ticket: None,
    };
    world
        .engineer("bob")
        .await
        .break_glass(&glass, &key())
        .await
        .unwrap();
    // Without turning the clock.
    let mail = &arrives(&world, &smtp, "root", 2).await[1];
    assert!(
        mail.text().contains("bob broke glass for admin on bastion"),
        "{}",
        mail.raw
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_delivered_is_the_same_message_later_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let mut world = world(Backend::Sqlite, &by_mail(&smtp, folder.path(), "")).await;
    smtp.refuse(true);
    submit(&world.engineer("ada").await).await;
    world
        .until("it was refused", async || {
            (smtp.refused() > 0).then_some(())
        })
        .await;
    settled(&world).await;
    // Taken, and the answer never came: only then can it come twice, and it says that it is the same.
    smtp.forget(true);
    smtp.refuse(false);
    world.pass(TimeDelta::seconds(20));
    arrives(&world, &smtp, "root", 1).await;
    world.stop().await;
    smtp.forget(false);
    world.restart().await;
    world.pass(TimeDelta::minutes(2));
    let mail = arrives(&world, &smtp, "root", 2).await;
    let ids: std::collections::BTreeSet<_> =
        mail.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(ids.iter().all(Option::is_some));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_takes_for_a_day_is_given_up_and_that_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let channels = by_mail(&smtp, folder.path(), "kinds = [\"review\"]");
    let world = world(Backend::Sqlite, &channels).await;
    // Whoever signed in is signed out by the time this is over.
    let watcher = service("watcher", "root", &["metrics"], &[]);
    let watcher = world.admin().create_service(&watcher, &key()).await;
    let watcher = Http::nobody(&world.url()).with(&watcher.unwrap().token);
    smtp.refuse(true);
    submit(&world.engineer("ada").await).await;
    world
        .until("it was refused", async || {
            (smtp.refused() > 0).then_some(())
        })
        .await;
    world.pass(TimeDelta::hours(25));
    world.recorded("notice.given_up", 1).await;
    let all = world.audit().await;
    let given_up = all.iter().find(|event| event.event == "notice.given_up");
    let given_up = given_up.unwrap();
    assert_eq!(given_up.principal.as_deref(), Some("root"));
    assert!(given_up.reason.as_ref().unwrap().contains("not now"));
    smtp.refuse(false);
    world.pass(TimeDelta::hours(1));
    settled(&world).await;
    assert_eq!(smtp.mail().len(), 0);
    let figures = watcher.get("/metrics").await.text;
    for line in [
        "portcullis_notices_waiting{channel=\"mail\"} 0",
        "portcullis_notices_total{channel=\"mail\",outcome=\"given_up\"}",
    ] {
        assert!(figures.contains(line), "no {line} in\n{figures}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_nodes_one_tells_and_no_notice_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let channels = by_mail(&smtp, folder.path(), "kinds = [\"review\"]");
    let world = world(Backend::Postgres, &channels).await;
    let second = world.another_node().await;
    let third = second.another_node().await;
    for nth in 0..6 {
        submit(&world.engineer(&format!("ada{nth}")).await).await;
        later(&world).await;
        // A minute that passes while a letter is under way would end its lease, too.
        settled(&world).await;
    }
    let asked = || {
        let mail = smtp.mail_to("root");
        let said: String = mail.iter().map(Taken::text).collect();
        said.matches(" asks for ").count()
    };
    world
        .until("everybody was told of", async || {
            (asked() >= 6).then_some(())
        })
        .await;
    for node in [&world, &second, &third] {
        settled(node).await;
    }
    assert_eq!(asked(), 6, "{:#?}", smtp.mail_to("root"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_people_type_becomes_a_header_a_link_or_a_mention() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let channels = by_mail(
        &smtp,
        folder.path(),
        "subject = \"{person}: {reason}\"\ntext = \"{sentence}\\n{reason}\"",
    );
    let world = world(Backend::Sqlite, &channels).await;
    let hostile = [
        "INC-1\r\nBcc: eve@example.com\r\n\r\n.\r\nMAIL FROM:<eve@example.com>",
        "INC-2 see https://evil.example/approve?yes=1 and www.evil.example",
        "INC-3 \u{202e}Grüße\u{0} =?utf-8?q?=0ABcc=3A_eve?=",
        "INC-3 Grüße =?utf-8?q?=0ABcc=3A_eve?=",
        "INC-4 <b>@channel</b> [click](https://evil.example) {command}",
    ];
    for (nth, reason) in hostile.iter().enumerate() {
        let new = NewRequest {
            reason: (*reason).to_owned(),
            ..ask()
        };
        let who = world.engineer(&format!("ada{nth}")).await;
        // What the request itself does not take comes nowhere.
        let taken = who.submit(&new, &key()).await.is_ok();
        if taken {
            later(&world).await;
            settled(&world).await;
        }
    }
    let all = smtp.mail();
    assert!(all.len() >= 3, "{all:#?}");
    for mail in all {
        assert!(mail.header("Bcc").is_none(), "{}", mail.raw);
        assert!(mail.headers().is_ascii(), "{}", mail.raw);
        assert_eq!(mail.to, "root@example.com");
        assert!(!mail.raw.contains("https://evil"), "{}", mail.raw);
        assert!(!mail.raw.contains("@channel"), "{}", mail.raw);
        assert!(mail.raw.lines().all(|line| line.len() <= 998));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_to_a_server_without_tls_or_with_a_wrong_certificate() {
    for (kind, certificate) in [
        ("plain", "good"),
        ("starttls", "self"),
        ("starttls", "name"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let smtp = Smtp::start_as(kind, certificate);
        let channels = by_mail(&smtp, folder.path(), "");
        let world = world(Backend::Sqlite, &channels).await;
        submit(&world.engineer("ada").await).await;
        world
            .until("it failed", async || {
                let metrics = world.http(world.admin()).get("/metrics").await.text;
                let failed = "portcullis_notices_total{channel=\"mail\",outcome=\"failed\"}";
                metrics.contains(failed).then_some(())
            })
            .await;
        assert_eq!(smtp.mail().len(), 0, "{kind} {certificate}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_decided_before_its_notice_went_out_asks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let world = world(Backend::Sqlite, &by_mail(&smtp, folder.path(), "")).await;
    world.reviewer("rita").await;
    let ada = world.engineer("ada").await;
    submit(&world.engineer("bob").await).await;
    arrives(&world, &smtp, "rita", 1).await;
    // This one waits for company.
    let request = submit(&ada).await;
    settled(&world).await;
    let denial = Denial {
        comment: "not today".to_owned(),
    };
    world
        .admin()
        .deny(&request.id, request.version, &denial, &key())
        .await
        .unwrap();
    settled(&world).await;
    later(&world).await;
    let mail = arrives(&world, &smtp, "rita", 2).await;
    settled(&world).await;
    let text = mail[1].text();
    assert!(text.contains("root denied ada's request"), "{text}");
    assert!(!text.contains("asks for"), "{text}");
    assert_eq!(smtp.mail_to("rita").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_channel_nothing_is_written() {
    let world = World::with(Backend::Sqlite, POLICY, CATALOGUE, None).await;
    submit(&world.engineer("ada").await).await;
    world.audit().await;
    let mut tx = world.gate().store().read().await.unwrap();
    assert_eq!(tx.waiting_notices().await.unwrap(), []);
    assert_eq!(tx.notices_cursor().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admins_hear_of_an_overdue_end_once_and_the_others_of_a_proposed_override() {
    let (folder, smtp) = (tempfile::tempdir().unwrap(), Smtp::start());
    let vpn = Vpn::with(Backend::Sqlite, &by_mail(&smtp, folder.path(), "")).await;
    let (world, ada) = (&vpn.world, vpn.world.engineer("ada").await);
    world.person("kim", &["admin"], &[]).await;
    let stuck = vpn.stuck(&ada).await;
    settled(world).await;
    assert_eq!(
        smtp.mail_to("kim").len(),
        0,
        "it may be confirmed any moment"
    );
    world.pass(OVERDUE);
    settled(world).await;
    let late = &arrives(world, &smtp, "kim", 1).await[0];
    assert!(
        late.text()
            .contains("the end of ada's readonly on vpn is not confirmed by the target"),
        "{}",
        late.raw
    );
    let command = format!("next step: portcullis receipt {}", stuck.id);
    assert!(late.text().contains(&command), "{}", late.raw);
    later(world).await;
    settled(world).await;
    assert_eq!(
        smtp.mail_to("kim").len(),
        1,
        "once, however often it is tried"
    );
    let roots = smtp.mail_to("root").len();
    let said = OverrideWord {
        reason: "host scrapped, CHG-77".to_owned(),
    };
    let admin = world.admin();
    // An attempt may come in between, and is another version.
    let propose = async || {
        let seen = admin.grant(&stuck.id).await.unwrap();
        let key = key();
        let proposed = admin.propose_override(&seen.id, seen.version, &said, &key);
        proposed.await.ok()
    };
    world.until("it is proposed", propose).await;
    let proposed = &arrives(world, &smtp, "kim", 2).await[1];
    assert!(
        proposed
            .text()
            .contains("root proposes that ada's readonly on vpn counts as ended"),
        "{}",
        proposed.raw
    );
    let command = format!("portcullis override {} --confirm", stuck.id);
    assert!(proposed.text().contains(&command), "{}", proposed.raw);
    assert!(
        !proposed.raw.contains("CHG-77"),
        "nothing that somebody typed"
    );
    settled(world).await;
    assert_eq!(smtp.mail_to("root").len(), roots, "root did it");
}
