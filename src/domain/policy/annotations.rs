//! The annotations of a policy: which there are, what they mean, and how they are read.

use std::collections::BTreeSet;

use crate::domain::ids::GroupName;
use crate::domain::nearest::{list, nearest};
use crate::domain::policy::complaint::one_line;
use crate::domain::policy::deed::Deed;
use crate::domain::policy::lex::{self, Statement};
use crate::domain::policy::quorum::Needed;
use crate::domain::policy::verdict::Way;
use crate::domain::policy::{Effect, PolicyProblem, Rule};
use crate::domain::span::Span;

/// More reviewers than this is a slip of the finger; nobody could ever gather them.
const MAX_THRESHOLD: u32 = 20;

/// One annotation that a policy may carry; the list below is also the reference in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotation {
    pub name: &'static str,
    pub sample: &'static str,
    /// What holds without it, in words.
    pub default: &'static str,
    pub about: &'static str,
    on_permit: bool,
    on_forbid: bool,
}

impl Annotation {
    /// The kinds of policy that it means something on.
    pub fn on(&self) -> &'static str {
        match (self.on_permit, self.on_forbid) {
            (true, true) => "both",
            (true, false) => "`permit`",
            _ => "`forbid`",
        }
    }

    const fn permit(
        name: &'static str,
        sample: &'static str,
        default: &'static str,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            sample,
            default,
            about,
            on_permit: true,
            on_forbid: false,
        }
    }
}

/// Every annotation.
pub const ANNOTATIONS: [Annotation; 7] = [
    Annotation {
        on_forbid: true,
        ..Annotation::permit(
            "id",
            "prod-readonly",
            "refused",
            "Names the policy in every decision; each has its own.",
        )
    },
    Annotation::permit(
        "threshold",
        "1",
        "`1`",
        "How many people must approve; `0` gives access at once. Left out where `@reviewers` counts itself.",
    ),
    Annotation::permit(
        "reviewers",
        "dba",
        "refused, unless the threshold is 0",
        "The group whose review counts.",
    ),
    Annotation::permit(
        "max_duration",
        "4h",
        "refused",
        "The longest that one request may ask for.",
    ),
    Annotation::permit(
        "max_total",
        "8h",
        "as `@max_duration`",
        "The longest that access lasts with all extensions.",
    ),
    Annotation::permit(
        "decide_within",
        "24h",
        "`24h`",
        "How long a request waits for its reviews before it expires.",
    ),
    Annotation {
        on_permit: false,
        on_forbid: true,
        ..Annotation::permit(
            "because",
            "production is frozen",
            "no sentence",
            "What people read who are refused by it.",
        )
    },
];

/// Reads the annotations of one policy.
pub(super) struct Annotations<'a, 'p> {
    text: &'a str,
    statement: &'a Statement<'a>,
    policy: &'a cedar_policy::Policy,
    problems: &'p mut Vec<PolicyProblem>,
    /// Annotations that are there, but misspelt: they are not missing as well.
    meant: BTreeSet<&'static str>,
}

impl<'a, 'p> Annotations<'a, 'p> {
    pub(super) fn new(
        text: &'a str,
        statement: &'a Statement<'a>,
        policy: &'a cedar_policy::Policy,
        problems: &'p mut Vec<PolicyProblem>,
    ) -> Self {
        Self {
            text,
            statement,
            policy,
            problems,
            meant: BTreeSet::new(),
        }
    }

    /// The policy with its conditions; nothing when an annotation that it needs is missing or wrong.
    pub(super) fn rule(&mut self, deeds: BTreeSet<Deed>) -> Option<Rule> {
        let permit = self.policy.effect() == cedar_policy::Effect::Permit;
        // An action that there is not is a problem of its own.
        let gives = deeds.is_empty() || deeds.iter().any(|deed| deed.gives_access());
        self.check_keys(permit, gives);
        let line = lex::place(self.text, self.statement.range.start).line;
        let id = self.id()?;
        let effect = if permit && gives {
            let way = self.way(&id, line)?;
            if deeds.contains(&Deed::BreakGlass) && way.is_immediate() {
                let message = format!(
                    "policy `{id}` lets people break glass, and nobody looks at it afterwards"
                );
                let hint =
                    "name who does with `@reviewers(\"…\")`: they sign off each use afterwards";
                self.problem("threshold", message, Some(hint.to_owned()));
                return None;
            }
            Effect::Permit(way)
        } else if permit {
            Effect::Allow
        } else {
            Effect::Forbid {
                because: self.policy.annotation("because").map(one_line),
            }
        };
        let text = self
            .text
            .get(self.statement.range.clone())
            .unwrap_or_default()
            .to_owned();
        Some(Rule {
            id,
            line,
            deeds,
            effect,
            text,
        })
    }

