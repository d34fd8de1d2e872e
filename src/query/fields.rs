//! The words of the language: every field with its type, its values, the lists that have it and its help, and every
//! `is:` word. Parser, completion, command line help and the README read this one table.

use crate::domain::break_glass::UseState;
use crate::domain::event::{EventCode, Outcome};
use crate::domain::grant::GrantState;
use crate::domain::request::{RequestKind, RequestState};
use crate::domain::standing::{StandingKind, StandingState};

/// Which rows are filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum List {
    Requests,
    Grants,
    Audit,
    Sessions,
    Locks,
    /// Who is signed in; known only to whoever has read it.
    SignIns,
    /// Service accounts; the same.
    Services,
    /// Standing access; the same.
    Standing,
    BreakGlass,
}

impl List {
    /// Every list.
    pub const ALL: [Self; 9] = [
        Self::Requests,
        Self::Grants,
        Self::Audit,
        Self::Sessions,
        Self::Locks,
        Self::SignIns,
        Self::Services,
        Self::BreakGlass,
        Self::Standing,
    ];

    /// The lists whose values the server counts.
    pub const COUNTED: [Self; 6] = [
        Self::Requests,
        Self::Grants,
        Self::Audit,
        Self::Sessions,
        Self::Locks,
        Self::BreakGlass,
    ];

    /// The word of the list in addresses and in sentences.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Grants => "grants",
            Self::Audit => "audit",
            Self::Sessions => "sessions",
            Self::Locks => "locks",
            Self::SignIns => "sign-ins",
            Self::Services => "services",
            Self::Standing => "standing",
            Self::BreakGlass => "break-glass",
        }
    }
}

/// A field of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    Id,
    State,
    Principal,
    Actor,
    Target,
    Role,
    Reason,
    Time,
    Duration,
    Age,
    Left,
    Event,
    Outcome,
    Kind,
    Policy,
    Group,
    Ticket,
    Claim,
    Signal,
    Enforcement,
    Request,
    Grant,
    Session,
    Trace,
    Channel,
    Address,
    Program,
    Device,
    Method,
    Owner,
    Scope,
    Incident,
}

/// How the values of a field are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Names, ids and words: the whole value, `*` at an end, `~` for a pattern.
    Word,
    /// Names of people: as words, and `@me` is whoever asks.
    Person,
    /// What people wrote: a part of it is enough.
    Prose,
    /// A length of time.
    Length,
    /// A length that changes all the time, so that only more or less than something makes sense.
    Running,
    /// A moment.
    Moment,
}

/// One field.
#[derive(Debug)]
pub struct Field {
    pub name: Name,
    pub word: &'static str,
    /// What else is understood.
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    pub lists: &'static [List],
    /// Whether the server counts its values for completion.
    pub counted: bool,
    /// One line, in the words of people.
    pub help: &'static str,
}

/// An `is:` word.
#[derive(Debug, PartialEq, Eq)]
pub struct Word {
    pub word: &'static str,
    pub list: List,
    /// Rows of which it is true are in one of these states; empty where the state does not matter.
    pub states: &'static [&'static str],
    pub help: &'static str,
}

use List::{Audit, BreakGlass, Grants, Locks, Requests, Services, Sessions, SignIns, Standing};

const EVERY: &[List] = &List::ALL;
const ACCESS: &[List] = &List::COUNTED;
const TIMED: &[List] = &[
    Requests, Grants, Audit, Sessions, Locks, SignIns, BreakGlass, Standing,
];
const TARGETED: &[List] = &[
    Requests, Grants, Audit, Sessions, Locks, BreakGlass, Standing,
];
const OPEN: &[&str] = &["scheduled", "activating", "active", "closing"];
const CLOSED: &[&str] = &["ended", "returned", "revoked", "activation_failed"];

macro_rules! fields {
    ($($name:ident $word:literal [$($alias:literal),*] $kind:ident $lists:expr, $counted:literal, $help:literal;)*) => {
        /// Every field, the most used first.
        pub static FIELDS: &[&Field] = &[$(Name::$name.field()),*];

        impl Name {
            /// Its line in the table.
            pub const fn field(self) -> &'static Field {
                match self {
                    $(Self::$name => &Field {
                        name: Self::$name, word: $word, aliases: &[$($alias),*], kind: Kind::$kind, lists: $lists,
                        counted: $counted, help: $help,
                    },)*
                }
            }
        }
    };
}

