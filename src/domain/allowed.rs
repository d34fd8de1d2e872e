//! What somebody may do with one request or grant at this moment, by the same rules that decide when they try.

use chrono::{DateTime, Utc};

use super::extent::Place;
use super::grant::{Grant, GrantState, authorize};
use super::ids::TargetName;
use super::lock::{Lock, Locks};
use super::permit::{Action, permit_at};
use super::policy::Deed;
use super::principal::Principal;
use super::refusal::Refusal;
use super::request::Request;
use super::span::Span;

/// An action by its word, and whether it is allowed.
pub type Allowed = (&'static str, Result<(), Refusal>);

/// What these questions are answered from, besides who asks and about what.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The locks in force, for the target that it is about.
    pub locks: Locks<'a>,
    /// What policy says to a deed. It is asked last, and only where everything else says yes.
    pub policy: &'a dyn Fn(Deed) -> Result<(), Refusal>,
    pub now: DateTime<Utc>,
}

impl Around<'_> {
    fn place(&self) -> Place<'_> {
        Place::On(self.locks.tags())
    }

    /// Nothing more is given on a target that has left the catalogue.
    fn offered(&self, target: &TargetName) -> Result<(), Refusal> {
        if self.locks.tags().is_some() {
            return Ok(());
        }
        Err(Refusal::UnknownTarget {
            target: target.clone(),
            nearest: None,
        })
    }
}

/// What `who` may do with a request.
pub fn on_request(who: &Principal, request: &Request, around: Around<'_>) -> Vec<Allowed> {
    let Around { locks, now, .. } = around;
    let reviewer = permit_at(who, Action::Review, around.place());
    let claim = reviewer.clone().and_then(|()| request.may_review(who, now));
    let review = claim.clone().and_then(|()| (around.policy)(Deed::Review));
    let approve = review
        .clone()
        .and_then(|()| around.offered(&request.target))
        .and_then(|()| locks.check_approval(request, &who.id, now));
    // To take back what one asked for is never out of scope.
    let withdraw = permit_at(who, Action::Submit, Place::Somewhere)
        .and_then(|()| request.withdraw(who, now).map(|_| ()));
    let release = reviewer.and_then(|()| request.may_release(who, now));
    vec![
        ("approve", approve),
        ("deny", review),
        ("withdraw", withdraw),
        ("claim", claim),
        ("release", release),
    ]
}

/// What `who` may do with a live session under a grant, which is on a target in this place.
pub fn on_session(who: &Principal, grant: &Grant, place: Place<'_>) -> Vec<Allowed> {
    vec![("end", grant.may_end_session(who, place))]
}

/// What `who` may do with a grant.
pub fn on_grant(who: &Principal, grant: &Grant, around: Around<'_>) -> Vec<Allowed> {
    let Around { locks, now, .. } = around;
    let own = who.id == grant.holder.id;
    let holder = |place: Place<'_>| {
        if own {
            permit_at(who, Action::UseGrant, place)
        } else {
            Err(Refusal::NotTheHolder {
                grant: grant.id.clone(),
            })
        }
    };
    let open = if grant.state.is_final() || grant.state == GrantState::Closing {
        Err(Refusal::GrantNotActive {
            grant: grant.id.clone(),
            state: grant.state,
        })
    } else {
        Ok(())
    };
    let action = if own {
        Action::Submit
    } else {
        Action::ExtendOthers
    };
    let extend = permit_at(who, action, around.place())
        .and_then(|()| around.offered(&grant.target))
        .and_then(|()| grant.check_extension(Span::MINUTE, locks, now))
        .and_then(|()| {
            if own {
                Ok(())
            } else {
                (around.policy)(Deed::Extend)
            }
        });
    // A grant that is closing by its end or return can still be revoked: the stronger word goes on record.
    let revoke = permit_at(who, Action::Revoke, around.place())
        .and_then(|()| {
            if grant.state == GrantState::Closing {
                Ok(())
            } else {
                open.clone()
            }
        })
        .and_then(|()| (around.policy)(Deed::Revoke));
    vec![
        (
            "connect",
            holder(around.place()).and_then(|()| authorize(grant, locks, now)),
        ),
        ("extend", extend),
        ("return", holder(Place::Somewhere).and(open)),
        ("revoke", revoke),
    ]
}

/// What `who` may do with a lock. The locks in force are for the target that it names.
pub fn on_lock(who: &Principal, lock: &Lock, around: Around<'_>) -> Vec<Allowed> {
    let lift = lock
        .may_lift(who, around.locks, around.now)
        .and_then(|()| (around.policy)(Deed::Lock));
    vec![("lift", lift)]
}
