//! The `[local_accounts]` table: who may sign in with a password of this server.

use std::collections::BTreeSet;

use crate::config::console::yes_or_no;
use crate::config::document::Table;
use crate::config::keys::LOCAL_ACCOUNTS;
use crate::config::layers::{Env, Layers, Origin};
use crate::config::problem::Notes;
use crate::config::server::Shown;
use crate::domain::ids::PrincipalName;
use crate::domain::second_factor::LocalAccounts;

/// Understands the `[local_accounts]` table and the environment. Where people sign in at a provider there are none,
/// unless it is said otherwise.
pub(super) fn understand<'t>(
    mut table: Option<Table<'t>>,
    env: Env<'_>,
    provider: bool,
    notes: &mut Notes<'t>,
) -> (LocalAccounts, Vec<Shown>) {
    let entry = table.as_mut().and_then(|table| table.take("break_glass"));
    let there = entry.is_some();
    let mut break_glass = BTreeSet::new();
    for (at, name) in entry
        .and_then(|entry| entry.into_texts(notes))
        .unwrap_or_default()
    {
        match name.parse::<PrincipalName>() {
            Ok(name) => {
                break_glass.insert(name);
            }
            Err(error) => notes.error(at, error.to_string(), None),
        }
    }
    let layers = Layers::collect(
        &LOCAL_ACCOUNTS,
        "`[local_accounts]`",
        table,
        env,
        &[],
        notes,
    );
    let (enabled, enabled_from) =
        layers.understand("enabled", !provider, notes, |text, _| yes_or_no(text));
    let names: Vec<&str> = break_glass.iter().map(PrincipalName::as_str).collect();
    let from = if there { Origin::File } else { Origin::Default };
    let show = vec![
        Shown {
            name: "local_accounts.enabled",
            value: enabled.to_string(),
            origin: enabled_from.to_string(),
        },
        Shown {
            name: "local_accounts.break_glass",
            value: names.join(" "),
            origin: from.to_string(),
        },
    ];
    let accounts = LocalAccounts {
        enabled,
        break_glass,
    };
    (accounts, show)
}
