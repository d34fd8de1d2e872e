//! A whole Portcullis in the test's process: a real server on a free port over a real database, and people in it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use portcullis::catalog::Watcher;
use portcullis::client::{Channel, Client, IdempotencyKey, Session};
use portcullis::config::{Durability, TokenSettings};
use portcullis::domain::second_factor::StepUp;
use portcullis::domain::target::TargetKind;
use portcullis::gate::Gate;
use portcullis::secret::Key;
use portcullis::server::{Options, Server, views};
use portcullis::store::audit::Filter;
use portcullis::store::{Clock, Location};
use portcullis::targets::{Environment, Installation, KindRole, KindSettings, connector};
use portcullis::tlog::{SigningKey, VerifyingKey};
use portcullis::wire::{Approval, EventView, GrantView, Invitation, NewRequest, RequestView};

use super::http::Http;
use super::postgres::{PASSWORD, SUPERUSER, cluster};

/// Everybody in `engineers` may ask for anything; `reviewers` decide, `dba` twice for admin; `oncall` needs nobody.
pub(crate) const POLICY: &str = r#"
@id("readonly")
@threshold("1")
@reviewers("reviewers")
@max_duration("4h")
@max_total("8h")
permit (principal in Group::"engineers", action == Action::"request", resource)
when { context.role == "readonly" };

@id("admin")
@threshold("2")
@reviewers("reviewers")
@max_duration("2h")
permit (principal in Group::"engineers", action == Action::"request", resource)
when { context.role == "admin" };

@id("oncall")
@threshold("0")
@max_duration("1h")
@max_total("2h")
permit (principal in Group::"oncall", action == Action::"request", resource)
when { context.role == "readonly" };
"#;

/// Whoever is an engineer may break glass, and `reviewers` sign it off.
pub(crate) const GLASS: &str = r#"
@id("glass")
@reviewers("reviewers")
@max_duration("30m")
permit (principal in Group::"engineers", action == Action::"break_glass", resource);
"#;

/// One SSH host: its connector is real and has nothing to wait for.
pub(crate) const CATALOGUE: &str = r#"
[target.bastion]
kind = "ssh"
description = "the way in"
tags = { env = "prod" }
host = "127.0.0.1"

[target.bastion.role.readonly]
description = "look"
user = "nobody"
principals = ["readonly"]

[target.bastion.role.admin]
description = "change"
includes = ["readonly"]
user = "root"
principals = ["admin"]
"#;

/// The master key of every world that shares its targets with nobody.
const COMMON_KEY: [u8; 32] = [7; 32];

/// Somebody's public key, to be certified.
pub(crate) const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBCH1m1+Gib3OzoZR1L1IsIXHIMenDf/ammdVmU7rDbQ somebody";

/// Which database the world's truth is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A running server and its surroundings.
pub(crate) struct World {
    server: Option<Server>,
    pub(crate) location: Location,
    clock: Option<Arc<AtomicI64>>,
    folder: tempfile::TempDir,
    /// The master key, which also says what on a target is of this installation.
    key: [u8; 32],
    /// Whether approving and the like need a second factor.
    step_up: bool,
    /// What holds for sign-ins from the next start on.
    pub(crate) tokens: TokenSettings,
    durability: Durability,
    admin: Option<Client>,
}