fields! {
    State "state" [] Word &[Requests, Grants, Locks, Sessions, BreakGlass, Standing], true, "where it is in its life";
    Principal "principal" ["user", "who", "holder", "requester"] Person EVERY, true, "whose access it is about";
    Target "target" ["resource"] Word TARGETED, true, "on what";
    Role "role" [] Word ACCESS, true, "as what";
    Event "event" [] Word &[Audit], true, "what happened, like `grant.revoked`";
    Outcome "outcome" [] Word &[Audit], true, "how it went";
    Actor "actor" ["by"] Person &[Requests, Grants, Audit, Locks, BreakGlass, Standing], true, "who did it: decided, closed, placed, lifted, signed off, settled";
    Time "time" ["at"] Moment TIMED, false, "when it happened, was asked for, began";
    Reason "reason" [] Prose &[Requests, Grants, Audit, Locks, BreakGlass, Standing], false, "a part of what was written as the reason";
    Duration "duration" ["for"] Length &[Requests, Grants, BreakGlass], false, "for how long";
    Left "left" [] Running &[Requests, Grants, Locks, SignIns, Services, Standing], false, "how long until it ends, or until nobody can decide it";
    Age "age" [] Running TIMED, false, "how long ago it was asked for, or began";
    Kind "kind" [] Word &[Requests, Grants, Locks, Standing], true, "access, extend or break_glass; the kind of target; what a lock is on; account, member or key";
    Ticket "ticket" [] Word &[Requests, BreakGlass], false, "the ticket it refers to";
    Policy "policy" [] Word &[Requests], true, "the policy that permits it, or the version of the rules";
    Group "group" [] Word &[Requests, Services], true, "the group that reviews it, or that it is in";
    Claim "claim" [] Person &[Requests], true, "who is looking at it";
    Signal "signal" [] Word &[Requests], true, "what is unusual about it";
    Enforcement "enforcement" ["class"] Word &[Grants], true, "who ends it when every node is down: `A`, `A+` or `C`";
    Id "id" [] Word EVERY, false, "its own id";
    Request "request" [] Word &[Requests, Grants, Audit, BreakGlass], false, "about which request";
    Grant "grant" [] Word &[Requests, Grants, Audit, Sessions, BreakGlass], false, "about which grant";
    Session "session" [] Word &[Audit, Sessions], false, "the target's own name for the connection";
    Trace "trace" [] Word &[Audit], false, "the call that caused it";
    Channel "channel" [] Word &[Audit], true, "through what: `tui`, `cli`, `api`, `system`";
    Address "address" ["ip"] Word &[Audit, Sessions], true, "from where";
    Program "program" [] Word &[Sessions], false, "the program, as it calls itself";
    Device "device" [] Prose &[SignIns], false, "a part of what the device calls itself";
    Method "method" ["via"] Word &[SignIns], false, "how somebody signed in";
    Owner "owner" [] Person &[Services, Standing], false, "who answers for it";
    Scope "scope" [] Word &[Services], false, "what it may do, like `read`";
    Incident "incident" [] Word &[Locks], false, "the incident that it was placed in";
}

macro_rules! words {
    ($($word:literal $list:ident $states:expr, $help:literal;)*) => {
        /// Every `is:` word of every list.
        pub static WORDS: &[Word] = &[$(Word { word: $word, list: $list, states: $states, help: $help }),*];
    };
}

words! {
    "pending" Requests &["pending"], "waits for a decision";
    "decided" Requests &["approved", "denied", "withdrawn", "expired"], "is over, one way or another";
    "mine" Requests &[], "I asked for it";
    "decidable" Requests &["pending"], "I may approve or deny it";
    "claimed" Requests &["pending"], "somebody is looking at it";
    "urgent" Requests &["pending"], "expires within 15 minutes if nobody decides";
    "unusual" Requests &["pending"], "has a signal, like the first time on this target";
    "extension" Requests &[], "asks for a later end";
    "narrowed" Requests &[], "was approved for less than was asked";
    "reviewed" Requests &[], "somebody has approved or denied it";
    "open" Grants OPEN, "is in use, about to be, or not yet gone";
    "over" Grants CLOSED, "is gone from the target, or never came to be";
    "mine" Grants &[], "I hold it";
    "active" Grants &["active"], "can be used now";
    "expiring" Grants &["active"], "ends within 15 minutes";
    "closing" Grants &["closing"], "is being taken away and not yet confirmed as gone";
    "overdue" Grants &["scheduled", "activating", "active", "closing"], "its end was due a minute ago, and its target has not confirmed";
    "failed" Grants &["scheduled", "activating", "active", "closing", "activation_failed"], "could not be made, or does not go away";
    "extended" Grants &[], "its end was moved";
    "revocable" Grants &[], "I may revoke it";
    "denied" Audit &[], "was refused";
    "failed" Audit &[], "did not work";
    "mine" Audit &[], "I did it, or it is about my access";
    "human" Audit &[], "a person did it";
    "system" Audit &[], "Portcullis did it by itself";
    "mine" Sessions &[], "I opened it";
    "running" Sessions &["running"], "does something at this moment";
    "idle" Sessions &["idle", "idle_in_transaction"], "does nothing at this moment";
    "blocking" Sessions &["idle_in_transaction"], "does nothing, in the middle of a transaction";
    "open" Locks &["in_force"], "blocks at this moment";
    "lifted" Locks &["lifted"], "somebody lifted it";
    "over" Locks &["over", "lifted"], "blocks no longer";
    "endless" Locks &[], "has no end of its own";
    "mine" Locks &[], "I placed it";
    "mine" SignIns &[], "it is one of mine";
    "here" SignIns &[], "it is the one in use here";
    "bound" SignIns &[], "its tokens work only on the device that they were made for";
    "mine" Services &[], "I answer for it";
    "good" Services &[], "it has a token that works";
    "open" Standing &["open"], "nobody said anything about it, or what was said is over";
    "settled" Standing &["imported", "ignored"], "somebody answers for it, or said why it stays";
    "mine" Standing &[], "I answer for it";
    "open" BreakGlass &["open"], "waits for its sign-off";
    "reviewed" BreakGlass &["justified", "not_justified"], "was signed off";
    "signable" BreakGlass &["open"], "I may sign it off";
    "sealed" BreakGlass &[], "was done with a sealed code";
    "mine" BreakGlass &[], "I did it";
}

