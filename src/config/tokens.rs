//! The `[tokens]` table: how long a sign-in lasts, and whether it is bound to the device that it was made on.

use crate::config::document::Table;
use crate::config::keys::TOKENS;
use crate::config::layers::{Env, Layers, Origin, Wrong};
use crate::config::problem::Notes;
use crate::config::server::Shown;
use crate::domain::span::Span;

/// What holds for every sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenSettings {
    /// Whether a person's token is worth nothing without the key of the device.
    pub sender_constrained: bool,
    /// A sign-in that nobody uses for this long is over.
    pub idle: Span,
    /// The longest that a sign-in lasts, however often it is used.
    pub absolute: Span,
}

impl Default for TokenSettings {
    fn default() -> Self {
        let hours = |hours: u64| Span::from_seconds(hours * 3600).unwrap_or(Span::DAY);
        Self {
            sender_constrained: true,
            idle: hours(2),
            absolute: hours(12),
        }
    }
}

/// Understands the `[tokens]` table and the environment.
pub(super) fn understand<'t>(
    table: Option<Table<'t>>,
    env: Env<'_>,
    notes: &mut Notes<'t>,
) -> (TokenSettings, Vec<Shown>) {
    let layers = Layers::collect(&TOKENS, "`[tokens]`", table, env, &[], notes);
    let usual = TokenSettings::default();
    let (sender_constrained, constrained_from) = layers.understand(
        "sender_constrained",
        usual.sender_constrained,
        notes,
        |text, _| yes_or_no(text),
    );
    let (idle, idle_from) = layers.understand("idle", usual.idle, notes, |text, _| life(text));
    let (absolute, absolute_from) =
        layers.understand("absolute", usual.absolute, notes, |text, _| life(text));
    let shown = |name, value: String, origin: Origin| Shown {
        name,
        value,
        origin: origin.to_string(),
    };
    let show = vec![
        shown(
            "sender_constrained",
            sender_constrained.to_string(),
            constrained_from,
        ),
        shown("idle", idle.to_string(), idle_from),
        shown("absolute", absolute.to_string(), absolute_from),
    ];
    (
        TokenSettings {
            sender_constrained,
            idle,
            absolute,
        },
        show,
    )
}

fn yes_or_no(text: &str) -> Result<bool, Wrong> {
    match text {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(Wrong {
            message: format!("`{}` is neither yes nor no", text.escape_debug()),
            hint: "write `true` or `false`".to_owned(),
        }),
    }
}

fn life(text: &str) -> Result<Span, Wrong> {
    let hint = "write it like `15m`, `2h` or `7d`".to_owned();
    let span: Span = text.parse().map_err(|error| Wrong {
        message: format!("{error}"),
        hint: hint.clone(),
    })?;
    if span < Span::MINUTE {
        let message = "a sign-in that lasts less than a minute is of no use".to_owned();
        return Err(Wrong { message, hint });
    }
    Ok(span)
}
