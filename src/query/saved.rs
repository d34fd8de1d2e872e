//! Filters that were given a name, each a line of text that can be shared.

use std::collections::BTreeMap;

use super::lex::is_name;

/// Saved filters by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved(BTreeMap<String, String>);

impl Saved {
    /// The text of a saved filter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Names with their texts, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Saves a filter under a name, in place of what had it before. The error is a sentence for people.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let name = name.trim_start_matches('@');
        if !is_name(name) || name.len() > 40 || name == "me" {
            return Err(format!(
                "`{}` is no name for a filter: letters, digits and `-`, a letter first, and not `me`",
                name.escape_default()
            ));
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return Err("there is no filter to save".to_owned());
        }
        self.0.insert(name.to_owned(), text);
        Ok(())
    }

    /// Forgets a filter; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name.trim_start_matches('@')).is_some()
    }

    /// Reads one filter a line, `@name text`; other lines are left out.
    pub fn read(text: &str) -> Self {
        let mut saved = Self::default();
        for line in text.lines() {
            if let Some((name, filter)) = line
                .strip_prefix('@')
                .and_then(|line| line.split_once(char::is_whitespace))
            {
                // A line that is no filter of ours is nobody's loss.
                let _ = saved.set(name, filter);
            }
        }
        saved
    }

    /// One filter a line, as [`Saved::read`] takes them.
    pub fn write(&self) -> String {
        self.iter().fold(String::new(), |mut out, (name, text)| {
            out.push_str(&format!(
                "@{name} {text}
"
            ));
            out
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_filters_are_lines_of_text() {
        let mut saved = Saved::default();
        saved.set("night", "user:ada\n OR  user:bob").unwrap();
        saved.set("@prod", "env:prod").unwrap();
        assert_eq!(
            saved.write(),
            "@night user:ada OR user:bob\n@prod env:prod\n"
        );
        assert_eq!(
            Saved::read(&format!("# mine\n{}\n@\n@x", saved.write())),
            saved
        );
        assert!(saved.set("a b", "x").is_err() && saved.set("me", "x").is_err());
        assert!(saved.remove("@prod") && !saved.remove("prod"));
    }
}
