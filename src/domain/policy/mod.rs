//! The policy: who may request which role on which target, for how long, reviewed by whom, and who may review,
//! extend, revoke, lock and break glass. Pure, over Cedar.
//!
//! Nothing is permitted unless a `permit` matches, a matching `forbid` wins over every `permit`, and a policy that
//! cannot be evaluated denies (Cedar alone would skip it, also when it is a `forbid`). Text that people typed
//! reaches a policy only as values, never as policy text.

mod annotations;
mod applied;
mod complaint;
mod decide;
mod deed;
mod explain;
mod index;
mod lex;
mod question;
mod quorum;
mod read;
mod verdict;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::RoleName;
use crate::domain::principal::Principal;
use crate::domain::request::RequestKind;
use crate::domain::span::Span;
use crate::domain::target::Target;
use crate::domain::zone::Zone;

use index::Index;
use question::Vocabulary;

pub use annotations::{ANNOTATIONS, Annotation};
pub use applied::{Applied, Differences, apply, take, waits};
pub use complaint::PolicyProblem;
pub use deed::{Deed, Doing};
pub use explain::{Condition, Explained, Held, Looked, Outcome};
pub use lex::{Place, place, written_at};
pub use quorum::{Needed, filled, places};
pub use verdict::{Cited, Denial, Snapshot, Verdict, Way, group_names};
pub use words::{Mention, Mentioned};

/// One question to the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask<'a> {
    pub asker: &'a Principal,
    pub target: &'a Target,
    pub role: &'a RoleName,
    pub kind: RequestKind,
    /// For how long; for an extension, how much more.
    pub duration: Span,
    /// How long the access would last in all, extensions included; the same as `duration` for new access.
    pub total: Span,
    pub ticket: Option<&'a str>,
    /// How many characters of reason were given.
    pub reason_length: usize,
    pub now: DateTime<Utc>,
}

/// Whether a policy gives or takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A `permit` that gives access, with the conditions under which it does.
    Permit(Way),
    /// A `permit` to do something about what others asked for or hold.
    Allow,
    /// A `forbid`, with the sentence of its `@because`, if it has one.
    Forbid { because: Option<String> },
}

impl Effect {
    /// The word with which the policy begins.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Permit(_) | Self::Allow => "permit",
            Self::Forbid { .. } => "forbid",
        }
    }
}

/// One policy of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// The line at which it starts.
    pub line: usize,
    /// What it is about.
    pub deeds: std::collections::BTreeSet<Deed>,
    pub effect: Effect,
    /// Its text as written.
    pub text: String,
}

impl Rule {
    /// The policy by its name and place.
    pub fn cited(&self) -> Cited {
        Cited {
            id: self.id.clone(),
            line: self.line,
        }
    }
}

/// A whole policy file, parsed and validated.
#[derive(Debug, Clone)]
pub struct Policy {
    version: String,
    text: Arc<str>,
    /// The policies about each deed.
    sets: BTreeMap<Deed, Index>,
    /// By the number that Cedar gave, which is what its diagnostics name.
    rules: BTreeMap<usize, Rule>,
    mentions: Vec<Mention>,
    /// Whose clock `context.hour` and `context.weekday` are read from.
    zone: Zone,
    vocabulary: &'static Vocabulary,
}

/// The version that a policy of this text has, where hours are those of this zone.
pub fn version_of(text: &str, zone: &Zone) -> String {
    read::version(text, zone)
}

impl Policy {
    /// Reads a policy file. All its problems are reported, in the order of the text; with any, there is no policy.
    pub fn parse(text: &str) -> Result<Self, Vec<PolicyProblem>> {
        read::policy(text)
    }

    /// The same policy with hours and weekdays as they are in this zone.
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Self {
        let version = read::version(&self.text, &zone);
        Self {
            version,
            zone,
            ..self
        }
    }

    /// Whose clock hours and weekdays are read from.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The short SHA-256 of the text and, where that is not UTC, of the zone: who decides alike has an equal version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The text as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The policies in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// Whether any policy is about this. Where none is, product roles and reviewers' groups alone decide.
    pub fn governs(&self, deed: Deed) -> bool {
        self.sets.contains_key(&deed)
    }

    /// Whether two targets of one kind with the same tags are the same to every policy about this.
    pub fn ignores_names(&self, deed: Deed) -> bool {
        // Whatever looks at a name has to write one of these words, or hide it behind an escape.
        let plain = |rule: &Rule| {
            ["name", "Target", "\\"]
                .iter()
                .all(|word| !rule.text.contains(word))
        };
        self.rules()
            .filter(|rule| rule.deeds.contains(&deed))
            .all(plain)
    }

    /// Names of targets, roles, tags and groups that the text mentions, for a check against the catalogue.
    pub fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    /// What a request keeps of a permission under this policy.
    pub fn snapshot(&self, ways: Vec<Way>) -> Snapshot {
        Snapshot {
            policy_version: self.version.clone(),
            ways,
        }
    }

    fn rule(&self, cedar_id: &str) -> Option<&Rule> {
        self.rules.get(&read::number(cedar_id)?)
    }
}

#[cfg(test)]
mod tests;
