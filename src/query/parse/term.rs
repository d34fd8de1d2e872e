//! One term of a filter: what it is about, and the fields that a list has.

use crate::domain::nearest::{list as listed, nearest};
use crate::query::ast::{Expr, Present, Subject, Term, Test, Than};
use crate::query::fields::{self, Field, Kind as Type, List, Name};
use crate::query::lex::{self, Kind, Span, Token, unquoted};

use super::Parser;

impl Parser<'_, '_> {
    pub(super) fn term(&mut self, token: Token) -> Option<Expr> {
        let op = self.peek().filter(|token| token.kind == Kind::Op);
        self.at += usize::from(op.is_some());
        let mut values = Vec::new();
        let mut end = op.map_or(token.span, |op| op.span);
        loop {
            let adjacent = |next: &Token| next.span.start == end.end;
            let value = self.peek().filter(adjacent).filter(|next| {
                next.kind == Kind::Value || matches!(next.kind, Kind::Quoted { .. })
            });
            if let Some(value) = value {
                self.at += 1;
                end = value.span;
                values.push(value);
            }
            let Some(comma) = self.peek().filter(|next| next.kind == Kind::Comma) else {
                break;
            };
            self.at += 1;
            end = comma.span;
        }
        let span = token.span.to(end);
        let word = token.span.of(self.text).trim_end_matches(':');
        let subject = match word.to_ascii_lowercase().as_str() {
            "is" => self.is(span, op, &values)?,
            "has" => self.has(span, op, &values)?,
            "env" => self.tag("env", span, op, &values)?,
            // What the commands and the API call them.
            "since" | "until" => {
                let than = if word.eq_ignore_ascii_case("since") {
                    Than::AtLeast
                } else {
                    Than::Less
                };
                if let Some(op) = op {
                    let sign = op.span.of(self.text);
                    self.problem(op.span, format!("`{word}` takes no `{sign}`"));
                    return None;
                }
                let tests = self.moments(word, Some(than), span, &values)?;
                Subject::Field(Name::Time, tests)
            }
            lower => match (lower.strip_prefix("tag."), fields::find(lower)) {
                (Some(name), _) if !name.is_empty() => {
                    let name = name.to_owned();
                    self.tag(&name, span, op, &values)?
                }
                (_, Some(field)) if field.is_in(self.list) => {
                    let tests = self.tests(field.word, field.kind, span, op, &values)?;
                    let tests = self.known(field, &values, tests);
                    if tests.is_empty() {
                        return None;
                    }
                    Subject::Field(field.name, tests)
                }
                (_, Some(field)) => {
                    let message = format!("{} have no `{}`", rows(self.list), field.word);
                    self.problem(token.span, message);
                    return None;
                }
                _ => {
                    let name = Span {
                        end: token.span.end.saturating_sub(1),
                        ..token.span
                    };
                    let near = self.nearest_field(lower).map(str::to_owned);
                    self.unknown(name, format!("unknown field `{word}`"), near);
                    return None;
                }
            },
        };
        Some(Expr::Term(Term { subject, span }))
    }

    /// Leaves out, and tells, what a field of few values never is.
    fn known(&mut self, field: &Field, values: &[Token], tests: Vec<Test>) -> Vec<Test> {
        let known = field.values(self.list);
        if known.is_empty() || tests.len() != values.len() {
            return tests;
        }
        let mut kept = Vec::new();
        for (token, test) in values.iter().zip(tests) {
            let value = match &test {
                Test::Text(value) | Test::Exactly(value) => value.as_str(),
                Test::Wild { .. } => token.span.of(self.text),
                _ => {
                    kept.push(test);
                    continue;
                }
            };
            if known.iter().any(|known| test.fits(known)) {
                kept.push(test);
                continue;
            }
            let near = nearest(value, known.iter().copied()).map(str::to_owned);
            let mut message = format!("`{}` is never `{value}`", field.word);
            if near.is_none() && known.len() < 10 {
                message = format!("{message}; there are {}", listed(&known));
            }
            self.unknown(token.span, message, near);
        }
        kept
    }

    fn nearest_field(&self, word: &str) -> Option<&'static str> {
        let known: Vec<&'static str> = fields::of(self.list)
            .flat_map(|field| std::iter::once(&field.word).chain(field.aliases))
            .copied()
            .chain(["is", "has", "env", "since", "until"])
            .collect();
        // A field that begins like this is meant more often than one that is spelled like this.
        let begins = known
            .iter()
            .copied()
            .find(|known| word.len() > 1 && known.starts_with(word));
        begins.or_else(|| nearest(word, known))
    }

    fn tag(
        &mut self,
        name: &str,
        span: Span,
        op: Option<Token>,
        values: &[Token],
    ) -> Option<Subject> {
        if !fields::has_tags(self.list) {
            self.problem(span, format!("{} have no tags", rows(self.list)));
            return None;
        }
        let tests = self.tests(name, Type::Word, span, op, values)?;
        Some(Subject::Tag(name.to_owned(), tests))
    }

    fn words(
        &mut self,
        name: &str,
        span: Span,
        op: Option<Token>,
        values: &[Token],
    ) -> Vec<(Span, String)> {
        if let Some(op) = op {
            let sign = op.span.of(self.text).to_owned();
            self.problem(op.span, format!("`{name}` takes no `{sign}`"));
        }
        if values.is_empty() {
            self.unfinished(span, format!("`{name}:` needs a word"));
        }
        let text = self.text;
        values
            .iter()
            .map(|value| (value.span, unquoted(value.span.of(text)).to_lowercase()))
            .collect()
    }

    fn is(&mut self, span: Span, op: Option<Token>, values: &[Token]) -> Option<Subject> {
        let mut found = Vec::new();
        for (at, word) in self.words("is", span, op, values) {
            let list = self.list;
            if let Some(known) = fields::words(list).find(|known| known.word == word) {
                found.push(known);
                continue;
            }
            let near = nearest(&word, fields::words(list).map(|known| known.word));
            let mut message = format!("{} are never `{word}`", rows(list));
            if near.is_none() {
                message = format!(
                    "{message}; there are {}",
                    listed(fields::words(list).map(|known| known.word))
                );
            }
            self.unknown(at, message, near.map(str::to_owned));
        }
        (!found.is_empty()).then_some(Subject::Is(found))
    }

    fn has(&mut self, span: Span, op: Option<Token>, values: &[Token]) -> Option<Subject> {
        let mut found = Vec::new();
        for (at, word) in self.words("has", span, op, values) {
            let tag = if word == "env" {
                Some("env")
            } else {
                word.strip_prefix("tag.").filter(|name| lex::is_name(name))
            };
            if let Some(name) = tag.filter(|_| fields::has_tags(self.list)) {
                found.push(Present::Tag(name.to_owned()));
                continue;
            }
            if let Some(field) = fields::find(&word).filter(|field| field.is_in(self.list)) {
                found.push(Present::Field(field.name));
            } else {
                let near = self.nearest_field(&word).map(str::to_owned);
                self.unknown(at, format!("{} have no `{word}`", rows(self.list)), near);
            }
        }
        (!found.is_empty()).then_some(Subject::Has(found))
    }
}

/// The rows of a list, as the subject of a sentence.
fn rows(list: List) -> &'static str {
    match list {
        List::Audit => "events",
        list => list.as_str(),
    }
}
