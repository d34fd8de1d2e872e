//! Jumps in the record: by an hour or a day, and to what was refused or failed.

use std::collections::VecDeque;
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::console::keymap::Action;
use crate::console::store::Packed;

/// Pages read on the way to one place; after them somebody has to press again.
pub(super) const PAGES: u8 = 25;

/// A place in the record that is not here yet, because older rows are still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seek {
    Time(DateTime<Utc>),
    /// The nearest event before this index that was refused or failed.
    Denied(i64),
}

/// Where a jump leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Place(usize),
    /// Further back than what is here.
    Older(Seek),
    Nowhere,
}

/// Finds where an action leads from a place; nothing when it is no jump.
pub(super) fn jump(action: Action, rows: &VecDeque<Rc<Packed>>, place: usize) -> Option<Found> {
    let here = rows.get(place)?;
    let by = match action {
        Action::HourBack => TimeDelta::hours(-1),
        Action::HourForward => TimeDelta::hours(1),
        Action::DayBack => TimeDelta::days(-1),
        Action::DayForward => TimeDelta::days(1),
        Action::PreviousDenied => return Some(find(Seek::Denied(here.index), rows)),
        Action::NextDenied => {
            let later = rows.iter().skip(place + 1).position(|row| is_denied(row));
            return Some(later.map_or(Found::Nowhere, |after| Found::Place(place + 1 + after)));
        }
        _ => return None,
    };
    Some(find(Seek::Time(here.time + by), rows))
}

/// Finds a place among the rows that are here.
pub(super) fn find(seek: Seek, rows: &VecDeque<Rc<Packed>>) -> Found {
    match seek {
        Seek::Time(time) => match rows.partition_point(|row| row.time < time) {
            0 => Found::Older(seek),
            place => Found::Place(place.min(rows.len().saturating_sub(1))),
        },
        Seek::Denied(index) => {
            let before = rows.partition_point(|row| row.index < index);
            let denied = rows.iter().take(before).rposition(|row| is_denied(row));
            denied.map_or(Found::Older(seek), Found::Place)
        }
    }
}

fn is_denied(event: &Packed) -> bool {
    !event.success
}
