//! Guesses which known word was meant, so that a refusal can say it.

/// The known word closest to what was written, if any is close enough to be what was meant.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let scored = known.into_iter().filter_map(|word| {
        let distance = strsim::damerau_levenshtein(&written, word);
        let shorter = written.chars().count().min(word.chars().count());
        let close = shorter > 1 && distance <= 1 + shorter / 4;
        let part = shorter > 2 && (word.contains(&written) || written.contains(word));
        (close || part).then_some((distance, word))
    });
    scored.min().map(|(_, word)| word)
}

/// Words in a row, in back-ticks: `` `a`, `b` and `c` ``.
pub fn list<T: std::fmt::Display>(words: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["host", "port", "description", "certificate_lifetime"];
        let cases = [
            ("hots", Some("host")),
            ("Port", Some("port")),
            ("desc", Some("description")),
            ("certificate_life_time", Some("certificate_lifetime")),
            ("password", None),
            ("x", None),
            ("", None),
        ];
        for (written, meant) in cases {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }

    #[test]
    fn words_are_listed_as_people_do() {
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
