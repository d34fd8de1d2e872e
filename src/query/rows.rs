//! What the rows of each list have to say to a filter.

use chrono::{DateTime, TimeDelta, Utc};

use crate::wire::{
    BreakGlassView, EventView, GrantView, LockOn, LockView, RequestView, SessionView,
};

use super::eval::{Context, Row, Value};
use super::fields::Name;
use super::time::Length;

/// So long before its end something is about to end.
const SOON: TimeDelta = TimeDelta::minutes(15);

type Takes<'t> = &'t mut dyn FnMut(Value<'_>) -> bool;

fn some(value: Option<&String>, takes: Takes<'_>) -> bool {
    value.is_some_and(|text| takes(Value::Text(text)))
}

fn length(text: &str, takes: Takes<'_>) -> bool {
    Length::read(text).is_some_and(|length| takes(Value::Length(length.0)))
}

fn since(at: DateTime<Utc>, context: Context<'_>, takes: Takes<'_>) -> bool {
    takes(Value::Length((context.now - at).num_seconds()))
}

fn until(at: DateTime<Utc>, context: Context<'_>, takes: Takes<'_>) -> bool {
    takes(Value::Length((at - context.now).num_seconds()))
}

fn may(actions: &[crate::wire::AllowedAction], words: &[&str]) -> bool {
    actions
        .iter()
        .any(|action| action.allowed && words.contains(&action.action.as_str()))
}

fn tag<'r>(tags: &'r std::collections::BTreeMap<String, String>, name: &str) -> Option<&'r str> {
    tags.iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn offered<'t>(
    texts: impl IntoIterator<Item = &'t String>,
    takes: &mut dyn FnMut(&str) -> bool,
) -> bool {
    texts.into_iter().any(|text| takes(text))
}

impl Row for RequestView {
    fn any(&self, name: Name, context: Context<'_>, takes: Takes<'_>) -> bool {
        match name {
            Name::Id | Name::Request => takes(Value::Text(&self.id)),
            Name::State => takes(Value::Text(&self.state)),
            Name::Principal => takes(Value::Text(&self.requester)),
            Name::Actor => self
                .reviews
                .iter()
                .any(|review| takes(Value::Text(&review.reviewer))),
            Name::Target => takes(Value::Text(&self.target)),
            Name::Role => {
                takes(Value::Text(&self.role))
                    || self.role_granted != self.role && takes(Value::Text(&self.role_granted))
            }
            Name::Reason => takes(Value::Text(&self.reason)),
            Name::Time => takes(Value::Moment(self.created_at)),
            Name::Duration => length(&self.duration_granted, takes),
            Name::Age => since(self.created_at, context, takes),
            Name::Left => self.state == "pending" && until(self.decide_by, context, takes),
            Name::Kind => takes(Value::Text(&self.kind)),
            Name::Policy => {
                self.ways.iter().any(|way| takes(Value::Text(&way.policy)))
                    || takes(Value::Text(&self.policy_version))
            }
            Name::Group => self.ways.iter().any(|way| {
                if way.needs.is_empty() {
                    some(way.reviewers.as_ref(), takes)
                } else {
                    way.needs.iter().any(|need| takes(Value::Text(&need.group)))
                }
            }),
            Name::Ticket => some(self.ticket.as_ref(), takes),
            Name::Claim => some(self.claim.as_ref().map(|claim| &claim.by), takes),
            Name::Signal => self
                .signals
                .iter()
                .any(|signal| takes(Value::Text(&signal.code))),
            Name::Grant => some(self.grant.as_ref(), takes),
            _ => false,
        }
    }

    fn tag(&self, name: &str) -> Option<&str> {
        tag(&self.tags, name)
    }

    fn is(&self, word: &str, context: Context<'_>) -> bool {
        let pending = self.state == "pending";
        match word {
            "pending" => pending,
            "decided" => !pending,
            "mine" => self.requester == context.me,
            "decidable" => pending && may(&self.allowed_actions, &["approve", "deny"]),
            "claimed" => pending && self.claim.is_some(),
            "urgent" => pending && self.decide_by - context.now < SOON,
            "unusual" => pending && !self.signals.is_empty(),
            "extension" => self.kind == "extend",
            "narrowed" => self.role_granted != self.role || self.duration_granted != self.duration,
            "reviewed" => !self.reviews.is_empty(),
            _ => false,
        }
    }

    fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool {
        let texts = [
            &self.id,
            &self.requester,
            &self.target,
            &self.role,
            &self.reason,
        ];
        offered(
            texts.into_iter().chain(&self.ticket).chain(&self.grant),
            takes,
        )
    }
}

