//! What a key would do to the selected row, written as a command line. The vocabulary is that of the commands, and a
//! test holds every line against their parser.

use crate::console::app::App;
use crate::console::keymap::{Action, Place};
use crate::console::store::{Seen, Subject};

/// Stands where a person must write something.
const BLANK: &str = "…";
/// What most extensions are.
const EXTEND_BY: &str = "15m";

/// The command line for an action on what is selected; `Err` says why there is none.
pub fn command(app: &App, action: Action) -> Result<String, String> {
    if !app.works(app.front(), action) && !app.works(Place::Anywhere, action) {
        return Err("this key does nothing here".to_owned());
    }
    let words = words(app, action)?;
    let mut line = vec!["portcullis".to_owned()];
    line.extend(words);
    if let Some(name) = app.backend().filter(|_| app.backends().len() > 1) {
        line.extend(["--backend".to_owned(), name.clone()]);
    }
    let line: Vec<String> = line.iter().map(|word| quoted(word)).collect();
    Ok(line.join(" "))
}

fn words(app: &App, action: Action) -> Result<Vec<String>, String> {
    let list = |verb: &str| -> Vec<String> {
        let mut words = vec![verb.to_owned()];
        let filter = app.filter_text();
        if let Some(filter) = filter.filter(|text| !text.is_empty()) {
            words.extend(["--filter".to_owned(), filter]);
        }
        words
    };
    match action {
        Action::GoRequests => return Ok(vec!["requests".to_owned()]),
        Action::GoGrants => return Ok(vec!["grants".to_owned()]),
        Action::GoSessions => return Ok(vec!["sessions".to_owned()]),
        Action::GoAudit => return Ok(vec!["audit".to_owned()]),
        Action::GoLocks => return Ok(vec!["locks".to_owned()]),
        Action::Filter | Action::Export | Action::Follow => {
            return app
                .screen()
                .filter(|screen| screen.place() != Place::Timeline)
                .map(|screen| list(&screen.title().to_lowercase()))
                .ok_or_else(|| "there is no command for this screen".to_owned());
        }
        _ => {}
    }
    let subject = app
        .screen()
        .and_then(|screen| screen.subject())
        .ok_or_else(|| "nothing is selected".to_owned())?;
    let seen = app
        .world()
        .store
        .get(&subject)
        .ok_or_else(|| "it is no longer there".to_owned())?;
    let id = subject.as_str();
    let mut words = match (action, &subject, &seen) {
        (Action::Approve, Subject::Request(_), _) => owned(&["approve", id]),
        (Action::Narrow, Subject::Request(_), Seen::Request(view)) => {
            owned(&["approve", id, "--for", &view.duration_granted])
        }
        (Action::Deny, Subject::Request(_), _) => owned(&["deny", id, "--comment", BLANK]),
        (Action::Revoke, Subject::Grant(_), _) => owned(&["revoke", id, "--reason", BLANK]),
        (Action::Extend, Subject::Grant(_), _) => {
            owned(&["extend", id, "--by", EXTEND_BY, "--reason", BLANK])
        }
        (Action::GiveBack, Subject::Grant(_), _) => owned(&["return", id]),
        _ => return Err("there is no command for this key".to_owned()),
    };
    words.push("--if-version".to_owned());
    words.push(seen.version().to_string());
    Ok(words)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,+=%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_take_apart_are_quoted() {
        assert_eq!(quoted("G-5510"), "G-5510");
        assert_eq!(quoted("two words"), "'two words'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("$(reboot)"), "'$(reboot)'");
    }
}
