//! What people want of notices: shown and chosen with the command, and kept to.

use chrono::TimeDelta;
use portcullis::cli::understands;
use portcullis::client::RequestsQuery;
use portcullis::domain::notice::{Happened, Kind, Notice};
use portcullis::wire::{NoticeWishes, QuietHours};

use super::{arrives, by_mail, later, settled, world};
use crate::support::person::Person;
use crate::support::smtp::Smtp;
use crate::support::world::{Backend, World, key, on_both, submit};

on_both! {
    async fn wishes_are_kept_and_wrong_ones_are_refused(world: World) {
        let ada = world.engineer("ada").await;
        let wishes = NoticeWishes {
            off: vec!["active".to_owned()],
            quiet: Some(QuietHours {
                times: "22:00-07:00".to_owned(),
                zone: "Europe/Berlin".to_owned(),
            }),
            ..NoticeWishes::default()
        };
        assert_eq!(ada.notices().await.unwrap().wishes, NoticeWishes::default());
        let chosen = ada.choose_notices(&wishes, &key()).await.unwrap();
        assert_eq!(chosen.wishes, wishes);
        assert_eq!(ada.notices().await.unwrap(), chosen);
        assert_eq!(world.events(&["notice.chosen"]).await, [1]);
        let bad = [
            NoticeWishes { off: vec!["overdue".to_owned()], ..wishes.clone() },
            NoticeWishes { off: vec!["everything".to_owned()], ..wishes.clone() },
            NoticeWishes { channels: Some(vec!["pigeon".to_owned()]), ..wishes.clone() },
            NoticeWishes { address: Some("ada@elsewhere.example".to_owned()), ..wishes.clone() },
            NoticeWishes {
                quiet: Some(QuietHours { times: "22-7".to_owned(), zone: "UTC".to_owned() }),
                ..wishes.clone()
            },
        ];
        for bad in bad {
            ada.choose_notices(&bad, &key()).await.unwrap_err();
        }
        assert_eq!(ada.notices().await.unwrap().wishes, wishes);
        // Of others it says nothing.
        assert_eq!(world.admin().notices().await.unwrap().wishes, NoticeWishes::default());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_hours_end_and_then_it_comes_and_what_is_off_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let world = world(Backend::Sqlite, &by_mail(&smtp, folder.path(), "")).await;
    let rita = world.reviewer("rita").await;
    // The world begins at 08:00 UTC.
    let wishes = NoticeWishes {
        address: Some("rita.smith@example.com".to_owned()),
        off: vec!["handled".to_owned()],
        quiet: Some(QuietHours {
            times: "07:00-09:00".to_owned(),
            zone: "UTC".to_owned(),
        }),
        ..NoticeWishes::default()
    };
    rita.choose_notices(&wishes, &key()).await.unwrap();
    let ada = world.engineer("ada").await;
    submit(&ada).await;
    arrives(&world, &smtp, "root", 1).await;
    settled(&world).await;
    assert_eq!(smtp.mail_to("rita.smith").len(), 0, "it is too early");
    world.pass(TimeDelta::minutes(59));
    settled(&world).await;
    assert_eq!(smtp.mail_to("rita.smith").len(), 0, "it is 08:59");
    later(&world).await;
    let mail = arrives(&world, &smtp, "rita.smith", 1).await;
    assert!(mail[0].text().contains("ada asks for"));
    let request = &ada.requests(&RequestsQuery::default()).await.unwrap().items[0];
    ada.withdraw(&request.id, request.version, &key())
        .await
        .unwrap();
    arrives(&world, &smtp, "root", 2).await;
    later(&world).await;
    settled(&world).await;
    assert_eq!(smtp.mail_to("rita.smith").len(), 1, "she turned that off");
    assert_eq!(smtp.mail_to("rita").len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_shows_and_changes_what_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = Smtp::start();
    let world = world(Backend::Sqlite, &by_mail(&smtp, folder.path(), "")).await;
    let ada = Person::engineer(&world, "ada").await;
    let shown = ada.does(&["notices"]).await;
    assert!(shown.contains("by mail to ada@example.com"), "{shown}");
    assert!(shown.contains("no quiet hours"), "{shown}");
    let set = [
        "notices",
        "set",
        "--quiet",
        "22:00-07:00",
        "--zone",
        "Europe/Berlin",
    ];
    let shown = ada.does(&set).await;
    assert!(
        shown.contains("quiet from 22:00-07:00 in Europe/Berlin"),
        "{shown}"
    );
    ada.does(&["notices", "set", "--off", "active,over"]).await;
    ada.does(&[
        "notices",
        "set",
        "--on",
        "over",
        "--address",
        "a.l@example.com",
    ])
    .await;
    let seen = ada.json(&["notices", "show"]).await;
    assert_eq!(seen["wishes"]["off"], serde_json::json!(["active"]));
    assert_eq!(seen["wishes"]["quiet"]["zone"], "Europe/Berlin");
    assert_eq!(seen["mail"][0]["address"], "a.l@example.com");
    assert_eq!(
        ada.run(&["notices", "set", "--quiet", "late"]).await.code,
        2
    );
    assert_eq!(
        ada.run(&["notices", "set", "--off", "overdue"]).await.code,
        1
    );
}

#[test]
fn every_next_step_is_a_command_that_there_is() {
    let steps = [
        Happened::Waits,
        Happened::EndsSoon,
        Happened::Active,
        Happened::Expired,
        Happened::Overdue,
        Happened::OverrideProposed,
        Happened::BrokeGlass,
    ];
    for happened in steps {
        let notice = Notice {
            kind: Kind::Review,
            happened,
            request: Some("R-0000000001".parse().unwrap()),
            grant: Some("G-0000000001".parse().unwrap()),
            person: None,
            target: Some("orders-db".parse().unwrap()),
            role: None,
            by: None,
            duration: None,
            extends: false,
            until: None,
            at: "2026-11-23T22:00:00Z".parse().unwrap(),
        };
        let command = notice.command().unwrap();
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        assert_eq!(understands(&words), Ok(()), "{command}");
    }
}