impl Row for GrantView {
    fn any(&self, name: Name, context: Context<'_>, takes: Takes<'_>) -> bool {
        match name {
            Name::Id | Name::Grant => takes(Value::Text(&self.id)),
            Name::Request => takes(Value::Text(&self.request)),
            Name::State => takes(Value::Text(&self.state)),
            Name::Principal => takes(Value::Text(&self.holder)),
            Name::Actor => some(self.closed_by.as_ref(), takes),
            Name::Target => takes(Value::Text(&self.target)),
            Name::Role => takes(Value::Text(&self.role)),
            Name::Reason => {
                takes(Value::Text(&self.reason)) || some(self.close_reason.as_ref(), takes)
            }
            Name::Time => takes(Value::Moment(self.starts_at.unwrap_or(self.not_before))),
            Name::Duration => length(&self.duration, takes),
            Name::Age => since(self.starts_at.unwrap_or(self.not_before), context, takes),
            Name::Left => self.state == "active" && until(self.expires_at, context, takes),
            Name::Kind => some(self.target_kind.as_ref(), takes),
            Name::Enforcement => some(self.enforcement.as_ref(), takes),
            _ => false,
        }
    }

    fn tag(&self, name: &str) -> Option<&str> {
        tag(&self.tags, name)
    }

    fn is(&self, word: &str, context: Context<'_>) -> bool {
        let state = self.state.as_str();
        let open = matches!(state, "scheduled" | "activating" | "active" | "closing");
        match word {
            "open" => open,
            "over" => !open,
            "mine" => self.holder == context.me,
            "active" => state == "active",
            "expiring" => state == "active" && self.expires_at - context.now < SOON,
            "closing" => state == "closing",
            "overdue" => self.overdue_at.is_some_and(|at| at <= context.now),
            "failed" => state == "activation_failed" || open && self.last_error.is_some(),
            "extended" => self.extensions > 0,
            "revocable" => may(&self.allowed_actions, &["revoke"]),
            _ => false,
        }
    }

    fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool {
        let texts = [
            &self.id,
            &self.request,
            &self.holder,
            &self.target,
            &self.role,
            &self.reason,
        ];
        offered(
            texts
                .into_iter()
                .chain(&self.close_reason)
                .chain(&self.last_error),
            takes,
        )
    }
}

impl Row for EventView {
    fn any(&self, name: Name, context: Context<'_>, takes: Takes<'_>) -> bool {
        match name {
            Name::Id => takes(Value::Text(&self.id)),
            Name::Event => takes(Value::Text(&self.event)),
            Name::Outcome => takes(Value::Text(&self.outcome)),
            Name::Actor => takes(Value::Text(&self.actor.name)),
            Name::Principal => some(self.principal.as_ref(), takes),
            Name::Target => some(self.target.as_ref(), takes),
            Name::Role => some(self.role.as_ref(), takes),
            Name::Request => some(self.request.as_ref(), takes),
            Name::Grant => some(self.grant.as_ref(), takes),
            Name::Reason => some(self.reason.as_ref(), takes),
            Name::Trace => some(self.trace.as_ref(), takes),
            Name::Channel => takes(Value::Text(&self.channel)),
            Name::Address => some(self.address.as_ref(), takes),
            Name::Time => takes(Value::Moment(self.time)),
            Name::Age => since(self.time, context, takes),
            Name::Session => self
                .details
                .get("session")
                .and_then(|session| session.as_str())
                .is_some_and(|session| takes(Value::Text(session))),
            _ => false,
        }
    }

    fn tag(&self, name: &str) -> Option<&str> {
        tag(&self.tags, name)
    }

    fn is(&self, word: &str, context: Context<'_>) -> bool {
        match word {
            "denied" => self.outcome == "denied",
            "failed" => self.outcome == "error",
            "mine" => {
                self.actor.name == context.me || self.principal.as_deref() == Some(context.me)
            }
            "human" => self.actor.kind == "principal",
            "system" => self.actor.kind == "system",
            _ => false,
        }
    }

    fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool {
        let texts = [&self.event, &self.actor.name, &self.sentence];
        offered(
            texts
                .into_iter()
                .chain(&self.target)
                .chain(&self.request)
                .chain(&self.grant)
                .chain(&self.principal)
                .chain(&self.reason),
            takes,
        )
    }
}

impl Row for SessionView {
    fn any(&self, name: Name, context: Context<'_>, takes: Takes<'_>) -> bool {
        match name {
            Name::Id | Name::Session => takes(Value::Text(&self.id)),
            Name::State => some(self.activity.as_ref(), takes),
            Name::Principal => takes(Value::Text(&self.holder)),
            Name::Target => takes(Value::Text(&self.target)),
            Name::Role => takes(Value::Text(&self.role)),
            Name::Grant => takes(Value::Text(&self.grant)),
            Name::Address => some(self.address.as_ref(), takes),
            Name::Program => some(self.program.as_ref(), takes),
            Name::Time => self.started_at.is_some_and(|at| takes(Value::Moment(at))),
            Name::Age => self.started_at.is_some_and(|at| since(at, context, takes)),
            _ => false,
        }
    }

    fn tag(&self, _: &str) -> Option<&str> {
        None
    }

