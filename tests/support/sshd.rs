//! A real `sshd` for the tests, on a free port, trusting one certificate authority.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use rustix::process::{Signal, kill_process};

pub(crate) use super::process::our_name;
use super::process::{Server, folder, free_port};

/// A running server that accepts certificates of one authority for the user that the tests run as.
#[derive(Debug)]
pub(crate) struct Sshd {
    pub(crate) port: u16,
    /// The account that can be logged in to.
    pub(crate) user: String,
    /// The server's public key line.
    pub(crate) host_key: String,
    folder: PathBuf,
    server: Mutex<Server>,
}

impl Sshd {
    /// Starts a server that trusts the authority with this public key line, for certificates with one of `principals`.
    pub(crate) fn start(authority: &str, principals: &[&str]) -> Self {
        // What separates privileges needs this folder, and only the service's unit makes it.
        if rustix::process::geteuid().is_root() {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let folder = folder("pcl-sshd-", None);
        let host_key = make_key(&folder.join("host"));
        std::fs::write(folder.join("authority.pub"), authority).unwrap();
        std::fs::write(folder.join("principals"), principals.join("\n")).unwrap();
        // An empty list, as an installer makes it: without a file sshd would let nobody in.
        let made = Command::new("ssh-keygen")
            .args(["-q", "-k", "-f"])
            .arg(folder.join("revoked"))
            .status();
        assert!(made.expect("ssh-keygen is there").success());
        let log = folder.join("log");
        let started = (0..5).find_map(|_| {
            let port = free_port();
            let settings = folder.join("sshd_config");
            std::fs::write(&settings, config(&folder, port)).unwrap();
            let command = ["/usr/sbin/sshd", "-D", "-e", "-f", settings.to_str()?];
            let mut server = Server::start(&folder, &log, "TERM", None, &command);
            if server
                .wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok())
                .is_none()
            {
                server.stop();
                return None;
            }
            Some((port, server))
        });
        let Some((port, server)) = started else {
            panic!(
                "sshd did not start:\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
        };
        let known = format!("[127.0.0.1]:{port} {host_key}");
        std::fs::write(folder.join("known_hosts"), known).unwrap();
        Self {
            port,
            user: our_name(),
            host_key,
            folder,
            server: Mutex::new(server),
        }
    }

    /// The catalogue entry of this server, with the role `readonly`.
    pub(crate) fn entry(&self, name: &str) -> String {
        self.entry_at(name, self.port, "")
    }

    /// The same where nodes reach it at another port, and with more settings.
    pub(crate) fn entry_at(&self, name: &str, port: u16, settings: &str) -> String {
        let Self { user, host_key, .. } = self;
        format!(
            "[target.{name}]\nkind = \"ssh\"\nhost = \"127.0.0.1\"\nport = {port}\nhost_key = \"{host_key}\"\n{settings}\
             [target.{name}.role.readonly]\nuser = \"{user}\"\nprincipals = [\"readonly\"]\n"
        )
    }

    /// Sends a signal to the process that answers new connections, and to none that has a session.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(self.server.lock().unwrap().process(), signal);
    }

    /// Kills that process as a crash would.
    pub(crate) fn kill(&self) {
        self.server.lock().unwrap().kill();
    }

    /// Starts it as it was.
    pub(crate) fn start_again(&self) {
        let ready = || TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        self.server.lock().unwrap().start_again(ready);
    }

    /// From now on certificates are accepted that have one of these principals.
    pub(crate) fn accept(&self, principals: &[&str]) {
        let file = self.folder.join("principals");
        // At once and whole, because logins read it meanwhile.
        let other = file.with_extension("new");
        std::fs::write(&other, principals.join("\n")).unwrap();
        std::fs::rename(other, file).unwrap();
    }

    /// Where the server looks for revoked keys.
    pub(crate) fn revoked_keys(&self) -> PathBuf {
        self.folder.join("revoked")
    }

    /// The settings of a target that let Portcullis write that file. The account has to be one of the principals.
    pub(crate) fn krl(&self) -> String {
        format!(
            "krl_file = \"{}\"\nkrl_user = \"{}\"\n",
            self.revoked_keys().display(),
            self.user
        )
    }

    /// Whether sessions can have a terminal: a server that is not root cannot hand one over to its group.
    pub(crate) fn has_terminals() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Makes a key pair for a client: the path of the private key, and the public key line.
    pub(crate) fn client_key(&self, name: &str) -> (PathBuf, String) {
        let path = self.folder.join(name);
        let public = make_key(&path);
        (path, public)
    }

    /// Runs a command through `ssh` with a key and its certificate, the way `portcullis connect` does.
    pub(crate) fn run(&self, key: &Path, certificate: &str, arguments: &[&str]) -> Output {
        std::fs::write(key.with_extension("cert"), certificate).unwrap();
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-F",
            "/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "IdentitiesOnly=yes",
        ]);
        ssh.arg("-o").arg(option(
            "UserKnownHostsFile",
            &self.folder.join("known_hosts"),
        ));
        ssh.arg("-o")
            .arg(option("CertificateFile", &key.with_extension("cert")));
        ssh.arg("-i").arg(key).arg("-p").arg(self.port.to_string());
        ssh.arg(format!("{}@127.0.0.1", self.user)).args(arguments);
        ssh.output().expect("ssh is there")
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// Makes an unencrypted key pair and gives the public key line.
fn make_key(path: &Path) -> String {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .output();
    assert!(made.expect("ssh-keygen is there").status.success());
    std::fs::read_to_string(path.with_extension("pub"))
        .unwrap()
        .trim()
        .to_owned()
}

fn config(folder: &Path, port: u16) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let (host, authority, principals) = (at("host"), at("authority.pub"), at("principals"));
    let revoked = at("revoked");
    format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {host}\nPidFile none\nUsePAM no\nStrictModes no\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         AuthorizedKeysFile none\nTrustedUserCAKeys {authority}\nAuthorizedPrincipalsFile {principals}\nLogLevel VERBOSE\n\
         Subsystem sftp internal-sftp\nRevokedKeys {revoked}\n"
    )
}
