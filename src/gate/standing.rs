//! Standing access: what targets show that no grant backs, and what people say about it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::catalog::Entry;
use crate::domain::extent::Place;
use crate::domain::ids::{PrincipalName, StandingId};
use crate::domain::permit::{Action, permit_at};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::span::Span;
use crate::domain::standing::{Found, Standing};
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
        let filter = Filter {
            target: Some(target.clone()),
            ..Filter::default()
        };
        let (mut tx, now) = self.look().await?;
        let known = tx.standing(&filter, now, i64::from(i32::MAX)).await?;
        drop(tx);
        let mut known: HashMap<_, _> = known
            .into_iter()
            .map(|standing| ((standing.kind, standing.subject.clone()), standing))
            .collect();
        let mut steps = Vec::new();
        for found in shown {
            let before = known.remove(&(found.kind, found.subject.clone()));
            let changed = if let Some(standing) = before {
                standing.seen(found, now)
            } else {
                let id = StandingId::from_bits(new_bits()?);
                Some(Standing::found(id, target.clone(), found.clone(), now))
            };
            steps.extend(changed.map(|(_, step)| step));
        }
        let gone = known
            .into_values()
            .filter_map(|standing| standing.gone(now));
        steps.extend(gone.map(|(_, step)| step));
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
