//! Making a grant real on its target, and unreal again. One file per kind of target.
//!
//! A connector is told what should be (`up`, `down`) and brings the target there; every call may be repeated, on any
//! node, after any crash, and leads to the same state. It never decides who may have what, never touches the
//! store, and never claims an end that it has not read back from the target.
//!
//! To add one: a variant in `domain::target::TargetKind`; a file or folder here with its `Settings`, its `RoleSettings` and a
//! `Connector`; its arms in `settings.rs`, where the compiler asks for them; and a `Stand` in
//! `tests/targets/`, where one conformance body runs over every kind against the real server. Where nothing is handed out
//! `OwnAccount` is its credential; a new kind of credential also has a view in `wire` and an arm in `cli::connect`.

pub mod command;
pub mod kubernetes;
pub mod ldap;
mod names;
pub mod postgres;
mod receipt;
mod settings;
pub mod ssh;
pub mod webhook;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::domain::ids::{GrantId, PrincipalName, RoleName, TargetName};
use crate::domain::standing::Found;
use crate::domain::target::EnforcementClass;
use crate::secret::Key;

pub use names::{Installation, object_of};
pub use receipt::{Receipt, Step, Steps};
pub use settings::{KindRole, KindSettings, SettingsProblem, connector};

/// Where a connector runs: what it may derive secrets from, and how it tells its objects from those of others.
#[derive(Debug, Clone)]
pub struct Environment {
    pub installation: Installation,
    /// The master key; the same on every node.
    pub key: Key,
}

/// One grant as a connector sees it: who, what, until when, and in which order of changes.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    pub grant: &'a GrantId,
    pub role: &'a RoleName,
    pub holder: &'a PrincipalName,
    pub ends_at: DateTime<Utc>,
    /// Grows with every change of the grant; a change with a lower epoch comes too late and is refused.
    pub epoch: i64,
    /// When the last credential that was handed out ends by itself; stored before it is handed out.
    pub last_credential_ends_at: Option<DateTime<Utc>>,
    /// The database's clock, read just before the call.
    pub now: DateTime<Utc>,
    /// Who wants to know of each step of an ending as it is acknowledged, and not only when all are done.
    pub heard: Option<&'a Steps>,
}

/// What `up` will make, for people who look before they approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The name of the object on the target, where there is one.
    pub object: Option<String>,
    /// Sentences in the order in which it happens.
    pub steps: Vec<String>,
}

/// The target has acknowledged the access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Up {
    pub object: Option<String>,
    /// What the target's own clock said, where it has one that matters.
    pub target_clock: Option<DateTime<Utc>>,
}

/// How far the end of an access has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down {
    /// Nothing of the grant works on the target any more, and that was read back.
    Gone(Receipt),
    /// Something that was handed out cannot be taken back and works until this moment; call again then.
    Until(DateTime<Utc>, String),
}

/// All that is ours on a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    pub objects: Vec<Observed>,
    /// What makes the target weaker than its class promises, as sentences for its owner.
    pub warnings: Vec<String>,
    /// What lets somebody in although it is not ours; none where the target cannot be asked.
    pub standing: Option<Vec<Found>>,
}

/// One object of ours on a target, known or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    pub object: String,
    pub grant: GrantId,
    pub live_sessions: u32,
    /// When the target stops it by itself; `None` means never.
    pub valid_until: Option<DateTime<Utc>>,
    /// In what it differs from what we made, as sentences.
    pub drift: Vec<String>,
}

/// One live connection under a grant, as far as the target tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    pub grant: GrantId,
    /// The target's own name for it: letters, digits, `.` and `-`, never given out again for another one.
    pub id: String,
    pub started_at: Option<DateTime<Utc>>,
    /// Where it comes from.
    pub address: Option<String>,
    /// The program, as it calls itself: hostile text.
    pub program: Option<String>,
    pub activity: Option<Activity>,
    /// The last command, at most [`Live::COMMAND_MAX`] characters: hostile text.
    pub command: Option<String>,
}

impl Live {
    /// Longer commands are cut: this is for recognising a session, not for reading its work.
    pub const COMMAND_MAX: usize = 500;
}

/// What a session does at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    Running,
    Idle,
    /// Idle, and holding what its transaction has touched.
    IdleInTransaction,
}

impl Activity {
    /// The word used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle_in_transaction",
        }
    }
}

/// The live sessions of a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    pub sessions: Vec<Live>,
    /// Why some or all are missing, as a sentence.
    pub incomplete: Option<String>,
}

/// What came of ending one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionOutcome {
    /// It was told to end, and the target was asked whether it is gone.
    Ended,
    /// There is no such session of this grant, or no longer.
    Gone,
}

/// What the holder of a grant brings along to get a credential.
#[derive(Debug, Clone, Copy)]
pub enum CredentialAsk<'a> {
    /// Nothing: the target wants a password.
    Password,
    /// A public key in OpenSSH's one-line form, to be certified.
    PublicKey(&'a str),
}

/// What opens the target for the holder of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Postgres(postgres::Login),
    Ssh(ssh::Certified),
    OwnAccount(OwnAccount),
}

/// The target knows the holder already, and nothing is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAccount {
    /// What the grant has made of the holder's own account, as half a sentence.
    pub what: String,
    pub ends_at: DateTime<Utc>,
}

impl OwnAccount {
    /// What there is to say while the grant lasts.
    fn of(access: &Access<'_>, what: String) -> Result<Self, Failure> {
        if access.ends_at <= access.now {
            return Err(Failure::permanent(format!(
                "the grant `{}` is over",
                access.grant
            )));
        }
        Ok(Self {
            what,
            ends_at: access.ends_at,
        })
    }
}

