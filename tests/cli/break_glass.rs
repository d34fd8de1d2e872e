//! Break-glass from the command line: a real role on a real PostgreSQL, the sign-off, and the day of the sealed code.

use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use crate::support::person::Person;
use crate::support::postgres::{Database, PASSWORD, SUPERUSER, cluster};
use crate::support::world::{Backend, GLASS, POLICY, World};

/// A world with one PostgreSQL that engineers may break glass for.
async fn with_postgres() -> (World, Database, tempfile::TempDir) {
    use std::os::unix::fs::PermissionsExt as _;
    let cluster = cluster();
    let database = cluster.database().await;
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
    let policy = format!("{POLICY}{GLASS}");
    let world = World::with(Backend::Sqlite, &policy, &catalogue, None).await;
    (world, database, folder)
}

/// How many login roles a grant has on the target.
async fn roles(database: &Database, grant: &str) -> i64 {
    let digits = grant.trim_start_matches("G-");
    let sql = format!("select count(*) from pg_roles where rolname like 'pcl%{digits}'");
    let row = database.connect().await.fetch_one(AssertSqlSafe(sql)).await;
    row.unwrap().get(0)
}

fn take<'a>(length: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = [
        "break-glass",
        "orders-db",
        "readonly",
        "--for",
        length,
        "--reason",
        "INC-4127 payments are down",
    ];
    words.into_iter().chain(more.iter().copied()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_is_there_at_once_and_gone_at_the_cap() {
    let (world, database, _folder) = with_postgres().await;
    let ada = Person::engineer(&world, "ada").await;
    let rita = Person::of(&world, "rita", &["reviewer"], &["reviewers"]).await;
    let said = ada.does(&take("5s", &["--wait"])).await;
    assert!(
        said.contains("ada broke glass for readonly on orders-db for 5s"),
        "{said}"
    );
    assert!(said.contains("told: root, rita"), "{said}");
    assert!(said.contains("\nactive: G-"), "{said}");
    let used = &ada.json(&["break-glass", "list"]).await["items"][0];
    let (id, grant) = (
        used["id"].as_str().unwrap(),
        used["grant"].as_str().unwrap(),
    );
    // It was made before anybody was asked, and nobody takes it away but its end.
    let made = world.audit().await;
    assert!(made.iter().any(|event| event.event == "grant.activated"));
    world.grant_in(grant, &["ended"]).await;
    assert_eq!(roles(&database, grant).await, 0);
    // Until somebody has looked at it, there is no second one.
    let again = ada.run(&take("5s", &[])).await;
    assert_eq!(again.code, 1, "{again:?}");
    assert_eq!(
        again.err,
        format!(
            "error: your last break-glass `{id}` waits for its sign-off\nhint: ask a reviewer to look at it: `portcullis break-glass show {id}`\n"
        )
    );
    let shown = rita.does(&["break-glass", "show", id]).await;
    assert!(
        shown.contains("skipped") && shown.contains("root, rita"),
        "{shown}"
    );
    assert!(shown.contains("  INC-4127 payments are down"), "{shown}");
    let verdict = ["--justified", "--comment", "looked at the session"];
    let own = ada
        .run(&[&["break-glass", "sign-off", id][..], &verdict].concat())
        .await;
    assert!(own.err.contains("you may not review requests"), "{own:?}");
    let signed = rita
        .does(&[&["break-glass", "sign-off", id][..], &verdict].concat())
        .await;
    assert!(signed.ends_with("justified\n"), "{signed}");
    assert_eq!(
        rita.does(&["break-glass", "list"]).await,
        "nothing waits for a sign-off\n"
    );
    let all = rita
        .does(&["break-glass", "list", "--filter", "is:reviewed user:ada"])
        .await;
    assert!(all.contains(id) && all.contains("justified"), "{all}");
    // The second one is on the target while it lasts.
    let second = ada.json(&take("30m", &[])).await;
    let grant = second["grant"].as_str().unwrap();
    world.grant_in(grant, &["active"]).await;
    assert_eq!(roles(&database, grant).await, 1);
    ada.does(&["return", grant]).await;
    world.grant_in(grant, &["returned"]).await;
    assert_eq!(roles(&database, grant).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_code_signs_in_breaks_glass_and_connects() {
    let (world, _database, _folder) = with_postgres().await;
    let boss = Person::of(&world, "boss", &["admin"], &["reviewers"]).await;
    Person::engineer(&world, "ada").await;
    let made = boss
        .json(&[
            "break-glass",
            "seal",
            "ada",
            "--count",
            "2",
            "--expires",
            "30d",
        ])
        .await;
    let code = |nth: usize| made["codes"][nth]["code"].as_str().unwrap().to_owned();
    // On another machine, where nobody is signed in.
    let ada = Person::at(&world.url());
    let ran = ada
        .run_with(&["login", "--sealed"], &format!("{}\n", code(0)))
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("for break-glass alone"), "{ran:?}");
    let who = ada.json(&["whoami"]).await;
    assert_eq!(who["how"]["method"], "sealed");
    let refused = ada
        .run(&[
            "request",
            "orders-db",
            "readonly",
            "--for",
            "1h",
            "--reason",
            "INC-1 look",
        ])
        .await;
    assert!(
        refused.err.contains("you are signed in with a sealed code"),
        "{refused:?}"
    );
    ada.does(&take("5m", &["--wait"])).await;
    let used = &ada.json(&["break-glass", "list"]).await["items"][0];
    assert_eq!(used["sealed_by"], "boss");
    let grant = used["grant"].as_str().unwrap();
    let dsn = ada.does(&["connect", grant, "--print"]).await;
    assert!(
        dsn.contains("orders-db") || dsn.contains("postgres"),
        "{dsn}"
    );
    ada.does(&["return", grant]).await;
    // Used is used, and what was not can be revoked.
    let again = Person::at(&world.url());
    let ran = again
        .run_with(&["login", "--sealed"], &format!("{}\n", code(0)))
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let id = made["codes"][1]["id"].as_str().unwrap();
    boss.does(&["break-glass", "unseal", id]).await;
    let listed = boss.does(&["break-glass", "codes", "ada"]).await;
    assert!(
        listed.contains("revoked") && listed.contains("used"),
        "{listed}"
    );
    assert!(!listed.contains("pcl_sc_"), "{listed}");
    let ran = again
        .run_with(&["login", "--sealed"], &format!("{}\n", code(1)))
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let empty = again.run_with(&["login", "--sealed"], "\n").await;
    assert_eq!(empty.code, 2, "{empty:?}");
}
