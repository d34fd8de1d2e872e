//! The page that asks a passkey: it says exactly what is confirmed and where, and loads nothing.

use serde_json::Value;

use crate::client::oidc_page::{STYLE, escaped};

/// More acts than these are counted.
const ACTS: usize = 12;

/// What the page is for.
pub(super) enum Asks<'a> {
    /// Do these, each as a phrase.
    Confirm { acts: &'a [String] },
    /// Keep a new passkey under this name.
    Add { name: &'a str },
    /// Sign the person in, whose password was right.
    SignIn,
}

/// What the page says besides.
pub(super) struct About<'a> {
    pub asks: Asks<'a>,
    pub person: &'a str,
    pub server: &'a str,
    /// For `navigator.credentials`.
    pub options: &'a Value,
    /// The number that makes a script ours.
    pub nonce: &'a str,
}

const MORE: &str = "ul{margin:.75rem 0 0;padding:0;list-style:none;border:1px solid var(--line);border-radius:.5rem}li{padding:.5rem .75rem;overflow-wrap:anywhere}\
li+li{border-top:1px solid var(--line)}dl{margin-top:1rem!important}.ask{--tone:#3558c9}@media(prefers-color-scheme:dark){.ask{--tone:#8aa4ff}}\
button{margin-top:1.5rem;width:100%;padding:.75rem;font:inherit;font-weight:600;color:var(--card);background:var(--tone);border:0;border-radius:.5rem;cursor:pointer}\
button:focus-visible{outline:3px solid var(--text);outline-offset:2px}button:disabled{opacity:.6;cursor:default}#said:empty{display:none}";

const SCRIPT: &str = r"
(() => {
  const main = document.querySelector('main'), go = document.getElementById('go');
  const word = document.querySelector('.word'), said = document.getElementById('said');
  const foot = document.querySelector('footer');
  const adds = main.dataset.kind === 'add';
  const bytes = text => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), c => c.charCodeAt(0));
  const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const options = JSON.parse(main.dataset.ask).publicKey;
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const list of [options.allowCredentials, options.excludeCredentials])
    for (const one of list || []) one.id = bytes(one.id);
  const why = error => ({
    NotAllowedError: 'It was cancelled or took too long, and nothing was done. You can try again.',
    InvalidStateError: 'This authenticator has a passkey of yours already. Use it, or take another one.',
    SecurityError: 'This browser does not allow passkeys here. Open the address as it stands in the terminal.',
  })[error.name] || 'This browser could not do it (' + error.name + '). You can try again, or use another browser.';
  const end = (tone, title, what, last) => {
    main.className = tone; word.textContent = title; said.textContent = what; foot.textContent = last; go.remove();
    document.title = title + ' · Portcullis';
  };
  if (!window.PublicKeyCredential) {
    go.disabled = true;
    said.textContent = 'This browser knows no passkeys. Open the address in another one.';
    return;
  }
  go.addEventListener('click', async () => {
    go.disabled = true; said.textContent = '';
    let made;
    try {
      const asked = { publicKey: options };
      made = await (adds ? navigator.credentials.create(asked) : navigator.credentials.get(asked));
    } catch (error) {
      said.textContent = why(error); go.disabled = false; go.focus();
      return;
    }
    const from = made.response, response = { clientDataJSON: text(from.clientDataJSON) };
    if (adds) {
      response.attestationObject = text(from.attestationObject);
      const known = ['usb', 'nfc', 'ble', 'internal', 'hybrid'];
      if (from.getTransports) response.transports = from.getTransports().filter(way => known.includes(way));
    } else {
      response.authenticatorData = text(from.authenticatorData);
      response.signature = text(from.signature);
      response.userHandle = from.userHandle ? text(from.userHandle) : null;
    }
    const answer = { id: made.id, rawId: text(made.rawId), type: made.type, response };
    try {
      const reply = await fetch(location.pathname, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(answer),
      });
      const came = await reply.json();
      if (came.ok) end('ok', adds ? '✓ Added' : '✓ Confirmed', came.text, 'You may close this tab and go back to the terminal.');
      else end('no', adds ? '✗ Not added' : '✗ Not confirmed', came.text, 'Nothing was done. The terminal says the same; you may close this tab.');
    } catch (error) {
      end('no', '✗ Nobody listens', 'The program in the terminal has ended, or did not answer.', 'Look at the terminal; you may close this tab.');
    }
  });
})();
";

