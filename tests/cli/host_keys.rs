//! `portcullis target keys`: who gets in on a real host, and what the server makes of it.

use std::path::Path;
use std::process::{Command, Output};

use portcullis::domain::standing::StandingState;
use portcullis::wire::{HostReport, NewService, StandingView};

use super::target::{Host, add, said};
use crate::support::person::Person;
use crate::support::tokens::{Allowed, strangers};
use crate::support::world::{Backend, World, authority, key};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");
const KEYS: &str = "home/ada/.ssh/authorized_keys";

fn command(host: &Host, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["target", "keys", "--config"]);
    command.arg(host.path("sshd_config")).arg("--accounts");
    command.arg(host.path("passwd")).arg("--passwords");
    command.arg(host.path("shadow")).args(arguments);
    command
}

fn run(host: &Host, arguments: &[&str]) -> Output {
    command(host, arguments).output().unwrap()
}

fn listed(host: &Host, arguments: &[&str]) -> HostReport {
    let output = run(host, &[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)))
}

/// What OpenSSH itself says of a file of keys.
fn fingerprints(file: &Path) -> Vec<String> {
    let output = Command::new("ssh-keygen").arg("-lf").arg(file).output();
    let output = output.expect("ssh-keygen is there");
    let text = String::from_utf8(output.stdout).unwrap();
    let print = |line: &str| line.split(' ').nth(1).unwrap().to_owned();
    text.lines().map(print).collect()
}

