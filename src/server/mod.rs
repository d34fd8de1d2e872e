//! HTTP. Thin: extract, call the gate, wrap. The URL table is `router`, the only status codes are in `error`.
//!
//! It never touches the store but through the gate, and no handler can reach the gate without a
//! [`caller::Signed`], which only authentication makes.
//!
//! To add an endpoint: a handler in the file of its noun, a line in `router`, a row in `tests/permissions.rs`.

pub mod accounts;
pub mod audit;
pub mod break_glass;
pub mod caller;
pub mod device;
pub mod endings;
pub mod error;
pub mod evidence;
pub mod export;
pub mod facets;
pub mod feed;
pub mod grants;
pub mod health;
pub mod histogram;
pub mod identity;
pub mod incidents;
pub mod instance;
pub mod leaving;
pub mod listen;
pub mod locks;
pub mod log;
pub mod notices;
pub mod people;
pub mod policy;
pub mod proof;
pub mod query;
pub mod requests;
pub mod router;
pub mod search;
pub mod second_factor;
pub mod services;
pub mod sessions;
pub mod standing;
pub mod stream;
pub mod targets;
pub mod tls;
pub mod views;
pub mod why;
pub mod witness;
mod worth;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::{Reloaded, Watcher};
use crate::config::{AuditSettings, Durability, Identity, Notices, TokenSettings};
use crate::domain::break_glass::Limits;
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::hours::WorkingHours;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{LocalAccounts, StepUp};
use crate::gate::log::Signer;
use crate::gate::{self, Caller, Gate};
use crate::secret::Secret;
use crate::store::{Clock, Location, Store};

/// How long one step of the start may be tried, and the pause before it is tried again.
const STEP: Duration = Duration::from_mins(1);
const AGAIN: Duration = Duration::from_millis(250);

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    pub gate: Arc<Gate>,
    pub feed: Arc<feed::Feed>,
    pub streams: Arc<stream::Counter>,
    /// How the server calls itself towards people.
    pub name: Arc<str>,
    /// Where people reach single nodes of the installation.
    pub node_urls: Arc<[String]>,
    /// What this node is called.
    pub node: Arc<str>,
    pub stop: CancellationToken,
}

impl App {
    /// Every address by which people reach this server.
    fn names(&self) -> impl Iterator<Item = &str> {
        let nodes = self.node_urls.iter().map(String::as_str);
        std::iter::once(&*self.name).chain(nodes)
    }

    /// Turns an error into an answer, and puts a denial on record.
    pub(in crate::server) async fn refused(
        &self,
        caller: &Caller,
        error: gate::Error,
        about: &str,
    ) -> error::Failed {
        if let gate::Error::Refused(refusal) = &error {
            if let Err(fault) = self.gate.store().settled().await {
                return error::Failed::Fault(fault);
            }
            self.gate.record_refusal(caller, refusal, about).await;
        }
        error.into()
    }
}

/// What a server is told besides where it runs; each with a default that works.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How people reach the server, where that is not the address itself.
    pub name: Option<String>,
    /// Where people reach single nodes of the installation.
    pub node_urls: Vec<String>,
    /// What this node is called; `node` where nothing is said.
    pub node: String,
    /// When people usually ask for access.
    pub hours: WorkingHours,
    /// Where people sign in, if there is such a place.
    pub identity: Option<Identity>,
    /// When a second factor has to be proved.
    pub step_up: StepUp,
    /// Who may have a password here.
    pub local_accounts: LocalAccounts,
    /// How long access by break-glass may last.
    pub break_glass: Limits,
    /// What holds for sign-ins.
    pub tokens: TokenSettings,
    /// Where this node keeps the last checkpoint of the audit log that it signed, outside of the database.
    pub checkpoint: Option<PathBuf>,
    /// What the server speaks TLS with, where no proxy does.
    pub tls: Option<Arc<tls::Tls>>,
    /// How long the history stays, and where it goes.
    pub audit: AuditSettings,
    /// What has to be true before a change is acknowledged.
    pub durability: Durability,
    /// By which ways people are told.
    pub notices: Notices,
}

/// One node: listening, working and ready to be stopped.
pub struct Server {
    app: App,
    address: SocketAddr,
    tls: Option<Arc<tls::Tls>>,
    tasks: TaskTracker,
    bootstrap: Option<Secret>,
}

