//! `portcullis target check`: what a real sshd says of itself, and what is found in it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");

/// A host that is as it should be: nobody gets in but with a certificate of one authority.
pub(super) struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    pub(super) fn new() -> Self {
        if rustix::process::geteuid().is_root() {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        // Whoever makes a folder in `/tmp` decides who may look into it.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let host = Self { folder };
        host.key("host");
        host.key("authority");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-k", "-f"])
            .arg(host.path("revoked"))
            .status();
        assert!(made.unwrap().success());
        std::fs::create_dir_all(host.path("home/ada/.ssh")).unwrap();
        let accounts = format!(
            "root:x:0:0::{0}/home/root:/bin/bash\nada:x:1000:1000:Ada,,,:{0}/home/ada:/bin/bash\n\
             daemon:x:1:1::{0}/home/ada:/usr/sbin/nologin\n",
            host.folder.path().display()
        );
        std::fs::write(host.path("passwd"), accounts).unwrap();
        host.configure("");
        host
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a key pair, and gives the line of the public one.
    pub(super) fn key(&self, name: &str) -> String {
        let path = self.path(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        std::fs::read_to_string(path.with_extension("pub")).unwrap()
    }

    /// Settings that are safe, after these: sshd takes the first of each.
    pub(super) fn configure(&self, before: &str) {
        let text = format!(
            "{before}\nHostKey {}\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nTrustedUserCAKeys {}\nRevokedKeys {}\nLogLevel VERBOSE\n",
            self.path("host").display(),
            self.path("authority.pub").display(),
            self.path("revoked").display()
        );
        std::fs::write(self.path("sshd_config"), text).unwrap();
    }

    fn check(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(["target", "check", "--config"]);
        command.arg(self.path("sshd_config")).arg("--accounts");
        command.arg(self.path("passwd")).args(arguments);
        command.output().unwrap()
    }

    /// The codes that were found, each with the accounts that it names. What only a test's own folder is guilty of where
    /// the tests are not root is left out.
    fn found(&self, arguments: &[&str]) -> Vec<(String, Vec<String>)> {
        let output = self.check(&[arguments, &["--json"]].concat());
        let list: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        let found = list.as_array().unwrap().iter().map(|one| {
            let names = one["accounts"].as_array().unwrap().iter();
            let names = names.map(|name| name.as_str().unwrap().to_owned());
            (one["code"].as_str().unwrap().to_owned(), names.collect())
        });
        let is_root = rustix::process::geteuid().is_root();
        found
            .filter(|(code, _)| is_root || code != "authority-writable")
            .collect()
    }
}

pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn of_all(code: &str) -> (String, Vec<String>) {
    (code.to_owned(), Vec::new())
}

fn of(code: &str, accounts: &[&str]) -> (String, Vec<String>) {
    let accounts = accounts.iter().map(|&name| name.to_owned()).collect();
    (code.to_owned(), accounts)
}

pub(super) fn add(path: &Path, line: &str) {
    let text = std::fs::read_to_string(path).unwrap_or_default() + line;
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_host_that_only_grants_open_is_found_good() {
    let host = Host::new();
    assert_eq!(host.found(&[]), []);
    let ours = host.path("authority.pub");
    assert_eq!(host.found(&["--authority", ours.to_str().unwrap()]), []);
    if rustix::process::geteuid().is_root() {
        let output = host.check(&[]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(said(&output), "found no way in but grants (2 accounts)\n");
    }
}

#[test]
fn ways_in_that_are_no_grants_are_found_and_who_has_them() {
    let host = Host::new();
    host.configure(
        "PasswordAuthentication yes\nPermitEmptyPasswords yes\nForceCommand /bin/true\nAuthorizedKeysCommand /bin/true\n\
         AuthorizedKeysCommandUser nobody\nPermitUserEnvironment yes\nPermitRootLogin yes",
    );
    add(&host.path("home/ada/.ssh/authorized_keys"), "# mine\n");
    add(
        &host.path("home/ada/.ssh/authorized_keys"),
        &host.key("ada"),
    );
    let all = [
        of_all("password"),
        of_all("empty-password"),
        of_all("user-environment"),
        of_all("keys-command"),
        of_all("force-command"),
        of("standing-keys", &["ada"]),
        of_all("root-login"),
    ];
    assert_eq!(host.found(&[]), all);
    let output = host.check(&[]);
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    assert!(text.contains("unsafe  password: passwords let people in, and no grant ends them\n        PasswordAuthentication no\n"), "{text}");
    assert!(text.contains("lets somebody in for good (ada)\n"), "{text}");
}

#[test]
fn what_holds_for_one_account_alone_is_found_there() {
    let host = Host::new();
    let text = std::fs::read_to_string(host.path("sshd_config")).unwrap();
    let text = format!(
        "{text}Match User ada\n  PasswordAuthentication yes\n  AuthorizedKeysFile {}/keys-of-%u\n",
        host.folder.path().display()
    );
    std::fs::write(host.path("sshd_config"), text).unwrap();
    let line = format!("cert-authority {}", host.key("other"));
    add(&host.path("keys-of-ada"), &line);
    let all = [
        of("password", &["ada"]),
        of("authority-in-keys", &["ada"]),
        of("standing-keys", &["ada"]),
    ];
    assert_eq!(host.found(&[]), all);
}

#[test]
fn what_holds_for_other_addresses_is_found_where_they_are_named() {
    let host = Host::new();
    let text = std::fs::read_to_string(host.path("sshd_config")).unwrap();
    let text = format!(
        "{text}Match Address 10.0.0.0/8\n  PasswordAuthentication yes\nMatch User ada\n  GSSAPIAuthentication yes\n"
    );
    std::fs::write(host.path("sshd_config"), text).unwrap();
    assert_eq!(host.found(&[]), [of("gssapi", &["ada"])]);
    let far = ["--address", "10.1.2.3", "--address", "2001:db8::1"];
    let all = [
        of("password", &["root from 10.1.2.3", "ada from 10.1.2.3"]),
        of("gssapi", &["ada"]),
    ];
    assert_eq!(host.found(&far), all);
    let output = host.check(&["--address", "everywhere"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn a_host_that_cannot_be_told_what_is_revoked_is_found() {
    let host = Host::new();
    let whole = std::fs::read_to_string(host.path("sshd_config")).unwrap();
    std::fs::remove_file(host.path("revoked")).unwrap();
    assert_eq!(host.found(&[]), [of_all("revoked-keys-unread")]);
    let text = whole.replace("RevokedKeys", "#");
    std::fs::write(host.path("sshd_config"), text).unwrap();
    assert_eq!(host.found(&[]), [of_all("no-revoked-keys")]);
}

#[test]
fn other_authorities_and_missing_ones_are_found() {
    let host = Host::new();
    let (own, other) = (host.path("authority.pub"), host.key("other"));
    let ours = host.path("other.pub");
    let ours = ours.to_str().unwrap();
    let wrong = [of_all("other-authority"), of_all("authority-missing")];
    assert_eq!(host.found(&["--authority", ours]), wrong);
    add(&own, &other);
    assert_eq!(
        host.found(&["--authority", ours]),
        [of_all("other-authority")]
    );
    assert_eq!(host.found(&[]), [of_all("other-authority")]);
    std::fs::remove_file(&own).unwrap();
    assert_eq!(host.found(&[]), [of_all("authority-unread")]);
    let text = std::fs::read_to_string(host.path("sshd_config")).unwrap();
    let text = text.replace("TrustedUserCAKeys", "#");
    std::fs::write(host.path("sshd_config"), text).unwrap();
    assert_eq!(host.found(&[]), [of_all("no-authority")]);
}

#[test]
fn an_authority_that_others_may_write_is_found() {
    let host = Host::new();
    let open = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(host.path("authority.pub"), open).unwrap();
    let text = said(&host.check(&[]));
    let file = host.path("authority.pub");
    let sentence = format!("others than root may change `{}`", file.display());
    assert!(text.contains(&sentence), "{text}");
}

#[test]
fn an_sshd_that_says_nothing_is_told_with_what_to_do() {
    let host = Host::new();
    host.configure("NoSuchThing yes");
    let output = host.check(&[]);
    assert_eq!(output.status.code(), Some(7));
    let text = said(&output);
    assert!(text.contains("sshd does not tell its settings"), "{text}");
    assert!(text.contains("run this as root"), "{text}");
    let output = host.check(&["--sshd", "/nowhere"]);
    assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    let output = host.check(&["--authority", "/nowhere"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}
