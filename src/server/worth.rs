//! What an answer is worth: whether it holds, is old, or has to be asked for again. A node that knows only an old primary
//! reads what was true once; it calls nothing current, and refuses no change by it.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::domain::refusal::Refusal;
use crate::store::ring::{Service, Unproved};

use super::App;
use super::error::Failed;

/// The whole seconds since when an answer may not hold any more.
const STALE: &str = "portcullis-stale";

#[derive(Debug, PartialEq, Eq)]
enum Worth {
    Holds,
    /// It was true so long ago.
    Old(Duration),
    /// What a change was refused for may be over.
    AskAgain,
}

/// Weighs an answer by its proof, and by how old everything is where there is no primary.
fn worth(reads: bool, proved: Result<(), Unproved>, read_only: Option<Duration>) -> Worth {
    match (proved, read_only) {
        (Err(_), _) if !reads => Worth::AskAgain,
        (Err(Unproved(since)), age) => Worth::Old(age.map_or(since, |age| age.max(since))),
        (Ok(()), Some(age)) => Worth::Old(age),
        (Ok(()), None) => Worth::Holds,
    }
}

/// Says of every answer that may be old how old it is, and has a change asked for again that was refused by what may be.
pub(super) async fn weigh(State(app): State<App>, request: Request, next: Next) -> Response {
    let store = app.gate.store();
    let (footing, reads) = (store.footing(), request.method().is_safe());
    let is_asked = request.uri().path().starts_with("/v1/");
    let mut response = next.run(request).await;
    // A change that was made has proved itself, and a stream says in its frames what they are worth.
    let proved = if is_asked && says_what_is(&response, reads) {
        store.prove(&footing).await
    } else {
        Ok(())
    };
    let read_only = match store.service() {
        Service::ReadOnly { age, .. } => Some(age),
        _ => None,
    };
    match worth(reads, proved, read_only) {
        Worth::Holds => response,
        Worth::Old(age) => {
            let value = HeaderValue::from(age.as_secs());
            response.headers_mut().insert(STALE, value);
            response
        }
        Worth::AskAgain => Failed::Refused(Refusal::NoWritableStore {
            why: "the primary could not prove that it still is one".to_owned(),
            is_readable: true,
        })
        .into_response(),
    }
}

/// Whether an answer says what is in the database.
fn says_what_is(response: &Response, reads: bool) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let streams = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    response.status().is_client_error() || (reads && response.status().is_success() && !streams)
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: bool = true;
    const CHANGES: bool = false;

    fn unproved(seconds: u64) -> Result<(), Unproved> {
        Err(Unproved(Duration::from_secs(seconds)))
    }

    fn old(seconds: u64) -> Worth {
        Worth::Old(Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_proved_holds_and_what_comes_from_a_standby_is_as_old_as_it_is() {
        let age = Some(Duration::from_secs(4));
        for reads in [READS, CHANGES] {
            assert_eq!(worth(reads, Ok(()), None), Worth::Holds);
            assert_eq!(worth(reads, Ok(()), age), old(4));
        }
    }

    #[test]
    fn what_nobody_can_prove_is_as_old_as_the_older_of_the_two() {
        assert_eq!(worth(READS, unproved(3), None), old(3));
        assert_eq!(
            worth(READS, unproved(3), Some(Duration::from_secs(9))),
            old(9)
        );
        assert_eq!(
            worth(READS, unproved(3), Some(Duration::from_secs(1))),
            old(3)
        );
    }

    #[test]
    fn a_change_refused_by_what_nobody_can_prove_is_asked_again_also_when_the_primary_went_meanwhile()
     {
        assert_eq!(worth(CHANGES, unproved(3), None), Worth::AskAgain);
        let age = Some(Duration::from_secs(9));
        assert_eq!(worth(CHANGES, unproved(3), age), Worth::AskAgain);
    }
}