impl Server {
    /// Opens the store, binds the address and starts everything that runs by itself.
    pub async fn start(
        location: &Location,
        clock: Clock,
        listen: SocketAddr,
        rules: Arc<Watcher>,
        options: Options,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            options.tls.is_some() || listen.ip().is_loopback(),
            "without `tls_certificate` and `tls_key` the server speaks plain HTTP and therefore listens on loopback only; put a TLS proxy before it to reach it from elsewhere"
        );
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("listening on {listen}"))?;
        let address = listener.local_addr().context("reading the address")?;
        let store =
            Arc::new(Box::pin(Store::open_with(location, clock, options.durability)).await?);
        let name = options
            .name
            .unwrap_or_else(|| local(address, options.tls.is_some()));
        let settings = gate::Settings {
            hours: options.hours,
            tokens: options.tokens,
            step_up: options.step_up,
            local_accounts: options.local_accounts,
            break_glass: options.break_glass,
            audit: options.audit,
            host: host(&name),
            notices: options.notices,
            server: name.clone(),
        };
        let gate = Arc::new(
            Gate::new(Arc::clone(&store), Arc::clone(&rules), settings)?
                .with_identity(options.identity)?
                .with_signer(options.checkpoint.map(Signer::kept_in).unwrap_or_default()),
        );
        let bootstrap = Box::pin(begin(&gate, &rules)).await?;
        let app = App {
            feed: Arc::new(feed::Feed::new(Arc::clone(&store), Arc::clone(&rules)).await?),
            gate,
            streams: Arc::default(),
            name: name.into(),
            node_urls: options.node_urls.into(),
            node: Some(options.node)
                .filter(|name| !name.is_empty())
                .map_or_else(|| "node".into(), Arc::from),
            stop: CancellationToken::new(),
        };
        let server = Self {
            app,
            address,
            tls: options.tls,
            tasks: TaskTracker::new(),
            bootstrap,
        };
        server.spawn(listener);
        Ok(server)
    }

    fn spawn(&self, listener: TcpListener) {
        let (gate, stop) = (&self.app.gate, &self.app.stop);
        let store = Arc::clone(gate.store());
        self.tasks.spawn(Arc::clone(gate).run_workers(stop.clone()));
        self.tasks.spawn(Arc::clone(gate).run_sweeper(stop.clone()));
        self.tasks
            .spawn(Arc::clone(gate).run_reconciler(stop.clone()));
        self.tasks
            .spawn(Arc::clone(gate).run_identities(stop.clone()));
        self.tasks.spawn({
            let stop = stop.clone();
            async move {
                stop.run_until_cancelled(store.run_sequencer())
                    .await
                    .unwrap_or_default();
            }
        });
        self.tasks.spawn({
            let (store, stop) = (Arc::clone(gate.store()), stop.clone());
            async move {
                stop.run_until_cancelled(store.run_indexer())
                    .await
                    .unwrap_or_default();
            }
        });
        self.tasks
            .spawn(Arc::clone(gate).run_publisher(stop.clone()));
        self.tasks.spawn(Arc::clone(gate).run_policy(stop.clone()));
        self.tasks
            .spawn(Arc::clone(gate).run_database(stop.clone()));
        self.tasks.spawn(Arc::clone(gate).run_siem(stop.clone()));
        self.tasks.spawn(Arc::clone(gate).run_notices(stop.clone()));
        self.tasks
            .spawn(Arc::clone(gate).run_witnesses(stop.clone()));
        self.tasks
            .spawn(Arc::clone(&self.app.feed).run(stop.clone()));
        self.tasks.spawn({
            let (gate, watcher, stop) = (Arc::clone(gate), Arc::clone(gate.rules()), stop.clone());
            async move {
                watcher.run(stop, |change| report(&gate, change)).await;
            }
        });
        if let Some(tls) = &self.tls {
            let (gate, tls, stop) = (Arc::clone(gate), Arc::clone(tls), stop.clone());
            self.tasks
                .spawn(tls.run(stop, move |change| report_tls(&gate, change)));
        }
        self.tasks.spawn(listen::accept(
            listener,
            self.tls.clone(),
            router::router(self.app.clone()),
            stop.clone(),
        ));
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a client on this machine types it.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The one-time code for the first admin, when there is nobody yet.
    pub fn bootstrap_code(&self) -> Option<&Secret> {
        self.bootstrap.as_ref()
    }

    /// The gate, for whoever runs in the same process.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.app.gate
    }

    /// Takes catalogue, policy and certificate over as they are on disk now.
    pub fn reload(&self) {
        let change = self.app.gate.rules().reload();
        report(&self.app.gate, change);
        if let Some(tls) = &self.tls {
            report_tls(&self.app.gate, tls.reload());
        }
    }

    /// Stops listening, ends streams, finishes what is in hand, numbers the last events and closes the store.
    pub async fn stop(self) {
        let stopped = self
            .app
            .gate
            .record(Event::new(EventCode::ServerStopped, Actor::System))
            .await;
        if let Err(error) = stopped {
            tracing::warn!(error = ?error, "the stop could not be recorded");
        }
        self.app.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Err(error) = self.app.gate.settle_reads(true).await {
            tracing::warn!(error = ?error, "who read the history last could not be recorded");
        }
        if let Err(error) = self.app.gate.store().sequence().await {
            tracing::warn!(
                error = format!("{error:#}"),
                "the last events get their index at the next start"
            );
        }
        if let Err(error) = self.app.gate.publish().await {
            tracing::warn!(error = ?error, "the last events are signed at the next start");
        }
        self.app.gate.store().close().await;
    }
}

