//! Which host of the database this node works with, on record: what was acknowledged on one and is not on the next was
//! lost with it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::event::{Actor, Event, EventCode};
use crate::store::ring::Survives;

use super::Gate;

impl Gate {
    /// Records each change of the database's host, and of what a change survives, until told to stop.
    pub async fn run_database(self: Arc<Self>, stop: CancellationToken) {
        let mut known = self.store.survives();
        while !stop.is_cancelled() {
            let now = self.store.survives();
            if let Some((survives, host)) = &now
                && now != known
            {
                let event = switched(*survives, host, known.as_ref());
                match self.record(event).await {
                    Ok(()) => known = now,
                    Err(error) => {
                        tracing::warn!(error = ?error, "another host of the database could not be recorded; it is tried again");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.store.until_service_changes() => {}
                () = tokio::time::sleep(std::time::Duration::from_secs(1)), if self.store.survives() != known => {}
            }
        }
    }
}

fn switched(survives: Survives, host: &str, before: Option<&(Survives, String)>) -> Event {
    let event = Event::new(EventCode::DatabaseSwitched, Actor::System)
        .detail("host", host)
        .detail("durability", survives.as_str());
    match before {
        Some((survives, host)) => event
            .detail("from_host", host.as_str())
            .detail("from_durability", survives.as_str()),
        None => event,
    }
}
