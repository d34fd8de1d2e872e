//! Why a policy answered as it did: every policy about the question, condition by condition.
//!
//! The decision is Cedar's alone. This reads each policy's text again, evaluates its conditions one after the other
//! over the same question, and stops at the first that does not hold, as Cedar does.

use std::str::FromStr as _;

use cedar_policy::{Entities, EvalResult, Expression, Request, eval_expression};
use serde::{Deserialize, Serialize};

use crate::domain::policy::complaint::one_line;
use crate::domain::policy::deed::Deed;
use crate::domain::policy::lex::{self, Kind, Token};
use crate::domain::policy::{Ask, Effect, Policy, Rule, Verdict};

/// What became of one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    Yes,
    No,
    /// It could not be evaluated.
    Error,
    /// One before it did not hold.
    NotReached,
}

/// One condition of a policy: a part of its scope, or of a `when` or `unless`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The line at which it starts.
    pub line: usize,
    /// As written, on one line.
    pub text: String,
    pub held: Held,
    /// What it looked at, such as `context.minutes` and `240`, where it did not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looked_at: Vec<Looked>,
}

/// One thing that a condition looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    pub at: String,
    pub is: String,
}

/// Whether a policy has to do with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All its conditions hold.
    Matched,
    NotMatched,
    /// It could not be evaluated, so everything is denied.
    Error,
    /// All its conditions hold, but it does not give access for so long.
    TooShort,
}

/// One policy and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    pub id: String,
    pub line: usize,
    /// `permit` or `forbid`.
    pub effect: String,
    pub outcome: Outcome,
    pub conditions: Vec<Condition>,
    /// What a permit asks for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obligations: Option<String>,
    /// The sentence of a forbid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

impl Explained {
    /// A policy that decided, where its conditions are not told.
    pub fn cited(rule: &Rule, erred: bool) -> Self {
        let because = match &rule.effect {
            Effect::Forbid { because } => because.clone(),
            Effect::Permit(_) | Effect::Allow => None,
        };
        Self {
            id: rule.id.clone(),
            line: rule.line,
            effect: rule.effect.word().to_owned(),
            outcome: if erred {
                Outcome::Error
            } else {
                Outcome::Matched
            },
            conditions: Vec::new(),
            obligations: None,
            because,
        }
    }

    /// The condition at which it ended, if it did not match.
    pub fn failed(&self) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| matches!(condition.held, Held::No | Held::Error))
    }

    /// How many conditions held before one did not: the more, the nearer it is to the question.
    pub fn held(&self) -> usize {
        self.conditions
            .iter()
            .filter(|condition| condition.held == Held::Yes)
            .count()
    }
}

impl Policy {
    /// The answer to an ask, and every policy about asking with what became of it, in the order of the file.
    pub fn explain(&self, deed: Deed, ask: &Ask<'_>) -> (Verdict, Vec<Explained>) {
        let verdict = self.decide_as(deed, ask);
        let Ok((request, entities)) = self.vocabulary.asking(deed, ask, &self.zone) else {
            return (verdict, Vec::new());
        };
        let explained = self
            .rules()
            .filter(|rule| rule.deeds.contains(&deed))
            .map(|rule| explain(rule, ask, &request, &entities))
            .collect();
        (verdict, explained)
    }
}

fn explain(rule: &Rule, ask: &Ask<'_>, request: &Request, entities: &Entities) -> Explained {
    let mut conditions = Vec::new();
    let mut outcome = Outcome::Matched;
    for part in parts(&rule.text) {
        let mut condition = Condition {
            line: rule.line + part.line - 1,
            text: part.shown(),
            held: Held::NotReached,
            looked_at: Vec::new(),
        };
        if outcome == Outcome::Matched {
            condition.held = match truth(&part.text, request, entities) {
                Some(truth) if truth != part.unless => Held::Yes,
                Some(_) => Held::No,
                None => Held::Error,
            };
            match condition.held {
                Held::Yes | Held::NotReached => {}
                Held::No => outcome = Outcome::NotMatched,
                Held::Error => outcome = Outcome::Error,
            }
            if condition.held != Held::Yes {
                condition.looked_at = looked_at(&part.text, request, entities);
            }
        }
        conditions.push(condition);
    }
    let (mut obligations, mut because) = (None, None);
    match &rule.effect {
        Effect::Permit(way) => {
            let long = way.max_duration < ask.duration || way.max_total < ask.total;
            if outcome == Outcome::Matched && long {
                outcome = Outcome::TooShort;
            }
            obligations = Some(format!(
                "{}; at most {}, {} in all",
                way.needs(),
                way.max_duration,
                way.max_total
            ));
        }
        Effect::Allow => {}
        Effect::Forbid { because: said } => because.clone_from(said),
    }
    Explained {
        id: rule.id.clone(),
        line: rule.line,
        effect: rule.effect.word().to_owned(),
        outcome,
        conditions,
        obligations,
        because,
    }
}

/// One condition as it stands in the text of a policy.
struct Part {
    /// Counted from one, within the policy.
    line: usize,
    text: String,
    /// Whether it has to be false.
    unless: bool,
}

impl Part {
    fn shown(&self) -> String {
        let text = one_line(&self.text);
        if self.unless {
            format!("unless {text}")
        } else {
            text
        }
    }
}

fn truth(text: &str, request: &Request, entities: &Entities) -> Option<bool> {
    match evaluate(text, request, entities)? {
        EvalResult::Bool(truth) => Some(truth),
        _ => None,
    }
}

fn evaluate(text: &str, request: &Request, entities: &Entities) -> Option<EvalResult> {
    let expression = Expression::from_str(text).ok()?;
    eval_expression(request, entities, &expression).ok()
}

