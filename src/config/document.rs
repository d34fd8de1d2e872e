//! Reads TOML so that every problem has its place: all syntax errors, all unknown keys, all wrong values at once.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use crate::config::problem::Notes;
use crate::domain::nearest::{list, nearest};

/// A table in a file, with the place where it begins.
#[derive(Debug, Clone)]
pub struct Table<'t> {
    /// The key that names the table, or the start of the file.
    pub at: usize,
    entries: DeTable<'t>,
    span: Range<usize>,
}

/// One value in a table, with the place of its key.
#[derive(Debug, Clone)]
pub struct Entry<'t> {
    pub key: String,
    /// The place of the key.
    pub at: usize,
    value: Spanned<DeValue<'t>>,
}

/// Reads a file. With syntax errors there is no table: what a parser guesses behind one leads to complaints that are wrong.
pub fn parse<'t>(text: &'t str, notes: &mut Notes<'t>) -> Option<Table<'t>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let sound = errors.is_empty();
    let mut last_line = None;
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let line = text
            .get(..span.start)
            .map(|before| before.matches('\n').count());
        // Within a line, only the first complaint can be trusted for the same reason.
        if last_line.replace(line) == Some(line) {
            continue;
        }
        let message = match error.message() {
            "duplicate key" => format!(
                "`{}` is already there",
                text.get(span.clone()).unwrap_or_default().escape_debug()
            ),
            other => other.trim_end_matches('.').to_owned(),
        };
        notes.error(span.start, message, None);
    }
    let span = root.span();
    sound.then(|| Table {
        at: 0,
        entries: root.into_inner(),
        span,
    })
}

impl<'t> Table<'t> {
    /// Takes one entry out of the table.
    pub fn take(&mut self, key: &str) -> Option<Entry<'t>> {
        let (key, value) = self.entries.remove_entry(key)?;
        Some(Entry {
            at: key.span().start,
            key: key.into_inner().into_owned(),
            value,
        })
    }

    /// Takes out everything that is left, in the order of the file.
    pub fn take_all(&mut self) -> Vec<Entry<'t>> {
        let keys: Vec<String> = self
            .entries
            .keys()
            .map(|key| key.get_ref().to_string())
            .collect();
        let mut entries: Vec<_> = keys.iter().filter_map(|key| self.take(key)).collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    /// The places of all keys, for problems that are found after the table was read.
    pub fn places(&self) -> BTreeMap<String, usize> {
        self.entries
            .keys()
            .map(|key| (key.get_ref().to_string(), key.span().start))
            .collect()
    }

    /// Notes every key that is still in the table as unknown.
    pub fn refuse_rest(&mut self, notes: &mut Notes<'t>, place: &str, known: &[&str]) {
        for entry in self.take_all() {
            unknown(notes, entry.at, &entry.key, place, known);
        }
    }

    /// Reads what is left of the table with serde. The first complaint does not hide the others: what is wrong is
    /// noted and taken out, and the rest is read again.
    pub fn fit<T>(
        mut self,
        notes: &mut Notes<'t>,
        place: &str,
        also_known: &[&str],
        read: impl Fn(ValueDeserializer<'t>) -> Result<T, Error>,
    ) -> Option<T> {
        let before = notes.count();
        // Keys that have been dealt with.
        let mut done: Vec<String> = Vec::new();
        loop {
            let value = Spanned::new(self.span.clone(), DeValue::Table(self.entries.clone()));
            let error = match read(ValueDeserializer::from(value)) {
                Ok(read) => return (notes.count() == before).then_some(read),
                Err(error) => error,
            };
            let complaint = Complaint::of(error.message());
            let culprit = match &complaint {
                Complaint::Unknown { key, .. } if self.entries.contains_key(key.as_str()) => {
                    Some(key.clone())
                }
                Complaint::Missing { .. } => None,
                _ => self.key_around(error.span()),
            };
            let at = error.span().map_or(self.at, |span| span.start);
            match complaint {
                Complaint::Unknown { key, known } => {
                    let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
                    if culprit.as_ref() == Some(&key) {
                        known.extend(also_known);
                    }
                    done.extend(unknown(notes, at, &key, place, &known));
                }
                // A key that was taken out because it was wrong, or misspelt, is not missing.
                Complaint::Missing { key } if done.contains(&key) => {}
                Complaint::Missing { key } => {
                    let hint = format!("add `{key} = …` below it");
                    notes.error(self.at, format!("{place} has no `{key}`"), Some(hint));
                }
                Complaint::NotOneOf { word, known } => {
                    let hint = nearest(&word, known.iter().map(String::as_str))
                        .map(|near| format!("did you mean `{near}`?"));
                    notes.error(at, format!("`{word}` is none of {}", list(&known)), hint);
                }
                Complaint::Wrong(message) => match &culprit {
                    Some(key) => {
                        notes.error(at, format!("`{}` {message}", key.escape_debug()), None);
                    }
                    None => notes.error(at, format!("{place} {message}"), None),
                },
                Complaint::Sentence(message) => notes.error(at, message, None),
            }
            let entry = culprit.and_then(|key| self.take(&key));
            match entry {
                Some(entry) => done.push(entry.key),
                None => return None,
            }
        }
    }

    fn key_around(&self, span: Option<Range<usize>>) -> Option<String> {
        let span = span?;
        let around = |value: &Spanned<DeValue<'t>>| contains(value, &span);
        self.entries
            .iter()
            .find(|(_, value)| around(value))
            .map(|(key, _)| key.get_ref().to_string())
    }
}

