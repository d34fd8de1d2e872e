//! What a key would do to the selected row, written as a command line. The vocabulary is that of the commands, and a
//! test holds every line against their parser.

use crate::console::app::App;
use crate::console::confirm::Kind;
use crate::console::keymap::{Action, Place};
use crate::console::store::{Seen, Subject};
use crate::wire::LockOn;

/// Stands where a person must write something.
const BLANK: &str = "…";
/// What most extensions are.
const EXTEND_BY: &str = "15m";
/// For how long somebody answers for standing access, mostly.
const LASTS: &str = "30d";

/// The command line for an action on what is selected, one line for each marked row; `Err` says why there is none.
pub fn command(app: &App, action: Action) -> Result<String, String> {
    let works = app.works(app.front(), action) || app.works(Place::Anywhere, action);
    if !works {
        return Err("this key does nothing here".to_owned());
    }
    if let Some(words) = of_screen(app, action)? {
        return Ok(line(app, words));
    }
    let screen = app.screen().ok_or_else(|| "no screen is open".to_owned())?;
    let kind = Kind::of(action);
    let mut subjects = screen.marked();
    if subjects.is_empty() || kind.is_none() {
        let one = match kind {
            Some(kind) => screen.subject_of(kind),
            None => screen.subject(),
        };
        subjects = vec![one.ok_or_else(|| "nothing is selected".to_owned())?];
    }
    let mut lines = Vec::new();
    for subject in subjects {
        lines.push(line(app, of_row(app, action, subject)?));
    }
    Ok(lines.join("\n"))
}

/// Commands that are about no row.
fn of_screen(app: &App, action: Action) -> Result<Option<Vec<String>>, String> {
    let go = [
        (Action::GoRequests, "requests"),
        (Action::GoGrants, "grants"),
        (Action::GoSessions, "sessions"),
        (Action::GoAudit, "audit"),
        (Action::GoLocks, "locks"),
        (Action::GoGlass, "break-glass list"),
    ];
    if action == Action::GoSignIns {
        return Ok(Some(owned(&["sign-ins", "list"])));
    }
    if action == Action::GoStanding {
        return Ok(Some(owned(&["standing"])));
    }
    if action == Action::GoServices {
        return Ok(Some(owned(&["service-account", "list"])));
    }
    if action == Action::WhoAmI {
        return Ok(Some(owned(&["whoami"])));
    }
    if action == Action::SignIn {
        return Ok(Some(owned(&["login"])));
    }
    if let Some((_, verb)) = go.iter().find(|(known, _)| *known == action) {
        return Ok(Some(verb.split(' ').map(str::to_owned).collect()));
    }
    let screen = app.screen();
    if action == Action::Lock {
        let on = screen.and_then(|screen| screen.lock_on(app.world()));
        let (what, name) = match &on {
            Some(LockOn::Principal { principal }) => ("principal", principal),
            Some(LockOn::Target { target }) => ("target", target),
            _ => return Err("nobody is selected".to_owned()),
        };
        return Ok(Some(owned(&["lock", what, name, "--reason", BLANK])));
    }
    if action == Action::RevokeSignIns {
        let person = screen.and_then(|screen| screen.person(app.world()));
        let person = person.ok_or_else(|| "nobody is selected".to_owned())?;
        return Ok(Some(owned(&["sign-ins", "revoke", "--all", &person])));
    }
    if action == Action::Incident {
        let (target, filter) = screen
            .map(|screen| screen.scope(app.world()))
            .unwrap_or_default();
        let mut words = owned(&["incident"]);
        match (target, filter) {
            (_, Some(filter)) => words.extend(["--filter".to_owned(), filter]),
            (Some(target), None) => words.extend(["--target".to_owned(), target]),
            (None, None) => words.push("--everything".to_owned()),
        }
        words.extend(owned(&["--dry-run", "--reason", BLANK]));
        return Ok(Some(words));
    }
    if !matches!(action, Action::Filter | Action::Export | Action::Follow) {
        return Ok(None);
    }
    let way = app.front().way();
    let Some((_, verb)) = go.iter().find(|(known, _)| Some(*known) == way) else {
        return Err("there is no command for this key".to_owned());
    };
    let mut words: Vec<String> = verb.split(' ').map(str::to_owned).collect();
    if action == Action::Follow {
        words.push("--follow".to_owned());
    }
    if let Some(filter) = app.filter_text().filter(|text| !text.is_empty()) {
        words.extend(["--filter".to_owned(), filter]);
    }
    Ok(Some(words))
}

