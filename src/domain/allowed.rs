//! What somebody may do with one request or grant at this moment, by the same rules that decide when they try.

use chrono::{DateTime, Utc};

use super::grant::{Grant, GrantState, authorize};
use super::lock::{Lock, Locks};
use super::permit::{Action, permit};
use super::principal::Principal;
use super::refusal::Refusal;
use super::request::Request;
use super::span::Span;

/// An action by its word, and whether it is allowed.
pub type Allowed = (&'static str, Result<(), Refusal>);

/// What `who` may do with a request.
pub fn on_request(
    who: &Principal,
    request: &Request,
    locks: Locks<'_>,
    now: DateTime<Utc>,
) -> Vec<Allowed> {
    let review = permit(who, Action::Review).and_then(|()| request.may_review(who, now));
    let approve = review
        .clone()
        .and_then(|()| locks.check_approval(request, &who.id, now));
    let withdraw =
        permit(who, Action::Submit).and_then(|()| request.withdraw(who, now).map(|_| ()));
    let release = permit(who, Action::Review).and_then(|()| request.may_release(who, now));
    vec![
        ("approve", approve),
        ("deny", review.clone()),
        ("withdraw", withdraw),
        ("claim", review),
        ("release", release),
    ]
}

/// What `who` may do with a live session under a grant.
pub fn on_session(who: &Principal, grant: &Grant) -> Vec<Allowed> {
    vec![("end", grant.may_end_session(who))]
}

/// What `who` may do with a grant.
pub fn on_grant(
    who: &Principal,
    grant: &Grant,
    locks: Locks<'_>,
    now: DateTime<Utc>,
) -> Vec<Allowed> {
    let own = who.id == grant.holder.id;
    let holder = if own {
        permit(who, Action::UseGrant)
    } else {
        Err(Refusal::NotTheHolder {
            grant: grant.id.clone(),
        })
    };
    let open = if grant.state.is_final() || grant.state == GrantState::Closing {
        Err(Refusal::GrantNotActive {
            grant: grant.id.clone(),
            state: grant.state,
        })
    } else {
        Ok(())
    };
    let extend = permit(
        who,
        if own {
            Action::Submit
        } else {
            Action::ExtendOthers
        },
    )
    .and_then(|()| grant.check_extension(Span::MINUTE, locks, now));
    // A grant that is closing by its end or return can still be revoked: the stronger word goes on record.
    let revoke = permit(who, Action::Revoke).and_then(|()| {
        if grant.state == GrantState::Closing {
            Ok(())
        } else {
            open.clone()
        }
    });
    vec![
        (
            "connect",
            holder.clone().and_then(|()| authorize(grant, locks, now)),
        ),
        ("extend", extend),
        ("return", holder.and(open)),
        ("revoke", revoke),
    ]
}

/// What `who` may do with a lock.
pub fn on_lock(who: &Principal, lock: &Lock, locks: Locks<'_>, now: DateTime<Utc>) -> Vec<Allowed> {
    vec![("lift", lock.may_lift(who, locks, now))]
}
