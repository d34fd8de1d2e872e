//! What a policy answers: the ways in which access can be had, or why not.

use serde::{Deserialize, Serialize};

use crate::domain::ids::GroupName;
use crate::domain::span::Span;

/// One way to get what was asked for: a `permit` that matches, with the conditions in its annotations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The `@id` of the policy.
    pub policy_id: String,
    /// The line of the policy file at which it starts.
    pub line: usize,
    /// How many distinct people must approve; none for access without review.
    pub threshold: u32,
    /// Whose review counts. Set whenever the threshold is above zero.
    pub reviewers: Option<GroupName>,
    /// The longest that one request may ask for.
    pub max_duration: Span,
    /// The longest that the access may last with all its extensions.
    pub max_total: Span,
    /// How long the request waits for its reviews before it expires.
    pub decide_within: Span,
}

impl Way {
    /// Whether access this way waits for nobody.
    pub fn is_immediate(&self) -> bool {
        self.threshold == 0
    }

    /// The condition in words, such as ``needs 2 reviews by `dba` (policy `prod-admin`)``.
    pub fn sentence(&self) -> String {
        let policy = &self.policy_id;
        match (&self.reviewers, self.threshold) {
            (_, 0) => format!("needs no review (policy `{policy}`)"),
            (Some(group), 1) => format!("needs 1 review by `{group}` (policy `{policy}`)"),
            (Some(group), count) => {
                format!("needs {count} reviews by `{group}` (policy `{policy}`)")
            }
            (None, count) => format!("needs {count} reviews (policy `{policy}`)"),
        }
    }
}

/// The answer of a policy to one ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It may be asked for. At least one way, the one that needs the fewest reviews first; any of them is enough.
    Permitted { ways: Vec<Way> },
    /// It may not.
    Denied {
        /// The policies that decided: the `forbid`s that match or, where a policy could not be evaluated, that one.
        by: Vec<String>,
        /// One sentence for the person who asked.
        why: String,
        /// What went wrong while deciding. Not empty means that the policy file needs its owner's attention at once.
        errors: Vec<String>,
    },
}

impl Verdict {
    /// The verdict in words.
    pub fn sentence(&self) -> String {
        match self {
            Self::Permitted { ways } => ways
                .iter()
                .map(Way::sentence)
                .collect::<Vec<_>>()
                .join(", or "),
            Self::Denied { why, .. } => format!("denied: {why}"),
        }
    }

    /// What went wrong while deciding; empty for every permission and nearly every denial.
    pub fn errors(&self) -> &[String] {
        match self {
            Self::Permitted { .. } => &[],
            Self::Denied { errors, .. } => errors,
        }
    }
}

/// What a request keeps of the policy that let it in: later changes of the policy do not alter what was decided under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The version of the policy file, as in `Policy::version`.
    pub policy_version: String,
    /// The ways that were open when it was asked.
    pub ways: Vec<Way>,
}

impl Snapshot {
    /// The way that waits for nobody, if there is one.
    pub fn immediate(&self) -> Option<&Way> {
        self.ways.iter().find(|way| way.is_immediate())
    }

    /// How long a request waits for its reviews: as long as any way is still open.
    pub fn decide_within(&self) -> Option<Span> {
        self.ways.iter().map(|way| way.decide_within).max()
    }

    /// The ways in words.
    pub fn sentence(&self) -> String {
        self.ways
            .iter()
            .map(Way::sentence)
            .collect::<Vec<_>>()
            .join(", or ")
    }
}
