//! The `[break_glass]` table: how long access before review may last at most.

use crate::config::document::Table;
use crate::config::keys::BREAK_GLASS;
use crate::config::layers::{Env, Layers, Wrong};
use crate::config::problem::Notes;
use crate::config::server::Shown;
use crate::domain::break_glass::Limits;
use crate::domain::span::{Span, SpanError};

/// Understands the `[break_glass]` table and the environment.
pub(super) fn understand<'t>(
    table: Option<Table<'t>>,
    env: Env<'_>,
    notes: &mut Notes<'t>,
) -> (Limits, Vec<Shown>) {
    let layers = Layers::collect(&BREAK_GLASS, "`[break_glass]`", table, env, &[], notes);
    let usual = Limits::default();
    let (max, from) = layers.understand("max", usual.max, notes, |text, _| {
        text.parse::<Span>().map_err(|error: SpanError| Wrong {
            message: error.to_string(),
            hint: "write it like `1h` or `30m`".to_owned(),
        })
    });
    let show = vec![Shown {
        name: "break_glass.max",
        value: max.to_string(),
        origin: from.to_string(),
    }];
    (Limits { max }, show)
}
