//! What an event is found by: a number for each of its values, and one for each three letters in a row of its texts.

use crate::domain::event::Actor;
use crate::domain::ids::{GrantId, PrincipalName, RequestId, RoleName, TargetName};
use crate::query::Name;
use crate::query::index::{Key, SHORTEST};
use crate::secret;
use crate::store::audit::Entry;

/// A term as it is stored.
pub(super) type Term = u64;

/// Three letters are the number of their characters, which have at most 21 bits each; all else has this bit.
const NAMED: u64 = 1 << 63;
/// More parts of a text rule hardly anything out, and each costs a look.
const PARTS: usize = 12;

fn named(what: &str, value: &str) -> Term {
    let hash = secret::hash_of(&format!("{what}\0{value}"));
    let first = hash.first_chunk::<8>().copied().unwrap_or_default();
    u64::from_le_bytes(first) | NAMED
}

/// Whether a term stands for letters, and so for a group of events.
pub(super) fn is_letters(term: Term) -> bool {
    term & NAMED == 0
}

/// Every three letters in a row.
fn letters(text: &str) -> impl Iterator<Item = Term> {
    let mut last = 0_u64;
    text.chars().enumerate().filter_map(move |(at, c)| {
        last = (last << 21 | u64::from(c)) & !NAMED;
        (at + 1 >= SHORTEST).then_some(last)
    })
}

/// The terms that a row has which has this.
pub(super) fn of(key: &Key) -> Vec<Term> {
    match key {
        Key::Value(name, value) => vec![named(name.field().word, value)],
        Key::Present(name) => vec![named("has", name.field().word)],
        Key::Human => vec![named("is", "human")],
        Key::System => vec![named("is", "system")],
        Key::Holds(text) => {
            let mut all: Vec<Term> = letters(text).collect();
            all.sort_unstable();
            all.dedup();
            let step = all.len().div_ceil(PARTS).max(1);
            all.into_iter().step_by(step).collect()
        }
    }
}

/// The fields whose values are counted, in the order of their columns.
pub(super) const COUNTED: [Name; 7] = [
    Name::Event,
    Name::Outcome,
    Name::Actor,
    Name::Principal,
    Name::Target,
    Name::Role,
    Name::Channel,
];

/// The value of a field of an event, as it is.
pub(super) fn value(entry: &Entry, name: Name) -> Option<&str> {
    let event = &entry.event;
    match name {
        Name::Event => Some(event.code.as_str()),
        Name::Outcome => Some(event.outcome.as_str()),
        Name::Actor => Some(event.actor.name()),
        Name::Principal => event.principal.as_ref().map(PrincipalName::as_str),
        Name::Target => event.target.as_ref().map(TargetName::as_str),
        Name::Role => event.role.as_ref().map(RoleName::as_str),
        Name::Request => event.request.as_ref().map(RequestId::as_str),
        Name::Grant => event.grant.as_ref().map(GrantId::as_str),
        Name::Trace => Some(entry.origin.trace.as_str()),
        Name::Channel => Some(entry.origin.channel.as_str()),
        Name::Address => entry.origin.address.as_deref(),
        Name::Session => event
            .details
            .get("session")
            .and_then(|value| value.as_str()),
        Name::Reason => event.reason.as_deref(),
        _ => None,
    }
}

const VALUES: [Name; 12] = [
    Name::Event,
    Name::Outcome,
    Name::Actor,
    Name::Principal,
    Name::Target,
    Name::Role,
    Name::Request,
    Name::Grant,
    Name::Trace,
    Name::Channel,
    Name::Address,
    Name::Session,
];

/// Gives the terms of an event: INVARIANT: those that [`of`] asks for, of every key of an event
/// (`an_index_finds_what_a_filter_lets_through`).
pub(super) fn of_entry(entry: &Entry, mut take: impl FnMut(Term)) {
    for name in VALUES {
        if let Some(value) = value(entry, name) {
            take(named(name.field().word, &value.to_lowercase()));
            if !value.is_empty() {
                take(named("has", name.field().word));
            }
        }
    }
    if value(entry, Name::Reason).is_some_and(|reason| !reason.is_empty()) {
        take(named("has", Name::Reason.field().word));
    }
    match entry.event.actor {
        Actor::Principal(_) => take(named("is", "human")),
        Actor::System => take(named("is", "system")),
        Actor::Anonymous => {}
    }
    let sentence = entry.event.sentence();
    let texts = [
        Some(sentence.as_str()),
        value(entry, Name::Event),
        value(entry, Name::Actor),
        value(entry, Name::Target),
        value(entry, Name::Principal),
        value(entry, Name::Request),
        value(entry, Name::Grant),
        value(entry, Name::Reason),
    ];
    for text in texts.into_iter().flatten() {
        letters(&text.to_lowercase()).for_each(&mut take);
    }
}
