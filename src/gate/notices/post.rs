//! Delivery to programs: what Slack's incoming webhooks take, and a signed JSON object.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use ring::hmac;
use serde_json::{Value, json};

use crate::config::notices::secret_in;
use crate::egress::{Client, Limits, Reach};
use crate::gate::hex;

use super::letter::Message;

const LIMITS: Limits = Limits {
    whole: Duration::from_secs(15),
    answer: 16 * 1024,
};
const SIGNATURE: HeaderName = HeaderName::from_static("portcullis-signature");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longer than this Slack takes no block.
const BLOCK_MAX: usize = 2_900;

/// Posts to a room. Nothing in it is read as formatting, and nobody is called by a word in it.
pub(super) async fn slack(
    url_file: &Path,
    reach: &Reach,
    ca: Option<&Path>,
    message: &Message,
) -> anyhow::Result<()> {
    // Read each time, so that it can be replaced while the server runs.
    let secret = secret_in(url_file)?;
    let shown = url_file.display();
    let url = reach.address(secret.expose());
    // What is wrong with it could repeat it.
    let url = url.ok();
    let url = url.with_context(|| format!("`{shown}` holds no address that may be called"))?;
    let text: String = message.text.chars().take(BLOCK_MAX).collect();
    let body = json!({
        "text": message.subject,
        "parse": "none",
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [{
            "type": "section",
            "text": { "type": "plain_text", "text": text, "emoji": false },
        }],
    });
    let mut request = posted(&url, &body);
    let key = HeaderValue::from_str(&message.id).context("naming a message")?;
    request.headers_mut().insert(IDEMPOTENCY_KEY, key);
    deliver(&url, reach, ca, request).await
}

/// Posts to a program, signed: whoever has the secret knows that it comes from here, and when it was said.
pub(super) async fn webhook(
    (url, reach, ca): (&Url, &Reach, Option<&Path>),
    secret_file: &Path,
    message: &Message,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let secret = secret_in(secret_file)?;
    let body = json!({
        "id": message.id,
        "subject": message.subject,
        "notices": message.notices,
    });
    let mut request = posted(url, &body);
    let signature = signature(secret.expose(), now.timestamp(), &body.to_string());
    let headers = request.headers_mut();
    let key = HeaderValue::from_str(&message.id).context("naming a message")?;
    headers.insert(IDEMPOTENCY_KEY, key);
    headers.insert(SIGNATURE, HeaderValue::from_str(&signature)?);
    deliver(url, reach, ca, request).await
}

/// The moment, and a code over it and the body that only whoever has the secret can make.
fn signature(secret: &str, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex(tag.as_ref()))
}

fn posted(url: &Url, body: &Value) -> Request {
    let mut request = Request::new(Method::POST, url.clone());
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    *request.body_mut() = Some(body.to_string().into());
    request
}

async fn deliver(
    url: &Url,
    reach: &Reach,
    ca: Option<&Path>,
    request: Request,
) -> anyhow::Result<()> {
    let client = Client::to(url, reach, ca, LIMITS)?;
    let answer = client.send(request).await?;
    // A redirect is no yes: nobody is sent on with what we say.
    if !answer.status.is_success() {
        bail!("the server there answered with {}", answer.status);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_everybody_can_compute() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac s3cret
        assert_eq!(
            signature("s3cret", 1_700_000_000, "{\"a\":1}"),
            "t=1700000000,v1=1698a50bc74d1ff1db85c4e0a5297c2ad9fdba245d5737cdb789e4cc6e098940"
        );
    }
}
