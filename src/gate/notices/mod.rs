//! Notices on their way: what the history causes is written down, and every channel is served by whichever node is free.
//!
//! The history is read by a cursor, and a notice is a row that is written in the transaction that moves it: nothing is
//! lost with a node, and nothing is told twice. A row is sent under a lease, at least once, always as the same message,
//! ever less often while it fails, and given up after the configured time, which is on record. One channel does not wait
//! for another.
//!
//! To add a way: a variant of `config::notices::Way`, a file here, a line in `Gate::deliver_letter`.

mod causes;
mod email;
mod harmless;
mod letter;
mod post;
mod wishes;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::config::notices::{Channel, Way};
use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::notice::{Quiet, Wishes};
use crate::domain::principal::Principal;
use crate::store::notices::Letter;

use super::{Error, Gate, new_trace};

pub use wishes::SeenWishes;

/// Without a word from the history notices are looked at so often.
const POLL: Duration = Duration::from_secs(1);
/// A letter belongs to a node for so long; then another may deliver it.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Delivering takes no longer, or the lease would not hold.
const SENDING: Duration = Duration::from_secs(20);
/// What can wait goes to one reader at most so often; what comes meanwhile is one message.
const TOGETHER: TimeDelta = TimeDelta::minutes(1);
/// What failed is tried again after so long, and then after twice as long, and so on.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(5);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(10);

/// Whom a letter goes to.
struct Reader {
    who: Principal,
    wishes: Wishes,
}

/// What became of one look at a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// A letter went out, or is held back.
    One,
    /// A letter could not be delivered.
    Failed,
    /// Nothing is due.
    Nothing,
}

fn pause(attempts: i64) -> TimeDelta {
    let doubled = FIRST_PAUSE * 2_i32.pow(u32::try_from(attempts.clamp(0, 8)).unwrap_or(8));
    doubled.min(LONGEST_PAUSE)
}

