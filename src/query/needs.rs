//! What every row that passes has in common, for a store that can compare little: it reads no more than a superset,
//! and `eval` has the last word.

use std::collections::BTreeSet;

use super::ast::{Expr, Subject, Test};
use super::eval::Context;
use super::fields::{List, Name};
use super::time::Bounds;

/// The values of a field, in small letters, one of which every passing row has; `None` where nothing is sure.
pub fn values(
    expr: &Expr,
    list: List,
    name: Name,
    context: Context<'_>,
) -> Option<BTreeSet<String>> {
    match expr {
        Expr::And(parts) => parts
            .iter()
            .filter_map(|part| values(part, list, name, context))
            .reduce(|a, b| a.intersection(&b).cloned().collect()),
        Expr::Or(parts) => parts
            .iter()
            .map(|part| values(part, list, name, context))
            .reduce(|a, b| Some(a?.union(&b?).cloned().collect()))
            .flatten(),
        Expr::Not(_) => None,
        Expr::Term(term) => match &term.subject {
            Subject::Field(field, tests) if *field == name => {
                let known = name.field().values(list);
                tests
                    .iter()
                    .map(|test| exact(test, &known, context))
                    .reduce(|a, b| Some(a?.union(&b?).cloned().collect()))
                    .flatten()
            }
            Subject::Is(words) if name == Name::State => {
                let all = words.iter().all(|word| !word.states.is_empty());
                all.then(|| {
                    let states = words.iter().flat_map(|word| word.states);
                    states.map(|state| (*state).to_owned()).collect()
                })
            }
            Subject::Is(words) if name == Name::Principal && is_of_the_holder(list) => words
                .iter()
                .all(|word| word.word == "mine")
                .then(|| BTreeSet::from([context.me.to_owned()])),
            _ => None,
        },
    }
}

/// Says whether a row that is mine is one about my access, and not one that I made or answer for.
fn is_of_the_holder(list: List) -> bool {
    !matches!(list, List::Audit | List::Locks | List::Services)
}

fn exact(test: &Test, known: &[&str], context: Context<'_>) -> Option<BTreeSet<String>> {
    match test {
        Test::Text(value) | Test::Exactly(value) => Some(BTreeSet::from([value.clone()])),
        Test::Me => Some(BTreeSet::from([context.me.to_owned()])),
        Test::Wild {
            text,
            before,
            after,
        } if !known.is_empty() => {
            let fits = |value: &String| match (before, after) {
                (true, true) => value.contains(text.as_str()),
                (true, false) => value.ends_with(text.as_str()),
                _ => value.starts_with(text.as_str()),
            };
            Some(
                known
                    .iter()
                    .map(|value| value.to_lowercase())
                    .filter(fits)
                    .collect(),
            )
        }
        _ => None,
    }
}

/// The stretch of time in which every passing row is.
pub fn time(expr: &Expr, context: Context<'_>) -> Bounds {
    match expr {
        Expr::And(parts) => parts.iter().fold(Bounds::default(), |all, part| {
            let one = time(part, context);
            Bounds {
                from: all.from.max(one.from),
                until: match (all.until, one.until) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                },
            }
        }),
        Expr::Or(parts) => parts
            .iter()
            .map(|part| time(part, context))
            .reduce(hull)
            .unwrap_or_default(),
        Expr::Not(_) => Bounds::default(),
        Expr::Term(term) => match &term.subject {
            Subject::Field(Name::Time, tests) => tests
                .iter()
                .filter_map(|test| test.bounds(context.now))
                .reduce(hull)
                .unwrap_or_default(),
            _ => Bounds::default(),
        },
    }
}

/// Both stretches and what is between them.
fn hull(a: Bounds, b: Bounds) -> Bounds {
    let both = |a: Option<_>, b: Option<_>| Some((a?, b?));
    Bounds {
        from: both(a.from, b.from).map(|(a, b)| std::cmp::min(a, b)),
        until: both(a.until, b.until).map(|(a, b)| std::cmp::max(a, b)),
    }
}
