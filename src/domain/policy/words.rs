//! Literals in a policy that must be one of a few known words, and names that should be in the catalogue.
//!
//! Cedar compares any two strings happily. A misspelt word in a `permit` is a nuisance; in a `forbid` it silently
//! forbids nothing.

use crate::domain::policy::RequestKind;
use crate::domain::policy::lex::{self, Kind, Place, Statement, Token};
use crate::domain::policy::read::PolicyProblem;
use crate::domain::target::TargetKind;

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

/// The known word that is closest to what was written, if any is close enough to be what was meant.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_lowercase();
    let scored = known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&written, word), word));
    let (distance, word) = scored.min()?;
    let close = distance <= 1 + written.chars().count().min(word.chars().count()) / 4;
    let part = written.len() >= 3 && (word.starts_with(&written) || written.starts_with(word));
    (close || part).then_some(word)
}

/// Words in a row, in back-ticks: `` `a`, `b` and `c` ``.
pub(crate) fn list<T: std::fmt::Display>(words: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
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
            let mut mention = |what| {
                let place = lex::place(text, token.at);
                found.push(Mention {
                    what,
                    name: token.text.to_owned(),
                    place,
                });
            };
            match subject(before, after) {
                Some(Subject::Entity("Target") | Subject::Attribute("resource", "name")) => {
                    mention(Mentioned::Target)
                }
                Some(Subject::Entity("Group")) => mention(Mentioned::Group),
                Some(Subject::Entity("Principal") | Subject::Attribute("principal", "name")) => {
                    mention(Mentioned::Principal)
                }
                Some(Subject::Attribute("context", "role")) => mention(Mentioned::Role),
                Some(Subject::Tag) => mention(Mentioned::Tag),
                Some(Subject::Attribute("context", "kind")) => {
                    check(
                        text,
                        token,
                        "kind of request",
                        &RequestKind::ALL.map(RequestKind::as_str),
                        problems,
                    );
                }
                Some(Subject::Attribute("context", "weekday")) => {
                    check(text, token, "weekday", &WEEKDAYS, problems)
                }
                Some(Subject::Attribute("resource", "kind")) => {
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
        _ => contained(before, after),
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
