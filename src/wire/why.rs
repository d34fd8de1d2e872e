//! Why something is as it is: the policies that decided, who counted, and what is missing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::policy::{Condition, Explained, Held, Outcome};
use crate::wire::incident::whole;

use super::NeedView;

/// Why a request, or the grant that came of it, is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyView {
    /// The request or the grant that was asked about.
    pub id: String,
    /// The request that it is, or that it came of.
    pub request: String,
    pub state: String,
    /// The answer in one sentence.
    pub sentence: String,
    /// The version of the policy under which it was asked; a later one does not change it.
    pub policy_version: String,
    /// Whether that is still the policy in use.
    pub policy_in_use: bool,
    /// Each way in which it could be had when it was asked.
    pub ways: Vec<WhyWay>,
    /// What would be needed, one sentence for each way; empty once it is decided.
    pub missing: Vec<String>,
}

/// One way to get the access: a policy, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyWay {
    pub policy: String,
    /// The line of the policy file at which it starts.
    pub line: usize,
    pub threshold: u32,
    pub approvals: u32,
    /// What each group has to give, and who counted there.
    pub needs: Vec<NeedView>,
    /// Whether this is the way by which it was approved.
    pub decided: bool,
    /// The policy as it was written then, if its text was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
}

/// What policy would say, or said, to a question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyTold {
    pub version: String,
    pub policies: Vec<PolicyLine>,
    /// What could not be evaluated, so that the answer was no.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// One policy and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyLine {
    pub policy: String,
    pub line: usize,
    /// `permit` or `forbid`.
    pub effect: String,
    /// `matched`, `not_matched`, `too_short` (it matches, but gives less time) or `error`.
    pub outcome: String,
    pub conditions: Vec<ConditionLine>,
    /// What a permit asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub obligations: Option<String>,
    /// What a forbid says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub because: Option<String>,
}

/// One condition of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConditionLine {
    pub line: usize,
    pub text: String,
    /// `yes`, `no`, `error`, or `not_reached` because one before it did not hold.
    pub held: String,
    /// What it looked at, such as `context.minutes is 240`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looked_at: Vec<String>,
}

/// A question to the policy: may this be asked for, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyQuestion {
    /// Whom it is about; the caller, if left out. Others only for those who may see the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    pub principal: Option<String>,
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    pub target: String,
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    pub role: String,
    #[schema(
        pattern = "^([1-9][0-9]{0,2}d)?([1-9][0-9]{0,3}h)?([1-9][0-9]{0,5}m)?([1-9][0-9]{0,6}s)?$",
        example = "1h"
    )]
    pub duration: String,
    /// When it would be asked; now, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ticket: Option<String>,
}

/// The answer of the policy in use, with every policy about asking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyAnswer {
    pub principal: String,
    pub groups: Vec<String>,
    pub permitted: bool,
    /// The verdict in words.
    pub verdict: String,
    pub at: DateTime<Utc>,
    pub told: PolicyTold,
}

/// A policy that recorded requests are decided by once more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayAsk {
    /// The text of the policy.
    #[schema(max_length = 60_000)]
    pub policy: String,
    /// How many days back.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 400)]
    pub days: u32,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]{1,15}~R-[0-9a-hjkmnp-tv-z]{10}$")]
    pub after: Option<String>,
}

/// A page of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayPage {
    /// How many requests were looked at.
    pub looked_at: u32,
    /// Those that would be decided differently.
    pub different: Vec<ReplayView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// A request that another policy would decide differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayView {
    pub request: String,
    pub requester: String,
    pub target: String,
    pub role: String,
    pub duration: String,
    pub created_at: DateTime<Utc>,
    /// The verdict under which it was asked.
    pub before: String,
    /// The verdict of the other policy.
    pub after: String,
}

impl From<&Condition> for ConditionLine {
    fn from(condition: &Condition) -> Self {
        let held = match condition.held {
            Held::Yes => "yes",
            Held::No => "no",
            Held::Error => "error",
            Held::NotReached => "not_reached",
        };
        let looked_at = condition.looked_at.iter();
        Self {
            line: condition.line,
            text: condition.text.clone(),
            held: held.to_owned(),
            looked_at: looked_at
                .map(|looked| format!("{} is {}", looked.at, looked.is))
                .collect(),
        }
    }
}

impl From<&Explained> for PolicyLine {
    fn from(one: &Explained) -> Self {
        let outcome = match one.outcome {
            Outcome::Matched => "matched",
            Outcome::NotMatched => "not_matched",
            Outcome::TooShort => "too_short",
            Outcome::Error => "error",
        };
        Self {
            policy: one.id.clone(),
            line: one.line,
            effect: one.effect.clone(),
            outcome: outcome.to_owned(),
            conditions: one.conditions.iter().map(ConditionLine::from).collect(),
            obligations: one.obligations.clone(),
            because: one.because.clone(),
        }
    }
}

impl PolicyLine {
    /// What became of the policy, in one sentence.
    pub fn sentence(&self) -> String {
        let name = format!("policy `{}` (line {})", self.policy, self.line);
        let failed = self
            .conditions
            .iter()
            .find(|condition| matches!(condition.held.as_str(), "no" | "error"));
        match (self.outcome.as_str(), self.effect.as_str(), failed) {
            ("matched", "forbid", _) => match &self.because {
                Some(because) => format!("{name} forbids it: {because}"),
                None => format!("{name} forbids it"),
            },
            ("matched", _, _) => format!(
                "{name} permits it: {}",
                self.obligations
                    .as_deref()
                    .unwrap_or("nothing else is needed")
            ),
            ("too_short", _, _) => format!(
                "{name} would permit it for less time: {}",
                self.obligations.as_deref().unwrap_or_default()
            ),
            ("error", _, failed) => match failed {
                Some(failed) => format!(
                    "{name} could not be evaluated at line {}: {}",
                    failed.line, failed.text
                ),
                None => format!("{name} could not be evaluated"),
            },
            (_, effect, Some(failed)) => {
                let looked = match failed.looked_at.as_slice() {
                    [] => String::new(),
                    looked => format!(" ({})", looked.join(", ")),
                };
                format!(
                    "{name} does not {effect} it, for line {} does not hold: {}{looked}",
                    failed.line, failed.text
                )
            }
            (_, effect, None) => format!("{name} does not {effect} it"),
        }
    }
}
