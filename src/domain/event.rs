//! Every audit event: its stable code, what it is about, and one sentence for people.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{GrantId, PrincipalName, RequestId, RoleName, TargetName};
use super::principal::PrincipalRef;

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $word:literal;)*) => {
        /// The kinds of events. Codes are stable for ever: new ones are added, none changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventCode {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl EventCode {
            /// Every code, in the order of the life of a request.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code, as stored, filtered and exported.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// What happened, as a verb phrase that follows the actor.
            pub fn phrase(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

events! {
    RequestSubmitted = "request.submitted", "asked for";
    ReviewRecorded = "review.recorded", "approved, one of several,";
    RequestClaimed = "request.claimed", "claimed the review of";
    RequestReleased = "request.released", "released the review of";
    RequestApproved = "request.approved", "approved";
    RequestDenied = "request.denied", "denied";
    RequestWithdrawn = "request.withdrawn", "withdrew";
    RequestExpired = "request.expired", "let expire undecided";
    GrantScheduled = "grant.scheduled", "scheduled the grant of";
    GrantActivating = "grant.activating", "began to make";
    GrantActivated = "grant.activated", "made usable";
    GrantActivationRetried = "grant.activation_retried", "could not yet make";
    GrantActivationFailed = "grant.activation_failed", "could not make";
    GrantExtended = "grant.extended", "extended";
    /// An operator goes on with a restored database and wants it to stay.
    GrantKept = "grant.kept", "kept, although the database was restored,";
    GrantClosing = "grant.closing", "began to take away";
    GrantCloseFailed = "grant.close_failed", "could not yet take away";
    GrantCloseIgnored = "grant.close_ignored", "asked to take away what was already going or gone:";
    GrantEnded = "grant.ended", "confirmed the end of";
    GrantReturned = "grant.returned", "confirmed the return of";
    GrantRevoked = "grant.revoked", "confirmed as revoked";
    /// It takes two: nothing has ended by it.
    GrantOverrideProposed = "grant.override_proposed", "proposed to count as ended, although its target has not confirmed,";
    /// Another person confirmed it. The target never did.
    GrantOverridden = "grant.overridden", "let count as ended, although its target has not confirmed,";
    BreakGlassUsed = "break_glass.used", "broke glass for";
    BreakGlassSignedOff = "break_glass.signed_off", "signed off, one of several, the break-glass of";
    /// It has its verdict, and its person may break glass again.
    BreakGlassReviewed = "break_glass.reviewed", "reviewed the break-glass of";
    SealedCodesMade = "break_glass.codes_made", "made sealed codes for";
    SealedCodeRevoked = "break_glass.code_revoked", "revoked a sealed code of";
    SealedCodeUsed = "break_glass.code_used", "opened a sealed code";
    IncidentStarted = "incident.started", "started an incident on";
    LockPlaced = "lock.placed", "placed a lock on";
    LockLifted = "lock.lifted", "lifted the lock on";
    SessionEnding = "session.ending", "began to end a session of";
    SessionEndFailed = "session.end_failed", "could not end a session of";
    SessionEndIgnored = "session.end_ignored", "asked to end a session that was already gone:";
    SessionEnded = "session.ended", "ended a session of";
    CredentialIssued = "credential.issued", "received a credential for";
    AccessRefused = "access.refused", "was refused";
    PrincipalInvited = "principal.invited", "invited";
    SignedIn = "auth.signed_in", "signed in";
    SignedOut = "auth.signed_out", "signed out";
    SignInRefused = "auth.refused", "was refused a sign-in";
    TokenReused = "auth.token_reused", "presented a refresh token twice; the sign-in was ended";
    /// A token came without the key of the device that it is bound to.
    TokenMisused = "auth.token_misused", "used a token without the key of its device; it belongs to";
    ServiceCreated = "service.created", "made the service account";
    ServiceRotated = "service.rotated", "made another token for";
    ServiceDeleted = "service.deleted", "deleted the service account";
    SignInRevoked = "auth.revoked", "ended the sign-in of";
    GroupsChanged = "auth.groups_changed", "took over other groups and roles from the identity provider for";
    DeviceEnrolled = "auth.device_enrolled", "enrolled the key of a device without a browser";
    DeviceRevoked = "auth.device_revoked", "revoked the key of a device of";
    IdentityLapsed = "auth.identity_lapsed", "ended the sign-ins from the identity provider, which confirms them no more, of";
    IdentityGone = "auth.identity_gone", "took everything, because the identity provider does not know them any more, from";
    SteppedUp = "auth.stepped_up", "proved a second factor";
    StepUpRefused = "auth.step_up_refused", "could not prove a second factor";
    TriedTooOften = "auth.tried_too_often", "was let wait after too many tries";
    FactorAdded = "factor.added", "added a second factor";
    FactorRemoved = "factor.removed", "removed a second factor";
    FactorsReset = "factor.reset", "removed every second factor of";
    RecoveryCodesMade = "factor.recovery_codes", "made new recovery codes";
    PasswordSet = "account.password_set", "set a password";
    ConfigLoaded = "config.loaded", "loaded catalogue and policy";
    ConfigRejected = "config.rejected", "kept the old catalogue and policy: the new files are not valid";
    /// The file has another policy than the one in use.
    PolicyWaiting = "policy.waiting", "found a changed policy, which waits until an admin applies it";
    PolicyApplied = "policy.applied", "put another policy into use";
    TlsLoaded = "tls.loaded", "took over a new certificate of the server";
    TlsRejected = "tls.rejected", "kept the old certificate of the server: the new files cannot be used";
    PolicyFailed = "policy.failed", "was refused because a policy could not be evaluated:";
    StandingFound = "standing.found", "found standing access on";
    /// Its rights are others than before.
    StandingChanged = "standing.changed", "found other rights than before in the standing access on";
    StandingGone = "standing.gone", "found the standing access gone from";
    /// Somebody answers for it until a date.
    StandingImported = "standing.imported", "named somebody who answers for the standing access on";
    StandingIgnored = "standing.ignored", "said why the standing access stays on";
    StandingReopened = "standing.reopened", "took back what was said about the standing access on";
    OrphanRemoved = "target.orphan_removed", "removed access that no grant backs on";
    TargetDrifted = "target.drifted", "found a difference on";
    TargetReconciled = "target.reconciled", "compared with its grants, after the database was restored,";
    /// What was signed before is not what the database has.
    LogRewritten = "audit.rewritten", "found that the record was rewritten";
    /// The log goes on in another epoch although what was signed before is not there any more.
    LogRecovered = "audit.recovered", "began another epoch of the record, without what was lost of it";
    /// The log is signed with another key, which the one before vouches for.
    LogKeyRotated = "audit.key_rotated", "changed the key of the record";
    /// Pages of it, or the log itself; many reads of a minute are one event.
    HistoryRead = "audit.read", "read the history";
    ExportStarted = "audit.export_started", "began to export the history";
    /// What an export came to, also when it was broken off.
    HistoryExported = "audit.exported", "exported the history";
    EvidenceTaken = "audit.evidence", "took out the evidence of";
    HistoryErased = "audit.erased", "erased free text and addresses from the history";
    HistoryPruned = "audit.pruned", "pruned the history";
    DeliveryFailed = "delivery.failed", "could not deliver the history to a SIEM";
    DeliveryResumed = "delivery.resumed", "delivers the history to a SIEM again";
    /// It was tried for as long as is configured; what it was about stands in the record anyway.
    NoticeGivenUp = "notice.given_up", "gave up sending a notice";
    NoticesChosen = "notice.chosen", "chose which notices to get";
    /// Another host of the database takes the changes now, or a change survives something else.
    DatabaseSwitched = "database.switched", "went on with another host of its database";
    ServerStarted = "server.started", "started";
    ServerStopped = "server.stopped", "stopped";
    /// With every sign-in over, whatever the backup says.
    ServerRecovered = "server.recovered", "ended every sign-in, because the database was restored";
}

impl std::str::FromStr for EventCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| format!("there is no event `{text}`"))
    }
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    Denied,
    Error,
}

