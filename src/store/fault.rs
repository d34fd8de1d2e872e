//! What a fault of the database means for whoever called: nothing was done and it can be tried again, or nobody knows.
//!
//! To add a case: the code of PostgreSQL or SQLite in the function that says what it means; `gate::Error` makes a
//! refusal of it.

use std::sync::Arc;

use super::ring::{NoPrimary, OutcomeUnknown};

/// What the database said, if a fault is of it. Turns of SQLite's writer that share a commit share its error, too.
fn said(fault: &anyhow::Error) -> Option<&sqlx::Error> {
    let shared = fault.downcast_ref::<Arc<sqlx::Error>>();
    fault.downcast_ref().or(shared.map(AsRef::as_ref))
}

/// Why nothing can be changed, if a fault says that there is no primary at this moment.
pub fn no_primary(fault: &anyhow::Error) -> Option<NoPrimary> {
    if let Some(lost) = fault.downcast_ref::<NoPrimary>() {
        return Some(lost.clone());
    }
    match said(fault) {
        // A standby, or a primary that became one.
        Some(sqlx::Error::Database(error)) if error.code().as_deref() == Some("25006") => {
            Some(NoPrimary {
                why: "the host of the database takes no changes".to_owned(),
                is_readable: true,
            })
        }
        _ => None,
    }
}

/// Whether a fault says that the database has no room left on its disk. Nothing was done, what is there can be read, and
/// the same call succeeds once there is room.
pub fn is_full(fault: &anyhow::Error) -> bool {
    match said(fault) {
        // PostgreSQL: also while it panics, because there is no room for its log. SQLite: the file, or what its readers
        // and its writer share.
        Some(sqlx::Error::Database(error)) => {
            matches!(error.code().as_deref(), Some("53100" | "13" | "4874"))
        }
        _ => false,
    }
}

/// Whether a fault says that nobody knows whether a change was made.
pub fn is_unknown(fault: &anyhow::Error) -> bool {
    fault.downcast_ref::<OutcomeUnknown>().is_some()
}

/// Whether a fault only says that the database is busy or away: the same call can succeed a moment later.
pub fn is_passing(fault: &anyhow::Error) -> bool {
    match said(fault) {
        Some(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_)) => true,
        // PostgreSQL: a lock was not free in time, a deadlock, a statement or a pause that took too long, no connection or
        // no memory left, a shutdown, a crash, a start, a connection that broke.
        // SQLite: busy, also because a snapshot is too old.
        Some(sqlx::Error::Database(error)) => matches!(
            error.code().as_deref(),
            Some(
                "55P03"
                    | "40P01"
                    | "40001"
                    | "57014"
                    | "53200"
                    | "53300"
                    | "57P01"
                    | "57P02"
                    | "57P03"
                    | "25P03"
                    | "08003"
                    | "08006"
                    | "5"
                    | "517"
            )
        ),
        _ => false,
    }
}
