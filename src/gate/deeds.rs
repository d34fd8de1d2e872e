//! What policy says about asking, reviewing, extending, revoking and locking, on top of product roles and groups.
//!
//! To let policy govern one more thing: a `Deed` with its action in the schema, and a function here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::catalog::Rulebook;
use crate::domain::break_glass::Use;
use crate::domain::grant::Grant;
use crate::domain::ids::{PrincipalId, RoleName, TargetName};
use crate::domain::lock::{Blocked, Lock};
use crate::domain::policy::{
    self, Deed, Denial, Doing, Explained, Outcome, Policy, Snapshot, Verdict,
};
use crate::domain::principal::{Principal, PrincipalRef};
use crate::domain::refusal::{Cause, Refusal};
use crate::domain::request::{Request, RequestKind};
use crate::domain::review::Narrowing;
use crate::domain::span::Span;
use crate::domain::target::Target;
use crate::store::Tx;

use super::grants::SeenGrant;
use super::locks::SeenLock;
use super::requests::SeenRequest;
use super::{Error, Gate, Writing};

/// How many policies a refusal tells about: those that said no, then those that came nearest to a yes.
const TOLD: usize = 5;
/// Failures that were logged already. A policy that cannot be evaluated is asked again and again.
static LOGGED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
/// Beyond this many different failures the log has said enough.
const LOGGED_MAX: usize = 1_000;

/// What is reviewed, as a policy about reviewing sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reviewed<'a> {
    pub owner: &'a Principal,
    pub target: &'a Target,
    pub role: &'a RoleName,
    pub kind: RequestKind,
    pub duration: Span,
    pub ticket: Option<&'a str>,
    pub now: DateTime<Utc>,
}

impl<'a> Reviewed<'a> {
    pub(super) fn by(self, who: &'a Principal, deed: Deed) -> Doing<'a> {
        Doing {
            deed,
            who,
            target: self.target,
            owner: Some(self.owner),
            role: Some(self.role),
            kind: Some(self.kind),
            duration: Some(self.duration),
            ticket: self.ticket,
            on: None,
            now: self.now,
        }
    }
}

impl Gate {
    /// Keeps the text of a policy that is about to be used; answers the version to be remembered after the commit.
    pub(super) async fn keep_policy(
        &self,
        writing: &mut Writing,
        policy: &Policy,
    ) -> Result<Option<String>, Error> {
        let version = policy.version();
        let known = |kept: &HashSet<String>| kept.contains(version);
        if known(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(None);
        }
        let zone = policy.zone().to_string();
        writing
            .tx
            .keep_policy(version, policy.text(), &zone, writing.now)
            .await?;
        Ok(Some(version.to_owned()))
    }