    fn is(&self, word: &str, context: Context<'_>) -> bool {
        let activity = self.activity.as_deref().unwrap_or_default();
        match word {
            "mine" => self.holder == context.me,
            "running" => activity == "running",
            "idle" => matches!(activity, "idle" | "idle_in_transaction"),
            "blocking" => activity == "idle_in_transaction",
            _ => false,
        }
    }

    fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool {
        let texts = [
            &self.id,
            &self.grant,
            &self.holder,
            &self.target,
            &self.role,
        ];
        offered(
            texts
                .into_iter()
                .chain(&self.address)
                .chain(&self.program)
                .chain(&self.command),
            takes,
        )
    }
}

impl Row for LockView {
    fn any(&self, name: Name, context: Context<'_>, takes: Takes<'_>) -> bool {
        match name {
            Name::Id => takes(Value::Text(&self.id)),
            Name::State => takes(Value::Text(&self.state)),
            Name::Kind => takes(Value::Text(match self.on {
                LockOn::Principal { .. } => "principal",
                LockOn::Target { .. } => "target",
                LockOn::Role { .. } => "role",
                LockOn::Tag { .. } => "tag",
                LockOn::Everything => "everything",
            })),
            Name::Principal => match &self.on {
                LockOn::Principal { principal } => takes(Value::Text(principal)),
                _ => false,
            },
            Name::Target => match &self.on {
                LockOn::Target { target } | LockOn::Role { target, .. } => {
                    takes(Value::Text(target))
                }
                _ => false,
            },
            Name::Role => match &self.on {
                LockOn::Role { role, .. } => takes(Value::Text(role)),
                _ => false,
            },
            Name::Actor => {
                takes(Value::Text(&self.placed_by)) || some(self.lifted_by.as_ref(), takes)
            }
            Name::Reason => takes(Value::Text(&self.reason)),
            Name::Incident => some(self.incident.as_ref(), takes),
            Name::Time => takes(Value::Moment(self.created_at)),
            Name::Age => since(self.created_at, context, takes),
            Name::Left => {
                self.state == "in_force" && self.ends_at.is_some_and(|at| until(at, context, takes))
            }
            _ => false,
        }
    }

    fn tag(&self, wanted: &str) -> Option<&str> {
        match &self.on {
            LockOn::Tag { name, value } if name.eq_ignore_ascii_case(wanted) => Some(value),
            _ => None,
        }
    }

    fn is(&self, word: &str, context: Context<'_>) -> bool {
        match word {
            "open" => self.state == "in_force",
            "lifted" => self.state == "lifted",
            "over" => self.state != "in_force",
            "endless" => self.ends_at.is_none(),
            "mine" => self.placed_by == context.me,
            _ => false,
        }
    }

    fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool {
        let texts = [&self.id, &self.reason, &self.placed_by];
        let on = match &self.on {
            LockOn::Principal { principal } => vec![principal],
            LockOn::Target { target } => vec![target],
            LockOn::Role { target, role } => vec![target, role],
            LockOn::Tag { name, value } => vec![name, value],
            LockOn::Everything => Vec::new(),
        };
        offered(
            texts
                .into_iter()
                .chain(on)
                .chain(&self.lifted_by)
                .chain(&self.incident),
            takes,
        )
    }
}

impl Row for BreakGlassView {
    fn any(&self, name: Name, context: Context<'_>, takes: Takes<'_>) -> bool {
        match name {
            Name::Id | Name::Request => takes(Value::Text(&self.id)),
            Name::State => takes(Value::Text(&self.state)),
            Name::Principal => takes(Value::Text(&self.person)),
            Name::Actor => self
                .sign_offs
                .iter()
                .any(|sign_off| takes(Value::Text(&sign_off.reviewer))),
            Name::Target => takes(Value::Text(&self.target)),
            Name::Role => takes(Value::Text(&self.role)),
            Name::Reason => {
                takes(Value::Text(&self.reason))
                    || self
                        .sign_offs
                        .iter()
                        .any(|sign_off| takes(Value::Text(&sign_off.comment)))
            }
            Name::Time => takes(Value::Moment(self.created_at)),
            Name::Duration => length(&self.duration, takes),
            Name::Age => since(self.created_at, context, takes),
            Name::Ticket => some(self.ticket.as_ref(), takes),
            Name::Grant => takes(Value::Text(&self.grant)),
            _ => false,
        }
    }

    fn tag(&self, name: &str) -> Option<&str> {
        tag(&self.tags, name)
    }

    fn is(&self, word: &str, context: Context<'_>) -> bool {
        let open = self.state == "open";
        match word {
            "open" => open,
            "reviewed" => !open,
            "signable" => open && may(&self.allowed_actions, &["sign_off"]),
            "sealed" => self.sealed_code.is_some(),
            "mine" => self.person == context.me,
            _ => false,
        }
    }

    fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool {
        let texts = [
            &self.id,
            &self.person,
            &self.target,
            &self.role,
            &self.reason,
            &self.grant,
        ];
        offered(
            texts.into_iter().chain(&self.ticket).chain(&self.skipped),
            takes,
        )
    }
}
