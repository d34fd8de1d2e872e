//! Delivery to an HTTP Event Collector as Splunk has it: one JSON object for each event, one call for a batch.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use crate::config::siem::Destination;
use crate::wire::export::Format;

use super::Parcel;

/// What fits one packet is sent as it is.
const WORTH_IT: usize = 1_400;

pub(super) struct Http {
    client: reqwest::Client,
    url: String,
    token: HeaderValue,
    host: String,
    source_type: &'static str,
    gzip: bool,
}

impl Http {
    pub(super) fn new(
        url: &str,
        token_file: &Path,
        ca: Option<&Path>,
        (host, format): (&str, Format),
        gzip: bool,
    ) -> anyhow::Result<Self> {
        // Fails when a provider is there already, and that one is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            // Whoever redirects would get the token.
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!url.starts_with("http:"))
            .connect_timeout(super::SENDING / 3)
            .timeout(super::SENDING);
        if let Some(path) = ca {
            let shown = path.display();
            let pem = std::fs::read(path).with_context(|| format!("reading `{shown}`"))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("`{shown}` holds no certificates"))?;
            builder = builder.tls_certs_only(certificates);
        } else if url.starts_with("http:") {
            builder = builder.tls_certs_only([]).no_proxy();
        }
        // Read each time, so that it can be replaced while the server runs.
        let secret = Destination::token(token_file)?;
        let token = HeaderValue::from_str(&format!("Splunk {}", secret.expose()));
        let mut token = token
            .ok()
            .context("the token has letters that no header takes")?;
        token.set_sensitive(true);
        Ok(Self {
            client: builder.build().context("preparing to deliver")?,
            url: url.to_owned(),
            token,
            host: host.to_owned(),
            source_type: match format {
                Format::Ocsf => "ocsf",
                Format::Ndjson | Format::Csv => "portcullis:audit",
            },
            gzip,
        })
    }

    pub(super) async fn send(&self, parcels: &[Parcel]) -> anyhow::Result<()> {
        let mut body = String::new();
        for parcel in parcels {
            let event: Value = serde_json::from_str(&parcel.line).context("an event is no JSON")?;
            #[expect(
                clippy::cast_precision_loss,
                reason = "milliseconds are far below 2^52"
            )]
            let time = parcel.event.time.timestamp_millis() as f64 / 1000.0;
            let wrapped = json!({
                "time": time,
                "host": self.host,
                "source": "portcullis",
                "sourcetype": self.source_type,
                "event": event,
            });
            body.push_str(&wrapped.to_string());
            body.push('\n');
        }
        let call = self
            .client
            .post(&self.url)
            .header(AUTHORIZATION, self.token.clone())
            .header(CONTENT_TYPE, "application/json");
        let call = if self.gzip && body.len() > WORTH_IT {
            let body = compressed(body.as_bytes()).context("compressing a batch")?;
            call.header(CONTENT_ENCODING, "gzip").body(body)
        } else {
            call.body(body)
        };
        // The address may have something secret in it.
        let answer = call.send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        if !status.is_success() {
            bail!("the receiver answered with {status}");
        }
        // What came before the end of the answer may still be taken back by a proxy.
        answer.bytes().await.map_err(reqwest::Error::without_url)?;
        Ok(())
    }
}

fn compressed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
