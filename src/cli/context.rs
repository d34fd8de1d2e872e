//! What a command stands on: the server it talks to, the sign-in it uses, and where it prints.

use chrono::{DateTime, Utc};

use crate::cli::{Common, Failure, Printer};
use crate::client::{Channel, Client, ServerUrl, Session, StateDir};
use crate::config::{ConsoleSettings, Problem, paths};

/// What a command stands on.
#[derive(Debug)]
pub struct Context<'p> {
    common: Common,
    pub printer: &'p Printer,
}

impl<'p> Context<'p> {
    pub(super) fn new(common: Common, printer: &'p Printer) -> Self {
        Self { common, printer }
    }

    /// What `--server` or `PORTCULLIS_SERVER` says, for commands with settings of their own.
    pub fn server_flag(&self) -> Option<&str> {
        self.common.server.as_deref()
    }

    /// The server to talk to.
    pub fn server(&self) -> Result<ServerUrl, Failure> {
        if let Some(server) = &self.common.server {
            return Ok(server.parse()?);
        }
        Ok(self.settings()?.url.parse()?)
    }

    /// The settings of the console and the commands.
    pub fn settings(&self) -> Result<ConsoleSettings, Failure> {
        let folder = paths::config_dir(None, &environment);
        ConsoleSettings::load(&folder, &environment, &[]).map_err(|problems| unusable(&problems))
    }

    /// Where sign-ins are kept.
    pub fn state(&self) -> Result<StateDir, Failure> {
        Ok(StateDir::from_env(&environment)?)
    }

    /// A client with the sign-in of the person at the keyboard.
    pub fn client(&self) -> Result<Client, Failure> {
        let server = self.server()?;
        let session = Session::open(&server, &self.state()?)?;
        Ok(Client::new(session, Channel::Cli)?)
    }

    /// The server's clock, which decides; clocks on laptops are wrong surprisingly often.
    pub async fn now(&self, client: &Client) -> Result<DateTime<Utc>, Failure> {
        Ok(client.me().await?.now)
    }
}

/// Reads the process's environment.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn unusable(problems: &[Problem]) -> Failure {
    let text = problems.first().map_or_else(
        || "the settings cannot be used".to_owned(),
        |problem| format!("{}: {}", problem.origin, problem.message),
    );
    Failure::here(text, "run `portcullis config check` to see every problem")
}
