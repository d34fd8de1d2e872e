//! Reads a policy file: Cedar's grammar, strict validation against the schema, then the annotations.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{
    EntityTypeName, EntityUid, PolicySet, Schema, ValidationMode, ValidationWarning, Validator,
};

use crate::domain::policy::annotations::Annotations;
use crate::domain::policy::complaint::{PolicyProblem, from_cedar};
use crate::domain::policy::lex::{self, Statement};
use crate::domain::policy::words;
use crate::domain::policy::{Policy, Rule, Vocabulary};

const SCHEMA: &str = include_str!("schema.cedarschema");
static VOCABULARY: LazyLock<Result<Vocabulary, String>> = LazyLock::new(vocabulary);

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
    let vocabulary = VOCABULARY
        .as_ref()
        .map_err(|error| vec![PolicyProblem::at(text, 0, error.as_str(), None)])?;
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
    let checked = vocabulary.validator.validate(&set, ValidationMode::Strict);
    for error in checked.validation_errors() {
        problems.push(from_cedar(
            text,
            error,
            start_of(&statements, error.policy_id().as_ref()),
        ));
    }
    // A policy that can never apply, or that hides what it compares with, is as wrong as one that does not parse:
    // a `forbid` among them would silently forbid nothing. After an error, or another warning, it says nothing new.
    let mut blamed: BTreeSet<String> = checked
        .validation_errors()
        .map(|error| error.policy_id().to_string())
        .collect();
    let mut warnings: Vec<_> = checked.validation_warnings().collect();
    warnings.sort_by_key(|warning| !matches!(warning, ValidationWarning::ImpossiblePolicy(_)));
    for warning in warnings {
        let id = warning.policy_id();
        if blamed.insert(id.to_string()) {
            problems.push(from_cedar(
                text,
                warning,
                start_of(&statements, id.as_ref()),
            ));
        }
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
        validator: Validator::new(schema),
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
        let Some(rule) = Annotations::new(text, statement, policy, problems).rule() else {
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
