//! Waits for the server to get somewhere: looks at the present state, then again whenever an event concerns it.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::cli::{Context, Failure};
use crate::client::{Client, Followed, follow};
use crate::wire::EventView;

/// Longer than any wait that makes sense, for waits without a limit.
const FOR_EVER: Duration = Duration::from_hours(365 * 24);

/// Calls `look` until it gives something; `None` when the time is over before that.
///
/// The live stream only says when to look: what is true is always asked for.
pub(super) async fn until<T>(
    context: &Context<'_>,
    client: &Client,
    limit: Option<Duration>,
    concerns: impl Fn(&EventView) -> bool,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    let deadline = Instant::now() + limit.unwrap_or(FOR_EVER);
    let mut stream = follow(client.clone(), None);
    let mut lost = false;
    loop {
        let Ok(told) = timeout_at(deadline, stream.next()).await else {
            return Ok(None);
        };
        let worth_a_look = match told {
            // A heartbeat comes every ten seconds, which is soon enough for what no event tells.
            Some(Followed::Hello { .. } | Followed::Heartbeat { .. } | Followed::Gap { .. }) => {
                lost = false;
                true
            }
            Some(Followed::Event(event)) => concerns(&event),
            Some(Followed::Standing(_)) => false,
            Some(Followed::Lost { why, .. }) => {
                if !std::mem::replace(&mut lost, true) {
                    context.printer.note(&format!("waiting: {why}"));
                }
                false
            }
            None => return Ok(None),
        };
        if !worth_a_look {
            continue;
        }
        match timeout_at(deadline, look()).await {
            Err(_) => return Ok(None),
            Ok(Ok(Some(found))) => return Ok(Some(found)),
            Ok(Ok(None)) => {}
            // The stream reports a server that is away; a fault there passes, too.
            Ok(Err(failure)) if failure.exit == crate::cli::Exit::UNREACHABLE => {}
            Ok(Err(failure)) => return Err(failure),
        }
    }
}