    /// Remembers that the text of this version is in the store.
    pub(super) fn policy_kept(&self, version: Option<String>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(version);
    }
}

/// Asks the policy about access. A denial that comes from a broken policy raises an alarm: its owner has to look.
pub(super) fn decide(policy: &Policy, ask: &policy::Ask<'_>) -> Result<Snapshot, Refusal> {
    decide_as(policy, Deed::Request, ask)
}

/// As `decide`, for another way to have access.
pub(super) fn decide_as(
    policy: &Policy,
    deed: Deed,
    ask: &policy::Ask<'_>,
) -> Result<Snapshot, Refusal> {
    match policy.decide_as(deed, ask) {
        Verdict::Permitted { ways } => Ok(policy.snapshot(ways)),
        Verdict::Denied(denial) => {
            let (_, explained) = policy.explain(deed, ask);
            Err(refusal(policy, denial, nearest(explained)))
        }
    }
}

/// The policies that said no, and the permits that came nearest.
fn nearest(mut explained: Vec<Explained>) -> Vec<Explained> {
    let rank = |one: &Explained| match (one.outcome, one.effect.as_str()) {
        (Outcome::Error, _) => 0,
        (Outcome::Matched, "forbid") => 1,
        (Outcome::TooShort, _) => 2,
        (_, "permit") => 3,
        _ => 4,
    };
    explained.retain(|one| rank(one) < 4);
    explained.sort_by_key(|one| (rank(one), std::cmp::Reverse(one.held()), one.line));
    explained.truncate(TOLD);
    explained
}

fn refusal(policy: &Policy, denial: Denial, policies: Vec<Explained>) -> Refusal {
    for error in &denial.errors {
        metrics::counter!("portcullis_policy_errors_total").increment(1);
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() < LOGGED_MAX && logged.insert(format!("{} {error}", policy.version())) {
            tracing::error!(
                policy.version = policy.version(),
                error,
                "a policy could not be evaluated; the answer was no, and is no until the policy is repaired"
            );
        }
    }
    Refusal::PolicyDenied {
        why: denial.why,
        cause: Box::new(Cause {
            version: policy.version().to_owned(),
            policies,
            errors: denial.errors,
        }),
    }
}

fn may(policy: &Policy, doing: &Doing<'_>) -> Result<(), Refusal> {
    policy.may(doing).map_err(|denial| {
        let told = denial
            .by
            .iter()
            .filter_map(|cited| policy.rules().find(|rule| rule.id == cited.id));
        let told = told.map(|rule| Explained::cited(rule, !denial.errors.is_empty()));
        let told = told.collect();
        refusal(policy, denial, told)
    })
}

/// Whether policy lets the caller decide this request.
pub(super) async fn may_review(
    writing: &mut Writing,
    rules: &Rulebook,
    request: &Request,
    narrowed: &Narrowing,
) -> Result<(), Error> {
    if !rules.policy.governs(Deed::Review) {
        return Ok(());
    }
    let Some(target) = target(rules, &request.target) else {
        return Ok(());
    };
    let owner = person(&mut writing.tx, &request.requester).await?;
    let terms = request.terms();
    let about = Reviewed {
        owner: &owner,
        target,
        role: narrowed.role.as_ref().unwrap_or(&terms.role),
        kind: request.kind,
        duration: narrowed.duration.unwrap_or(terms.duration),
        ticket: request.ticket.as_deref(),
        now: writing.now,
    };
    Ok(may(&rules.policy, &about.by(&writing.who, Deed::Review))?)
}

/// The people whose requests or grants these are, where policy has a say in one of these deeds; nobody otherwise, so
/// that lists cost nothing more where it has none.
pub(super) async fn owners<'a>(
    tx: &mut Tx,
    policy: &Policy,
    deeds: &[Deed],
    ids: impl Iterator<Item = &'a PrincipalId>,
) -> Result<HashMap<PrincipalId, Arc<Principal>>, Error> {
    if !deeds.iter().any(|deed| policy.governs(*deed)) {
        return Ok(HashMap::new());
    }
    let found = tx.principals(&ids.collect::<BTreeSet<_>>()).await?;
    let found = found.into_iter().map(|who| (who.id.clone(), Arc::new(who)));
    Ok(found.collect())
}

/// What policy says, for lists: whoever tries is told more, and a broken policy is an alarm then.
fn said(policy: &Policy, doing: &Doing<'_>) -> Result<(), Refusal> {
    policy.may(doing).map_err(|denial| Refusal::PolicyDenied {
        why: denial.why,
        cause: Box::default(),
    })
}

impl SeenRequest {
    /// What policy says to a review by this person.
    pub fn policy_says(&self, rules: &Rulebook, who: &Principal) -> Result<(), Refusal> {
        let request = &self.request;
        let (Some(owner), Some(target)) = (&self.owner, target(rules, &request.target)) else {
            return Ok(());
        };
        let terms = request.terms();
        let about = Reviewed {
            owner,
            target,
            role: &terms.role,
            kind: request.kind,
            duration: terms.duration,
            ticket: request.ticket.as_deref(),
            now: self.now,
        };
        said(&rules.policy, &about.by(who, Deed::Review))
    }
}

impl SeenGrant {
    /// What policy says to a deed of this person: that they extend it, or revoke it.
    pub fn policy_says(
        &self,
        rules: &Rulebook,
        who: &Principal,
        deed: Deed,
    ) -> Result<(), Refusal> {
        let grant = &self.grant;
        let (Some(owner), Some(target)) = (&self.owner, target(rules, &grant.target)) else {
            return Ok(());
        };
        if deed == Deed::Extend {
            let about = Reviewed {
                owner,
                target,
                role: &grant.role,
                kind: RequestKind::Extend,
                duration: Span::MINUTE,
                ticket: None,
                now: self.now,
            };
            return said(&rules.policy, &about.by(who, deed));
        }
        let doing = revoking(who, owner, target, grant, self.now);
        said(&rules.policy, &doing)
    }
}

impl SeenLock {
    /// What policy says to a lift by this person.
    pub fn policy_says(&self, rules: &Rulebook, who: &Principal) -> Result<(), Refusal> {
        let owner = self.owner.as_deref();
        let ask = |doing: &Doing<'_>| said(&rules.policy, doing);
        locking(rules, &self.lock, (who, owner), self.now, ask)
    }
}

