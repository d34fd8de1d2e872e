//! Every reason to say no, as text for people with a hint and a stable code.
//!
//! A refusal is an answer, not an accident: nothing was changed, and the reader can do something about it.

mod hint;

use crate::domain::break_glass::BreakGlassRefusal;
use crate::domain::grant::{GrantState, OverrideRefusal};
use crate::domain::ids::{
    GrantId, LockId, PrincipalName, RequestId, RoleName, StandingId, TargetName,
};
use crate::domain::lock::LockState;
use crate::domain::policy::Explained;
use crate::domain::provider::IdentityRefusal;
use crate::domain::request::RequestState;
use crate::domain::second_factor::SecondFactorRefusal;
use crate::domain::span::Span;

/// What a policy's no rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// The version of the policy.
    pub version: String,
    /// The policies that said no, and those that came nearest to a yes.
    pub policies: Vec<Explained>,
    /// What could not be evaluated; each names its policy.
    pub errors: Vec<String>,
}

/// Why a caller did not get what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No valid token came with the call.
    NotSignedIn,
    /// The token is no longer good; the client refreshes or signs in again.
    TokenExpired,
    /// The sign-in is from before sign-ins were bound to a device.
    SignInUnbound,
    /// No proof of the device key came with the call.
    ProofRequired,
    /// A proof of the device key that proves nothing.
    ProofNotValid {
        why: &'static str,
    },
    /// A proof that was made at another time than the server's.
    ProofOutOfTime {
        /// How far the clock of the device is ahead, in seconds.
        ahead: i64,
    },
    /// A sign-in code that is unknown, used or too old.
    CodeNotValid,
    /// The caller's product roles do not allow this.
    NotAllowed {
        action: &'static str,
        needs: &'static str,
    },
    /// The caller's product roles allow this, but not here.
    OutOfScope {
        action: &'static str,
        /// Where they do, in words.
        scope: String,
        /// Whether it is about more than one target.
        wide: bool,
    },
    /// Nothing with this name exists, or the caller may not know of it.
    NotFound {
        what: &'static str,
        name: String,
    },
    /// Nothing in the catalogue has this name.
    UnknownTarget {
        target: TargetName,
        nearest: Option<String>,
    },
    UnknownRole {
        target: TargetName,
        role: RoleName,
        known: String,
    },
    /// Policy said no, in the words of `domain::policy`.
    PolicyDenied {
        why: String,
        cause: Box<Cause>,
    },
    /// Policy would let it pass, but nobody is there to review it.
    NobodyCanReview {
        groups: String,
    },
    DuplicatePending {
        request: RequestId,
    },
    TooManyPending {
        limit: usize,
    },
    BadReason {
        why: &'static str,
    },
    BadTicket,
    StartTooFar {
        latest: Span,
    },
    StartInPast,
    CommentRequired,
    SelfReview {
        request: RequestId,
    },
    /// The reviewer answers for the service account that asked.
    OwnService {
        request: RequestId,
    },
    AlreadyReviewed {
        request: RequestId,
    },
    NotAReviewer {
        groups: String,
    },
    RequestDecided {
        request: RequestId,
        state: RequestState,
        by: Option<String>,
    },
    DeadlinePassed {
        request: RequestId,
    },
    /// Somebody else has the claim, or nobody.
    NotClaimed {
        request: RequestId,
        by: Option<String>,
    },
    NotNarrower {
        why: String,
    },
    NotTheRequester {
        request: RequestId,
    },
    NotTheHolder {
        grant: GrantId,
    },
    GrantNotActive {
        grant: GrantId,
        state: GrantState,
    },
    /// The extension would pass the cap on the total.
    OverTotalCap {
        cap: Span,
        left: Option<Span>,
    },
    /// A lock in force stands in the way. Why it was placed is not told: that is for those who may see locks.
    Locked {
        lock: LockId,
        on: String,
        by: PrincipalName,
        /// Who can take it away, in words.
        lifted_by: &'static str,
    },
    SelfLock,
    LockOver {
        lock: LockId,
        state: LockState,
    },
    /// What is not on the target any more needs no word about it.
    StandingGone {
        standing: StandingId,
    },
    /// There is nothing to take back.
    StandingOpen {
        standing: StandingId,
    },
    /// The dry run that was sent back is not one to commit.
    PreviewNotValid {
        why: &'static str,
    },
    TooManyItems {
        count: usize,
        most: usize,
    },
    /// Somebody else changed the record first.
    /// What should come into use is in use.
    PolicyInUse {
        version: String,
    },
    Conflict {
        what: &'static str,
        name: String,
    },
    /// The caller did not say which version it decided on.
    VersionRequired,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    BadInput {
        field: String,
        why: String,
    },
    /// The connector cannot do this for that kind of target.
    Unsupported {
        why: String,
    },
    TargetFailed {
        target: TargetName,
        why: String,
    },
    TooManyStreams {
        limit: usize,
    },
    /// The identity provider, or what it says of somebody.
    Identity(IdentityRefusal),
    /// A second factor, a password, or too many tries of one.
    SecondFactor(SecondFactorRefusal),
    /// Break-glass, its sign-off or a sealed code.
    BreakGlass(BreakGlassRefusal),
    /// An end that its target has not confirmed, and that is not overridden.
    Override(OverrideRefusal),
    /// The record is what was signed, so that nothing was lost of it.
    NothingToRecover,
    /// The record is not what was signed before.
    LogRewritten {
        why: String,
    },
    /// What this node has seen of the record is not in the database.
    DatabaseRestored {
        why: String,
    },
    /// The database has become one for newer nodes than this.
    NodeTooOld {
        needs: i64,
        knows: i64,
    },
    /// Events have waited for their place in the log for too long: nothing more is decided.
    LogStuck {
        minutes: i64,
    },
    Busy,
    /// The clock of the database is ahead of the server's by this much, or behind it.
    ClocksDiffer {
        seconds: i64,
    },
    /// No host of the database takes changes at this moment.
    NoWritableStore {
        why: String,
        /// Whether what is there can still be read.
        is_readable: bool,
    },
    /// The database did not say whether it made the change.
    OutcomeUnknown,
}

