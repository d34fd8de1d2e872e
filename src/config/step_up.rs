//! The `[step_up]` table: when a second factor has to be proved.

use crate::config::console::yes_or_no;
use crate::config::document::Table;
use crate::config::keys::STEP_UP;
use crate::config::layers::{Env, Layers, Origin, Wrong};
use crate::config::problem::Notes;
use crate::config::server::Shown;
use crate::domain::second_factor::{OLDEST, PolicyChanges, StepUp};
use crate::domain::span::Span;

/// Understands the `[step_up]` table and the environment.
pub(super) fn understand<'t>(
    table: Option<Table<'t>>,
    env: Env<'_>,
    notes: &mut Notes<'t>,
) -> (StepUp, Vec<Shown>) {
    let layers = Layers::collect(&STEP_UP, "`[step_up]`", table, env, &[], notes);
    let usual = StepUp::default();
    let (required, required_from) =
        layers.understand("required", usual.required, notes, |text, _| yes_or_no(text));
    let (max_age, age_from) =
        layers.understand("max_age", usual.max_age, notes, |text, _| age(text));
    let list = |name, notes: &mut Notes<'t>| {
        layers.understand(name, Vec::new(), notes, |text, _| words(text))
    };
    let (acr_values, acr_from) = list("acr_values", notes);
    let (methods, methods_from) = list("amr", notes);
    let (policy_changes, changes_from) =
        layers.understand("policy_changes", usual.policy_changes, notes, |text, _| {
            changes(text).map(Some)
        });
    let step_up = StepUp {
        required,
        max_age,
        acr_values,
        amr: methods,
        policy_changes,
    };
    let shown = |name, value: String, origin: Origin| Shown {
        name,
        value,
        origin: origin.to_string(),
    };
    let span = Span::from_chrono(max_age).map_or_else(|_| "5m".to_owned(), |span| span.to_string());
    let show = vec![
        shown("step_up.required", required.to_string(), required_from),
        shown("step_up.max_age", span, age_from),
        shown("step_up.acr_values", told(&step_up.acr_values), acr_from),
        shown("step_up.amr", told(&step_up.amr), methods_from),
        shown(
            "step_up.policy_changes",
            step_up.policy_changes().as_str().to_owned(),
            changes_from,
        ),
    ];
    (step_up, show)
}

fn changes(text: &str) -> Result<PolicyChanges, Wrong> {
    let found = PolicyChanges::ALL
        .into_iter()
        .find(|changes| changes.as_str() == text);
    found.ok_or_else(|| Wrong {
        message: format!("`{}` is not known", text.escape_debug()),
        hint: "write `apply` or `file`".to_owned(),
    })
}

fn told(words: &[String]) -> String {
    if words.is_empty() {
        return "none".to_owned();
    }
    words.join(" ")
}

fn words(text: &str) -> Result<Vec<String>, Wrong> {
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if plain && text.len() <= 500 {
        return Ok(text.split_whitespace().map(str::to_owned).collect());
    }
    Err(Wrong {
        message: "this is longer than 500 letters or has unusual ones".to_owned(),
        hint: "use letters, digits and spaces".to_owned(),
    })
}

fn age(text: &str) -> Result<chrono::TimeDelta, Wrong> {
    let hint = "write it like `5m` or `30s`".to_owned();
    let span: Span = text
        .parse()
        .map_err(|error: crate::domain::span::SpanError| Wrong {
            message: error.to_string(),
            hint: hint.clone(),
        })?;
    if span.to_chrono() > OLDEST {
        return Err(Wrong {
            message: format!("`{span}` is too long: whoever proved may have left the desk"),
            hint: "write at most `15m`".to_owned(),
        });
    }
    Ok(span.to_chrono())
}
