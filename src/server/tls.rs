//! What this server proves itself with: its certificate and key, taken over again when the files change.
//!
//! A pair that cannot be used changes nothing while the server runs; it goes on with the one it has, and says so.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::TlsFiles;
use crate::secret;

/// How often the files are looked at. A change is taken over once it has been still for one more look.
const EVERY: Duration = Duration::from_secs(1);

/// The certificate and key in use.
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<Pair>,
    seen: Mutex<Seen>,
}

/// One certificate with its key, ready to be spoken with.
struct Pair {
    config: Arc<ServerConfig>,
    fingerprint: String,
}

/// What the last look found.
struct Seen {
    marks: Marks,
    /// Whether the files must be read at the next look, if they are still by then.
    unread: bool,
    /// The last complaint, which is not repeated.
    complaint: Option<String>,
}

/// What tells changed files without reading them: device, inode, size and time of change of both.
type Marks = [Option<(u64, u64, u64, i64, i64)>; 2];

/// What came of looking at the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    Unchanged,
    /// Another certificate is in use, with this fingerprint.
    Replaced(String),
    /// The files cannot be used, for this reason, so what was in use stays.
    Kept(String),
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.files.certificate.display())
    }
}

impl Tls {
    /// Reads both files. A server does not start with a pair that cannot be used.
    pub fn open(files: TlsFiles) -> anyhow::Result<Self> {
        let marks = marks(&files);
        let pair = read(&files)?;
        Ok(Self {
            files,
            current: ArcSwap::from_pointee(pair),
            seen: Mutex::new(Seen {
                marks,
                unread: true,
                complaint: None,
            }),
        })
    }

    /// For the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }

    /// Takes the files over as they are, as SIGHUP asks for.
    pub fn reload(&self) -> Renewed {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.marks = marks(&self.files);
        // Read once more at the next look: whoever asked may not have been done with writing.
        seen.unread = true;
        seen.complaint = None;
        self.take_over(&mut seen)
    }

    /// Looks whether the files have changed, and takes them over once they have been still since the last look.
    pub fn poll(&self) -> Renewed {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let marks = marks(&self.files);
        if marks != seen.marks {
            // Of two files that belong together one is written first.
            seen.marks = marks;
            seen.unread = true;
            return Renewed::Unchanged;
        }
        if !std::mem::take(&mut seen.unread) {
            return Renewed::Unchanged;
        }
        self.take_over(&mut seen)
    }

    /// Polls until told to stop, and reports each pair that was taken over or refused.
    pub async fn run(self: Arc<Self>, stop: CancellationToken, mut report: impl FnMut(Renewed)) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let tls = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || tls.poll()).await {
                Ok(Renewed::Unchanged) => {}
                Ok(change) => report(change),
                Err(error) => tracing::error!(%error, "looking at the certificate failed"),
            }
        }
    }

    fn take_over(&self, seen: &mut Seen) -> Renewed {
        match read(&self.files) {
            Ok(pair) => {
                seen.complaint = None;
                let fingerprint = pair.fingerprint.clone();
                if fingerprint == self.current.load().fingerprint {
                    return Renewed::Unchanged;
                }
                self.current.store(Arc::new(pair));
                Renewed::Replaced(fingerprint)
            }
            Err(error) => {
                let complaint = format!("{error:#}");
                if seen.complaint.as_ref() == Some(&complaint) {
                    return Renewed::Unchanged;
                }
                seen.complaint = Some(complaint.clone());
                Renewed::Kept(complaint)
            }
        }
    }
}

fn marks(files: &TlsFiles) -> Marks {
    [&files.certificate, &files.key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        let (changed, part) = (about.ctime(), about.ctime_nsec());
        Some((about.dev(), about.ino(), about.size(), changed, part))
    })
}

fn read(files: &TlsFiles) -> anyhow::Result<Pair> {
    let name = files.certificate.display();
    let text = std::fs::read(&files.certificate)
        .with_context(|| format!("reading the certificate in `{name}`"))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|_| anyhow!("`{name}` is not a PEM file with certificates"))?;
    let Some(own) = chain.first() else {
        bail!("there is no certificate in `{name}`");
    };
    let fingerprint = hexadecimal(own);
    let text = secret::read_private(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(text.expose().as_bytes())
        .map_err(|_| anyhow!("there is no private key in `{}`", files.key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .context("choosing the versions of TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => anyhow!(
                "the key in `{}` is not that of the certificate in `{name}`",
                files.key.display()
            ),
            error => anyhow!("the certificate in `{name}` cannot be used: {error}"),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Pair {
        config: Arc::new(config),
        fingerprint,
    })
}

/// SHA-256 of a certificate as browsers and `openssl x509 -fingerprint` know it, without colons.
fn hexadecimal(certificate: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    digest.as_ref().iter().fold(String::new(), |mut out, byte| {
        out.push_str(&format!("{byte:02x}"));
        out
    })
}
