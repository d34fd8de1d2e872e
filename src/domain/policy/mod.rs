//! The policy: who may request which role on which target, for how long, reviewed by whom. Pure, over Cedar.
//!
//! Nothing is permitted unless a `permit` matches, a matching `forbid` wins over every `permit`, and a policy that
//! cannot be evaluated denies (Cedar alone would skip it, also when it is a `forbid`). Text that people typed
//! reaches a policy only as values, never as policy text.

mod annotations;
mod complaint;
mod lex;
mod read;
mod verdict;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, PolicySet, Request, RestrictedExpression, Validator,
};
use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};

use crate::domain::ids::RoleName;
use crate::domain::principal::Principal;
use crate::domain::request::RequestKind;
use crate::domain::span::Span;
use crate::domain::target::Target;

pub use annotations::{ANNOTATIONS, Annotation};
pub use complaint::PolicyProblem;
pub use lex::{Place, place};

pub use verdict::{Snapshot, Verdict, Way};
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
    /// A `permit`, with the conditions under which it gives access.
    Permit(Way),
    /// A `forbid`, with the sentence of its `@because`, if it has one.
    Forbid { because: Option<String> },
}

/// One policy of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// The line at which it starts.
    pub line: usize,
    pub effect: Effect,
    /// Its text as written.
    pub text: String,
}

/// A whole policy file, parsed and validated.
#[derive(Debug, Clone)]
pub struct Policy {
    version: String,
    set: PolicySet,
    /// By the number that Cedar gave, which is what its diagnostics name.
    rules: BTreeMap<usize, Rule>,
    mentions: Vec<Mention>,
    vocabulary: &'static Vocabulary,
}

/// The names of the embedded schema, parsed once.
#[derive(Debug)]
struct Vocabulary {
    validator: Validator,
    principal: EntityTypeName,
    group: EntityTypeName,
    target: EntityTypeName,
    request: EntityUid,
}

impl Policy {
    /// Reads a policy file. All its problems are reported, in the order of the text; with any, there is no policy.
    pub fn parse(text: &str) -> Result<Self, Vec<PolicyProblem>> {
        read::policy(text)
    }

    /// The short SHA-256 of the text: equal texts, equal versions.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The policies in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
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

    /// Answers one ask.
    ///
    /// INVARIANT: any error on the way is a denial (`a_policy_that_errs_never_permits`).
    pub fn decide(&self, ask: &Ask<'_>) -> Verdict {
        if !ask.target.roles.contains_key(ask.role) {
            return denied(format!(
                "target `{}` has no role `{}`",
                ask.target.name, ask.role
            ));
        }
        let (request, entities) = match self.vocabulary.question(ask) {
            Ok(question) => question,
            Err(error) => return broken(Vec::new(), vec![error]),
        };
        let response = Authorizer::new().is_authorized(&request, &self.set, &entities);
        let diagnostics = response.diagnostics();
        let mut errors: Vec<_> = diagnostics
            .errors()
            .map(|error| self.blame(error))
            .collect();
        if !errors.is_empty() {
            errors.sort();
            let by = errors.iter().map(|(id, _)| id.clone()).collect();
            return broken(
                by,
                errors.into_iter().map(|(_, sentence)| sentence).collect(),
            );
        }
        let mut deciding: Vec<_> = diagnostics
            .reason()
            .filter_map(|id| self.rule(id.as_ref()))
            .collect();
        deciding.sort_by_key(|rule| rule.line);
        match response.decision() {
            Decision::Allow => permitted(ask, &deciding),
            Decision::Deny => refused(ask, &deciding),
        }
    }

    fn rule(&self, cedar_id: &str) -> Option<&Rule> {
        self.rules.get(&read::number(cedar_id)?)
    }

    /// The id of the policy that could not be evaluated, and what happened.
    fn blame(&self, error: &AuthorizationError) -> (String, String) {
        let AuthorizationError::PolicyEvaluationError(error) = error;
        let number: &str = error.policy_id().as_ref();
        let id = self
            .rule(number)
            .map_or_else(|| number.to_owned(), |rule| rule.id.clone());
        let sentence = format!("policy `{id}` could not be evaluated: {}", error.inner());
        (id, sentence)
    }
}

fn denied(why: String) -> Verdict {
    Verdict::Denied {
        by: Vec::new(),
        why,
        errors: Vec::new(),
    }
}

fn broken(by: Vec<String>, errors: Vec<String>) -> Verdict {
    let why = match by.first() {
        Some(id) => {
            format!("policy `{id}` could not be evaluated, and what cannot be decided is denied")
        }
        None => {
            "the policy could not be evaluated, and what cannot be decided is denied".to_owned()
        }
    };
    Verdict::Denied { by, why, errors }
}