/// How a server without a name of its own is called.
fn local(address: SocketAddr, tls: bool) -> String {
    if tls {
        format!("https://{address}")
    } else {
        address.to_string()
    }
}

/// What an acknowledged change survives, as it is told.
fn durability(store: &Store) -> &'static str {
    let survives = store.survives();
    survives.map_or("none", |(survives, _)| survives.as_str())
}

/// The name of the host in an address.
fn host(name: &str) -> String {
    let rest = name.split_once("://").map_or(name, |(_, rest)| rest);
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    host.trim_matches(['[', ']']).to_owned()
}

/// What a node does before it answers anybody: it looks whether it may go on, and says that it does. Answers the one-time
/// code for the first admin, when there is nobody yet.
async fn begin(gate: &Gate, rules: &Watcher) -> anyhow::Result<Option<Secret>> {
    let store = gate.store();
    // Before anything is done or said in its name.
    patiently(async || gate.not_restored().await).await?;
    patiently(async || gate.begin_proofs().await).await?;
    patiently(async || gate.begin_policy().await).await?;
    patiently(async || gate.begin_notices().await).await?;
    let bootstrap = patiently(async || gate.bootstrap_code().await).await?;
    let started = || {
        Event::new(EventCode::ServerStarted, Actor::System)
            .detail("rules", rules.current().version.as_str())
            .detail("durability", durability(store))
    };
    patiently(async || gate.record(started()).await).await?;
    patiently(async || Ok(store.sequence().await?)).await?;
    patiently(async || gate.publish().await).await?;
    Ok(bootstrap)
}

/// A step of the start, again and again while the database says that it cannot be done at this moment: its primary may
/// be lost while a node starts.
async fn patiently<T>(step: impl AsyncFn() -> Result<T, gate::Error>) -> anyhow::Result<T> {
    let began = tokio::time::Instant::now();
    loop {
        match step().await {
            Err(gate::Error::Refused(
                Refusal::Busy | Refusal::NoWritableStore { .. } | Refusal::OutcomeUnknown,
            )) if began.elapsed() < STEP => tokio::time::sleep(AGAIN).await,
            done => return done.map_err(fault),
        }
    }
}

fn fault(error: gate::Error) -> anyhow::Error {
    match error {
        gate::Error::Fault(fault) => fault,
        gate::Error::Refused(refusal) => refusal.into(),
    }
}

/// Puts a reload on record, in the log and in the audit.
fn report(gate: &Arc<Gate>, change: Reloaded) {
    let event = match change {
        Reloaded::Unchanged | Reloaded::Settling => return,
        Reloaded::Replaced { from, to, warnings } => {
            tracing::info!(
                from,
                to,
                warnings = warnings.len(),
                "catalogue and policy were reloaded"
            );
            Event::new(EventCode::ConfigLoaded, Actor::System)
                .detail("from", from)
                .detail("to", to)
        }
        Reloaded::Kept { version, problems } => {
            let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
            tracing::error!(version, problems = ?why, "the changed files are not valid; catalogue and policy stay as they were");
            Event::new(EventCode::ConfigRejected, Actor::System)
                .outcome(Outcome::Error)
                .reason(why.first().cloned())
                .detail("problems", why)
                .detail("kept", version)
        }
    };
    record(gate, event);
}

/// Puts another certificate on record, or why there is none.
fn report_tls(gate: &Arc<Gate>, change: tls::Renewed) {
    let event = match change {
        tls::Renewed::Unchanged => return,
        tls::Renewed::Replaced(fingerprint) => {
            tracing::info!(fingerprint, "the server's certificate was replaced");
            Event::new(EventCode::TlsLoaded, Actor::System).detail("fingerprint", fingerprint)
        }
        tls::Renewed::Kept(why) => {
            tracing::error!(why, "the new certificate cannot be used; the old one stays");
            Event::new(EventCode::TlsRejected, Actor::System)
                .outcome(Outcome::Error)
                .reason(Some(why))
        }
    };
    record(gate, event);
}

fn record(gate: &Arc<Gate>, event: Event) {
    let gate = Arc::clone(gate);
    tokio::spawn(async move {
        if let Err(error) = gate.record(event).await {
            tracing::error!(error = ?error, "a reload could not be recorded");
        }
    });
}
