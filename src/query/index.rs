//! What an index of events can be asked for a filter: a condition that every passing row fulfils, in words that an
//! index has. Where it says so, the condition is the filter itself, and rows need not be looked at to be counted.

use super::ast::{Expr, Present, Subject, Test};
use super::eval::Context;
use super::fields::{List, Name};

/// Shorter texts occur nearly everywhere, and an index does not have them.
pub const SHORTEST: usize = 3;

/// One thing that a row has or has not. Values are in small letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// The field has this value.
    Value(Name, String),
    /// The field has a value at all.
    Present(Name),
    /// A person did it.
    Human,
    /// Portcullis itself did it.
    System,
    /// Some text of the row holds the parts of this one, of [`SHORTEST`] characters and more.
    Holds(String),
}

/// A condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Need {
    /// Nothing is known.
    #[default]
    Any,
    Key(Key),
    All(Vec<Need>),
    One(Vec<Need>),
    Not(Box<Need>),
}

/// A condition, and how much it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needed {
    pub need: Need,
    /// Every row that fulfils the condition passes.
    pub exact: bool,
}

/// Which targets have a tag with one of some values; nothing where these are too many to name.
pub type Tagged<'t> = &'t dyn Fn(&str, &dyn Fn(&str) -> bool) -> Option<Vec<String>>;

impl Need {
    /// Both conditions at once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, one) | (one, Self::Any) => one,
            (Self::All(mut parts), one) | (one, Self::All(mut parts)) => {
                parts.push(one);
                Self::All(parts)
            }
            (one, other) => Self::All(vec![one, other]),
        }
    }

    /// Any of these values.
    pub fn values(name: Name, values: impl IntoIterator<Item = String>) -> Self {
        Self::One(
            values
                .into_iter()
                .map(|value| Self::Key(Key::Value(name, value)))
                .collect(),
        )
    }

    /// This text somewhere in the row.
    pub fn holds(text: String) -> Self {
        if text.chars().count() < SHORTEST {
            Self::Any
        } else {
            Self::Key(Key::Holds(text))
        }
    }
}

impl Needed {
    fn exactly(need: Need) -> Self {
        Self { need, exact: true }
    }

    fn at_least(need: Need) -> Self {
        Self { need, exact: false }
    }

    fn key(key: Key) -> Self {
        Self::exactly(Need::Key(key))
    }
}

/// The condition of a filter over audit events. What it says about time alone is not in it: see [`super::needs::time`].
pub fn needed(expr: &Expr, context: Context<'_>, tagged: Tagged<'_>) -> Needed {
    match expr {
        Expr::And(parts) => {
            let parts = parts.iter().filter(|part| !is_stretch(part));
            all_of(parts.map(|part| inner(part, context, tagged)))
        }
        expr if is_stretch(expr) => Needed::exactly(Need::Any),
        expr => inner(expr, context, tagged),
    }
}

fn inner(expr: &Expr, context: Context<'_>, tagged: Tagged<'_>) -> Needed {
    match expr {
        Expr::And(parts) => all_of(parts.iter().map(|part| inner(part, context, tagged))),
        Expr::Or(parts) => any_of(parts.iter().map(|part| inner(part, context, tagged))),
        Expr::Not(part) => {
            let part = inner(part, context, tagged);
            match part.need {
                // `Any` that is exact lets everything pass.
                Need::Any if part.exact => Needed::exactly(Need::One(Vec::new())),
                need if part.exact => Needed::exactly(Need::Not(Box::new(need))),
                _ => Needed::default(),
            }
        }
        Expr::Term(term) => of_subject(&term.subject, context, tagged),
    }
}

fn all_of(parts: impl Iterator<Item = Needed>) -> Needed {
    let nothing = Needed::exactly(Need::Any);
    parts.fold(nothing, |all, part| Needed {
        exact: all.exact && part.exact,
        need: all.need.and(part.need),
    })
}

/// Says whether a part of a filter is about one stretch of time and nothing else: its bounds say it all.
fn is_stretch(expr: &Expr) -> bool {
    matches!(expr, Expr::Term(term) if matches!(&term.subject, Subject::Field(Name::Time, tests) if tests.len() == 1))
}