/// Runs one body on SQLite and on PostgreSQL, as two tests. `clock by hand` has a clock that only the test turns.
macro_rules! on_both {
    ($(#[$meta:meta])* async fn $name:ident($world:ident: World) $body:block) => {
        on_both!(@ start $(#[$meta])* $name $world $body);
    };
    ($(#[$meta:meta])* async fn $name:ident($world:ident: World, clock by hand) $body:block) => {
        on_both!(@ with_clock $(#[$meta])* $name $world $body);
    };
    ($(#[$meta:meta])* async fn $name:ident($world:ident: World, with glass) $body:block) => {
        on_both!(@ with_glass $(#[$meta])* $name $world $body);
    };
    (@ $start:ident $(#[$meta:meta])* $name:ident $world:ident $body:block) => {
        mod $name {
            use super::*;

            async fn body($world: World) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                body(World::$start(Backend::Sqlite).await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                body(World::$start(Backend::Postgres).await).await;
            }
        }
    };
}
pub(crate) use on_both;

impl World {
    /// Starts with the common policy and catalogue.
    pub(crate) async fn start(backend: Backend) -> Self {
        Self::with(backend, POLICY, CATALOGUE, None).await
    }

    /// Starts with a clock that only the test turns.
    pub(crate) async fn with_clock(backend: Backend) -> Self {
        Self::with(backend, POLICY, CATALOGUE, Some(1_800_000_000_000)).await
    }

    /// As `with_clock`, where policy lets engineers break glass.
    pub(crate) async fn with_glass(backend: Backend) -> Self {
        let policy = format!("{POLICY}{GLASS}");
        Self::with(backend, &policy, CATALOGUE, Some(1_800_000_000_000)).await
    }

    /// Starts with files of one's own.
    pub(crate) async fn with(
        backend: Backend,
        policy: &str,
        catalogue: &str,
        clock: Option<i64>,
    ) -> Self {
        let mut world = Self::ready(backend, policy, catalogue, clock, COMMON_KEY).await;
        world.admin = Some(world.bootstrap().await);
        world
    }

    /// Starts as an installation of its own, for targets that other tests use, too.
    pub(crate) async fn with_targets(backend: Backend, catalogue: &str) -> Self {
        let key = portcullis::secret::random().unwrap();
        let mut world = Self::ready(backend, POLICY, catalogue, None, key).await;
        world.admin = Some(world.bootstrap().await);
        world
    }

    /// From the next start on, approving and the like need a second factor.
    pub(crate) async fn require_step_up(&mut self) {
        self.step_up = true;
        let code = self.code_of_root().await;
        self.restart().await;
        self.root_is_back(&code).await;
    }

    /// With it the first admin signs in again, at another address.
    pub(crate) async fn code_of_root(&self) -> String {
        let again = Invitation {
            name: "root".to_owned(),
            roles: Vec::new(),
            groups: Vec::new(),
        };
        self.admin().invite(&again, &key()).await.unwrap().code
    }

    /// Signs the first admin in again after a restart.
    pub(crate) async fn root_is_back(&mut self, code: &str) {
        let client = self.nobody();
        client.sign_in(code, None, Some("test")).await.unwrap();
        self.admin = Some(client);
    }

    /// The key of the log of every world that shares its targets with nobody.
    pub(crate) fn log_key() -> VerifyingKey {
        let key = Key::new(COMMON_KEY);
        let id = key.derive("audit log name", &[]);
        let digits = |text: String, byte: &u8| text + &format!("{byte:02x}");
        let id = id[..16].iter().fold(String::new(), digits);
        let name = format!("portcullis/audit/{id}/1");
        let signing = SigningKey::from_seed(&name, &key.derive("audit log", &[&name]));
        signing.unwrap().verifying().clone()
    }

    /// Starts with nobody in it.
    pub(crate) async fn empty(backend: Backend) -> Self {
        Self::ready(backend, POLICY, CATALOGUE, None, COMMON_KEY).await
    }

    /// The one-time code that the server has printed.
    pub(crate) fn bootstrap_code(&self) -> String {
        self.server().bootstrap_code().unwrap().expose().to_owned()
    }

    async fn ready(
        backend: Backend,
        policy: &str,
        catalogue: &str,
        clock: Option<i64>,
        key: [u8; 32],
    ) -> Self {
        // Longer than any test; those about sign-ins say how long.
        let tokens = TokenSettings {
            idle: "14d".parse().unwrap(),
            absolute: "30d".parse().unwrap(),
            ..TokenSettings::default()
        };
        Self::ready_with(backend, policy, catalogue, clock, key, tokens).await
    }

    /// Starts with a clock that only the test turns, and with sign-ins that last as long as they do by default.
    pub(crate) async fn with_usual_sign_ins(backend: Backend) -> Self {
        let clock = Some(1_800_000_000_000);
        let tokens = TokenSettings::default();
        let mut world =
            Self::ready_with(backend, POLICY, CATALOGUE, clock, COMMON_KEY, tokens).await;
        world.admin = Some(world.bootstrap().await);
        world
    }

    async fn ready_with(
        backend: Backend,
        policy: &str,
        catalogue: &str,
        clock: Option<i64>,
        key: [u8; 32],
        tokens: TokenSettings,
    ) -> Self {
        ring();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("portcullis.toml"), catalogue).unwrap();
        if !policy.is_empty() {
            std::fs::write(folder.path().join("policy.cedar"), policy).unwrap();
        }
        let location = match backend {
            Backend::Sqlite => Location::Sqlite(folder.path().join("portcullis.db")),
            Backend::Postgres => {
                let cluster = cluster();
                let name = cluster.database().await.name;
                let password = PASSWORD.replace(' ', "%20");
                Location::Postgres(format!(
                    "postgres://{SUPERUSER}:{password}@{}:{}/{name}?sslmode=disable",
                    cluster.host, cluster.port
                ))
            }
        };
        let clock = clock.map(|millis| Arc::new(AtomicI64::new(millis)));
        let mut world = Self {
            server: None,
            location,
            clock,
            folder,
            key,
            step_up: false,
            tokens,
            durability: Durability::default(),
            admin: None,
        };
        world.start_server().await;
        world
    }

    /// Starts on the hosts of this connection string.
    pub(crate) async fn on_hosts(url: String, durability: Durability) -> Self {
        ring();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("portcullis.toml"), CATALOGUE).unwrap();
        std::fs::write(folder.path().join("policy.cedar"), POLICY).unwrap();
        let mut world = Self {
            server: None,
            location: Location::Postgres(url),
            clock: None,
            folder,
            key: COMMON_KEY,
            step_up: false,
            tokens: TokenSettings::default(),
            durability,
            admin: None,
        };
        world.start_server().await;
        world.admin = Some(world.bootstrap().await);
        world
    }

    async fn start_server(&mut self) {
        let key = Key::new(self.key);
        let environment = Environment {
            installation: Installation::of(&key),
            key,
        };
        let watcher = Watcher::open(self.folder.path(), environment)
            .unwrap_or_else(|problems| panic!("{problems:#?}"));
        let config = portcullis::config::server(self.folder.path(), &|_| None, &[]);
        let settings = config
            .unwrap_or_else(|problems| panic!("{problems:#?}"))
            .settings;
        let clock = self.clock.clone().map_or(Clock::Database, Clock::Manual);
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        self.server = Some(
            Server::start(
                &self.location,
                clock,
                listen,
                Arc::new(watcher),
                Options {
                    step_up: StepUp {
                        required: self.step_up,
                        ..settings.step_up
                    },
                    tokens: self.tokens,
                    identity: settings.identity,
                    break_glass: settings.break_glass,
                    audit: settings.audit,
                    notices: settings.notices,
                    checkpoint: Some(self.folder.path().join("checkpoint")),
                    durability: self.durability,
                    ..Options::default()
                },
            )
            .await
            .unwrap(),
        );
    }

    /// Stops the server as an operator would, and starts it again on another port.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start_server().await;
    }

    /// Another node over the same database, with a copy of the files as they are now.
    pub(crate) async fn another_node(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["portcullis.toml", "policy.cedar"] {
            std::fs::copy(self.folder().join(name), folder.path().join(name)).unwrap();
        }
        let mut node = Self {
            server: None,
            location: self.location.clone(),
            clock: self.clock.clone(),
            folder,
            key: self.key,
            step_up: self.step_up,
            tokens: self.tokens,
            durability: self.durability,
            admin: None,
        };
        node.start_server().await;
        node
    }

    /// Replaces a configuration file as editors do: by a new file in its place.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let fresh = self.folder().join(format!(".{name}.new"));
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.folder().join(name)).unwrap();
    }

    /// Replaces a configuration file, and has the server look at it.
    pub(crate) fn rewrite(&self, name: &str, text: &str) {
        self.replace(name, text);
        self.reload();
    }

    /// Waits until events of this code are on record so many times.
    pub(crate) async fn recorded(&self, code: &str, times: usize) {
        self.until(&format!("{code} {times} times"), async || {
            (self.events(&[code]).await == [times]).then_some(())
        })
        .await;
    }

    /// Stops the server.
    pub(crate) async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        self.server().gate()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server().address())
    }

    /// The folder with the configuration.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Turns the clock.
    pub(crate) fn pass(&self, time: chrono::TimeDelta) {
        self.clock
            .as_ref()
            .unwrap()
            .fetch_add(time.num_milliseconds(), Ordering::SeqCst);
    }

    async fn bootstrap(&self) -> Client {
        let code = self.bootstrap_code();
        let client = self.nobody();
        client
            .sign_in(&code, Some("root"), Some("test"))
            .await
            .unwrap();
        client
    }

    /// A client that is not signed in.
    pub(crate) fn nobody(&self) -> Client {
        Client::new(
            Session::in_memory(&self.url().parse().unwrap()),
            Channel::Cli,
        )
        .unwrap()
    }

    /// The first admin, `root`, who is also in `reviewers`.
    pub(crate) fn admin(&self) -> &Client {
        self.admin.as_ref().unwrap()
    }

    /// Somebody new, signed in.
    pub(crate) async fn person(&self, name: &str, roles: &[&str], groups: &[&str]) -> Client {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let invitation = Invitation {
            name: name.to_owned(),
            roles: owned(roles),
            groups: owned(groups),
        };
        let code = self.admin().invite(&invitation, &key()).await.unwrap().code;
        let client = self.nobody();
        client.sign_in(&code, None, Some("test")).await.unwrap();
        client
    }

    /// An engineer who may ask for access.
    pub(crate) async fn engineer(&self, name: &str) -> Client {
        self.person(name, &["requester"], &["engineers"]).await
    }

    /// A reviewer besides `root`.
    pub(crate) async fn reviewer(&self, name: &str) -> Client {
        self.person(name, &["reviewer", "requester"], &["reviewers"])
            .await
    }

    /// Somebody's calls as they look on the wire.
    pub(crate) fn http(&self, client: &Client) -> Http {
        Http::of(&self.url(), client)
    }

    /// An active grant of `readonly` on `bastion`, asked for by this engineer and approved by `root`.
    pub(crate) async fn granted(&self, engineer: &Client) -> GrantView {
        let request = submit(engineer).await;
        let approval = Approval::default();
        let approved = self
            .admin()
            .approve(&request.id, request.version, &approval, &key())
            .await
            .unwrap();
        self.grant_in(approved.grant.as_deref().unwrap(), &["active"])
            .await
    }

    /// Waits until a request is in one of these states.
    pub(crate) async fn request_in(&self, id: &str, states: &[&str]) -> RequestView {
        let ask = async || {
            let request = self.admin().request(id).await.unwrap();
            states.contains(&request.state.as_str()).then_some(request)
        };
        self.until(&format!("{id} is {states:?}"), ask).await
    }

    /// Asks again after each event, and now and then, until there is an answer.
    pub(crate) async fn until<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let mut size = self.gate().store().watch_head();
        let wait = async {
            loop {
                size.borrow_and_update();
                if let Some(answer) = ask().await {
                    return answer;
                }
                // Not everything that is waited for comes with an event.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(100), size.changed())
                    .await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), wait).await;
        waited.unwrap_or_else(|_| panic!("not within 30 seconds: {what}"))
    }

    /// Every audit event so far, oldest first, once all of them have their index. It is looked up beside the server,
    /// because reading the history is itself an event.
    pub(crate) async fn audit(&self) -> Vec<EventView> {
        self.gate().store().sequence().await.unwrap();
        let filter = Filter {
            oldest_first: true,
            ..Filter::default()
        };
        let mut tx = self.gate().store().read().await.unwrap();
        let all = tx.events(&filter, None, i64::from(i32::MAX)).await.unwrap();
        let rules = self.gate().rules().current();
        all.iter()
            .map(|entry| views::event(&rules.catalog, entry))
            .collect()
    }

    /// How often each of these events is in the audit.
    pub(crate) async fn events(&self, codes: &[&str]) -> Vec<usize> {
        let all = self.audit().await;
        let count = |code: &&str| all.iter().filter(|event| event.event == **code).count();
        codes.iter().map(count).collect()
    }

    /// The moment that the server decides with.
    pub(crate) async fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.gate().now().await.unwrap()
    }

    /// The server, for what only its operator does.
    pub(crate) fn reload(&self) {
        self.server().reload();
    }

    /// Waits until a grant is in one of these states; the live state is asked for, never guessed from time.
    pub(crate) async fn grant_in(&self, id: &str, states: &[&str]) -> GrantView {
        let ask = async || {
            let grant = self.admin().grant(id).await.unwrap();
            states.contains(&grant.state.as_str()).then_some(grant)
        };
        self.until(&format!("{id} is {states:?}"), ask).await
    }
}

/// Makes TLS work in this process; every test that has a client needs it.
pub(crate) fn ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A fresh idempotency key.
pub(crate) fn key() -> IdempotencyKey {
    IdempotencyKey::new().unwrap()
}

/// An ask for one hour of `readonly` on `bastion`.
pub(crate) fn ask() -> NewRequest {
    NewRequest {
        target: "bastion".to_owned(),
        role: "readonly".to_owned(),
        duration: "1h".to_owned(),
        reason: "INC-4127 stuck orders".to_owned(),
        ticket: None,
        not_before: None,
    }
}

/// Files the common ask.
pub(crate) async fn submit(client: &Client) -> RequestView {
    client.submit(&ask(), &key()).await.unwrap()
}

/// The public key line of the authority that the world's servers sign certificates with.
pub(crate) fn authority() -> String {
    let key = Key::new(COMMON_KEY);
    let environment = Environment {
        installation: Installation::of(&key),
        key,
    };
    let parse = |text: &str| toml::Value::Table(text.parse().unwrap());
    let settings = KindSettings::read(TargetKind::Ssh, parse("host = \"h\"")).unwrap();
    let role = KindRole::read(TargetKind::Ssh, parse("user = \"u\"")).unwrap();
    let roles = BTreeMap::from([("readonly".parse().unwrap(), role)]);
    let connector = connector(settings, roles, &environment).unwrap();
    connector.preparation().first().unwrap().text.clone()
}
