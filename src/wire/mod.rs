//! JSON bodies shared by server and client. Moments are RFC 3339 in UTC with milliseconds, durations are text
//! like `1h30m`, names and ids are as people write them, and unknown fields in calls are refused.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod break_glass;
mod entry;
mod event;
pub mod evidence;
pub mod export;
mod facet;
mod grant;
mod histogram;
mod identity;
mod incident;
mod leaving;
mod lock;
mod log;
mod notice;
mod person;
mod policy;
pub mod problem;
mod receipt;
mod report;
mod request;
mod schema;
mod second_factor;
mod service;
mod session;
mod standing;
mod target;
mod why;

pub use break_glass::{
    BreakGlassView, NewBreakGlass, NewSealedCodes, SealedCodeText, SealedCodeView, SealedCodes,
    SealedSignIn, SignOff, SignOffView,
};
pub use entry::{EntryError, LogEntry, Recovered, SCHEMA, Signed, SignedActor, hash_of_text};
pub use event::{ActorView, EventView, Recorded};
pub use evidence::{EvidenceEvent, EvidenceMade, EvidencePolicy, EvidenceView};
pub use export::ExportPage;
pub use facet::{Facet, Facets};
pub use grant::{
    CredentialAsk, CredentialView, GrantView, NewExtension, OverrideView, OverrideWord, Revocation,
};
pub use histogram::{Bucket, Histogram};
pub use identity::{
    DeviceFinish, DeviceFinished, DeviceKeyView, DeviceStart, DeviceStarted, NewDeviceKey,
    ProviderFinish, ProviderStart, ProviderStarted, SignInWays,
};
pub use incident::{
    IncidentCommit, IncidentItem, IncidentPreview, IncidentPreviewAsk, IncidentReceipt,
    IncidentScope, IncidentSummary, IncidentView,
};
pub use leaving::{DeliveryView, Erased, Erasure, PruneView, Pruning};
pub use lock::{Lifting, LockOn, LockView, NewLock};
pub use log::{CheckpointView, EventProofView, LogLinkView, LogRecovery, RecoveryProofView};
pub use notice::{MailView, NoticeKindView, NoticeWishes, NoticesView, QuietHours};
pub use person::{Invitation, InvitationCode, Me, Refresh, SignIn, SignInHow, SignInView, Tokens};
pub use policy::{PolicyApply, PolicyStatus, PolicyText, PolicyWaiting};
pub use problem::{Problem, ProblemSpan};
pub use receipt::{ReceiptStep, ReceiptView};
pub use report::{HostKey, HostReport, UnreadKeys};
pub use request::{
    Approval, ClaimView, Denial, HistoryView, NarrowView, NeedView, NewRequest, RequestView,
    ReviewView, SignalView, WayView,
};
pub use second_factor::{
    FactorAnswer, FactorConfirmed, FactorToConfirm, FactorView, Factors, NewFactor, NewPassword,
    PasskeyAsk, PasskeyQuestion, PasswordPasskey, PasswordSignIn, RecoveryCodes, StepUp,
    StepUpProof, StepUpStart, StepUpToken,
};
pub use service::{NewService, ServiceRotation, ServiceToken, ServiceView};
pub use session::{SessionEnd, SessionEnded, SessionSource, SessionView, Sessions};
pub use standing::{StandingImport, StandingView, StandingWord};
pub use target::{ReportedView, RoleView, TargetView};
pub use why::{
    ConditionLine, PolicyAnswer, PolicyLine, PolicyQuestion, PolicyTold, ReplayAsk, ReplayPage,
    ReplayView, WhyView, WhyWay,
};

/// One page of a list, newest first unless the list says otherwise. There is no total: counting is not free.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give this as `after` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// What a caller may do with one row at this moment, so that no client offers what would be refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AllowedAction {
    /// `approve`, `deny`, `withdraw`, `claim`, `release`, `extend`, `return`, `revoke`, `connect`, `end`, `lift`, `sign_off`,
    /// `ignore`, `import` or `reopen`.
    pub action: String,
    pub allowed: bool,
    /// Why not, as a sentence; present when `allowed` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}
