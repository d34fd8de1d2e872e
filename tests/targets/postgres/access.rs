//! What a login role may do, and until when.

use std::os::unix::fs::PermissionsExt as _;

use chrono::TimeDelta;
use portcullis::targets::{Access, Failure};
use sqlx::{AssertSqlSafe, Executor as _};

use super::{Made, PostgresStand, open, reads};
use crate::support::postgres::{Cluster, PASSWORD, cluster, give_to_server};
use crate::targets::{Case, Stand as _};

#[tokio::test]
async fn a_role_may_do_what_it_says_and_nothing_else() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let mut session = stand.session(&case).await;
    assert_eq!(reads(&mut session).await.unwrap(), 1);
    let object = stand.object(&case);
    for refused in [
        "insert into canary values (2)".to_owned(),
        "drop table canary".to_owned(),
        "create role friend".to_owned(),
        "create database mine".to_owned(),
        "select * from pg_authid".to_owned(),
        format!("alter role {object} valid until 'infinity'"),
        format!("alter role {object} connection limit -1"),
        format!("grant {object} to postgres"),
        format!(
            "select * from portcullis_{}.fence",
            stand.environment.installation
        ),
    ] {
        assert!(
            session
                .execute(AssertSqlSafe(refused.as_str()))
                .await
                .is_err(),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn an_extension_moves_the_end_and_keeps_sessions() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let mut session = stand.session(&case).await;
    let later = Access {
        ends_at: case.now + TimeDelta::hours(3),
        ..case.access(2)
    };
    stand.connector.up(later).await.unwrap();
    let seen = stand.connector.observe().await.unwrap().objects;
    assert_eq!(
        seen[0].valid_until.map(|end| end.timestamp()),
        Some(later.ends_at.timestamp())
    );
    assert!(reads(&mut session).await.is_ok());
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert_eq!(
        failure,
        Failure::permanent("a later change of this grant has been made on the target")
    );
}

#[tokio::test]
async fn the_server_itself_refuses_logins_after_the_end() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let soon = Access {
        ends_at: case.now + TimeDelta::seconds(3),
        ..case.access(1)
    };
    stand.connector.up(soon).await.unwrap();
    let login = stand.login(soon).await;
    let began = std::time::Instant::now();
    while open(&login).await.is_ok() {
        assert!(began.elapsed().as_secs() < 10, "it still opens");
    }
    assert!(stand.now().await >= soon.ends_at);
    let failure = stand
        .connector
        .up(Access { epoch: 2, ..soon })
        .await
        .unwrap_err();
    assert_eq!(failure, Failure::permanent("the grant is over"));
}

#[tokio::test]
async fn a_target_with_a_wrong_clock_is_not_opened() {
    let stand = PostgresStand::set_up().await;
    let case = Case::on(&stand).await;
    let skewed = Access {
        now: case.now + TimeDelta::seconds(40),
        ..case.access(1)
    };
    let failure = stand.connector.up(skewed).await.unwrap_err();
    assert!(
        failure
            .message
            .contains("seconds away from that of Portcullis"),
        "{failure}"
    );
    assert!(!failure.permanent);
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test]
async fn the_password_never_reaches_the_server() {
    let own = Cluster::start(&["log_statement=all", "log_min_messages=debug1"]);
    let stand = PostgresStand::on(&own, own.database().await, |_| {}).await;
    let case = Case::on(&stand).await;
    let session = stand.session(&case).await;
    stand.connector.observe().await.unwrap();
    stand.end(&case).await;
    drop(session);
    let login = stand.login(case.access(1)).await;
    let log = own.log();
    assert!(log.contains("portcullis.ask"), "statements are logged");
    // Statements travel as hexadecimal digits.
    let password = login.password.expose();
    let digits = password
        .bytes()
        .fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
    assert!(!log.contains(password) && !log.contains(&digits), "{log}");
    assert!(!log.contains(PASSWORD));
}