    fn check_keys(&mut self, permit: bool, gives: bool) {
        let (effect, other) = if permit {
            ("permit", "forbid")
        } else {
            ("forbid", "permit")
        };
        let meaningful = |known: &&Annotation| {
            if permit && !gives {
                known.name == "id"
            } else if permit {
                known.on_permit
            } else {
                known.on_forbid
            }
        };
        let own: Vec<&'static str> = ANNOTATIONS
            .iter()
            .filter(meaningful)
            .map(|known| known.name)
            .collect();
        let keys: Vec<String> = self
            .policy
            .annotations()
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in keys.iter().filter(|key| !own.contains(&key.as_str())) {
            let known = ANNOTATIONS.iter().find(|known| known.name == key);
            if known.is_some_and(|known| permit && !gives && known.on_permit) {
                let hint = "remove it: it belongs to `permit`s of `request` and `break_glass`";
                self.problem(
                    key,
                    format!("`@{key}` means nothing on a `permit` that gives no access"),
                    Some(hint.to_owned()),
                );
                continue;
            }
            if known.is_some() {
                let hint = format!("remove it, or move it to a `{other}`");
                self.problem(
                    key,
                    format!("`@{key}` means nothing on a `{effect}`"),
                    Some(hint),
                );
                continue;
            }
            let near = nearest(key, own.iter().copied());
            self.meant
                .extend(own.iter().copied().find(|name| Some(*name) == near));
            let hint = match near {
                Some(near) => format!("did you mean `@{near}`?"),
                None => format!(
                    "a `{effect}` knows {}",
                    list(own.iter().map(|key| format!("@{key}")))
                ),
            };
            self.problem(key, format!("unknown annotation `@{key}`"), Some(hint));
        }
    }

    fn id(&mut self) -> Option<String> {
        let hint = "write for example `@id(\"prod-readonly\")` above it: the id names the policy in every decision";
        let Some(id) = self.policy.annotation("id").map(str::to_owned) else {
            self.missing("id", "a policy has no `@id`".to_owned(), hint);
            return None;
        };
        // The same form as every other name, so that it can be typed, filtered for and printed safely.
        if id.parse::<GroupName>().is_err() {
            let message = format!(
                "`{}` is not a policy id: use 1 to 63 of `a-z 0-9 . _ -`",
                id.escape_default()
            );
            self.problem("id", message, Some(hint.to_owned()));
            return None;
        }
        Some(id)
    }

    fn way(&mut self, id: &str, line: usize) -> Option<Way> {
        let before = self.problems.len();
        let reviewers = self.quorum(id);
        let threshold = reviewers.iter().map(|needed| needed.count).sum();
        let max_duration = self.span("max_duration");
        if self.policy.annotation("max_duration").is_none() {
            let hint = "add for example `@max_duration(\"4h\")`: all access has an end";
            self.missing(
                "max_duration",
                format!("policy `{id}` does not say how long it gives access"),
                hint,
            );
        }
        let max_total = self.span("max_total").or(max_duration);
        if let (Some(duration), Some(total)) = (max_duration, max_total)
            && total < duration
        {
            let message = format!(
                "`@max_total` of `{total}` is shorter than `@max_duration` of `{duration}`"
            );
            let hint = "the total counts the first request and every extension".to_owned();
            self.problem("max_total", message, Some(hint));
        }
        let decide_within = self.span("decide_within").unwrap_or(Span::DAY);
        if self.problems.len() > before || !self.meant.is_empty() {
            return None;
        }
        Some(Way {
            policy_id: id.to_owned(),
            line,
            threshold,
            reviewers,
            max_duration: max_duration?,
            max_total: max_total?,
            decide_within,
        })
    }

    /// How many reviews `@threshold` says; nothing where it is not written.
    fn threshold(&mut self) -> Option<u32> {
        let value = self.policy.annotation("threshold").map(str::to_owned)?;
        let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        match value.parse::<u32>() {
            Ok(count) if plain && count <= MAX_THRESHOLD => Some(count),
            _ => {
                let message = format!(
                    "`{}` is not a number of reviews from 0 to {MAX_THRESHOLD}",
                    value.escape_default()
                );
                let hint = "write `@threshold(\"1\")` for one review, `@threshold(\"0\")` for none"
                    .to_owned();
                self.problem("threshold", message, Some(hint));
                Some(1)
            }
        }
    }