#[test]
fn keys_are_found_with_the_fingerprints_that_ssh_keygen_gives() {
    let host = Host::new();
    assert_eq!(listed(&host, &[]), HostReport::default());
    let text = said(&run(&host, &[]));
    assert_eq!(text, "nobody gets in without a certificate of a grant\n");
    let file = host.path(KEYS);
    add(&file, "# mine\n");
    add(&file, &host.key("plain"));
    let options =
        "no-pty,from=\"10.0.0.0/8,!10.1.1.1\",command=\"mysqldump -phunter2 # \\\"all\\\"\"";
    add(&file, &format!("{options} {}", host.key("tied")));
    add(
        &file,
        &format!("cert-authority {}", host.key("their-authority")),
    );
    for kind in ["rsa", "ecdsa"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", "", "-C", kind, "-f"])
            .arg(host.path(kind))
            .status();
        assert!(made.unwrap().success());
        let public = host.path(kind).with_extension("pub");
        add(&file, &std::fs::read_to_string(public).unwrap());
    }
    let report = listed(&host, &[]);
    let prints: Vec<&str> = report
        .keys
        .iter()
        .map(|key| key.fingerprint.as_str())
        .collect();
    assert_eq!(prints, fingerprints(&file));
    let about: Vec<_> = report
        .keys
        .iter()
        .map(|key| (key.algorithm.as_str(), key.comment.as_str(), key.authority))
        .collect();
    assert_eq!(
        about,
        [
            ("ssh-ed25519", "plain", false),
            ("ssh-ed25519", "tied", false),
            ("ssh-ed25519", "their-authority", true),
            ("ssh-rsa", "rsa", false),
            ("ecdsa-sha2-nistp256", "ecdsa", false),
        ]
    );
    assert_eq!(
        report.keys[1].options[..2],
        ["no-pty", "from=\"10.0.0.0/8,!10.1.1.1\""]
    );
    for key in &report.keys {
        assert_eq!(key.account.as_deref(), Some("ada"));
        assert_eq!(key.file, file.to_str().unwrap());
        assert!(key.changed_at.is_some());
    }
    let text = said(&run(&host, &[])) + &serde_json::to_string(&report).unwrap();
    assert!(text.contains("an authority is worse than a key"), "{text}");
    for secret in ["hunter2", "AAAAC3", "AAAAB3"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_told_and_nothing_but_files_is_opened() {
    let host = Host::new();
    let file = host.path(KEYS);
    add(&file, "hello, this is no key\n");
    add(&file, &host.key("ada"));
    let report = listed(&host, &[]);
    assert_eq!((report.keys.len(), report.unread.len()), (1, 1));
    assert!(
        report.unread[0]
            .line
            .as_ref()
            .unwrap()
            .starts_with("SHA256:")
    );
    add(&file, &host.key("many").repeat(100));
    let report = listed(&host, &[]);
    assert_eq!((report.keys.len(), report.unread.len()), (0, 1));
    assert_eq!(report.unread[0].why, "it has more than 100 keys");
    // A pipe that nobody writes to would hold us for ever.
    std::fs::remove_file(&file).unwrap();
    let made = Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    assert_eq!(listed(&host, &[]).unread[0].why, "it is not a file");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    assert_eq!(listed(&host, &[]).unread[0].why, "it is not a file");
}

#[test]
fn what_sshd_asks_for_an_account_is_what_is_looked_at() {
    let host = Host::new();
    add(&host.path("home/root-keys"), &host.key("root"));
    add(&host.path("ada-keys"), &host.key("ada"));
    let folder = host.path("");
    let folder = folder.to_str().unwrap();
    let of_root =
        format!("PermitRootLogin no\nAuthorizedKeysFile {folder}/home/root-keys {folder}/%u-keys");
    host.configure(&of_root);
    let report = listed(&host, &[]);
    let whose: Vec<_> = report
        .keys
        .iter()
        .map(|key| (key.account.as_deref(), key.comment.as_str()))
        .collect();
    assert_eq!(
        whose,
        [(Some("ada"), "root"), (Some("ada"), "ada")],
        "root does not get in"
    );
    let text = std::fs::read_to_string(host.path("sshd_config")).unwrap();
    let text = format!(
        "{text}AuthorizedKeysCommand /bin/true %u\nAuthorizedKeysCommandUser nobody\nMatch Address 10.0.0.0/8\n  AuthorizedKeysFile none\n  PasswordAuthentication yes\n"
    );
    std::fs::write(host.path("sshd_config"), text).unwrap();
    std::fs::write(host.path("shadow"), "root:!:1\nada:$y$x:1\nbob::1\n").unwrap();
    let report = listed(&host, &[]);
    assert_eq!(report.passwords, Vec::<String>::new());
    let program = &report.unread[0];
    assert_eq!(
        (program.account.as_deref(), program.file.as_str()),
        (None, "/bin/true")
    );
    let far = listed(&host, &["--address", "10.1.1.1"]);
    assert_eq!(
        (far.passwords, far.keys),
        (vec!["ada".to_owned()], report.keys)
    );
}

#[test]
fn other_authorities_are_found_and_ours_is_not() {
    let host = Host::new();
    let (own, other) = (host.path("authority.pub"), host.key("other"));
    add(&own, &other);
    let one = |arguments: &[&str]| {
        let report = listed(&host, arguments);
        assert_eq!(report.keys.len(), 1);
        assert!(report.keys[0].authority && report.keys[0].account.is_none());
        report.keys[0].comment.clone()
    };
    assert_eq!(one(&[]), "other");
    let named = host.path("other.pub");
    assert_eq!(one(&["--authority", named.to_str().unwrap()]), "authority");
}

/// A host that reports to a world, with the token of its own.
async fn reports(world: &World, host: &Host, token: &str) -> Output {
    let mut command = command(host, &["--report", "bastion"]);
    command.env_clear().env("PORTCULLIS_TOKEN", token);
    command.env("PORTCULLIS_SERVER", world.url());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

async fn token(world: &World, scope: &str) -> String {
    let new = NewService {
        name: scope.replace(':', "-"),
        owner: "root".to_owned(),
        scopes: vec![scope.to_owned()],
        groups: Vec::new(),
        expires: "30d".to_owned(),
    };
    let made = world.admin().create_service(&new, &key()).await.unwrap();
    made.token
}

async fn open(world: &World) -> Vec<StandingView> {
    let page = world
        .admin()
        .standing_access(&[StandingState::Open], None, None)
        .await;
    page.unwrap().items
}

/// What `config prepare` prints for a host called `web-1`.
fn prepared() -> String {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    portcullis::secret::Key::open_or_create(&data.join("key")).unwrap();
    let text = format!(
        "[server]\ndata_dir = \"{}\"\n[target.web-1]\nkind = \"ssh\"\nhost = \"h\"\n[target.web-1.role.look]\nuser = \"u\"\n",
        data.display()
    );
    std::fs::write(folder.path().join("portcullis.toml"), text).unwrap();
    std::fs::write(folder.path().join("policy.cedar"), "").unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["config", "prepare", "web-1", "--config-dir"]);
    said(&command.arg(folder.path()).output().unwrap())
}

/// As it is shown, with what stands before each line, and with the folders of the host in a place of ours.
#[test]
fn what_lets_a_host_report_works_as_it_is_copied() {
    let text = prepared();
    let (_, text) = text
        .split_once("let the host tell every 5 minutes")
        .unwrap();
    let (_, commands) = text.split_once("good for 30 days\n").unwrap();
    let host = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(host.path().join("systemd/system")).unwrap();
    let etc = host.path().to_str().unwrap();
    let script = commands
        .replace("systemctl", "true")
        .replace("> /etc", &format!("> {etc}"))
        .replace("/dev/null /etc", &format!("/dev/null {etc}"));
    let ran = Command::new("sh").args(["-euc", &script]).output().unwrap();
    assert!(ran.status.success(), "{}", said(&ran));
    let written = |name: &str| std::fs::read_to_string(host.path().join(name)).unwrap();
    let environment = written("portcullis-report.env");
    assert!(
        environment.contains("\nPORTCULLIS_TOKEN=THE-TOKEN\n"),
        "{environment}"
    );
    let service = written("systemd/system/portcullis-report.service");
    let runs = "\nExecStart=/usr/local/bin/portcullis target keys --report web-1\n";
    assert!(service.contains(runs), "{service}");
    let timer = written("systemd/system/portcullis-report.timer");
    assert!(
        timer.contains("\n[Timer]\nOnBootSec=1min\nOnUnitActiveSec=5min\n"),
        "{timer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_reports_has_its_keys_listed_until_they_are_taken_away() {
    let world = World::start(Backend::Sqlite).await;
    let host = Host::new();
    std::fs::write(host.path("authority.pub"), authority()).unwrap();
    let file = host.path(KEYS);
    let evil = host
        .key("ada")
        .replace(" ada", " \u{1b}]0;owned\u{7}\u{9b}31m\u{202e}ada");
    add(&file, &evil);
    let bastion = token(&world, "report:bastion").await;
    for wrong in ["report:other", "metrics", "read"] {
        let refused = reports(&world, &host, &token(&world, wrong).await).await;
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    }
    assert_eq!(open(&world).await, []);
    let told = reports(&world, &host, &bastion).await;
    assert_eq!(told.status.code(), Some(0), "{}", said(&told));
    let items = open(&world).await;
    assert_eq!(items.len(), 1, "our own authority is not listed: {items:?}");
    let subject = format!("ada {}", fingerprints(&file)[0]);
    assert_eq!(
        (items[0].kind.as_str(), &items[0].subject),
        ("key", &subject)
    );
    let ben = Person::of(&world, "ben", &["admin"], &[]).await;
    let ours = host.path("authority.pub");
    let here = run(&host, &["--authority", ours.to_str().unwrap()]);
    for shown in [ben.does(&["standing"]).await, said(&here)] {
        assert!(shown.contains("SHA256:"), "{shown}");
        let found = strangers(shown.as_bytes(), Allowed::Lines);
        assert!(found.is_empty(), "{found:#?} in {shown}");
    }
    std::fs::remove_file(&file).unwrap();
    let told = reports(&world, &host, &bastion).await;
    assert_eq!(
        said(&told),
        "told the server what opens `bastion`: 1 way in\n"
    );
    assert_eq!(open(&world).await, []);
    assert_eq!(
        world.events(&["standing.found", "standing.gone"]).await,
        [1, 1]
    );
}
