//! Pruning: the oldest part of the history goes, once it is somewhere else and old enough. Its hashes stay, so that
//! everything that was signed can still be checked.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::permit::Action;
use crate::domain::refusal::Refusal;
use crate::domain::request::check_reason;
use crate::domain::second_factor::Guarded;
use crate::store::Tx;
use crate::tlog::WIDTH;

use super::log::continues;
use super::{Caller, Error, Gate, OnceKey, Opened};

/// A caller waits no longer for what is taken away behind their back anyway.
const PATIENCE: Duration = Duration::from_secs(5);

/// Up to where the history goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpTo {
    Index(i64),
    Moment(DateTime<Utc>),
}

/// How far the history is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// The first event that is still there.
    pub minimum: i64,
    /// The first that stays.
    pub to: i64,
}

impl Gate {
    /// Takes away the beginning of the history, up to the last bundle that is old enough, delivered everywhere, and in
    /// the log that somebody has exported and checked: `checkpoint` is what they checked.
    pub async fn prune(
        &self,
        caller: &Caller,
        up_to: UpTo,
        checkpoint: &str,
        reason: &str,
        once: &OnceKey,
    ) -> Result<Pruned, Error> {
        let opened = self.open(caller, once, "", Action::ManageHistory).await?;
        if let Opened::Now(mut writing) = opened {
            writing.guard(Guarded::PruneHistory);
            let reason = check_reason(reason)?;
            let now = writing.now;
            let (minimum, to) = self
                .may_prune(&mut writing.tx, up_to, checkpoint, now)
                .await?;
            writing.tx.prune_to(to).await?;
            let by = Actor::Principal(writing.who.as_ref());
            let event = Event::new(EventCode::HistoryPruned, by)
                .reason(Some(reason))
                .detail("from", minimum)
                .detail("to", to);
            self.finish(writing, &vec![Step::new(Record::Nothing, event)])
                .await?;
        }
        self.store.sequence().await?;
        self.publish().await?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE && self.prune_due().await? {}
        let (mut tx, _) = self.look().await?;
        let (minimum, to) = tx.pruning().await?;
        Ok(Pruned { minimum, to })
    }

    /// The first event that is still there.
    pub async fn minimum(&self) -> Result<i64, Error> {
        Ok(self.store.glance().await?.minimum().await?)
    }

    /// Takes away some of what goes; answers whether there is more. The sweeper goes on where a node stopped.
    pub async fn prune_due(&self) -> Result<bool, Error> {
        let (minimum, to) = self.store.glance().await?.pruning().await?;
        if minimum >= to {
            return Ok(false);
        }
        let mut tx = self.store.write().await?;
        if !tx.pruning_is_signed().await? {
            return Ok(false);
        }
        let epoch = tx.tree().await?.epoch;
        let gone = tx.prune_some(epoch).await?;
        self.store.commit(tx).await?;
        Ok(gone > 0)
    }

    /// Where pruning begins and ends, if it may.
    async fn may_prune(
        &self,
        tx: &mut Tx,
        up_to: UpTo,
        checkpoint: &str,
        now: DateTime<Utc>,
    ) -> Result<(i64, i64), Error> {
        let wanted = match up_to {
            UpTo::Index(index) => index,
            UpTo::Moment(moment) => tx.first_since(moment).await?,
        };
        let width = i64::try_from(WIDTH).unwrap_or(256);
        let to = wanted / width * width;
        let (_, minimum) = tx.pruning().await?;
        if to <= minimum {
            let why = format!(
                "nothing is left to prune before {wanted}: events go in bundles of {width}, and those before {minimum} are gone"
            );
            return Err(no("to", why));
        }
        let tree = tx.tree().await?;
        if tree.epoch.begins > 0 {
            let why = "history was lost here once: what is left of it stays as it is".to_owned();
            return Err(no("to", why));
        }
        let signed = self
            .signed_by_us(checkpoint)?
            .filter(|signed| signed.by.0 == tree.epoch.number)
            .ok_or_else(|| no("checkpoint", "it is not signed by this server".to_owned()))?
            .checkpoint;
        let size = i64::try_from(signed.size).unwrap_or(i64::MAX);
        if size < to {
            let why = format!("the export has {size} events, and {to} would go");
            return Err(no("checkpoint", why));
        }
        if let Err(why) = continues(tx, &tree, &signed).await? {
            return Err(no("checkpoint", why));
        }
        let young = tx.first_since(now - self.settings.audit.retention).await?;
        if to > young {
            let days = self.settings.audit.retention.num_days();
            let why = format!(
                "every event stays for {days} days, and the first that is younger has index {young}"
            );
            return Err(no("to", why));
        }
        for siem in &self.settings.audit.siem {
            let next = tx
                .siem_cursor(&siem.name)
                .await?
                .map_or(0, |cursor| cursor.next);
            if to > next {
                let why = format!("`{}` has not received what comes after {next}", siem.name);
                return Err(no("to", why));
            }
        }
        Ok((minimum, to))
    }
}

fn no(field: &str, why: String) -> Error {
    let field = field.to_owned();
    Refusal::BadInput { field, why }.into()
}
