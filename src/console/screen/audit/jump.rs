//! Jumps in the record: by an hour or a day, to what was refused or failed, to what matches, to an event by its number.
//! What is not here is looked up by the server in one call, however far away it is.

use std::collections::VecDeque;
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::client::AuditQuery;
use crate::console::keymap::Action;
use crate::console::store::Packed;
use crate::query::{Context, Expr};
use crate::wire::EventView;

/// What somebody wants to get to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Goal {
    /// The last event before a moment.
    Time(DateTime<Utc>),
    /// The nearest event that was refused or failed, before or after an index.
    Denied { from: i64, back: bool },
    /// The nearest event that passes a filter.
    Match { sought: Expr, from: i64, back: bool },
    /// An event by its number.
    Event(i64),
}

/// What a jump leads to among the rows that are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Place(usize),
    /// Beyond them, if anywhere.
    Elsewhere,
}

/// The goal of an action at an event; nothing when it is no jump.
pub(super) fn goal(action: Action, here: &EventView) -> Option<Goal> {
    let by = match action {
        Action::HourBack => TimeDelta::hours(-1),
        Action::HourForward => TimeDelta::hours(1),
        Action::DayBack => TimeDelta::days(-1),
        Action::DayForward => TimeDelta::days(1),
        Action::PreviousDenied | Action::NextDenied => {
            return Some(Goal::Denied {
                from: here.index,
                back: action == Action::PreviousDenied,
            });
        }
        _ => return None,
    };
    Some(Goal::Time(here.time + by))
}

impl Goal {
    /// Looks for it among the rows that are here. `complete` says whether nothing is missing before them, and after.
    pub(super) fn find(
        &self,
        rows: &VecDeque<Rc<Packed>>,
        complete: (bool, bool),
        asking: Context<'_>,
    ) -> Option<Found> {
        let last = rows.len().checked_sub(1);
        match self {
            Self::Time(time) => {
                let place = rows.partition_point(|row| row.time < *time);
                match last {
                    Some(_) if place == 0 && complete.0 => Some(Found::Place(0)),
                    Some(last) if place > last && complete.1 => Some(Found::Place(last)),
                    Some(last) if (1..=last).contains(&place) => Some(Found::Place(place)),
                    _ => Some(Found::Elsewhere),
                }
            }
            Self::Denied { from, back } => {
                let found = nearest(rows, *from, *back, |row| !row.success);
                here_or_beyond(found, *back, complete)
            }
            Self::Match { sought, from, back } => {
                let found = nearest(rows, *from, *back, |row| sought.lets(&row.view(), asking));
                here_or_beyond(found, *back, complete)
            }
            Self::Event(index) => {
                let place = rows.partition_point(|row| row.index < *index);
                let is_here = rows.get(place).is_some_and(|row| row.index == *index);
                Some(if is_here {
                    Found::Place(place)
                } else {
                    Found::Elsewhere
                })
            }
        }
    }

    /// The question whose first row is it. `scope` is what the record asks for.
    pub(super) fn question(&self, scope: &AuditQuery) -> AuditQuery {
        let and = |more: &str| match &scope.q {
            Some(q) => format!("({q}) ({more})"),
            None => more.to_owned(),
        };
        let scope = AuditQuery {
            limit: Some(1),
            ..scope.clone()
        };
        let beyond = |q: Option<String>, from: i64, back: bool| AuditQuery {
            q,
            oldest_first: !back,
            after: Some(from.to_string()),
            ..scope.clone()
        };
        match self {
            Self::Time(time) => AuditQuery {
                until: Some(*time),
                ..scope
            },
            Self::Denied { from, back } => beyond(Some(and("outcome:denied,error")), *from, *back),
            Self::Match { sought, from, back } => {
                beyond(Some(and(&sought.to_string())), *from, *back)
            }
            Self::Event(index) => beyond(scope.q.clone(), index + 1, true),
        }
    }

    /// What is said when there is no such event.
    pub(super) fn missing(&self) -> String {
        match self {
            Self::Time(_) => "nothing happened before that".to_owned(),
            Self::Denied { back, .. } => {
                format!("nothing was refused or failed {}", way(*back))
            }
            Self::Match { sought, back, .. } => {
                format!("nothing {} matches `{sought}`", way(*back))
            }
            Self::Event(index) => format!("there is no event {index} that you may see"),
        }
    }
}

fn way(back: bool) -> &'static str {
    if back {
        "before this event"
    } else {
        "after this event"
    }
}

/// The nearest row on one side of an index that passes.
fn nearest(
    rows: &VecDeque<Rc<Packed>>,
    from: i64,
    back: bool,
    passes: impl Fn(&Packed) -> bool,
) -> Option<usize> {
    if back {
        let before = rows.partition_point(|row| row.index < from);
        return rows.iter().take(before).rposition(|row| passes(row));
    }
    let after = rows.partition_point(|row| row.index <= from);
    let found = rows.iter().skip(after).position(|row| passes(row))?;
    Some(after + found)
}

fn here_or_beyond(found: Option<usize>, back: bool, complete: (bool, bool)) -> Option<Found> {
    let all = if back { complete.0 } else { complete.1 };
    match found {
        Some(place) => Some(Found::Place(place)),
        None if all => None,
        None => Some(Found::Elsewhere),
    }
}
