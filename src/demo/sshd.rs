//! A private SSH server that trusts the demonstration's certificate authority, for the targets of that kind.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{LineEnding, PrivateKey};

use crate::demo::process::{Account, Folder, Program, free_port};
use crate::secret::{self, Secret};

const SSHD: &str = "/usr/sbin/sshd";
/// Where sshd wants an empty folder when it runs as root; the service's unit makes it.
const SEPARATION: &str = "/run/sshd";
/// It answers within milliseconds.
const START: Duration = Duration::from_secs(10);
/// Somebody else may take the free port before the server does.
const TRIES: u32 = 5;

/// The authority, and the server that trusts it where there is one.
#[derive(Debug)]
pub(super) struct Hosts {
    pub authority: PathBuf,
    pub sshd: Option<Sshd>,
}

/// A running server.
#[derive(Debug)]
pub(super) struct Sshd {
    pub port: u16,
    /// The account that can be logged in to.
    pub account: String,
    pub host_key: String,
    _program: Program,
}

impl Hosts {
    /// Makes the authority, and starts a server when this machine has what it takes.
    pub(super) fn start(folder: &Folder) -> anyhow::Result<Self> {
        let keys = folder.part("authority", None)?;
        let authority = keys.join("key");
        let public = make_key(&authority, "portcullis demo")?;
        let sshd = match account().filter(|_| Path::new(SSHD).exists()) {
            Some(account) => Some(Sshd::start(folder, &account, &public)?),
            None => None,
        };
        Ok(Self { authority, sshd })
    }
}

/// As whom the server runs, and the account that people log in to. Only root can let people in as somebody else.
fn account() -> Option<Account> {
    let fits = |account: &Account| {
        let mut letters = account.name.bytes();
        account.has_shell()
            && letters
                .next()
                .is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
            && letters.all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte)
            })
    };
    Account::harmless().filter(fits).or_else(|| {
        let can_separate = !rustix::process::geteuid().is_root() || Path::new(SEPARATION).exists();
        Account::ours().filter(fits).filter(|_| can_separate)
    })
}

impl Sshd {
    fn start(folder: &Folder, account: &Account, authority: &str) -> anyhow::Result<Self> {
        let owner = Some(account).filter(|account| Account::ours().as_ref() != Some(account));
        let home = folder.part("sshd", owner)?;
        let host_key = make_key(&home.join("host"), "portcullis demo host")?;
        std::fs::write(home.join("authority.pub"), authority)
            .context("writing the authority's key")?;
        std::fs::write(home.join("principals"), "readonly\nadmin\n")
            .context("writing the principals")?;
        if let Some(owner) = owner {
            owner
                .own(&home.join("host"))
                .context("handing the host key over")?;
        }
        let (settings, log) = (home.join("sshd_config"), home.join("log"));
        for _ in 0..TRIES {
            let port = free_port()?;
            std::fs::write(&settings, config(&home, port))
                .context("writing the settings of sshd")?;
            let settings = settings.to_string_lossy();
            let mut program =
                Program::start("TERM", &log, owner, &[SSHD, "-D", "-e", "-f", &settings])?;
            let began = Instant::now();
            while began.elapsed() < START && !program.is_gone() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    let account = account.name.clone();
                    return Ok(Self {
                        port,
                        account,
                        host_key,
                        _program: program,
                    });
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        bail!(
            "sshd did not start: {}",
            log.lines().last().unwrap_or("it said nothing")
        )
    }
}

fn config(home: &Path, port: u16) -> String {
    let at = |name: &str| home.join(name).display().to_string();
    let (host, authority, principals) = (at("host"), at("authority.pub"), at("principals"));
    // The shells of the demonstration must not write into anybody's history.
    format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey \"{host}\"\nPidFile none\nUsePAM no\nStrictModes no\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         AuthorizedKeysFile none\nTrustedUserCAKeys \"{authority}\"\nAuthorizedPrincipalsFile \"{principals}\"\n\
         SetEnv HISTFILE=/dev/null\nPrintMotd no\n"
    )
}

/// Makes an Ed25519 key pair and gives the public key line.
fn make_key(path: &Path, comment: &str) -> anyhow::Result<String> {
    let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&secret::random()?));
    key.set_comment(comment);
    let text = key.to_openssh(LineEnding::LF).context("writing a key")?;
    secret::create_private(path, &Secret::new(text.to_string()))?;
    key.public_key()
        .to_openssh()
        .context("writing a public key")
}
