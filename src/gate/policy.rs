//! The policy in use and the one that waits: what the file says comes into use by the word of an admin who has proved
//! a second factor, unless the settings leave it to the file.
//!
//! Which policy is in use is in the database, so that neither a restart nor another node goes round that word.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::catalog::Rulebook;
use crate::domain::change::{Record, Step};
use crate::domain::permit::{Action, permit};
use crate::domain::policy::{self, Applied, Policy};
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{Guarded, PolicyChanges};
use crate::store::Tx;
use crate::store::policies::Kept;

use super::{Caller, Error, Gate, OnceKey, Opened, new_trace};

/// A node looks at most this often whether another one has put a policy into use.
const PACE: Duration = Duration::from_secs(1);

/// Which policy holds, and what waits.
#[derive(Clone)]
pub struct SeenPolicy {
    pub rules: Arc<Rulebook>,
    /// Since when it holds; none before there was a policy file.
    pub applied: Option<Applied>,
    /// What the file of this node says, where that is something else.
    pub waiting: Option<Arc<Policy>>,
    pub changes: PolicyChanges,
}

impl Gate {
    /// To be called once, before the first call is answered: decides whose policy holds.
    pub async fn begin_policy(&self) -> Result<(), Error> {
        match self.settings.step_up.policy_changes() {
            PolicyChanges::File => self.take_policy().await,
            PolicyChanges::Apply => self.follow_policy().await,
        }
    }

