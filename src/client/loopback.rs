//! A page of ours for the person's own browser: served on the loopback only, at an address that nobody can guess.
//!
//! It is for the one page that asks a passkey; sign-ins, which a provider sends back to a place of its own, share how
//! requests are read and answered. Whoever knocks at another address, by another name for this machine or
//! from a page of somebody else gets nothing, and ends nothing.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::secret;

/// More than a browser sends in the head of a request, also with a provider's long answer in its address.
const HEAD_MAX: usize = 32 * 1024;
/// What an authenticator answers is a few hundred bytes, and some thousands when it is made.
const BODY_MAX: usize = 64 * 1024;
/// A visitor that says nothing does not stay.
pub(super) const SILENCE: Duration = Duration::from_secs(5);
/// Tries to find one port for both kinds of address.
const PORTS: usize = 20;

/// A place on this machine that waits for the browser.
pub(super) struct Loopback {
    host: String,
    path: String,
    visits: mpsc::Receiver<Visit>,
    _doors: JoinSet<()>,
}

/// A browser that waits for what is said to it.
pub(super) struct Visit {
    stream: TcpStream,
    /// What it sent; nothing where it asks for the page.
    pub(super) sent: Option<Vec<u8>>,
}

/// A request, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
struct Knock {
    posts: bool,
    path: String,
    host: String,
    origin: Option<String>,
    json: bool,
    length: usize,
}

impl Loopback {
    /// Opens it at a port that is free.
    pub(super) async fn open() -> anyhow::Result<Self> {
        let doors = listen().await?;
        let port = doors.first().map_or(Ok(0), |door| {
            door.local_addr().map(|address| address.port())
        })?;
        let path = format!("/{}", URL_SAFE_NO_PAD.encode(secret::random::<32>()?));
        let host = format!("localhost:{port}");
        let (tell, visits) = mpsc::channel(4);
        let mut tasks = JoinSet::new();
        for door in doors {
            tasks.spawn(answer_at(door, host.clone(), path.clone(), tell.clone()));
        }
        Ok(Self {
            host,
            path,
            visits,
            _doors: tasks,
        })
    }

    /// The address of the page.
    pub(super) fn url(&self) -> String {
        format!("http://{}{}", self.host, self.path)
    }

    /// The next visit that is meant for the page; nothing when there can be none any more.
    pub(super) async fn visit(&mut self) -> Option<Visit> {
        self.visits.recv().await
    }
}

impl Visit {
    /// Shows a page whose own scripts carry this number.
    pub(super) async fn show(mut self, page: &str, nonce: &str) {
        let policy = format!(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let kind = "text/html; charset=utf-8";
        // A browser that has gone needs no page.
        let _ = answer(&mut self.stream, "200 OK", kind, &policy, page).await;
    }

    /// Tells the page what came of it.
    pub(super) async fn tell(mut self, said: &serde_json::Value) {
        let (kind, policy) = ("application/json", "default-src 'none'");
        let _ = answer(&mut self.stream, "200 OK", kind, policy, &said.to_string()).await;
    }
}

/// Listens at one port for both kinds of address: browsers try the newer one first, and whoever else on this machine
/// had it would get the visit.
async fn listen() -> std::io::Result<Vec<TcpListener>> {
    let mut last = None;
    for _ in 0..PORTS {
        let four = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let port = four.local_addr()?.port();
        match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
            Ok(six) => return Ok(vec![four, six]),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => last = Some(error),
            // This machine has no such addresses, so nobody else can have the port there.
            Err(_) => return Ok(vec![four]),
        }
    }
    Err(last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()))
}

async fn answer_at(door: TcpListener, host: String, path: String, tell: mpsc::Sender<Visit>) {
    let mut visitors = JoinSet::new();
    loop {
        while visitors.try_join_next().is_some() {}
        let Ok((stream, _)) = door.accept().await else {
            // Out of file handles, as a rule; that passes.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (host, path, tell) = (host.clone(), path.clone(), tell.clone());
        visitors.spawn(async move {
            let heard = tokio::time::timeout(SILENCE, hear(stream, &host, &path)).await;
            if let Ok(Some(visit)) = heard {
                // Nobody waits any more when this fails.
                let _ = tell.send(visit).await;
            }
        });
    }
}

/// Reads a request; answers it at once when it is not meant for the page.
async fn hear(mut stream: TcpStream, host: &str, path: &str) -> Option<Visit> {
    let (head, mut body) = head(&mut stream).await?;
    let knock = Knock::read(&head)?;
    if let Err(status) = knock.is_for(host, path) {
        let (kind, policy) = ("text/plain; charset=utf-8", "default-src 'none'");
        let _ = answer(&mut stream, status, kind, policy, "there is nothing here\n").await;
        return None;
    }
    if !knock.posts {
        return Some(Visit { stream, sent: None });
    }
    let mut buffer = [0; 4096];
    while body.len() < knock.length {
        let count = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        body.extend_from_slice(buffer.get(..count)?);
    }
    body.truncate(knock.length);
    Some(Visit {
        stream,
        sent: Some(body),
    })
}

/// The head of a request, and what came of its body together with it.
pub(super) async fn head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(buffer.get(..count)?);
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).ok()?, body));
        }
        if bytes.len() > HEAD_MAX {
            return None;
        }
    }
}

