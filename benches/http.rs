//! The lightest client there is: one kept-alive connection, so that figures are about the server.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One connection of one person.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    address: String,
    token: Option<String>,
    buffer: Vec<u8>,
    used: Instant,
}

/// The server closes a connection on which nothing comes for ten seconds.
const RESTED: Duration = Duration::from_secs(5);

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: Vec<u8>,
}

impl Answer {
    /// The body of an answer that has to be a success.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        ensure!(
            (200..300).contains(&self.status),
            "the server answered {}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        serde_json::from_slice(&self.body).context("reading an answer")
    }
}

/// A text field of an answer.
pub(crate) fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    let found = value.get(field).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("no `{field}` in {value}"))?
        .to_owned())
}

impl Connection {
    pub(crate) async fn open(address: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            address: address.to_owned(),
            token: token.map(str::to_owned),
            buffer: Vec::with_capacity(8_192),
            used: Instant::now(),
        })
    }

    /// Another connection of the same person.
    pub(crate) async fn again(&self) -> anyhow::Result<Self> {
        Self::open(&self.address, self.token.as_deref()).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send("GET", path, None, "").await?;
        self.receive().await
    }

    /// A call that changes something. `version` is that of the decision.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        version: Option<i64>,
        body: &str,
    ) -> anyhow::Result<Answer> {
        self.send("POST", path, version, body).await?;
        self.receive().await
    }

    /// Sends `GET` and leaves the answer, which does not end, on the stream.
    pub(crate) async fn follow(mut self, path: &str) -> anyhow::Result<TcpStream> {
        self.send("GET", path, None, "").await?;
        Ok(self.stream)
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        version: Option<i64>,
        body: &str,
    ) -> anyhow::Result<()> {
        if self.used.elapsed() > RESTED {
            *self = self.again().await?;
        }
        self.used = Instant::now();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        if let Some(token) = &self.token {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        if let Some(version) = version {
            head.push_str(&format!("if-match: \"{version}\"\r\n"));
        }
        if method == "POST" {
            let key = uuid::Uuid::now_v7().simple();
            head.push_str(&format!(
                "idempotency-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            ));
        }
        head.push_str("\r\n");
        head.push_str(body);
        self.stream.write_all(head.as_bytes()).await?;
        Ok(())
    }

    async fn receive(&mut self) -> anyhow::Result<Answer> {
        self.buffer.clear();
        let (end, head) = loop {
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server hung up"
            );
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.buffer.get(..end).unwrap_or_default();
                break (end + 4, String::from_utf8_lossy(head).to_ascii_lowercase());
            }
        };
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .context("an answer without a status")?;
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        while self.buffer.len() < end + length {
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server hung up"
            );
        }
        let body = self.buffer.get(end..end + length).unwrap_or_default();
        Ok(Answer {
            status,
            body: body.to_vec(),
        })
    }
}
