//! What a channel says, as its operator wrote it: text with names of fields in braces. There is no logic in it but that
//! a line is left out where its fields have nothing to say, and what a field holds is never read as a template again.

use crate::domain::nearest::{list, nearest};

/// What may stand in braces, and what it is.
pub const FIELDS: [(&str, &str); 13] = [
    ("sentence", "what happened, in one sentence"),
    ("kind", "the kind of the notice"),
    ("request", "the id of the request"),
    ("grant", "the id of the grant"),
    ("person", "whose access it is about"),
    ("target", "the target"),
    ("role", "the role"),
    ("by", "who did it"),
    ("duration", "for how long it was asked"),
    ("until", "the end, or by when somebody has to decide"),
    (
        "reason",
        "what somebody typed, made harmless for the channel and cut",
    ),
    ("command", "the command that is the next step"),
    ("server", "how people reach the server"),
];
/// Longer than anybody writes on purpose.
const LONGEST: usize = 2_000;

/// The values of the fields, in the order of [`FIELDS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields([String; FIELDS.len()]);

impl Fields {
    pub(super) fn new(values: [String; FIELDS.len()]) -> Self {
        Self(values)
    }

    /// Every field with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let values = self.0.iter().map(String::as_str);
        FIELDS.iter().map(|(name, _)| *name).zip(values)
    }

    /// The value of one.
    pub fn get(&self, name: &str) -> &str {
        self.iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, value)| value)
    }
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    pub message: String,
    pub hint: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(&'static str),
}

/// A template that was checked: it names only fields that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Vec<Part>>);

impl std::str::FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if text.len() > LONGEST {
            let message = format!("this template is longer than {LONGEST} bytes");
            return Err(wrong(message, "write less"));
        }
        let lines = text.split('\n').map(line);
        Ok(Self(lines.collect::<Result<_, _>>()?))
    }
}

fn wrong(message: String, hint: &str) -> TemplateError {
    TemplateError {
        message,
        hint: hint.to_owned(),
    }
}

fn line(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        if let Some(doubled) = after.strip_prefix('{') {
            parts.push(Part::Text(format!("{before}{{")));
            rest = doubled;
            continue;
        }
        let Some((name, behind)) = after.split_once('}') else {
            let message = "a `{` in this template is never closed".to_owned();
            return Err(wrong(message, "write `{{` for a brace that is only text"));
        };
        let known = FIELDS.iter().map(|(name, _)| *name);
        let Some(field) = known.clone().find(|known| *known == name.trim()) else {
            let hint = nearest(name, known.clone()).map_or_else(
                || format!("known are {}", list(known)),
                |near| format!("did you mean `{{{near}}}`?"),
            );
            let message = format!("no notice has a field `{}`", name.escape_debug());
            return Err(wrong(message, &hint));
        };
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::Field(field));
        rest = behind;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

impl Template {
    /// The template with its fields, each made harmless by `escape`.
    pub fn fill(&self, fields: &Fields, escape: impl Fn(&str) -> String) -> String {
        let mut lines: Vec<String> = Vec::new();
        for parts in &self.0 {
            let mut named = parts.iter().filter_map(|part| match part {
                Part::Field(name) => Some(fields.get(name)),
                Part::Text(_) => None,
            });
            let says_nothing = named.clone().all(str::is_empty);
            if named.next().is_some() && says_nothing {
                continue;
            }
            let parts = parts.iter().map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Field(name) => escape(fields.get(name)),
            });
            lines.push(parts.collect());
        }
        lines.join("\n")
    }

    /// Whether it shows what somebody typed.
    pub fn shows_reason(&self) -> bool {
        let mut parts = self.0.iter().flatten();
        parts.any(|part| *part == Part::Field("reason"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        Fields(FIELDS.map(|(name, _)| match name {
            "sentence" => "ada asks {role}".to_owned(),
            "reason" => "{command} <b>".to_owned(),
            other => other.to_uppercase(),
        }))
    }

    #[test]
    fn fields_are_put_in_once_and_never_read_again() {
        let template: Template = "{sentence}: {reason} {{x}} { request }".parse().unwrap();
        let escape = |text: &str| text.replace('<', "&lt;");
        assert_eq!(
            template.fill(&fields(), escape),
            "ada asks {role}: {command} &lt;b> {x}} REQUEST"
        );
        assert!(template.shows_reason());
    }

    #[test]
    fn a_line_that_has_nothing_to_say_is_left_out() {
        let template: Template = "{sentence}\n\ngrant: {grant}\nby: {by} {grant}\nend"
            .parse()
            .unwrap();
        let mut fields = fields();
        fields.0[3] = String::new();
        assert_eq!(
            template.fill(&fields, str::to_owned),
            "ada asks {role}\n\nby: BY \nend"
        );
    }

    #[test]
    fn what_is_no_field_is_named() {
        let wrong = |text: &str| {
            let error = text.parse::<Template>().unwrap_err();
            format!("{} ({})", error.message, error.hint)
        };
        assert_eq!(
            wrong("hello {requst}"),
            "no notice has a field `requst` (did you mean `{request}`?)"
        );
        assert_eq!(
            wrong("hello {request"),
            "a `{` in this template is never closed (write `{{` for a brace that is only text)"
        );
        assert!(wrong("{#if x}").starts_with("no notice has a field `#if x` (known are"));
        assert!(wrong(&"x".repeat(2_001)).contains("longer"));
    }
}
