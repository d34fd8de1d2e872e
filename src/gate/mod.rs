//! What a caller may ask for. One function is one transaction: permission, rule, write, commit.
//!
//! The gate alone opens transactions for writing. It knows neither HTTP nor JSON, so the sweeper, the workers and
//! tests call the same functions as the server. It decides nothing itself: `domain` says what happens, the policy
//! says who may ask, and [`crate::store::Tx::apply`] writes it together with the one event that explains it.
//!
//! To add an operation: a function here in the file of its noun that calls `permit`, a transition in `domain`, a
//! line in `server/router.rs`.

pub mod accounts;
pub mod audit;
pub mod break_glass;
pub mod catalog;
mod clock;
mod closing;
pub mod database;
mod deeds;
mod denials;
mod eligible;
pub mod endings;
pub mod erase;
pub mod evidence;
pub mod grants;
pub mod identity;
pub mod incidents;
mod leases;
pub mod locks;
pub mod log;
pub mod notices;
pub mod people;
pub mod policy;
pub mod prune;
pub mod reads;
pub mod recall;
pub mod reconcile;
pub mod requests;
pub mod restore;
mod reviewers;
pub mod schema;
pub mod second_factor;
pub mod sessions;
pub mod siem;
pub mod sight;
pub mod standing;
pub mod sweep;
mod ticket;
pub mod why;
pub mod witness;
pub mod work;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::catalog::Watcher;
use crate::config::{AuditSettings, Notices, TokenSettings};
use crate::domain::break_glass::{BreakGlassRefusal, Limits};
use crate::domain::change::{Change, Record, Step};
use crate::domain::event::Event;
use crate::domain::extent::Place;
use crate::domain::hours::WorkingHours;
use crate::domain::ids::SignInId;
use crate::domain::lock::Lock;
use crate::domain::permit::{Action, permit, permit_at};
use crate::domain::principal::Principal;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{Guarded, LocalAccounts, StepUp};
use crate::domain::sign_in::Method;
use crate::secret::{self, Secret};
use crate::store::apply::NotApplied;
use crate::store::audit::Origin;
use crate::store::fault;
use crate::store::ring::NoPrimary;
use crate::store::settings::Once;
use crate::store::{Store, Tx};

/// Why a call was not answered as asked.
#[derive(Debug)]
pub enum Error {
    /// A rule said no. Nothing was changed, and the caller can do something about it.
    Refused(Refusal),
    /// Something broke. It is logged once, at the edge.
    Fault(anyhow::Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<anyhow::Error> for Error {
    fn from(fault: anyhow::Error) -> Self {
        // Who looks after the hosts of the database has said what is wrong with them, once.
        if let Some(lost) = fault::no_primary(&fault) {
            let NoPrimary { why, is_readable } = lost;
            return Self::Refused(Refusal::NoWritableStore { why, is_readable });
        }
        if fault::is_unknown(&fault) {
            return Self::Refused(Refusal::OutcomeUnknown);
        }
        if fault::is_full(&fault) {
            tracing::error!(
                error = format!("{fault:#}"),
                "the disk of the database is full"
            );
            metrics::counter!("portcullis_database_full_total").increment(1);
            let why = "the disk of the database is full; everything goes on by itself as soon as there is room on it";
            return Self::Refused(Refusal::NoWritableStore {
                why: why.to_owned(),
                is_readable: true,
            });
        }
        if fault::is_passing(&fault) {
            tracing::warn!(
                error = format!("{fault:#}"),
                "the database has too much to do"
            );
            return Self::Refused(Refusal::Busy);
        }
        Self::Fault(fault)
    }
}

impl From<NotApplied> for Error {
    fn from(error: NotApplied) -> Self {
        match error {
            NotApplied::Refused(refusal) => Self::Refused(refusal),
            NotApplied::Fault(fault) => fault.into(),
        }
    }
}

/// Somebody who proved who they are. Only [`Gate::authenticate`] makes one.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    pub sign_in: SignInId,
    /// How, when and with what the sign-in was proved.
    pub how: How,
    /// When the access token ends; streams end with it.
    pub expires_at: DateTime<Utc>,
    pub origin: Origin,
}

/// How a sign-in was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct How {
    pub method: Method,
    pub authenticated_at: DateTime<Utc>,
    /// In the words of RFC 8176.
    pub amr: Vec<String>,
    /// Whether the tokens are bound to a device key.
    pub bound: bool,
    /// When the sign-in itself ends at the latest.
    pub ends_at: DateTime<Utc>,
}

