//! `portcullis audit witness`: runs a witness for the signed records of servers elsewhere.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::serve::log_to_stderr;
use crate::cli::{Context, Exit, Failure};
use crate::config::TlsFiles;
use crate::server::tls::Tls;
use crate::server::witness::{self, serve};
use crate::tlog::VerifyingKey;

/// Run a witness: it signs a checkpoint when that continues what it saw of the record before, and nothing else
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It speaks c2sp.org/tlog-witness, so other logs can use it and other witnesses can be used. Run it where those who\nrun the server have no account, and give the server its address and key as `[[witness]]`.\nA record that goes on under another key (`audit rotate-key`) or in another epoch (`audit recover`) is signed again\nonce somebody has added that key here, after asking why: the old ones may stay.\nExample: portcullis audit witness --state /var/lib/witness --name witness.example.com/portcullis --log \"$KEY\""
)]
pub(super) struct Witness {
    /// Where it keeps its key and what it saw: for nobody else, and never put back from a backup
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// A key of a log that it knows, as `audit verify --json` shows it; may be given several times
    #[arg(long, value_name = "NAME+HASH+KEY", required = true)]
    log: Vec<VerifyingKey>,
    /// How it calls itself: an address without a scheme. Needed at the first start, which makes its key
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7718")]
    listen: SocketAddr,
    /// Its certificate, to speak TLS itself
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The key of that certificate
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
}

pub(super) async fn run(context: &Context<'_>, asked: Witness) -> Result<Exit, Failure> {
    log_to_stderr("info")?;
    let files = asked.tls_certificate.zip(asked.tls_key);
    let tls = files.map(|(certificate, key)| Tls::open(TlsFiles { certificate, key }));
    let tls = tls.transpose().map_err(|error| here(&error))?.map(Arc::new);
    if tls.is_none() && !asked.listen.ip().is_loopback() {
        return Err(Failure::usage(
            "without a certificate a witness speaks plain HTTP and therefore listens on loopback only",
            "add `--tls-certificate` and `--tls-key`, or put a TLS proxy before it",
        ));
    }
    let witness = witness::Witness::open(&asked.state, asked.name.as_deref(), asked.log);
    let witness = Arc::new(witness.map_err(|error| here(&error))?);
    let listener = TcpListener::bind(asked.listen).await;
    let listener = listener.map_err(|error| here(&error.into()))?;
    let address = listener.local_addr().map_err(|error| here(&error.into()))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let printer = context.printer;
    printer.line(&format!("the witness listens on {scheme}://{address}"))?;
    printer.line(&format!("its key is {}", witness.key()))?;
    let mut origins: Vec<&str> = witness.logs().iter().map(VerifyingKey::name).collect();
    origins.sort_unstable();
    origins.dedup();
    for origin in origins {
        let size = witness.seen(origin).map_or(0, |seen| seen.size);
        printer.line(&format!("of `{origin}` it saw {size} events"))?;
    }
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(witness, listener, tls, stop.clone()));
    let watch = |kind| signal(kind).map_err(|error| here(&error.into()));
    let (mut term, mut int) = (
        watch(SignalKind::terminate())?,
        watch(SignalKind::interrupt())?,
    );
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    stop.cancel();
    serving.await.map_err(|error| here(&error.into()))?;
    Ok(Exit::DONE)
}

fn here(error: &anyhow::Error) -> Failure {
    Failure::here(format!("{error:#}"), "")
}
