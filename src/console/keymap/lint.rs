//! Keys that would be dangerous: what broken escape sequences and late answers of a terminal hold, what would answer
//! the very question it opens, and what has two meanings.

use crossterm::event::{KeyCode, KeyModifiers};

use crate::console::keymap::{Action, Binding, Chord, Danger, Place};

/// What is left of a torn escape sequence or a late answer of the terminal can hold these.
const SHRAPNEL: &str = "ABCDFHPQRSO[]~0123456789";
/// Late answers hold these, so none of them may say yes.
const REPLIES: &str = ":;/\\rgb ";

/// What is wrong with one key of one binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The name of the binding.
    pub name: &'static str,
    pub chord: Chord,
    /// A sentence, without the key and the name.
    pub why: String,
    /// The other binding, when two are in each other's way.
    pub other: Option<&'static str>,
}

impl Wrong {
    /// The whole sentence.
    pub fn text(&self) -> String {
        format!("`{}` of `{}` {}", self.chord.text(), self.name, self.why)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self.other {
            Some(other) => {
                format!("choose another key, or give `{other}` another one; `[]` takes it away")
            }
            None => "choose another key".to_owned(),
        })
    }
}

/// Says what is wrong with the keys of bindings.
pub fn lint(bindings: &[(&'static Binding, &[Chord])]) -> Vec<Wrong> {
    let yes: Vec<Chord> = bindings
        .iter()
        .filter(|(binding, _)| binding.action == Action::Yes)
        .flat_map(|(_, keys)| keys.iter().copied())
        .collect();
    let mut found = Vec::new();
    for (binding, keys) in bindings {
        for chord in *keys {
            let mut wrong = |why: String, other: Option<&'static str>| {
                found.push(Wrong {
                    name: binding.name,
                    chord: *chord,
                    why,
                    other,
                });
            };
            if binding.danger > Danger::None {
                if is_one_of(*chord, SHRAPNEL) {
                    wrong("can come from a torn escape sequence".to_owned(), None);
                }
                if yes.contains(chord) {
                    wrong(
                        "would also say yes to the question that it opens".to_owned(),
                        None,
                    );
                }
            }
            if binding.action == Action::Yes && (is_one_of(*chord, REPLIES) || is_hex(*chord)) {
                wrong(
                    "says yes, but late answers of the terminal hold it".to_owned(),
                    None,
                );
            }
            if binding.action == Action::Yes && chord.code == KeyCode::Enter {
                wrong("says yes, and Enter never may".to_owned(), None);
            }
            if chord.code == KeyCode::Esc && !matches!(binding.action, Action::Back | Action::No) {
                wrong("does something, and Esc is always safe".to_owned(), None);
            }
            for (other, keys) in bindings {
                let same_place = other.place == binding.place;
                if same_place && other.name != binding.name && keys.contains(chord) {
                    let place = binding.place.title();
                    let why = format!("is also the key of `{}` ({place})", other.name);
                    wrong(why, Some(other.name));
                }
                let first = matches!(
                    other.action,
                    Action::Interrupt | Action::Repaint | Action::Suspend | Action::Mouse
                );
                if !same_place && first && other.place == Place::Anywhere && keys.contains(chord) {
                    let why = format!("never comes to it, because it is `{}`", other.name);
                    wrong(why, Some(other.name));
                }
            }
        }
    }
    found
}

fn is_one_of(chord: Chord, letters: &str) -> bool {
    // A torn sequence begins with the byte that terminals also send for Alt.
    let bare = (chord.mods - KeyModifiers::ALT).is_empty();
    matches!(chord.code, KeyCode::Char(c) if bare && letters.contains(c))
}

fn is_hex(chord: Chord) -> bool {
    matches!(chord.code, KeyCode::Char(c) if chord.mods.is_empty() && c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::keymap::{BINDINGS, Keymap};

    fn sentences(bindings: &[(&'static Binding, &[Chord])]) -> String {
        let wrong: Vec<String> = lint(bindings).iter().map(Wrong::text).collect();
        wrong.join("\n")
    }

    fn binding(name: &str) -> &'static Binding {
        BINDINGS
            .iter()
            .find(|binding| binding.name == name)
            .unwrap()
    }

    #[test]
    fn no_dangerous_action_has_a_dangerous_key() {
        let keymap = Keymap::default();
        let bindings: Vec<_> = keymap.all().collect();
        assert_eq!(sentences(&bindings), "");
    }

    #[test]
    fn each_kind_of_mistake_is_found() {
        let torn = [Chord::letter('A')];
        let yes = [Chord::letter('y')];
        let stop = [Chord::ctrl('c')];
        let found = sentences(&[
            (binding("grant.revoke"), &torn),
            (binding("grant.extend"), &yes),
            (binding("grant.return"), &yes),
            (binding("question.yes"), &yes),
            (binding("audit.follow"), &stop),
            (binding("console.quit_now"), &stop),
        ]);
        for wanted in [
            "`A` of `grant.revoke` can come from a torn escape sequence",
            "`y` of `grant.extend` would also say yes to the question that it opens",
            "`y` of `grant.extend` is also the key of `grant.return` (Grants)",
            "`ctrl-c` of `audit.follow` never comes to it, because it is `console.quit_now`",
        ] {
            assert!(found.contains(wanted), "{found}");
        }
    }

    #[test]
    fn a_late_answer_of_the_terminal_can_not_say_yes() {
        for letter in "0189abcdefr:;/\\g ".chars() {
            let keys = [Chord::letter(letter)];
            let found = sentences(&[(binding("question.yes"), &keys)]);
            assert!(found.contains("late answers"), "{letter}: {found}");
        }
    }
}
