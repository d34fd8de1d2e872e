//! A review: one reviewer's decision on one request, and how reviews count towards a threshold.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{GroupName, PrincipalId, RoleName};
use super::policy::Way;
use super::principal::PrincipalRef;
use super::span::Span;

/// What a reviewer decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approve,
    Deny,
}

impl Decision {
    /// The word used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

/// What an approval takes away from the ask; each part may only make the access smaller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowing {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<DateTime<Utc>>,
}

impl Narrowing {
    /// Whether nothing is narrowed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One reviewer's decision. A request has at most one from each person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    pub reviewer: PrincipalRef,
    pub decision: Decision,
    pub comment: Option<String>,
    pub narrowed: Narrowing,
    /// The groups through which this review counted, as the reviewer belonged to them when deciding.
    pub counted_groups: BTreeSet<GroupName>,
    pub created_at: DateTime<Utc>,
}

/// Counts the distinct people whose approval counts for one way to get access.
pub fn approvals_for(way: &Way, reviews: &[Review]) -> u32 {
    let people: BTreeSet<&PrincipalId> = reviews
        .iter()
        .filter(|review| review.decision == Decision::Approve)
        .filter(|review| {
            way.reviewers
                .as_ref()
                .is_some_and(|group| review.counted_groups.contains(group))
        })
        .map(|review| &review.reviewer.id)
        .collect();
    u32::try_from(people.len()).unwrap_or(u32::MAX)
}

/// The way that is satisfied, if any: its threshold of distinct people is reached.
pub fn satisfied<'a>(ways: &'a [Way], reviews: &[Review]) -> Option<&'a Way> {
    ways.iter()
        .find(|way| approvals_for(way, reviews) >= way.threshold)
}