impl Gate {
    /// Reads the history for notices and delivers them until told to stop.
    pub async fn run_notices(self: Arc<Self>, stop: CancellationToken) {
        if self.settings.notices.channels.is_empty() {
            return;
        }
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(Arc::clone(&self).run_causes(stop.clone()));
        for channel in self.settings.notices.channels.clone() {
            tasks.spawn(Arc::clone(&self).run_channel(channel, stop.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn run_causes(self: Arc<Self>, stop: CancellationToken) {
        let mut head = self.store.watch_head();
        while !stop.is_cancelled() {
            let writable = stop.run_until_cancelled(self.store.until_writable());
            if writable.await.is_none() {
                break;
            }
            head.borrow_and_update();
            let more = async {
                let more = self.read_for_notices().await?;
                self.look_ahead().await?;
                Ok::<_, Error>(more)
            };
            match more.await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(error = ?error, "nobody could look whom to tell of what; it is tried again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tokio::time::timeout(POLL, head.changed()) => {}
            }
        }
    }

    async fn run_channel(self: Arc<Self>, channel: Channel, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let writable = stop.run_until_cancelled(self.store.until_writable());
            if writable.await.is_none() {
                break;
            }
            let sent = tokio::select! {
                () = stop.cancelled() => break,
                sent = self.send_next(&channel) => sent,
            };
            match sent {
                Ok(Sent::One | Sent::Failed) => continue,
                Ok(Sent::Nothing) => {}
                Err(error) => {
                    tracing::error!(channel = channel.name, error = ?error, "notices could not be looked at; it is tried again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.told.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Delivers one letter of a channel, if one is due.
    pub async fn send_next(&self, channel: &Channel) -> Result<Sent, Error> {
        let (mut tx, now) = self.look().await?;
        let due = tx.has_due_notices(&channel.name, now).await?;
        drop(tx);
        if !due {
            return Ok(Sent::Nothing);
        }
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let lease = (self.owner.as_str(), now + LEASE);
        let Some(letter) = tx.take_notices(&channel.name, lease, now).await? else {
            return Ok(Sent::Nothing);
        };
        let reader = match &letter.to {
            None => None,
            Some(id) => match tx.principal(id).await? {
                Some(who) => Some(Reader {
                    wishes: tx.wishes(id).await?,
                    who,
                }),
                None => None,
            },
        };
        let last = tx.last_told(&channel.name, letter.to.as_ref()).await?;
        if let Some(until) = held(&letter, reader.as_ref(), last, now) {
            let give_up_at = letter.give_up_at + (until - now);
            tx.hold_notices(&letter, &self.owner, (until, give_up_at))
                .await?;
            self.store.commit(tx).await?;
            return Ok(Sent::One);
        }
        self.store.commit(tx).await?;
        let delivered = tokio::time::timeout(
            SENDING,
            self.deliver_letter(channel, &letter, reader.as_ref()),
        );
        let delivered = delivered
            .await
            .context("the server there took too long")
            .flatten();
        match delivered {
            Ok(()) => self.delivered_letter(channel, &letter).await,
            Err(error) => self.letter_failed(channel, &letter, &error).await,
        }
    }

    async fn deliver_letter(
        &self,
        channel: &Channel,
        letter: &Letter,
        reader: Option<&Reader>,
    ) -> anyhow::Result<()> {
        let message = self.compose(channel, letter).await?;
        match &channel.to {
            Way::Email(smtp) => {
                let reader = reader.context("whom it was for is not here any more")?;
                email::send(smtp, reader, &message, &self.settings.host).await
            }
            Way::Slack {
                url_file,
                reach,
                ca,
            } => post::slack(url_file, reach, ca.as_deref(), &message).await,
            Way::Webhook {
                url,
                secret_file,
                reach,
                ca,
            } => {
                let now = self.now().await.map_err(|error| match error {
                    Error::Fault(fault) => fault,
                    Error::Refused(refusal) => refusal.into(),
                })?;
                let to = (url, reach, ca.as_deref());
                post::webhook(to, secret_file, &message, now).await
            }
        }
    }

    async fn delivered_letter(&self, channel: &Channel, letter: &Letter) -> Result<Sent, Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        tx.sent_notices(letter, &self.owner, now).await?;
        self.store.commit(tx).await?;
        counted(channel, "sent", letter);
        Ok(Sent::One)
    }

    async fn letter_failed(
        &self,
        channel: &Channel,
        letter: &Letter,
        error: &anyhow::Error,
    ) -> Result<Sent, Error> {
        let why: String = format!("{error:#}").chars().take(500).collect();
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let again = Some(now + pause(letter.attempts)).filter(|at| *at < letter.give_up_at);
        tx.failed_notices(letter, &self.owner, (&why, again), now)
            .await?;
        tracing::warn!(
            channel = channel.name,
            why,
            notices = letter.notices.len(),
            "a notice could not be delivered"
        );
        if again.is_some() {
            self.store.commit(tx).await?;
            counted(channel, "failed", letter);
            return Ok(Sent::Failed);
        }
        let who = match &letter.to {
            Some(id) => tx.principal(id).await?.map(|who| who.name),
            None => None,
        };
        let mut event = Event::new(EventCode::NoticeGivenUp, Actor::System)
            .outcome(Outcome::Error)
            .reason(Some(why))
            .detail("channel", channel.name.as_str())
            .detail("notices", letter.notices.len())
            .detail("attempts", letter.attempts + 1);
        event.principal = who;
        if let [only] = letter.notices.as_slice() {
            event.request.clone_from(&only.request);
            event.grant.clone_from(&only.grant);
        }
        let change = vec![Step::new(Record::Nothing, event)];
        self.apply_own(tx, &change, &new_trace(), now).await?;
        counted(channel, "given_up", letter);
        Ok(Sent::Failed)
    }

    /// What waits, as figures for operators.
    pub(super) async fn measure_notices(&self) -> Result<(), Error> {
        let channels = &self.settings.notices.channels;
        if channels.is_empty() {
            return Ok(());
        }
        let (mut tx, now) = self.look().await?;
        let waiting = tx.waiting_notices().await?;
        for channel in channels {
            let seen = waiting.iter().find(|seen| seen.channel == channel.name);
            let late = seen.map_or(TimeDelta::zero(), |seen| {
                (now - seen.oldest).max(TimeDelta::zero())
            });
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let (count, late) = (
                seen.map_or(0, |seen| seen.count) as f64,
                late.num_milliseconds() as f64 / 1000.0,
            );
            let name = channel.name.clone();
            metrics::gauge!("portcullis_notices_waiting", "channel" => name.clone()).set(count);
            metrics::gauge!("portcullis_notices_late_seconds", "channel" => name).set(late);
        }
        Ok(())
    }
}

/// Until when a letter waits: for more that goes with it, or for the end of its reader's quiet hours.
fn held(
    letter: &Letter,
    reader: Option<&Reader>,
    last: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    // What may have arrived is repeated as it was.
    if letter.urgent || letter.attempts > 0 {
        return None;
    }
    let quiet = reader.and_then(|reader| reader.wishes.quiet.as_ref());
    let quiet = quiet.and_then(|quiet: &Quiet| quiet.until(now));
    let together = last.map(|last| last + TOGETHER).filter(|at| *at > now);
    quiet.max(together)
}

fn counted(channel: &Channel, outcome: &'static str, letter: &Letter) {
    metrics::counter!("portcullis_notices_total", "channel" => channel.name.clone(), "outcome" => outcome)
        .increment(letter.notices.len() as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_ever_less_often() {
        let pauses = [0, 1, 2, 7, 100].map(|attempts| pause(attempts).num_seconds());
        assert_eq!(pauses, [5, 10, 20, 600, 600]);
    }
}