    /// Reports what waits, and follows what other nodes put into use, until told to stop.
    pub async fn run_policy(self: Arc<Self>, stop: CancellationToken) {
        let mut status = self.rules.status();
        // Putting a policy into use is an event, so the log grows with it.
        let mut head = self.store.watch_head();
        while !stop.is_cancelled() {
            let writable = stop.run_until_cancelled(self.store.until_writable());
            if writable.await.is_none() {
                break;
            }
            let looked = self.begin_policy().await;
            if let Err(error) = &looked {
                tracing::error!(error = ?error, "which policy is in use could not be looked up; it stays as it is");
            }
            let news = async {
                tokio::time::sleep(PACE).await;
                if looked.is_err() {
                    // Nobody tells when the database answers again.
                    return;
                }
                tokio::select! {
                    _ = status.changed() => {}
                    _ = head.changed() => {}
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = news => {}
            }
        }
    }

    /// The policy in use and the one that waits, for those who may see policies.
    pub async fn policy(&self, caller: &Caller) -> Result<SeenPolicy, Error> {
        permit(&caller.principal, Action::ReadPolicy)?;
        let (mut tx, _) = self.look().await?;
        let applied = tx.policy_in_use().await?;
        Ok(self.seen_policy(applied))
    }

    /// The text of a policy that is in use, waits, or was asked under.
    pub async fn policy_text(&self, caller: &Caller, version: &str) -> Result<Kept, Error> {
        permit(&caller.principal, Action::ReadPolicy)?;
        let rules = self.rules.current();
        if rules.policy.version() == version {
            return Ok(Kept {
                text: rules.policy.text().to_owned(),
                time_zone: rules.policy.zone().to_string(),
            });
        }
        let (mut tx, _) = self.look().await?;
        let kept = tx.policy_kept(version).await?;
        Ok(kept.ok_or_else(|| unknown(version))?)
    }

    /// Puts the policy of this version into use on every node, in the place of the one that the caller saw.
    pub async fn apply_policy(
        &self,
        caller: &Caller,
        version: &str,
        seen: &str,
        reason: &str,
        once: &OnceKey,
    ) -> Result<SeenPolicy, Error> {
        let opened = self
            .open(caller, once, version, Action::ChangePolicy)
            .await?;
        let mut writing = match opened {
            Opened::Before(_) => return self.policy(caller).await,
            Opened::Now(writing) => writing,
        };
        if self.settings.step_up.policy_changes() == PolicyChanges::File {
            return Err(Refusal::Unsupported {
                why: "the policy is what the file says, as `policy_changes` has it".to_owned(),
            }
            .into());
        }
        writing.guard(Guarded::ChangePolicy);
        let in_use = writing.tx.policy_in_use().await?;
        let in_use = in_use.ok_or_else(|| unknown(version))?;
        let before = self.kept_policy(&mut writing.tx, &in_use.version).await?;
        let next = self.kept_policy(&mut writing.tx, version).await?;
        let next = next.ok_or_else(|| unknown(version))?;
        let before = before.context("the policy in use is not kept")?;
        let by = writing.who.as_ref();
        let step = policy::apply(&in_use, (&before, &next), seen, reason, &by, writing.now)?;
        self.finish(writing, &vec![step]).await?;
        self.follow_policy().await?;
        self.policy(caller).await
    }

    /// Lets the file's policy hold, and says so where it is another than the one that held.
    async fn take_policy(&self) -> Result<(), Error> {
        let rules = self.rules.current();
        let version = rules.policy.version();
        if !self.rules.has_policy() || self.was_told(version) {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let in_use = tx.policy_in_use().await?;
        if in_use
            .as_ref()
            .is_none_or(|applied| applied.version != version)
        {
            keep(&mut tx, &rules.policy, now).await?;
            let step = policy::take(in_use.as_ref(), &rules.policy, now);
            match self.apply_own(tx, &vec![step], &new_trace(), now).await {
                // Another node was faster; the next look says with what.
                Err(Error::Refused(Refusal::Conflict { .. })) => return Ok(()),
                done => done?,
            }
        }
        self.tell(version);
        Ok(())
    }

    /// Lets hold what was put into use, and reports what waits.
    async fn follow_policy(&self) -> Result<(), Error> {
        // INVARIANT: whoever looks later lets hold later; else a node could go back to a policy that was replaced
        // (`admins_who_apply_at_once_leave_every_node_with_what_was_applied_last`).
        let _turn = self.policy_turn.lock().await;
        let mut in_use = self.look().await?.0.policy_in_use().await?;
        if in_use.is_none() {
            // There is no word yet that the first policy could go round.
            self.take_policy().await?;
            in_use = self.look().await?.0.policy_in_use().await?;
        }
        let Some(in_use) = in_use else {
            return Ok(());
        };
        if !self.rules.holds(&in_use.version) {
            let (mut tx, _) = self.look().await?;
            let policy = self.kept_policy(&mut tx, &in_use.version).await?;
            let lost = || {
                format!(
                    "policy `{}` is in use, and its text is lost",
                    in_use.version
                )
            };
            self.rules.hold(policy.with_context(lost)?);
            tracing::info!(policy.version = in_use.version, "this policy is in use");
        }
        self.report_waiting(&in_use).await
    }

    /// Says once, where everybody looks, that the file has another policy than the one in use.
    async fn report_waiting(&self, in_use: &Applied) -> Result<(), Error> {
        let waiting = self.rules.waiting();
        let version = waiting.as_ref().map_or("", |waiting| waiting.version());
        if self.was_told(version) {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let news = tx.note_waiting(version).await?;
        if let Some(waiting) = &waiting {
            tracing::warn!(
                in_use = in_use.version,
                waiting = version,
                "the policy file is not the policy in use; an admin puts it into use with `portcullis policy apply {version}`"
            );
            keep(&mut tx, waiting, now).await?;
            if news {
                let rules = self.rules.current();
                let event = policy::waits(&in_use.version, &rules.policy, waiting);
                let step = Step::new(Record::Nothing, event);
                self.apply_own(tx, &vec![step], &new_trace(), now).await?;
                self.tell(version);
                return Ok(());
            }
        }
        self.store.commit(tx).await?;
        self.tell(version);
        Ok(())
    }

    /// The policy of a version, if its text is kept.
    async fn kept_policy(&self, tx: &mut Tx, version: &str) -> Result<Option<Policy>, Error> {
        let kept = tx.policy_kept(version).await?;
        let policy = kept.as_ref().map(read_kept).transpose();
        Ok(policy.with_context(|| {
            format!("policy `{version}` cannot be read by this version of Portcullis; with `policy_changes = \"file\"` it starts with the one of the file")
        })?)
    }

    fn was_told(&self, version: &str) -> bool {
        let told = self
            .policy_told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        told.as_deref() == Some(version)
    }

    fn tell(&self, version: &str) {
        let mut told = self
            .policy_told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *told = Some(version.to_owned());
    }

    fn seen_policy(&self, applied: Option<Applied>) -> SeenPolicy {
        SeenPolicy {
            rules: self.rules.current(),
            applied,
            waiting: self.rules.waiting(),
            changes: self.settings.step_up.policy_changes(),
        }
    }
}

/// The policy of a kept text, in its time zone.
pub(super) fn read_kept(kept: &Kept) -> anyhow::Result<Policy> {
    let policy = Policy::parse(&kept.text).map_err(|problems| {
        let first = problems.into_iter().next();
        let why = first.map_or_else(String::new, |first| first.message);
        anyhow::anyhow!("{why}")
    })?;
    let zone = kept.time_zone.parse();
    Ok(
        policy
            .in_zone(zone.with_context(|| format!("reading the time zone `{}`", kept.time_zone))?),
    )
}

async fn keep(tx: &mut Tx, policy: &Policy, now: DateTime<Utc>) -> anyhow::Result<()> {
    let zone = policy.zone().to_string();
    tx.keep_policy(policy.version(), policy.text(), &zone, now)
        .await
}

fn unknown(version: &str) -> Refusal {
    Refusal::NotFound {
        what: "policy",
        name: version.to_owned(),
    }
}
