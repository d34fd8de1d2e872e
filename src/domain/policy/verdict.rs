//! What a policy answers: the ways in which access can be had, or why not.

use serde::{Deserialize, Serialize};

use crate::domain::ids::GroupName;
use crate::domain::policy::quorum::Needed;
use crate::domain::span::Span;

/// One way to get what was asked for: a `permit` that matches, with the conditions in its annotations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredWay", into = "StoredWay")]
pub struct Way {
    /// The `@id` of the policy.
    pub policy_id: String,
    /// The line of the policy file at which it starts.
    pub line: usize,
    /// How many distinct people must approve in all; none for access without review.
    pub threshold: u32,
    /// Whose review counts, and how many of each group it takes; together they make the threshold.
    pub reviewers: Vec<Needed>,
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

    /// The groups whose members can review, in the order of the policy.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.reviewers.iter().map(|needed| &needed.group)
    }

    /// Who reviews, in words, such as `` `dba` `` or `` `dba` and `security` ``; nothing where nobody has to.
    pub fn reviewed_by(&self) -> Option<String> {
        let names: Vec<String> = self.groups().map(|group| format!("`{group}`")).collect();
        (!names.is_empty()).then(|| names.join(" and "))
    }

    /// What it takes, such as ``needs 2 reviews by `dba` ``.
    pub fn needs(&self) -> String {
        if self.threshold == 0 {
            return "needs no review".to_owned();
        }
        let mut parts = Vec::new();
        for Needed { group, count } in &self.reviewers {
            let reviews = match (parts.is_empty(), count) {
                (true, 1) => " review",
                (true, _) => " reviews",
                (false, _) => "",
            };
            parts.push(format!("{count}{reviews} by `{group}`"));
        }
        format!("needs {}", parts.join(" and "))
    }

    /// The condition in words, such as ``needs 2 reviews by `dba` (policy `prod-admin`)``.
    pub fn sentence(&self) -> String {
        format!("{} (policy `{}`)", self.needs(), self.policy_id)
    }
}

/// The groups of all these ways, for people: `` `dba` or `security` ``, or `nobody`.
pub fn group_names(ways: &[Way]) -> String {
    let mut groups: Vec<String> = ways
        .iter()
        .flat_map(Way::groups)
        .map(|group| format!("`{group}`"))
        .collect();
    groups.sort();
    groups.dedup();
    if groups.is_empty() {
        "nobody".to_owned()
    } else {
        groups.join(" or ")
    }
}

/// A way as it is stored. One group is written as its name, which is how ways were stored when there was only one.
#[derive(Serialize, Deserialize)]
struct StoredWay {
    policy_id: String,
    line: usize,
    threshold: u32,
    reviewers: Option<StoredReviewers>,
    max_duration: Span,
    max_total: Span,
    decide_within: Span,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredReviewers {
    One(GroupName),
    Several(Vec<Needed>),
}

impl From<StoredWay> for Way {
    fn from(stored: StoredWay) -> Self {
        let reviewers = match stored.reviewers {
            None => Vec::new(),
            Some(StoredReviewers::One(group)) => vec![Needed {
                group,
                count: stored.threshold,
            }],
            Some(StoredReviewers::Several(needed)) => needed,
        };
        Self {
            policy_id: stored.policy_id,
            line: stored.line,
            threshold: stored.threshold,
            reviewers,
            max_duration: stored.max_duration,
            max_total: stored.max_total,
            decide_within: stored.decide_within,
        }
    }
}

impl From<Way> for StoredWay {
    fn from(way: Way) -> Self {
        let reviewers = match way.reviewers.as_slice() {
            [] => None,
            [one] => Some(StoredReviewers::One(one.group.clone())),
            _ => Some(StoredReviewers::Several(way.reviewers)),
        };
        Self {
            policy_id: way.policy_id,
            line: way.line,
            threshold: way.threshold,
            reviewers,
            max_duration: way.max_duration,
            max_total: way.max_total,
            decide_within: way.decide_within,
        }
    }
}

/// A policy by its id and the line at which it starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cited {
    pub id: String,
    pub line: usize,
}

/// Why a policy said no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The policies that decided: the `forbid`s that match or, where a policy could not be evaluated, that one.
    pub by: Vec<Cited>,
    /// One sentence for the person who asked.
    pub why: String,
    /// What went wrong while deciding. Not empty means that the policy file needs its owner's attention at once.
    pub errors: Vec<String>,
}

/// The answer of a policy to one ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It may be asked for. At least one way, the one that needs the fewest reviews first; any of them is enough.
    Permitted { ways: Vec<Way> },
    /// It may not.
    Denied(Denial),
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
            Self::Denied(denial) => format!("denied: {}", denial.why),
        }
    }

    /// What went wrong while deciding; empty for every permission and nearly every denial.
    pub fn errors(&self) -> &[String] {
        match self {
            Self::Permitted { .. } => &[],
            Self::Denied(denial) => &denial.errors,
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
