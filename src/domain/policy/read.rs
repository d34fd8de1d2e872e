//! Reads a policy file: Cedar's grammar, strict validation against the schema, then the annotations.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{
    ActionConstraint, EntityId, EntityUid, PolicySet, Schema, ValidationMode, ValidationWarning,
    Validator,
};

use crate::domain::policy::annotations::Annotations;
use crate::domain::policy::complaint::{PolicyProblem, from_cedar};
use crate::domain::policy::deed::Deed;
use crate::domain::policy::index::Index;
use crate::domain::policy::lex::{self, Statement};
use crate::domain::policy::question::Vocabulary;
use crate::domain::policy::words;
use crate::domain::policy::{Policy, Rule};
use crate::domain::zone::Zone;

/// What can be asked for, and what a policy without an action in its scope is about.
const ASKING: &str = include_str!("schema.cedarschema");
/// What else people do.
const DOING: &str = include_str!("deeds.cedarschema");
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
    let (unscoped, scoped) = by_scope(&set);
    validate(
        text,
        &vocabulary.asking,
        &unscoped,
        &statements,
        &mut problems,
    );
    validate(
        text,
        &vocabulary.validator,
        &scoped,
        &statements,
        &mut problems,
    );
    let rules = rules(text, &set, &statements, &mut problems);
    let mentions = words::mentions(text, &statements, &mut problems);
    if !problems.is_empty() {
        return Err(sorted(problems));
    }
    let sets =
        by_deed(&set, &rules).map_err(|error| vec![PolicyProblem::at(text, 0, error, None)])?;
    Ok(Policy {
        version: version(text, &Zone::default()),
        text: text.into(),
        sets,
        rules,
        mentions,
        zone: Zone::default(),
        vocabulary,
    })
}

/// The policies whose scope names no action, and the others. Cedar means every action by the first; here they are
/// about asking alone, so that a freeze of access does not also stop people from taking access away.
fn by_scope(set: &PolicySet) -> (PolicySet, PolicySet) {
    let (mut unscoped, mut scoped) = (PolicySet::new(), PolicySet::new());
    for policy in set.policies() {
        let part = match policy.action_constraint() {
            ActionConstraint::Any => &mut unscoped,
            ActionConstraint::Eq(_) | ActionConstraint::In(_) => &mut scoped,
        };
        // The ids are those of one set, so none is there twice.
        let _ = part.add(policy.clone());
    }
    (unscoped, scoped)
}

/// The policies about each deed.
fn by_deed(
    set: &PolicySet,
    rules: &BTreeMap<usize, Rule>,
) -> Result<BTreeMap<Deed, Index>, String> {
    let mut sets: BTreeMap<Deed, Vec<&cedar_policy::Policy>> = BTreeMap::new();
    for policy in set.policies() {
        let rule = number(policy.id().as_ref()).and_then(|number| rules.get(&number));
        let rule = rule.ok_or("a policy could not be found in the text again")?;
        for deed in &rule.deeds {
            sets.entry(*deed).or_default().push(policy);
        }
    }
    sets.into_iter()
        .map(|(deed, policies)| Ok((deed, Index::of(&policies)?)))
        .collect()
}

fn deeds(policy: &cedar_policy::Policy) -> BTreeSet<Deed> {
    let named = |uid: &EntityUid| {
        Deed::ALL
            .into_iter()
            .find(|deed| <EntityId as AsRef<str>>::as_ref(uid.id()) == deed.as_str())
    };
    match policy.action_constraint() {
        ActionConstraint::Any => BTreeSet::from([Deed::Request]),
        ActionConstraint::Eq(uid) => named(&uid).into_iter().collect(),
        ActionConstraint::In(uids) => uids.iter().filter_map(named).collect(),
    }
}

fn validate(
    text: &str,
    validator: &Validator,
    set: &PolicySet,
    statements: &[Statement<'_>],
    problems: &mut Vec<PolicyProblem>,
) {
    let checked = validator.validate(set, ValidationMode::Strict);
    for error in checked.validation_errors() {
        problems.push(from_cedar(
            text,
            error,
            start_of(statements, error.policy_id().as_ref()),
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
            problems.push(from_cedar(text, warning, start_of(statements, id.as_ref())));
        }
    }
}

/// The number in an id that Cedar made up: `policy3` is the fourth statement.
pub(super) fn number(cedar_id: &str) -> Option<usize> {
    cedar_id.strip_prefix("policy")?.parse().ok()
}

pub(super) fn version(text: &str, zone: &Zone) -> String {
    let mut whole = text.as_bytes().to_vec();
    if *zone != Zone::default() {
        // No text has this byte: Cedar would refuse it.
        whole.push(0);
        whole.extend_from_slice(zone.to_string().as_bytes());
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, &whole);
    // Twelve digits: enough that no two policies of one installation share them, short enough to read out.
    digest
        .as_ref()
        .iter()
        .take(6)
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn vocabulary() -> Result<Vocabulary, String> {
    let schema = |text: &str| {
        Schema::from_cedarschema_str(text)
            .map(|(schema, _)| schema)
            .map_err(|error| format!("the embedded schema is broken: {error}"))
    };
    Vocabulary::new(schema(ASKING)?, schema(&format!("{ASKING}\n{DOING}"))?)
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
        let Some(rule) = Annotations::new(text, statement, policy, problems).rule(deeds(policy))
        else {
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
