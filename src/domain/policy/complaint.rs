//! What is wrong with a policy, in words for whoever wrote it; Cedar's own complaints are put into the same form.

use miette::Diagnostic;

use crate::domain::nearest::nearest;
use crate::domain::policy::lex;

/// Something wrong with a policy file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Counted from one.
    pub line: usize,
    /// Counted from one, in characters.
    pub column: usize,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl PolicyProblem {
    pub(super) fn at(
        text: &str,
        offset: usize,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        let place = lex::place(text, offset);
        Self {
            line: place.line,
            column: place.column,
            message: message.into(),
            hint,
        }
    }
}

/// Words one of Cedar's complaints as ours: one line, without the made-up policy number, with hints that can be meant.
pub(super) fn from_cedar(
    text: &str,
    error: &(impl Diagnostic + ?Sized),
    fallback: usize,
) -> PolicyProblem {
    let mut labels = error.labels().into_iter().flatten().collect::<Vec<_>>();
    labels.sort_by_key(miette::LabeledSpan::offset);
    let at = labels.first().map_or(fallback, miette::LabeledSpan::offset);
    let mut message = in_words(&error.to_string());
    let label = labels
        .first()
        .and_then(miette::LabeledSpan::label)
        .filter(|label| !label.is_empty());
    let help = error.help().map(|help| in_words(&help.to_string()));
    if help.is_some()
        && let Some(label) = label
    {
        message = format!("{message} ({})", in_words(label));
    }
    let hint = help.or_else(|| label.map(in_words)).filter(|hint| {
        // Cedar suggests the nearest word however far away it is.
        let suggested = hint
            .strip_prefix("did you mean `")
            .and_then(|rest| rest.strip_suffix("`?"));
        let written = message.split('`').nth(1);
        match (suggested, written) {
            (Some(suggested), Some(written)) => {
                nearest(written, [suggested.to_lowercase().as_str()]).is_some()
            }
            _ => true,
        }
    });
    if message.starts_with("policy is impossible")
        || message.starts_with("unable to find an applicable action")
    {
        let hint = "look for a condition that is always false, or for a principal where the target belongs".to_owned();
        return PolicyProblem::at(
            text,
            at,
            "this policy can never match a request",
            Some(hint),
        );
    }
    let hint = hint.or_else(|| {
        message
            .starts_with("unrecognized entity type")
            .then(|| "known are `Principal`, `Group` and `Target`".to_owned())
    });
    PolicyProblem::at(text, at, message, hint)
}

fn in_words(said: &str) -> String {
    let rest = said
        .strip_prefix("for policy `")
        .and_then(|rest| rest.split_once("`, "))
        .map_or(said, |(_, rest)| rest);
    let line = one_line(rest);
    if !line.starts_with("the types ") && !line.starts_with("unexpected type: ") {
        return line;
    }
    let words = line.split(' ').map(|word| match word {
        "Long" => "number",
        "String" => "text",
        "Bool" => "`true` or `false`",
        other => other,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Joins lines, and shows characters that hide or turn text around by their number.
pub(super) fn one_line(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let hides = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let shown = joined.chars().map(|letter| {
        if hides(letter) {
            letter.escape_unicode().to_string()
        } else {
            letter.to_string()
        }
    });
    shown.collect::<String>().trim_end_matches('.').to_owned()
}
