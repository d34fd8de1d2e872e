//! The end of a sign-in in the browser: waits on this machine for the answer, and shows the last page (RFC 8252).
//!
//! It listens on the loopback only, answers one visitor at a time, and tells the page nothing that the browser said.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::client::oidc_page::{Page, page};
use crate::client::{Client, ClientError};
use crate::secret::{self, Secret, hash_of, same};
use crate::wire::{Me, ProviderFinish, ProviderStart};

/// More than a browser sends in the head of a request; providers put long codes into addresses.
const HEAD_MAX: usize = 32 * 1024;
/// A visitor that says nothing does not keep the others waiting.
const SILENCE: Duration = Duration::from_secs(5);

/// A sign-in that waits for the browser.
pub struct Waiting {
    listener: TcpListener,
    /// Where the browser has to go.
    pub authorize_url: String,
    state: Secret,
    verifier: Secret,
}

/// What the browser brought, with the browser still waiting for its last page.
struct Visit {
    stream: TcpStream,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

impl Client {
    /// Begins a sign-in at the identity provider of the server.
    pub async fn begin_in_browser(&self, device: &str) -> Result<Waiting, ClientError> {
        let local = |why: &str| ClientError::Local {
            text: format!("this machine cannot wait for the browser: {why}"),
            hint: "sign in with a one-time code: `portcullis login --code CODE`".to_owned(),
        };
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .map_err(|error| local(&error.to_string()))?;
        let address = listener
            .local_addr()
            .map_err(|error| local(&error.to_string()))?;
        let random = secret::random::<32>().map_err(|error| local(&format!("{error:#}")))?;
        let verifier = Secret::new(URL_SAFE_NO_PAD.encode(random));
        let start = ProviderStart {
            redirect_uri: format!("http://{address}/signed-in"),
            code_challenge: URL_SAFE_NO_PAD.encode(hash_of(verifier.expose())),
            device: Some(device.to_owned()),
        };
        let started = self.start_at_provider(&start).await?;
        Ok(Waiting {
            listener,
            authorize_url: started.authorize_url,
            state: Secret::new(started.state),
            verifier,
        })
    }

    /// Waits for the browser, finishes the sign-in and shows the last page.
    pub async fn finish_in_browser(&self, waiting: Waiting) -> Result<Me, ClientError> {
        let mut visit = waiting.visited().await;
        let finish = ProviderFinish {
            state: waiting.state.expose().to_owned(),
            code: visit.code.take(),
            error: visit.error.take(),
            code_verifier: waiting.verifier.expose().to_owned(),
            iss: visit.iss.take(),
        };
        let signed_in = self.finish_at_provider(&finish).await;
        let server = self.server().to_string();
        let last = match &signed_in {
            Ok(me) => page(&Page::SignedIn {
                name: &me.name,
                server: &server,
            }),
            Err(error) => page(&Page::Refused {
                text: &error.to_string(),
                hint: error.hint().as_deref(),
                server: &server,
            }),
        };
        // The person may have closed the browser; the sign-in does not depend on it.
        let _ = answer(&mut visit.stream, "200 OK", &last).await;
        signed_in
    }
}

impl Waiting {
    /// Answers visitors until one brings the state of this sign-in. Anybody on this machine may knock, so nobody else's
    /// visit ends the waiting.
    async fn visited(&self) -> Visit {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                // Out of file handles, as a rule; that passes.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let head = tokio::time::timeout(SILENCE, head(&mut stream)).await;
            let Ok(Some(head)) = head else { continue };
            let Some(pairs) = parameters(&head) else {
                let _ = answer(&mut stream, "404 Not Found", &page(&Page::Nothing)).await;
                continue;
            };
            let one = |name: &str| {
                let mut found = pairs.iter().filter(|(key, _)| key == name);
                let first = found.next().map(|(_, value)| value.clone());
                // A parameter that comes twice means different things to different readers.
                first.filter(|_| found.next().is_none())
            };
            let ours = one("state")
                .is_some_and(|state| same(state.as_bytes(), self.state.expose().as_bytes()));
            let (code, error) = (one("code"), one("error"));
            if !ours || code.is_some() == error.is_some() {
                let _ = answer(&mut stream, "400 Bad Request", &page(&Page::Stranger)).await;
                continue;
            }
            return Visit {
                stream,
                code,
                error,
                iss: one("iss"),
            };
        }
    }
}

/// The first line of a request, once its head is complete.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).await.ok()?;
        if count == 0 || bytes.len() + count > HEAD_MAX {
            return None;
        }
        bytes.extend_from_slice(buffer.get(..count)?);
    }
    let text = String::from_utf8(bytes).ok()?;
    text.lines().next().map(str::to_owned)
}

/// The parameters of `GET /signed-in?…`; nothing for any other request.
fn parameters(line: &str) -> Option<Vec<(String, String)>> {
    let target = line
        .strip_prefix("GET ")?
        .split(' ')
        .next()
        .filter(|target| target.starts_with("/signed-in?"))?;
    let url = reqwest::Url::parse(&format!("http://127.0.0.1{target}")).ok()?;
    Some(url.query_pairs().into_owned().collect())
}

async fn answer(stream: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\r\n",
        body.len()
    );
    let write = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.shutdown().await?;
        // A browser that still sends when the connection closes shows an error instead of the page.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(SILENCE, write)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_address_is_listened_to() {
        let found = parameters("GET /signed-in?code=a%20b&state=s HTTP/1.1").unwrap();
        assert_eq!(found[0], ("code".to_owned(), "a b".to_owned()));
        for other in [
            "",
            "GET / HTTP/1.1",
            "GET /favicon.ico HTTP/1.1",
            "POST /signed-in?code=a HTTP/1.1",
            "GET http://evil.example/signed-in?code=a HTTP/1.1",
            "GET /signed-in HTTP/1.1",
        ] {
            assert_eq!(parameters(other), None, "{other}");
        }
    }
}
