//! Literals in a policy that must be one of a few known words, and names that should be in the catalogue.
//!
//! Cedar compares any two strings happily. A misspelt word in a `permit` is a nuisance; in a `forbid` it silently
//! forbids nothing.

use std::str::FromStr;

use crate::domain::ids::{GroupName, IdError, PrincipalName, RoleName, TargetName};
use crate::domain::nearest::{list, nearest};
use crate::domain::policy::complaint::PolicyProblem;
use crate::domain::policy::lex::{self, Kind, Place, Statement, Token};
use crate::domain::principal::ProductRole;
use crate::domain::request::RequestKind;
use crate::domain::target::{EnforcementClass, TargetKind};

/// The days of the week as a policy sees them.
pub(super) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What a policy text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mentioned {
    Target,
    Role,
    /// The key of a tag.
    Tag,
    Group,
    /// A principal by name.
    Principal,
}

/// One name in a policy text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    pub what: Mentioned,
    pub name: String,
    pub place: Place,
}

/// Finds every name in the text, and reports words that are none of the known ones.
pub(super) fn mentions(
    text: &str,
    statements: &[Statement<'_>],
    problems: &mut Vec<PolicyProblem>,
) -> Vec<Mention> {
    let mut found = Vec::new();
    for statement in statements {
        let tokens = statement.tokens.as_slice();
        for (at, token) in tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| token.kind == Kind::Text)
        {
            let before = tokens.get(..at).unwrap_or_default();
            let after = tokens.get(at + 1..).unwrap_or_default();
            let Some(subject) = subject(before, after) else {
                continue;
            };
            if let Some(what) = mentioned(&subject) {
                found.push(Mention {
                    what,
                    name: token.text.to_owned(),
                    place: lex::place(text, token.at),
                });
                if let Err(error) = what.check(token.text) {
                    problems.push(PolicyProblem::at(text, token.at, error.to_string(), None));
                }
            }
            match subject {
                Subject::Attribute("context", "kind") => {
                    check(
                        text,
                        token,
                        "kind of request",
                        &RequestKind::ALL.map(RequestKind::as_str),
                        problems,
                    );
                }
                Subject::Attribute("context", "on") => {
                    check(
                        text,
                        token,
                        "kind of lock",
                        &["principal", "target", "role", "tag", "everything"],
                        problems,
                    );
                }
                Subject::Attribute("context", "weekday") => {
                    check(text, token, "weekday", &WEEKDAYS, problems);
                }
                Subject::Attribute("principal", "roles") => {
                    check(
                        text,
                        token,
                        "role in Portcullis",
                        &ProductRole::ALL.map(ProductRole::as_str),
                        problems,
                    );
                }
                Subject::Attribute("resource", "enforcement") => {
                    check(
                        text,
                        token,
                        "class of a target",
                        &EnforcementClass::ALL.map(EnforcementClass::as_str),
                        problems,
                    );
                }
                Subject::Attribute("resource", "kind") => {
                    check(
                        text,
                        token,
                        "kind of target",
                        &TargetKind::ALL.map(TargetKind::as_str),
                        problems,
                    );
                }
                _ => {}
            }
        }
    }
    found
}

fn mentioned(subject: &Subject<'_>) -> Option<Mentioned> {
    match subject {
        Subject::Entity("Target") | Subject::Attribute("resource", "name") => {
            Some(Mentioned::Target)
        }
        Subject::Entity("Group") => Some(Mentioned::Group),
        Subject::Entity("Principal") | Subject::Attribute("principal", "name") => {
            Some(Mentioned::Principal)
        }
        Subject::Attribute("context", "role") => Some(Mentioned::Role),
        Subject::Tag => Some(Mentioned::Tag),
        _ => None,
    }
}

impl Mentioned {
    /// A name that no such thing can have would never match.
    fn check(self, name: &str) -> Result<(), IdError> {
        match self {
            Self::Target => TargetName::from_str(name).map(drop),
            Self::Role => RoleName::from_str(name).map(drop),
            Self::Group => GroupName::from_str(name).map(drop),
            Self::Principal => PrincipalName::from_str(name).map(drop),
            Self::Tag => Ok(()),
        }
    }
}

fn check(
    text: &str,
    token: &Token<'_>,
    what: &str,
    known: &[&str],
    problems: &mut Vec<PolicyProblem>,
) {
    if known.contains(&token.text) {
        return;
    }
    let hint = match nearest(token.text, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", list(known)),
    };
    let message = format!("`{}` is not a {what}", token.text.escape_default());
    problems.push(PolicyProblem::at(text, token.at, message, Some(hint)));
}

/// What a text literal is compared with or names.
enum Subject<'a> {
    Entity(&'a str),
    Attribute(&'a str, &'a str),
    Tag,
}

fn subject<'a>(before: &[Token<'a>], after: &[Token<'a>]) -> Option<Subject<'a>> {
    match before {
        [.., word, colons] if colons.is_mark("::") && word.kind == Kind::Word => {
            return Some(Subject::Entity(word.text));
        }
        [.., call, open]
            if open.is_mark("(") && (call.is_word("hasTag") || call.is_word("getTag")) =>
        {
            return Some(Subject::Tag);
        }
        [.., object, dot, name, compare] if is_comparison(compare) && dot.is_mark(".") => {
            return Some(Subject::Attribute(object.text, name.text));
        }
        _ => {}
    }
    match after {
        [compare, object, dot, name, ..] if is_comparison(compare) && dot.is_mark(".") => {
            Some(Subject::Attribute(object.text, name.text))
        }
        _ => contained(before, after).or_else(|| containing(before)),
    }
}

/// `principal.roles.contains("a")` or `.containsAny(["a", "b"])`, seen from one of its literals.
fn containing<'a>(before: &[Token<'a>]) -> Option<Subject<'a>> {
    let listed =
        |token: &Token<'_>| token.kind == Kind::Text || token.is_mark(",") || token.is_mark("[");
    let end = before.iter().rposition(|token| !listed(token))?;
    match before.get(..=end)? {
        [.., object, dot, name, dot2, call, open]
            if open.is_mark("(")
                && call.text.starts_with("contains")
                && dot.is_mark(".")
                && dot2.is_mark(".") =>
        {
            Some(Subject::Attribute(object.text, name.text))
        }
        _ => None,
    }
}

fn is_comparison(token: &Token<'_>) -> bool {
    token.is_mark("==") || token.is_mark("!=")
}

/// `["a", "b"].contains(context.role)`, seen from one of its literals.
fn contained<'a>(before: &[Token<'a>], after: &[Token<'a>]) -> Option<Subject<'a>> {
    let opens = before
        .iter()
        .rev()
        .find(|token| token.kind != Kind::Text && !token.is_mark(","))?;
    let close = after
        .iter()
        .position(|token| token.kind != Kind::Text && !token.is_mark(","))?;
    match after.get(close..)? {
        [end, dot, call, open, object, dot2, name, ..]
            if opens.is_mark("[")
                && end.is_mark("]")
                && dot.is_mark(".")
                && call.is_word("contains")
                && open.is_mark("(")
                && dot2.is_mark(".") =>
        {
            Some(Subject::Attribute(object.text, name.text))
        }
        _ => None,
    }
}
