//! Every action of the console, named and explained once: keys, help, hints and lints come from this list.

use crossterm::event::{KeyCode, KeyModifiers};

use crate::console::term::input::Key;

/// Something a person can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    GoRequests,
    GoGrants,
    GoAudit,
    Down,
    Up,
    Top,
    Bottom,
    HalfDown,
    HalfUp,
    PageDown,
    PageUp,
    Open,
    Back,
    Filter,
    SortAgain,
    Help,
    Approve,
    Narrow,
    Deny,
    Extend,
    Revoke,
    Follow,
    Copy,
    Retry,
    Repaint,
    Suspend,
    Quit,
    Interrupt,
    Yes,
    No,
    NextField,
}

/// Where a key has its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Wherever nothing else wants the key.
    Anywhere,
    Requests,
    Grants,
    Audit,
    /// In an open question.
    Question,
}

impl Place {
    /// The heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Anywhere => "Everywhere",
            Self::Requests => "Requests",
            Self::Grants => "Grants",
            Self::Audit => "Audit",
            Self::Question => "In a question",
        }
    }
}

/// How much harm an action can do, which decides what stands between the key and the act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// Nothing is changed.
    None,
    /// Takes access away or moves an end: a question first.
    Reversible,
    /// Gives access: a question with all the facts, on live data only.
    Sensitive,
}

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    pub code: KeyCode,
    pub mods: KeyModifiers,
}

impl Chord {
    const fn plain(code: KeyCode) -> Self {
        Self {
            code,
            mods: KeyModifiers::NONE,
        }
    }

    const fn letter(letter: char) -> Self {
        Self::plain(KeyCode::Char(letter))
    }

    const fn ctrl(letter: char) -> Self {
        Self {
            code: KeyCode::Char(letter),
            mods: KeyModifiers::CONTROL,
        }
    }

    fn is(self, key: Key) -> bool {
        self.code == key.code && self.mods == key.mods
    }

    /// The key as people write it.
    pub fn text(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::F(number) => format!("F{number}"),
            code => format!("{code:?}"),
        };
        if self.mods.contains(KeyModifiers::CONTROL) {
            format!("ctrl-{name}")
        } else {
            name
        }
    }
}

/// One action with its keys.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    pub action: Action,
    /// The stable name, for remapping.
    pub name: &'static str,
    pub place: Place,
    pub keys: &'static [Chord],
    /// One or two words, for the hints.
    pub word: &'static str,
    /// What it does, for the help.
    pub doc: &'static str,
    pub danger: Danger,
}

