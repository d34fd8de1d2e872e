//! The filter that people type: `field:value` terms and words, all of which must match, `-` in front to exclude.

/// Something a filter can look at.
pub trait Filtered {
    /// The values of a field; none for a field it does not have.
    fn field(&self, name: &str) -> Vec<&str>;

    /// Says whether a word, given in small letters, occurs anywhere a person would look for it.
    fn mentions(&self, word: &str) -> bool;
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    /// Empty for a word.
    field: String,
    /// Any of these.
    values: Vec<String>,
    not: bool,
}

/// A filter that could be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
}

impl Filter {
    /// Reads a filter. The error is a sentence for the person who types.
    pub fn parse(text: &str, fields: &[&str]) -> Result<Self, String> {
        let mut terms = Vec::new();
        for token in tokens(text) {
            let (not, rest) = token
                .strip_prefix('-')
                .map_or((false, token.as_str()), |rest| (true, rest));
            if rest.is_empty() {
                continue;
            }
            let term = match rest.split_once(':') {
                Some((field, values)) if is_word(field) => {
                    let field = field.to_ascii_lowercase();
                    if !fields.contains(&field.as_str()) {
                        return Err(unknown(&field, fields));
                    }
                    let values: Vec<String> = values
                        .split(',')
                        .filter(|value| !value.is_empty())
                        .map(str::to_lowercase)
                        .collect();
                    if values.is_empty() {
                        continue;
                    }
                    Term { field, values, not }
                }
                _ => Term {
                    field: String::new(),
                    values: vec![rest.to_lowercase()],
                    not,
                },
            };
            terms.push(term);
        }
        Ok(Self { terms })
    }

    /// Says whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Says whether a row passes.
    pub fn lets<T: Filtered + ?Sized>(&self, row: &T) -> bool {
        self.terms.iter().all(|term| term.not != term.matches(row))
    }

    /// The values of a field that is asked for and not excluded, for the server.
    pub fn wanted(&self, field: &str) -> Option<String> {
        let values: Vec<&str> = self
            .terms
            .iter()
            .filter(|term| term.field == field && !term.not)
            .flat_map(|term| term.values.iter().map(String::as_str))
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// Takes out the terms of a field that is no comparison of texts, and gives its last value.
    pub fn take(&mut self, field: &str) -> Option<String> {
        let (taken, kept) = std::mem::take(&mut self.terms)
            .into_iter()
            .partition(|term| term.field == field);
        self.terms = kept;
        let taken: Vec<Term> = taken;
        taken.into_iter().next_back()?.values.into_iter().next()
    }

    /// The words that are asked for and not excluded, as one text.
    pub fn words(&self) -> Option<String> {
        let words: Vec<&str> = self
            .terms
            .iter()
            .filter(|term| term.field.is_empty() && !term.not)
            .flat_map(|term| term.values.iter().map(String::as_str))
            .collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

impl Term {
    fn matches<T: Filtered + ?Sized>(&self, row: &T) -> bool {
        if self.field.is_empty() {
            return self.values.iter().any(|value| row.mentions(value));
        }
        let has = row.field(&self.field);
        self.values.iter().any(|value| {
            has.iter()
                .any(|has| matches_value(value, &has.to_lowercase()))
        })
    }
}

/// `*` at either end stands for anything.
fn matches_value(wanted: &str, has: &str) -> bool {
    match (wanted.strip_prefix('*'), wanted.strip_suffix('*')) {
        (Some(rest), Some(_)) => has.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(rest), None) => has.ends_with(rest),
        (None, Some(rest)) => has.starts_with(rest),
        (None, None) => has == wanted,
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Splits at spaces, but not inside quotes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => tokens.push(std::mem::take(&mut token)),
            c => token.push(c),
        }
    }
    tokens.push(token);
    tokens.retain(|token| !token.is_empty());
    tokens
}

fn unknown(field: &str, fields: &[&str]) -> String {
    let near = fields
        .iter()
        .map(|known| (strsim::jaro_winkler(field, known), known))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(likeness, _)| *likeness > 0.6);
    match near {
        Some((_, near)) => format!("unknown field `{field}`, did you mean `{near}`?"),
        None => format!("unknown field `{field}`, there are {}", fields.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row;

    impl Filtered for Row {
        fn field(&self, name: &str) -> Vec<&str> {
            match name {
                "event" => vec!["grant.revoked"],
                "actor" => vec!["Maya"],
                _ => Vec::new(),
            }
        }

        fn mentions(&self, word: &str) -> bool {
            "the disk is full".contains(word)
        }
    }

    #[test]
    fn terms_must_all_match_and_values_are_choices() {
        let fields = ["event", "actor", "target"];
        let cases = [
            ("", true),
            ("event:grant.revoked", true),
            ("event:grant.*", true),
            ("event:request.*,grant.*", true),
            ("event:*denied", false),
            ("-event:grant.* actor:maya", false),
            ("actor:maya disk", true),
            ("actor:maya \"disk is\"", true),
            ("actor:maya \"disk was\"", false),
            ("-full", false),
            ("target:orders", false),
            ("actor:", true),
        ];
        for (text, passes) in cases {
            assert_eq!(
                Filter::parse(text, &fields).unwrap().lets(&Row),
                passes,
                "{text}"
            );
        }
    }

    #[test]
    fn an_unknown_field_is_named_with_the_nearest_one() {
        let fields = ["event", "actor", "target"];
        assert_eq!(
            Filter::parse("actr:bob", &fields).unwrap_err(),
            "unknown field `actr`, did you mean `actor`?"
        );
        assert_eq!(
            Filter::parse("zzz:bob", &fields).unwrap_err(),
            "unknown field `zzz`, there are event, actor, target"
        );
        assert!(Filter::parse("10:42", &fields).is_ok(), "a time is a word");
    }
}
