//! Rows that somebody changed in the database without an event: the log tells the life of every grant, and each
//! difference is named.

use chrono::TimeDelta;
use portcullis::wire::Revocation;

use crate::support::person::Person;
use crate::support::world::{Backend, World, key, on_both};

const COLUMNS: &str = "request_id, holder_id, holder_name, target, role, reason, state, duration, max_total, not_before, starts_at, expires_at, max_expires_at, close_kind, close_reason, closed_by_id, closed_by_name, attempts, last_error, extensions, epoch, credential_ends_at, created_at, ended_at, version";

on_both! {
    async fn a_grant_whose_row_is_not_what_the_log_says_is_named(world: World, clock by hand) {
        let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
        let gone = world.granted(&world.engineer("ada").await).await;
        let live = world.granted(&world.engineer("ben").await).await;
        let revocation = Revocation { reason: "leaving".to_owned() };
        world.admin().revoke(&gone.id, gone.version, &revocation, &key()).await.unwrap();
        world.grant_in(&gone.id, &["revoked"]).await;
        world.pass(TimeDelta::minutes(2));
        assert_eq!(vera.json(&["audit", "verify"]).await["grants"], 2);
        assert!(vera.does(&["audit", "verify"]).await.contains("2 grants are what the record says of them"));
        let (gone, live) = (gone.id, live.id);
        let on = |id: &str, set: &str| format!("update grants set {set} where id = '{id}'");
        let tampered = [
            (on(&live, "expires_at = expires_at + 3600000"), on(&live, "expires_at = expires_at - 3600000"), "the end of grant"),
            (on(&live, "holder_name = 'eve'"), on(&live, "holder_name = 'ben'"), "the holder of grant"),
            (on(&live, "role = 'admin'"), on(&live, "role = 'readonly'"), "the role of grant"),
            (on(&live, "extensions = 3"), on(&live, "extensions = 0"), "the extensions of grant"),
            (on(&live, "version = version + 1"), on(&live, "version = version - 1"), "the version of grant"),
            (on(&live, "state = 'ended'"), on(&live, "state = 'active'"), "the state of grant"),
            (on(&gone, "close_kind = 'end'"), on(&gone, "close_kind = 'revoke'"), "the way of closing of grant"),
            (on(&gone, "closed_by_name = 'eve'"), on(&gone, "closed_by_name = 'root'"), "the closer of grant"),
            (on(&gone, "ended_at = ended_at - 60000"), on(&gone, "ended_at = ended_at + 60000"), "the end of access of grant"),
            (
                format!("insert into grants (id, {COLUMNS}) select 'G-0000000009', {COLUMNS} from grants where id = '{gone}'"),
                "delete from grants where id = 'G-0000000009'".to_owned(),
                "no entry of the log made it",
            ),
            (
                format!("create table taken as select * from grants where id = '{gone}'; delete from grants where id = '{gone}'"),
                format!("insert into grants (id, {COLUMNS}) select id, {COLUMNS} from taken; drop table taken"),
                "is not in the database, and the log has it, last in entry ",
            ),
        ];
        for (tamper, restore, what) in tampered {
            world.execute(&tamper).await;
            let ran = vera.run(&["audit", "verify"]).await;
            assert_eq!(ran.code, 1, "{tamper}: {ran:?}");
            assert!(ran.err.contains(what), "{tamper}: {ran:?}");
            world.execute(&restore).await;
        }
        vera.does(&["audit", "verify"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_beside_an_exported_log_are_compared_with_it() {
    let world = World::with_clock(Backend::Sqlite).await;
    let vera = Person::of(&world, "vera", &["auditor"], &[]).await;
    let grant = world.granted(&world.engineer("ada").await).await.id;
    world.granted(&world.engineer("ben").await).await;
    world.pass(TimeDelta::minutes(2));
    let folder = vera.home().join("export");
    vera.does(&["audit", "export", folder.to_str().unwrap()])
        .await;
    let key = std::fs::read_to_string(folder.join("key")).unwrap();
    let verify = [
        "audit",
        "verify",
        folder.to_str().unwrap(),
        "--key",
        key.trim(),
        "--json",
    ];
    assert!(vera.does(&verify).await.contains("\"grants\":2"));
    let file = folder.join("grants");
    let whole = std::fs::read_to_string(&file).unwrap();
    let line = whole.lines().find(|line| line.contains(&grant)).unwrap();
    let tampered = [
        (
            whole.replacen("\"state\":\"active\"", "\"state\":\"ended\"", 1),
            "grant-differs",
        ),
        (
            whole.replacen("\"version\":3", "\"version\":9", 1),
            "grant-differs",
        ),
        (whole.replace(&format!("{line}\n"), ""), "grant-gone"),
        (
            format!("{whole}{}\n", line.replace(&grant, "G-0000000009")),
            "grant-unknown",
        ),
    ];
    for (text, code) in tampered {
        assert_ne!(text, whole, "{code}");
        std::fs::write(&file, text).unwrap();
        let ran = vera.run(&verify).await;
        assert!(ran.code == 1 && ran.err.contains(code), "{code}: {ran:?}");
    }
    // A log alone can still be checked, and says what it could not be compared with.
    std::fs::remove_file(&file).unwrap();
    let ran = vera.run(&verify[..5]).await;
    assert!(
        ran.code == 0 && ran.out.contains("there are no grants beside it"),
        "{ran:?}"
    );
}