impl Outcome {
    /// Every outcome, for help and completion.
    pub const ALL: [Self; 3] = [Self::Success, Self::Denied, Self::Error];

    /// The word used in filters, tables and exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    Principal(PrincipalRef),
    /// Portcullis itself: a deadline, an end, a reload.
    System,
    /// Somebody who has not proved to be anybody.
    Anonymous,
}

impl Actor {
    /// The name in lists: the principal's, or `portcullis`, or `anonymous`.
    pub fn name(&self) -> &str {
        match self {
            Self::Principal(who) => who.name.as_str(),
            Self::System => "portcullis",
            Self::Anonymous => "anonymous",
        }
    }
}

/// What happened, as the rule that made it happen tells it. The gate adds when, from where and under which trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub code: EventCode,
    pub outcome: Outcome,
    pub actor: Actor,
    /// Whose access it is about, where that is not the actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// What people typed or a target answered: hostile text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Further facts by name; moments and durations as text.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

impl Event {
    /// A successful event with nothing but its code and actor.
    pub fn new(code: EventCode, actor: Actor) -> Self {
        Self {
            code,
            outcome: Outcome::Success,
            actor,
            principal: None,
            target: None,
            role: None,
            request: None,
            grant: None,
            reason: None,
            details: Map::new(),
        }
    }

