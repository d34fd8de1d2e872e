//! The `[signals]` table: what the server needs to know to call a request unusual.

use std::fmt::Display;
use std::str::FromStr;

use crate::config::document::Table;
use crate::config::keys::SIGNALS;
use crate::config::layers::{Env, Layers, Origin, Wrong};
use crate::config::problem::Notes;
use crate::config::server::Shown;
use crate::domain::hours::WorkingHours;

/// Understands the `[signals]` table and the environment.
pub(super) fn understand<'t>(
    table: Option<Table<'t>>,
    env: Env<'_>,
    notes: &mut Notes<'t>,
) -> (WorkingHours, Vec<Shown>) {
    let layers = Layers::collect(&SIGNALS, "`[signals]`", table, env, &[], notes);
    let usual = WorkingHours::default();
    let (days, days_from) = layers.understand("working_days", usual.days, notes, |text, _| {
        read(text, "write it like `mon-fri` or `sun,tue-thu`")
    });
    let (times, times_from) = layers.understand("working_hours", usual.times, notes, |text, _| {
        read(text, "write it like `07:00-19:00`")
    });
    let (offset, offset_from) = layers.understand("utc_offset", usual.offset, notes, |text, _| {
        read(text, "write it like `+01:00` or `-05:30`")
    });
    let shown = |name, value: String, origin: Origin| Shown {
        name,
        value,
        origin: origin.to_string(),
    };
    let show = vec![
        shown("working_days", days.to_string(), days_from),
        shown("working_hours", times.to_string(), times_from),
        shown("utc_offset", offset.to_string(), offset_from),
    ];
    (
        WorkingHours {
            days,
            times,
            offset,
        },
        show,
    )
}

fn read<T: FromStr<Err: Display>>(text: &str, hint: &str) -> Result<T, Wrong> {
    text.parse().map_err(|error: T::Err| Wrong {
        message: error.to_string(),
        hint: hint.to_owned(),
    })
}
