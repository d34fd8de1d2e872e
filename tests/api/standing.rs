//! Standing access on a real PostgreSQL: found, settled by those who may, and shown again when it grows.

use portcullis::client::Client;
use portcullis::domain::standing::StandingState;
use portcullis::wire::{StandingImport, StandingView, StandingWord};
use sqlx::Executor as _;
use sqlx::postgres::PgConnection;

use super::refused;
use crate::support::node::orders_db;
use crate::support::postgres::Cluster;
use crate::support::world::{Backend, CATALOGUE, World, key};

/// A world with `orders-db` on a server of its own, where others make a mess.
struct Mess {
    world: World,
    server: PgConnection,
    _cluster: Cluster,
    _folder: tempfile::TempDir,
}

impl Mess {
    async fn new(backend: Backend) -> Self {
        let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::start(&[]));
        let database = cluster.database().await;
        let mut server = database.connect().await;
        server
            .execute(
                "create role dba nologin;
                 create role \"Mallory \u{202e}\" superuser login;
                 create role old_backup login in role dba;
                 create role over_long_ago login valid until '2001-01-01';
                 create role pcl_0other_0123456789 login valid until '2999-01-01'",
            )
            .await
            .unwrap();
        let catalogue = orders_db(&cluster, &database.name, &folder.path().join("password"));
        let world = World::with_targets(backend, &format!("{CATALOGUE}\n{catalogue}")).await;
        world.gate().reconcile().await;
        Self {
            world,
            server,
            _cluster: cluster,
            _folder: folder,
        }
    }

    async fn look_again(&self) -> Vec<StandingView> {
        self.world.gate().reconcile().await;
        seen(self.world.admin(), false).await
    }
}

async fn seen(who: &Client, all: bool) -> Vec<StandingView> {
    let mut items = who
        .standing_access(if all { &StandingState::ALL } else { &[] }, None, None)
        .await
        .unwrap()
        .items;
    items.sort_by(|one, other| one.subject.cmp(&other.subject));
    items
}

fn word() -> StandingWord {
    StandingWord {
        reason: "nightly backup, CHG-77".to_owned(),
    }
}

/// Who, what they may, and in which state.
fn told(items: &[StandingView]) -> Vec<(String, String, String)> {
    let one = |view: &StandingView| {
        (
            view.subject.clone(),
            view.rights.join("; "),
            view.state.clone(),
        )
    };
    items.iter().map(one).collect()
}

fn row(subject: &str, rights: &str, state: &str) -> (String, String, String) {
    (subject.to_owned(), rights.to_owned(), state.to_owned())
}

/// As `on_both`, with a mess.
macro_rules! on_both_with_a_mess {
    ($(#[$meta:meta])* async fn $name:ident($mess:ident: Mess) $body:block) => {
        mod $name {
            use super::*;

            async fn body($mess: Mess) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                body(Mess::new(Backend::Sqlite).await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                body(Mess::new(Backend::Postgres).await).await;
            }
        }
    };
}

on_both_with_a_mess! {
    /// Neither what is over nor the grants of another installation nor the user that Portcullis has itself.
    async fn what_lets_somebody_in_without_a_grant_is_found(mess: Mess) {
        let items = seen(mess.world.admin(), false).await;
        assert_eq!(told(&items), [
            row("Mallory \u{202e}", "is superuser; may log in", "open"),
            row("old_backup", "is a member of `dba`; may log in", "open"),
        ]);
        assert!(items.iter().all(|item| item.target == "orders-db" && item.kind == "account"));
        assert_eq!(mess.world.events(&["standing.found"]).await, [2]);
        assert_eq!(mess.look_again().await.len(), 2, "and once");
        assert_eq!(mess.world.events(&["standing.found"]).await, [2]);
    }
}

on_both_with_a_mess! {
    async fn what_is_ignored_is_open_again_when_it_grows(mess: Mess) {
        let mut mess = mess;
        let admin = mess.world.admin();
        let backup = seen(admin, false).await.remove(1);
        let ignored = admin.ignore_standing(&backup.id, backup.version, &word(), &key()).await.unwrap();
        assert_eq!((ignored.state.as_str(), ignored.said_by.as_deref()), ("ignored", Some("root")));
        assert_eq!(mess.look_again().await.len(), 1);
        mess.server.execute("alter role old_backup createrole").await.unwrap();
        let open = mess.look_again().await;
        assert_eq!(told(&open)[1], row("old_backup", "is a member of `dba`; may log in; may make roles", "open"));
        mess.server.execute("drop role old_backup").await.unwrap();
        assert_eq!(mess.look_again().await.len(), 1);
        let all = seen(mess.world.admin(), true).await;
        assert_eq!(told(&all)[1].2, "gone");
        let codes = ["standing.ignored", "standing.changed", "standing.gone"];
        assert_eq!(mess.world.events(&codes).await, [1, 1, 1]);
    }
}

on_both_with_a_mess! {
    async fn somebody_answers_for_it_until_a_date(mess: Mess) {
        let (admin, ada) = (mess.world.admin(), mess.world.engineer("ada").await);
        let backup = seen(admin, false).await.remove(1);
        let import = |owner: &str, duration: &str| StandingImport {
            owner: owner.to_owned(),
            duration: duration.to_owned(),
            reason: "moves to grants, CHG-78".to_owned(),
        };
        for (owner, duration, code) in [
            ("nobody", "30d", "not-found"),
            ("ada", "31d", "bad-input"),
            ("ada", "soon", "bad-input"),
        ] {
            let called = admin.import_standing(&backup.id, backup.version, &import(owner, duration), &key()).await;
            assert_eq!(refused(called), code);
        }
        let imported = admin.import_standing(&backup.id, backup.version, &import("ada", "30d"), &key()).await.unwrap();
        assert_eq!((imported.state.as_str(), imported.owner.as_deref()), ("imported", Some("ada")));
        assert!(imported.until.is_some());
        let again = admin.ignore_standing(&backup.id, backup.version, &word(), &key()).await;
        assert_eq!(refused(again), "conflict");
        let reopened = admin.reopen_standing(&backup.id, imported.version, &word(), &key()).await.unwrap();
        assert_eq!((reopened.state.as_str(), reopened.owner), ("open", None));
        let twice = admin.reopen_standing(&backup.id, reopened.version, &word(), &key()).await;
        assert_eq!(refused(twice), "standing-open");
        assert_eq!(refused(ada.standing_access(&[], None, None).await), "not-allowed");
    }
}

on_both_with_a_mess! {
    async fn who_reads_settles_nothing_and_who_is_for_other_targets_sees_nothing(mess: Mess) {
        let backup = seen(mess.world.admin(), false).await.remove(1);
        let auditor = mess.world.person("otto", &["auditor"], &[]).await;
        assert_eq!(seen(&auditor, false).await.len(), 2);
        let called = auditor.ignore_standing(&backup.id, backup.version, &word(), &key()).await;
        assert_eq!(refused(called), "not-allowed");
        let elsewhere = mess.world.person("elsa", &["reviewer@env:nowhere"], &[]).await;
        assert_eq!(seen(&elsewhere, false).await, []);
        assert_eq!(refused(elsewhere.one_standing_access(&backup.id).await), "not-found");
        let called = elsewhere.ignore_standing(&backup.id, backup.version, &word(), &key()).await;
        assert_eq!(refused(called), "not-found");
    }
}