    /// Sets how it went.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Sets the free text.
    #[must_use]
    pub fn reason(mut self, reason: Option<impl Into<String>>) -> Self {
        self.reason = reason.map(Into::into);
        self
    }

    /// Adds one fact.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Adds one moment, in RFC 3339 with milliseconds.
    #[must_use]
    pub fn moment(self, name: &str, at: DateTime<Utc>) -> Self {
        self.detail(
            name,
            at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        )
    }

    /// One sentence for people. It may contain text that people typed, so it goes through `text::clean` before a terminal.
    pub fn sentence(&self) -> String {
        let mut text = format!("{} {}", self.actor.name(), self.code.phrase());
        if let Some(on) = self.whole() {
            text.push_str(&format!(" {on}"));
            if let Some(reason) = &self.reason {
                text.push_str(&format!(": {reason}"));
            }
            return text;
        }
        if let Some(role) = &self.role {
            text.push_str(&format!(" {role}"));
        }
        if let Some(target) = &self.target {
            text.push_str(&if self.role.is_some() {
                format!(" on {target}")
            } else {
                format!(" {target}")
            });
        }
        // These are done to a person, everything else to a person's access.
        let to_person = matches!(
            self.code,
            EventCode::PrincipalInvited
                | EventCode::SignInRevoked
                | EventCode::ServiceCreated
                | EventCode::ServiceRotated
                | EventCode::ServiceDeleted
                | EventCode::FactorsReset
                | EventCode::TokenMisused
                | EventCode::GroupsChanged
                | EventCode::IdentityLapsed
                | EventCode::IdentityGone
                | EventCode::SealedCodesMade
                | EventCode::SealedCodeRevoked
        );
        if let Some(principal) = self
            .principal
            .as_ref()
            .filter(|name| to_person || name.as_str() != self.actor.name())
        {
            let link = if to_person { "" } else { "for " };
            text.push_str(&format!(" {link}{principal}"));
        }
        if let Some(subject) = self.details.get("subject").and_then(Value::as_str) {
            text.push_str(&format!(" of `{subject}`"));
        }
        if let Some(from) = self.details.get("taken_from").and_then(Value::as_str) {
            text.push_str(&format!(", taken over from {from}"));
        }
        if let Some(reason) = &self.reason {
            text.push_str(&format!(": {reason}"));
        }
        text
    }

    /// What a lock is on; it is not always a target or a person.
    fn whole(&self) -> Option<&str> {
        match self.code {
            EventCode::IncidentStarted | EventCode::LockPlaced | EventCode::LockLifted => {
                self.details.get("on")?.as_str()
            }
            _ => None,
        }
    }
}