impl Knock {
    fn read(head: &str) -> Option<Self> {
        let mut lines = head.lines();
        let mut words = lines.next()?.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let headers: Vec<(&str, &str)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let one = |wanted: &str| {
            let mut found = headers
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            let first = found.next().map(|(_, value)| (*value).to_owned());
            // A header that comes twice means different things to different readers.
            first.filter(|_| found.next().is_none())
        };
        if !matches!(method, "GET" | "POST") || one("transfer-encoding").is_some() {
            return None;
        }
        Some(Self {
            posts: method == "POST",
            path: path.to_owned(),
            host: one("host").unwrap_or_default(),
            origin: one("origin"),
            json: one("content-type").is_some_and(|kind| kind == "application/json"),
            length: one("content-length")
                .unwrap_or_default()
                .parse()
                .unwrap_or(0),
        })
    }

    /// Whether it is meant for our page; else the status of the answer.
    fn is_for(&self, host: &str, path: &str) -> Result<(), &'static str> {
        // Another name for this machine is how a page of somebody else gets here.
        if self.host != host || !secret::same(self.path.as_bytes(), path.as_bytes()) {
            return Err("404 Not Found");
        }
        if !self.posts {
            return Ok(());
        }
        let ours = self
            .origin
            .as_ref()
            .is_some_and(|origin| origin.strip_prefix("http://") == Some(host));
        if !ours || !self.json || self.length == 0 || self.length > BODY_MAX {
            return Err("400 Bad Request");
        }
        Ok(())
    }
}

/// Answers with a page under this content security policy, and waits until the browser has it.
pub(super) async fn answer(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    policy: &str,
    body: &str,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
         Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\nContent-Security-Policy: {policy}\r\n\r\n",
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

    const HOST: &str = "localhost:4321";

    fn status(head: &str) -> Result<(), &'static str> {
        let head = format!("{}\r\n\r\n", head.replace('\n', "\r\n"));
        Knock::read(&head).map_or(Err("none"), |knock| knock.is_for(HOST, "/secret"))
    }

    #[test]
    fn only_our_own_page_under_its_own_name_is_listened_to() {
        assert_eq!(status("GET /secret HTTP/1.1\nHost: localhost:4321"), Ok(()));
        let post = "POST /secret HTTP/1.1\nHost: localhost:4321\nContent-Length: 2\nContent-Type: application/json\n";
        assert_eq!(
            status(&format!("{post}Origin: http://localhost:4321")),
            Ok(())
        );
        for other in [
            "GET / HTTP/1.1\nHost: localhost:4321",
            "GET /secret HTTP/1.1",
            "GET /secret HTTP/1.1\nHost: evil.example:4321",
            "GET /secret HTTP/1.1\nHost: 127.0.0.1:4321",
            "GET /secret HTTP/1.1\nHost: localhost:4321\nHost: localhost:4321",
            "PUT /secret HTTP/1.1\nHost: localhost:4321",
            "POST /secret HTTP/1.1\nHost: localhost:4321\nOrigin: http://localhost:4321\nContent-Type: text/plain\nContent-Length: 2",
            "POST /secret HTTP/1.1\nHost: localhost:4321\nOrigin: http://localhost:4321\nContent-Type: application/json",
            "POST /secret HTTP/1.1\nHost: localhost:4321\nOrigin: http://localhost:4321\nContent-Type: application/json\nContent-Length: 99999999",
        ] {
            assert!(status(other).is_err(), "{other}");
        }
        for origin in [
            "",
            "Origin: null",
            "Origin: http://localhost:1",
            "Origin: https://localhost:4321",
            "Origin: http://evil.example",
        ] {
            assert!(status(&format!("{post}{origin}")).is_err(), "{origin}");
        }
    }

    #[test]
    fn an_address_that_nobody_can_guess_is_another_each_time() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (one, two) = (
                Loopback::open().await.unwrap(),
                Loopback::open().await.unwrap(),
            );
            assert!(one.url().starts_with("http://localhost:"));
            assert_ne!(one.path, two.path);
            assert_eq!(one.path.len(), 44);
        });
    }
}
