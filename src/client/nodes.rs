//! Which node of an installation is called: the one that answered last, until it fails.
//!
//! Then all are asked at once whether they are ready, and the best of those that answer is called from then on.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::http::http;
use crate::client::{ClientError, ServerUrl, Servers};

/// A node that does not say within this time whether it is ready is not.
const PROBE: Duration = Duration::from_secs(2);
/// A node calls itself by no longer name than this.
const LONGEST_NAME: usize = 64;

/// What a node says of itself with what it answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// What it is called, where it says so.
    pub node: Option<String>,
    /// How many seconds old what it shows may be; nothing where it is as new as there is.
    pub stale: Option<u64>,
    /// Whether changes that were acknowledged may be lost when its database fails.
    pub may_lose: bool,
}

/// How a node answers whether it is ready, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Readiness {
    Ready,
    /// It can read and nothing else.
    Degraded,
    NotReady,
    Silent,
}

/// Which of two nodes is better that are equally ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The one that was called: it works as well as it can.
    Same,
    /// Another one than that which failed.
    Other,
}

/// The nodes of an installation. Copies share which one is called.
#[derive(Debug, Clone)]
pub(super) struct Nodes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: Vec<Node>,
    /// The place of the one that is called.
    present: watch::Sender<usize>,
    /// Only one search at a time: many calls fail together.
    searching: tokio::sync::Mutex<()>,
    /// Where the next program finds which one answered last.
    hint: Option<PathBuf>,
    /// The place that the hint names, and that of the first address without one.
    kept: AtomicUsize,
    /// What was said last.
    standing: Mutex<Standing>,
}

/// One node.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Its place in the list.
    pub place: usize,
    pub url: ServerUrl,
    pub http: reqwest::Client,
}

impl Nodes {
    /// The nodes at these addresses. `hint` is a file that remembers which one answered last.
    pub(super) fn new(servers: &Servers, hint: Option<PathBuf>) -> Result<Self, ClientError> {
        let mut all: Vec<Node> = Vec::new();
        for (place, url) in servers.iter().enumerate() {
            // To make one takes a while, because it reads certificates: nodes that are reached alike share it.
            let alike = all
                .iter()
                .find(|node| node.url.is_plain() == url.is_plain());
            let http = match alike {
                Some(node) => node.http.clone(),
                None => http(url)?,
            };
            all.push(Node {
                place,
                url: url.clone(),
                http,
            });
        }
        let hint = hint.filter(|_| all.len() > 1);
        let present = hint
            .as_deref()
            .and_then(|hint| hinted(hint, &all))
            .unwrap_or(0);
        Ok(Self(Arc::new(Inner {
            all,
            present: watch::Sender::new(present),
            searching: tokio::sync::Mutex::default(),
            hint,
            kept: AtomicUsize::new(present),
            standing: Mutex::default(),
        })))
    }

    /// Whether there is another one to ask.
    pub(super) fn are_several(&self) -> bool {
        self.0.all.len() > 1
    }

    /// The one to call.
    pub(super) fn present(&self) -> Result<Node, ClientError> {
        let present = *self.0.present.borrow();
        let node = self.0.all.get(present).or(self.0.all.first());
        node.cloned().ok_or_else(|| ClientError::Local {
            text: "there is no address of a server".to_owned(),
            hint: "name one with `--server`".to_owned(),
        })
    }

    /// Follows which one is called.
    pub(super) fn changes(&self) -> watch::Receiver<usize> {
        self.0.present.subscribe()
    }

    /// The addresses, for a sentence.
    pub(super) fn named(&self) -> String {
        let all: Vec<String> = self
            .0
            .all
            .iter()
            .map(|node| format!("`{}`", node.url))
            .collect();
        match all.as_slice() {
            [one] => format!("the server at {one}"),
            several => format!("none of the servers {}", several.join(", ")),
        }
    }

    /// Turns away from a node that failed, to the best of those that answer.
    pub(super) async fn turn_from(&self, failed: usize, among_equals: Choice) {
        if !self.are_several() {
            return;
        }
        let _turn = self.0.searching.lock().await;
        if *self.0.present.borrow() != failed {
            // Another call has found out meanwhile.
            return;
        }
        let mut probes = JoinSet::new();
        for node in self.0.all.iter().cloned() {
            let worse = (node.place == failed) == (among_equals == Choice::Other);
            probes.spawn(async move { (probe(&node).await, worse, node.place) });
        }
        let mut best: Option<(Readiness, bool, usize)> = None;
        while let Some(Ok(found)) = probes.join_next().await {
            best = Some(best.map_or(found, |best| best.min(found)));
            // A node that hangs is not waited for once another is ready.
            if found.0 == Readiness::Ready && found.2 != failed {
                break;
            }
        }
        let next = match best {
            Some((Readiness::Silent, ..)) | None => (failed + 1) % self.0.all.len(),
            Some((.., place)) => place,
        };
        if next != failed {
            self.0.present.send_replace(next);
        }
    }

    /// Ends when a node that was called, and takes its time, does not even say whether it is ready. Where there is no
    /// other node it never ends.
    pub(super) async fn hangs(&self, node: &Node) {
        if !self.are_several() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(PROBE).await;
            if probe(node).await == Readiness::Silent {
                return;
            }
        }
    }

    /// Takes note of what a node says of itself with an answer.
    pub(super) fn said(&self, headers: &HeaderMap) -> Standing {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut standing = self.standing_mut();
        standing.node = text("portcullis-node").and_then(name);
        standing.stale = text("portcullis-stale").and_then(|seconds| seconds.trim().parse().ok());
        standing.clone()
    }

    /// Keeps which node answers for the next program. That it cannot be kept costs that program a moment, no more.
    pub(super) fn answered(&self, node: &Node) {
        let Some(hint) = &self.0.hint else { return };
        if self.0.kept.swap(node.place, Ordering::Relaxed) == node.place {
            return;
        }
        let folder = hint.parent().unwrap_or(Path::new("."));
        let kept = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
            writeln!(file, "{}", node.url)?;
            file.persist(hint).map_err(|error| error.error)
        });
        drop(kept);
    }

    /// What the node that answered last said of itself.
    pub(super) fn standing(&self) -> Standing {
        self.standing_mut().clone()
    }

    fn standing_mut(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.0
            .standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The node that a hint names; nothing where it is none of these.
fn hinted(hint: &Path, all: &[Node]) -> Option<usize> {
    let text = std::fs::read_to_string(hint).ok()?;
    all.iter()
        .position(|node| node.url.to_string() == text.trim())
}

/// The name of a node as it may be shown and compared.
pub(super) fn name(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let plain = (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(fits);
    plain.then(|| text.to_owned())
}

/// Asks one node whether it is ready. It is told nothing but that.
async fn probe(node: &Node) -> Readiness {
    let asked = node
        .http
        .get(node.url.join(&["readyz"]))
        .timeout(PROBE)
        .send();
    let Ok(reply) = asked.await else {
        return Readiness::Silent;
    };
    if !reply.status().is_success() {
        return Readiness::NotReady;
    }
    match crate::client::send::read_bounded(reply).await {
        Ok(Some(text)) if text.trim_ascii() == b"ready" => Readiness::Ready,
        Ok(_) => Readiness::Degraded,
        Err(_) => Readiness::Silent,
    }
}
