//! Domain records as the bodies of `wire`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::catalog::Catalog;
use crate::domain::allowed::{self, Allowed, Around};
use crate::domain::break_glass;
use crate::domain::grant::Grant;
use crate::domain::ids::TargetName;
use crate::domain::lock::{Blocked, Locks};
use crate::domain::policy::{Deed, Verdict, Way};
use crate::domain::principal::Principal;
use crate::domain::request::{RequestKind, RequestState};
use crate::domain::review::{self, Review};
use crate::domain::signal::Signal;
use crate::domain::span::Span;
use crate::gate::Gate;
use crate::gate::break_glass::{SeenCode, SeenUse};
use crate::gate::catalog::SeenTarget;
use crate::gate::grants::SeenGrant;
use crate::gate::locks::{SeenLock, bearing};
use crate::gate::requests::SeenRequest;
use crate::gate::sight::place;
use crate::store::audit::Entry;
use crate::targets::Credential;
use crate::wire::{
    AllowedAction, BreakGlassView, ClaimView, CredentialView, EventView, GrantView, HistoryView,
    LockOn, LockView, NarrowView, NeedView, OverrideView, ReportedView, RequestView, ReviewView,
    RoleView, SealedCodeView, SignOffView, SignalView, TargetView, WayView,
};

pub(super) fn actions(allowed: Vec<Allowed>) -> Vec<AllowedAction> {
    allowed
        .into_iter()
        .map(|(action, allowed)| AllowedAction {
            action: action.to_owned(),
            allowed: allowed.is_ok(),
            reason: allowed.err().map(|refusal| refusal.text()),
        })
        .collect()
}

/// A request as `who` sees it.
pub fn request(gate: &Gate, seen: &SeenRequest, who: &Principal) -> RequestView {
    let (request, now) = (&seen.request, seen.now);
    let rules = gate.rules().current();
    let terms = request.terms();
    let from = request.decided_at.unwrap_or(now);
    let would_end_at = match (request.kind, &seen.parent) {
        (RequestKind::Extend, Some(grant)) if request.state == RequestState::Pending => {
            grant.expires_at + terms.duration.to_chrono()
        }
        (RequestKind::Extend, Some(grant)) => grant.expires_at,
        _ => terms.not_before.unwrap_or(from).max(from) + terms.duration.to_chrono(),
    };
    RequestView {
        id: request.id.to_string(),
        kind: request.kind.as_str().to_owned(),
        state: request.state.as_str().to_owned(),
        requester: request.requester.name.to_string(),
        target: request.target.to_string(),
        role: request.role.to_string(),
        duration: request.duration.to_string(),
        not_before: terms.not_before,
        reason: request.reason.clone(),
        ticket: request.ticket.clone(),
        role_granted: terms.role.to_string(),
        duration_granted: terms.duration.to_string(),
        would_end_at,
        verdict: request.snapshot.sentence(),
        policy_version: request.snapshot.policy_version.clone(),
        ways: request
            .snapshot
            .ways
            .iter()
            .map(|way| way_view(way, &request.reviews))
            .collect(),
        reviews: request.reviews.iter().map(review_view).collect(),
        history: HistoryView {
            grants_30d: u32::try_from(seen.history.grants).unwrap_or(u32::MAX),
            revoked_30d: u32::try_from(seen.history.revoked).unwrap_or(u32::MAX),
            last_at: seen.history.last_at,
            longest: seen
                .history
                .longest_seconds
                .and_then(|seconds| Span::from_seconds(u64::try_from(seconds).ok()?).ok())
                .map(|span| span.to_string()),
        },
        signals: seen.signals.iter().map(signal_view).collect(),
        claim: request.claim_at(now).map(|claim| ClaimView {
            by: claim.by.name.to_string(),
            since: claim.since,
            until: claim.until,
        }),
        tags: tags(&rules.catalog, &request.target),
        enforcement: rules
            .catalog
            .target(&request.target)
            .map(|target| target.enforcement.as_str().to_owned()),
        created_at: request.created_at,
        decide_by: request.decide_by,
        decided_at: request.decided_at,
        grant: request.grant.as_ref().map(ToString::to_string),
        version: request.version,
        allowed_actions: actions(allowed::on_request(
            who,
            request,
            Around {
                locks: bearing(&seen.locks, &rules.catalog, &request.target),
                policy: &|_| seen.policy_says(&rules, who),
                now,
            },
        )),
    }
}

fn signal_view(signal: &Signal) -> SignalView {
    SignalView {
        code: signal.code.to_owned(),
        word: signal.word.clone(),
        why: signal.why.clone(),
    }
}

fn way_view(way: &Way, reviews: &[Review]) -> WayView {
    WayView {
        policy: way.policy_id.clone(),
        line: way.line,
        threshold: way.threshold,
        approvals: review::approvals_for(way, reviews),
        reviewers: match way.reviewers.as_slice() {
            [] => None,
            [one] => Some(one.group.to_string()),
            _ => Some(
                way.groups()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" and "),
            ),
        },
        needs: if way.reviewers.len() > 1 {
            needs(way, reviews)
        } else {
            Vec::new()
        },
        max_duration: way.max_duration.to_string(),
        max_total: way.max_total.to_string(),
    }
}