impl From<IdentityRefusal> for Refusal {
    fn from(refusal: IdentityRefusal) -> Self {
        Self::Identity(refusal)
    }
}

impl From<SecondFactorRefusal> for Refusal {
    fn from(refusal: SecondFactorRefusal) -> Self {
        Self::SecondFactor(refusal)
    }
}

impl From<OverrideRefusal> for Refusal {
    fn from(refusal: OverrideRefusal) -> Self {
        Self::Override(refusal)
    }
}

impl From<BreakGlassRefusal> for Refusal {
    fn from(refusal: BreakGlassRefusal) -> Self {
        Self::BreakGlass(refusal)
    }
}

impl Refusal {
    /// The stable code: machines branch on it, and it never changes its meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSignedIn => "not-signed-in",
            Self::TokenExpired => "token-expired",
            Self::SignInUnbound => "sign-in-unbound",
            Self::ProofRequired => "proof-required",
            Self::ProofNotValid { .. } => "proof-not-valid",
            Self::ProofOutOfTime { .. } => "proof-out-of-time",
            Self::CodeNotValid => "code-not-valid",
            Self::NotAllowed { .. } => "not-allowed",
            Self::OutOfScope { .. } => "out-of-scope",
            Self::NotFound { .. } => "not-found",
            Self::UnknownTarget { .. } => "unknown-target",
            Self::UnknownRole { .. } => "unknown-role",
            Self::PolicyDenied { .. } => "policy-denied",
            Self::NobodyCanReview { .. } => "nobody-can-review",
            Self::DuplicatePending { .. } => "duplicate-pending",
            Self::TooManyPending { .. } => "too-many-pending",
            Self::BadReason { .. } => "bad-reason",
            Self::BadTicket => "bad-ticket",
            Self::StartTooFar { .. } => "start-too-far",
            Self::StartInPast => "start-in-past",
            Self::CommentRequired => "comment-required",
            Self::SelfReview { .. } => "self-review",
            Self::OwnService { .. } => "own-service",
            Self::AlreadyReviewed { .. } => "already-reviewed",
            Self::NotAReviewer { .. } => "not-a-reviewer",
            Self::RequestDecided { .. } => "request-decided",
            Self::DeadlinePassed { .. } => "deadline-passed",
            Self::NotClaimed { .. } => "not-claimed",
            Self::NotNarrower { .. } => "not-narrower",
            Self::NotTheRequester { .. } => "not-the-requester",
            Self::NotTheHolder { .. } => "not-the-holder",
            Self::GrantNotActive { .. } => "grant-not-active",
            Self::OverTotalCap { .. } => "over-total-cap",
            Self::Locked { .. } => "locked",
            Self::SelfLock => "self-lock",
            Self::LockOver { .. } => "lock-over",
            Self::StandingGone { .. } => "standing-gone",
            Self::StandingOpen { .. } => "standing-open",
            Self::PreviewNotValid { .. } => "preview-not-valid",
            Self::TooManyItems { .. } => "too-many-items",
            Self::PolicyInUse { .. } => "policy-in-use",
            Self::Conflict { .. } => "conflict",
            Self::VersionRequired => "version-required",
            Self::IdempotencyKeyRequired => "idempotency-key-required",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::BadInput { .. } => "bad-input",
            Self::Unsupported { .. } => "unsupported",
            Self::TargetFailed { .. } => "target-failed",
            Self::TooManyStreams { .. } => "too-many-streams",
            Self::Identity(refusal) => refusal.code(),
            Self::SecondFactor(refusal) => refusal.code(),
            Self::BreakGlass(refusal) => refusal.code(),
            Self::Override(refusal) => refusal.code(),
            Self::NothingToRecover => "nothing-to-recover",
            Self::LogRewritten { .. } => "log-rewritten",
            Self::DatabaseRestored { .. } => "database-restored",
            Self::NodeTooOld { .. } => "schema-too-new",
            Self::LogStuck { .. } => "log-stuck",
            Self::Busy => "busy",
            Self::ClocksDiffer { .. } => "clocks-differ",
            Self::NoWritableStore { .. } => "no-writable-store",
            Self::OutcomeUnknown => "outcome-unknown",
        }
    }

    /// What is wrong, in the reader's words.
    pub fn text(&self) -> String {
        match self {
            Self::NotSignedIn => "you are not signed in".to_owned(),
            Self::TokenExpired => "your access token is no longer valid".to_owned(),
            Self::SignInUnbound => {
                "this sign-in is over: it is from before sign-ins were bound to a device".to_owned()
            }
            Self::ProofRequired => {
                "the call does not prove that it comes from the device that signed in".to_owned()
            }
            Self::ProofNotValid { why } => {
                format!("the proof of the device key is not valid: {why}")
            }
            Self::ProofOutOfTime { ahead } => {
                let direction = if *ahead < 0 { "behind" } else { "ahead of" };
                format!(
                    "the clock of this machine is {} seconds {direction} the server's",
                    ahead.unsigned_abs()
                )
            }
            Self::CodeNotValid => {
                "this sign-in code is unknown, already used or too old".to_owned()
            }
            Self::NotAllowed { action, needs } => {
                format!("you may not {action}: that needs {needs}")
            }
            Self::OutOfScope {
                action,
                scope,
                wide,
            } => {
                let place = if *wide { "this wide" } else { "on this target" };
                format!("you may not {action} {place}: you may on {scope} only")
            }
            Self::NotFound { what, name } => {
                format!("there is no {what} `{name}` that you may see")
            }
            Self::UnknownTarget { target, .. } => format!("there is no target `{target}`"),
            Self::UnknownRole { target, role, .. } => {
                format!("target `{target}` has no role `{role}`")
            }
            Self::NobodyCanReview { groups } => {
                format!("nobody could decide this request: {groups} has too few other members")
            }
            Self::DuplicatePending { request } => {
                format!("you already asked for exactly this in `{request}`")
            }
            Self::TooManyPending { limit } => {
                format!("you have {limit} pending requests, which is the limit")
            }
            Self::BadReason { why } => (*why).to_owned(),
            Self::BadTicket => {
                "the ticket is too long or has characters that no ticket has".to_owned()
            }
            Self::StartTooFar { latest } => {
                format!("the start is too far away: at most {latest} from now")
            }
            Self::StartInPast => "the start is in the past".to_owned(),
            Self::CommentRequired => "a denial needs a comment".to_owned(),
            Self::SelfReview { request } => {
                format!("you cannot review `{request}`: you asked for it")
            }
            Self::OwnService { request } => {
                format!(
                    "you cannot review `{request}`: a service account asked for it that you own or made the token of"
                )
            }
            Self::AlreadyReviewed { request } => format!("you already reviewed `{request}`"),
            Self::NotAReviewer { groups } => {
                format!("you cannot review this request: it is for members of {groups}")
            }
            Self::RequestDecided { request, state, by } => match by {
                Some(by) => format!("request `{request}` was already {state} by `{by}`"),
                None => format!("request `{request}` is already {state}"),
            },
            Self::DeadlinePassed { request } => {
                format!("nobody decided `{request}` in time: it is expired")
            }
            Self::NotClaimed { request, by } => match by {
                Some(by) => format!("`{request}` is claimed by `{by}`, not by you"),
                None => format!("you have no claim on `{request}`"),
            },
            Self::PolicyDenied { why, .. }
            | Self::NotNarrower { why }
            | Self::Unsupported { why } => why.clone(),
            Self::NotTheRequester { request } => {
                format!("only the person who asked can withdraw `{request}`")
            }
            Self::NotTheHolder { grant } => format!("only its holder can do this with `{grant}`"),
            Self::GrantNotActive { grant, state } => format!("grant `{grant}` is {state}"),
            Self::OverTotalCap { cap, left } => match left {
                None => format!("the grant already lasts the {cap} that policy allows in total"),
                Some(left) => format!(
                    "the grant may last {cap} in total, so it can be extended by at most {left}"
                ),
            },
            Self::Locked { on, .. } => format!("there is a lock on {on}"),
            Self::SelfLock => "you cannot lock yourself".to_owned(),
            Self::StandingGone { standing } => {
                format!("the standing access `{standing}` is not on its target any more")
            }
            Self::StandingOpen { standing } => {
                format!(
                    "nobody said anything about the standing access `{standing}` that could be taken back"
                )
            }
            Self::LockOver { lock, state } => match state {
                LockState::Lifted => format!("lock `{lock}` is already lifted"),
                _ => format!("lock `{lock}` is already over by itself"),
            },
            Self::PreviewNotValid { why } => format!("this dry run cannot be committed: {why}"),
            Self::TooManyItems { count, most } => {
                format!("these are {count} grants and requests, and one incident takes {most}")
            }
            Self::PolicyInUse { version } => format!("policy `{version}` is in use already"),
            Self::Conflict { what, name } => {
                format!("somebody changed {what} `{name}` in the meantime")
            }
            Self::VersionRequired => "the call does not say which version it decided on".to_owned(),
            Self::IdempotencyKeyRequired => "the call has no idempotency key".to_owned(),
            Self::IdempotencyKeyReused => {
                "this idempotency key was used for a different call".to_owned()
            }
            Self::BadInput { field, why } => format!("`{field}`: {why}"),
            Self::TargetFailed { target, why } => {
                format!("target `{target}` did not answer as it should: {why}")
            }
            Self::TooManyStreams { limit } => {
                format!("you already follow {limit} live streams, which is the limit")
            }
            Self::Identity(refusal) => refusal.text(),
            Self::SecondFactor(refusal) => refusal.text(),
            Self::BreakGlass(refusal) => refusal.text(),
            Self::Override(refusal) => refusal.text(),
            Self::NothingToRecover => {
                "the record is what was signed before, so there is nothing to recover from"
                    .to_owned()
            }
            Self::LogRewritten { why } => {
                format!("the record is not what was signed before: {why}")
            }
            Self::DatabaseRestored { why } => {
                format!("the database is not the one that this node has seen: {why}")
            }
            Self::NodeTooOld { needs, knows } => format!(
                "the database is for nodes that know schema {needs}, and this one knows {knows}, so it decides nothing more"
            ),
            Self::LogStuck { minutes } => format!(
                "what happened {minutes} minutes ago is still not in the audit log, so nothing more is decided"
            ),
            Self::Busy => "the server has too much to do at the moment".to_owned(),
            Self::ClocksDiffer { seconds } => format!(
                "the clocks of this server and of its database differ by {} s, so nothing is decided here",
                seconds.abs()
            ),
            Self::NoWritableStore { why, is_readable } => {
                let what = if *is_readable {
                    "changed"
                } else {
                    "read or changed"
                };
                format!("nothing can be {what} at the moment: {why}")
            }
            Self::OutcomeUnknown => {
                "the database did not answer in time: whether this was done is not known".to_owned()
            }
        }
    }

    /// Whether an auditor will want to know that somebody tried.
    pub fn is_denial(&self) -> bool {
        if let Self::SecondFactor(refusal) = self {
            return refusal.is_denial();
        }
        if let Self::BreakGlass(refusal) = self {
            return refusal.is_denial();
        }
        if let Self::Override(refusal) = self {
            return refusal.is_denial();
        }
        matches!(
            self,
            Self::NotAllowed { .. }
                | Self::OutOfScope { .. }
                | Self::PolicyDenied { .. }
                | Self::NobodyCanReview { .. }
                | Self::SelfReview { .. }
                | Self::OwnService { .. }
                | Self::AlreadyReviewed { .. }
                | Self::NotAReviewer { .. }
                | Self::NotTheRequester { .. }
                | Self::NotTheHolder { .. }
                | Self::OverTotalCap { .. }
                | Self::Locked { .. }
        )
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for Refusal {}
