//! Standing access: what targets show that no grant backs, and what people say about it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::catalog::Entry;
use crate::domain::event::Actor;
use crate::domain::extent::Place;
use crate::domain::ids::{PrincipalName, StandingId, TargetName};
use crate::domain::permit::{Action, permit_at};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::report::{HostReport, is_silent, may_report};
use crate::domain::span::Span;
use crate::domain::standing::{Found, Standing, differences};
use crate::store::Tx;
use crate::store::standing::Filter;

use super::grants::Version;
use super::locks::person;
use super::sight::{place, within};
use super::{Caller, Error, Gate, OnceKey, Opened, new_bits, new_trace};

/// Differences that are written in one transaction, at most.
const AT_ONCE: usize = 100;

/// What somebody says about standing access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It stays, for the reason given.
    Ignore,
    /// This person answers for it, for so long.
    Import(PrincipalName, Span),
    /// Nothing was said.
    Reopen,
}

/// A piece of standing access at one moment.
#[derive(Debug, Clone)]
pub struct SeenStanding {
    pub standing: Standing,
    /// Why its reader could not settle it now.
    pub refusal: Option<Refusal>,
    pub now: DateTime<Utc>,
}

impl Gate {
    /// A page of standing access, newest first.
    pub async fn standing(
        &self,
        caller: &Caller,
        filter: &Filter,
        limit: i64,
    ) -> Result<Vec<SeenStanding>, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadStanding, Place::Somewhere)?;
        let filter = Filter {
            within: within(who, Action::ReadStanding, &self.rules.current().catalog),
            ..filter.clone()
        };
        let (mut tx, now) = self.look().await?;
        let page = tx.standing(&filter, now, limit).await?;
        Ok(page
            .into_iter()
            .map(|standing| self.seen_standing(standing, who, now))
            .collect())
    }

    /// One piece of it.
    pub async fn one_standing(
        &self,
        caller: &Caller,
        id: &StandingId,
    ) -> Result<SeenStanding, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadStanding, Place::Somewhere)?;
        let (mut tx, now) = self.look().await?;
        let standing = self.load_standing(&mut tx, id, who).await?;
        Ok(self.seen_standing(standing, who, now))
    }

    /// Says something about it.
    pub async fn settle_standing(
        &self,
        caller: &Caller,
        id: &StandingId,
        (word, reason): (Word, &str),
        version: Version,
        once: &OnceKey,
    ) -> Result<SeenStanding, Error> {
        let opened = self
            .open_somewhere(caller, once, id.as_str(), Action::SettleStanding)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => {
                let id = id.parse().map_err(|_| Refusal::IdempotencyKeyReused)?;
                return self.one_standing(caller, &id).await;
            }
            Opened::Now(writing) => writing,
        };
        let rules = self.rules.current();
        let (who, now) = (writing.who.clone(), writing.now);
        let standing = self.load_standing(&mut writing.tx, id, &who).await?;
        let by = (&who, place(&rules.catalog, &standing.target));
        standing.may_settle(by.0, by.1)?;
        if standing.version != version.0 {
            return Err(Refusal::Conflict {
                what: "standing access",
                name: id.to_string(),
            }
            .into());
        }
        let (next, step) = match word {
            Word::Ignore => standing.ignore(by, reason, now)?,
            Word::Reopen => standing.reopen(by, reason, now)?,
            Word::Import(owner, length) => {
                let owner = person(&mut writing.tx, owner).await?.name;
                standing.import(by, owner, length, reason, now)?
            }
        };
        let seen = self.seen_standing(next, &who, now);
        self.finish(writing, &vec![step]).await?;
        Ok(seen)
    }

    /// Compares what a target shows with what is known of it.
    pub(super) async fn note_standing(&self, entry: &Entry, shown: &[Found]) -> Result<(), Error> {
        let target = &entry.target.name;
        let (mut tx, now) = self.look().await?;
        let known = all_on(&mut tx, target, now).await?;
        drop(tx);
        let by = (&Actor::System, now);
        let steps = differences(known, (target, shown), ids(shown)?, by);
        for some in steps.chunks(AT_ONCE) {
            let mut tx = self.store.write().await?;
            let now = self.store.now(&mut tx).await?;
            match self.apply_own(tx, &some.to_vec(), &new_trace(), now).await {
                // Another node was faster, or a person; whatever is still different is seen with the next look.
                Err(Error::Refused(Refusal::Conflict { .. })) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Takes from a host what it says of itself: the whole of it, so what is not there any more is gone.
    pub async fn report_standing(
        &self,
        caller: &Caller,
        target: &TargetName,
        report: &HostReport,
        once: &OnceKey,
    ) -> Result<(), Error> {
        let rules = self.rules.current();
        let allowed = |who: &Principal| may_report(who, target, place(&rules.catalog, target));
        allowed(&caller.principal)?;
        let connector = rules.catalog.connector(target);
        let connector = connector.ok_or_else(|| Refusal::UnknownTarget {
            target: target.clone(),
            nearest: None,
        })?;
        let ours = connector.authority().ok_or_else(|| Refusal::Unsupported {
            why: "Portcullis looks at this kind of target itself, so nobody reports for it"
                .to_owned(),
        })?;
        let ours = ours.map_err(|failure| Refusal::TargetFailed {
            target: target.clone(),
            why: failure.message,
        })?;
        report.check()?;
        let opened = self
            .open_at(
                caller,
                once,
                target.as_str(),
                (Action::ReportStanding, &allowed),
            )
            .await?;
        let mut writing = match opened {
            Opened::Before(_) => return Ok(()),
            Opened::Now(writing) => writing,
        };
        let now = writing.now;
        let shown = report.standing(&ours, now);
        let known = all_on(&mut writing.tx, target, now).await?;
        let by = Actor::Principal(writing.who.as_ref());
        let steps = differences(known, (target, &shown), ids(&shown)?, (&by, now));
        writing.tx.host_reported(target, now).await?;
        self.finish(writing, &steps).await
    }

    /// When each host reported last.
    pub(super) async fn reports_of_hosts(
        &self,
    ) -> Result<HashMap<TargetName, DateTime<Utc>>, Error> {
        let (mut tx, _) = self.glance().await?;
        Ok(tx.reports_of_hosts().await?)
    }

    /// What is to be said of a host that used to report and has not for long.
    pub(super) async fn silence(&self, entry: &Entry) -> Result<Option<String>, Error> {
        if entry.connector.authority().is_none() {
            return Ok(None);
        }
        let (mut tx, now) = self.look().await?;
        let last = tx.reports_of_hosts().await?.remove(&entry.target.name);
        let silent = last.filter(|last| is_silent(*last, now));
        Ok(silent.map(|last| {
            let last = last.format("%Y-%m-%d %H:%M UTC");
            format!("the host has not told since {last} which keys and passwords open it")
        }))
    }

    /// Standing access that this person may see. What one may not see does not exist.
    async fn load_standing(
        &self,
        tx: &mut Tx,
        id: &StandingId,
        who: &Principal,
    ) -> Result<Standing, Error> {
        let rules = self.rules.current();
        let found = tx.one_standing(id).await?.filter(|standing| {
            let place = place(&rules.catalog, &standing.target);
            permit_at(who, Action::ReadStanding, place).is_ok()
        });
        Ok(found.ok_or_else(|| Refusal::NotFound {
            what: "standing access",
            name: id.to_string(),
        })?)
    }

    fn seen_standing(
        &self,
        standing: Standing,
        who: &Principal,
        now: DateTime<Utc>,
    ) -> SeenStanding {
        let rules = self.rules.current();
        let place = place(&rules.catalog, &standing.target);
        SeenStanding {
            refusal: standing.may_settle(who, place).err(),
            standing,
            now,
        }
    }
}

/// Everything that is known of a target, also what is gone.
async fn all_on(
    tx: &mut Tx,
    target: &TargetName,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<Standing>> {
    let filter = Filter {
        target: Some(target.clone()),
        ..Filter::default()
    };
    tx.standing(&filter, now, i64::from(i32::MAX)).await
}

/// Enough identifiers, should all of this be new.
fn ids(shown: &[Found]) -> Result<Vec<StandingId>, Error> {
    let id = |_| Ok(StandingId::from_bits(new_bits()?));
    shown.iter().map(id).collect()
}
