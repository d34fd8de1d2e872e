//! The end of a sign-in, or of a step-up, in the browser: waits on this machine for the answer, and shows the last page (RFC 8252).
//!
//! It listens on the loopback only, answers one visitor at a time, and tells the page nothing that the browser said.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use tokio::net::{TcpListener, TcpStream};

use crate::client::call::Call;
use crate::client::loopback;
use crate::client::oidc_page::{Page, page};
use crate::client::{Client, ClientError};
use crate::secret::{self, Secret, hash_of, same};
use crate::wire::{Me, ProviderFinish, ProviderStart, ProviderStarted, StepUpProof, StepUpStart};

/// What the last page may do: nothing but look well.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Whoever confirmed something and does not sign in within this time has gone on to something else.
const STEP_UP: Duration = Duration::from_mins(5);

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

/// A place on this machine where the browser comes back to, and what PKCE needs.
struct Door {
    listener: TcpListener,
    redirect_uri: String,
    verifier: Secret,
}

impl Door {
    async fn open() -> Result<Self, ClientError> {
        let local = |why: &str| {
            ClientError::Local {
            text: format!("this machine cannot wait for the browser: {why}"),
            hint: "use a code: a one-time code with `portcullis login --code CODE`, or that of your authenticator"
                .to_owned(),
        }
        };
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .map_err(|error| local(&error.to_string()))?;
        let address = listener
            .local_addr()
            .map_err(|error| local(&error.to_string()))?;
        let random = secret::random::<32>().map_err(|error| local(&format!("{error:#}")))?;
        Ok(Self {
            listener,
            redirect_uri: format!("http://{address}/signed-in"),
            verifier: Secret::new(URL_SAFE_NO_PAD.encode(random)),
        })
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(hash_of(self.verifier.expose()))
    }

    fn waiting(self, started: ProviderStarted) -> Waiting {
        Waiting {
            listener: self.listener,
            authorize_url: started.authorize_url,
            state: Secret::new(started.state),
            verifier: self.verifier,
        }
    }
}

impl Client {
    /// Begins a sign-in at the identity provider of the server.
    pub async fn begin_in_browser(&self, device: &str) -> Result<Waiting, ClientError> {
        let door = Door::open().await?;
        let start = ProviderStart {
            redirect_uri: door.redirect_uri.clone(),
            code_challenge: door.challenge(),
            device: Some(device.to_owned()),
        };
        let started = self.start_at_provider(&start).await?;
        Ok(door.waiting(started))
    }

    /// Waits for the browser, finishes the sign-in and shows the last page.
    pub async fn finish_in_browser(&self, waiting: Waiting) -> Result<Me, ClientError> {
        let mut visit = waiting.visited().await;
        let finish = waiting.finish(&mut visit);
        let signed_in = self.finish_at_provider(&finish).await;
        let name = signed_in.as_ref().map(|me| me.name.as_str());
        self.say_goodbye(visit, name.map(|name| End::SignedIn { name }))
            .await;
        signed_in
    }

    /// Proves a second factor for these calls by a fresh sign-in at the identity provider, and gives what has to come
    /// with each. `send` gets the address that the person has to open in a browser on this machine.
    pub async fn step_up_at_provider(
        &self,
        digests: Vec<String>,
        send: impl FnOnce(&str) + Send,
    ) -> Result<Secret, ClientError> {
        let door = Door::open().await?;
        let start = StepUpStart {
            digests: digests.clone(),
            redirect_uri: door.redirect_uri.clone(),
            code_challenge: door.challenge(),
        };
        let path = ["v1", "step-up", "oidc", "start"];
        let call = Call::new(Method::POST, &path).body(&start)?;
        let waiting = door.waiting(self.call_unproved(call).await?);
        send(&waiting.authorize_url);
        let visited = tokio::time::timeout(STEP_UP, waiting.visited()).await;
        let mut visit = visited.map_err(|_| ClientError::Local {
            text: "nobody came back from the identity provider in time".to_owned(),
            hint: "confirm it again, and sign in there within five minutes".to_owned(),
        })?;
        let proof = StepUpProof::Oidc(waiting.finish(&mut visit));
        let proved = self.step_up(digests, proof).await;
        self.say_goodbye(visit, proved.as_ref().map(|_| End::Proved))
            .await;
        proved
    }

    /// Shows the last page. The person may have closed the browser; nothing depends on it.
    async fn say_goodbye(&self, mut visit: Visit, end: Result<End<'_>, &ClientError>) {
        let server = self.server().to_string();
        let server = server.as_str();
        let last = match end {
            Ok(End::SignedIn { name }) => page(&Page::SignedIn { name, server }),
            Ok(End::Proved) => page(&Page::Proved { server }),
            Err(error) => page(&Page::Refused {
                text: &error.to_string(),
                hint: error.hint().as_deref(),
                server,
            }),
        };
        let _ = answer(&mut visit.stream, "200 OK", &last).await;
    }
}

/// What a way through the browser came to.
enum End<'a> {
    SignedIn { name: &'a str },
    Proved,
}

impl Waiting {
    /// What the browser brought, for the server.
    fn finish(&self, visit: &mut Visit) -> ProviderFinish {
        ProviderFinish {
            state: self.state.expose().to_owned(),
            code: visit.code.take(),
            error: visit.error.take(),
            code_verifier: self.verifier.expose().to_owned(),
            iss: visit.iss.take(),
        }
    }

    /// Answers visitors until one brings the state of this sign-in. Anybody on this machine may knock, so nobody else's
    /// visit ends the waiting.
    async fn visited(&self) -> Visit {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                // Out of file handles, as a rule; that passes.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let head = tokio::time::timeout(loopback::SILENCE, asked(&mut stream)).await;
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
async fn asked(stream: &mut TcpStream) -> Option<String> {
    let (head, _) = loopback::head(stream).await?;
    head.lines().next().map(str::to_owned)
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

async fn answer(stream: &mut TcpStream, status: &str, page: &str) -> std::io::Result<()> {
    let kind = "text/html; charset=utf-8";
    loopback::answer(stream, status, kind, POLICY, page).await
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
