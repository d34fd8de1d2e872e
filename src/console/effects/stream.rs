//! Hands the live stream on to the screen, in batches that it can bear.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::timeout_at;

use crate::client::{Follow, Followed};
use crate::console::msg::Tidings;
use crate::wire::EventView;

/// Events in a batch: as many as come at once, up to here.
const BATCH: usize = 512;
/// The least time between two batches: the screen shows no more than this, and each batch wakes it.
const STRIDE: Duration = Duration::from_millis(33);

/// Hands the stream on in batches: the first event at once, and those that follow on its heels together.
pub(super) async fn stream(mut follow: Follow, tidings: mpsc::Sender<Tidings>) {
    let mut events: Vec<EventView> = Vec::new();
    let mut sent = Instant::now();
    loop {
        let followed = if events.is_empty() {
            follow.next().await
        } else {
            let next = timeout_at((sent + STRIDE).into(), follow.next());
            let Ok(followed) = next.await else {
                sent = Instant::now();
                let batch = Tidings::Events(std::mem::take(&mut events));
                if tidings.send(batch).await.is_err() {
                    return;
                }
                continue;
            };
            followed
        };
        let told = match followed {
            None => return,
            Some(Followed::Event(event)) => {
                events.push(*event);
                None
            }
            Some(Followed::Hello { now, epoch, .. }) => Some(Tidings::Hello { now, epoch }),
            Some(Followed::Heartbeat { now }) => Some(Tidings::Heartbeat { now }),
            Some(Followed::Standing(standing)) => Some(Tidings::Standing(standing)),
            Some(Followed::Gap { .. }) => Some(Tidings::Gap),
            Some(Followed::Lost { why, retry_in }) => Some(Tidings::Lost { why, retry_in }),
        };
        if !events.is_empty() && (told.is_some() || events.len() >= BATCH) {
            sent = Instant::now();
            let batch = Tidings::Events(std::mem::take(&mut events));
            if tidings.send(batch).await.is_err() {
                return;
            }
        }
        if let Some(told) = told
            && tidings.send(told).await.is_err()
        {
            return;
        }
    }
}