/// What makes a mutation happen once, however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceKey {
    pub key: String,
    /// A digest of the route, the version and the body: what a proof of a second factor is bound to.
    pub digest: String,
    /// The proof that came with the call.
    pub proof: Option<Secret>,
}

/// What says whether a principal may do something in a certain place.
type Allowed<'a> = &'a (dyn Fn(&Principal) -> Result<(), Refusal> + Sync);

/// The gate of one node.
pub struct Gate {
    store: Arc<Store>,
    rules: Arc<Watcher>,
    /// Names this node in leases where the database does not know whether it is there.
    owner: String,
    /// Which other nodes are missed.
    missing: leases::Missing,
    /// Wakes the workers after a commit that promised work.
    promised: tokio::sync::Notify,
    /// Rung when notices were written, so that no channel has to wait for its poll.
    told: tokio::sync::Notify,
    denials: Mutex<HashMap<String, DateTime<Utc>>>,
    reads: reads::Reads,
    work: work::Desk,
    reconcile: reconcile::Seen,
    needs: schema::Needs,
    sessions_lately: sessions::Lately,
    settings: Settings,
    hasher: secret::Hasher,
    /// The proofs of device keys that this node took.
    proofs: people::Seen,
    /// The versions of the policy whose text is in the store.
    kept: Mutex<std::collections::HashSet<String>>,
    /// Looking which policy is in use, and letting it hold, is done by one at a time.
    policy_turn: tokio::sync::Mutex<()>,
    /// Which policy was taken or reported last by this node.
    policy_told: Mutex<Option<String>>,
    /// Where people sign in, if there is such a place.
    provider: Option<identity::Provider>,
    /// What was signed of the log.
    signer: log::Signer,
    /// How the witnesses outside stand.
    witnesses: witness::Desk,
}

/// What a gate is told besides its store and its rules; each with a default that works.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// When people usually ask for access.
    pub hours: WorkingHours,
    /// What holds for sign-ins.
    pub tokens: TokenSettings,
    /// When a second factor has to be proved.
    pub step_up: StepUp,
    /// Who may have a password here.
    pub local_accounts: LocalAccounts,
    /// How long access by break-glass may last.
    pub break_glass: Limits,
    /// How long the history stays, and where it goes.
    pub audit: AuditSettings,
    /// How this node calls itself where the history goes.
    pub host: String,
    /// By which ways people are told.
    pub notices: Notices,
    /// How people reach the server.
    pub server: String,
}

/// A transaction in which one caller may change something.
struct Writing {
    tx: Tx,
    now: DateTime<Utc>,
    /// The caller as the database knows it inside this transaction.
    who: Principal,
    /// Every lock in force.
    locks: Arc<Vec<Lock>>,
    origin: Origin,
    sign_in: SignInId,
    /// How the sign-in was proved.
    method: Method,
    once: OnceKey,
    /// What needs the proof of a second factor before this is committed.
    guarded: Option<Guarded>,
}

/// What became of an idempotency key.
enum Opened {
    /// The call was carried out before; this is the id of its result.
    Before(String),
    Now(Box<Writing>),
}

impl Gate {
    /// Puts a gate before a store.
    pub fn new(store: Arc<Store>, rules: Arc<Watcher>, settings: Settings) -> anyhow::Result<Self> {
        let owner = uuid::Uuid::from_bytes(secret::random::<16>()?).to_string();
        Ok(Self {
            store,
            rules,
            owner,
            missing: leases::Missing::default(),
            promised: tokio::sync::Notify::new(),
            told: tokio::sync::Notify::new(),
            denials: Mutex::new(HashMap::new()),
            reads: reads::Reads::default(),
            work: work::Desk::default(),
            reconcile: reconcile::Seen::default(),
            needs: schema::Needs::default(),
            sessions_lately: sessions::Lately::default(),
            settings,
            hasher: secret::Hasher::default(),
            proofs: people::Seen::default(),
            kept: Mutex::default(),
            policy_turn: tokio::sync::Mutex::default(),
            policy_told: Mutex::default(),
            provider: None,
            signer: log::Signer::default(),
            witnesses: witness::Desk::default(),
        })
    }