fn revoking<'a>(
    who: &'a Principal,
    owner: &'a Principal,
    target: &'a Target,
    grant: &'a Grant,
    now: DateTime<Utc>,
) -> Doing<'a> {
    Doing {
        deed: Deed::Revoke,
        who,
        target,
        owner: Some(owner),
        role: Some(&grant.role),
        kind: None,
        duration: None,
        ticket: None,
        on: None,
        now,
    }
}

/// Asks about a lock on every target that it bears on, and on one of those that are alike to the policy.
fn locking(
    rules: &Rulebook,
    lock: &Lock,
    (who, owner): (&Principal, Option<&Principal>),
    now: DateTime<Utc>,
    ask: impl Fn(&Doing<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if !rules.policy.governs(Deed::Lock) {
        return Ok(());
    }
    let role = match &lock.on {
        Blocked::Role(_, role) => Some(role),
        _ => None,
    };
    let alike = rules.policy.ignores_names(Deed::Lock);
    let mut asked = BTreeSet::new();
    for entry in rules.catalog.targets.values() {
        let target = &entry.target;
        if !lock.on.bears_on(&target.name, &target.tags)
            || (alike && !asked.insert((target.kind, &target.tags)))
        {
            continue;
        }
        ask(&Doing {
            deed: Deed::Lock,
            who,
            target,
            owner,
            role,
            kind: None,
            duration: None,
            ticket: None,
            on: Some(lock.on.kind()),
            now,
        })?;
    }
    Ok(())
}

/// Whether policy lets the caller sign this use off: it is a review that comes afterwards.
pub(super) async fn may_sign_off(
    writing: &mut Writing,
    rules: &Rulebook,
    of: &Use,
) -> Result<(), Error> {
    if !rules.policy.governs(Deed::Review) {
        return Ok(());
    }
    let Some(target) = target(rules, &of.target) else {
        return Ok(());
    };
    let owner = person(&mut writing.tx, &of.person).await?;
    let about = Reviewed {
        owner: &owner,
        target,
        role: &of.role,
        kind: RequestKind::BreakGlass,
        duration: of.duration,
        ticket: of.ticket.as_deref(),
        now: writing.now,
    };
    Ok(may(&rules.policy, &about.by(&writing.who, Deed::Review))?)
}

/// Whether policy lets somebody prolong the grant of another.
pub(super) fn may_extend(
    policy: &Policy,
    who: &Principal,
    about: Reviewed<'_>,
) -> Result<(), Refusal> {
    may(policy, &about.by(who, Deed::Extend))
}

/// Whether policy lets the caller take this grant away.
pub(super) async fn may_revoke(
    writing: &mut Writing,
    rules: &Rulebook,
    grant: &Grant,
) -> Result<(), Error> {
    if !rules.policy.governs(Deed::Revoke) {
        return Ok(());
    }
    let Some(target) = target(rules, &grant.target) else {
        return Ok(());
    };
    let owner = person(&mut writing.tx, &grant.holder).await?;
    let doing = revoking(&writing.who, &owner, target, grant, writing.now);
    Ok(may(&rules.policy, &doing)?)
}

/// Whether policy lets the caller place or lift this lock, on every target that it bears on.
pub(super) async fn may_lock(
    writing: &mut Writing,
    rules: &Rulebook,
    lock: &Lock,
) -> Result<(), Error> {
    if !rules.policy.governs(Deed::Lock) {
        return Ok(());
    }
    let owner = match &lock.on {
        Blocked::Principal(who) => Some(person(&mut writing.tx, who).await?),
        _ => None,
    };
    let ask = |doing: &Doing<'_>| may(&rules.policy, doing);
    let people = (&writing.who, owner.as_ref());
    Ok(locking(rules, lock, people, writing.now, ask)?)
}

/// A target of the catalogue, or one that was there when the server started: what is open on it can still be ended.
fn target<'a>(rules: &'a Rulebook, name: &TargetName) -> Option<&'a Target> {
    let retired = rules.catalog.retired.get(name).map(|entry| &entry.target);
    rules.catalog.target(name).or(retired)
}

async fn person(tx: &mut Tx, who: &PrincipalRef) -> Result<Principal, Error> {
    Ok(tx
        .principal(&who.id)
        .await?
        .ok_or_else(|| anyhow::anyhow!("{} is gone", who.id))?)
}
