//! Where the key of a device is kept: in a real keyring, in a file where there is none, and never in both.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use portcullis::wire::Invitation;

use crate::support::desktop::Desktop;
use crate::support::person::{Person, Ran};
use crate::support::world::{Backend, World, key};

/// How every key begins as it is kept: the head of a PKCS#8 file with a key for P-256, in base64.
const KEY_BEGINS: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH";
/// A session bus that is not there.
const NOWHERE: &str = "unix:path=/nonexistent/bus";

/// Somebody who wants the key there, on this bus.
fn at(world: &World, place: &str, bus: &str) -> Person {
    Person::at(&world.url())
        .with("PORTCULLIS_DEVICE_KEY", place)
        .with("DBUS_SESSION_BUS_ADDRESS", bus)
}

async fn sign_in(world: &World, person: &Person, name: &str) -> Ran {
    let invitation = Invitation {
        name: name.to_owned(),
        roles: vec!["requester".to_owned()],
        groups: Vec::new(),
    };
    let code = world.admin().invite(&invitation, &key()).await.unwrap();
    person
        .run_with(&["login"], &format!("{}\n", code.code))
        .await
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Every file of this person in which a key lies in clear.
fn with_a_key(person: &Person) -> Vec<PathBuf> {
    let mut found = files(person.home());
    found
        .retain(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(KEY_BEGINS));
    found
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let copy = to.join(path.strip_prefix(from).unwrap());
        let folder = copy.parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::copy(&path, &copy).unwrap();
        std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .unwrap();
    }
    std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_the_keyring_is_in_no_file_and_a_copy_of_the_folder_is_worth_nothing() {
    let (world, desktop) = (World::start(Backend::Sqlite).await, Desktop::start());
    let ada = at(&world, "auto", &desktop.address());
    let ran = sign_in(&world, &ada, "ada").await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.contains("the key of this device is in the keyring"),
        "{ran:?}"
    );
    assert_eq!(desktop.entries(), 1);
    assert_eq!(with_a_key(&ada), Vec::<PathBuf>::new());
    let said = ada.does(&["whoami"]).await;
    assert!(said.contains("in the keyring"), "{said}");

    // Everything that lies on the disk, on a machine without a keyring, and on one with another person's.
    let thief = at(&world, "auto", NOWHERE);
    copy(&ada.home().join("state"), &thief.home().join("state"));
    let ran = thief.run(&["whoami"]).await;
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(
        ran.err.contains("in your keyring, which cannot be used"),
        "{ran:?}"
    );
    let other = Desktop::start();
    let thief = at(&world, "auto", &other.address());
    copy(&ada.home().join("state"), &thief.home().join("state"));
    let ran = thief.run(&["whoami", "--json"]).await;
    assert!(
        ran.code != 0 && ran.err.contains("proof-not-valid"),
        "{ran:?}"
    );

    // Its owner goes on, until the screen is locked: then nobody is asked for anything, and no second key is made.
    ada.does(&["whoami"]).await;
    desktop.lock();
    let ran = ada.run(&["whoami", "--json"]).await;
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(
        ran.err.contains("\"no-keyring\"") && ran.err.contains("it is locked"),
        "{ran:?}"
    );
    assert_eq!(with_a_key(&ada), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_out_leaves_nothing_in_the_keyring() {
    let (world, desktop) = (World::start(Backend::Sqlite).await, Desktop::start());
    let ada = at(&world, "keyring", &desktop.address());
    assert_eq!(sign_in(&world, &ada, "ada").await.code, 0);
    // Programs that start together make one key.
    let asking = (0..4).map(|_| ada.run(&["device", "show"]));
    let shown = futures_util::future::join_all(asking).await;
    assert!(
        shown
            .iter()
            .all(|ran| ran.code == 0 && ran.out == shown[0].out),
        "{shown:?}"
    );
    assert_eq!(desktop.entries(), 1);
    ada.does(&["logout"]).await;
    assert_eq!(desktop.entries(), 0);
    let left = files(&ada.home().join("state"));
    assert!(
        left.iter()
            .all(|path| path.extension().is_some_and(|end| end == "lock")),
        "{left:?}"
    );
    // The next sign-in has a key of its own.
    assert_eq!(sign_in(&world, &ada, "ben").await.code, 0);
    assert_ne!(ada.does(&["device", "show"]).await, shown[0].out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_without_a_keyring_keeps_the_key_in_a_private_file() {
    let world = World::start(Backend::Sqlite).await;
    let (empty, locked) = (Desktop::without_keyring(), Desktop::start());
    locked.lock();
    for (name, bus) in [
        ("ada", NOWHERE.to_owned()),
        ("ben", empty.address()),
        ("cyd", locked.address()),
    ] {
        let person = at(&world, "auto", &bus);
        let ran = sign_in(&world, &person, name).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(
            ran.err
                .contains("the key of this device is in a private file"),
            "{ran:?}"
        );
        assert!(person.does(&["whoami"]).await.contains("in a private file"));
        assert_eq!(with_a_key(&person).len(), 1);
    }
    assert_eq!(locked.entries(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyring_that_is_asked_for_and_not_there_is_a_refusal() {
    let world = World::start(Backend::Sqlite).await;
    let empty = Desktop::without_keyring();
    // A bus that takes the call and never answers.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let _silent = UnixListener::bind(&path).unwrap();
    let silent = format!("unix:path={}", path.display());
    for (name, bus, why) in [
        (
            "ada",
            NOWHERE.to_owned(),
            "no program on the session bus keeps secrets",
        ),
        (
            "ben",
            empty.address(),
            "no program on the session bus keeps secrets",
        ),
        ("cyd", silent, "it did not answer within two seconds"),
    ] {
        let person = at(&world, "keyring", &bus);
        let ran = sign_in(&world, &person, name).await;
        assert_eq!(ran.code, 7, "{ran:?}");
        assert!(
            ran.err.contains(why) && ran.err.contains("hint: unlock or start one"),
            "{ran:?}"
        );
        assert_eq!(with_a_key(&person), Vec::<PathBuf>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_a_file_moves_to_the_keyring_only_when_told_and_the_sign_in_goes_on() {
    let (world, desktop) = (World::start(Backend::Sqlite).await, Desktop::start());
    let ada = at(&world, "file", &desktop.address());
    assert_eq!(sign_in(&world, &ada, "ada").await.code, 0);
    let ada = ada.with("PORTCULLIS_DEVICE_KEY", "auto");
    assert!(ada.does(&["whoami"]).await.contains("in a private file"));
    assert_eq!((desktop.entries(), with_a_key(&ada).len()), (0, 1));
    let ada = ada.with("PORTCULLIS_DEVICE_KEY", "keyring");
    assert!(ada.does(&["whoami"]).await.contains("in the keyring"));
    assert_eq!((desktop.entries(), with_a_key(&ada).len()), (1, 0));
    let ada = ada.with("PORTCULLIS_DEVICE_KEY", "auto");
    ada.does(&["whoami"]).await;
    // Over SSH, say: not a second key that the sign-in knows nothing of, but a sentence.
    let ada = ada.with("DBUS_SESSION_BUS_ADDRESS", NOWHERE);
    let ran = ada.run(&["whoami"]).await;
    assert_eq!((ran.code, with_a_key(&ada).len()), (7, 0), "{ran:?}");
    assert!(
        ran.err
            .contains("PORTCULLIS_DEVICE_KEY=file portcullis login"),
        "{ran:?}"
    );
    let ada = ada.with("PORTCULLIS_DEVICE_KEY", "file");
    assert_eq!(sign_in(&world, &ada, "ben").await.code, 0);
    let ada = ada.with("PORTCULLIS_DEVICE_KEY", "auto");
    ada.does(&["whoami"]).await;
}