    /// Where this node keeps the last checkpoint of the log that it signed.
    #[must_use]
    pub fn with_signer(mut self, signer: log::Signer) -> Self {
        self.signer = signer;
        self
    }

    /// To be called once, before the first call is answered.
    pub async fn begin_proofs(&self) -> Result<(), Error> {
        self.proofs.begin(self.now().await?);
        Ok(())
    }

    /// The store behind the gate, for streams and the sequencer of the same node.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Catalogue and policy in use.
    pub fn rules(&self) -> &Arc<Watcher> {
        &self.rules
    }

    /// Opens a transaction for a caller whose product roles allow the action on every target: looks at the
    /// idempotency key, and at the caller as it is now. `result` is the id that the call is going to answer with.
    async fn open(
        &self,
        caller: &Caller,
        once: &OnceKey,
        result: &str,
        action: Action,
    ) -> Result<Opened, Error> {
        caller.how.method.allows(action)?;
        self.opened(caller, once, result, |who| permit(who, action))
            .await
    }

    /// As `open`, for a caller whose product roles allow the action on some target at least. Which one it is about is
    /// known later, and then `permit_at` has to be asked again.
    async fn open_somewhere(
        &self,
        caller: &Caller,
        once: &OnceKey,
        result: &str,
        action: Action,
    ) -> Result<Opened, Error> {
        let allowed = |who: &Principal| permit_at(who, action, Place::Somewhere);
        self.open_at(caller, once, result, (action, &allowed)).await
    }

    /// As `open`, for an action in the place that `allowed` asks about.
    async fn open_at(
        &self,
        caller: &Caller,
        once: &OnceKey,
        result: &str,
        (action, allowed): (Action, Allowed<'_>),
    ) -> Result<Opened, Error> {
        caller.how.method.allows(action)?;
        self.opened(caller, once, result, allowed).await
    }

    /// As `open`, for what the permission table has no line for. A sealed sign-in is good for nothing of that.
    async fn open_if(
        &self,
        caller: &Caller,
        once: &OnceKey,
        result: &str,
        allowed: impl Fn(&Principal) -> Result<(), Refusal>,
    ) -> Result<Opened, Error> {
        if caller.how.method == Method::Sealed {
            let action = "do this";
            return Err(Refusal::from(BreakGlassRefusal::SealedSignIn { action }).into());
        }
        self.opened(caller, once, result, allowed).await
    }

    async fn opened(
        &self,
        caller: &Caller,
        once: &OnceKey,
        result: &str,
        allowed: impl Fn(&Principal) -> Result<(), Refusal>,
    ) -> Result<Opened, Error> {
        allowed(&caller.principal)?;
        let mut tx = self.store.write().await?;
        let (who, now) = self.held(&mut tx, caller).await?;
        allowed(&who)?;
        let claim = Once {
            digest: once.digest.clone(),
            result: result.to_owned(),
        };
        if !tx.claim(&who.id, &once.key, &claim, now).await? {
            let before = tx.once(&who.id, &once.key).await?.ok_or(Refusal::Busy)?;
            if before.digest != once.digest {
                return Err(Refusal::IdempotencyKeyReused.into());
            }
            // Nothing was written; but the call before may share a commit that is still to come, or be on no standby yet.
            self.store.confirm(tx).await?;
            return Ok(Opened::Before(before.result));
        }
        let locks = Arc::new(tx.locks_in_force(now).await?);
        Ok(Opened::Now(Box::new(Writing {
            tx,
            now,
            who,
            locks,
            origin: caller.origin.clone(),
            sign_in: caller.sign_in.clone(),
            method: caller.how.method,
            once: once.clone(),
            guarded: None,
        })))
    }

    /// The caller as the database knows it, which stays so until the transaction ends, and the present moment.
    async fn held(
        &self,
        tx: &mut Tx,
        caller: &Caller,
    ) -> Result<(Principal, DateTime<Utc>), Error> {
        // INVARIANT: a sign-in that was revoked changes nothing after the revocation committed
        // (`a_revoked_sign_in_changes_nothing_more`).
        let held = tx
            .hold_sign_in(&caller.sign_in)
            .await?
            .ok_or(Refusal::TokenExpired)?;
        let now = self.store.at(held.stamp)?;
        if held.expires_at <= now {
            return Err(Refusal::TokenExpired.into());
        }
        Ok((caller.how.method.reduced(held.principal), now))
    }

    /// Writes what a rule returned and commits it with the idempotency key: all or nothing.
    async fn finish(&self, mut writing: Box<Writing>, change: &Change) -> Result<(), Error> {
        let way = self.prove(&mut writing).await?;
        let change = second_factor::told(change, way);
        writing
            .tx
            .apply(&change, &writing.origin, writing.now)
            .await?;
        self.store.commit(writing.tx).await?;
        self.counted(&change);
        Ok(())
    }

    /// Writes and commits what Portcullis decided by itself.
    async fn apply_own(
        &self,
        mut tx: Tx,
        change: &Change,
        trace: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        tx.apply(
            change,
            &Origin {
                trace: trace.to_owned(),
                channel: "system".to_owned(),
                address: None,
            },
            now,
        )
        .await?;
        self.store.commit(tx).await?;
        self.counted(change);
        Ok(())
    }

    fn counted(&self, change: &Change) {
        for step in change {
            metrics::counter!("portcullis_events_total", "event" => step.event.code.as_str())
                .increment(1);
        }
        if change.iter().any(|step| !step.work.is_empty()) {
            self.promised.notify_one();
        }
    }

    /// Records something that changes no request and no grant: a start, a reload.
    pub async fn record(&self, event: Event) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        self.apply_own(
            tx,
            &vec![Step::new(Record::Nothing, event)],
            &new_trace(),
            now,
        )
        .await
    }

