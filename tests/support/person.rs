//! Somebody at a command line: runs the real program with a home of their own.

use std::path::Path;
use std::process::Stdio;

use portcullis::wire::Invitation;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::world::{World, key};

/// A person with a home folder, and a server to talk to.
pub(crate) struct Person {
    home: tempfile::TempDir,
    server: String,
    /// What their environment has besides.
    environment: Vec<(&'static str, String)>,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A command that is still running.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Person {
    /// Somebody who is not signed in.
    pub(crate) fn at(server: &str) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            server: server.to_owned(),
            environment: Vec::new(),
        }
    }

    /// As somebody with this in their environment, in place of what it had.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.retain(|(other, _)| *other != name);
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Somebody whom the admin has invited, and who has signed in with the code.
    pub(crate) async fn of(world: &World, name: &str, roles: &[&str], groups: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let invitation = Invitation {
            name: name.to_owned(),
            roles: owned(roles),
            groups: owned(groups),
        };
        let code = world
            .admin()
            .invite(&invitation, &key())
            .await
            .unwrap()
            .code;
        let person = Self::at(&world.url());
        let ran = person.run_with(&["login"], &format!("{code}\n")).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        person
    }

    pub(crate) async fn engineer(world: &World, name: &str) -> Self {
        Self::of(world, name, &["requester"], &["engineers"]).await
    }

    /// The folder of everything that the program keeps.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.other(env!("CARGO_BIN_EXE_portcullis"), arguments)
    }

    /// Another program in the same surroundings.
    pub(crate) fn other(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("TMPDIR", self.home())
            .env("TZ", "UTC")
            .env("PORTCULLIS_DEVICE_KEY", "file")
            .env("PORTCULLIS_HOME", self.home().join("state"))
            .env("PORTCULLIS_CONFIG_DIR", self.home().join("config"))
            .env("PORTCULLIS_SERVER", &self.server)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "").await
    }

    /// Runs a command to its end, with something on its standard input.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A program that does not read has closed the pipe already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        Ran::of(child).await
    }

    /// Runs a command that has to succeed, and gives its output.
    pub(crate) async fn does(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.out
    }

    /// Runs a command with `--json` that has to succeed.
    pub(crate) async fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.does(&arguments).await).unwrap()
    }

    /// Starts a command that goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }
}

impl Ran {
    async fn of(child: Child) -> Self {
        let output = child.wait_with_output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Running {
    /// The number of its process.
    pub(crate) fn process(&self) -> i32 {
        i32::try_from(self.child.id().unwrap()).unwrap()
    }

    /// Reads until a line holds these words.
    pub(crate) async fn says(&mut self, words: &str) -> String {
        while let Some(line) = self.lines.next_line().await.unwrap() {
            if line.contains(words) {
                return line;
            }
        }
        panic!("the program ended without saying `{words}`");
    }

    /// Waits for its end; the output is what was not read yet.
    pub(crate) async fn ends(mut self) -> Ran {
        let mut out = String::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            out.push_str(&line);
            out.push('\n');
        }
        Ran {
            out,
            ..Ran::of(self.child).await
        }
    }
}