/// What each group of a way has to give, and who counts there.
pub(super) fn needs(way: &Way, reviews: &[Review]) -> Vec<NeedView> {
    let counted = review::counted(way, reviews);
    way.reviewers
        .iter()
        .zip(counted)
        .map(|(needed, counted)| NeedView {
            group: needed.group.to_string(),
            threshold: needed.count,
            approved_by: counted
                .iter()
                .map(|review| review.reviewer.name.to_string())
                .collect(),
        })
        .collect()
}

fn review_view(review: &Review) -> ReviewView {
    ReviewView {
        reviewer: review.reviewer.name.to_string(),
        decision: review.decision.as_str().to_owned(),
        comment: review.comment.clone(),
        narrowed: NarrowView {
            duration: review
                .narrowed
                .duration
                .map(|duration| duration.to_string()),
            role: review.narrowed.role.as_ref().map(ToString::to_string),
            not_before: review.narrowed.not_before,
        },
        created_at: review.created_at,
    }
}

/// A grant as `who` sees it.
pub fn grant(gate: &Gate, seen: &SeenGrant, who: &Principal) -> GrantView {
    let grant = &seen.grant;
    let rules = gate.rules().current();
    GrantView {
        id: grant.id.to_string(),
        request: grant.request.to_string(),
        state: grant.state.as_str().to_owned(),
        holder: grant.holder.name.to_string(),
        target: grant.target.to_string(),
        target_kind: rules
            .catalog
            .target(&grant.target)
            .map(|target| target.kind.as_str().to_owned()),
        enforcement: rules
            .catalog
            .connector(&grant.target)
            .map(|connector| connector.class().as_str().to_owned()),
        role: grant.role.to_string(),
        tags: tags(&rules.catalog, &grant.target),
        break_glass: seen.broke_glass,
        reason: grant.reason.clone(),
        duration: grant.duration.to_string(),
        max_total: grant.max_total.to_string(),
        not_before: grant.not_before,
        starts_at: grant.starts_at,
        expires_at: grant.expires_at,
        max_expires_at: grant.max_expires_at,
        close_kind: grant.close_kind.map(|kind| kind.as_str().to_owned()),
        close_reason: grant.close_reason.clone(),
        closed_by: grant.closed_by.as_ref().map(|by| by.name.to_string()),
        overdue_at: grant.overdue_at(),
        overriding: overriding(grant, seen.now),
        attempts: grant.attempts,
        last_error: grant.last_error.clone(),
        extensions: grant.extensions,
        created_at: grant.created_at,
        ended_at: grant.ended_at,
        version: grant.version,
        allowed_actions: actions(allowed::on_grant(
            who,
            grant,
            Around {
                locks: bearing(&seen.locks, &rules.catalog, &grant.target),
                policy: &|deed: Deed| seen.policy_says(&rules, who, deed),
                now: seen.now,
            },
        )),
    }
}

/// Who says that the grant counts as ended; a proposal that nobody confirmed in time is none.
fn overriding(grant: &Grant, now: DateTime<Utc>) -> Option<OverrideView> {
    let overriding = grant.overriding.as_ref()?;
    let open_until = overriding.open_until();
    if open_until.is_some_and(|until| until <= now) {
        return None;
    }
    let confirmed = overriding.confirmed.as_ref();
    Some(OverrideView {
        proposed_by: overriding.proposed.by.name.to_string(),
        proposed_at: overriding.proposed.at,
        open_until,
        confirmed_by: confirmed.map(|said| said.by.name.to_string()),
        confirmed_at: confirmed.map(|said| said.at),
    })
}

/// A lock as `who` sees it.
pub fn lock(gate: &Gate, seen: &SeenLock, who: &Principal) -> LockView {
    let rules = gate.rules().current();
    let (lock, now) = (&seen.lock, seen.now);
    let text = |name: &dyn std::fmt::Display| name.to_string();
    let on = match &lock.on {
        Blocked::Principal(who) => LockOn::Principal {
            principal: text(&who.name),
        },
        Blocked::Target(target) => LockOn::Target {
            target: text(target),
        },
        Blocked::Role(target, role) => LockOn::Role {
            target: text(target),
            role: text(role),
        },
        Blocked::Tag { name, value } => LockOn::Tag {
            name: name.clone(),
            value: value.clone(),
        },
        Blocked::Everything => LockOn::Everything,
    };
    LockView {
        id: lock.id.to_string(),
        on,
        reason: lock.reason.clone(),
        state: lock.state(now).as_str().to_owned(),
        placed_by: lock.placed_by.name.to_string(),
        created_at: lock.created_at,
        ends_at: lock.ends_at,
        lifted_by: lock.lifted_by.as_ref().map(|by| by.name.to_string()),
        lifted_at: lock.lifted_at,
        incident: lock.incident.as_ref().map(ToString::to_string),
        grants_closed: u32::try_from(lock.grants_closed).unwrap_or(u32::MAX),
        version: lock.version,
        allowed_actions: actions(allowed::on_lock(
            who,
            lock,
            Around {
                locks: Locks::new(&seen.in_force, seen.tags.as_ref()),
                policy: &|_| seen.policy_says(&rules, who),
                now,
            },
        )),
    }
}

