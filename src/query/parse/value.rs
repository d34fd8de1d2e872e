//! The values of a term: words, patterns, moments, lengths and ranges.

use crate::query::ast::{Pattern, Test, Than};
use crate::query::fields::{Field, Kind as Type};
use crate::query::lex::{Kind, Span, Token, unquoted};
use crate::query::time::{Length, When};

use super::Parser;

/// Patterns in one filter: each costs time on every row.
const PATTERNS: usize = 8;

impl Parser<'_, '_> {
    pub(super) fn tests(
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

    pub(super) fn moments(
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
