//! Carries a dry run out: exactly what was shown, in one transaction, and what changed in between is told.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::catalog::{Catalog, Rulebook};
use crate::domain::change::Change;
use crate::domain::event::{Event, EventCode};
use crate::domain::grant::{Grant, GrantState};
use crate::domain::ids::{IncidentId, LockId};
use crate::domain::incident::{Act, Fate, GOOD_FOR, Incident, Item, ItemId, Shown};
use crate::domain::lock::{Lock, Locks};
use crate::domain::permit::{Action, permit_at};
use crate::domain::refusal::Refusal;
use crate::gate::deeds::{may_lock, may_revoke};
use crate::gate::locks::{bearing, tags_named, take_away};
use crate::gate::sight::place;
use crate::gate::ticket::Ticket;
use crate::gate::{Error, Writing, new_bits};

use super::held::Held;
use super::reach::Reach;
use super::{Commit, Fits};

/// The number that a person types is worth something only if it is right.
pub(super) fn check_count(commit: &Commit) -> Result<(), Refusal> {
    let shown: BTreeSet<&ItemId> = commit.items.iter().map(|item| &item.id).collect();
    if let Some(stranger) = commit.keep.iter().find(|id| !shown.contains(id)) {
        return Err(Refusal::BadInput {
            field: "keep".to_owned(),
            why: format!("`{}` was not shown", stranger.as_str()),
        });
    }
    if commit.ask.lock && commit.keep.iter().any(|id| matches!(id, ItemId::Grant(_))) {
        return Err(Refusal::BadInput {
            field: "keep".to_owned(),
            why: "a lock takes away every grant that it matches: keep none, or leave the lock out"
                .to_owned(),
        });
    }
    let left = shown.len() - commit.keep.len();
    if left != commit.count {
        return Err(Refusal::BadInput {
            field: "count".to_owned(),
            why: format!("{} was typed, and {left} would go", commit.count),
        });
    }
    Ok(())
}

/// Writes the incident and what it takes away; answers what was written, and what is left to write.
pub(super) async fn carry_out(
    writing: &mut Writing,
    rules: &Rulebook,
    new: IncidentId,
    commit: &Commit,
    ticket: &Ticket,
    fits: Fits<'_>,
) -> Result<(Change, Change), Error> {
    let (who, now, catalog) = (writing.who.clone(), writing.now, &rules.catalog);
    let act = Act {
        incident: &new,
        by: &who,
        reason: &commit.reason,
        now,
    };
    let reason = act.check()?;
    let tx = &mut writing.tx;
    let reach = Reach::of(tx, &commit.ask.scope, catalog, now).await?;
    let mut locks = Vec::new();
    for on in reach.lockable(tx, &commit.ask, &who).await? {
        let id = LockId::from_bits(new_bits()?);
        let tags = tags_named(&on, catalog);
        let lock = Lock::place(id, on, None, &reason, (&who, tags.as_ref()), now)?;
        locks.push(Lock {
            incident: Some(new.clone()),
            ..lock
        });
    }
    let going = commit
        .items
        .iter()
        .filter(|item| !commit.keep.contains(&item.id));
    let going: Vec<&Shown> = going.collect();
    let held = Held::take(tx, &reach, &commit.items).await?;
    // A target may have got other tags since the dry run.
    for shown in &going {
        let on = match &shown.id {
            ItemId::Grant(id) => held.grants.get(id).map(|grant| &grant.target),
            ItemId::Request(id) => held.requests.get(id).map(|request| &request.target),
        };
        if let Some(on) = on {
            permit_at(&who, Action::Revoke, place(catalog, on))?;
        }
    }
    // All or nothing: what policy keeps from this person for one of them, it keeps for the whole incident. A lock
    // takes away whatever it matches, also what was not shown.
    let taken: BTreeSet<&str> = going.iter().map(|shown| shown.id.as_str()).collect();
    let goes = |grant: &&Grant| commit.ask.lock || taken.contains(grant.id.as_str());
    for grant in held.grants.values().filter(goes) {
        may_revoke(writing, rules, grant).await?;
    }
    for lock in &locks {
        may_lock(writing, rules, lock).await?;
    }
    let tx = &mut writing.tx;
    let shown_at = ticket.good_until - GOOD_FOR;
    let changed = held.changed(&going);
    let since = tx.events_about(&changed, EventCode::ALL, shown_at).await?;
    let told = |id: &ItemId| -> Vec<Event> {
        let events = since.get(id.as_str()).into_iter().flatten();
        events.map(|(_, event)| event.clone()).collect()
    };
    let (mut items, mut steps): (Vec<Item>, Change) = (Vec::new(), Change::new());
    for shown in going {
        match &shown.id {
            ItemId::Grant(id) => {
                let Some(grant) = held.grants.get(id) else {
                    continue;
                };
                let in_scope = bearing(&locks, catalog, &grant.target);
                let locked = in_scope.on(grant.into(), now).is_some();
                let (item, step) = act.on_grant(grant, shown.version, &told(&shown.id), locked);
                items.push(item);
                steps.extend(step);
            }
            ItemId::Request(id) => {
                let Some(request) = held.requests.get(id) else {
                    continue;
                };
                let (item, change) = act.on_request(request, shown.version, &told(&shown.id));
                items.push(item);
                steps.extend(change.into_iter().flatten());
            }
        }
    }
    count_closed(&mut locks, catalog, &held, &items, now);
    let incident = Incident {
        id: new.clone(),
        reason,
        ask: commit.ask.clone(),
        started_by: who.as_ref(),
        created_at: now,
        token: ticket.digest(),
        appeared: held.appeared(&reach, commit, fits),
        items,
    };
    let mut first = vec![incident.started(commit.keep.len(), locks.len())];
    first.extend(steps);
    tx.apply(&first, &writing.origin, now).await?;
    // What the locks match besides: it had not been shown, and a lock leaves nothing open.
    let by = who.as_ref();
    let cut = take_away(tx, catalog, &locks, Some(&by), now).await?;
    for (id, _) in &cut {
        if let Some(lock) = locks.iter_mut().find(|lock| lock.id == *id) {
            lock.grants_closed += 1;
        }
    }
    let mut more: Change = locks.iter().map(Lock::placed).collect();
    more.extend(cut.into_iter().map(|(_, step)| step));
    Ok((first, more))
}

/// Counts what the incident itself took away for the first lock that matches it.
fn count_closed(
    locks: &mut [Lock],
    catalog: &Catalog,
    held: &Held,
    items: &[Item],
    now: DateTime<Utc>,
) {
    let gone = items.iter().filter(|item| item.fate == Fate::Revoking);
    let grants = gone.filter_map(|item| match &item.id {
        ItemId::Grant(id) => held.grants.get(id),
        ItemId::Request(_) => None,
    });
    let matched: Vec<LockId> = grants
        .filter(|grant| grant.state != GrantState::Closing)
        .filter_map(|grant| {
            let locks: Locks<'_> = bearing(locks, catalog, &grant.target);
            locks.on(grant.into(), now).map(|lock| lock.id.clone())
        })
        .collect();
    for lock in locks {
        let closed = matched.iter().filter(|id| **id == lock.id).count();
        lock.grants_closed = i64::try_from(closed).unwrap_or(i64::MAX);
    }
}
