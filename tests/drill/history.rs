//! What everybody saw: each call, each frame of a stream, each login on a target and each fault, on one clock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Microseconds since the drill began.
pub(super) type Moment = u64;

/// A change that somebody asks for; each leaves one event of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Verb {
    Submit,
    Claim,
    Release,
    Approve,
    Deny,
    Withdraw,
    Extend,
    Return,
    Revoke,
    Lock,
    Lift,
}

impl Verb {
    /// The codes of the events that it leaves, one of each.
    pub(super) fn codes(self) -> &'static [&'static str] {
        match self {
            Self::Submit => &["request.submitted"],
            Self::Claim => &["request.claimed"],
            Self::Release => &["request.released"],
            Self::Approve => &["request.approved"],
            Self::Deny => &["request.denied"],
            Self::Withdraw => &["request.withdrawn"],
            // A reviewer asks for the holder, and that is its approval, too.
            Self::Extend => &["request.submitted", "request.approved"],
            // When it was going already, that is said; either way there is one event by whoever asked.
            Self::Return | Self::Revoke => &["grant.closing"],
            Self::Lock => &["lock.placed"],
            Self::Lift => &["lock.lifted"],
        }
    }
}

/// How a call ended, after all its tries with one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) enum Outcome {
    /// It was acknowledged, with the record as it is then.
    Done {
        id: String,
        version: i64,
        state: String,
    },
    /// A rule said no, and nothing changed.
    Refused(String),
    /// Nobody said anything definite.
    Open,
}

/// One change, however often it was sent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Call {
    pub(super) start: Moment,
    pub(super) end: Moment,
    pub(super) who: String,
    pub(super) verb: Verb,
    /// What it is about, as the record names it: the id of a request or a grant, or the reason of a lock.
    pub(super) subject: String,
    pub(super) key: String,
    pub(super) tries: u32,
    /// Whether a try may have been carried out whose answer did not come.
    pub(super) unknown: bool,
    pub(super) outcome: Outcome,
}

/// Somebody looked at a record.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Look {
    pub(super) start: Moment,
    pub(super) id: String,
    /// As it was shown; 0 where it was said not to be there.
    pub(super) version: i64,
    /// Whether the answer said itself that it may be old.
    pub(super) stale: bool,
}

/// Somebody got in, or was still in.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Seen {
    /// When it was tried, in milliseconds of the wall clock, which is that of the database, too.
    pub(super) at: i64,
    pub(super) grant: String,
    pub(super) by: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub(super) enum Access {
    Login,
    Session,
    /// A login with a certificate, which nobody can take back before it ends.
    Certificate,
    /// A session that began with a certificate, which the host itself cuts.
    Host,
}

/// A certificate that somebody was given.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Certified {
    pub(super) grant: String,
    /// When it ends, in milliseconds of the wall clock.
    pub(super) until: i64,
}

/// An event as a stream told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Frame {
    pub(super) epoch: i64,
    pub(super) index: i64,
    pub(super) id: u128,
}

/// Something that was broken, until it was whole again.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fault {
    pub(super) start: Moment,
    pub(super) end: Moment,
    pub(super) what: String,
    /// Whether nothing could be written meanwhile.
    pub(super) outage: bool,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The wall clock when the drill began, in milliseconds.
    pub(super) began: i64,
    pub(super) calls: Vec<Call>,
    pub(super) looks: Vec<Look>,
    pub(super) seen: Vec<Seen>,
    pub(super) certificates: Vec<Certified>,
    /// By reader, in the order in which they were read.
    pub(super) frames: BTreeMap<String, Vec<Frame>>,
    pub(super) faults: Vec<Fault>,
    /// Answers that were not definite, by their code.
    pub(super) troubles: BTreeMap<String, u64>,
}

impl History {
    /// A moment on the wall clock.
    pub(super) fn wall(&self, moment: Moment) -> i64 {
        self.began + i64::try_from(moment / 1000).unwrap()
    }

    /// Keeps it as lines of JSON for whoever looks into a failure.
    pub(super) fn keep(&self, name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("portcullis-drill-{name}.ndjson"));
        let mut text = String::new();
        let mut line = |kind: &str, value: serde_json::Value| {
            text += &serde_json::json!({ kind: value }).to_string();
            text.push('\n');
        };
        for call in &self.calls {
            line("call", serde_json::to_value(call).unwrap());
        }
        for look in &self.looks {
            line("look", serde_json::to_value(look).unwrap());
        }
        for seen in &self.seen {
            line("seen", serde_json::to_value(seen).unwrap());
        }
        for certified in &self.certificates {
            line("certificate", serde_json::to_value(certified).unwrap());
        }
        for fault in &self.faults {
            line("fault", serde_json::to_value(fault).unwrap());
        }
        for (reader, frames) in &self.frames {
            for frame in frames {
                let id = format!("{:032x}", frame.id);
                let frame = serde_json::json!([reader, frame.epoch, frame.index, id]);
                line("frame", frame);
            }
        }
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// Takes down what is seen, from all sides.
#[derive(Debug)]
pub(super) struct Recorder {
    began: Instant,
    history: Mutex<History>,
    acknowledged: AtomicUsize,
}

impl Recorder {
    pub(super) fn new() -> Self {
        let history = History {
            began: wall_now(),
            ..History::default()
        };
        Self {
            began: Instant::now(),
            history: Mutex::new(history),
            acknowledged: AtomicUsize::new(0),
        }
    }

    pub(super) fn now(&self) -> Moment {
        u64::try_from(self.began.elapsed().as_micros()).unwrap()
    }

    /// Changes the history.
    pub(super) fn note<T>(&self, note: impl FnOnce(&mut History) -> T) -> T {
        note(&mut self.history.lock().unwrap())
    }

    /// How many changes were acknowledged.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Takes down a call that has ended.
    pub(super) fn call(&self, call: Call) {
        if matches!(call.outcome, Outcome::Done { .. }) {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.note(|history| history.calls.push(call));
    }

    /// The history, once nobody adds to it.
    pub(super) fn finish(&self) -> History {
        self.note(std::mem::take)
    }
}

/// The wall clock in milliseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "ends are moments of the database's clock, which on this machine is the wall clock"
)]
pub(super) fn wall_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
