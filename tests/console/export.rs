//! Exporting the record to a file: what is in it, who may read it, and what is never lost for it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use portcullis::client::AuditQuery;
use portcullis::console::export;
use portcullis::text::hidden;
use portcullis::wire::EventView;

use super::program::Console;
use crate::support::hostile::corpus;
use crate::support::infest::infest;
use crate::support::world::{Backend, World, submit};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    all.sort();
    all
}

fn rows(path: &Path) -> Vec<EventView> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_has_every_event_that_matches_and_is_for_its_owner_only() {
    let world = World::start(Backend::Sqlite).await;
    // More than one page.
    for nth in 0..80 {
        let who = world.engineer(&format!("e{nth}")).await;
        submit(&who).await;
    }
    // Every event has its number from here on.
    world.audit().await;
    let folder = tempfile::tempdir().unwrap();
    let scope = AuditQuery::default();
    let said = export::audit(world.admin(), scope, folder.path())
        .await
        .unwrap();
    let all = files(folder.path());
    let [path] = all.as_slice() else {
        panic!("{all:?}")
    };
    let name = path.file_name().unwrap().to_str().unwrap();
    let stamp = name
        .strip_prefix("portcullis-audit-")
        .and_then(|rest| rest.strip_suffix("Z.ndjson"))
        .unwrap();
    assert!(
        stamp.len() == 15 && stamp.chars().all(|c| c.is_ascii_digit() || c == 'T'),
        "{name}"
    );
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = rows(path);
    assert!(said.ends_with(&format!(
        "{} events are in {}",
        written.len(),
        path.display()
    )));
    let log = world.audit().await;
    assert!(written.len() > 200, "one page is no test of pages");
    assert_eq!(written, log.get(..written.len()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_the_filter_lets_through_is_written() {
    let world = World::start(Backend::Sqlite).await;
    submit(&world.engineer("ada").await).await;
    world.audit().await;
    let folder = tempfile::tempdir().unwrap();
    let scope = AuditQuery {
        q: Some("event:request.submitted".to_owned()),
        ..AuditQuery::default()
    };
    export::audit(world.admin(), scope, folder.path())
        .await
        .unwrap();
    let written = rows(&files(folder.path())[0]);
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].event, "request.submitted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_text_is_the_same_json_and_harmless_on_a_terminal() {
    let world = World::start(Backend::Sqlite).await;
    let eve = world.engineer("eve").await;
    world.granted(&eve).await;
    submit(&eve).await;
    infest(&world, &corpus()).await;
    world.audit().await;
    let folder = tempfile::tempdir().unwrap();
    export::audit(world.admin(), AuditQuery::default(), folder.path())
        .await
        .unwrap();
    let path = &files(folder.path())[0];
    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.chars().any(|c| c != '\n' && hidden(c)));
    assert!(
        rows(path).iter().any(|event| event
            .reason
            .as_deref()
            .is_some_and(|reason| reason.contains('\u{1b}'))),
        "nothing hostile was written"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_there_stays_as_it_is() {
    let world = World::start(Backend::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    // Every name that an export of the next seconds could have.
    let now = world.now().await;
    let names: Vec<PathBuf> = (0..120)
        .map(|after| {
            let at = now + chrono::TimeDelta::seconds(after);
            let name = format!("portcullis-audit-{}.ndjson", at.format("%Y%m%dT%H%M%SZ"));
            folder.path().join(name)
        })
        .collect();
    for name in &names {
        std::fs::write(name, "mine").unwrap();
    }
    let why = export::audit(world.admin(), AuditQuery::default(), folder.path())
        .await
        .unwrap_err();
    assert!(why.contains("File exists"), "{why}");
    for name in &names {
        assert_eq!(std::fs::read_to_string(name).unwrap(), "mine");
    }
    assert_eq!(files(folder.path()).len(), names.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_written_is_said_and_leaves_nothing() {
    let world = World::start(Backend::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let why = export::audit(world.admin(), AuditQuery::default(), &gone)
        .await
        .unwrap_err();
    assert!(why.contains("No such file or directory"), "{why}");
    // A filter that the server does not take: the file was begun, and half a file looks like a whole one.
    let scope = AuditQuery {
        q: Some("nonsense:".to_owned()),
        ..AuditQuery::default()
    };
    export::audit(world.admin(), scope, folder.path())
        .await
        .unwrap_err();
    assert_eq!(files(folder.path()), [] as [PathBuf; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w_writes_the_file_where_the_console_was_started_and_says_so() {
    let (world, home) = Console::prepare().await;
    submit(&world.engineer("ada").await).await;
    let folder = tempfile::tempdir().unwrap();
    let mut pty = Console::spawn_in(folder.path(), &world, &home, &[], &[], (40, 160));
    pty.wait_for("LIVE");
    pty.send("4");
    pty.wait_for("request.submitted");
    pty.send("w");
    pty.wait_for("events are in");
    assert_eq!(files(folder.path()).len(), 1);
    assert!(
        rows(&files(folder.path())[0])
            .iter()
            .any(|event| event.event == "request.submitted")
    );
}
