//! Certificates that a real `sshd` accepts, and those that it must not.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::target::{EnforcementClass, TargetKind};
use portcullis::targets::ssh::Certified;
use portcullis::targets::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, KindRole, KindSettings,
    SettingsProblem, connector,
};
use ssh_key::Certificate;
use ssh_key::certificate::CertType;

use super::{Case, Stand, environment};
use crate::support::sshd::{Sshd, our_name};

pub(crate) struct SshStand {
    connector: Box<dyn Connector>,
    sshd: Sshd,
    key: PathBuf,
    public_key: String,
}

fn made(settings: &str, role: &str) -> Result<Box<dyn Connector>, Vec<SettingsProblem>> {
    made_in(&environment(), settings, role)
}

fn made_in(
    environment: &Environment,
    settings: &str,
    role: &str,
) -> Result<Box<dyn Connector>, Vec<SettingsProblem>> {
    let parse = |text: &str| toml::Value::Table(text.parse().unwrap());
    let settings = KindSettings::read(TargetKind::Ssh, parse(settings)).unwrap();
    let role = KindRole::read(TargetKind::Ssh, parse(role)).unwrap();
    connector(
        settings,
        BTreeMap::from([("readonly".parse().unwrap(), role)]),
        environment,
    )
}

fn authority(connector: &dyn Connector) -> String {
    connector.preparation().first().unwrap().text.clone()
}

#[expect(
    clippy::disallowed_methods,
    reason = "sshd has no other clock than the machine's"
)]
fn machine_clock() -> DateTime<Utc> {
    Utc::now()
}

impl SshStand {
    async fn certified(&self, access: Access<'_>) -> Certified {
        match self.connector.credential(access, self.ask()).await.unwrap() {
            Credential::Ssh(certified) => certified,
            _ => unreachable!("a host gives certificates"),
        }
    }

