//! What is taken down: each grant and how it was to end, each time that it let somebody in, and everything that broke.

use std::collections::BTreeMap;
use std::sync::Mutex;

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::place::Kind;

/// How a grant is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Ending {
    Time,
    Return,
    Revoke,
    Lock,
}

impl Ending {
    pub(super) const ALL: [Self; 4] = [Self::Time, Self::Return, Self::Revoke, Self::Lock];

    /// The state that it leads to.
    pub(super) fn state(self) -> &'static str {
        match self {
            Self::Time => "ended",
            Self::Return => "returned",
            Self::Revoke | Self::Lock => "revoked",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Time => "by time",
            Self::Return => "by return",
            Self::Revoke => "by revoke",
            Self::Lock => "by lock",
        }
    }
}

/// A grant, as its holder knows it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) ending: Ending,
    /// When whoever took it away early was told so, in milliseconds of the wall clock.
    pub(super) taken: Option<i64>,
    /// When the certificate ends that was handed out.
    pub(super) certified: Option<i64>,
}

/// How somebody was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Use {
    Login,
    Session,
}

/// A grant let somebody in, or was still letting them.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// When it was tried.
    pub(super) at: i64,
    pub(super) grant: String,
    pub(super) by: Use,
}

/// Something that did not work for a while.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) from: i64,
    pub(super) to: i64,
    /// The target that nodes did not reach; none where it was a node.
    pub(super) of: Option<Kind>,
    pub(super) what: &'static str,
}

/// When a grant was over, as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) state: String,
    pub(super) expires: i64,
    /// When it was confirmed.
    pub(super) ended: i64,
}

/// The grants that are over.
pub(super) type Ends = BTreeMap<String, End>;

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) held: BTreeMap<String, Held>,
    pub(super) seen: Vec<Seen>,
    pub(super) faults: Vec<Fault>,
    /// Logins that were tried, and those of them that began after the end was confirmed.
    pub(super) tries: BTreeMap<Kind, u64>,
    pub(super) afterwards: BTreeMap<Kind, u64>,
    /// Sessions that a fault broke, and that were opened again.
    pub(super) reopened: BTreeMap<Kind, u64>,
}

/// Where it is all written.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Notes>);

impl Book {
    /// Adds to it, or reads it.
    pub(super) fn note<T>(&self, note: impl FnOnce(&mut Notes) -> T) -> T {
        note(&mut self.0.lock().unwrap())
    }

    /// All of it, once nobody adds to it.
    pub(super) fn finish(&self) -> Notes {
        self.note(std::mem::take)
    }
}

/// Reads which grants are over.
pub(super) async fn ends(database: &mut PgConnection) -> Ends {
    let rows = sqlx::query(
        "select id, state, expires_at, ended_at from grants
         where state in ('ended', 'returned', 'revoked', 'activation_failed')",
    );
    let rows = rows.fetch_all(database).await.unwrap();
    let read = |row: PgRow| {
        let end = End {
            state: row.get("state"),
            expires: row.get("expires_at"),
            ended: row.get("ended_at"),
        };
        (row.get("id"), end)
    };
    rows.into_iter().map(read).collect()
}
