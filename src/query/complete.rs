//! What could be typed at a place of a filter: fields, `is:` words, values, saved filters. Values that only the
//! server knows are named here and counted there.

use super::ast::plain;
use super::fields::{self, Field, Kind as Type, List, Name};
use super::lex::{Kind, Span, lex};
use super::saved::Saved;

/// Something to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What takes the place of [`Completion::span`].
    pub insert: String,
    /// What it means.
    pub help: String,
    /// How often it occurs, where the server said.
    pub count: Option<u64>,
}

/// Values of a field that the server counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The field as the server takes it: its word, or `tag.name`.
    pub field: String,
    /// How the values begin, in small letters.
    pub prefix: String,
    /// The filter without the term that is being typed.
    pub rest: String,
}

/// What could be typed at a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// What a candidate takes the place of.
    pub span: Span,
    pub candidates: Vec<Candidate>,
    pub counted: Option<Counted>,
}

impl Completion {
    /// The text with a candidate in it, and where the cursor is then. A whole term is followed by a space.
    pub fn accept(&self, text: &str, candidate: &Candidate) -> (String, usize) {
        let before = text.get(..self.span.start).unwrap_or_default();
        let after = text.get(self.span.end..).unwrap_or_default();
        let space = !candidate.insert.ends_with(':') && !after.starts_with([' ', ',', ')']);
        let space = if space { " " } else { "" };
        let begun = format!("{before}{}{space}", candidate.insert);
        (format!("{begun}{after}"), begun.len())
    }

    /// Puts the server's values, most frequent first, before what was known here.
    pub fn merge(&mut self, values: impl IntoIterator<Item = (String, u64)>) {
        let mut merged: Vec<Candidate> = Vec::new();
        for (value, count) in values {
            let insert = plain(&value);
            let known = self
                .candidates
                .iter()
                .position(|known| known.insert == insert)
                .map(|at| self.candidates.remove(at));
            merged.push(Candidate {
                insert,
                help: known.map(|known| known.help).unwrap_or_default(),
                count: Some(count),
            });
        }
        merged.append(&mut self.candidates);
        self.candidates = merged;
    }
}

/// What could be typed where the cursor is, in bytes of the text.
pub fn complete(text: &str, cursor: usize, list: List, saved: &Saved) -> Completion {
    let tokens = lex(text);
    let at = tokens
        .iter()
        .position(|token| token.span.start < cursor && cursor <= token.span.end);
    let here = Span {
        start: cursor,
        end: cursor,
    };
    let Some((at, token)) = at.and_then(|at| Some((at, tokens.get(at)?))) else {
        return Completion {
            span: here,
            candidates: terms(list, "", saved),
            counted: None,
        };
    };
    let typed = Span {
        start: token.span.start,
        end: cursor,
    };
    let prefix = typed.of(text).to_lowercase();
    match token.kind {
        Kind::Word | Kind::Or | Kind::And | Kind::Not => Completion {
            span: token.span,
            candidates: terms(list, &prefix, saved),
            counted: None,
        },
        Kind::Saved => Completion {
            span: token.span,
            candidates: stored(saved, prefix.trim_start_matches('@')),
            counted: None,
        },
        // Inside the name of a field that is there already: another one takes its place.
        Kind::Field if cursor < token.span.end => Completion {
            span: token.span,
            candidates: terms(list, &prefix, saved),
            counted: None,
        },
        Kind::Field | Kind::Op | Kind::Comma | Kind::Value | Kind::Quoted { .. } => {
            let before = tokens.get(..=at).unwrap_or_default();
            let Some(field) = before.iter().rfind(|token| token.kind == Kind::Field) else {
                return Completion::default();
            };
            let adjacent = before
                .iter()
                .skip_while(|token| token.span.start < field.span.end)
                .try_fold(field.span.end, |end, token| {
                    (token.span.start == end).then_some(token.span.end)
                });
            if adjacent.is_none() {
                return Completion::default();
            }
            let value = matches!(token.kind, Kind::Value | Kind::Quoted { .. });
            let span = if value { token.span } else { here };
            let prefix = if value {
                prefix.trim_start_matches('"').to_owned()
            } else {
                String::new()
            };
            let ordered = before.last().is_some_and(|last| last.kind == Kind::Field);
            let word = field.span.of(text).trim_end_matches(':').to_lowercase();
            let end = tokens
                .iter()
                .skip(at + 1)
                .fold(token.span.end, |end, next| {
                    let of_term = matches!(
                        next.kind,
                        Kind::Op | Kind::Comma | Kind::Value | Kind::Quoted { .. }
                    );
                    if of_term && next.span.start == end {
                        next.span.end
                    } else {
                        end
                    }
                });
            let negated = before
                .iter()
                .rev()
                .skip_while(|token| token.span.start >= field.span.start)
                .take_while(|token| token.kind == Kind::Minus)
                .last()
                .map_or(field.span.start, |minus| minus.span.start);
            let rest = format!(
                "{} {}",
                text.get(..negated).unwrap_or_default().trim(),
                text.get(end..).unwrap_or_default().trim()
            );
            values(&word, &prefix, span, ordered, list, rest.trim().to_owned())
        }
        _ => Completion {
            span: here,
            candidates: terms(list, "", saved),
            counted: None,
        },
    }
}