impl Field {
    /// Says whether rows of a list have it.
    pub fn is_in(&self, list: List) -> bool {
        self.lists.contains(&list)
    }

    /// The values that there are, where they are known. Sessions and signals may bring others.
    pub fn values(&self, list: List) -> Vec<&'static str> {
        match (self.name, list) {
            (Name::State, Requests) => RequestState::ALL.map(RequestState::as_str).to_vec(),
            (Name::State, Grants) => GrantState::ALL.map(GrantState::as_str).to_vec(),
            (Name::State, Locks) => vec!["in_force", "lifted", "over"],
            (Name::State, BreakGlass) => UseState::ALL.map(UseState::as_str).to_vec(),
            (Name::State, Standing) => StandingState::ALL.map(StandingState::as_str).to_vec(),
            (Name::State, Sessions) => vec!["running", "idle", "idle_in_transaction"],
            (Name::Event, Audit) => EventCode::ALL.iter().map(|code| code.as_str()).collect(),
            (Name::Outcome, Audit) => Outcome::ALL.map(Outcome::as_str).to_vec(),
            (Name::Method, SignIns) => vec!["code", "password", "oidc", "device", "service"],
            (Name::Kind, Requests) => RequestKind::ALL.map(RequestKind::as_str).to_vec(),
            (Name::Kind, Standing) => StandingKind::ALL.map(StandingKind::as_str).to_vec(),
            (Name::Kind, Locks) => vec!["principal", "target", "role", "tag", "everything"],
            (Name::Channel, Audit) => vec!["tui", "cli", "api", "system"],
            (Name::Enforcement, Grants) => vec!["A", "A+", "C"],
            (Name::Signal, Requests) => vec![
                "first_on_target",
                "off_hours",
                "longer_than_usual",
                "reason_reused",
                "often_this_week",
            ],
            _ => Vec::new(),
        }
    }
}

/// The field of a word or of an alias, in any list.
pub fn find(word: &str) -> Option<&'static Field> {
    FIELDS
        .iter()
        .copied()
        .find(|field| field.word == word || field.aliases.contains(&word))
}

/// The fields of a list.
pub fn of(list: List) -> impl Iterator<Item = &'static Field> {
    FIELDS
        .iter()
        .copied()
        .filter(move |field| field.is_in(list))
}

/// The `is:` words of a list.
pub fn words(list: List) -> impl Iterator<Item = &'static Word> {
    WORDS.iter().filter(move |word| word.list == list)
}

/// Says whether rows of a list have the tags of a target.
pub fn has_tags(list: List) -> bool {
    !matches!(list, Sessions | SignIns | Services | Standing)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_word_means_one_field() {
        let mut seen = BTreeSet::from(["is", "has", "tag", "env", "since", "until"]);
        for field in FIELDS {
            assert_eq!(field.name.field().word, field.word);
            for word in std::iter::once(&field.word).chain(field.aliases) {
                assert!(seen.insert(word), "{word}");
            }
        }
    }

    #[test]
    fn every_field_is_in_the_table_once() {
        let names: BTreeSet<Name> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(
            (names.len(), names.last()),
            (FIELDS.len(), Some(&Name::Incident))
        );
        assert_eq!(Name::Incident as usize + 1, FIELDS.len());
    }

    #[test]
    fn states_of_words_are_states_of_the_list() {
        for word in WORDS {
            let states = Name::State.field().values(word.list);
            assert!(
                word.states.iter().all(|state| states.contains(state)),
                "{}",
                word.word
            );
        }
    }
}
