//! Break-glass: access first, review after, and the sealed codes for the day when nobody can sign in otherwise.

mod codes;
mod sealed;

pub use codes::{MadeCode, SeenCode};

use chrono::{DateTime, Utc};

use crate::catalog::Catalog;
use crate::domain::break_glass::{BreakGlassRefusal, Verdict};
use crate::domain::change::Change;
use crate::domain::extent::Place;
use crate::domain::ids::{GrantId, RequestId};
use crate::domain::lock::Subject;
use crate::domain::permit::{Action, permit_at};
use crate::domain::policy::{self, Deed};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Ask, Glass, Request, RequestKind, check_reason};
use crate::domain::second_factor::Guarded;
use crate::store::Tx;
use crate::store::break_glass::{Filter, Found};

use super::deeds::{self, Reviewed, decide_as};
use super::locks::bearing;
use super::requests::asked;
use super::reviewers::reviewers;
use super::second_factor::{notify, told};
use super::sight::{place, sees, within};
use super::{Caller, Error, Gate, OnceKey, Opened, Writing, new_bits};

/// A use at one moment.
#[derive(Debug, Clone)]
pub struct SeenUse {
    pub found: Found,
    pub now: DateTime<Utc>,
}

impl Gate {
    /// Gives access at once to somebody whom policy lets, and puts the use where its reviewers find it.
    pub async fn break_glass(
        &self,
        caller: &Caller,
        ask: Ask,
        once: &OnceKey,
    ) -> Result<SeenUse, Error> {
        let rules = self.rules.current();
        let new = RequestId::from_bits(new_bits()?);
        self.confirmed_for(caller).await?;
        let opened = self
            .open_somewhere(caller, once, new.as_str(), Action::BreakGlass)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.use_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        self.may_give(&mut writing).await?;
        let target = asked(&rules, &ask, (&writing.who, Action::BreakGlass))?;
        check_reason(&ask.reason)?;
        let locks = bearing(&writing.locks, &rules.catalog, &ask.target);
        let subject = Subject {
            principal: &writing.who.id,
            target: &ask.target,
            role: &ask.role,
        };
        locks.check(subject, writing.now)?;
        if let Some(request) = writing.tx.open_use(&writing.who.id).await? {
            return Err(refuse(BreakGlassRefusal::Unreviewed { request }));
        }
        let max = self.settings.break_glass.max;
        if ask.duration > max {
            return Err(refuse(BreakGlassRefusal::TooLong { max }));
        }
        // Policy is asked about the person, whatever the present sign-in is good for.
        let person = whole(&mut writing.tx, &writing.who).await?;
        let mut snapshot = decide_as(
            &rules.policy,
            Deed::BreakGlass,
            &policy::Ask {
                asker: &person,
                target,
                role: &ask.role,
                kind: RequestKind::BreakGlass,
                duration: ask.duration,
                total: ask.duration,
                ticket: ask.ticket.as_deref(),
                reason_length: ask.reason.chars().count(),
                now: writing.now,
            },
        )?;
        snapshot.ways = self.settings.break_glass.cap(snapshot.ways);
        let about = Reviewed {
            owner: &person,
            target,
            role: &ask.role,
            kind: RequestKind::BreakGlass,
            duration: ask.duration,
            ticket: ask.ticket.as_deref(),
            now: writing.now,
        };
        let skipped = reviewers(&mut writing.tx, &rules.policy, &snapshot.ways, about).await?;
        writing.guard(Guarded::BreakGlass);
        let kept = self.keep_policy(&mut writing, &rules.policy).await?;
        let code = writing.tx.code_behind(&writing.sign_in).await?;
        let glass = Glass {
            snapshot,
            grant: GrantId::from_bits(new_bits()?),
            skipped,
            code: code.map(|code| code.as_ref()),
        };
        let locks = bearing(&writing.locks, &rules.catalog, &target.name);
        let (_, used, change) =
            Request::break_glass(new, &writing.who, ask, glass, locks, writing.now)?;
        for who in &used.skipped {
            // Names only: whoever reads it has not asked to see what somebody typed.
            let text = format!(
                "`{}` broke glass for `{}` on `{}`; sign it off: `portcullis break-glass show {}`",
                used.person.name, used.role, used.target, used.request
            );
            notify(&mut writing.tx, &who.id, &text, writing.now).await?;
        }
        let seen = self.finish_use(writing, &used.request, &change).await?;
        self.policy_kept(kept);
        tracing::warn!(request.id = %used.request, grant.id = %used.grant, "somebody broke glass");
        Ok(seen)
    }