fn contains(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    let own = value.span();
    let within = match value.get_ref() {
        DeValue::Table(table) => table.values().any(|value| contains(value, span)),
        DeValue::Array(list) => list.iter().any(|value| contains(value, span)),
        _ => false,
    };
    within || (own.start <= span.start && span.end <= own.end)
}

/// Notes a key that does not exist, and says which one was probably meant.
pub fn unknown(
    notes: &mut Notes<'_>,
    at: usize,
    key: &str,
    place: &str,
    known: &[&str],
) -> Option<String> {
    let near = nearest(key, known.iter().copied());
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("known are {}", list(known)),
    };
    notes.error(
        at,
        format!("unknown key `{}` in {place}", key.escape_debug()),
        Some(hint),
    );
    near.map(str::to_owned)
}

impl<'t> Entry<'t> {
    /// The place of the value.
    pub fn value_at(&self) -> usize {
        self.value.span().start
    }

    /// The value as a table, or a note that it is none.
    pub fn into_table(self, notes: &mut Notes<'t>, sample: &str) -> Option<Table<'t>> {
        let (span, at) = (self.value.span(), self.value.span().start);
        match self.value.into_inner() {
            DeValue::Table(entries) => Some(Table {
                at: self.at,
                entries,
                span,
            }),
            other => {
                let message = format!(
                    "`{}` must be a table, not {}",
                    self.key.escape_debug(),
                    found(&other)
                );
                notes.error(at, message, Some(format!("write for example `{sample}`")));
                None
            }
        }
    }

    /// Says whether the value is a table.
    pub fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    /// The value as a list of tables, or a note that it is none.
    pub fn into_tables(self, notes: &mut Notes<'t>, sample: &str) -> Option<Vec<Table<'t>>> {
        let (at, value_at) = (self.at, self.value_at());
        let DeValue::Array(values) = self.value.into_inner() else {
            let message = format!("`{}` must be a list of tables", self.key.escape_debug());
            notes.error(at, message, Some(format!("write it as `{sample}`")));
            return None;
        };
        let mut tables = Vec::new();
        for value in values {
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(entries) => tables.push(Table {
                    at: span.start,
                    entries,
                    span,
                }),
                other => {
                    let message = format!(
                        "`{}` must be a list of tables, but has {}",
                        self.key.escape_debug(),
                        found(&other)
                    );
                    notes.error(value_at, message, Some(format!("write it as `{sample}`")));
                }
            }
        }
        Some(tables)
    }

    /// The value as text, or a note that it is none.
    pub fn into_text(self, notes: &mut Notes<'t>) -> Option<String> {
        let at = self.value_at();
        match self.value.into_inner() {
            DeValue::String(text) => Some(text.into_owned()),
            other => {
                let message = format!(
                    "`{}` must be text, not {}",
                    self.key.escape_debug(),
                    found(&other)
                );
                notes.error(at, message, Some("put it between double quotes".to_owned()));
                None
            }
        }
    }

    /// The value as text or as `true` or `false`, for settings that may also come from the environment.
    pub fn into_setting(self, notes: &mut Notes<'t>) -> Option<String> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Some(value.to_string()),
            _ => self.into_text(notes),
        }
    }