#[tokio::test]
async fn an_admin_that_is_no_superuser_is_enough() {
    let stand = PostgresStand::set_up().await;
    let (admin, group) = (
        format!("admin_{}", stand.database.name),
        format!("app_{}", stand.database.name),
    );
    stand.admin(&format!("create role {group}; grant select on canary to {group}; grant create on schema public to {group}")).await;
    let roles = vec![format!("member_of = [\"{group}\"]")];
    let made = Made {
        user: admin.clone(),
        password: "admin".to_owned(),
        roles,
        ..Made::on(cluster())
    };
    let connector = made
        .connector(&stand.database.name, &stand.environment)
        .unwrap();
    // What we tell the target's owner to run is what is run here.
    let preparation = connector.preparation()[0].text.replace('…', "admin");
    stand.admin(&preparation).await;
    let stand = PostgresStand { connector, ..stand };
    let case = Case::on(&stand).await;
    let mut session = stand.session(&case).await;
    assert_eq!(reads(&mut session).await.unwrap(), 1);
    session.execute("create table mine (id int)").await.unwrap();
    assert_eq!(stand.end(&case).await.sessions_ended, 1);
    let left = stand.traces().await;
    assert_eq!(
        left,
        [format!(
            "role pcl_{}_keeper",
            stand.environment.installation
        )]
    );
}

#[tokio::test]
async fn a_fence_that_belongs_to_somebody_else_is_not_used() {
    let stand = PostgresStand::set_up().await;
    let schema = format!("portcullis_{}", stand.environment.installation);
    let attacker = format!("attacker_{}", stand.database.name);
    stand
        .admin(&format!(
            "create role {attacker}; create schema {schema} authorization {attacker}"
        ))
        .await;
    let case = Case::on(&stand).await;
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert_eq!(
        failure,
        Failure::permanent(format!(
            "the schema `{schema}` belongs to another user than `postgres`"
        ))
    );
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test]
async fn a_server_is_believed_only_with_the_right_certificate_and_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let openssl = |line: &str| {
        let run = std::process::Command::new("openssl")
            .args(line.split(' '))
            .current_dir(&folder)
            .output();
        let output = run.expect("openssl is there");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for authority in ["right", "wrong"] {
        openssl(&format!(
            "req -x509 {key} -keyout {authority}.key -out {authority}.pem -subj /CN={authority} -days 2"
        ));
    }
    std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost").unwrap();
    openssl(&format!(
        "req {key} -keyout server.key -out server.csr -subj /CN=localhost"
    ));
    openssl(
        "x509 -req -in server.csr -CA right.pem -CAkey right.key -CAcreateserial -out server.pem -days 2 -extfile names",
    );
    give_to_server(&folder.path().join("server.key"));
    let at = |name: &str| folder.path().join(name).display().to_string();
    let files = [
        format!("ssl_cert_file={}", at("server.pem")),
        format!("ssl_key_file={}", at("server.key")),
    ];
    let own = Cluster::start(&["ssl=on", &files[0], &files[1]]);
    let stand = PostgresStand::on(&own, own.database().await, |_| {}).await;
    let case = Case::on(&stand).await;

    for (host, authority, believed) in [
        ("localhost", "right", true),
        ("localhost", "wrong", false),
        ("127.0.0.1", "right", false),
    ] {
        let server = format!(
            "host = {host:?}\nca_file = {:?}",
            at(&format!("{authority}.pem"))
        );
        let made = Made {
            server,
            ..Made::on(&own)
        };
        let connector = made
            .connector(&stand.database.name, &stand.environment)
            .unwrap();
        let up = connector.up(case.access(1)).await;
        assert_eq!(up.is_ok(), believed, "{host} {authority}: {up:?}");
        if let Err(failure) = up {
            assert!(
                !failure.permanent && failure.message.contains("encrypted connection"),
                "{failure}"
            );
        }
    }
}
