//! Plain `ssh` and `scp` with grants, by way of ssh's own configuration, on a real sshd.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use crate::cli::connect::{active, with_sshd};
use crate::support::person::Person;

/// The configuration that `--install` has changed. ssh looks for it where the password file says that home is, so tests
/// name it.
fn config(person: &Person) -> PathBuf {
    person.home().join(".ssh/config")
}

/// Runs ssh, scp or sftp as a person would, but where nobody answers a question.
async fn plain(person: &Person, program: &str, arguments: &[&str]) -> Output {
    let config = config(person);
    let before = ["-F", config.to_str().unwrap(), "-o", "BatchMode=yes"];
    let arguments: Vec<&str> = before
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    let mut command = person.other(program, &arguments);
    // What is written down has to be enough.
    command.env_remove("PORTCULLIS_SERVER");
    command.output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_ssh_and_scp_get_in_while_there_is_a_grant() {
    let (world, sshd) = with_sshd().await;
    let ada = Person::engineer(&world, "ada").await;
    ada.does(&["ssh-config", "--install"]).await;
    let grant = active(&world, &ada, "bastion").await;

    let said = plain(&ada, "ssh", &["bastion", "echo by name; exit 3"]).await;
    assert_eq!(text(&said.stdout), "by name\n", "{said:?}\n{}", sshd.log());
    assert_eq!(said.status.code(), Some(3));
    let said = plain(&ada, "ssh", &["127.0.0.1", "echo by address"]).await;
    assert_eq!(text(&said.stdout), "by address\n", "{said:?}");
    assert_eq!(text(&said.stderr), "", "nothing is said where it works");

    // Both ways, over sftp as scp does by itself today, and in its old way.
    let here = ada.home().join("here");
    std::fs::write(&here, "some text").unwrap();
    for old in [&[][..], &["-O"][..]] {
        let there = ada.home().join("there");
        let back = ada.home().join("back");
        let there = format!("bastion:{}", there.display());
        let up = [old, &[here.to_str().unwrap(), &there]].concat();
        let said = plain(&ada, "scp", &up).await;
        assert!(said.status.success(), "{said:?}\n{}", sshd.log());
        let said = plain(
            &ada,
            "scp",
            &[old, &[&there, back.to_str().unwrap()]].concat(),
        )
        .await;
        assert!(said.status.success(), "{said:?}");
        assert_eq!(std::fs::read_to_string(&back).unwrap(), "some text");
        std::fs::remove_file(&back).unwrap();
    }

    let returned = ada.run(&["return", &grant.id]).await;
    assert_eq!(
        returned.code, 5,
        "its certificate is good for a while: {returned:?}"
    );
    let said = plain(&ada, "ssh", &["-T", "-G", "bastion"]).await;
    assert!(!text(&said.stdout).contains("certificatefile"), "{said:?}");
    assert!(
        text(&said.stderr).contains("no active grant on `bastion`"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_ssh_goes_on_by_itself_and_one_line_says_how_to_ask() {
    let (world, _sshd) = with_sshd().await;
    let ada = Person::engineer(&world, "ada").await;
    ada.does(&["ssh-config", "--install"]).await;
    let said = plain(&ada, "ssh", &["-T", "-G", "bastion"]).await;
    assert_eq!(
        text(&said.stderr),
        "portcullis: you have no active grant on `bastion`; ask for it: portcullis request bastion readonly --for 1h --reason \"…\"\n"
    );
    assert!(said.status.success(), "{said:?}");
    assert!(
        text(&said.stdout).contains("\nhostname bastion\n"),
        "{said:?}"
    );
    // Of a host that is not ours nobody is asked anything.
    let said = plain(&ada, "ssh", &["-T", "-G", "elsewhere"]).await;
    assert_eq!(text(&said.stderr), "");

    ada.does(&["logout"]).await;
    let said = plain(&ada, "ssh", &["-T", "-G", "bastion"]).await;
    assert!(said.status.success(), "{said:?}");
    let line = text(&said.stderr);
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains("portcullis login"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_holds_ssh_up_for_seconds_at_most() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ada = Person::at(&format!("http://{}", silent.local_addr().unwrap()))
        .with("PORTCULLIS_TOKEN", "pcl_nobody_knows_this");
    let folder = ada.home().join("files");
    let began = Instant::now();
    let ran = ada
        .run(&["ssh-match", "--folder", folder.to_str().unwrap(), "bastion"])
        .await;
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
    assert_ne!(ran.code, 0, "{ran:?}");
    assert_eq!(
        (ran.out.as_str(), ran.err.lines().count()),
        ("", 1),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn installing_keeps_what_is_in_the_configuration_and_adds_one_line_once() {
    let (world, _sshd) = with_sshd().await;
    let ada = Person::engineer(&world, "ada").await;
    let own = "Host elsewhere\n  User somebody\n";
    let linked = ada.home().join("dotfiles-ssh-config");
    std::fs::write(&linked, own).unwrap();
    std::fs::set_permissions(&linked, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::create_dir(ada.home().join(".ssh")).unwrap();
    std::os::unix::fs::symlink(&linked, config(&ada)).unwrap();
    for _ in 0..2 {
        let said = ada.does(&["ssh-config", "--install"]).await;
        assert!(said.starts_with("1 host is in `"), "{said}");
        let ours = ada.home().join(".ssh/portcullis.conf");
        let all = std::fs::read_to_string(&linked).unwrap();
        assert_eq!(all, format!("Include \"{}\"\n{own}", ours.display()));
        assert_eq!((mode(&linked), mode(&ours)), (0o640, 0o600));
        assert!(config(&ada).is_symlink());
        let written = std::fs::read_to_string(&ours).unwrap();
        assert!(
            written.contains("\nMatch host bastion,127.0.0.1 exec \""),
            "{written}"
        );
        assert_eq!(
            written,
            ada.does(&["ssh-config"]).await,
            "it prints what it writes"
        );
    }
    let hosts = ada.json(&["ssh-config"]).await;
    assert_eq!(hosts[0]["target"], "bastion");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_private_and_two_at_once_use_the_same() {
    let (world, sshd) = with_sshd().await;
    let ben = Person::engineer(&world, "ben").await;
    let runtime = ben.home().join("runtime");
    std::fs::create_dir(&runtime).unwrap();
    let ben = ben.with("XDG_RUNTIME_DIR", runtime.to_str().unwrap());
    ben.does(&["ssh-config", "--install"]).await;
    active(&world, &ben, "bastion").await;
    let at_once = (0..4).map(|_| plain(&ben, "ssh", &["bastion", "echo in"]));
    for said in futures_util::future::join_all(at_once).await {
        assert_eq!(text(&said.stdout), "in\n", "{said:?}\n{}", sshd.log());
    }
    let all = std::fs::read_dir(runtime.join("portcullis")).unwrap();
    let folders: Vec<_> = all.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    let folder = folders[0].join("bastion");
    assert_eq!(mode(&folder), 0o700);
    for name in ["key", "key-cert.pub", "known_hosts", "config"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}
