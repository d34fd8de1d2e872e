//! Reads a filter. What cannot be understood is left out of the answer and told as a problem with its place, so that
//! a half-typed filter still does what of it is clear.

use std::fmt;

use crate::domain::nearest::nearest;
use crate::query::LONGEST;
use crate::query::ast::{Expr, Subject, Term};
use crate::query::fields::List;
use crate::query::lex::{Kind, Span, Token, lex, unquoted};
use crate::query::saved::Saved;

mod term;
mod value;

pub use value::examples;

/// Parentheses and negations inside each other; nobody means more.
const DEEPEST: usize = 24;
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
}

fn free(text: String, span: Span) -> Expr {
    Expr::Term(Term {
        subject: Subject::Free(text),
        span,
    })
}
