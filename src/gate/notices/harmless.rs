//! Text that somebody typed, on its way to programs that would make something of it: links, mentions, pictures, forms.

use crate::text::clean;

/// What is longer is cut: whoever wants to read all of it is sent to the console.
const LONGEST: usize = 300;

/// Makes text that a person typed harmless wherever it is read: one line, nothing hidden, no address that a reader would
/// be led to, no mention, and nothing that a chat formats.
pub(super) fn harmless(typed: &str) -> String {
    let one = clean(typed).cut_end(LONGEST, "…").into_string();
    let mut text = String::with_capacity(one.len() + 16);
    for letter in one.chars() {
        match letter {
            '@' => text.push_str("(at)"),
            '[' | '{' => text.push('('),
            ']' | '}' => text.push(')'),
            '`' | '*' | '~' | '|' | '#' => text.push('\''),
            letter => text.push(letter),
        }
    }
    // Programs make links of these by themselves, and a link in a message of ours would be trusted.
    let text = text.replace("://", "[:]//");
    text.replace("www.", "www[.]").replace("WWW.", "WWW[.]")
}

/// Escapes what Slack reads as the begin of a link, a mention or an entity.
pub(super) fn slack(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_text_leads_nobody_anywhere() {
        for (typed, shown) in [
            ("INC-4127 look at it", "INC-4127 look at it"),
            (
                "<!channel> approve at https://evil.example/x",
                "<!channel> approve at https[:]//evil.example/x",
            ),
            ("@here @ada", "(at)here (at)ada"),
            ("[click](http://x)", "(click)(http[:]//x)"),
            ("a\r\nSubject: b", "a\\r⏎Subject: b"),
            ("`rm` *bold* \u{202e}abc", "'rm' 'bold' U+202Eabc"),
        ] {
            let found = harmless(typed);
            if typed.contains('\u{202e}') {
                assert!(!found.contains('\u{202e}'), "{found}");
            } else {
                assert_eq!(found, shown);
            }
        }
        assert_eq!(
            slack("<!channel> & <@U1>"),
            "&lt;!channel&gt; &amp; &lt;@U1&gt;"
        );
        assert!(harmless(&"x".repeat(5_000)).chars().count() <= LONGEST);
    }
}
