//! `portcullis demo`: a whole Portcullis on this machine for somebody who has never seen one. A server, targets that
//! are real where the machine has what it takes, and colleagues who ask for access, use it and hand it back.
//!
//! It does nothing that a person could not do: everybody in it goes through the API. Nothing of it outlives it.
//!
//! To add a colleague or something to ask for: `cast.rs`. To add something that they do: an arm in `play.rs`.

mod cast;
mod dice;
mod files;
mod play;
mod postgres;
mod process;
mod session;
mod sshd;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::catalog::Watcher;
use crate::client::{Channel, Client, IdempotencyKey, ServerUrl, Session, StateDir};
use crate::demo::cast::{ADMIN, CAST, GUEST, GUEST_PART, Part};
use crate::demo::play::{Person, Play};
use crate::demo::postgres::Postgres;
use crate::demo::process::Folder;
use crate::demo::sshd::Hosts;
use crate::domain::second_factor::StepUp;
use crate::secret::Key;
use crate::server::{self, Server};
use crate::store::{Clock, Location};
use crate::targets::{Environment, Installation};
use crate::wire::Invitation;

/// A server that is busy closing grants is not waited for longer than this.
const GOODBYE: Duration = Duration::from_secs(10);
const DEVICE: &str = "demo";

/// What a demonstration is like.
#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    /// Whether to start a PostgreSQL server when this machine has one.
    pub postgres: bool,
    pub listen: SocketAddr,
}

/// A running demonstration. Dropping it ends everything that it started; `stop` does the same in good order.
pub struct Demo {
    // Dropped in this order: first who acts, then what they act on, then the folder with all of it.
    play: Option<JoinHandle<()>>,
    stop: CancellationToken,
    server: Option<Server>,
    admin: Client,
    homes: PathBuf,
    missing: Vec<&'static str>,
    _postgres: Option<Postgres>,
    _hosts: Hosts,
    _folder: Folder,
}

impl Demo {
    /// Starts everything, and comes back when the first things have happened.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let (mut missing, programs) = (Vec::new(), postgres::programs());
        let postgres = match programs.filter(|_| options.postgres) {
            Some(programs) => Some(Postgres::start(programs, &folder).await?),
            None => None,
        };
        if options.postgres && postgres.is_none() {
            missing.push(
                "PostgreSQL is not on this machine, so there is no database among the targets",
            );
        }
        let hosts = Hosts::start(&folder)?;
        if hosts.sshd.is_none() {
            missing.push("sshd cannot be started here, so certificates are made but open no host");
        }
        let config = folder.part("config", None)?;
        files::write(&config, postgres.as_ref(), &hosts)?;
        let server = start_server(options, &folder, config).await?;
        let homes = folder.part("home", None)?;
        let url: ServerUrl = format!("http://{}", server.address()).parse()?;
        let admin = Client::new(
            Session::open(&url, &StateDir::at(homes.join(ADMIN)))?,
            Channel::Cli,
        )?;
        let mut demo = Self {
            play: None,
            stop: CancellationToken::new(),
            server: Some(server),
            admin,
            homes,
            missing,
            _postgres: postgres,
            _hosts: hosts,
            _folder: folder,
        };
        Box::pin(demo.raise_the_curtain(options.seed, &url)).await?;
        Ok(demo)
    }

    async fn raise_the_curtain(&mut self, seed: u64, url: &ServerUrl) -> anyhow::Result<()> {
        let Some(code) = self.server.as_ref().and_then(Server::bootstrap_code) else {
            bail!("a fresh server has somebody in it already");
        };
        self.admin
            .sign_in(code.expose(), Some(ADMIN), Some(DEVICE))
            .await?;
        let guest = Client::new(
            Session::open(url, &StateDir::at(self.homes.join(GUEST)))?,
            Channel::Cli,
        )?;
        self.invite(&GUEST_PART, &guest).await?;
        let mut people = Vec::new();
        for part in &CAST {
            let client = Client::new(Session::in_memory(url), Channel::Cli)?;
            self.invite(part, &client).await?;
            people.push(Person { part, client });
        }
        // Its token goes nowhere: nobody plays the machine.
        self.admin
            .create_service(&cast::machine(), &IdempotencyKey::new()?)
            .await?;
        let mut play = Play::new(people, seed).await?;
        Box::pin(play.opening())
            .await
            .context("playing the opening")?;
        self.play = Some(tokio::spawn(play.run(self.stop.clone())));
        Ok(())
    }

    async fn invite(&self, part: &Part, client: &Client) -> anyhow::Result<()> {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let invitation = Invitation {
            name: part.name.to_owned(),
            roles: owned(part.roles),
            groups: owned(part.groups),
        };
        let code = self
            .admin
            .invite(&invitation, &IdempotencyKey::new()?)
            .await?
            .code;
        client.sign_in(&code, None, Some(DEVICE)).await?;
        Ok(())
    }

    /// The server's address.
    pub fn url(&self) -> String {
        self.admin.server().to_string()
    }

    /// The name of the admin and the folder with that sign-in, for `PORTCULLIS_HOME`.
    pub fn admin(&self) -> (&'static str, PathBuf) {
        (ADMIN, self.homes.join(ADMIN))
    }

    /// The name of an engineer whom nobody plays, and the folder with that sign-in.
    pub fn guest(&self) -> (&'static str, PathBuf) {
        (GUEST, self.homes.join(GUEST))
    }

    /// What this machine lacks for the whole picture, as sentences.
    pub fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    /// Ends the play, the server and the targets, and removes everything.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(play) = self.play.take() {
            // Nothing it does takes longer than one call.
            let _ = tokio::time::timeout(GOODBYE, play).await;
        }
        if let Some(server) = self.server.take() {
            let _ = tokio::time::timeout(GOODBYE, server.stop()).await;
        }
        // What is left blocks for a moment while programs end.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Some(play) = self.play.take() {
            play.abort();
        }
    }
}

async fn start_server(
    options: &Options,
    folder: &Folder,
    config: PathBuf,
) -> anyhow::Result<Server> {
    let data = folder.part("data", None)?;
    let key = Key::open_or_create(&data.join("key"))?;
    let environment = Environment {
        installation: Installation::of(&key),
        key,
    };
    let watcher = Watcher::open(&config, environment).map_err(|problems| {
        let first = problems
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        anyhow::anyhow!("the demonstration's own files are not valid: {first}")
    })?;
    let database = Location::Sqlite(data.join("portcullis.db"));
    Server::start(
        &database,
        Clock::Database,
        options.listen,
        Arc::new(watcher),
        server::Options {
            // Nobody who only looks should have to reach for a phone.
            step_up: StepUp {
                required: false,
                ..StepUp::default()
            },
            node: "demo".to_owned(),
            ..server::Options::default()
        },
    )
    .await
}
