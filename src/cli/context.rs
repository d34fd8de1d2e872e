//! What a command stands on: the server it talks to, the sign-in it uses, and where it prints.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::cli::noting::Noting;
use crate::cli::prove::AtTerminal;
use crate::cli::{Common, Failure, Printer};
use crate::client::{Channel, Client, Servers, Session, StateDir};
use crate::config::{ConsoleSettings, Problem, paths};
use crate::secret::Secret;

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

    /// Whether flags or the environment say where the server is, which another program may not have.
    pub fn is_told_where(&self) -> bool {
        !matches!(self.named(), Named::Nothing)
    }

    /// The server to talk to, by all its addresses.
    pub fn servers(&self) -> Result<Servers, Failure> {
        match self.named() {
            Named::Server(server) => Ok(server.parse()?),
            Named::Backend | Named::Nothing => Ok(self.settings()?.url.parse()?),
        }
    }

    /// The name of the backend that is talked to, when it has one.
    pub fn backend(&self) -> Result<Option<String>, Failure> {
        match self.named() {
            Named::Server(_) => Ok(None),
            Named::Backend | Named::Nothing => Ok(self.settings()?.backend),
        }
    }

    /// What says where the server is: flags before the environment before the file, and of two of a kind the address.
    fn named(&self) -> Named<'_> {
        let said = |name: &str, value: &Option<String>| {
            let from_environment = environment(name).filter(|text| !text.is_empty());
            value.is_some() && *value != from_environment
        };
        let (server, backend) = (&self.common.server, &self.common.backend);
        let server_flag = said("PORTCULLIS_SERVER", server);
        match server {
            Some(url) if server_flag => Named::Server(url),
            _ if said("PORTCULLIS_BACKEND", backend) => Named::Backend,
            Some(url) if !url.is_empty() => Named::Server(url),
            _ if backend.is_some() => Named::Backend,
            _ => Named::Nothing,
        }
    }

    /// The settings of the console and the commands.
    pub fn settings(&self) -> Result<ConsoleSettings, Failure> {
        let folder = paths::config_dir(None, &environment);
        let mut flags: Vec<(&str, String)> = Vec::new();
        if let (Named::Backend, Some(name)) = (self.named(), &self.common.backend) {
            flags.push(("backend", name.clone()));
        }
        ConsoleSettings::load(&folder, &environment, &flags).map_err(|problems| unusable(&problems))
    }

    /// Where sign-ins are kept.
    pub fn state(&self) -> Result<StateDir, Failure> {
        Ok(StateDir::from_env(&environment)?)
    }

    /// A client with the sign-in of the person at the keyboard.
    pub fn client(&self) -> Result<Client, Failure> {
        let prover = Arc::new(AtTerminal::new(self.common.totp.clone()));
        let listener = Arc::new(Noting::new(self.printer.json));
        Ok(self
            .client_that_asks_nobody()?
            .with_prover(prover)
            .with_listener(listener))
    }

    /// As `client`, for a program that runs where nobody can answer.
    pub fn client_that_asks_nobody(&self) -> Result<Client, Failure> {
        let servers = self.servers()?;
        // A machine has no sign-in to keep: its token comes with its surroundings.
        let token = environment("PORTCULLIS_TOKEN").filter(|token| !token.is_empty());
        let session = if let Some(token) = token {
            Session::of_service(&servers, Secret::new(token))
        } else {
            let place = self.settings()?.device_key;
            Session::open_with(&servers, &self.state()?, place)?
        };
        Ok(Client::new(session, Channel::Cli)?)
    }

    /// The second factor that was given as a flag or in the environment.
    pub fn totp(&self) -> Option<&str> {
        self.common.totp.as_deref()
    }

    /// The server's clock, which decides; clocks on laptops are wrong surprisingly often.
    pub async fn now(&self, client: &Client) -> Result<DateTime<Utc>, Failure> {
        Ok(client.me().await?.now)
    }
}

/// What says where the server is.
enum Named<'a> {
    Server(&'a str),
    Backend,
    Nothing,
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
