//! Requests, grants and moments in the words of the command line.

use std::fmt::Write as _;

use chrono::{DateTime, Local, Utc};

use crate::domain::span::Span;
use crate::wire::{GrantView, IncidentScope, LockOn, NeedView, RequestView};

/// A moment on the reader's clock.
pub(super) fn moment(moment: DateTime<Utc>) -> String {
    moment
        .with_timezone(&Local)
        .format("%Y-%m-%d %H:%M")
        .to_string()
}

/// A moment on the reader's clock, to the second.
pub(super) fn exact(moment: DateTime<Utc>) -> String {
    moment
        .with_timezone(&Local)
        .format("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// How much time there is between two moments, in at most two units; `0s` when there is none.
pub(super) fn left(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = (to - from).num_seconds().max(0);
    let coarse = match seconds {
        0..3_600 => seconds,
        3_600..172_800 => seconds - seconds % 60,
        _ => seconds - seconds % 3_600,
    };
    Span::from_seconds(u64::try_from(coarse).unwrap_or(0)).map_or_else(
        |_| {
            if coarse > 0 {
                "over 30d".to_owned()
            } else {
                "0s".to_owned()
            }
        },
        |span| span.to_string(),
    )
}

/// What is asked for, by whom, as one sentence without its reason.
pub(super) fn asked(request: &RequestView) -> String {
    let RequestView {
        requester,
        target,
        role,
        duration,
        ..
    } = request;
    let mut out = match request.kind.as_str() {
        "extend" => format!(
            "{} {requester} asks for {duration} more of {role} on {target}",
            request.id
        ),
        "break_glass" => format!(
            "{} {requester} broke glass for {role} on {target} for {duration}",
            request.id
        ),
        _ => format!(
            "{} {requester} asks for {role} on {target} for {duration}",
            request.id
        ),
    };
    if let Some(start) = request.not_before {
        let _ = write!(out, " from {}", moment(start));
    }
    out
}

/// What an approval gave or would give, when that is less than was asked.
pub(super) fn narrowed(request: &RequestView) -> Option<String> {
    if request.role_granted == request.role && request.duration_granted == request.duration {
        return None;
    }
    Some(format!(
        "narrowed to {} for {}",
        request.role_granted, request.duration_granted
    ))
}

/// The state, with the count of approvals while it is pending.
pub(super) fn state(request: &RequestView) -> String {
    match request.ways.first() {
        Some(way) if request.state == "pending" && way.threshold > 1 => {
            format!("pending {}/{}", way.approvals, way.threshold)
        }
        _ => request.state.clone(),
    }
}

/// What whoever decides should know besides the ask: who looks at it already, and what is unusual.
pub(super) fn noted(request: &RequestView) -> Vec<String> {
    let claim = request
        .claim
        .iter()
        .map(|claim| format!("  claimed by {} until {}", claim.by, exact(claim.until)));
    let signals = request
        .signals
        .iter()
        .map(|signal| format!("  {}: {}", signal.word, signal.why));
    claim.chain(signals).collect()
}

/// The same in few words, for a column.
pub(super) fn noted_briefly(request: &RequestView) -> String {
    let claim = request
        .claim
        .iter()
        .map(|claim| format!("claimed by {}", claim.by));
    let signals = request.signals.iter().map(|signal| signal.word.clone());
    claim.chain(signals).collect::<Vec<_>>().join(", ")
}

/// What several groups still have to give.
fn missing_of(needs: &[NeedView]) -> String {
    let missing = needs.iter().filter_map(|need| {
        let given = u32::try_from(need.approved_by.len()).unwrap_or(u32::MAX);
        let left = need.threshold.saturating_sub(given);
        let reviews = if left == 1 { "a review" } else { "reviews" };
        let count = if left == 1 {
            String::new()
        } else {
            format!("{left} ")
        };
        (left > 0).then(|| format!("{count}{reviews} by `{}`", need.group))
    });
    missing.collect::<Vec<_>>().join(" and ")
}

/// Whom a pending request waits for.
pub(super) fn awaited(request: &RequestView) -> String {
    let ways: Vec<String> = request
        .ways
        .iter()
        .filter_map(|way| {
            let group = way.reviewers.as_ref()?;
            if !way.needs.is_empty() {
                return Some(missing_of(&way.needs));
            }
            let missing = way.threshold.saturating_sub(way.approvals);
            Some(if missing == 1 {
                format!("a review by `{group}`")
            } else {
                format!("{missing} reviews by `{group}`")
            })
        })
        .collect();
    if ways.is_empty() {
        "a review".to_owned()
    } else {
        ways.join(" or ")
    }
}

/// Who denied a request, and why.
pub(super) fn denial(request: &RequestView) -> Option<String> {
    let review = request
        .reviews
        .iter()
        .rev()
        .find(|review| review.decision == "deny")?;
    Some(format!(
        "denied by {}: {}",
        review.reviewer,
        review.comment.as_deref().unwrap_or("no comment")
    ))
}

/// The state of a grant; one that does not close at once says what it is trying.
pub(super) fn grant_state(grant: &GrantView) -> String {
    let state = closing_state(grant);
    if grant.break_glass {
        format!("{state}, glass")
    } else {
        state
    }
}

fn closing_state(grant: &GrantView) -> String {
    match (&grant.close_kind, grant.state.as_str()) {
        (Some(kind), "closing") if grant.attempts > 1 => {
            format!("closing ({kind}, try {})", grant.attempts)
        }
        (Some(kind), "closing") => format!("closing ({kind})"),
        (_, state) => state.to_owned(),
    }
}

/// Who closed a grant and why, to be put behind what happened; nothing where that is not said.
pub(super) fn by_whom(grant: &GrantView) -> String {
    let by = grant
        .closed_by
        .as_ref()
        .map_or_else(String::new, |by| format!(" by {by}"));
    let why = grant
        .close_reason
        .as_ref()
        .map_or_else(String::new, |why| format!(": {why}"));
    format!("{by}{why}")
}

/// How a grant came to its end, and by whom.
pub(super) fn ended(grant: &GrantView) -> String {
    let ended = ended_as(grant);
    match overridden(grant) {
        Some(overridden) => format!("{ended}; {overridden}"),
        None => ended,
    }
}

fn ended_as(grant: &GrantView) -> String {
    match (grant.state.as_str(), grant.close_kind.as_deref()) {
        ("activation_failed", _) => {
            let why = grant.last_error.as_deref().unwrap_or("no reason was given");
            format!("access could not be made: {why}")
        }
        ("revoked", _) | (_, Some("revoke")) => format!("revoked{}", by_whom(grant)),
        ("returned", _) | (_, Some("return")) => "returned early".to_owned(),
        _ => "ended in time".to_owned(),
    }
}

/// Who let a grant count as ended although its target never confirmed.
pub(super) fn overridden(grant: &GrantView) -> Option<String> {
    let overriding = grant.overriding.as_ref()?;
    let (one, other) = (&overriding.proposed_by, overriding.confirmed_by.as_ref()?);
    Some(format!(
        "overridden by {one} and {other}, its target never confirmed"
    ))
}

/// A grant as one sentence.
pub(super) fn held(grant: &GrantView) -> String {
    format!(
        "{} {} has {} on {}",
        grant.id, grant.holder, grant.role, grant.target
    )
}

/// Who ends access when no server runs, by the class of its target.
pub(super) fn who_ends(class: &str) -> String {
    let who = match class {
        "A" => "the target itself refuses new logins at the end",
        "A+" => "the target itself ends access and sessions",
        "C" => "nobody, until a server runs again",
        _ => "it is not known who ends it",
    };
    format!("with every server down: {who} (class {class})")
}

/// What a lock is on.
pub(super) fn locked(on: &LockOn) -> String {
    match on {
        LockOn::Principal { principal } => principal.clone(),
        LockOn::Target { target } => target.clone(),
        LockOn::Role { target, role } => format!("{role} on {target}"),
        LockOn::Tag { name, value } => format!("targets with {name}={value}"),
        LockOn::Everything => "everything".to_owned(),
    }
}

/// What an incident is about.
pub(super) fn scope(scope: &IncidentScope) -> String {
    let mut parts = Vec::new();
    if !scope.targets.is_empty() {
        parts.push(scope.targets.join(", "));
    }
    parts.extend(
        scope
            .tags
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    if !scope.principals.is_empty() {
        parts.push(format!("grants of {}", scope.principals.join(", ")));
    }
    parts.extend(scope.filter.clone());
    if parts.is_empty() {
        "everything".to_owned()
    } else {
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_told_in_the_units_that_matter() {
        let from: DateTime<Utc> = "2026-11-22T13:00:00Z".parse().unwrap();
        let cases = [
            (-5, "0s"),
            (0, "0s"),
            (42, "42s"),
            (905, "15m5s"),
            (3_725, "1h2m"),
            (200_000, "2d7h"),
            (9_000_000, "over 30d"),
        ];
        for (seconds, said) in cases {
            assert_eq!(left(from, from + chrono::TimeDelta::seconds(seconds)), said);
        }
    }
}