fn any_of(parts: impl Iterator<Item = Needed>) -> Needed {
    let parts: Vec<Needed> = parts.collect();
    let exact = parts.iter().all(|part| part.exact);
    if parts.iter().any(|part| part.need == Need::Any) {
        return Needed {
            need: Need::Any,
            exact,
        };
    }
    Needed {
        need: Need::One(parts.into_iter().map(|part| part.need).collect()),
        exact,
    }
}

fn of_subject(subject: &Subject, context: Context<'_>, tagged: Tagged<'_>) -> Needed {
    match subject {
        Subject::Free(word) => Needed::at_least(Need::holds(word.clone())),
        Subject::Field(Name::Reason, tests) => any_of(tests.iter().map(|test| {
            let there = Need::Key(Key::Present(Name::Reason));
            Needed::at_least(match test {
                Test::Text(text) | Test::Exactly(text) | Test::Wild { text, .. } => {
                    there.and(Need::holds(text.clone()))
                }
                _ => there,
            })
        })),
        Subject::Field(name, tests) => {
            any_of(tests.iter().map(|test| of_test(*name, test, context)))
        }
        Subject::Tag(name, tests) => targets(tagged(name, &|value| {
            tests
                .iter()
                .any(|test| super::eval::is(test, value, context))
        })),
        Subject::Has(present) => any_of(present.iter().map(|present| match present {
            Present::Field(name) if is_indexed(*name) || *name == Name::Reason => {
                Needed::key(Key::Present(*name))
            }
            Present::Field(_) => Needed::default(),
            Present::Tag(name) => targets(tagged(name, &|_| true)),
        })),
        Subject::Is(words) => any_of(words.iter().map(|word| match word.word {
            "denied" | "failed" => {
                let outcome = if word.word == "denied" {
                    "denied"
                } else {
                    "error"
                };
                Needed::key(Key::Value(Name::Outcome, outcome.to_owned()))
            }
            "mine" => Needed::exactly(Need::One(vec![
                Need::Key(Key::Value(Name::Actor, context.me.to_owned())),
                Need::Key(Key::Value(Name::Principal, context.me.to_owned())),
            ])),
            "human" => Needed::key(Key::Human),
            "system" => Needed::key(Key::System),
            _ => Needed::default(),
        })),
    }
}

fn targets(named: Option<Vec<String>>) -> Needed {
    match named {
        Some(named) => Needed::exactly(Need::values(
            Name::Target,
            named.into_iter().map(|name| name.to_lowercase()),
        )),
        None => Needed::default(),
    }
}

/// Whether an index has the values of a field.
fn is_indexed(name: Name) -> bool {
    matches!(
        name,
        Name::Event
            | Name::Outcome
            | Name::Actor
            | Name::Principal
            | Name::Target
            | Name::Role
            | Name::Request
            | Name::Grant
            | Name::Trace
            | Name::Channel
            | Name::Address
            | Name::Session
    )
}

/// Whether the values of a field occur in a text of every row that has them.
fn is_in_texts(name: Name) -> bool {
    matches!(
        name,
        Name::Event | Name::Actor | Name::Principal | Name::Target | Name::Request | Name::Grant
    )
}

fn of_test(name: Name, test: &Test, context: Context<'_>) -> Needed {
    if !is_indexed(name) {
        return Needed::default();
    }
    match test {
        Test::Text(value) | Test::Exactly(value) => Needed::key(Key::Value(name, value.clone())),
        Test::Me => Needed::key(Key::Value(name, context.me.to_owned())),
        Test::Wild { .. } if matches!(name, Name::Event | Name::Outcome) => {
            let known = name.field().values(List::Audit).into_iter();
            let fits = known.filter(|value| super::eval::is(test, value, context));
            Needed::exactly(Need::values(name, fits.map(str::to_lowercase)))
        }
        Test::Wild { text, .. } if is_in_texts(name) => {
            Needed::at_least(Need::Key(Key::Present(name)).and(Need::holds(text.clone())))
        }
        _ => Needed::at_least(Need::Key(Key::Present(name))),
    }
}
