//! The last page of a sign-in in the browser: who is signed in where, or what went wrong. It loads nothing.

/// What the page has to say.
pub(super) enum Page<'a> {
    SignedIn {
        name: &'a str,
        server: &'a str,
    },
    /// What was confirmed in the terminal is confirmed here, too.
    Proved {
        server: &'a str,
    },
    Refused {
        text: &'a str,
        hint: Option<&'a str>,
        server: &'a str,
    },
    /// A visit that does not belong to the sign-in that is waited for.
    Stranger,
    Nothing,
}

pub(super) const STYLE: &str = ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--line:#d9dde3;--text:#1b2027;--dim:#566070;--ok:#18794e;--no:#b42318}\
@media(prefers-color-scheme:dark){:root{--bg:#12151a;--card:#1a1f26;--line:#303844;--text:#e8ebf0;--dim:#9aa5b5;--ok:#4cc38a;--no:#ff8b7e}}\
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--bg);color:var(--text);\
font:1rem/1.55 system-ui,sans-serif}main{max-width:30rem;width:100%;background:var(--card);border:1px solid var(--line);border-radius:.75rem;\
padding:2rem;border-top:.3rem solid var(--tone)}.ok{--tone:var(--ok)}.no{--tone:var(--no)}.word{margin:0;color:var(--tone);font-weight:600}\
h1{margin:.25rem 0 1rem;font-size:1.4rem;line-height:1.3;overflow-wrap:anywhere}p{margin:.5rem 0 0;overflow-wrap:anywhere}.dim{color:var(--dim)}\
dl{margin:0;display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere;font-weight:600}\
footer{margin-top:1.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--dim)}";

/// The page as HTML. Everything that is not ours is escaped.
pub(super) fn page(what: &Page<'_>) -> String {
    let (tone, word, title, body, end) = match what {
        Page::SignedIn { name, server } => (
            "ok",
            "✓ Signed in",
            format!("Welcome, {}", escaped(name)),
            format!(
                "<dl><dt>Person</dt><dd id=\"person\">{}</dd><dt>Server</dt><dd id=\"server\">{}</dd></dl>",
                escaped(name),
                escaped(server)
            ),
            "You may close this tab and go back to the terminal.",
        ),
        Page::Proved { server } => (
            "ok",
            "✓ Confirmed",
            "It is you".to_owned(),
            format!(
                "<p>What you confirmed in the terminal is being done, and nothing else.</p>\
                 <dl><dt>Server</dt><dd id=\"server\">{}</dd></dl>",
                escaped(server)
            ),
            "You may close this tab and go back to the terminal.",
        ),
        Page::Refused { text, hint, server } => {
            let hint = hint.map(|hint| format!("<p class=\"dim\">{}</p>", escaped(hint)));
            (
                "no",
                "✗ Refused",
                "That did not work".to_owned(),
                format!(
                    "<p id=\"why\">{}</p>{}<p class=\"dim\">Server: {}</p>",
                    escaped(text),
                    hint.unwrap_or_default(),
                    escaped(server)
                ),
                "Nothing was changed. The terminal says the same; you may close this tab.",
            )
        }
        Page::Stranger => (
            "no",
            "✗ Not this sign-in",
            "This answer belongs to another sign-in".to_owned(),
            "<p>It was not used. If you have begun more than one, look at the newest tab.</p>"
                .to_owned(),
            "You may close this tab.",
        ),
        Page::Nothing => (
            "no",
            "✗ Nothing here",
            "There is nothing at this address".to_owned(),
            "<p>A sign-in is waiting for its answer, and this is none.</p>".to_owned(),
            "You may close this tab.",
        ),
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{word} · Portcullis</title><style>{STYLE}</style></head><body><main class=\"{tone}\"><p class=\"word\" role=\"status\">{word}</p>\
         <h1>{title}</h1>{body}<footer>{end}</footer></main></body></html>"
    )
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // What reorders or hides text does so in a browser, too.
            hidden if crate::text::hidden(hidden) || hidden.is_control() => out.push('\u{fffd}'),
            plain => out.push(plain),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_say_becomes_part_of_the_page() {
        let hostile = "<script>alert(1)</script>\"'&\u{202e}\u{1b}[31m";
        for what in [
            Page::SignedIn {
                name: hostile,
                server: hostile,
            },
            Page::Refused {
                text: hostile,
                hint: Some(hostile),
                server: hostile,
            },
        ] {
            let page = page(&what);
            assert!(
                !page.contains("<script") && !page.contains("alert(1)</"),
                "{page}"
            );
            assert!(
                !page.contains('\u{202e}') && !page.contains('\u{1b}'),
                "{page}"
            );
            assert!(page.contains("&lt;script&gt;"), "{page}");
        }
    }

    #[test]
    fn the_page_says_who_is_signed_in_where() {
        let page = page(&Page::SignedIn {
            name: "ada",
            server: "https://portcullis.example.com",
        });
        for words in [
            "Welcome, ada",
            "portcullis.example.com",
            "You may close this tab",
        ] {
            assert!(page.contains(words), "{words}");
        }
    }
}
