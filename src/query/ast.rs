//! A filter as it was understood, and the one way to write it down: what [`Expr`] displays reads back as the same.

use std::fmt;

use regex::Regex;

use super::fields::{Kind, Name, Word};
use super::lex::{Span, is_name};
use super::time::{Length, When};

/// A filter. Two are equal when they ask for the same in the same order, wherever it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// All of these; of nothing, everything passes.
    And(Vec<Expr>),
    /// Any of these.
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Term(Term),
}

/// One comparison, with where it was written.
#[derive(Debug, Clone)]
pub struct Term {
    pub subject: Subject,
    pub span: Span,
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.subject == other.subject
    }
}

/// What a term looks at, and what it wants to see there.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// A text that occurs anywhere a person would look for it; in small letters.
    Free(String),
    /// Any of the tests holds for a value of the field.
    Field(Name, Vec<Test>),
    /// The same for a tag of the target.
    Tag(String, Vec<Test>),
    /// The field has a value at all.
    Has(Vec<Present>),
    /// Any of these words is true of the row.
    Is(Vec<&'static Word>),
}

/// What `has:` can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Present {
    Field(Name),
    Tag(String),
}

/// How a number or a moment is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Than {
    More,
    AtLeast,
    Less,
    AtMost,
}

impl Than {
    /// Whether larger values pass, and whether the value itself does.
    pub fn parts(self) -> (bool, bool) {
        match self {
            Self::More => (true, false),
            Self::AtLeast => (true, true),
            Self::Less => (false, false),
            Self::AtMost => (false, true),
        }
    }
}

/// What a value has to be. Texts are in small letters and are compared without regard to capitals.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The text itself; in prose, a part of it.
    Text(String),
    /// The text with anything before or after it.
    Wild {
        text: String,
        before: bool,
        after: bool,
    },
    /// `=`: nothing but this text, also in prose.
    Exactly(String),
    Like(Pattern),
    /// Whoever asks.
    Me,
    Lasts(Length),
    LastsThan(Than, Length),
    LastsBetween(Option<Length>, Option<Length>),
    At(When),
    AtThan(Than, When),
    AtBetween(Option<When>, Option<When>),
}

/// A regular expression that is small enough to be run on every row.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// A compiled pattern may take so much memory, and so may what remembers where it was while it runs.
const PATTERN_SIZE: usize = 128 << 10;

impl Pattern {
    /// Compiles a pattern, without regard to capitals. The error is what the first line of its message says.
    pub fn new(source: &str) -> Result<Self, String> {
        let regex = regex::RegexBuilder::new(source)
            .case_insensitive(true)
            .size_limit(PATTERN_SIZE)
            .dfa_size_limit(PATTERN_SIZE)
            .nest_limit(32)
            .build();
        match regex {
            Ok(regex) => Ok(Self {
                source: source.to_owned(),
                regex,
            }),
            Err(regex::Error::CompiledTooBig(_)) => Err("it is too large".to_owned()),
            Err(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                Err(last.trim_start_matches("error: ").to_owned())
            }
        }
    }

    /// Says whether the pattern occurs in a text.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl Default for Expr {
    fn default() -> Self {
        Self::And(Vec::new())
    }
}