/// The page as HTML. Everything that is not ours is escaped.
pub(super) fn page(about: &About<'_>) -> String {
    let (kind, word, title, list, button, note) = match about.asks {
        Asks::Confirm { acts } => (
            "confirm",
            "Confirm with your passkey",
            match acts {
                [_] => "You are about to do this".to_owned(),
                _ => format!("You are about to do these {}", acts.len()),
            },
            listed(acts),
            "Confirm",
            "Only this is done, once. If you did not ask for it in the terminal, close this tab.",
        ),
        Asks::Add { name } => (
            "add",
            "Add a passkey",
            format!("A new passkey, “{}”", escaped(name)),
            String::new(),
            "Add the passkey",
            "With it you confirm what you do in the terminal. If you did not ask for it there, close this tab.",
        ),
        Asks::SignIn => (
            "confirm",
            "Sign in with your passkey",
            "You are about to sign in".to_owned(),
            String::new(),
            "Sign in",
            "The terminal on this machine is signed in, and nothing else. If you did not begin it there, close this tab.",
        ),
    };
    let (person, server) = (escaped(about.person), escaped(about.server));
    let (ask, nonce) = (escaped(&about.options.to_string()), escaped(about.nonce));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{word} · Portcullis</title><style>{STYLE}{MORE}</style></head><body><main class=\"ask\" data-kind=\"{kind}\" data-ask=\"{ask}\">\
         <p class=\"word\" role=\"status\">{word}</p><h1>{title}</h1>{list}\
         <dl><dt>Server</dt><dd id=\"server\">{server}</dd><dt>Person</dt><dd id=\"person\">{person}</dd></dl>\
         <button id=\"go\" autofocus>{button}</button><p id=\"said\" role=\"alert\"></p>\
         <noscript><p>Passkeys need JavaScript, which this browser does not run.</p></noscript>\
         <footer>{note}</footer></main><script nonce=\"{nonce}\">{SCRIPT}</script></body></html>"
    )
}

fn listed(acts: &[String]) -> String {
    let mut list = "<ul id=\"acts\">".to_owned();
    for act in acts.iter().take(ACTS) {
        list.push_str("<li>");
        list.push_str(&escaped(act));
        list.push_str("</li>");
    }
    if acts.len() > ACTS {
        list.push_str(&format!("<li>and {} more</li>", acts.len() - ACTS));
    }
    list.push_str("</ul>");
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_say_becomes_part_of_the_page() {
        let hostile = "</main><script>alert(1)</script>\"'&\u{202e}\u{1b}[31m";
        let (acts, options) = ([hostile.to_owned()], serde_json::json!({ "x": hostile }));
        for asks in [
            Asks::Confirm { acts: &acts },
            Asks::Add { name: hostile },
            Asks::SignIn,
        ] {
            let page = page(&About {
                asks,
                person: hostile,
                server: hostile,
                options: &options,
                nonce: "n",
            });
            assert_eq!(page.matches("<script").count(), 1, "{page}");
            assert!(!page.contains("alert(1)</script>\""), "{page}");
            assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
        }
    }

    #[test]
    fn the_page_says_what_is_confirmed_where_and_how_much_of_it() {
        let acts: Vec<String> = (0..30).map(|nth| format!("approve R-{nth}")).collect();
        let page = page(&About {
            asks: Asks::Confirm { acts: &acts },
            person: "rita",
            server: "https://portcullis.example.com",
            options: &Value::Null,
            nonce: "n",
        });
        for words in [
            "these 30",
            "approve R-11",
            "and 18 more",
            "rita",
            "https://portcullis.example.com",
        ] {
            assert!(page.contains(words), "{words}");
        }
        assert!(!page.contains("approve R-12<"));
    }
}