    /// Who has to review, and how many of them.
    fn quorum(&mut self, id: &str) -> Vec<Needed> {
        let threshold = self.threshold();
        if self.meant.contains("threshold") {
            return Vec::new();
        }
        let reviewers = self.policy.annotation("reviewers").map(str::to_owned);
        match (reviewers, threshold) {
            (None, Some(0)) => Vec::new(),
            (None, _) => {
                let hint =
                    "add `@reviewers(\"…\")` with the name of a group, or `@threshold(\"0\")`";
                self.missing(
                    "reviewers",
                    format!("policy `{id}` asks for review, but does not say by whom"),
                    hint,
                );
                Vec::new()
            }
            (Some(groups), Some(0)) => {
                let message = format!(
                    "policy `{id}` names reviewers `{}`, but asks for no review",
                    groups.escape_default()
                );
                self.problem(
                    "reviewers",
                    message,
                    Some("raise `@threshold`, or remove `@reviewers`".to_owned()),
                );
                Vec::new()
            }
            (Some(groups), threshold) if groups.contains([':', ',']) => {
                self.counted(id, &groups, threshold)
            }
            (Some(group), threshold) => match group.parse::<GroupName>() {
                Ok(group) => vec![Needed {
                    group,
                    count: threshold.unwrap_or(1),
                }],
                Err(error) => {
                    self.problem("reviewers", error.to_string(), None);
                    Vec::new()
                }
            },
        }
    }

    /// Groups that each have a count, such as `dba:1, security:1`.
    fn counted(&mut self, id: &str, groups: &str, threshold: Option<u32>) -> Vec<Needed> {
        let mut needed: Vec<Needed> = Vec::new();
        for part in groups.split(',').map(str::trim) {
            let counted = part.split_once(':').and_then(|(group, count)| {
                let count = count.trim().parse::<u32>().ok()?;
                Some((group.trim(), count)).filter(|(_, count)| *count > 0)
            });
            let Some((group, count)) = counted else {
                let message = format!(
                    "`{}` does not say how many reviews by which group",
                    part.escape_default()
                );
                let hint = "write for example `@reviewers(\"dba:1, security:1\")`".to_owned();
                self.problem("reviewers", message, Some(hint));
                return Vec::new();
            };
            let group = match group.parse::<GroupName>() {
                Ok(group) => group,
                Err(error) => {
                    self.problem("reviewers", error.to_string(), None);
                    return Vec::new();
                }
            };
            if needed.iter().any(|known| known.group == group) {
                let message = format!("policy `{id}` counts the group `{group}` twice");
                let hint = "name each group once, with all the reviews it has to give".to_owned();
                self.problem("reviewers", message, Some(hint));
                return Vec::new();
            }
            needed.push(Needed { group, count });
        }
        let sum = needed
            .iter()
            .fold(0_u32, |sum, needed| sum.saturating_add(needed.count));
        if sum > MAX_THRESHOLD {
            let message =
                format!("policy `{id}` asks for {sum} reviews; {MAX_THRESHOLD} is the most");
            self.problem("reviewers", message, None);
            return Vec::new();
        }
        if threshold.is_some_and(|threshold| threshold != sum) {
            let message = format!(
                "`@reviewers` of policy `{id}` counts {sum} reviews, and `@threshold` says otherwise"
            );
            let hint = "remove `@threshold`: the counts say it all".to_owned();
            self.problem("threshold", message, Some(hint));
        }
        needed
    }

    fn span(&mut self, key: &str) -> Option<Span> {
        let value = self.policy.annotation(key)?.to_owned();
        match value.parse::<Span>() {
            Ok(span) => Some(span),
            Err(error) => {
                self.problem(key, error.to_string(), None);
                None
            }
        }
    }

    fn missing(&mut self, annotation: &'static str, message: String, hint: &str) {
        if !self.meant.contains(annotation) {
            self.problem(annotation, message, Some(hint.to_owned()));
        }
    }

    fn problem(&mut self, annotation: &str, message: String, hint: Option<String>) {
        let at = self.statement.annotation_at(annotation);
        self.problems
            .push(PolicyProblem::at(self.text, at, message, hint));
    }
}
