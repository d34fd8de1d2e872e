//! Finds the statements, annotations and literals of a policy text again, with their places.
//!
//! Cedar has parsed the text before this runs; its public interface does not tell where an annotation or a
//! literal stands, and a problem without line and column is of little help.

use std::ops::Range;

use serde::Serialize;

/// A place in a text, counted from one as editors do; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// Turns a byte offset into a place; an offset beyond the end is the end.
pub fn place(text: &str, offset: usize) -> Place {
    let mut place = Place { line: 1, column: 1 };
    for (at, character) in text.char_indices() {
        if at >= offset {
            break;
        }
        if character == '\n' {
            place = Place {
                line: place.line + 1,
                column: 1,
            };
        } else {
            place.column += 1;
        }
    }
    place
}

/// What a token is; white space and comments are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Text,
    Mark,
}

/// One token with the offset at which it starts. For a text, `text` is what stands between the quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl Token<'_> {
    pub(super) fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Mark && self.text == mark
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }
}

/// One statement of a policy file: its tokens from the first annotation up to and without the `;`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    /// Where it stands, the `;` included.
    pub(super) range: Range<usize>,
}

impl Statement<'_> {
    /// Where the annotation `name` stands, or where the statement starts.
    pub(super) fn annotation_at(&self, name: &str) -> usize {
        let pairs = self.tokens.iter().zip(self.tokens.iter().skip(1));
        let mut found = pairs.filter(|(at, word)| at.is_mark("@") && word.is_word(name));
        found.next().map_or(self.range.start, |(at, _)| at.at)
    }
}

/// The policy that starts at a line, as written.
pub fn written_at(text: &str, line: usize) -> Option<&str> {
    let statements = statements(text);
    let found = statements
        .iter()
        .find(|statement| place(text, statement.range.start).line == line)?;
    text.get(found.range.clone())
}

/// Splits a policy text into its statements, in the order in which Cedar numbers them.
pub(super) fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut open: Vec<Token<'_>> = Vec::new();
    for token in tokens(text) {
        if !token.is_mark(";") {
            open.push(token);
        } else if let Some(first) = open.first() {
            let range = first.at..token.at + 1;
            found.push(Statement {
                tokens: std::mem::take(&mut open),
                range,
            });
        }
    }
    found
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..)
        && let Some(first) = rest.chars().next()
    {
        let (kind, length, inner) = match first {
            _ if rest.starts_with("//") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            space if space.is_whitespace() => {
                at += space.len_utf8();
                continue;
            }
            '"' => {
                let inner = text_length(rest);
                (Kind::Text, inner + 2, 1..inner + 1)
            }
            letter if is_word(letter) => {
                let length = rest.find(|next| !is_word(next)).unwrap_or(rest.len());
                (Kind::Word, length, 0..length)
            }
            mark => {
                let two = ["::", "==", "!=", "<=", ">=", "&&", "||"]
                    .iter()
                    .any(|long| rest.starts_with(long));
                let length = if two { 2 } else { mark.len_utf8() };
                (Kind::Mark, length, 0..length)
            }
        };
        found.push(Token {
            kind,
            text: rest.get(inner).unwrap_or_default(),
            at,
        });
        at += length;
    }
    found
}

fn is_word(letter: char) -> bool {
    letter == '_' || letter.is_ascii_alphanumeric()
}

/// How many bytes stand between the quote at the start and the one that closes it.
fn text_length(quoted: &str) -> usize {
    let mut escaped = false;
    for (at, character) in quoted.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at - 1,
            _ => {}
        }
    }
    quoted.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statements_are_found_past_comments_and_quotes() {
        let text = "// ; not here\n@id(\"a;b\") permit(principal, action, resource); // done;\nforbid (principal,action,resource) when { context.role == \"x\\\";\" };";
        let found = statements(text);
        assert_eq!(found.len(), 2);
        assert_eq!(
            place(text, found[0].range.start),
            Place { line: 2, column: 1 }
        );
        assert_eq!(
            place(text, found[1].range.start),
            Place { line: 3, column: 1 }
        );
        assert_eq!(
            found[1]
                .tokens
                .iter()
                .find(|token| token.kind == Kind::Text)
                .unwrap()
                .text,
            "x\\\";"
        );
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(place("é = 1\nä", 9), Place { line: 2, column: 2 });
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in ".*") {
            let _ = statements(&text);
        }
    }
}