const fn bind(
    action: Action,
    place: Place,
    keys: &'static [Chord],
    [name, word, doc]: [&'static str; 3],
    danger: Danger,
) -> Binding {
    Binding {
        action,
        name,
        place,
        keys,
        word,
        doc,
        danger,
    }
}

const fn key(letter: char) -> Chord {
    Chord::letter(letter)
}

const fn named(code: KeyCode) -> Chord {
    Chord::plain(code)
}

const fn ctrl(letter: char) -> Chord {
    Chord::ctrl(letter)
}

/// The one list.
pub const BINDINGS: &[Binding] = &[
    bind(
        Action::Approve,
        Place::Requests,
        &[key('a')],
        [
            "request.approve",
            "approve",
            "Approve the selected request; asks first.",
        ],
        Danger::Sensitive,
    ),
    bind(
        Action::Narrow,
        Place::Requests,
        &[key('e')],
        [
            "request.narrow",
            "approve for less",
            "Approve the selected request for a shorter time; asks first.",
        ],
        Danger::Sensitive,
    ),
    bind(
        Action::Deny,
        Place::Requests,
        &[key('d')],
        [
            "request.deny",
            "deny",
            "Deny the selected request; asks for the comment that the requester reads.",
        ],
        Danger::Reversible,
    ),
    bind(
        Action::Revoke,
        Place::Grants,
        &[key('x')],
        [
            "grant.revoke",
            "revoke",
            "Take the selected grant away and cut its sessions; asks first, then for the reason.",
        ],
        Danger::Reversible,
    ),
    bind(
        Action::Extend,
        Place::Grants,
        &[key('e')],
        [
            "grant.extend",
            "extend",
            "Move the end of the selected grant, by 15 minutes unless you change it; asks first.",
        ],
        Danger::Reversible,
    ),
    bind(
        Action::Follow,
        Place::Audit,
        &[key('f'), key('p')],
        [
            "audit.follow",
            "follow/pause",
            "Pause the live record, or follow it again; nothing is lost in between.",
        ],
        Danger::None,
    ),
    bind(
        Action::GoRequests,
        Place::Anywhere,
        &[key('1')],
        ["go.requests", "requests", "Show requests."],
        Danger::None,
    ),
    bind(
        Action::GoGrants,
        Place::Anywhere,
        &[key('2')],
        ["go.grants", "grants", "Show grants."],
        Danger::None,
    ),
    bind(
        Action::GoAudit,
        Place::Anywhere,
        &[key('3')],
        ["go.audit", "audit", "Show the audit record."],
        Danger::None,
    ),
    bind(
        Action::Down,
        Place::Anywhere,
        &[key('j'), named(KeyCode::Down)],
        ["move.down", "down", "One row down."],
        Danger::None,
    ),
    bind(
        Action::Up,
        Place::Anywhere,
        &[key('k'), named(KeyCode::Up)],
        ["move.up", "up", "One row up."],
        Danger::None,
    ),
    bind(
        Action::Top,
        Place::Anywhere,
        &[key('g'), named(KeyCode::Home)],
        ["move.top", "top", "To the first row."],
        Danger::None,
    ),
    bind(
        Action::Bottom,
        Place::Anywhere,
        &[key('G'), named(KeyCode::End)],
        [
            "move.bottom",
            "bottom",
            "To the last row; in the record this also follows again.",
        ],
        Danger::None,
    ),
    bind(
        Action::HalfDown,
        Place::Anywhere,
        &[ctrl('d')],
        ["move.half_down", "half page down", "Half a page down."],
        Danger::None,
    ),
    bind(
        Action::HalfUp,
        Place::Anywhere,
        &[ctrl('u')],
        ["move.half_up", "half page up", "Half a page up."],
        Danger::None,
    ),
    bind(
        Action::PageDown,
        Place::Anywhere,
        &[named(KeyCode::PageDown)],
        ["move.page_down", "page down", "A page down."],
        Danger::None,
    ),
    bind(
        Action::PageUp,
        Place::Anywhere,
        &[named(KeyCode::PageUp)],
        ["move.page_up", "page up", "A page up."],
        Danger::None,
    ),
    bind(
        Action::Open,
        Place::Anywhere,
        &[named(KeyCode::Enter)],
        [
            "view.open",
            "detail",
            "Show the selected row on the full screen.",
        ],
        Danger::None,
    ),
    bind(
        Action::Back,
        Place::Anywhere,
        &[named(KeyCode::Esc)],
        [
            "view.back",
            "back",
            "Close what is open, dismiss errors, drop the filter. Always safe.",
        ],
        Danger::None,
    ),
    bind(
        Action::Filter,
        Place::Anywhere,
        &[key('/')],
        [
            "view.filter",
            "filter",
            "Show only rows that match, as `field:value` or words.",
        ],
        Danger::None,
    ),
    bind(
        Action::SortAgain,
        Place::Anywhere,
        &[key('.')],
        [
            "view.sort",
            "sort again",
            "Put the rows in order again; until then no row moves under the cursor.",
        ],
        Danger::None,
    ),
    bind(
        Action::Copy,
        Place::Anywhere,
        &[key('y')],
        ["copy.id", "copy id", "Copy the id of the selected row."],
        Danger::None,
    ),
    bind(
        Action::Retry,
        Place::Anywhere,
        &[key('r')],
        [
            "link.retry",
            "retry",
            "Try again now: the connection, and changes that were not answered.",
        ],
        Danger::None,
    ),
    bind(
        Action::Help,
        Place::Anywhere,
        &[key('?'), named(KeyCode::F(1))],
        ["view.help", "help", "Show the keys that work here."],
        Danger::None,
    ),
    bind(
        Action::Repaint,
        Place::Anywhere,
        &[ctrl('l')],
        ["screen.repaint", "repaint", "Draw everything anew."],
        Danger::None,
    ),
    bind(
        Action::Suspend,
        Place::Anywhere,
        &[ctrl('z')],
        [
            "screen.suspend",
            "suspend",
            "Go back to the shell; `fg` returns.",
        ],
        Danger::None,
    ),
    bind(
        Action::Quit,
        Place::Anywhere,
        &[key('q')],
        ["quit", "quit", "Leave the console."],
        Danger::None,
    ),
    bind(
        Action::Interrupt,
        Place::Anywhere,
        &[ctrl('c')],
        [
            "quit.now",
            "quit",
            "Leave the console at once, whatever is open.",
        ],
        Danger::None,
    ),
    bind(
        Action::Yes,
        Place::Question,
        &[key('y')],
        [
            "question.yes",
            "yes",
            "Do what the question says. Counts only after a short pause.",
        ],
        Danger::None,
    ),
    bind(
        Action::No,
        Place::Question,
        &[named(KeyCode::Esc), key('n')],
        ["question.no", "no", "Close the question; nothing is done."],
        Danger::None,
    ),
    bind(
        Action::NextField,
        Place::Question,
        &[named(KeyCode::Tab)],
        [
            "question.next",
            "next field",
            "To the other line of the question.",
        ],
        Danger::None,
    ),
];

/// What a key means at a place.
pub fn action(place: Place, key: Key) -> Option<Action> {
    let at = |place: Place| {
        BINDINGS.iter().find(|binding| {
            binding.place == place && binding.keys.iter().any(|chord| chord.is(key))
        })
    };
    let own = at(place);
    let binding = if place == Place::Question {
        own
    } else {
        own.or_else(|| at(Place::Anywhere))
    };
    binding.map(|binding| binding.action)
}

/// Everything known about an action.
pub fn binding(action: Action) -> Option<&'static Binding> {
    BINDINGS.iter().find(|binding| binding.action == action)
}

