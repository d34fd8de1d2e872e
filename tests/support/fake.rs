//! Nodes that do what a test says: they answer, refuse, hang up or stay silent, and keep what they were asked.

use std::sync::{Arc, Mutex};

use portcullis::wire::{Me, Tokens};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a node does with a call.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Closes the connection once it has read the call.
    HangsUp,
    /// Reads the call and says nothing.
    Nothing,
    /// A status, a body, and headers besides.
    Answers(u16, String, &'static str),
    /// As that, and leaves the connection open behind it.
    Streams(String),
}

impl Does {
    pub(crate) fn problem(status: u16, code: &str) -> Self {
        let body = json!({ "type": format!("urn:portcullis:problem:{code}"), "status": status, "code": code, "title": code, "instance": "t" });
        Self::Answers(status, body.to_string(), "")
    }

    pub(crate) fn ok() -> Self {
        Self::Answers(204, String::new(), "")
    }

    pub(crate) fn me() -> Self {
        Self::Answers(200, serde_json::to_string(&me()).unwrap(), "")
    }
}

/// What a node says when it is asked whether it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    Yes,
    Degraded,
    No,
    Silent,
}

/// A node on a port of its own.
pub(crate) struct Fake {
    pub(crate) url: String,
    does: Arc<Mutex<Plan>>,
    calls: Arc<Mutex<Vec<String>>>,
    listening: JoinHandle<()>,
}

struct Plan {
    ready: Ready,
    /// What happens to each call in turn; the last one happens to all that follow.
    fates: Vec<Does>,
}

impl Plan {
    /// What happens next. Streams are for those who follow, and for nobody else.
    fn next(&mut self, follows: bool) -> Does {
        let stream = |does: &Does| matches!(does, Does::Streams(_));
        let has_streams = self.fates.iter().any(stream);
        let fits = |does: &Does| !has_streams || stream(does) == follows;
        let places: Vec<usize> = (0..self.fates.len())
            .filter(|place| fits(&self.fates[*place]))
            .collect();
        match places[..] {
            [] => Does::HangsUp,
            [last] => self.fates[last].clone(),
            [first, ..] => self.fates.remove(first),
        }
    }
}

impl Fake {
    pub(crate) async fn start(ready: Ready, fates: &[Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let does = Arc::new(Mutex::new(Plan {
            ready,
            fates: fates.to_vec(),
        }));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (plan, heard) = (Arc::clone(&does), Arc::clone(&calls));
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&plan), Arc::clone(&heard)));
            }
        });
        Self {
            url,
            does,
            calls,
            listening,
        }
    }

    /// From now on it does something else.
    pub(crate) fn becomes(&self, ready: Ready, fates: &[Does]) {
        *self.does.lock().unwrap() = Plan {
            ready,
            fates: fates.to_vec(),
        };
    }

    /// What it was asked, apart from whether it is ready.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(mut stream: TcpStream, plan: Arc<Mutex<Plan>>, heard: Arc<Mutex<Vec<String>>>) {
    let Some(call) = read(&mut stream).await else {
        return;
    };
    let does = if call.starts_with("GET /readyz") {
        let ready = plan.lock().unwrap().ready;
        let says = |status, text: &str| Does::Answers(status, text.to_owned(), "");
        match ready {
            Ready::Yes => says(200, "ready\n"),
            Ready::Degraded => says(200, "degraded: reads from a standby\n"),
            Ready::No => says(503, "not ready\n"),
            Ready::Silent => Does::Nothing,
        }
    } else {
        let follows = call.starts_with("GET /v1/events");
        heard.lock().unwrap().push(call);
        let mut plan = plan.lock().unwrap();
        plan.next(follows)
    };
    match does {
        Does::HangsUp => {}
        Does::Nothing => std::future::pending().await,
        Does::Answers(status, body, headers) => {
            let kind = match status {
                400.. if body.starts_with('{') => "application/problem+json",
                _ => "application/json",
            };
            let length = if status == 204 {
                String::new()
            } else {
                format!("content-length: {}\r\n", body.len())
            };
            let top = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\n{length}{headers}connection: close\r\n\r\n"
            );
            let _ = stream.write_all((top + &body).as_bytes()).await;
        }
        Does::Streams(body) => {
            let top = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            let _ = stream.write_all((top.to_owned() + &body).as_bytes()).await;
            std::future::pending::<()>().await;
        }
    }
}

/// One call with its body.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut call = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&call).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |value| value.parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => call.extend_from_slice(&piece[..read]),
            _ => return None,
        }
    }
}

/// The value of a header of a call.
pub(crate) fn header(call: &str, name: &str) -> Option<String> {
    let lines = call.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(is, _)| is.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
        .next()
}

/// Who is signed in on a fake node.
pub(crate) fn me() -> Me {
    Me {
        id: "P-0000000000".to_owned(),
        name: "ada".to_owned(),
        roles: Vec::new(),
        groups: Vec::new(),
        sign_in: "S-0000000000".to_owned(),
        how: None,
        server: "test".to_owned(),
        now: chrono::DateTime::UNIX_EPOCH,
    }
}

/// A sign-in on a fake node.
pub(crate) fn tokens() -> Tokens {
    Tokens {
        access_token: "pcl_at_secret".to_owned(),
        access_expires_at: chrono::DateTime::UNIX_EPOCH,
        refresh_token: "pcl_rt_secret".to_owned(),
        refresh_expires_at: chrono::DateTime::UNIX_EPOCH,
        me: me(),
    }
}