    /// The value as a list of texts with their places, or a note that it is none.
    pub fn into_texts(self, notes: &mut Notes<'t>) -> Option<Vec<(usize, String)>> {
        let at = self.value_at();
        let key = self.key.escape_debug().to_string();
        let values = match self.value.into_inner() {
            DeValue::Array(values) => values,
            other => {
                let message = format!("`{key}` must be a list of texts, not {}", found(&other));
                notes.error(
                    at,
                    message,
                    Some(format!("write for example `{key} = [\"readonly\"]`")),
                );
                return None;
            }
        };
        let mut texts = Vec::new();
        let mut complete = true;
        for value in values {
            let at = value.span().start;
            match value.into_inner() {
                DeValue::String(text) => texts.push((at, text.into_owned())),
                other => {
                    notes.error(
                        at,
                        format!("`{key}` must be a list of texts, but has {}", found(&other)),
                        None,
                    );
                    complete = false;
                }
            }
        }
        complete.then_some(texts)
    }
}

fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text `{}`", text.escape_debug()),
        DeValue::Integer(number) => format!("the number `{}`", number.as_str()),
        DeValue::Float(number) => format!("the number `{}`", number.as_str()),
        DeValue::Boolean(value) => format!("`{value}`"),
        DeValue::Datetime(value) => format!("the moment `{value}`"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// What serde has to say, taken apart.
enum Complaint {
    Unknown {
        key: String,
        known: Vec<String>,
    },
    Missing {
        key: String,
    },
    NotOneOf {
        word: String,
        known: Vec<String>,
    },
    /// What follows the name of a key.
    Wrong(String),
    /// What our own readers of a value have said.
    Sentence(String),
}

impl Complaint {
    fn of(message: &str) -> Self {
        let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
        if message.starts_with("unknown field `") {
            let key = quoted.next().unwrap_or_default();
            return Self::Unknown {
                key,
                known: quoted.collect(),
            };
        }
        if message.starts_with("missing field `") {
            return Self::Missing {
                key: quoted.next().unwrap_or_default(),
            };
        }
        if message.starts_with("unknown variant `") {
            let word = quoted.next().unwrap_or_default().escape_debug().to_string();
            return Self::NotOneOf {
                word,
                known: quoted.collect(),
            };
        }
        let typed = message
            .strip_prefix("invalid type: ")
            .or_else(|| message.strip_prefix("invalid value: "));
        match typed.and_then(|rest| rest.rsplit_once(", expected ")) {
            Some((got, wanted)) => Self::Wrong(format!(
                "must be {}, not {}",
                in_words(wanted),
                got_in_words(got)
            )),
            None => Self::Sentence(message.to_owned()),
        }
    }
}

/// Serde names Rust's types; people know kinds of values.
fn in_words(wanted: &str) -> String {
    match wanted {
        "a string" | "str" | "string" => "text between double quotes".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list, such as `[\"a\", \"b\"]`".to_owned(),
        "a map" => "a table".to_owned(),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" | "u64" | "usize" => "a whole number, not negative".to_owned(),
        "i32" | "i64" => "a whole number".to_owned(),
        structure if structure.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

fn got_in_words(got: &str) -> String {
    let plain = |text: &str| text.trim_matches(['`', '"']).to_owned();
    match got.split_once(' ') {
        Some(("string", text)) => format!("the text `{}`", plain(text)),
        Some(("integer", text)) => format!("the number `{}`", plain(text)),
        Some(("floating", text)) => {
            format!("the number `{}`", plain(text.trim_start_matches("point ")))
        }
        Some(("boolean", text)) => format!("`{}`", plain(text)),
        _ => match got {
            "sequence" => "a list".to_owned(),
            "map" => "a table".to_owned(),
            other => other.to_owned(),
        },
    }
}