fn of_row(app: &App, action: Action, subject: Subject) -> Result<Vec<String>, String> {
    let subject = match (action, subject) {
        (Action::Revoke | Action::Extend, Subject::Session(key)) => Subject::Grant(key.grant),
        (_, subject) => subject,
    };
    let seen = app.world().store.get(&subject);
    let seen = seen.ok_or_else(|| "it is no longer there".to_owned())?;
    let id = subject.as_str();
    let mut words = match (action, &subject, &seen) {
        (Action::Approve, Subject::Request(_), _) => owned(&["approve", id]),
        (Action::Narrow, _, Seen::Request(view)) => {
            owned(&["approve", id, "--for", &view.duration_granted])
        }
        (Action::Deny, Subject::Request(_), _) => owned(&["deny", id, "--comment", BLANK]),
        (Action::Claim, Subject::Request(_), _) => return Ok(owned(&["claim", id])),
        (Action::Revoke, Subject::Grant(_), _) => owned(&["revoke", id, "--reason", BLANK]),
        (Action::Extend, Subject::Grant(_), _) => {
            owned(&["extend", id, "--by", EXTEND_BY, "--reason", BLANK])
        }
        (Action::GiveBack, Subject::Grant(_), _) => owned(&["return", id]),
        (Action::EndSession, Subject::Session(key), _) => {
            let grant = key.grant.as_str();
            return Ok(owned(&["sessions", "end", grant, id, "--reason", BLANK]));
        }
        (Action::RevokeSignIn, Subject::SignIn(_), _) => {
            return Ok(owned(&["sign-ins", "revoke", id]));
        }
        (Action::DeleteService, Subject::Service(_), _) => {
            return Ok(owned(&["service-account", "delete", id]));
        }
        (Action::RotateService, Subject::Service(_), _) => {
            return Ok(owned(&["service-account", "rotate", id]));
        }
        (Action::SignOff | Action::Object, Subject::Use(_), _) => {
            let verdict = if action == Action::SignOff {
                "--justified"
            } else {
                "--not-justified"
            };
            owned(&["break-glass", "sign-off", id, verdict, "--comment", BLANK])
        }
        (Action::ImportStanding, Subject::Standing(_), _) => {
            let me = app.world().my_name();
            return Ok(owned(&[
                "standing", "import", id, "--owner", me, "--for", LASTS, "--reason", BLANK,
            ]));
        }
        (Action::IgnoreStanding, Subject::Standing(_), _) => {
            return Ok(owned(&["standing", "ignore", id, "--reason", BLANK]));
        }
        (Action::ReopenStanding, Subject::Standing(_), _) => {
            return Ok(owned(&["standing", "reopen", id, "--reason", BLANK]));
        }
        (Action::Lift, Subject::Lock(_), _) => {
            return Ok(owned(&["unlock", id, "--reason", BLANK]));
        }
        _ => return Err("there is no command for this key".to_owned()),
    };
    words.push("--if-version".to_owned());
    words.push(seen.version().to_string());
    Ok(words)
}

/// The words as one line for a shell, for the server in use.
fn line(app: &App, mut words: Vec<String>) -> String {
    words.insert(0, "portcullis".to_owned());
    if let Some(name) = app.backend().filter(|_| app.backends().len() > 1) {
        words.extend(["--backend".to_owned(), name.clone()]);
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
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
