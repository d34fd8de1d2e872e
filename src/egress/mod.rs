//! Calls to addresses that an operator has configured, and to nowhere else.
//!
//! Whoever can choose an address, or what its name means, must not reach what only this machine can: the metadata of a
//! cloud, other services on loopback, a router. So a name is looked up once, what it means is checked, and what was
//! checked is connected to; nobody is sent on by a redirect or a proxy, and no answer is without end. A network of one's own
//! is reached after it was named. It does not know what is said, or to whom.

mod reach;

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::DateTime;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AsHeaderName, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Request, StatusCode, Url};

use crate::secret::distrust;
use reach::{Denied, is_plain};

pub use reach::{Network, Reach};

/// More than anything that we have to say.
const LONGEST_REQUEST: usize = 1024 * 1024;

/// Looks names up and gives only what may be connected to, so that nobody looks them up again.
struct Checked {
    reach: Reach,
    plain: bool,
}

impl Checked {
    fn among(
        reach: &Reach,
        plain: bool,
        host: &str,
        found: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Denied> {
        let (open, closed): (Vec<_>, Vec<_>) =
            found.partition(|found| reach.permits(found.ip(), plain));
        match closed.first() {
            Some(closed) if open.is_empty() => Err(Denied {
                host: host.to_owned(),
                address: closed.ip(),
            }),
            _ => Ok(open),
        }
    }
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, plain) = (self.reach.clone(), self.plain);
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await?;
            let open = Self::among(&reach, plain, host, found)?;
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// How long a call may take, and how much may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the look-up of the name to the last byte of the answer.
    pub whole: Duration,
    /// Of the answer, in bytes.
    pub answer: usize,
}

/// What calls one origin: a scheme, a host and a port.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    reach: Reach,
    limits: Limits,
}

/// Why there is no answer, as half a sentence without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    Denied(String),
    #[error("`{host}` cannot be reached: {why}")]
    Unreachable { host: String, why: String },
    #[error("the encrypted connection to `{host}` failed: {why}")]
    Untrusted { host: String, why: &'static str },
    #[error("`{host}` did not answer within {} seconds", .limit.as_secs())]
    Late { host: String, limit: Duration },
    #[error("`{host}` gave an answer that is too long")]
    TooLong { host: String },
    #[error("what there is to say to `{host}` is too long")]
    TooMuchToSay { host: String },
    #[error("the call is not for `{host}`")]
    Elsewhere { host: String },
}

impl Fault {
    /// Whether trying again cannot help until somebody changes something.
    pub fn stays(&self) -> bool {
        matches!(
            self,
            Self::Denied(_) | Self::TooMuchToSay { .. } | Self::Elsewhere { .. }
        )
    }
}

/// What came back; whether it is a yes is for the caller to say.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// How long the other side wants to be left alone, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header(RETRY_AFTER)?;
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        // By its own clock, which nobody has to believe in otherwise.
        let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
        let wait = date(text)? - date(self.header(DATE)?)?;
        Some(wait.to_std().unwrap_or_default())
    }

    fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }
}