impl Credential {
    /// When it stops working by itself. Store this before handing the credential out: `down` relies on it.
    pub fn ends_at(&self) -> DateTime<Utc> {
        match self {
            Self::Postgres(login) => login.ends_at,
            Self::Ssh(certified) => certified.ends_at,
            Self::OwnAccount(own) => own.ends_at,
        }
    }
}

/// Something the owner of a target does once before Portcullis can work there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preparation {
    /// What to do, as a sentence.
    pub what: String,
    /// What to paste.
    pub text: String,
}

/// Why a target did not do what it was told, as one sentence without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Whether trying again cannot help until somebody changes something. An end is tried again all the same.
    pub permanent: bool,
    pub message: String,
    /// How long the target wants to be left alone, where it says so.
    pub not_before: Option<std::time::Duration>,
}

impl Failure {
    /// A failure that may pass by itself.
    pub fn passing(message: impl Into<String>) -> Self {
        Self {
            permanent: false,
            message: tidy(&message.into()),
            not_before: None,
        }
    }

    /// The same failure of a target that wants to be left alone for some time.
    #[must_use]
    pub fn not_before(self, wait: Option<std::time::Duration>) -> Self {
        Self {
            not_before: wait,
            ..self
        }
    }

    /// A failure that stays until somebody changes something.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self {
            permanent: true,
            message: tidy(&message.into()),
            not_before: None,
        }
    }
}

/// Brings access on one target to what it should be. See the module for what every implementation keeps.
pub trait Connector: Send + Sync {
    /// Who makes sure that access on this target ends.
    fn class(&self) -> EnforcementClass;

    /// The name or address that `ssh` is given, for a kind that is entered by it.
    fn host(&self) -> Option<&str> {
        None
    }

    /// What `up` would make. It does not ask the target.
    fn plan(&self, access: &Access<'_>) -> Plan;

    /// Makes the access, or brings it to another end when it is there already.
    ///
    /// INVARIANT: refused once a `down` of the grant has begun or a higher epoch was seen, on targets that can remember
    /// it; see `a_late_up_cannot_undo_a_down`.
    fn up<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Up, Failure>>;

    /// Takes the access away and cuts its sessions. Each step is noted as soon as the target has acknowledged it
    /// (`Receipt::note`), so that it is on record also where a later one fails.
    ///
    /// INVARIANT: `Down::Gone` is only said after the target was asked whether anything is left.
    fn down<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Down, Failure>>;

    /// A list for the target itself of what was handed out for these grants, has not ended, and must not be accepted any
    /// more; none where what is handed out can be taken back.
    fn revocations(
        &self,
        _over: &[Access<'_>],
        _now: DateTime<Utc>,
    ) -> Option<Result<Vec<u8>, Failure>> {
        None
    }

    /// The fingerprint of what signs access to this target, for one that nobody can look at and that reports itself who
    /// gets in beside grants; none for the others.
    fn authority(&self) -> Option<Result<String, Failure>> {
        None
    }

    /// What makes such a target report, as the one with this name, to the server with this address.
    fn reporting(&self, _name: &TargetName, _server: &str) -> Option<Preparation> {
        None
    }

    /// After `Down::Until`: tells the target not to accept what was handed out for these grants, among which is the one
    /// that ends. None where it cannot be told.
    ///
    /// INVARIANT: a receipt is only given after the target has refused the grant.
    fn recall<'a>(
        &'a self,
        _access: Access<'a>,
        _over: &'a [Access<'a>],
    ) -> BoxFuture<'a, Result<Option<Receipt>, Failure>> {
        std::future::ready(Ok(None)).boxed()
    }

    /// Lists every object of this installation on the target; takes no hints about what should be there.
    fn observe(&self) -> BoxFuture<'_, Result<Observation, Failure>>;

    /// Takes away an object that no grant backs, as `down` would.
    fn remove_orphan<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Receipt, Failure>>;

    /// Lists the live sessions of every grant on the target. What a holder does is often between them and the target, and
    /// nothing of it comes back here.
    fn sessions(&self) -> BoxFuture<'_, Result<Reported, Failure>> {
        std::future::ready(Ok(Reported {
            sessions: Vec::new(),
            incomplete: Some("this kind of target does not report sessions".to_owned()),
        }))
        .boxed()
    }

    /// Ends one session, which leaves the grant as it is.
    ///
    /// INVARIANT: nothing but this session of this grant is touched, and `Ended` is only said after the target was asked
    /// whether it is gone.
    fn end_session<'a>(
        &'a self,
        _access: Access<'a>,
        _session: &'a str,
    ) -> BoxFuture<'a, Result<SessionOutcome, Failure>> {
        std::future::ready(Err(Failure::permanent(
            "this kind of target does not report sessions, so none of them can be ended alone",
        )))
        .boxed()
    }

    /// Makes what the holder logs in with. The caller has authorised this and stores `Credential::ends_at` first.
    fn credential<'a>(
        &'a self,
        access: Access<'a>,
        ask: CredentialAsk<'a>,
    ) -> BoxFuture<'a, Result<Credential, Failure>>;

    /// What the owner of the target does once, in order.
    fn preparation(&self) -> Vec<Preparation>;
}

/// Targets answer with text that others wrote: one line, no control characters, no novel.
fn tidy(text: &str) -> String {
    const LONGEST: usize = 400;
    let clean = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    clean.take(LONGEST).collect()
}