    fn run(&self, certified: &Certified, arguments: &[&str]) -> Result<String, String> {
        let output = self.sshd.run(&self.key, &certified.certificate, arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}

impl Stand for SshStand {
    async fn set_up() -> Self {
        let connector = made(
            "host = \"127.0.0.1\"",
            "user = \"root\"\nprincipals = [\"deploy\"]",
        )
        .unwrap();
        let sshd = Sshd::start(&authority(connector.as_ref()), &["deploy"]);
        let (key, public_key) = sshd.client_key("ada");
        Self {
            connector,
            sshd,
            key,
            public_key,
        }
    }

    fn connector(&self) -> &dyn Connector {
        self.connector.as_ref()
    }

    fn unreachable(&self) -> Box<dyn Connector> {
        made("host = \"127.0.0.1\"\nport = 1", "user = \"root\"").unwrap()
    }

    async fn now(&self) -> DateTime<Utc> {
        machine_clock()
    }

    fn ask(&self) -> CredentialAsk<'_> {
        CredentialAsk::PublicKey(&self.public_key)
    }

    async fn opens(&self, credential: &Credential) -> bool {
        let Credential::Ssh(certified) = credential else {
            return false;
        };
        self.run(certified, &["whoami"]).is_ok()
    }

    async fn traces(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test]
async fn sshd_lets_the_holder_in_and_logs_the_grant() {
    let stand = SshStand::set_up().await;
    let case = Case::on(&stand).await;
    let certified = stand.certified(case.access(1)).await;
    assert_eq!(
        stand.run(&certified, &["whoami"]),
        Ok(stand.sshd.user.clone())
    );
    let log = stand.sshd.log();
    assert!(
        log.contains(&format!(
            "ID pcl:{}:ada (serial {})",
            case.grant, certified.serial
        )),
        "{log}"
    );
}

#[tokio::test]
async fn sshd_refuses_a_certificate_that_is_over() {
    let stand = SshStand::set_up().await;
    let case = Case {
        now: machine_clock() - TimeDelta::hours(1),
        ..Case::on(&stand).await
    };
    let certified = stand.certified(case.access(1)).await;
    assert!(certified.ends_at < machine_clock());
    assert!(stand.run(&certified, &["whoami"]).is_err());
    assert!(
        stand.sshd.log().contains("Certificate invalid: expired"),
        "{}",
        stand.sshd.log()
    );
}

#[tokio::test]
async fn sshd_refuses_a_certificate_for_another_principal() {
    let stand = SshStand::set_up().await;
    let sshd = Sshd::start(&authority(stand.connector()), &["admin"]);
    let stand = SshStand { sshd, ..stand };
    let case = Case::on(&stand).await;
    let certified = stand.certified(case.access(1)).await;
    assert!(stand.run(&certified, &["whoami"]).is_err());
    assert!(
        stand
            .sshd
            .log()
            .contains("does not contain an authorized principal"),
        "{}",
        stand.sshd.log()
    );
}

#[tokio::test]
async fn sshd_refuses_a_certificate_of_another_installation() {
    let stand = SshStand::set_up().await;
    let other = made(
        "host = \"127.0.0.1\"",
        "user = \"root\"\nprincipals = [\"deploy\"]",
    )
    .unwrap();
    let stand = SshStand {
        connector: other,
        ..stand
    };
    let case = Case::on(&stand).await;
    let certified = stand.certified(case.access(1)).await;
    assert!(stand.run(&certified, &["whoami"]).is_err());
}

#[tokio::test]
async fn the_host_cuts_open_sessions_at_the_end_of_the_grant() {
    let stand = SshStand::set_up().await;
    let case = Case::on(&stand).await;
    for terminal in [false, true]
        .into_iter()
        .filter(|terminal| !terminal || Sshd::has_terminals())
    {
        let began = std::time::Instant::now();
        let soon = Access {
            ends_at: machine_clock() + TimeDelta::seconds(4),
            ..case.access(1)
        };
        let certified = stand.certified(soon).await;
        let arguments: &[&str] = if terminal {
            &["-tt", "echo in; sleep 50"]
        } else {
            &["echo in; sleep 50"]
        };
        let output = stand
            .sshd
            .run(&stand.key, &certified.certificate, arguments);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            "in",
            "it worked until then"
        );
        assert!(!output.status.success());
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_limited_session_passes_on_what_was_asked_for() {
    let stand = SshStand::set_up().await;
    let case = Case::on(&stand).await;
    let certified = stand.certified(case.access(1)).await;
    let asked = "printf '%s|' \"a  b\" 'c$HOME' \\; ; exit 7";
    let output = stand.sshd.run(&stand.key, &certified.certificate, &[asked]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a  b|c$HOME|;|");
    assert_eq!(output.status.code(), Some(7));
}

#[tokio::test]
async fn the_class_says_whether_sessions_are_cut() {
    let class = |settings: &str, role: &str| made(settings, role).unwrap().class();
    let host = "host = \"web-1\"\n";
    assert_eq!(class(host, "user = \"deploy\""), EnforcementClass::APlus);
    assert_eq!(
        class(host, "user = \"deploy\"\nport_forwarding = true"),
        EnforcementClass::A
    );
    assert_eq!(
        class(&format!("{host}cut_sessions = false"), "user = \"deploy\""),
        EnforcementClass::A
    );
}

#[tokio::test]
async fn ports_are_forwarded_only_where_the_role_says_so() {
    for allowed in [false, true] {
        let role = format!("user = \"root\"\nport_forwarding = {allowed}");
        let connector = made("host = \"127.0.0.1\"", &role).unwrap();
        let sshd = Sshd::start(&authority(connector.as_ref()), &["root"]);
        let (key, public_key) = sshd.client_key("ada");
        let stand = SshStand {
            connector,
            sshd,
            key,
            public_key,
        };
        let case = Case::on(&stand).await;
        let certified = stand.certified(case.access(1)).await;
        // Through the forwarded channel the same server greets us, or nobody does.
        let answer = stand.run(
            &certified,
            &["-W", &format!("127.0.0.1:{}", stand.sshd.port)],
        );
        assert_eq!(
            answer.is_ok_and(|text| text.starts_with("SSH-2.0-")),
            allowed
        );
    }
}

/// A host that may be told which certificates are revoked, in the file that it looks at or in another one.
fn told(file: Option<&str>) -> SshStand {
    let environment = environment();
    let role = format!("user = \"{}\"\nprincipals = [\"deploy\"]", our_name());
    let first = made_in(&environment, "host = \"127.0.0.1\"", &role).unwrap();
    let sshd = Sshd::start(&authority(first.as_ref()), &["deploy", our_name().as_str()]);
    let krl = sshd.krl();
    let krl = match file {
        None => krl,
        Some(name) => krl.replace("/revoked\"", &format!("/{name}\"")),
    };
    let settings = format!(
        "host = \"127.0.0.1\"\nport = {}\nhost_key = \"{}\"\n{krl}",
        sshd.port, sshd.host_key
    );
    let (key, public_key) = sshd.client_key("ada");
    SshStand {
        connector: made_in(&environment, &settings, &role).unwrap(),
        sshd,
        key,
        public_key,
    }
}

#[tokio::test]
async fn a_host_that_is_told_refuses_at_once_what_has_life_left_and_nothing_else() {
    let stand = told(None);
    let (over, live) = (Case::on(&stand).await, Case::on(&stand).await);
    let certified = stand.certified(over.access(1)).await;
    let other = stand.certified(live.access(1)).await;
    assert!(
        stand.run(&certified, &["true"]).is_ok(),
        "{}",
        stand.sshd.log()
    );
    let access = Access {
        last_credential_ends_at: Some(certified.ends_at),
        ..over.access(2)
    };
    let down = stand.connector.down(access).await.unwrap();
    assert!(
        matches!(down, Down::Until(at, _) if at == certified.ends_at),
        "{down:?}"
    );
    let receipt = stand
        .connector
        .recall(access, &[access])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(receipt.steps.len(), 2, "{receipt:?}");
    assert!(receipt.unproved.is_some(), "{receipt:?}");
    assert!(certified.ends_at > machine_clock(), "it has life left");
    assert!(stand.run(&certified, &["true"]).is_err());
    assert!(stand.sshd.log().contains("revoked"), "{}", stand.sshd.log());
    assert!(stand.run(&other, &["true"]).is_ok(), "{}", stand.sshd.log());

    // A list that was made before, and arrives late, takes nothing back.
    let before = Access {
        now: over.now - TimeDelta::seconds(5),
        ..live.access(1)
    };
    let late = stand.connector.recall(before, &[before]).await.unwrap_err();
    assert!(late.message.contains("the grant is missing"), "{late}");
    assert!(stand.run(&certified, &["true"]).is_err());
    assert!(stand.run(&other, &["true"]).is_ok());
    // A later one lets those drop out that are expired.
    let after = Access {
        now: over.now + TimeDelta::seconds(5),
        ..live.access(1)
    };
    stand
        .connector
        .recall(after, &[after])
        .await
        .unwrap()
        .unwrap();
    assert!(stand.run(&other, &["true"]).is_err());
    let list = std::fs::read(stand.sshd.revoked_keys()).unwrap();
    let has = |case: &Case| {
        let id = case.grant.to_string();
        list.windows(id.len()).any(|part| part == id.as_bytes())
    };
    assert!(has(&live) && !has(&over));
}

#[tokio::test]
async fn a_host_that_does_not_keep_to_its_list_is_found_out() {
    let stand = told(Some("elsewhere"));
    let case = Case::on(&stand).await;
    let access = case.access(2);
    let failure = stand.connector.recall(access, &[access]).await.unwrap_err();
    assert!(
        failure.message.contains("does not keep to its list")
            && failure.message.contains("`RevokedKeys "),
        "{failure}"
    );
}

#[tokio::test]
async fn a_host_that_cannot_be_told_is_named_and_one_without_a_file_is_not_asked() {
    let stand = SshStand::set_up().await;
    let case = Case::on(&stand).await;
    let access = case.access(2);
    assert_eq!(stand.connector.recall(access, &[access]).await, Ok(None));
    let nobody = made(
        &format!(
            "host = \"127.0.0.1\"\nport = 1\nhost_key = \"{}\"\n{}",
            stand.sshd.host_key,
            stand.sshd.krl()
        ),
        "user = \"root\"",
    )
    .unwrap();
    let failure = nobody.recall(access, &[access]).await.unwrap_err();
    assert!(
        !failure.permanent && failure.message.contains("Connection refused"),
        "{failure}"
    );
    // Whoever is there with another key is told nothing.
    let other = told(None);
    let settings = format!(
        "host = \"127.0.0.1\"\nport = {}\nhost_key = \"{}\"\n{}",
        other.sshd.port,
        stand.sshd.host_key,
        other.sshd.krl()
    );
    let impostor = made(&settings, "user = \"root\"").unwrap();
    let failure = impostor.recall(access, &[access]).await.unwrap_err();
    assert!(
        failure.message.contains("Host key verification failed"),
        "{failure}"
    );
}

#[tokio::test]
async fn openssh_reads_the_list_and_finds_in_it_what_is_revoked_alone() {
    let stand = SshStand::set_up().await;
    let (over, live) = (Case::on(&stand).await, Case::on(&stand).await);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, case) in [("over", &over), ("live", &live)] {
        let certified = stand.certified(case.access(1)).await;
        std::fs::write(at(name), certified.certificate).unwrap();
    }
    let is_revoked = |name: &str| {
        let mut keygen = std::process::Command::new("ssh-keygen");
        let said = keygen
            .args(["-Q", "-f"])
            .arg(at("krl"))
            .arg(at(name))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(
            text.contains("REVOKED") || text.contains(": ok"),
            "{said:?}"
        );
        !said.status.success()
    };
    let others: Vec<Case> =
        futures_util::future::join_all((0..200).map(|_| Case::on(&stand))).await;
    let mut accesses: Vec<Access<'_>> = others.iter().map(|case| case.access(1)).collect();
    for (listed, revoked) in [(false, false), (true, true)] {
        if listed {
            accesses.push(over.access(1));
        }
        let list = stand
            .connector
            .revocations(&accesses, over.now)
            .unwrap()
            .unwrap();
        std::fs::write(at("krl"), list).unwrap();
        assert_eq!((is_revoked("over"), is_revoked("live")), (revoked, false));
    }
    let empty = stand.connector.revocations(&[], over.now).unwrap().unwrap();
    std::fs::write(at("krl"), empty).unwrap();
    assert!(!is_revoked("over"));
}

#[tokio::test]
async fn a_certificate_says_exactly_what_was_granted() {
    let stand = SshStand::set_up().await;
    let case = Case::on(&stand).await;
    let certified = stand.certified(case.access(1)).await;
    let certificate = Certificate::from_openssh(&certified.certificate).unwrap();
    assert_eq!(certificate.cert_type(), CertType::User);
    assert_eq!(certificate.valid_principals(), ["deploy"]);
    assert_eq!(certificate.key_id(), format!("pcl:{}:ada", case.grant));
    assert_eq!(
        certificate.extensions().keys().collect::<Vec<_>>(),
        ["permit-pty"]
    );
    assert_eq!(
        certificate.critical_options().keys().collect::<Vec<_>>(),
        ["force-command"]
    );
    assert_eq!(
        certificate.valid_before(),
        u64::try_from(case.now.timestamp() + 120).unwrap()
    );
    assert_eq!(
        certificate.valid_after(),
        u64::try_from(case.now.timestamp() - 60).unwrap()
    );
    assert_eq!(certificate.serial(), certified.serial);
    let another = stand.certified(case.access(1)).await;
    assert_ne!(another.serial, certified.serial);
}

#[tokio::test]
async fn only_strong_public_keys_are_certified() {
    let stand = SshStand::set_up().await;
    let case = Case::on(&stand).await;
    let folder = tempfile::tempdir().unwrap();
    for (kind, bits, accepted) in [
        ("ed25519", "256", true),
        ("ecdsa", "256", true),
        ("rsa", "2048", true),
        ("rsa", "1024", false),
    ] {
        let path = folder.path().join(format!("{kind}{bits}"));
        let mut keygen = std::process::Command::new("ssh-keygen");
        keygen
            .args(["-q", "-t", kind, "-b", bits, "-N", "", "-f"])
            .arg(&path);
        assert!(keygen.status().unwrap().success());
        let public_key = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        let answer = stand
            .connector
            .credential(case.access(1), CredentialAsk::PublicKey(&public_key))
            .await;
        assert_eq!(answer.is_ok(), accepted, "{kind} {bits}: {answer:?}");
    }
    let certified = stand.certified(case.access(1)).await;
    for wrong in ["", "ssh-ed25519 AAAA", "not a key", &certified.certificate] {
        let failure = stand
            .connector
            .credential(case.access(1), CredentialAsk::PublicKey(wrong))
            .await
            .unwrap_err();
        assert_eq!(
            failure.message, "this is not a public key in OpenSSH's one-line form",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn an_authority_from_a_file_must_be_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca");
    let mut make = std::process::Command::new("ssh-keygen");
    assert!(
        make.args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let settings = format!("host = \"127.0.0.1\"\nca = {path:?}");
    let stand = SshStand {
        connector: made(&settings, "user = \"root\"").unwrap(),
        ..SshStand::set_up().await
    };
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let written = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    let key = |line: &str| line.split(' ').nth(1).map(str::to_owned);
    assert_eq!(key(&authority(stand.connector())), key(&written));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(
        failure.message.contains("can be read by other people"),
        "{failure}"
    );
}

#[test]
fn a_file_of_revoked_keys_is_a_plain_path_and_its_account_a_plain_name() {
    let host = "host = \"web-1\"\nhost_key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJuHZ6XCoMbUMF0dJJKcUBwzHJMHeT+FcRKMDgPbXB4R\"\n";
    for (file, user, key) in [
        ("/var/lib/portcullis/krl", "portcullis", ""),
        ("krl", "portcullis", "krl_file"),
        ("/a b", "portcullis", "krl_file"),
        ("/a';reboot'", "portcullis", "krl_file"),
        ("/a", "-oProxyCommand=sh", "krl_user"),
    ] {
        let settings = format!("{host}krl_file = \"{file}\"\nkrl_user = \"{user}\"");
        let problems = made(&settings, "user = \"deploy\"")
            .err()
            .unwrap_or_default();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key).collect();
        assert_eq!(keys.join(","), key, "{settings}");
    }
}

#[test]
fn settings_that_would_grant_too_much_are_refused() {
    let host = "host = \"web-1\"";
    for (settings, role, key) in [
        (host, "user = \"deploy\"\nprincipals = []", "principals"),
        (
            host,
            "user = \"deploy\"\nprincipals = [\"*\"]",
            "principals",
        ),
        (
            host,
            "user = \"deploy\"\nprincipals = [\"a,root\"]",
            "principals",
        ),
        (host, "user = \"-oProxyCommand=sh\"", "user"),
        (host, "user = \"a b\"", "user"),
        ("host = \"-oProxyCommand=sh\"", "user = \"deploy\"", "host"),
        (
            "host = \"web-1\"\ncertificate_lifetime = \"11m\"",
            "user = \"deploy\"",
            "certificate_lifetime",
        ),
        (
            "host = \"web-1\"\nkrl_file = \"/var/lib/krl\"",
            "user = \"deploy\"",
            "krl_file,host_key",
        ),
        (
            "host = \"web-1\"\nhost_key = \"ssh-ed25519\"",
            "user = \"deploy\"",
            "host_key",
        ),
    ] {
        let problems = made(settings, role).err().unwrap();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key).collect();
        assert_eq!(keys.join(","), key, "{settings} {role}");
    }
}
