//! Cuts a filter into tokens with their places in the text. It takes any text and never fails: what makes no sense
//! is for the parser to say.

/// A part of the text, in bytes; both ends are at borders of characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// The part of the text; empty where the span is of another text.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// From the beginning of this to the end of the other.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start,
            end: other.end.max(self.start),
        }
    }
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Open,
    Close,
    /// `-` in front of a term.
    Minus,
    Not,
    And,
    Or,
    /// A word that is looked for anywhere.
    Word,
    /// Text in quotes, with the quotes; `closed` says whether the second one is there.
    Quoted {
        closed: bool,
    },
    /// `name:`, with the colon.
    Field,
    /// `=`, `~`, `>`, `>=`, `<` or `<=` after a field.
    Op,
    /// One value of a field.
    Value,
    Comma,
    /// `@name` where a term could be.
    Saved,
}

/// A piece of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub span: Span,
}

/// Cuts the text into tokens. Only white space is between them.
pub fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        at: 0,
        tokens: Vec::new(),
    };
    while lexer.token() {}
    lexer.tokens
}

/// Says whether a text could stand before a colon.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// The text between quotes, with `\"` and `\\` read as what they stand for.
pub fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('"').unwrap_or(text);
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => out.extend(chars.next().or(Some('\\'))),
            c => out.push(c),
        }
    }
    out
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let span = Span {
            start: self.at,
            end: self.at + length,
        };
        self.at = span.end;
        self.tokens.push(Token { kind, span });
    }

    /// Takes one token, or a field with all its values; says whether there was any.
    fn token(&mut self) -> bool {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let rest = self.rest();
        let mut chars = rest.chars();
        let Some(first) = chars.next() else {
            return false;
        };
        match first {
            '(' => self.push(Kind::Open, 1),
            ')' => self.push(Kind::Close, 1),
            '"' => self.quoted(),
            '-' if chars.next().is_some_and(|next| !next.is_whitespace()) => {
                self.push(Kind::Minus, 1);
            }
            '@' => {
                let length = run(rest, |_| false);
                self.push(Kind::Saved, length);
            }
            _ => match rest.split_once(':') {
                Some((name, _)) if is_name(name) => {
                    let length = name.len() + 1;
                    self.push(Kind::Field, length);
                    self.values();
                }
                _ => {
                    let length = run(rest, |_| false);
                    let kind = match rest.get(..length) {
                        Some("OR") => Kind::Or,
                        Some("AND") => Kind::And,
                        Some("NOT") => Kind::Not,
                        _ => Kind::Word,
                    };
                    self.push(kind, length);
                }
            },
        }
        true
    }

    fn quoted(&mut self) {
        let mut escaped = true;
        for (at, c) in self.rest().char_indices() {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == '"' {
                return self.push(Kind::Quoted { closed: true }, at + 1);
            }
        }
        self.push(Kind::Quoted { closed: false }, self.rest().len());
    }

    fn values(&mut self) {
        let ops = [">=", "<=", ">", "<", "=", "~"];
        if let Some(op) = ops.iter().find(|op| self.rest().starts_with(**op)) {
            self.push(Kind::Op, op.len());
        }
        loop {
            if self.rest().starts_with('"') {
                self.quoted();
            } else {
                let length = run(self.rest(), |c| c == ',');
                if length > 0 {
                    self.push(Kind::Value, length);
                }
            }
            if !self.rest().starts_with(',') {
                return;
            }
            self.push(Kind::Comma, 1);
        }
    }
}

/// The length of what goes on until white space, a parenthesis that it did not open, or what else ends it.
fn run(text: &str, ends: fn(char) -> bool) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            c if c.is_whitespace() || ends(c) => return at,
            '(' => depth += 1,
            ')' if depth == 0 => return at,
            ')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        lex(text)
            .into_iter()
            .map(|token| (token.kind, token.span.of(text)))
            .collect()
    }

    #[test]
    fn a_filter_falls_into_its_parts() {
        assert_eq!(
            kinds(r#"-(user:alice,"b c" OR time:15:04) 10:42 event:~(a|b).c @night"#),
            [
                (Kind::Minus, "-"),
                (Kind::Open, "("),
                (Kind::Field, "user:"),
                (Kind::Value, "alice"),
                (Kind::Comma, ","),
                (Kind::Quoted { closed: true }, "\"b c\""),
                (Kind::Or, "OR"),
                (Kind::Field, "time:"),
                (Kind::Value, "15:04"),
                (Kind::Close, ")"),
                (Kind::Word, "10:42"),
                (Kind::Field, "event:"),
                (Kind::Op, "~"),
                (Kind::Value, "(a|b).c"),
                (Kind::Saved, "@night"),
            ]
        );
    }

    #[test]
    fn quotes_hold_whatever_is_in_them() {
        assert_eq!(
            kinds(r#""a \" ) b" "open"#),
            [
                (Kind::Quoted { closed: true }, r#""a \" ) b""#),
                (Kind::Quoted { closed: false }, "\"open"),
            ]
        );
        assert_eq!(unquoted(r#""a \" \\ b""#), r#"a " \ b"#);
    }

    proptest! {
        #[test]
        fn tokens_cover_everything_but_white_space(text in "\\PC*|[-a:\"\\\\(),@ ~>=ORé]*") {
            let mut at = 0;
            for token in lex(&text) {
                prop_assert!(token.span.start >= at && token.span.end > token.span.start);
                prop_assert!(text.get(at..token.span.start).is_some_and(|gap| gap.trim().is_empty()));
                prop_assert!(text.is_char_boundary(token.span.end));
                at = token.span.end;
            }
            prop_assert!(text.get(at..).is_some_and(|gap| gap.trim().is_empty()));
        }
    }
}