fn candidate(insert: impl Into<String>, help: impl Into<String>) -> Candidate {
    Candidate {
        insert: insert.into(),
        help: help.into(),
        count: None,
    }
}

fn terms(list: List, prefix: &str, saved: &Saved) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = fields::of(list)
        .filter(|field| {
            std::iter::once(&field.word)
                .chain(field.aliases)
                .any(|word| word.starts_with(prefix))
        })
        .map(|field| candidate(format!("{}:", field.word), field.help))
        .collect();
    if fields::has_tags(list) && "env".starts_with(prefix) {
        found.push(candidate("env:", "the tag `env` of the target"));
    }
    for (word, help) in [
        ("is:", "what is true of it"),
        ("has:", "has a value of that field"),
    ] {
        if word.starts_with(prefix) {
            found.push(candidate(word, help));
        }
    }
    if prefix.is_empty() {
        found.extend(stored(saved, prefix));
    } else {
        // Whoever types `pend` means the word more often than the text.
        let words = fields::words(list).filter(|word| word.word.starts_with(prefix));
        found.extend(words.map(|word| candidate(format!("is:{}", word.word), word.help)));
    }
    found
}

fn stored(saved: &Saved, prefix: &str) -> Vec<Candidate> {
    saved
        .iter()
        .filter(|(name, _)| name.to_lowercase().starts_with(prefix))
        .map(|(name, text)| candidate(format!("@{name}"), text))
        .collect()
}

fn values(
    word: &str,
    prefix: &str,
    span: Span,
    first: bool,
    list: List,
    rest: String,
) -> Completion {
    let mut completion = Completion {
        span,
        ..Completion::default()
    };
    let known = |found: Vec<Candidate>| {
        found
            .into_iter()
            .filter(|candidate| candidate.insert.to_lowercase().starts_with(prefix))
            .collect()
    };
    if word == "is" {
        let words = fields::words(list).map(|word| candidate(word.word, word.help));
        completion.candidates = known(words.collect());
        return completion;
    }
    if word == "has" {
        let words = fields::of(list).map(|field| candidate(field.word, field.help));
        completion.candidates = known(words.collect());
        return completion;
    }
    let tag = if word == "env" {
        Some("tag.env")
    } else {
        word.strip_prefix("tag.").map(|_| word)
    };
    let counted = |field: &str| Counted {
        field: field.to_owned(),
        prefix: prefix.to_owned(),
        rest,
    };
    if let Some(tag) = tag {
        completion.counted = fields::has_tags(list).then(|| counted(tag));
        return completion;
    }
    if let Some(field) = fields::find(word).filter(|field| field.is_in(list)) {
        completion.candidates = known(suggested(field, list, first));
        completion.counted = field.counted.then(|| counted(field.word));
    }
    completion
}

fn suggested(field: &Field, list: List, first: bool) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = field
        .values(list)
        .into_iter()
        .map(|value| candidate(value, ""))
        .collect();
    if field.name == Name::Event {
        let mut families: Vec<String> = found
            .iter()
            .filter_map(|found| found.insert.split_once('.'))
            .map(|(family, _)| format!("{family}.*"))
            .collect();
        families.dedup();
        let families = families
            .into_iter()
            .map(|family| candidate(family, "the whole family"));
        found = families.chain(found).collect();
    }
    match field.kind {
        Type::Person => found.push(candidate("@me", "whoever asks")),
        Type::Moment => found.extend([
            candidate("-1h", "the last hour"),
            candidate("-24h", "the last day"),
            candidate("today", "since midnight, UTC"),
            candidate("yesterday", "all of it, UTC"),
            candidate("-7d", "the last week"),
        ]),
        Type::Length | Type::Running if first => found.extend([
            candidate(">", "more than"),
            candidate("<", "less than"),
            candidate(">=", "at least"),
            candidate("<=", "at most"),
        ]),
        Type::Length | Type::Running => {
            found.extend(["15m", "1h", "4h", "1d"].map(|length| candidate(length, "")));
        }
        Type::Word | Type::Prose => {}
    }
    found
}
