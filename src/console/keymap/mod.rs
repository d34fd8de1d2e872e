//! Every action of the console, named and explained once: keys, help, hints and lints come from one list.
//!
//! To add an action: a variant of [`Action`] and a line in `table.rs`; a screen that performs it lists it in its
//! `commands()`, and until one does nobody is told of it.

mod chord;
mod lint;
mod remap;
mod table;

use crate::console::term::input::Key;

pub use chord::Chord;
pub use lint::{Wrong, lint};
pub use remap::{as_toml, remap};
pub use table::BINDINGS;

/// Something a person can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    GoRequests,
    GoGrants,
    GoSessions,
    GoAudit,
    GoLocks,
    GoTimeline,
    GoSignIns,
    GoServices,
    GoStanding,
    GoGlass,
    Incident,
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
    PreviousItem,
    NextItem,
    NextPane,
    PreviousPane,
    Zoom,
    /// The detail as the server sent it.
    Json,
    Mark,
    MarkRange,
    MarkAll,
    ClearMarks,
    Filter,
    SavedFilters,
    FilterByCell,
    FilterWithoutCell,
    /// In order again, or by another column.
    SortAgain,
    SortReverse,
    Columns,
    NextMatch,
    PreviousMatch,
    CellLeft,
    CellRight,
    Copy,
    CopyJson,
    Export,
    /// What the next key would do, as a command.
    CommandLine,
    Undo,
    Palette,
    Messages,
    /// Who sits here, and how that is known.
    WhoAmI,
    SignIn,
    Retry,
    Help,
    Mouse,
    Repaint,
    Suspend,
    Quit,
    Interrupt,
    Approve,
    /// Approve for less.
    Narrow,
    Deny,
    Claim,
    Revoke,
    Extend,
    GiveBack,
    EndSession,
    Lock,
    Lift,
    /// End one sign-in.
    RevokeSignIn,
    /// End all of a person.
    RevokeSignIns,
    DeleteService,
    /// Make a service account.
    MakeService,
    /// Give one another token.
    RotateService,
    /// Answer for standing access until a date.
    ImportStanding,
    /// Say why it stays.
    IgnoreStanding,
    /// Take back what was said about it.
    ReopenStanding,
    /// Find a break-glass justified.
    SignOff,
    /// Find it not justified.
    Object,
    Follow,
    HourBack,
    HourForward,
    DayBack,
    DayForward,
    PreviousDenied,
    NextDenied,
    SameTrace,
    /// Look for an event in the signed log.
    Verify,
    /// Show everything about a person or a target.
    Story,
    /// Keep an event to come back to, or let it go.
    Bookmark,
    NextBookmark,
    TimeBack,
    TimeForward,
    ZoomIn,
    ZoomOut,
    TimeNow,
    AsOf,
    /// The typed count is there: do it, or go to the next step.
    Confirm,
    /// Take a row out of a list of what would be changed.
    Drop,
    /// Let the server try an incident out once more.
    DryRun,
    Yes,
    No,
    NextField,
    PreviousField,
}

impl Action {
    /// Moves in a list and nothing else.
    pub fn is_move(self) -> bool {
        matches!(
            self,
            Self::Down
                | Self::Up
                | Self::Top
                | Self::Bottom
                | Self::HalfDown
                | Self::HalfUp
                | Self::PageDown
                | Self::PageUp
        )
    }
}

/// Where a key has its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Wherever nothing else wants the key.
    Anywhere,
    Requests,
    Grants,
    Sessions,
    Audit,
    Locks,
    Timeline,
    SignIns,
    Services,
    Glass,
    Standing,
    /// In the steps of an incident.
    Incident,
    /// In the list of what a change of many would do.
    Review,
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
            Self::Sessions => "Sessions",
            Self::Audit => "Audit",
            Self::Locks => "Locks",
            Self::Timeline => "Timeline",
            Self::SignIns => "Sign-ins",
            Self::Services => "Services",
            Self::Glass => "Break-glass",
            Self::Standing => "Standing access",
            Self::Incident => "In an incident",
            Self::Review => "In a list to review",
            Self::Question => "In a question",
        }
    }

    /// The action that leads to it, for places that are a screen.
    pub fn way(self) -> Option<Action> {
        match self {
            Self::Requests => Some(Action::GoRequests),
            Self::Grants => Some(Action::GoGrants),
            Self::Sessions => Some(Action::GoSessions),
            Self::Audit => Some(Action::GoAudit),
            Self::Locks => Some(Action::GoLocks),
            Self::Timeline => Some(Action::GoTimeline),
            Self::SignIns => Some(Action::GoSignIns),
            Self::Services => Some(Action::GoServices),
            Self::Glass => Some(Action::GoGlass),
            Self::Standing => Some(Action::GoStanding),
            Self::Anywhere | Self::Incident | Self::Review | Self::Question => None,
        }
    }

    /// Says whether an action of [`Place::Anywhere`] also works here.
    fn lets(self, action: Action) -> bool {
        match self {
            Self::Question => false,
            Self::Incident | Self::Review => action.is_move(),
            _ => true,
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
    /// Gives access or cuts work off: a question with all the facts.
    Sensitive,
    /// Two rows or more: a list to review, and the count typed. No key has it; marks make it.
    Bulk,
    /// Everything of a person, a target or a tag: tried out on the server first, then the count typed.
    Sweeping,
}

/// One action at one place, with its keys as shipped.
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

/// The keys in force: every binding with the keys it has for this person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    keys: Vec<Vec<Chord>>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self {
            keys: BINDINGS
                .iter()
                .map(|binding| binding.keys.to_vec())
                .collect(),
        }
    }
}

