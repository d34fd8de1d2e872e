//! `exec` on a real PostgreSQL and a real sshd: what a command finds, and that nothing is left of it.

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::connect::{active, with_postgres, with_sshd};
use crate::support::person::Person;

/// What lies in the temporary folder of a person.
fn left(person: &Person) -> Vec<String> {
    std::fs::read_dir(person.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("portcullis-"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_finds_the_database_and_the_password_is_in_a_private_file_alone() {
    let (world, _folder) = with_postgres().await;
    let ada = Person::engineer(&world, "ada")
        .await
        .with("PGSERVICE", "elsewhere");
    let ran = ada.run(&["exec", "orders-db", "--", "true"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err.contains("you have no active grant on `orders-db`"),
        "{ran:?}"
    );

    let grant = active(&world, &ada, "orders-db").await;
    let script = "psql -Atc 'select count(*) from orders' && stat -c %a \"$PGPASSFILE\" && env";
    let ran = ada
        .run(&["exec", "orders-db", "--", "sh", "-c", script])
        .await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let mut lines = ran.out.lines();
    assert_eq!((lines.next(), lines.next()), (Some("3"), Some("600")));
    let environment: Vec<&str> = lines.collect();
    let value = |name: &str| {
        let found = environment.iter().find_map(|line| line.strip_prefix(name));
        found.and_then(|rest| rest.strip_prefix('='))
    };
    assert_eq!(value("PORTCULLIS_TARGET"), Some("orders-db"));
    assert_eq!(value("PORTCULLIS_GRANT"), Some(grant.id.as_str()));
    for name in ["PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSSLMODE"] {
        assert!(value(name).is_some(), "{name}: {environment:?}");
    }
    for name in ["PGPASSWORD", "PGSERVICE"] {
        assert_eq!(value(name), None, "{name}: {environment:?}");
    }
    assert!(left(&ada).is_empty(), "{:?}", left(&ada));

    let ran = ada
        .run(&["exec", &grant.id, "--", "sh", "-c", "exit 42"])
        .await;
    assert_eq!((ran.code, ran.out.as_str()), (42, ""), "{ran:?}");
    let ran = ada
        .run(&["exec", "orders-db", "--", "no-such-program"])
        .await;
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(
        ran.err
            .contains("`no-such-program` is not installed on this machine"),
        "{ran:?}"
    );
    let ran = ada
        .run(&["exec", "orders-db", "--role", "admin", "--", "true"])
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(left(&ada).is_empty(), "{:?}", left(&ada));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reaches_the_command_and_leaves_no_password_behind() {
    let (world, _folder) = with_postgres().await;
    let ada = Person::engineer(&world, "ada").await;
    active(&world, &ada, "orders-db").await;
    for (signal, number) in [(Signal::TERM, 15), (Signal::HUP, 1)] {
        let script = "echo \"file $PGPASSFILE\"; exec sleep 600";
        let mut running = ada.start(&["exec", "orders-db", "--", "sh", "-c", script]);
        let said = running.says("file ").await;
        let file = said.strip_prefix("file ").unwrap();
        assert!(std::path::Path::new(file).exists(), "{file}");
        kill_process(Pid::from_raw(running.process()).unwrap(), signal).unwrap();
        let ran = running.ends().await;
        assert_eq!(ran.code, 128 + number, "{ran:?}");
        assert!(!std::path::Path::new(file).exists(), "{file}");
        assert!(left(&ada).is_empty(), "{:?}", left(&ada));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_scp_and_git_find_the_host_by_the_name_of_the_target() {
    let (world, sshd) = with_sshd().await;
    let ada = Person::engineer(&world, "ada").await;
    active(&world, &ada, "bastion").await;
    let script = "ssh -F \"$PORTCULLIS_SSH_CONFIG\" bastion 'echo by name' && $GIT_SSH_COMMAND 127.0.0.1 'echo by address; exit 3'";
    let ran = ada
        .run(&["exec", "bastion", "--", "sh", "-c", script])
        .await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (3, "by name\nby address\n"),
        "{ran:?}\n{}",
        sshd.log()
    );
    assert!(left(&ada).is_empty(), "{:?}", left(&ada));
}
