//! `portcullis serve`: runs the server.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::cli::context::environment;
use crate::cli::node::{fault, location_of, refused, rules};
use crate::cli::{Context, Exit, Failure};
use crate::config::{self, Settings, paths};
use crate::server::instance::Instance;
use crate::server::tls::Tls;
use crate::server::{Options, Server};
use crate::store::Clock;

/// Run the server
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// Where the server keeps its database and its keys
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The address and port to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The folder of portcullis.toml and policy.cedar
    #[arg(long, value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
    /// The server's certificate, to speak TLS itself
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<String>,
    /// The key of that certificate
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// `sqlite`, or `postgres://user@host/name` for several nodes, with commas between hosts
    #[arg(long, value_name = "DATABASE")]
    pub database: Option<String>,
    /// `strict` to acknowledge only what a standby of the database has too, or `available`
    #[arg(long, value_name = "DURABILITY")]
    pub durability: Option<String>,
    /// How people reach the server; behind a proxy, the proxy's address
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Where clients call single nodes directly, separated by commas; the same list on every node
    #[arg(long, value_name = "URLS")]
    pub node_urls: Option<String>,
    /// What this node is called
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// How much to log: error, warn, info, debug or trace, also by module
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let folder = paths::config_dir(arguments.config_dir.as_deref(), &environment);
    let mut flags = Vec::new();
    let data_dir = arguments
        .data_dir
        .map(|path| path.to_string_lossy().into_owned());
    for (name, value) in [
        ("data-dir", data_dir),
        ("listen", arguments.listen),
        ("tls-certificate", arguments.tls_certificate),
        ("tls-key", arguments.tls_key),
        ("database", arguments.database),
        ("durability", arguments.durability),
        ("public-url", arguments.public_url),
        ("node-urls", arguments.node_urls),
        ("node", arguments.node),
        ("log", arguments.log),
    ] {
        flags.extend(value.map(|value| (name, value)));
    }
    let config = config::server(&folder, &environment, &flags)
        .map_err(|problems| refused(context, &problems))?;
    log_to_stderr(&config.settings.log)?;
    let (instance, server) = start(context, &config.settings, &folder).await?;
    greet(context, &server)?;
    until_told_to_stop(&server).await?;
    server.stop().await;
    drop(instance);
    Ok(Exit::DONE)
}

async fn start(
    context: &Context<'_>,
    settings: &Settings,
    folder: &std::path::Path,
) -> Result<(Instance, Server), Failure> {
    let instance = Instance::take(&settings.data_dir).map_err(|error| fault(&error))?;
    let rules = rules(context, folder, &instance)?;
    for warning in &rules.current().warnings {
        tracing::warn!("{warning}");
    }
    let location = location_of(settings);
    let tls = settings.tls.clone().map(Tls::open).transpose();
    let tls = tls.map_err(|error| unusable(&error))?.map(Arc::new);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let local = format!("{scheme}://{}", settings.listen);
    let name = Some(settings.public_url.clone()).filter(|url| *url != local);
    let server = Server::start(
        &location,
        Clock::Database,
        settings.listen,
        Arc::new(rules),
        Options {
            name,
            node: settings.node.clone(),
            node_urls: settings.node_urls.clone(),
            hours: settings.hours.clone(),
            identity: settings.identity.clone(),
            step_up: settings.step_up.clone(),
            local_accounts: settings.local_accounts.clone(),
            break_glass: settings.break_glass,
            tokens: settings.tokens,
            checkpoint: Some(instance.checkpoint()),
            tls,
            audit: settings.audit.clone(),
            notices: settings.notices.clone(),
            durability: settings.durability,
        },
    )
    .await
    .map_err(|error| fault(&error))?;
    Ok((instance, server))
}

fn greet(context: &Context<'_>, server: &Server) -> Result<(), Failure> {
    context
        .printer
        .line(&format!("Portcullis listens on {}", server.url()))?;
    if let Some(code) = server.bootstrap_code() {
        context.printer.line("Nobody has signed in yet. Become the first admin with this one-time code, good for 24 hours:")?;
        context.printer.line(&format!(
            "  portcullis login --server {} --name YOUR-NAME --code {}",
            server.url(),
            code.expose()
        ))?;
    }
    Ok(())
}

async fn until_told_to_stop(server: &Server) -> Result<(), Failure> {
    let watch = |kind| signal(kind).map_err(|error| fault(&anyhow::Error::from(error)));
    let (mut term, mut int, mut hup) = (
        watch(SignalKind::terminate())?,
        watch(SignalKind::interrupt())?,
        watch(SignalKind::hangup())?,
    );
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            _ = hup.recv() => server.reload(),
        }
    }
}

/// Begins to log, as this filter says.
pub(super) fn log_to_stderr(filter: &str) -> Result<(), Failure> {
    // What is wrong with the answer of a passkey is in the record; for its library it would be a fault.
    let wanted = format!("webauthn_rs_core=off,{filter}");
    let filter = EnvFilter::try_new(wanted).map_err(|error| {
        Failure::here(
            format!("the log filter cannot be read: {error}"),
            "try `info`",
        )
    })?;
    // A second start in one process, as in tests, keeps the first log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
    Ok(())
}

/// Without its certificate the server does not start, and never falls back to plain HTTP.
fn unusable(error: &anyhow::Error) -> Failure {
    let hint = "check `tls_certificate` and `tls_key`";
    Failure {
        code: Some("tls-not-usable"),
        ..Failure::here(format!("the server cannot speak TLS: {error:#}"), hint)
    }
}
