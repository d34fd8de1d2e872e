//! What to do about a refusal, one sentence each.

use crate::domain::request::RequestState;

use super::Refusal;

impl Refusal {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Identity(refusal) => refusal.hint(),
            Self::SecondFactor(refusal) => return refusal.hint(),
            Self::BreakGlass(refusal) => return refusal.hint(),
            Self::Override(refusal) => return refusal.hint(),
            Self::ProofRequired => "send a `DPoP` header (RFC 9449), as `portcullis` itself does",
            Self::ProofNotValid { .. } => "sign in again with `portcullis login`",
            Self::ProofOutOfTime { .. } => {
                "set the clock of this machine, or let it be set over the network"
            }
            Self::NotSignedIn | Self::TokenExpired | Self::SignInUnbound => {
                "sign in with `portcullis login`"
            }
            Self::OutOfScope { wide: true, .. } => {
                "name such targets, or one of these tags; for more ask somebody whose product role is for every target"
            }
            Self::OutOfScope { wide: false, .. } => {
                "ask somebody whose product role is for this target"
            }
            Self::CodeNotValid => "ask an admin for a new one: `portcullis token invite NAME`",
            Self::UnknownTarget {
                nearest: Some(nearest),
                ..
            } => return Some(format!("did you mean `{nearest}`?")),
            Self::UnknownTarget { .. } => {
                "list what you may ask for with `portcullis request --list`"
            }
            Self::UnknownRole { known, .. } => return Some(format!("its roles are {known}")),
            Self::PolicyDenied { cause, .. } if !cause.errors.is_empty() => {
                "tell whoever keeps the policy: it is on the record as `policy.failed`"
            }
            Self::PolicyDenied { .. } => {
                "see what you may ask for with `portcullis request --list`"
            }
            Self::NobodyCanReview { .. } => "ask an admin to add a reviewer to the group",
            Self::DuplicatePending { .. } => "withdraw that one first, or wait for its decision",
            Self::TooManyPending { .. } => "withdraw one that you no longer need",
            Self::BadReason { .. } => "say in a sentence what you need the access for",
            Self::BadTicket => "use up to 64 letters, digits and `- _ / # . :`",
            Self::CommentRequired => {
                "tell the requester why, so that the next request can be better"
            }
            Self::SelfReview { .. } | Self::OwnService { .. } => {
                "ask another reviewer; this holds for admins too"
            }
            Self::AlreadyReviewed { .. } => "another person has to give the next review",
            Self::RequestDecided {
                state: RequestState::Approved,
                ..
            } => "open the grant to revoke it",
            Self::RequestDecided { .. } | Self::DeadlinePassed { .. } => "file a new request",
            Self::NotClaimed { .. } => "a claim lapses by itself after 5 minutes",
            Self::GrantNotActive { .. } => "ask again with `portcullis request`",
            Self::Locked {
                lock,
                by,
                lifted_by,
                ..
            } => {
                return Some(format!(
                    "`{by}` placed it as `{lock}`; {lifted_by} can lift it: `portcullis unlock {lock}`"
                ));
            }
            Self::SelfLock => {
                "ask another reviewer, or end your sign-ins with `portcullis token revoke`"
            }
            Self::StandingGone { .. } | Self::StandingOpen { .. } => {
                "see what is there now with `portcullis standing`"
            }
            Self::LockOver { .. } => "see which locks are in force with `portcullis locks`",
            Self::PreviewNotValid { .. } => "make a new dry run and look at its list",
            Self::TooManyItems { .. } => {
                "take one target or tag after the other, and lock what is left"
            }
            Self::PolicyInUse { .. } => "see what waits with `portcullis policy status`",
            Self::Conflict { .. } => "look at it again and repeat what you wanted",
            Self::VersionRequired => "send the `version` that you saw in an `If-Match` header",
            Self::IdempotencyKeyRequired => {
                "send an `Idempotency-Key` header with a value of your own for each new call"
            }
            Self::IdempotencyKeyReused => "make a new key for each new call",
            Self::TooManyStreams { .. } => "close a console that you no longer need",
            Self::NothingToRecover => "see for yourself with `portcullis audit verify`",
            Self::LogRewritten { .. } => {
                "find out what happened, then an admin goes on with `portcullis audit recover`; what gives access back still works"
            }
            Self::DatabaseRestored { .. } => {
                "if a backup was put back, go on with `portcullis recover --reason TEXT`; otherwise point the server at its own database"
            }
            Self::NodeTooOld { .. } => {
                "ask another node, or whoever runs the server to update this one; what gives access back still works"
            }
            Self::LogStuck { .. } => {
                "tell whoever runs the server; what gives access back still works"
            }
            Self::Busy => "wait a moment and repeat the call",
            Self::ClocksDiffer { .. } => {
                "tell whoever runs the server to look at both clocks; what gives access back still works"
            }
            Self::NoWritableStore { .. } => {
                "repeat the call in a moment; if this stays so, tell whoever runs the server"
            }
            Self::OutcomeUnknown => {
                "repeat the call with the same `Idempotency-Key`: it is done once, and you get the true answer"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