/// How much harm an action can do.
pub fn danger(action: Action) -> Danger {
    binding(action).map_or(Danger::None, |binding| binding.danger)
}

/// Says what is wrong with a list of bindings: keys that broken escape sequences end in, keys that answer the very
/// question they open, and keys with two meanings.
pub fn lint(bindings: &[Binding]) -> Vec<String> {
    /// What is left of a torn escape sequence or a late answer of the terminal can hold these.
    const SHRAPNEL: &str = "ABCDFHPQRSO[]~0123456789";
    let yes: Vec<Chord> = bindings
        .iter()
        .filter(|b| b.action == Action::Yes)
        .flat_map(|b| b.keys)
        .copied()
        .collect();
    let mut wrong = Vec::new();
    for binding in bindings {
        for chord in binding.keys {
            let text = chord.text();
            let shrapnel = matches!(chord.code, KeyCode::Char(c) if SHRAPNEL.contains(c));
            if binding.danger > Danger::None && shrapnel {
                wrong.push(format!(
                    "`{text}` of `{}` can come from a torn escape sequence",
                    binding.name
                ));
            }
            if binding.danger > Danger::None && yes.contains(chord) {
                wrong.push(format!(
                    "`{text}` of `{}` would also confirm it",
                    binding.name
                ));
            }
            let twice = bindings
                .iter()
                .filter(|other| other.place == binding.place && other.keys.contains(chord))
                .count();
            if twice > 1 {
                wrong.push(format!(
                    "`{text}` has two meanings in {}",
                    binding.place.title()
                ));
            }
        }
    }
    for chord in &yes {
        if matches!(chord.code, KeyCode::Char(c) if c.is_ascii_hexdigit() || ":;/\\rgb ".contains(c))
        {
            wrong.push(format!(
                "`{}` confirms, but late answers of the terminal hold it",
                chord.text()
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_dangerous_action_has_a_dangerous_key() {
        assert_eq!(lint(BINDINGS), Vec::<String>::new());
    }

    #[test]
    fn the_lint_finds_each_kind_of_mistake() {
        const TORN: Binding = bind(
            Action::Revoke,
            Place::Grants,
            &[key('A')],
            ["grant.revoke", "", ""],
            Danger::Reversible,
        );
        const ANSWERS: Binding = bind(
            Action::Extend,
            Place::Grants,
            &[key('y')],
            ["grant.extend", "", ""],
            Danger::Reversible,
        );
        const YES: Binding = bind(
            Action::Yes,
            Place::Question,
            &[key('y')],
            ["question.yes", "", ""],
            Danger::None,
        );
        const TWICE: Binding = bind(
            Action::Open,
            Place::Grants,
            &[key('y')],
            ["view.open", "", ""],
            Danger::None,
        );
        let wrong = lint(&[TORN, ANSWERS, YES, TWICE]).join("\n");
        assert!(
            wrong.contains("`A` of `grant.revoke` can come from a torn escape sequence"),
            "{wrong}"
        );
        assert!(
            wrong.contains("`y` of `grant.extend` would also confirm it"),
            "{wrong}"
        );
        assert!(wrong.contains("`y` has two meanings in Grants"), "{wrong}");
    }

    #[test]
    fn every_action_has_a_name_of_its_own_and_a_sentence() {
        let mut names: Vec<&str> = BINDINGS.iter().map(|binding| binding.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), BINDINGS.len());
        assert!(
            BINDINGS
                .iter()
                .all(|binding| binding.doc.ends_with('.') && !binding.keys.is_empty())
        );
    }

    #[test]
    fn an_own_key_wins_over_a_common_one() {
        let e = Key::press(KeyCode::Char('e'), KeyModifiers::NONE);
        assert_eq!(action(Place::Grants, e), Some(Action::Extend));
        assert_eq!(action(Place::Requests, e), Some(Action::Narrow));
        assert_eq!(action(Place::Audit, e), None);
        let q = Key::press(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(action(Place::Question, q), None);
    }
}
