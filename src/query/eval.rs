//! Whether a row passes a filter: a pure function of the filter, the row, who asks and when.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::ast::{Expr, Present, Subject, Test};
use super::fields::{Kind, Name};

/// Who asks, and when, by the clock of whoever keeps the rows.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub now: DateTime<Utc>,
    /// The name that `@me` and `is:mine` stand for.
    pub me: &'a str,
}

/// One value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Text(&'a str),
    /// In seconds.
    Length(i64),
    Moment(DateTime<Utc>),
}

/// Something that a filter can look at.
pub trait Row {
    /// Offers every value of a field until one is taken; says whether one was.
    fn any(
        &self,
        name: Name,
        context: Context<'_>,
        takes: &mut dyn FnMut(Value<'_>) -> bool,
    ) -> bool;

    /// The value of a tag of its target.
    fn tag(&self, name: &str) -> Option<&str>;

    /// Says whether an `is:` word of its list is true of it.
    fn is(&self, word: &str, context: Context<'_>) -> bool;

    /// Offers every text in which a person would look for a word until one is taken; says whether one was.
    fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool;
}

impl Expr {
    /// Says whether a row passes.
    pub fn lets<R: Row + ?Sized>(&self, row: &R, context: Context<'_>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.lets(row, context)),
            Self::Or(parts) => parts.iter().any(|part| part.lets(row, context)),
            Self::Not(inner) => !inner.lets(row, context),
            Self::Term(term) => holds(&term.subject, row, context),
        }
    }
}

fn holds<R: Row + ?Sized>(subject: &Subject, row: &R, context: Context<'_>) -> bool {
    match subject {
        Subject::Free(word) => row.texts(&mut |text| small(text).contains(word)),
        Subject::Field(name, tests) => {
            let prose = name.field().kind == Kind::Prose;
            row.any(*name, context, &mut |value| {
                tests.iter().any(|test| passes(test, value, prose, context))
            })
        }
        Subject::Tag(name, tests) => row.tag(name).is_some_and(|value| {
            tests
                .iter()
                .any(|test| passes(test, Value::Text(value), false, context))
        }),
        Subject::Has(present) => present.iter().any(|present| match present {
            Present::Field(name) => row.any(*name, context, &mut |value| value != Value::Text("")),
            Present::Tag(name) => row.tag(name).is_some(),
        }),
        Subject::Is(words) => words.iter().any(|word| row.is(word.word, context)),
    }
}

/// Small letters, without a copy where there is nothing to change.
fn small(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// Says whether a word passes a test.
pub(super) fn is(test: &Test, value: &str, context: Context<'_>) -> bool {
    text(test, value, false, context)
}

fn passes(test: &Test, value: Value<'_>, prose: bool, context: Context<'_>) -> bool {
    match value {
        Value::Text(has) => text(test, has, prose, context),
        Value::Length(has) => match test {
            Test::Lasts(length) => has == length.0,
            Test::LastsThan(than, length) => {
                let (greater, or_equal) = than.parts();
                has.cmp(&length.0).is_eq() && or_equal
                    || has.cmp(&length.0).is_gt() && greater
                    || has.cmp(&length.0).is_lt() && !greater
            }
            Test::LastsBetween(from, until) => {
                from.is_none_or(|from| has >= from.0) && until.is_none_or(|until| has <= until.0)
            }
            _ => false,
        },
        Value::Moment(has) => test
            .bounds(context.now)
            .is_some_and(|bounds| bounds.holds(has)),
    }
}

fn text(test: &Test, has: &str, prose: bool, context: Context<'_>) -> bool {
    match test {
        Test::Text(wanted) if prose => small(has).contains(wanted),
        Test::Like(pattern) => pattern.matches(has),
        Test::Me => has == context.me,
        test => test.fits(has),
    }
}

impl Test {
    /// Whether a word is the one that is wanted, or one of those.
    pub(super) fn fits(&self, has: &str) -> bool {
        let has = small(has);
        match self {
            Self::Text(wanted) | Self::Exactly(wanted) => has == *wanted,
            Self::Wild {
                text,
                before,
                after,
            } => match (before, after) {
                (true, true) => has.contains(text),
                (true, false) => has.ends_with(text),
                (_, true) => has.starts_with(text),
                (false, false) => has == *text,
            },
            _ => false,
        }
    }

    /// The stretch of time that a test of a moment wants.
    pub(super) fn bounds(&self, now: DateTime<Utc>) -> Option<super::time::Bounds> {
        match self {
            Self::At(when) => Some(when.within(now)),
            Self::AtThan(than, when) => {
                let (greater, or_equal) = than.parts();
                Some(when.compared(greater, or_equal, now))
            }
            Self::AtBetween(from, until) => Some(super::time::When::between(*from, *until, now)),
            _ => None,
        }
    }
}
