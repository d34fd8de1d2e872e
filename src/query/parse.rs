//! Reads a filter. What cannot be understood is left out of the answer and told as a problem with its place, so that
//! a half-typed filter still does what of it is clear.

use std::fmt;

use crate::domain::nearest::{list as listed, nearest};

use super::LONGEST;
use super::ast::{Expr, Pattern, Present, Subject, Term, Test, Than};
use super::fields::{self, Field, Kind as Type, List, Name};
use super::lex::{Kind, Span, Token, lex, unquoted};
use super::saved::Saved;
use super::time::{Length, When};

/// Parentheses and negations inside each other; nobody means more.
const DEEPEST: usize = 24;
/// Patterns in one filter: each costs time on every row.
const PATTERNS: usize = 8;
/// Saved filters that one filter may stand on, counting those inside others.
const SAVED_MOST: usize = 16;

/// A part of a filter that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is in the text.
    pub span: Span,
    /// What is wrong, as half a sentence.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
    /// It may become right when somebody types on.
    pub unfinished: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.suggestion {
            Some(suggestion) => write!(f, "{}: did you mean `{suggestion}`?", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What was understood of a filter, and what was not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    pub expr: Expr,
    /// In the order of the text.
    pub problems: Vec<Problem>,
}

impl Parsed {
    /// The filter, if all of it was understood; otherwise its first problem.
    pub fn whole(self) -> Result<Expr, Problem> {
        match self.problems.into_iter().next() {
            None => Ok(self.expr),
            Some(problem) => Err(problem),
        }
    }
}

/// Reads a filter of a list. `@name` stands for the saved filter of that name.
pub fn parse(text: &str, list: List, saved: &Saved) -> Parsed {
    read(text, list, saved, &mut Vec::new(), &mut 0)
}

fn read<'a>(
    text: &'a str,
    list: List,
    saved: &'a Saved,
    inside: &mut Vec<&'a str>,
    expanded: &mut usize,
) -> Parsed {
    let readable = text.len() <= LONGEST;
    let mut parser = Parser {
        text,
        list,
        saved,
        inside,
        expanded,
        tokens: if readable { lex(text) } else { Vec::new() },
        at: 0,
        problems: Vec::new(),
        patterns: 0,
    };
    if !readable {
        let all = Span {
            start: 0,
            end: text.len(),
        };
        parser.problem(all, format!("a filter has at most {LONGEST} characters"));
        return Parsed {
            expr: Expr::default(),
            problems: parser.problems,
        };
    }
    let mut parts = Vec::new();
    loop {
        parts.extend(parser.or(0));
        // Only a parenthesis that nobody opened ends an expression early.
        let Some(token) = parser.next() else { break };
        parser.problem(token.span, "this `)` closes nothing".to_owned());
    }
    let mut problems = parser.problems;
    problems.sort_by_key(|problem| problem.span.start);
    Parsed {
        expr: parts.into_iter().fold(Expr::default(), Expr::and),
        problems,
    }
}

struct Parser<'a, 'p> {
    text: &'a str,
    list: List,
    saved: &'a Saved,
    /// The saved filters that this text is of.
    inside: &'p mut Vec<&'a str>,
    expanded: &'p mut usize,
    tokens: Vec<Token>,
    at: usize,
    problems: Vec<Problem>,
    patterns: usize,
}