impl Keymap {
    /// Every binding with its keys, in the order of the list.
    pub fn all(&self) -> impl Iterator<Item = (&'static Binding, &[Chord])> {
        BINDINGS
            .iter()
            .zip(&self.keys)
            .map(|(binding, keys)| (binding, keys.as_slice()))
    }

    /// How many bindings have other keys than the shipped ones.
    pub fn changed(&self) -> usize {
        self.all()
            .filter(|(binding, keys)| binding.keys != *keys)
            .count()
    }

    /// What a key means at a place.
    pub fn action(&self, place: Place, key: Key) -> Option<Action> {
        self.find(place, |_, keys| keys.iter().any(|chord| chord.is(key)))
            .map(|(binding, _)| binding.action)
    }

    /// Everything known about an action at a place, with its keys.
    pub fn binding(&self, place: Place, action: Action) -> Option<(&'static Binding, &[Chord])> {
        self.find(place, |binding, _| binding.action == action)
    }

    /// The first key of an action at a place as people write it; nothing when it has none.
    pub fn key(&self, place: Place, action: Action) -> String {
        self.binding(place, action)
            .and_then(|(_, keys)| keys.first())
            .map(|chord| chord.text())
            .unwrap_or_default()
    }

    /// A sentence with the names of bindings in braces, `press {move.down}`, as it reads with the keys in force.
    pub fn fill(&self, sentence: &str) -> String {
        self.all()
            .fold(sentence.to_owned(), |text, (binding, keys)| {
                let name = format!("{{{}}}", binding.name);
                if !text.contains(&name) {
                    return text;
                }
                let key = keys.first().map(|chord| chord.text());
                text.replace(&name, &key.unwrap_or_else(|| binding.name.to_owned()))
            })
    }

    /// The last of its keys, which for some is the one under the fingers.
    pub fn last_key(&self, place: Place, action: Action) -> String {
        self.binding(place, action)
            .and_then(|(_, keys)| keys.last())
            .map(|chord| chord.text())
            .unwrap_or_default()
    }

    /// The place's own, or else what works anywhere.
    fn find(
        &self,
        place: Place,
        wanted: impl Fn(&Binding, &[Chord]) -> bool,
    ) -> Option<(&'static Binding, &[Chord])> {
        let at = |place: Place| {
            self.all()
                .find(|(binding, keys)| binding.place == place && wanted(binding, keys))
        };
        at(place).or_else(|| at(Place::Anywhere).filter(|(binding, _)| place.lets(binding.action)))
    }
}

/// How much harm an action can do, wherever it is asked for.
pub fn danger(action: Action) -> Danger {
    BINDINGS
        .iter()
        .filter(|binding| binding.action == action)
        .map(|binding| binding.danger)
        .max()
        .unwrap_or(Danger::None)
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;

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
        let keymap = Keymap::default();
        let e = Key::press(KeyCode::Char('e'), KeyModifiers::NONE);
        assert_eq!(keymap.action(Place::Grants, e), Some(Action::Extend));
        assert_eq!(keymap.action(Place::Requests, e), Some(Action::Narrow));
        assert_eq!(keymap.action(Place::Audit, e), None);
        let h = Key::press(KeyCode::Char('h'), KeyModifiers::NONE);
        assert_eq!(keymap.action(Place::Timeline, h), Some(Action::TimeBack));
        assert_eq!(keymap.action(Place::Grants, h), Some(Action::CellLeft));
    }

    #[test]
    fn in_a_question_nothing_else_works_and_in_a_review_only_moves_do() {
        let keymap = Keymap::default();
        let q = Key::press(KeyCode::Char('q'), KeyModifiers::NONE);
        let j = Key::press(KeyCode::Char('j'), KeyModifiers::NONE);
        assert_eq!(keymap.action(Place::Question, q), None);
        assert_eq!(keymap.action(Place::Question, j), None);
        assert_eq!(keymap.action(Place::Review, q), None);
        assert_eq!(keymap.action(Place::Review, j), Some(Action::Down));
    }
}
