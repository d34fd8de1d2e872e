//! Changes that a person confirmed. Only this folder can make a [`Mutation`], because nobody else can fill its fields.

use chrono::{DateTime, Utc};

use crate::client::IdempotencyKey;
use crate::console::store::{SessionKey, Subject};
use crate::domain::break_glass::Verdict;
use crate::domain::ids::{GrantId, LockId, PrincipalName, RequestId, SignInId, StandingId};
use crate::domain::span::Span;
use crate::wire::{IncidentCommit, LockOn, NewService};

/// A change that a person confirmed, bound to the version that they saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    act: Act,
    version: i64,
    key: IdempotencyKey,
}

impl Mutation {
    /// Only questions make changes. The error is a sentence for the person who said yes.
    pub(super) fn new(act: Act, version: i64) -> Result<Self, String> {
        match IdempotencyKey::new() {
            Ok(key) => Ok(Self { act, version, key }),
            Err(_) => Err(
                "this machine has no random numbers, so nothing can be changed safely".to_owned(),
            ),
        }
    }

    /// What to do.
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// The version it was decided on.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The same for every attempt, so that no attempt can do it twice.
    pub fn idempotency_key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// The row it is about; none where it makes a row, as a lock does.
    pub fn subject(&self) -> Option<Subject> {
        self.act.subject()
    }
}

/// What an approval gives less than was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Less {
    pub duration: Option<Span>,
    pub role: Option<String>,
    pub not_before: Option<DateTime<Utc>>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Approve {
        request: RequestId,
        less: Less,
    },
    Deny {
        request: RequestId,
        comment: String,
    },
    /// Tells others who is on it; harmless, and lapses by itself.
    Claim {
        request: RequestId,
    },
    Release {
        request: RequestId,
    },
    Extend {
        grant: GrantId,
        by: Span,
        reason: String,
    },
    Revoke {
        grant: GrantId,
        reason: String,
    },
    /// One's own grant, before its end.
    Return {
        grant: GrantId,
    },
    EndSession {
        session: SessionKey,
        reason: String,
    },
    Lock {
        on: LockOn,
        reason: String,
        /// Until somebody lifts it, when nothing is said.
        lasts: Option<Span>,
    },
    Lift {
        lock: LockId,
        reason: String,
    },
    /// Ends a sign-in with all its tokens.
    RevokeSignIn {
        sign_in: SignInId,
    },
    DeleteService {
        service: PrincipalName,
    },
    /// Its token is shown once.
    MakeService {
        new: Box<NewService>,
    },
    /// Another token, good for so long; the one before stops working.
    RotateService {
        service: PrincipalName,
        lasts: Span,
    },
    /// Says why standing access stays.
    IgnoreStanding {
        standing: StandingId,
        reason: String,
    },
    /// Somebody answers for it for so long.
    ImportStanding {
        standing: StandingId,
        owner: String,
        lasts: Span,
        reason: String,
    },
    /// Takes back what was said about it.
    ReopenStanding {
        standing: StandingId,
        reason: String,
    },
    /// The verdict on somebody's break-glass.
    SignOff {
        of: RequestId,
        verdict: Verdict,
        comment: String,
    },
    /// Exactly what a dry run showed.
    Incident {
        commit: Box<IncidentCommit>,
    },
}

impl Act {
    /// The row it is about.
    pub fn subject(&self) -> Option<Subject> {
        match self {
            Self::Approve { request, .. }
            | Self::Deny { request, .. }
            | Self::Claim { request }
            | Self::Release { request } => Some(Subject::Request(request.clone())),
            Self::Extend { grant, .. } | Self::Revoke { grant, .. } | Self::Return { grant } => {
                Some(Subject::Grant(grant.clone()))
            }
            Self::EndSession { session, .. } => Some(Subject::Session(session.clone())),
            Self::Lift { lock, .. } => Some(Subject::Lock(lock.clone())),
            Self::RevokeSignIn { sign_in } => Some(Subject::SignIn(sign_in.clone())),
            Self::DeleteService { service } | Self::RotateService { service, .. } => {
                Some(Subject::Service(service.clone()))
            }
            Self::IgnoreStanding { standing, .. }
            | Self::ImportStanding { standing, .. }
            | Self::ReopenStanding { standing, .. } => Some(Subject::Standing(standing.clone())),
            Self::SignOff { of, .. } => Some(Subject::Use(of.clone())),
            Self::Lock { .. } | Self::MakeService { .. } | Self::Incident { .. } => None,
        }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Deny { .. } => "deny",
            Self::Claim { .. } => "claim",
            Self::Release { .. } => "release",
            Self::Extend { .. } => "extend",
            Self::Revoke { .. } => "revoke",
            Self::Return { .. } => "return",
            Self::EndSession { .. } => "end session",
            Self::Lock { .. } => "lock",
            Self::Lift { .. } => "lift",
            Self::RevokeSignIn { .. } => "end sign-in",
            Self::DeleteService { .. } => "delete",
            Self::MakeService { .. } => "make service account",
            Self::RotateService { .. } => "make another token for",
            Self::IgnoreStanding { .. } => "ignore",
            Self::ImportStanding { .. } => "answer for",
            Self::ReopenStanding { .. } => "open again",
            Self::SignOff { .. } => "sign off",
            Self::Incident { .. } => "incident",
        }
    }

    /// What it is about, as people read it.
    pub fn about(&self) -> String {
        match self {
            Self::Lock { on, .. } => locked(on),
            Self::MakeService { new } => new.name.clone(),
            Self::Incident { commit } => format!("{} items", commit.count),
            _ => self
                .subject()
                .map_or_else(String::new, |subject| subject.to_string()),
        }
    }

    /// Says whether it takes access away, which must work when little else does and is worth trying for long.
    pub fn takes_away(&self) -> bool {
        matches!(
            self,
            Self::Revoke { .. }
                | Self::Return { .. }
                | Self::EndSession { .. }
                | Self::Lock { .. }
                | Self::RevokeSignIn { .. }
                | Self::DeleteService { .. }
                | Self::Incident { .. }
        )
    }
}

/// What a lock is on, in words.
pub fn locked(on: &LockOn) -> String {
    match on {
        LockOn::Principal { principal } => principal.clone(),
        LockOn::Target { target } => target.clone(),
        LockOn::Role { target, role } => format!("{role} on {target}"),
        LockOn::Tag { name, value } => format!("{name}={value}"),
        LockOn::Everything => "everything".to_owned(),
    }
}