impl<'a> Parser<'a, '_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn next_is(&mut self, kind: Kind) -> bool {
        let is = self.peek().is_some_and(|token| token.kind == kind);
        self.at += usize::from(is);
        is
    }

    fn problem(&mut self, span: Span, message: String) {
        self.problems.push(Problem {
            span,
            message,
            suggestion: None,
            unfinished: false,
        });
    }

    fn unfinished(&mut self, span: Span, message: String) {
        self.problem(span, message);
        if let Some(problem) = self.problems.last_mut() {
            problem.unfinished = span.end == self.text.len();
        }
    }

    fn unknown(&mut self, span: Span, message: String, suggestion: Option<String>) {
        self.unfinished(span, message);
        if let Some(problem) = self.problems.last_mut() {
            problem.suggestion = suggestion;
        }
    }

    fn or(&mut self, depth: usize) -> Option<Expr> {
        let mut parts: Vec<Expr> = self.and(depth).into_iter().collect();
        while let Some(token) = self.peek().filter(|token| token.kind == Kind::Or) {
            let first = parts.is_empty();
            self.at += 1;
            let right = self.and(depth);
            if first || right.is_none() {
                self.lonely(token);
            }
            parts.extend(right);
        }
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Expr::Or(inner) => flat.extend(inner),
                part => flat.push(part),
            }
        }
        match (flat.len(), flat.pop()) {
            (_, None) => None,
            (1, only) => only,
            (_, Some(last)) => {
                flat.push(last);
                Some(Expr::Or(flat))
            }
        }
    }

    /// A word between two terms, of which one is missing or made no sense; the latter was told already.
    fn lonely(&mut self, token: Token) {
        let told = |problem: &Problem| problem.span.start >= token.span.end;
        if !self.problems.iter().any(told) {
            let word = token.span.of(self.text);
            self.unfinished(
                token.span,
                format!("`{word}` stands between two terms; in quotes it is a word"),
            );
        }
    }

    fn and(&mut self, depth: usize) -> Option<Expr> {
        let mut parts = Vec::new();
        while let Some(token) = self.peek() {
            match token.kind {
                Kind::Or | Kind::Close => break,
                Kind::And => {
                    self.at += 1;
                    let more = self.peek().is_some_and(|next| {
                        !matches!(next.kind, Kind::Or | Kind::Close | Kind::And)
                    });
                    if parts.is_empty() || !more {
                        self.lonely(token);
                    }
                }
                _ => parts.extend(self.unary(depth)),
            }
        }
        (!parts.is_empty()).then(|| parts.into_iter().fold(Expr::default(), Expr::and))
    }

    fn unary(&mut self, depth: usize) -> Option<Expr> {
        let token = self.next()?;
        if depth > DEEPEST && matches!(token.kind, Kind::Minus | Kind::Not | Kind::Open) {
            self.problem(token.span, "this is nested too deeply".to_owned());
            return None;
        }
        match token.kind {
            Kind::Minus | Kind::Not => {
                let next = self.peek();
                if next.is_none_or(|next| matches!(next.kind, Kind::Or | Kind::And | Kind::Close)) {
                    self.lonely(token);
                    return None;
                }
                Some(Expr::Not(Box::new(self.unary(depth + 1)?)))
            }
            Kind::Open => {
                let inner = self.or(depth + 1);
                let closed = self.next_is(Kind::Close);
                if inner.is_none() && closed {
                    self.problem(
                        token.span,
                        "there is nothing in these parentheses".to_owned(),
                    );
                } else if !closed {
                    self.problem(token.span, "this `(` is not closed".to_owned());
                }
                inner
            }
            Kind::Saved => self.stored(token),
            Kind::Field => self.term(token),
            Kind::Quoted { .. } => {
                let text = self.quoted(token).to_lowercase();
                (!text.is_empty()).then(|| free(text, token.span))
            }
            _ => {
                // A word is looked for inside texts anyway.
                let text = token.span.of(self.text).trim_matches('*').to_lowercase();
                (!text.is_empty()).then(|| free(text, token.span))
            }
        }
    }

    fn quoted(&mut self, token: Token) -> String {
        if token.kind == (Kind::Quoted { closed: false }) {
            self.unfinished(token.span, "this quote is not closed".to_owned());
        }
        unquoted(token.span.of(self.text))
    }

    fn stored(&mut self, token: Token) -> Option<Expr> {
        let name: &'a str = token.span.of(self.text).trim_start_matches('@');
        let Some(text) = self.saved.get(name) else {
            let near = nearest(name, self.saved.names()).map(|near| format!("@{near}"));
            let message = format!("there is no saved filter `@{name}`");
            self.unknown(token.span, message, near);
            return None;
        };
        *self.expanded += 1;
        if self.inside.contains(&name) || *self.expanded > SAVED_MOST {
            self.problem(token.span, format!("`@{name}` goes round in circles"));
            return None;
        }
        self.inside.push(name);
        let parsed = read(text, self.list, self.saved, self.inside, self.expanded);
        self.inside.pop();
        if let Some(problem) = parsed.problems.first() {
            self.problem(token.span, format!("in `@{name}`: {problem}"));
        }
        (!parsed.expr.is_empty()).then(|| parsed.expr.moved(token.span))
    }

    fn term(&mut self, token: Token) -> Option<Expr> {
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
            let (Test::Text(value) | Test::Exactly(value)) = &test else {
                kept.push(test);
                continue;
            };
            if known.iter().any(|known| known.eq_ignore_ascii_case(value)) {
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
                word.strip_prefix("tag.")
                    .filter(|name| super::lex::is_name(name))
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

    fn tests(
        &mut self,
        name: &str,
        kind: Type,
        span: Span,
        op: Option<Token>,
        values: &[Token],
    ) -> Option<Vec<Test>> {
        if values.is_empty() {
            let help = match kind {
                Type::Length | Type::Running => ", like `>30m`",
                Type::Moment => ", like `-2h`, `today` or `2026-11-20..2026-11-21`",
                _ => "",
            };
            self.unfinished(span, format!("`{name}:` needs a value{help}"));
            return None;
        }
        let sign = op.map_or("", |op| op.span.of(self.text));
        let than = match sign {
            ">" => Some(Than::More),
            ">=" => Some(Than::AtLeast),
            "<" => Some(Than::Less),
            "<=" => Some(Than::AtMost),
            _ => None,
        };
        let ordered = matches!(kind, Type::Length | Type::Running | Type::Moment);
        if let Some(op) = op.filter(|_| (than.is_some() && !ordered) || (sign == "~" && ordered)) {
            self.problem(op.span, format!("`{name}` takes no `{sign}`"));
            return None;
        }
        let mut tests = Vec::new();
        for value in values {
            let test = match kind {
                Type::Word | Type::Person | Type::Prose => self.text(kind, sign, *value),
                Type::Moment => self.moment(name, than, *value),
                Type::Length | Type::Running => self.length(name, kind, than, *value),
            };
            tests.extend(test);
        }
        (!tests.is_empty()).then_some(tests)
    }

    fn moments(
        &mut self,
        name: &str,
        than: Option<Than>,
        span: Span,
        values: &[Token],
    ) -> Option<Vec<Test>> {
        if values.is_empty() {
            self.unfinished(
                span,
                format!("`{name}:` needs a moment, like `-2h` or `today`"),
            );
        }
        let tests: Vec<Test> = values
            .iter()
            .filter_map(|value| self.moment(name, than, *value))
            .collect();
        (!tests.is_empty()).then_some(tests)
    }

    fn text(&mut self, kind: Type, sign: &str, token: Token) -> Option<Test> {
        let bare = token.kind == Kind::Value;
        let raw = token.span.of(self.text);
        let text = if bare {
            raw.to_owned()
        } else {
            self.quoted(token)
        };
        let lower = text.to_lowercase();
        match sign {
            "=" => return Some(Test::Exactly(lower)),
            "~" => {
                self.patterns += 1;
                if self.patterns > PATTERNS {
                    self.problem(
                        token.span,
                        format!("a filter has at most {PATTERNS} patterns"),
                    );
                    return None;
                }
                return match Pattern::new(&text) {
                    Ok(pattern) => Some(Test::Like(pattern)),
                    Err(why) => {
                        self.unfinished(
                            token.span,
                            format!("this is no regular expression: {why}"),
                        );
                        None
                    }
                };
            }
            _ => {}
        }
        if bare && kind == Type::Person && lower == "@me" {
            return Some(Test::Me);
        }
        if bare && (lower.starts_with('*') || lower.ends_with('*')) {
            let (before, rest) = lower
                .strip_prefix('*')
                .map_or((false, lower.as_str()), |rest| (true, rest));
            let (after, rest) = rest
                .strip_suffix('*')
                .map_or((false, rest), |rest| (true, rest));
            return Some(Test::Wild {
                text: rest.to_owned(),
                before,
                after,
            });
        }
        Some(Test::Text(lower))
    }

    fn moment(&mut self, name: &str, than: Option<Than>, token: Token) -> Option<Test> {
        let written = unquoted(token.span.of(self.text)).to_ascii_lowercase();
        let range = written.split_once("..").filter(|_| than.is_none());
        let test = match range {
            Some((from, until)) => {
                sides(from, until, When::read).map(|(from, until)| Test::AtBetween(from, until))
            }
            None => When::read(&written).map(|when| match than {
                Some(than) => Test::AtThan(than, when),
                None => Test::At(when),
            }),
        };
        if test.is_none() {
            let message = format!(
                "`{written}` is no moment for `{name}`: write `-2h`, `14:30`, `today`, `2026-11-20` or a range like `-2d..-1d`"
            );
            self.unfinished(token.span, message);
        }
        test
    }

    fn length(&mut self, name: &str, kind: Type, than: Option<Than>, token: Token) -> Option<Test> {
        let written = unquoted(token.span.of(self.text)).to_ascii_lowercase();
        let range = written.split_once("..").filter(|_| than.is_none());
        let test = match range {
            Some((from, until)) => sides(from, until, Length::read)
                .map(|(from, until)| Test::LastsBetween(from, until)),
            None => Length::read(&written).map(|length| match than {
                Some(than) => Test::LastsThan(than, length),
                None => Test::Lasts(length),
            }),
        };
        match test {
            Some(Test::Lasts(length)) if kind == Type::Running => {
                let message = format!(
                    "`{name}` never stays `{length}`: write `>{length}`, `<{length}` or a range"
                );
                self.unfinished(token.span, message);
                None
            }
            None => {
                let message = format!(
                    "`{written}` is no length for `{name}`: write `45s`, `30m`, `2h30m` or `1d`"
                );
                self.unfinished(token.span, message);
                None
            }
            read => read,
        }
    }
}

fn free(text: String, span: Span) -> Expr {
    Expr::Term(Term {
        subject: Subject::Free(text),
        span,
    })
}

/// Both sides of a range; one of them may be open.
fn sides<T>(
    from: &str,
    until: &str,
    read: fn(&str) -> Option<T>,
) -> Option<(Option<T>, Option<T>)> {
    let side = |text: &str| match text {
        "" => Some(None),
        text => read(text).map(Some),
    };
    let sides = (side(from)?, side(until)?);
    (sides.0.is_some() || sides.1.is_some()).then_some(sides)
}

/// The rows of a list, as the subject of a sentence.
fn rows(list: List) -> &'static str {
    match list {
        List::Audit => "events",
        list => list.as_str(),
    }
}

/// What values of a field look like, for help texts.
pub fn examples(field: &Field) -> &'static str {
    match field.kind {
        Type::Word => "`x`, `x*`, `=x`, `~pattern`",
        Type::Person => "`x`, `x*`, `@me`, `~pattern`",
        Type::Prose => "`part`, `\"some words\"`, `=all`, `~pattern`",
        Type::Length => "`30m`, `>4h`, `30m..2h`",
        Type::Running => "`>30m`, `<1h`, `5m..1h`",
        Type::Moment => "`-2h`, `today`, `>=14:30`, `2026-11-20..2026-11-21`",
    }
}
