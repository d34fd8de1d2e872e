//! Delivery as syslog: RFC 5424 over TLS, each message with its length before it (RFC 5425).
//!
//! Syslog has no receipts. So each batch has a connection of its own, which is ended as TLS says, and counts as delivered
//! when the receiver has ended it, too: by then it has read everything (RFC 5425 §4.4 makes it answer).

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::text::hidden;
use crate::wire::EventView;

use super::Parcel;

/// Log audit.
const FACILITY: u32 = 13;
/// Where a sequence of messages begins anew (RFC 5424 §7.3.1).
const SEQUENCE: i64 = 2_147_483_647;
/// What a receiver may say before it hangs up; nothing of it means anything.
const CHATTER: u64 = 64 * 1024;

pub(super) struct Syslog {
    tls: TlsConnector,
    address: String,
    name: ServerName<'static>,
    host: String,
    enterprise: Option<u32>,
}

impl Syslog {
    pub(super) fn new(
        address: &str,
        ca: &Path,
        host: &str,
        enterprise: Option<u32>,
    ) -> anyhow::Result<Self> {
        let shown = ca.display();
        let pem = std::fs::read(ca).with_context(|| format!("reading `{shown}`"))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate =
                certificate.map_err(|error| anyhow::anyhow!("reading `{shown}`: {error:?}"))?;
            roots
                .add(certificate)
                .with_context(|| format!("`{shown}` has a certificate that cannot be used"))?;
        }
        if roots.is_empty() {
            bail!("`{shown}` holds no certificates");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = address.rsplit_once(':').map_or(address, |(name, _)| name);
        let name = name.trim_matches(['[', ']']).to_owned();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            address: address.to_owned(),
            name: ServerName::try_from(name).context("the receiver has no name that TLS takes")?,
            host: host.to_owned(),
            enterprise,
        })
    }

    pub(super) async fn send(&self, parcels: &[Parcel]) -> anyhow::Result<()> {
        let stream = TcpStream::connect(&self.address)
            .await
            .context("connecting")?;
        let mut stream = self
            .tls
            .connect(self.name.clone(), stream)
            .await
            .context("agreeing on TLS")?;
        let mut bytes = Vec::new();
        for parcel in parcels {
            let message = message(&parcel.event, &parcel.line, &self.host, self.enterprise);
            bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
            bytes.extend_from_slice(message.as_bytes());
        }
        stream.write_all(&bytes).await.context("sending")?;
        stream.shutdown().await.context("ending the connection")?;
        let mut rest = Vec::new();
        match stream.take(CHATTER).read_to_end(&mut rest).await {
            Ok(_) => Ok(()),
            // Receivers in use end the connection and leave TLS's own word for it out. Whoever can forge such an end can
            // also keep everything back, and the cursor is for what gets lost, not for them.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(error).context("the receiver did not end the connection"),
        }
    }
}

/// One message: header, structured data, and the event after a byte order mark that says UTF-8.
fn message(event: &EventView, line: &str, host: &str, enterprise: Option<u32>) -> String {
    let severity = match (event.event.as_str(), event.outcome.as_str()) {
        ("audit.rewritten", _) => 2,
        (_, "error") => 3,
        (_, "denied") => 4,
        _ => 6,
    };
    let time = event
        .time
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    // Whoever looks for gaps finds them without reading the message: it grows by one with each event.
    let sequence = event.index.rem_euclid(SEQUENCE) + 1;
    format!(
        "<{}>1 {time} {} portcullis - {} [origin software=\"portcullis\" swVersion=\"{}\"][meta sequenceId=\"{sequence}\"]{} \u{feff}{line}",
        FACILITY * 8 + severity,
        printable(host, 255),
        printable(&event.event, 32),
        env!("CARGO_PKG_VERSION"),
        enterprise
            .map(|number| fields(event, number))
            .unwrap_or_default(),
    )
}

/// The fields of an event, under a name that nobody else gives another meaning to: a name of one's own needs a number
/// of one's own (RFC 5424 §6.3.2), and the one of RFC 5612 is for examples.
fn fields(event: &EventView, enterprise: u32) -> String {
    let index = event.index.to_string();
    let fields = [
        ("index", Some(index.as_str())),
        ("id", Some(event.id.as_str())),
        ("event", Some(event.event.as_str())),
        ("outcome", Some(event.outcome.as_str())),
        ("actor", Some(event.actor.name.as_str())),
        ("principal", event.principal.as_deref()),
        ("target", event.target.as_deref()),
        ("role", event.role.as_deref()),
        ("request", event.request.as_deref()),
        ("grant", event.grant.as_deref()),
        ("reason", event.reason.as_deref()),
    ];
    let data: String = fields
        .into_iter()
        .filter_map(|(name, value)| Some(format!(" {name}=\"{}\"", escaped(value?))))
        .collect();
    format!("[portcullis@{enterprise}{data}]")
}

/// What stands in a header: visible ASCII, or the sign for nothing.
fn printable(text: &str, most: usize) -> String {
    let plain: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(most)
        .collect();
    if plain.is_empty() {
        "-".to_owned()
    } else {
        plain
    }
}

/// A value of structured data: `"`, `\` and `]` would end it, and what nobody sees has no place in a log.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' | ']' => out.extend(['\\', c]),
            c if hidden(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: &str) -> EventView {
        serde_json::from_value(serde_json::json!({
            "index": 7, "id": "x", "time": "2026-11-23T04:00:00.007Z", "event": "request.denied", "outcome": "denied",
            "actor": {"kind": "principal", "name": "rita"}, "channel": "cli", "sentence": "s", "reason": reason,
        }))
        .unwrap()
    }

    #[test]
    fn a_message_is_as_rfc_5424_says() {
        let text = message(&event("no"), "{}", "portcullis.example.com", None);
        assert_eq!(
            text,
            concat!(
                "<108>1 2026-11-23T04:00:00.007Z portcullis.example.com portcullis - request.denied ",
                "[origin software=\"portcullis\" swVersion=\"",
                env!("CARGO_PKG_VERSION"),
                "\"][meta sequenceId=\"8\"] \u{feff}{}"
            )
        );
        let text = message(&event("no"), "{}", "portcullis.example.com", Some(32_473));
        let fields = "[portcullis@32473 index=\"7\" id=\"x\" event=\"request.denied\" outcome=\"denied\" actor=\"rita\" reason=\"no\"]";
        assert!(
            text.contains(&format!("[meta sequenceId=\"8\"]{fields} \u{feff}{{}}")),
            "{text}"
        );
    }

    #[test]
    fn nothing_that_people_type_ends_structured_data() {
        let text = message(
            &event("a\"] b\\\n<13>1 forged"),
            "{}",
            "host name",
            Some(32_473),
        );
        assert!(
            text.contains("reason=\"a\\\"\\] b\\\\\u{fffd}<13>1 forged\"]"),
            "{text}"
        );
        assert!(text.contains(" hostname portcullis - "), "{text}");
    }
}
