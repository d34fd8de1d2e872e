//! Reads a policy file: Cedar's grammar, strict validation against the schema, then the annotations.

use std::collections::BTreeMap;
use std::str::FromStr;

use cedar_policy::{EntityTypeName, EntityUid, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;

use crate::domain::ids::GroupName;
use crate::domain::nearest::{list, nearest};
use crate::domain::policy::lex::{self, Statement};
use crate::domain::policy::verdict::Way;
use crate::domain::policy::words;
use crate::domain::policy::{Effect, Policy, Rule, Vocabulary};
use crate::domain::span::Span;

const SCHEMA: &str = include_str!("schema.cedarschema");
/// More reviewers than this is a slip of the finger; nobody could ever gather them.
const MAX_THRESHOLD: u32 = 20;

/// Something wrong with a policy file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Counted from one.
    pub line: usize,
    /// Counted from one, in characters.
    pub column: usize,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl PolicyProblem {
    pub(super) fn at(
        text: &str,
        offset: usize,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        let place = lex::place(text, offset);
        Self {
            line: place.line,
            column: place.column,
            message: message.into(),
            hint,
        }
    }
}

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
        "How many people must approve; `0` gives access at once.",
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

/// Reads a whole policy file.
pub(super) fn policy(text: &str) -> Result<Policy, Vec<PolicyProblem>> {
    let set = PolicySet::from_str(text).map_err(|errors| {
        sorted(
            errors
                .iter()
                .map(|error| from_cedar(text, error, 0))
                .collect(),
        )
    })?;
    let vocabulary = vocabulary().map_err(|error| vec![PolicyProblem::at(text, 0, error, None)])?;
    let statements = lex::statements(text);

    let mut problems: Vec<PolicyProblem> = set
        .templates()
        .map(|template| {
            let at = start_of(&statements, template.id().as_ref());
            let hint = Some(
                "write the principal and the target where `?principal` and `?resource` stand"
                    .to_owned(),
            );
            PolicyProblem::at(text, at, "a policy cannot have slots", hint)
        })
        .collect();
    let checked = Validator::new(vocabulary.schema.clone()).validate(&set, ValidationMode::Strict);
    for error in checked.validation_errors() {
        problems.push(from_cedar(
            text,
            error,
            start_of(&statements, error.policy_id().as_ref()),
        ));
    }
    // A policy that can never apply, or that hides what it compares with, is as wrong as one that does not parse:
    // a `forbid` among them would silently forbid nothing.
    for warning in checked.validation_warnings() {
        problems.push(from_cedar(
            text,
            warning,
            start_of(&statements, warning.policy_id().as_ref()),
        ));
    }
    let rules = rules(text, &set, &statements, &mut problems);
    let mentions = words::mentions(text, &statements, &mut problems);
    if problems.is_empty() {
        Ok(Policy {
            version: version(text),
            set,
            rules,
            mentions,
            vocabulary,
        })
    } else {
        Err(sorted(problems))
    }
}

/// The number in an id that Cedar made up: `policy3` is the fourth statement.
pub(super) fn number(cedar_id: &str) -> Option<usize> {
    cedar_id.strip_prefix("policy")?.parse().ok()
}

fn version(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    // Twelve digits: enough that no two policies of one installation share them, short enough to read out.
    digest
        .as_ref()
        .iter()
        .take(6)
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn vocabulary() -> Result<Vocabulary, String> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
        .map_err(|error| format!("the embedded schema is broken: {error}"))?;
    let kind = |name: &str| EntityTypeName::from_str(name).map_err(|error| error.to_string());
    Ok(Vocabulary {
        schema,
        principal: kind("Principal")?,
        group: kind("Group")?,
        target: kind("Target")?,
        request: EntityUid::from_str("Action::\"request\"").map_err(|error| error.to_string())?,
    })
}

fn start_of(statements: &[Statement<'_>], cedar_id: &str) -> usize {
    number(cedar_id)
        .and_then(|number| statements.get(number))
        .map_or(0, |statement| statement.range.start)
}

fn sorted(mut problems: Vec<PolicyProblem>) -> Vec<PolicyProblem> {
    problems.sort_by(|a, b| (a.line, a.column, &a.message).cmp(&(b.line, b.column, &b.message)));
    problems.dedup();
    problems
}

/// Words one of Cedar's complaints as ours: one line, without the made-up policy number.
fn from_cedar(text: &str, error: &(impl Diagnostic + ?Sized), fallback: usize) -> PolicyProblem {
    let mut labels = error.labels().into_iter().flatten().collect::<Vec<_>>();
    labels.sort_by_key(miette::LabeledSpan::offset);
    let at = labels.first().map_or(fallback, miette::LabeledSpan::offset);
    let said = error.to_string();
    let mut message = match said
        .strip_prefix("for policy `")
        .and_then(|rest| rest.split_once("`, "))
    {
        Some((_, rest)) => one_line(rest),
        None => one_line(&said),
    };
    let label = labels
        .first()
        .and_then(miette::LabeledSpan::label)
        .filter(|label| !label.is_empty());
    let help = error.help().map(|help| one_line(&help.to_string()));
    if help.is_some()
        && let Some(label) = label
    {
        message = format!("{message} ({})", one_line(label));
    }
    PolicyProblem::at(text, at, message, help.or_else(|| label.map(one_line)))
}

fn one_line(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.trim_end_matches('.').to_owned()
}

fn rules(
    text: &str,
    set: &PolicySet,
    statements: &[Statement<'_>],
    problems: &mut Vec<PolicyProblem>,
) -> BTreeMap<usize, Rule> {
    let mut numbered: Vec<_> = set
        .policies()
        .filter_map(|policy| Some((number(policy.id().as_ref())?, policy)))
        .collect();
    numbered.sort_by_key(|(number, _)| *number);
    let mut rules: BTreeMap<usize, Rule> = BTreeMap::new();
    for (number, policy) in numbered {
        let Some(statement) = statements.get(number) else {
            problems.push(PolicyProblem::at(
                text,
                0,
                "a policy could not be found in the text again",
                None,
            ));
            continue;
        };
        let mut annotations = Annotations {
            text,
            statement,
            policy,
            problems: &mut *problems,
        };
        let Some(rule) = annotations.rule() else {
            continue;
        };
        if let Some(first) = rules.values().find(|other| other.id == rule.id) {
            let at = statement.annotation_at("id");
            let message = format!(
                "a policy named `{}` is already on line {}",
                rule.id, first.line
            );
            let hint =
                "give each policy an `@id` of its own: it names the policy in every decision"
                    .to_owned();
            problems.push(PolicyProblem::at(text, at, message, Some(hint)));
            continue;
        }
        rules.insert(number, rule);
    }
    rules
}

/// Reads the annotations of one policy.
struct Annotations<'a, 'p> {
    text: &'a str,
    statement: &'a Statement<'a>,
    policy: &'a cedar_policy::Policy,
    problems: &'p mut Vec<PolicyProblem>,
}

impl Annotations<'_, '_> {
    fn rule(&mut self) -> Option<Rule> {
        let permit = self.policy.effect() == cedar_policy::Effect::Permit;
        self.check_keys(permit);
        let line = lex::place(self.text, self.statement.range.start).line;
        let id = self.id()?;
        let effect = if permit {
            Effect::Permit(self.way(&id, line)?)
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
            effect,
            text,
        })
    }

    fn check_keys(&mut self, permit: bool) {
        let (own, other): (Vec<&Annotation>, Vec<&Annotation>) =
            ANNOTATIONS.iter().partition(|known| {
                if permit {
                    known.on_permit
                } else {
                    known.on_forbid
                }
            });
        let own: Vec<&str> = own.iter().map(|known| known.name).collect();
        let other: Vec<&str> = other.iter().map(|known| known.name).collect();
        let keys: Vec<String> = self
            .policy
            .annotations()
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in keys.iter().filter(|key| !own.contains(&key.as_str())) {
            let (effect, others) = if permit {
                ("permit", "forbid")
            } else {
                ("forbid", "permit")
            };
            if other.contains(&key.as_str()) {
                let hint = format!("remove it, or move it to a `{others}`");
                self.problem(
                    key,
                    format!("`@{key}` means nothing on a `{effect}`"),
                    Some(hint),
                );
            } else {
                let hint = match nearest(key, own.iter().copied()) {
                    Some(near) => format!("did you mean `@{near}`?"),
                    None => format!(
                        "a `{effect}` knows {}",
                        list(own.iter().map(|key| format!("@{key}")))
                    ),
                };
                self.problem(key, format!("unknown annotation `@{key}`"), Some(hint));
            }
        }
    }

    fn id(&mut self) -> Option<String> {
        let hint = "write for example `@id(\"prod-readonly\")` above it: the id names the policy in every decision".to_owned();
        let Some(id) = self.policy.annotation("id").map(str::to_owned) else {
            self.problem("id", "a policy has no `@id`".to_owned(), Some(hint));
            return None;
        };
        // The same form as every other name, so that it can be typed, filtered for and printed safely.
        if id.parse::<GroupName>().is_err() {
            let message = format!(
                "`{}` is not a policy id: use 1 to 63 of `a-z 0-9 . _ -`",
                id.escape_default()
            );
            self.problem("id", message, Some(hint));
            return None;
        }
        Some(id)
    }

    fn way(&mut self, id: &str, line: usize) -> Option<Way> {
        let before = self.problems.len();
        let threshold = self.threshold();
        let reviewers = self.reviewers(id, threshold);
        let max_duration = self.span("max_duration");
        if max_duration.is_none() && self.policy.annotation("max_duration").is_none() {
            let hint =
                Some("add for example `@max_duration(\"4h\")`: all access has an end".to_owned());
            self.problem(
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
        if self.problems.len() > before {
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

    fn threshold(&mut self) -> u32 {
        let Some(value) = self.policy.annotation("threshold").map(str::to_owned) else {
            return 1;
        };
        let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        match value.parse::<u32>() {
            Ok(count) if plain && count <= MAX_THRESHOLD => count,
            _ => {
                let message = format!(
                    "`{}` is not a number of reviews from 0 to {MAX_THRESHOLD}",
                    value.escape_default()
                );
                let hint = "write `@threshold(\"1\")` for one review, `@threshold(\"0\")` for none"
                    .to_owned();
                self.problem("threshold", message, Some(hint));
                1
            }
        }
    }

    fn reviewers(&mut self, id: &str, threshold: u32) -> Option<GroupName> {
        match (
            self.policy.annotation("reviewers").map(str::to_owned),
            threshold,
        ) {
            (None, 0) => None,
            (None, _) => {
                let message = format!("policy `{id}` asks for review, but does not say by whom");
                let hint =
                    "add `@reviewers(\"…\")` with the name of a group, or `@threshold(\"0\")`"
                        .to_owned();
                self.problem("reviewers", message, Some(hint));
                None
            }
            (Some(group), 0) => {
                let message = format!(
                    "policy `{id}` names reviewers `{}`, but asks for no review",
                    group.escape_default()
                );
                self.problem(
                    "reviewers",
                    message,
                    Some("raise `@threshold`, or remove `@reviewers`".to_owned()),
                );
                None
            }
            (Some(group), _) => match group.parse::<GroupName>() {
                Ok(group) => Some(group),
                Err(error) => {
                    self.problem("reviewers", error.to_string(), None);
                    None
                }
            },
        }
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

    fn problem(&mut self, annotation: &str, message: String, hint: Option<String>) {
        let at = self.statement.annotation_at(annotation);
        self.problems
            .push(PolicyProblem::at(self.text, at, message, hint));
    }
}