/// The values of the attributes and tags that a condition names.
fn looked_at(text: &str, request: &Request, entities: &Entities) -> Vec<Looked> {
    let statement = format!("{text};");
    let statements = lex::statements(&statement);
    let tokens = statements
        .first()
        .map(|statement| statement.tokens.as_slice())
        .unwrap_or_default();
    let mut found: Vec<Looked> = Vec::new();
    for at in 0..tokens.len() {
        let named = match tokens.get(at..).unwrap_or_default() {
            [object, dot, call, open, key, close, ..]
                if object.is_word("resource")
                    && dot.is_mark(".")
                    && call.is_word("getTag")
                    && open.is_mark("(")
                    && key.kind == Kind::Text
                    && close.is_mark(")") =>
            {
                format!("resource.getTag(\"{}\")", key.text)
            }
            [object, dot, name, ..]
                if (object.is_word("context") || object.is_word("resource"))
                    && dot.is_mark(".")
                    && name.kind == Kind::Word =>
            {
                format!("{}.{}", object.text, name.text)
            }
            [object, has, name, ..]
                if object.is_word("context") && has.is_word("has") && name.kind == Kind::Word =>
            {
                format!("context.{}", name.text)
            }
            _ => continue,
        };
        if found.iter().any(|looked| looked.at == named) {
            continue;
        }
        let is = match evaluate(&named, request, entities) {
            Some(EvalResult::Long(number)) => number.to_string(),
            Some(EvalResult::String(text)) => format!("\"{}\"", text.escape_default()),
            Some(EvalResult::Bool(truth)) => truth.to_string(),
            Some(EvalResult::ExtensionValue(value)) => one_line(&value),
            Some(EvalResult::EntityUid(uid)) => one_line(&uid.to_string()),
            Some(EvalResult::Set(_) | EvalResult::Record(_)) => continue,
            // Methods are no attributes.
            None if named.ends_with(".hasTag") || named.ends_with(".getTag") => continue,
            None => "not there".to_owned(),
        };
        found.push(Looked { at: named, is });
    }
    found
}

/// Every condition of a policy, in the order in which they are evaluated.
fn parts(text: &str) -> Vec<Part> {
    let statements = lex::statements(text);
    let Some(statement) = statements.first() else {
        return Vec::new();
    };
    let tokens = without_annotations(&statement.tokens);
    let mut parts = Vec::new();
    let mut at = 1;
    while let Some(token) = tokens.get(at) {
        let end = closing(tokens, at);
        let inner = tokens.get(at + 1..end).unwrap_or_default();
        if token.is_mark("(") {
            // The scope; a bare `principal` is no condition.
            let scope = split(inner, ",");
            parts.extend(
                scope
                    .into_iter()
                    .filter(|part| part.len() > 1)
                    .map(|part| (part, false)),
            );
        } else if token.is_mark("{") {
            let unless = tokens
                .get(at.wrapping_sub(1))
                .is_some_and(|word| word.is_word("unless"));
            // `a && b` in a `when` are two conditions; beside `||` or `if` it is one.
            let whole = unless
                || inner.iter().any(|token| token.is_word("if"))
                || split(inner, "||").len() > 1;
            if whole {
                parts.push((inner, unless));
            } else {
                parts.extend(split(inner, "&&").into_iter().map(|part| (part, false)));
            }
        } else {
            at += 1;
            continue;
        }
        at = end + 1;
    }
    parts
        .into_iter()
        .filter_map(|(part, unless)| {
            let first = part.first()?;
            Some(Part {
                line: lex::place(text, first.at).line,
                text: joined(text, part),
                unless,
            })
        })
        .collect()
}

fn without_annotations<'s, 'a>(mut tokens: &'s [Token<'a>]) -> &'s [Token<'a>] {
    while let [at, _, rest @ ..] = tokens
        && at.is_mark("@")
    {
        tokens = match rest {
            [open, _, _, rest @ ..] if open.is_mark("(") => rest,
            rest => rest,
        };
    }
    tokens
}

fn opens(token: &Token<'_>) -> bool {
    token.is_mark("(") || token.is_mark("[") || token.is_mark("{")
}

fn closes(token: &Token<'_>) -> bool {
    token.is_mark(")") || token.is_mark("]") || token.is_mark("}")
}

/// Where the bracket that opens at `at` closes.
fn closing(tokens: &[Token<'_>], at: usize) -> usize {
    let mut depth = 0_usize;
    for (nth, token) in tokens.iter().enumerate().skip(at) {
        if opens(token) {
            depth += 1;
        } else if closes(token) {
            depth -= 1;
            if depth == 0 {
                return nth;
            }
        }
    }
    tokens.len()
}

/// Splits at a mark that stands outside all brackets.
fn split<'s, 'a>(tokens: &'s [Token<'a>], mark: &str) -> Vec<&'s [Token<'a>]> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (nth, token) in tokens.iter().enumerate() {
        if opens(token) {
            depth += 1;
        } else if closes(token) {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && token.is_mark(mark) {
            parts.push(tokens.get(from..nth).unwrap_or_default());
            from = nth + 1;
        }
    }
    parts.push(tokens.get(from..).unwrap_or_default());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The tokens as text, without comments between them.
fn joined(text: &str, tokens: &[Token<'_>]) -> String {
    let mut out = String::new();
    let mut end = None;
    for token in tokens {
        let long = match token.kind {
            Kind::Text => token.text.len() + 2,
            Kind::Word | Kind::Mark => token.text.len(),
        };
        if end.is_some_and(|end| end < token.at) {
            out.push(' ');
        }
        let stop = token.at + long;
        out.push_str(text.get(token.at..stop).unwrap_or_default());
        end = Some(stop);
    }
    out
}