/// A use of break-glass as `who` sees it.
pub fn break_glass(gate: &Gate, seen: &SeenUse, who: &Principal) -> BreakGlassView {
    let (of, rules) = (&seen.found.of, gate.rules().current());
    let (justified_by, threshold) = of.progress();
    let sign_offs = of.sign_offs.iter().map(|sign_off| SignOffView {
        reviewer: sign_off.reviewer.name.to_string(),
        verdict: sign_off.verdict.as_str().to_owned(),
        comment: sign_off.comment.clone(),
        created_at: sign_off.created_at,
    });
    let code = of.code.as_ref();
    BreakGlassView {
        id: of.request.to_string(),
        state: of.state().as_str().to_owned(),
        person: of.person.name.to_string(),
        target: of.target.to_string(),
        role: of.role.to_string(),
        duration: of.duration.to_string(),
        reason: of.reason.clone(),
        ticket: of.ticket.clone(),
        grant: of.grant.to_string(),
        grant_state: seen.found.grant_state.as_str().to_owned(),
        ends_at: seen.found.ends_at,
        skipped: of.skipped.iter().map(|who| who.name.to_string()).collect(),
        reviewers: of.reviewer_groups(),
        threshold,
        justified_by,
        sign_offs: sign_offs.collect(),
        sealed_code: code.map(|code| code.id.to_string()),
        sealed_by: code.map(|code| code.made_by.name.to_string()),
        tags: tags(&rules.catalog, &of.target),
        created_at: of.created_at,
        reviewed_at: of.reviewed_at,
        version: of.version,
        allowed_actions: actions(break_glass::allowed(
            who,
            of,
            place(&rules.catalog, &of.target),
        )),
    }
}

/// A sealed code, without the code.
pub fn sealed_code(seen: &SeenCode) -> SealedCodeView {
    let code = &seen.code;
    SealedCodeView {
        id: code.id.to_string(),
        name: code.person.name.to_string(),
        made_by: code.made_by.name.to_string(),
        state: code.state(seen.now).as_str().to_owned(),
        created_at: code.created_at,
        expires_at: code.expires_at,
        used_at: code.used_at,
    }
}

fn tags(catalog: &Catalog, target: &TargetName) -> BTreeMap<String, String> {
    catalog
        .target(target)
        .map(|target| target.tags.clone())
        .unwrap_or_default()
}

/// A target with the policy's answers for its reader.
pub fn target(seen: &SeenTarget) -> TargetView {
    let roles = seen.verdicts.iter().map(|(name, verdict)| {
        let role = seen.target.roles.get(name);
        RoleView {
            name: name.to_string(),
            description: role
                .map(|role| role.description.clone())
                .unwrap_or_default(),
            includes: role
                .map(|role| role.includes.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            verdict: verdict.sentence(),
            may_ask: matches!(verdict, Verdict::Permitted { .. }),
        }
    });
    let roles: Vec<RoleView> = roles.collect();
    TargetView {
        host: seen
            .host
            .clone()
            .filter(|_| roles.iter().any(|role| role.may_ask)),
        name: seen.target.name.to_string(),
        kind: seen.target.kind.as_str().to_owned(),
        enforcement: seen.class.as_str().to_owned(),
        description: seen.target.description.clone(),
        tags: seen.target.tags.clone(),
        roles,
        reported: seen.reports.map(|at| ReportedView { at }),
    }
}

/// An audit event.
pub fn event(catalog: &Catalog, entry: &Entry) -> EventView {
    let target = entry.event.target.as_ref();
    let tags = target.map(|target| tags(catalog, target));
    entry.view(tags.unwrap_or_default())
}

/// A credential, on its only way out.
pub fn credential(credential: Credential) -> CredentialView {
    match credential {
        Credential::Postgres(login) => CredentialView::Postgres {
            host: login.host,
            port: login.port,
            database: login.database,
            user: login.user,
            password: login.password.expose().to_owned(),
            sslmode: login.sslmode.to_owned(),
            ssl_root_cert: login.root_certificate,
            ends_at: login.ends_at,
        },
        Credential::Ssh(certified) => CredentialView::Ssh {
            host: certified.host,
            port: certified.port,
            user: certified.user,
            certificate: certified.certificate,
            host_key: certified.host_key,
            ends_at: certified.ends_at,
        },
        Credential::OwnAccount(own) => CredentialView::OwnAccount {
            what: own.what,
            ends_at: own.ends_at,
        },
    }
}