impl Expr {
    /// Says whether everything passes.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::And(parts) if parts.is_empty())
    }

    /// Both at once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut parts = Vec::new();
        for side in [self, other] {
            match side {
                Self::And(inner) => parts.extend(inner),
                side => parts.push(side),
            }
        }
        Self::all(parts)
    }

    /// Every term, in the order in which they are written.
    pub fn terms(&self) -> Vec<&Term> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::terms).collect(),
            Self::Not(inner) => inner.terms(),
            Self::Term(term) => vec![term],
        }
    }

    /// Says whether a row may begin or cease to pass although nothing happens to it.
    pub fn runs(&self) -> bool {
        self.terms().iter().any(|term| match &term.subject {
            Subject::Field(name, _) => matches!(name.field().kind, Kind::Running | Kind::Moment),
            Subject::Is(words) => words
                .iter()
                .any(|word| matches!(word.word, "urgent" | "expiring" | "overdue")),
            _ => false,
        })
    }

    pub(super) fn all(mut parts: Vec<Self>) -> Self {
        match (parts.len(), parts.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                parts.extend(last);
                Self::And(parts)
            }
        }
    }

    /// The same, all of it written in one place.
    #[must_use]
    pub(super) fn moved(self, span: Span) -> Self {
        match self {
            Self::And(parts) => Self::And(parts.into_iter().map(|part| part.moved(span)).collect()),
            Self::Or(parts) => Self::Or(parts.into_iter().map(|part| part.moved(span)).collect()),
            Self::Not(inner) => Self::Not(Box::new(inner.moved(span))),
            Self::Term(term) => Self::Term(Term { span, ..term }),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => joined(f, parts, " ", |part| matches!(part, Self::Or(_))),
            Self::Or(parts) => joined(f, parts, " OR ", |_| false),
            Self::Not(inner) => match **inner {
                Self::And(_) | Self::Or(_) => write!(f, "-({inner})"),
                _ => write!(f, "-{inner}"),
            },
            Self::Term(term) => write!(f, "{term}"),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expr],
    between: &str,
    wrapped: fn(&Expr) -> bool,
) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        if wrapped(part) {
            write!(f, "({part})")?;
        } else {
            write!(f, "{part}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Free(text) if is_plain(text) && !is_keyword(text) => f.write_str(text),
            Subject::Free(text) => f.write_str(&quoted(text)),
            Subject::Field(name, tests) => {
                write!(f, "{}:", name.field().word)?;
                values(f, tests)
            }
            Subject::Tag(name, tests) => {
                write!(f, "{}:", tag(name))?;
                values(f, tests)
            }
            Subject::Has(present) => {
                let words: Vec<String> = present
                    .iter()
                    .map(|present| match present {
                        Present::Field(name) => name.field().word.to_owned(),
                        Present::Tag(name) => tag(name),
                    })
                    .collect();
                write!(f, "has:{}", words.join(","))
            }
            Subject::Is(words) => {
                let words: Vec<&str> = words.iter().map(|word| word.word).collect();
                write!(f, "is:{}", words.join(","))
            }
        }
    }
}

/// `env` for the tag that everybody has, `tag.name` for the others.
fn tag(name: &str) -> String {
    if name == "env" {
        name.to_owned()
    } else {
        format!("tag.{name}")
    }
}

fn values(f: &mut fmt::Formatter<'_>, tests: &[Test]) -> fmt::Result {
    let op = match tests.first() {
        Some(Test::Exactly(_)) => "=",
        Some(Test::Like(_)) => "~",
        Some(Test::LastsThan(than, _) | Test::AtThan(than, _)) => match than {
            Than::More => ">",
            Than::AtLeast => ">=",
            Than::Less => "<",
            Than::AtMost => "<=",
        },
        _ => "",
    };
    f.write_str(op)?;
    for (at, test) in tests.iter().enumerate() {
        if at > 0 {
            f.write_str(",")?;
        }
        match test {
            Test::Text(text) | Test::Exactly(text) => f.write_str(&plain(text))?,
            Test::Wild {
                text,
                before,
                after,
            } => {
                let star = |is: bool| if is { "*" } else { "" };
                write!(f, "{}{text}{}", star(*before), star(*after))?;
            }
            Test::Like(pattern) => f.write_str(&plain(&pattern.source))?,
            Test::Me => f.write_str("@me")?,
            Test::Lasts(length) | Test::LastsThan(_, length) => write!(f, "{length}")?,
            Test::At(when) | Test::AtThan(_, when) => write!(f, "{when}")?,
            Test::LastsBetween(from, until) => range(f, from.as_ref(), until.as_ref())?,
            Test::AtBetween(from, until) => range(f, from.as_ref(), until.as_ref())?,
        }
    }
    Ok(())
}

fn range<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    from: Option<&T>,
    until: Option<&T>,
) -> fmt::Result {
    if let Some(from) = from {
        write!(f, "{from}")?;
    }
    f.write_str("..")?;
    match until {
        Some(until) => write!(f, "{until}"),
        None => Ok(()),
    }
}

fn is_keyword(text: &str) -> bool {
    matches!(text, "OR" | "AND" | "NOT")
        || text.split_once(':').is_some_and(|(name, _)| is_name(name))
}

/// Says whether a text is read back as itself without quotes.
fn is_plain(text: &str) -> bool {
    let first = text.chars().next();
    first.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '/' || c == '#')
        && text.chars().all(|c| {
            c.is_alphanumeric() || matches!(c, '_' | '/' | '#' | '-' | '.' | ':' | '+' | '@')
        })
}

/// A value as it is written: in quotes where it would be read as something else without them.
pub fn plain(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}
