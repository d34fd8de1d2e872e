//! One call to a witness, and what it answers.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use ring::digest::{SHA256, digest};

use crate::config::witness::Witness;
use crate::gate::hex;
use crate::tlog::Submission;

/// A witness that takes longer is not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nothing that a witness says is longer, in bytes.
const LONGEST: usize = 64 * 1024;
/// The kind of an answer that has the size of a log in it.
const SIZE: &str = "text/x.tlog.size";

/// What a witness says to a checkpoint.
pub(super) enum Answer {
    /// Lines to put below it; none of them is checked.
    Signed(String),
    /// It saw a log of this size last.
    Conflict(u64),
    /// The proof shows it nothing.
    Inconsistent,
}

/// The way to one witness.
pub(super) struct Call {
    client: reqwest::Client,
    url: String,
}

impl Call {
    pub(super) fn new(witness: &Witness) -> anyhow::Result<Self> {
        // Fails when a provider is there already, and that one is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = witness.url.starts_with("http:");
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!plain)
            .connect_timeout(PATIENCE / 2)
            .timeout(PATIENCE);
        if let Some(path) = &witness.ca {
            let shown = path.display();
            let pem = std::fs::read(path).with_context(|| format!("reading `{shown}`"))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("`{shown}` holds no certificates"))?;
            builder = builder.tls_certs_only(certificates);
        } else if plain {
            builder = builder.tls_certs_only([]).no_proxy();
        }
        Ok(Self {
            client: builder.build().context("preparing to ask a witness")?,
            url: witness.url.clone(),
        })
    }

    /// Shows a checkpoint.
    pub(super) async fn add(&self, submission: &Submission) -> anyhow::Result<Answer> {
        let call = self.client.post(format!("{}/add-checkpoint", self.url));
        let call = call.body(submission.to_string());
        let answer = call.send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        let is_size = answer.headers().get(CONTENT_TYPE) == Some(&HeaderValue::from_static(SIZE));
        let text = limited(answer).await?;
        Ok(match status {
            StatusCode::OK => Answer::Signed(text),
            StatusCode::CONFLICT if is_size => {
                let size = text.trim_end_matches('\n').parse();
                Answer::Conflict(size.context("it says no size that can be read")?)
            }
            StatusCode::UNPROCESSABLE_ENTITY => Answer::Inconsistent,
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => bail!(
                "it does not know this log or its key ({status}): give it the key that `portcullis audit verify --json` shows"
            ),
            _ => bail!("it answered with {status}"),
        })
    }

    /// The checkpoint that it saw last of a log, if it shows such things.
    pub(super) async fn newest(&self, origin: &str) -> anyhow::Result<Option<String>> {
        let hash = hex(digest(&SHA256, origin.as_bytes()).as_ref());
        let call = self.client.get(format!("{}/{hash}/checkpoint", self.url));
        let answer = call.send().await.map_err(reqwest::Error::without_url)?;
        if answer.status() != StatusCode::OK {
            return Ok(None);
        }
        limited(answer).await.map(Some)
    }
}

/// The text of an answer, which must not be without end.
async fn limited(mut answer: reqwest::Response) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        bytes.extend_from_slice(&part);
        if bytes.len() > LONGEST {
            bail!("it says too much");
        }
    }
    String::from_utf8(bytes).context("it does not answer with text")
}