    /// Takes a reviewer's verdict on the version of a use that the reviewer saw.
    pub async fn sign_off(
        &self,
        caller: &Caller,
        id: &RequestId,
        version: i64,
        (verdict, comment): (Verdict, &str),
        once: &OnceKey,
    ) -> Result<SeenUse, Error> {
        let rules = self.rules.current();
        self.confirmed(&caller.principal.id).await?;
        let opened = self
            .open_somewhere(caller, once, id.as_str(), Action::Review)
            .await?;
        let mut writing = match opened {
            Opened::Before(id) => return self.use_before(caller, &id).await,
            Opened::Now(writing) => writing,
        };
        self.may_give(&mut writing).await?;
        let of = seen_by(&mut writing.tx, id, &writing.who, &rules.catalog).await?;
        let of = of.of;
        let place = place(&rules.catalog, &of.target);
        permit_at(&writing.who, Action::Review, place)?;
        // The rules that name people come first: their answer does not depend on the version.
        of.may_sign_off(&writing.who)?;
        deeds::may_sign_off(&mut writing, &rules, &of).await?;
        if of.version != version {
            return Err(Refusal::Conflict {
                what: "break-glass",
                name: id.to_string(),
            }
            .into());
        }
        writing.guard(Guarded::SignOff);
        let (_, change) = of.sign_off(&writing.who, verdict, comment, writing.now)?;
        self.finish_use(writing, id, &change).await
    }

    /// One use that the caller may see.
    pub async fn use_of(&self, caller: &Caller, id: &RequestId) -> Result<SeenUse, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        let rules = self.rules.current();
        let (mut tx, now) = self.look().await?;
        let found = seen_by(&mut tx, id, who, &rules.catalog).await?;
        Ok(SeenUse { found, now })
    }

    /// A page of uses that the caller may see, newest first.
    pub async fn uses(
        &self,
        caller: &Caller,
        mut filter: Filter,
        limit: i64,
    ) -> Result<Vec<SeenUse>, Error> {
        let who = &caller.principal;
        permit_at(who, Action::ReadOwn, Place::Somewhere)?;
        filter.within = within(who, Action::ReadAll, &self.rules.current().catalog);
        let (mut tx, now) = self.look().await?;
        let page = tx.uses(&filter, limit).await?.into_iter();
        Ok(page.map(|found| SeenUse { found, now }).collect())
    }

    async fn use_before(&self, caller: &Caller, id: &str) -> Result<SeenUse, Error> {
        let id = id.parse().map_err(|_| Refusal::IdempotencyKeyReused)?;
        self.use_of(caller, &id).await
    }

    /// As `finish`; the answer is of the same transaction.
    async fn finish_use(
        &self,
        mut writing: Box<Writing>,
        id: &RequestId,
        change: &Change,
    ) -> Result<SeenUse, Error> {
        let now = writing.now;
        let way = self.prove(&mut writing).await?;
        let change = told(change, way);
        writing.tx.apply(&change, &writing.origin, now).await?;
        let found = load(&mut writing.tx, id).await?;
        self.finish(writing, &Change::new()).await?;
        self.counted(&change);
        Ok(SeenUse { found, now })
    }
}

async fn load(tx: &mut Tx, id: &RequestId) -> Result<Found, Error> {
    Ok(tx.use_of(id).await?.ok_or_else(|| not_found(id))?)
}

/// A use that this person may see.
async fn seen_by(
    tx: &mut Tx,
    id: &RequestId,
    who: &Principal,
    catalog: &Catalog,
) -> Result<Found, Error> {
    let found = load(tx, id).await?;
    if found.of.person.id == who.id || sees(who, &found.of.target, catalog) {
        return Ok(found);
    }
    Err(not_found(id).into())
}

/// What one may not see does not exist.
fn not_found(id: &RequestId) -> Refusal {
    Refusal::NotFound {
        what: "break-glass",
        name: id.to_string(),
    }
}

/// The caller with every product role, also those that the sign-in is not good for.
async fn whole(tx: &mut Tx, who: &Principal) -> Result<Principal, Error> {
    let person = tx.principal(&who.id).await?;
    Ok(person.ok_or_else(|| anyhow::anyhow!("{} is gone", who.id))?)
}

fn refuse(refusal: BreakGlassRefusal) -> Error {
    Error::Refused(refusal.into())
}
