//! A running server takes over changed files, and keeps what it has when they are wrong.

use std::path::Path;

use portcullis::catalog::{Reloaded, Watcher};
use portcullis::secret::Key;
use portcullis::targets::{Environment, Installation};

use crate::config::{told, write};

const TARGET: &str =
    "[target.web-1]\nkind = \"ssh\"\nhost = \"web-1\"\nrole.login = { user = \"deploy\" }\n";
const POLICY: &str =
    "@id(\"a\") @threshold(\"0\") @max_duration(\"1h\")\npermit (principal, action, resource);\n";

fn environment() -> Environment {
    let key = Key::new([7; 32]);
    Environment {
        installation: Installation::of(&key),
        key,
    }
}

fn open(folder: &Path) -> Watcher {
    write(folder, "portcullis.toml", TARGET);
    write(folder, "policy.cedar", POLICY);
    Watcher::open(folder, environment()).unwrap_or_else(|problems| panic!("{}", told(&problems)))
}

/// Looks until the files are still, as the server does once a second.
fn settle(watcher: &Watcher) -> Reloaded {
    loop {
        match watcher.poll() {
            Reloaded::Settling => {}
            done => return done,
        }
    }
}

#[test]
fn a_change_is_taken_over_once_it_is_still() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = open(folder.path());
    let before = watcher.current();
    assert_eq!(settle(&watcher), Reloaded::Unchanged);
    write(folder.path(), "policy.cedar", &POLICY.replace("1h", "90m"));
    assert_eq!(watcher.poll(), Reloaded::Settling);
    assert_eq!(watcher.current().version, before.version);
    let Reloaded::Replaced { from, to, warnings } = watcher.poll() else {
        panic!("it was not taken over")
    };
    assert_eq!((&from, &to), (&before.version, &watcher.current().version));
    assert_ne!(from, to);
    assert!(warnings.is_empty());
    assert_eq!(settle(&watcher), Reloaded::Unchanged);
}

#[test]
fn a_bad_file_keeps_the_old_one_and_says_why_once() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = open(folder.path());
    let status = watcher.status();
    let before = watcher.current();
    write(
        folder.path(),
        "policy.cedar",
        &POLICY.replace("@threshold", "@treshold"),
    );
    let Reloaded::Kept { version, problems } = settle(&watcher) else {
        panic!("it was taken over")
    };
    assert_eq!(version, before.version);
    insta::assert_snapshot!(told(&problems), @r#"
    policy.cedar:1:10: unknown annotation `@treshold`
      hint: did you mean `@threshold`?
    "#);
    assert_eq!(status.borrow().last_problem, problems);
    assert_eq!(watcher.current().version, before.version);
    assert_eq!(settle(&watcher), Reloaded::Unchanged);
    assert!(
        matches!(watcher.reload(), Reloaded::Kept { .. }),
        "whoever asks is told again"
    );
    assert_eq!(settle(&watcher), Reloaded::Unchanged);

    write(folder.path(), "policy.cedar", POLICY);
    assert_eq!(settle(&watcher), Reloaded::Unchanged);
    assert!(status.borrow().last_problem.is_empty());
}

#[test]
fn both_files_are_taken_over_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = open(folder.path());
    write(folder.path(), "policy.cedar", &POLICY.replace("1h", "90m"));
    write(
        folder.path(),
        "portcullis.toml",
        "[target.web-1]\nkind = \"shh\"\n",
    );
    assert!(matches!(watcher.reload(), Reloaded::Kept { .. }));
    assert!(
        watcher
            .current()
            .policy
            .rules()
            .next()
            .unwrap()
            .text
            .contains("1h")
    );
}

#[test]
fn a_file_that_vanishes_is_not_an_empty_file() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = open(folder.path());
    std::fs::remove_file(folder.path().join("policy.cedar")).unwrap();
    let Reloaded::Kept { problems, .. } = settle(&watcher) else {
        panic!("it was taken over")
    };
    insta::assert_snapshot!(told(&problems), @r#"
    policy.cedar: the file is gone
      hint: put it back; to have an empty one, write an empty file
    "#);
    assert_eq!(watcher.current().policy.rules().count(), 1);
}

#[test]
fn a_target_that_is_taken_out_can_still_be_closed() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = open(folder.path());
    let name = "web-1".parse().unwrap();
    write(folder.path(), "portcullis.toml", "");
    assert!(matches!(watcher.reload(), Reloaded::Replaced { .. }));
    assert!(watcher.current().catalog.target(&name).is_none());
    assert!(watcher.current().catalog.connector(&name).is_some());
    write(folder.path(), "policy.cedar", "");
    assert!(matches!(watcher.reload(), Reloaded::Replaced { .. }));
    assert!(
        watcher.current().catalog.connector(&name).is_some(),
        "it is forgotten after a second change"
    );
}

#[test]
fn a_server_does_not_start_with_files_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "policy.cedar", "permit");
    assert!(Watcher::open(folder.path(), environment()).is_err());
}

#[tokio::test]
async fn the_server_reports_each_change_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = std::sync::Arc::new(open(folder.path()));
    let stop = tokio_util::sync::CancellationToken::new();
    let (sender, mut changes) = tokio::sync::mpsc::unbounded_channel();
    let report = move |change| drop(sender.send(change));
    let running = tokio::spawn(watcher.clone().run(stop.clone(), report));
    write(folder.path(), "policy.cedar", "");
    assert!(matches!(
        changes.recv().await,
        Some(Reloaded::Replaced { .. })
    ));
    stop.cancel();
    running.await.unwrap();
}
