//! The real server as a process of its own, and the people who are signed in to it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;

use crate::http::{Connection, text};
use crate::usage::Usage;

/// How many SSH hosts the catalogue has: one person may have a request pending on each.
pub(crate) const HOSTS: usize = 10;

/// A running server and its folders.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: String,
    /// From starting the program to its first `ready`.
    pub(crate) start: Duration,
    code: Option<String>,
    database: String,
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("PORTCULLIS_BENCH_PROGRAM")
        .map_or_else(|| env!("CARGO_BIN_EXE_portcullis").into(), PathBuf::from)
}

/// Hosts that need nobody's answer, so that figures are about Portcullis.
pub(crate) fn hosts() -> String {
    let mut text = String::new();
    for host in 0..HOSTS {
        text.push_str(&format!(
            "[target.host-{host}]\nkind = \"ssh\"\ndescription = \"a host\"\ntags = {{ env = \"prod\" }}\nhost = \"127.0.0.1\"\n\
             [target.host-{host}.role.readonly]\ndescription = \"look\"\nuser = \"nobody\"\nprincipals = [\"readonly\"]\n"
        ));
    }
    text
}

/// One review by `reviewers` gives an engineer up to four hours.
pub(crate) const POLICY: &str = r#"
@id("readonly")
@threshold("1")
@reviewers("reviewers")
@max_duration("4h")
@max_total("8h")
permit (principal in Group::"engineers", action == Action::"request", resource)
when { context.role == "readonly" };
"#;

impl Node {
    /// Starts a server on an empty folder. `database` is `sqlite` or a URL.
    pub(crate) fn start(catalogue: &str, database: &str) -> anyhow::Result<Self> {
        Self::start_under(POLICY, catalogue, database)
    }

    /// The same under a policy of one's own.
    pub(crate) fn start_under(
        policy: &str,
        catalogue: &str,
        database: &str,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("config"))?;
        std::fs::write(folder.path().join("config/portcullis.toml"), catalogue)?;
        std::fs::write(folder.path().join("config/policy.cedar"), policy)?;
        Self::run(folder, database, "127.0.0.1:0", true)
    }

    /// Ends the server and starts it again at the same address on what it has; `between` may touch its files.
    pub(crate) fn restart(
        mut self,
        between: impl FnOnce(&std::path::Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        self.stop()?;
        let spare = tempfile::tempdir()?;
        let folder = std::mem::replace(&mut self.folder, spare);
        let (database, address) = (self.database.clone(), self.address.clone());
        drop(self);
        between(&folder.path().join("data"))?;
        Self::run(folder, &database, &address, false)
    }

    fn run(
        folder: tempfile::TempDir,
        database: &str,
        listen: &str,
        fresh: bool,
    ) -> anyhow::Result<Self> {
        let log = std::fs::File::create(folder.path().join("log"))?;
        let began = Instant::now();
        let mut child = Command::new(program())
            // The figures are of the work itself; what a proof costs is measured by itself.
            .env("PORTCULLIS_SENDER_CONSTRAINED", "false")
            .env("PORTCULLIS_STEP_UP", "false")
            .args(["serve", "--listen", listen, "--database", database])
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .arg("--config-dir")
            .arg(folder.path().join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("starting the server")?;
        let mut stdout = BufReader::new(child.stdout.take().context("no output")?);
        let said = |stdout: &mut BufReader<ChildStdout>, what: &str| -> anyhow::Result<String> {
            let mut line = String::new();
            loop {
                line.clear();
                anyhow::ensure!(
                    stdout.read_line(&mut line)? > 0,
                    "the server ended before it said `{what}`: {}",
                    std::fs::read_to_string(folder.path().join("log")).unwrap_or_default()
                );
                if let Some((_, rest)) = line.split_once(what) {
                    return Ok(rest.trim().to_owned());
                }
            }
        };
        let address = said(&mut stdout, "Portcullis listens on http://")?;
        while !is_ready(&address) {}
        let start = began.elapsed();
        let code = fresh.then(|| said(&mut stdout, "--code ")).transpose()?;
        Ok(Self {
            address,
            start,
            code,
            database: database.to_owned(),
            child,
            _stdout: stdout,
            folder,
        })
    }

    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.child.id())
    }

    /// Ends the server as an operator would.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        self.child.wait()?;
        Ok(())
    }

    /// The one-time code of the first admin.
    pub(crate) fn code(&self) -> anyhow::Result<&str> {
        self.code
            .as_deref()
            .context("somebody has signed in already")
    }

    /// Signs the first admin in, who is also a reviewer.
    pub(crate) async fn root(&self) -> anyhow::Result<Connection> {
        self.sign_in(json!({ "code": self.code()?, "name": "root" }))
            .await
    }

    /// Invites somebody and signs them in.
    pub(crate) async fn invite(
        &self,
        root: &mut Connection,
        name: &str,
        role: &str,
        group: &str,
    ) -> anyhow::Result<Connection> {
        let invitation = json!({ "name": name, "roles": [role], "groups": [group] });
        let answer = root
            .post("/v1/invitations", None, &invitation.to_string())
            .await?;
        let code = text(&answer.json()?, "code")?;
        self.sign_in(json!({ "code": code })).await
    }

    /// Signs somebody in with a code that was made for them.
    pub(crate) async fn redeem(&self, code: &str) -> anyhow::Result<Connection> {
        self.sign_in(json!({ "code": code })).await
    }

    async fn sign_in(&self, body: serde_json::Value) -> anyhow::Result<Connection> {
        let mut nobody = Connection::open(&self.address, None).await?;
        let answer = nobody.post("/v1/sign-in", None, &body.to_string()).await?;
        let token = text(&answer.json()?, "access_token")?;
        Connection::open(&self.address, Some(&token)).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn is_ready(address: &str) -> bool {
    use std::io::{Read as _, Write as _};
    let ask = || -> std::io::Result<bool> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

/// Asks for an hour on a host.
pub(crate) async fn submit(
    who: &mut Connection,
    target: &str,
    reason: &str,
) -> anyhow::Result<serde_json::Value> {
    let ask = json!({ "target": target, "role": "readonly", "duration": "1h", "reason": reason });
    who.post("/v1/requests", None, &ask.to_string())
        .await?
        .json()
}

/// Asks for an hour that begins in an hour: a decision on it has nothing to make real at once.
pub(crate) async fn submit_for_later(
    who: &mut Connection,
    target: &str,
) -> anyhow::Result<serde_json::Value> {
    #[expect(clippy::disallowed_methods, reason = "the server runs on this machine")]
    let start = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    let ask = json!({ "target": target, "role": "readonly", "duration": "1h", "reason": "INC-4127 stuck orders",
        "not_before": start.to_rfc3339_opts(chrono::SecondsFormat::Millis, true) });
    who.post("/v1/requests", None, &ask.to_string())
        .await?
        .json()
}

/// Approves a request as it was seen.
pub(crate) async fn approve(
    reviewer: &mut Connection,
    request: &serde_json::Value,
) -> anyhow::Result<serde_json::Value> {
    let version = request.get("version").and_then(serde_json::Value::as_i64);
    let path = format!("/v1/requests/{}/approve", text(request, "id")?);
    reviewer.post(&path, version, "{}").await?.json()
}