    /// The moment that decisions compare with.
    pub async fn now(&self) -> Result<DateTime<Utc>, Error> {
        Ok(self.glance().await?.1)
    }

    /// As `look`, for exactly one query.
    async fn glance(&self) -> Result<(Tx, DateTime<Utc>), Error> {
        let mut tx = self.store.glance().await?;
        let now = self.store.now(&mut tx).await?;
        Ok((tx, now))
    }

    /// Begins to read, at a moment of the database's clock.
    async fn look(&self) -> Result<(Tx, DateTime<Utc>), Error> {
        let mut tx = self.store.read().await?;
        let now = self.store.now(&mut tx).await?;
        Ok((tx, now))
    }

    /// The same for a search, which ends when nobody waits for it any more.
    async fn search(&self) -> Result<(Tx, DateTime<Utc>), Error> {
        let mut tx = self.store.search().await?;
        let now = self.store.now(&mut tx).await?;
        Ok((tx, now))
    }

    /// Figures that are looked up when somebody asks for metrics.
    pub async fn measure(&self) -> Result<(), Error> {
        let (mut tx, now) = self.look().await?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of rows is far below 2^52"
        )]
        metrics::gauge!("portcullis_endings_overdue").set(tx.overdue(now).await? as f64);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of rows is far below 2^52"
        )]
        metrics::gauge!("portcullis_standing_open").set(tx.open_standing(now).await? as f64);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of rows is far below 2^52"
        )]
        metrics::gauge!("portcullis_audit_events").set(tx.log_size().await? as f64);
        drop(tx);
        self.measure_siem().await?;
        self.measure_notices().await?;
        self.measure_witnesses().await
    }
}

/// A fresh trace: what events of one call and of the work that follows from it have in common.
pub fn new_trace() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

fn hex(hash: &[u8]) -> String {
    hash.iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Fifty random bits for an identifier.
fn new_bits() -> Result<u64, Error> {
    Ok(u64::from_be_bytes(
        secret::random::<8>().context("making an identifier")?,
    ))
}