fn permitted(ask: &Ask<'_>, deciding: &[&Rule]) -> Verdict {
    let all: Vec<&Way> = deciding
        .iter()
        .filter_map(|rule| match &rule.effect {
            Effect::Permit(way) => Some(way),
            Effect::Forbid { .. } => None,
        })
        .collect();
    let long: Vec<&Way> = all
        .iter()
        .copied()
        .filter(|way| way.max_duration >= ask.duration)
        .collect();
    let mut ways: Vec<Way> = long
        .iter()
        .copied()
        .filter(|way| way.max_total >= ask.total)
        .cloned()
        .collect();
    if !ways.is_empty() {
        ways.sort_by_key(|way| (way.threshold, std::cmp::Reverse(way.max_duration), way.line));
        return Verdict::Permitted { ways };
    }
    let by_total = long.iter().max_by_key(|way| way.max_total);
    let by_duration = all.iter().max_by_key(|way| way.max_duration);
    match (by_total, by_duration) {
        (Some(way), _) => denied(format!(
            "the longest that policy `{}` gives in all is `{}`",
            way.policy_id, way.max_total
        )),
        (None, Some(way)) => denied(format!(
            "the longest that policy `{}` gives is `{}`",
            way.policy_id, way.max_duration
        )),
        // Cedar permitted, so some rule did; not finding it is an error, and an error is a denial.
        (None, None) => broken(
            Vec::new(),
            vec!["the permitting policy is not in the file".to_owned()],
        ),
    }
}

fn refused(ask: &Ask<'_>, deciding: &[&Rule]) -> Verdict {
    let by: Vec<String> = deciding.iter().map(|rule| rule.id.clone()).collect();
    let because = deciding.iter().find_map(|rule| match &rule.effect {
        Effect::Forbid {
            because: Some(because),
        } => Some((&rule.id, because)),
        _ => None,
    });
    let why = match (because, by.first()) {
        (Some((id, because)), _) => format!("policy `{id}` forbids it: {because}"),
        (None, Some(id)) => format!("policy `{id}` forbids it"),
        (None, None) => {
            let Ask {
                asker,
                role,
                target,
                ..
            } = ask;
            let what = match ask.kind {
                RequestKind::Access => "ask for",
                RequestKind::Extend => "extend",
            };
            format!(
                "no policy lets `{}` {what} `{role}` on `{}`",
                asker.name, target.name
            )
        }
    };
    Verdict::Denied {
        by,
        why,
        errors: Vec::new(),
    }
}

impl Vocabulary {
    /// Puts an ask into Cedar's terms, checked against the schema once more.
    fn question(&self, ask: &Ask<'_>) -> Result<(Request, Entities), String> {
        let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
        let named = |kind: &EntityTypeName, name: &str| {
            EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(name))
        };
        let Ask { asker, target, .. } = ask;

        let groups: HashSet<EntityUid> = asker
            .groups
            .iter()
            .map(|group| named(&self.group, group.as_str()))
            .collect();
        let principal = named(&self.principal, asker.name.as_str());
        let resource = named(&self.target, target.name.as_str());
        let mut entities: Vec<Entity> = groups.iter().cloned().map(Entity::with_uid).collect();
        let roles =
            RestrictedExpression::new_set(asker.roles.iter().map(|role| text(role.as_str())));
        let attributes = HashMap::from([
            ("id".to_owned(), text(asker.id.as_str())),
            ("name".to_owned(), text(asker.name.as_str())),
            ("roles".to_owned(), roles),
        ]);
        entities.push(
            Entity::new(principal.clone(), attributes, groups)
                .map_err(|error| error.to_string())?,
        );
        let attributes = [
            ("name".to_owned(), text(target.name.as_str())),
            ("kind".to_owned(), text(target.kind.as_str())),
        ];
        let tags = target
            .tags
            .iter()
            .map(|(key, value)| (key.clone(), text(value)));
        let entity = Entity::new_with_tags(resource.clone(), attributes, [], tags)
            .map_err(|error| error.to_string())?;
        entities.push(entity);
        let entities = Entities::from_entities(entities, Some(self.validator.schema()))
            .map_err(|error| error.to_string())?;

        let context = Context::from_pairs(context(ask)).map_err(|error| error.to_string())?;
        let request = Request::new(
            principal,
            self.request.clone(),
            resource,
            context,
            Some(self.validator.schema()),
        );
        Ok((request.map_err(|error| error.to_string())?, entities))
    }
}

fn context(ask: &Ask<'_>) -> Vec<(String, RestrictedExpression)> {
    let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
    let number = |value: u32| RestrictedExpression::new_long(i64::from(value));
    let now = ask.now.to_rfc3339_opts(SecondsFormat::Millis, true);
    let weekday = words::WEEKDAYS
        .get(ask.now.weekday().num_days_from_monday() as usize)
        .copied()
        .unwrap_or_default();
    let mut pairs = vec![
        ("kind".to_owned(), text(ask.kind.as_str())),
        ("role".to_owned(), text(ask.role.as_str())),
        ("minutes".to_owned(), number(ask.duration.minutes())),
        ("total_minutes".to_owned(), number(ask.total.minutes())),
        (
            "reason_length".to_owned(),
            number(u32::try_from(ask.reason_length).unwrap_or(u32::MAX)),
        ),
        ("now".to_owned(), RestrictedExpression::new_datetime(now)),
        ("hour".to_owned(), number(ask.now.hour())),
        ("weekday".to_owned(), text(weekday)),
    ];
    if let Some(ticket) = ask.ticket {
        pairs.push(("ticket".to_owned(), text(ticket)));
    }
    pairs
}

#[cfg(test)]
mod tests;