impl Client {
    /// Prepares calls to where `base` is; nothing is sent yet. With `ca`, only certificates from there are trusted.
    pub fn to(
        base: &Url,
        reach: &Reach,
        ca: Option<&Path>,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        // Fails when a provider is there already, and that one is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = is_plain(base);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            // Neither may choose where we go: whoever redirects, and whoever sets our environment.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .https_only(!plain)
            .dns_resolver(Arc::new(Checked {
                reach: reach.clone(),
                plain,
            }))
            .connect_timeout(limits.whole / 2)
            .timeout(limits.whole);
        if let Some(path) = ca {
            let shown = path.display();
            let pem = std::fs::read(path).with_context(|| format!("reading `{shown}`"))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("`{shown}` holds no certificates"))?;
            builder = builder.tls_certs_only(certificates);
        } else if plain {
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            http: builder.build().context("preparing to call")?,
            base: base.clone(),
            reach: reach.clone(),
            limits,
        })
    }

    /// Sends a call and reads the whole answer.
    pub async fn send(&self, request: Request) -> Result<Answer, Fault> {
        let host = || self.base.host_str().unwrap_or_default().to_owned();
        if request.url().origin() != self.base.origin() {
            return Err(Fault::Elsewhere { host: host() });
        }
        self.reach
            .literal(request.url())
            .map_err(|denied| Fault::Denied(denied.to_string()))?;
        let said = request.body().map(|body| body.as_bytes().map(<[u8]>::len));
        // What has no length is read from somewhere, and nobody knows how much it is.
        let is_short = |length: Option<usize>| length.is_some_and(|it| it <= LONGEST_REQUEST);
        if said.is_some_and(|length| !is_short(length)) {
            return Err(Fault::TooMuchToSay { host: host() });
        }
        let fault = |error: reqwest::Error| self.fault(host(), &error.without_url());
        let mut answer = self.http.execute(request).await.map_err(fault)?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(fault)? {
            if body.len() + part.len() > self.limits.answer {
                return Err(Fault::TooLong { host: host() });
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer {
            status: answer.status(),
            headers: std::mem::take(answer.headers_mut()),
            body,
        })
    }

    fn fault(&self, host: String, error: &reqwest::Error) -> Fault {
        let mut innermost: &(dyn Error + 'static) = error;
        loop {
            if let Some(denied) = innermost.downcast_ref::<Denied>() {
                return Fault::Denied(denied.to_string());
            }
            match innermost.source() {
                Some(inner) => innermost = inner,
                None => break,
            }
        }
        let text = innermost.to_string();
        if let Some(why) = distrust(&text) {
            return Fault::Untrusted { host, why };
        }
        if error.is_timeout() {
            let limit = self.limits.whole;
            return Fault::Late { host, limit };
        }
        // The system's messages end with a number that helps nobody.
        let why = text
            .split_once(" (os error")
            .map_or(text.as_str(), |(words, _)| words);
        Fault::Unreachable {
            host,
            why: why.to_lowercase(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use reqwest::Method;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn reach(networks: &[&str], plain: bool) -> Reach {
        Reach {
            allow_networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
            allow_plain_http: plain,
        }
    }

    #[test]
    fn of_what_a_name_means_only_what_may_be_called_is_left() {
        let found = |texts: &[&str]| {
            let found: Vec<SocketAddr> = texts
                .iter()
                .map(|text| SocketAddr::new(text.parse().unwrap(), 0))
                .collect();
            Checked::among(
                &Reach::default(),
                false,
                "rebound.example",
                found.into_iter(),
            )
        };
        assert_eq!(
            found(&["127.0.0.1", "1.1.1.1", "::1"]).unwrap(),
            [SocketAddr::from(([1, 1, 1, 1], 0))]
        );
        let denied = found(&["::ffff:169.254.169.254"]).unwrap_err();
        assert!(
            denied
                .to_string()
                .starts_with("`rebound.example` is ::ffff:169.254.169.254"),
            "{denied}"
        );
    }

    /// Gives everybody the same answer, and counts them.
    async fn server(answer: &'static str) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    let _ = stream.read(&mut buffer).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                    // Whoever says nothing keeps the line open.
                    if !answer.is_empty() {
                        let _ = stream.shutdown().await;
                    }
                    // What is closed before everything was read is reset, and the answer is lost.
                    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                });
            }
        });
        (port, heard)
    }

    async fn call(reach: &Reach, base: &str, to: &str) -> Result<Answer, Fault> {
        let limits = Limits {
            whole: Duration::from_secs(4),
            answer: 64,
        };
        let client = Client::to(&Url::parse(base).unwrap(), reach, None, limits).unwrap();
        let mut request = Request::new(Method::POST, Url::parse(to).unwrap());
        *request.body_mut() = Some("{}".into());
        client.send(request).await
    }

    #[tokio::test]
    async fn a_name_that_means_loopback_is_not_connected_to() {
        let (port, heard) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let base = format!("http://localhost:{port}/");
        for reach in [reach(&["10.0.0.0/8"], true), reach(&["127.0.0.0/8"], false)] {
            let fault = call(&reach, &base, &base).await.unwrap_err();
            assert!(fault.stays(), "{fault}");
        }
        let literal = format!("http://127.0.0.1:{port}/");
        let fault = call(&reach(&[], true), &literal, &literal)
            .await
            .unwrap_err();
        assert!(matches!(fault, Fault::Denied(_)), "{fault}");
        let fault = call(&reach(&["127.0.0.0/8"], true), &base, &literal)
            .await
            .unwrap_err();
        assert!(matches!(fault, Fault::Elsewhere { .. }), "{fault}");
        assert_eq!(heard.load(Ordering::SeqCst), 0);
        let answer = call(&reach(&["127.0.0.0/8"], true), &base, &base)
            .await
            .unwrap();
        assert_eq!(
            (answer.status, heard.load(Ordering::SeqCst)),
            (StatusCode::OK, 1)
        );
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_nobody_follows_it() {
        let (aim, heard) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let text = format!(
            "HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:{aim}/\r\ncontent-length: 0\r\n\r\n"
        );
        let (port, _) = server(text.leak()).await;
        let base = format!("http://127.0.0.1:{port}/");
        let answer = call(&reach(&["127.0.0.0/8"], true), &base, &base)
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(heard.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_and_silence_ends_the_call() {
        let allowed = reach(&["127.0.0.0/8"], true);
        let long = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}",
            "x".repeat(65)
        );
        for (answer, right) in [(long.leak() as &str, "too long"), ("", "within 4 seconds")] {
            let (port, _) = server(answer).await;
            let base = format!("http://127.0.0.1:{port}/");
            let fault = call(&allowed, &base, &base).await.unwrap_err();
            assert!(
                !fault.stays() && fault.to_string().contains(right),
                "{fault}"
            );
        }
        // A port that nobody listens at any more.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let fault = call(&allowed, &base, &base).await.unwrap_err();
        assert_eq!(
            fault.to_string(),
            "`127.0.0.1` cannot be reached: connection refused"
        );
    }

    #[test]
    fn how_long_to_wait_is_read_as_seconds_or_by_the_clock_of_who_says_it() {
        let answer = |pairs: &[(&'static str, &'static str)]| Answer {
            status: StatusCode::TOO_MANY_REQUESTS,
            headers: pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect(),
            body: Vec::new(),
        };
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (pairs, right) in [
            (vec![], None),
            (vec![("retry-after", " 7 ")], Some(7)),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "-1")], None),
            (vec![("retry-after", "Sun, 06 Nov 1994 08:50:00 GMT")], None),
            (
                vec![("retry-after", "Sun, 06 Nov 1994 08:50:00 GMT"), date],
                Some(23),
            ),
            (
                vec![("retry-after", "Sun, 06 Nov 1994 08:40:00 GMT"), date],
                Some(0),
            ),
        ] {
            assert_eq!(
                answer(&pairs).retry_after(),
                right.map(Duration::from_secs),
                "{pairs:?}"
            );
        }
    }
}
