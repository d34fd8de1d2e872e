//! A review: one reviewer's decision on one request, and how reviews count towards a threshold.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{GroupName, PrincipalId, RoleName};
use super::policy::{self, Way};
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

/// The approvals of a request, one of each person.
fn approvals(reviews: &[Review]) -> Vec<&Review> {
    let mut people: BTreeSet<&PrincipalId> = BTreeSet::new();
    reviews
        .iter()
        .filter(|review| review.decision == Decision::Approve)
        .filter(|review| people.insert(&review.reviewer.id))
        .collect()
}

/// Counts the distinct people whose approval counts for one way to get access. Whoever belongs to several of its
/// groups counts for one of them, the one where that helps most.
pub fn approvals_for(way: &Way, reviews: &[Review]) -> u32 {
    let groups = approvals(reviews)
        .into_iter()
        .map(|review| &review.counted_groups);
    policy::filled(&way.reviewers, groups)
}

/// For each group that a way needs, in its order: whose approvals count there.
pub fn counted<'a>(way: &Way, reviews: &'a [Review]) -> Vec<Vec<&'a Review>> {
    let approvals = approvals(reviews);
    let places = policy::places(
        &way.reviewers,
        approvals.iter().map(|review| &review.counted_groups),
    );
    let found = |people: Vec<usize>| {
        people
            .into_iter()
            .filter_map(|person| approvals.get(person).copied())
            .collect()
    };
    places.into_iter().map(found).collect()
}

/// The way that is satisfied, if any: its threshold of distinct people is reached.
pub fn satisfied<'a>(ways: &'a [Way], reviews: &[Review]) -> Option<&'a Way> {
    ways.iter()
        .find(|way| approvals_for(way, reviews) >= way.threshold)
}
