//! What works, or says why not, without a server.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::person::Person;

fn nowhere() -> Person {
    Person::at("http://127.0.0.1:1")
}

#[tokio::test]
async fn exit_codes_tell_what_kind_of_no_it_was() {
    let person = nowhere();
    let ran = person.run(&["grants"]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(
        ran.err,
        "error: you are not signed in on `http://127.0.0.1:1`\nhint: run `portcullis login`\n"
    );
    let ran = person.run(&["login", "--code", "x"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.err.starts_with("error: the server at `http://127.0.0.1:1` cannot be reached: connection refused\nhint: "),
        "{ran:?}"
    );
    for wrong in [
        &["approve", "R-nonsense"][..],
        &["request", "orders-db"],
        &["nonsense"],
        &["extend", "orders-db", "--by", "soon", "--reason", "x"],
        &["audit", "--since", "then"],
        &["request", "Orders", "x", "--for", "1h", "--reason", "x"],
    ] {
        let ran = person.run(wrong).await;
        assert_eq!(ran.code, 2, "{wrong:?}: {ran:?}");
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{ran:?}");
    }
    let ran = person
        .run(&["whoami", "--server", "http://portcullis.example.com"])
        .await;
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.err.contains("is not encrypted"), "{ran:?}");
}

#[tokio::test]
async fn errors_are_json_when_json_is_asked_for() {
    let ran = nowhere().run(&["grants", "--json"]).await;
    assert!(ran.out.is_empty());
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error["code"], "not-signed-in");
    assert_eq!(error["hint"], "run `portcullis login`");
}

#[tokio::test]
async fn a_state_folder_that_others_can_look_into_is_refused() {
    let person = nowhere();
    let state = person.home().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ran = person.run(&["whoami"]).await;
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.err.contains("other people can look into"), "{ran:?}");
    assert!(ran.err.contains("hint: run `chmod 700"), "{ran:?}");
}

#[tokio::test]
async fn configuration_is_written_checked_and_shown() {
    let person = nowhere();
    let folder = person.home().join("config");
    let written = person.does(&["config", "init"]).await;
    assert_eq!(written.lines().count(), 2, "{written}");
    assert!(
        person
            .does(&["config", "init"])
            .await
            .starts_with("everything is there already")
    );
    assert!(person.does(&["config", "check"]).await.contains("ok: "));
    assert!(person.does(&["config", "show"]).await.contains("listen"));
    assert!(
        person
            .does(&["config", "reference"])
            .await
            .contains("| `listen` |")
    );
    let file = folder.join("portcullis.toml");
    std::fs::write(&file, "[server]\nlissten = \"127.0.0.1:7700\"\n").unwrap();
    let ran = person.run(&["config", "check"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let place = format!("{}:2:1: ", file.display());
    assert!(ran.out.starts_with(&place), "{ran:?}");
    assert!(
        ran.out.contains("hint: ") && ran.out.contains("listen"),
        "{ran:?}"
    );
    let report = person.run(&["config", "check", "--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report["problems"][0]["line"], 2);
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let person = nowhere();
    let mut child = person.command(&["config", "reference"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}
