//! `connect` on a real PostgreSQL and a real sshd.

use std::os::unix::fs::PermissionsExt as _;

use portcullis::wire::{Approval, GrantView, Revocation};

use crate::support::person::Person;
use crate::support::postgres::{PASSWORD, SUPERUSER, cluster};
use crate::support::sshd::Sshd;
use crate::support::world::{Backend, POLICY, World, key};
use crate::targets::Stand as _;
use crate::targets::ldap::LdapStand;

pub(super) async fn active(world: &World, person: &Person, target: &str) -> GrantView {
    let request = person
        .json(&[
            "request",
            target,
            "readonly",
            "--for",
            "1h",
            "--reason",
            "INC-4127 stuck orders",
        ])
        .await;
    let id = request["id"].as_str().unwrap();
    let version = request["version"].as_i64().unwrap();
    let approved = world
        .admin()
        .approve(id, version, &Approval::default(), &key())
        .await
        .unwrap();
    world.grant_in(&approved.grant.unwrap(), &["active"]).await
}

pub(super) async fn with_postgres() -> (World, tempfile::TempDir) {
    let cluster = cluster();
    let database = cluster.database().await;
    let mut admin = database.connect().await;
    sqlx::raw_sql("create table orders (id int); insert into orders values (1), (2), (3)")
        .execute(&mut admin)
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let catalogue = format!(
        "[target.orders-db]\nkind = \"postgres\"\nhost = \"{}\"\nport = {}\ndatabase = \"{}\"\nuser = \"{SUPERUSER}\"\nsslmode = \"disable\"\npassword_file = \"{}\"\n\
         [target.orders-db.role.readonly]\nmember_of = [\"pg_read_all_data\"]\n",
        cluster.host,
        cluster.port,
        database.name,
        password.display()
    );
    (
        World::with_targets(Backend::Sqlite, &catalogue).await,
        folder,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_reads_and_is_refused_to_write_and_its_status_is_ours() {
    let (world, _folder) = with_postgres().await;
    let ada = Person::engineer(&world, "ada").await;
    let ran = ada.run(&["connect", "orders-db"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.err,
        "error: you have no active grant on `orders-db`\nhint: ask for it: portcullis request orders-db readonly --for 1h --reason \"…\"\n"
    );

    active(&world, &ada, "orders-db").await;
    let ran = ada
        .run(&[
            "connect",
            "orders-db",
            "--",
            "-Atc",
            "select count(*) from orders",
        ])
        .await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "3\n"), "{ran:?}");
    let ran = ada
        .run(&[
            "connect",
            "orders-db",
            "--",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            "delete from orders",
        ])
        .await;
    assert!(
        ran.code != 0 && ran.err.contains("permission denied"),
        "{ran:?}"
    );

    let dsn = ada.does(&["connect", "orders-db", "--print"]).await;
    let output = std::process::Command::new("psql")
        .args([dsn.trim(), "-Atc", "select 1"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n", "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_in_no_argument_of_psql() {
    let (world, _folder) = with_postgres().await;
    let ada = Person::engineer(&world, "ada").await;
    active(&world, &ada, "orders-db").await;
    let credential = ada.json(&["connect", "orders-db"]).await;
    let password = credential["password"].as_str().unwrap();
    let shown = "\\! tr '\\0' '\\n' < /proc/$PPID/cmdline";
    let ran = ada.run(&["connect", "orders-db", "--", "-c", shown]).await;
    assert!(ran.out.contains("psql\n-c\n"), "{ran:?}");
    assert!(!ran.out.contains(password), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_psql_is_said() {
    let (world, _folder) = with_postgres().await;
    let ada = Person::engineer(&world, "ada").await;
    active(&world, &ada, "orders-db").await;
    let output = ada
        .command(&["connect", "orders-db"])
        .env("PATH", "/nonexistent")
        .output()
        .await
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(7), "{err}");
    assert!(
        err.contains("`psql` is not installed on this machine") && err.contains("--print"),
        "{err}"
    );
}

pub(super) async fn with_sshd() -> (World, Sshd) {
    let authority = crate::support::world::authority();
    let sshd = Sshd::start(&authority, &["readonly"]);
    let catalogue = sshd.entry("bastion");
    (
        World::with(Backend::Sqlite, POLICY, &catalogue, None).await,
        sshd,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_gets_in_with_a_certificate_and_leaves_no_key_behind() {
    let (world, sshd) = with_sshd().await;
    let ada = Person::engineer(&world, "ada").await;
    active(&world, &ada, "bastion").await;
    let ran = ada
        .run(&["connect", "bastion", "--", "echo here; exit 3"])
        .await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (3, "here\n"),
        "{ran:?}\n{}",
        sshd.log()
    );
    let left: Vec<_> = std::fs::read_dir(ada.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with("portcullis-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");

    let printed = ada.does(&["connect", "bastion", "--print"]).await;
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("{} echo again", printed.trim())])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "again\n",
        "{printed}{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_ends_the_open_ssh_session_and_says_why() {
    let (world, _sshd) = with_sshd().await;
    let ada = Person::engineer(&world, "ada").await;
    let grant = active(&world, &ada, "bastion").await;
    let mut session = ada.start(&["connect", "bastion", "--", "echo in; sleep 600"]);
    session.says("in").await;
    let revocation = Revocation {
        reason: "incident over".to_owned(),
    };
    world
        .admin()
        .revoke(&grant.id, grant.version, &revocation, &key())
        .await
        .unwrap();
    let ran = session.ends().await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err.contains("was revoked by root: incident over\n"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_cuts_the_open_psql_session_and_says_why() {
    let (world, _folder) = with_postgres().await;
    let ada = Person::engineer(&world, "ada").await;
    let grant = active(&world, &ada, "orders-db").await;
    let query = "select 'in'; select pg_sleep(600)";
    let mut session = ada.start(&[
        "connect",
        "orders-db",
        "--",
        "-At",
        "-c",
        "select 'in'",
        "-c",
        query,
    ]);
    session.says("in").await;
    let revocation = Revocation {
        reason: "incident over".to_owned(),
    };
    world
        .admin()
        .revoke(&grant.id, grant.version, &revocation, &key())
        .await
        .unwrap();
    let ran = session.ends().await;
    assert!(ran.code != 0, "{ran:?}");
    assert!(
        ran.err.contains("was revoked by root: incident over\n"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_gives_no_secret_and_two_grants_do_not_end_each_other() {
    let stand = LdapStand::set_up().await;
    let world = World::with(Backend::Sqlite, POLICY, &stand.catalogue(), None).await;
    let ada = Person::engineer(&world, "ada").await;
    let listed = ada.does(&["request", "--list"]).await;
    assert!(
        listed.contains("staff") && listed.contains(" C "),
        "{listed}"
    );
    let first = active(&world, &ada, "staff").await;
    let said = ada.does(&["connect", "staff"]).await;
    assert!(
        said.starts_with("`ada` is a member of `cn=readers,ou=groups,dc=example,dc=com` until ")
            && said.ends_with(": use your own account\n"),
        "{said}"
    );
    assert_eq!(ada.json(&["connect", "staff"]).await["kind"], "own_account");
    let ran = ada.run(&["connect", "staff", "--", "whoami"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("there is nothing to run on `staff`"),
        "{ran:?}"
    );

    let second = active(&world, &ada, "staff").await;
    let revocation = Revocation {
        reason: "incident over".to_owned(),
    };
    let admin = world.admin();
    admin
        .revoke(&first.id, first.version, &revocation, &key())
        .await
        .unwrap();
    world.grant_in(&first.id, &["revoked"]).await;
    assert!(stand.lets_ada_in().await, "the second grant is live");
    ada.does(&["return", &second.id]).await;
    world.grant_in(&second.id, &["returned"]).await;
    assert!(!stand.lets_ada_in().await);
    assert_eq!(stand.traces().await, [""; 0]);
}
