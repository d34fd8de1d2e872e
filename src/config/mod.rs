//! Settings of the server and of the console: file, then environment, then flag; each checked, each with its origin.
//!
//! Reading is separate from understanding, so that `config check` can report every problem of every file at once.
//! To add a setting: a row in `keys.rs`, a field in `server.rs`, `signals.rs`,
//! `tokens.rs`, `identity.rs` or `console.rs`; a test compares the two.

pub mod backend;
mod break_glass;
pub mod console;
pub mod database;
pub mod document;
pub mod files;
pub mod identity;
pub mod keys;
mod layers;
mod local_accounts;
pub mod notices;
pub mod paths;
pub mod policy;
mod problem;
pub mod server;
pub mod siem;
mod signals;
mod starter;
mod step_up;
mod tokens;
pub mod witness;

use std::path::Path;

pub use backend::{Backend, Environment};
pub use console::{COLORS, ConsoleSettings, DeviceKeyPlace, KeyRow, KeyRows, Notify};
pub use database::{Database, Durability};
pub use identity::Identity;
pub use layers::Env;
pub use notices::Notices;
pub use problem::{Notes, Problem, Severity};
pub use server::{Settings, Shown, TlsFiles};
pub use siem::AuditSettings;
pub use starter::{
    config_init, console_init, default_console, default_policy, default_toml, reference,
};
pub use tokens::TokenSettings;

/// The settings of a server, each with its origin, and what is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    pub settings: Settings,
    /// What `portcullis config show` prints.
    pub shown: Vec<Shown>,
    pub warnings: Vec<Problem>,
}

/// Reads the server's settings from `portcullis.toml` in `folder`, which need not exist, then the environment, then
/// flags given as (`listen`, value). The catalogue in the same file is left to `catalog`.
pub fn server(
    folder: &Path,
    env: Env<'_>,
    flags: &[(&str, String)],
) -> Result<ServerConfig, Vec<Problem>> {
    let text = files::read(folder, paths::SERVER_FILE)
        .map_err(|problem| vec![problem])?
        .unwrap_or_default();
    server_from(&text, folder, env, flags)
}

/// As `server`, with the text of the file.
pub fn server_from(
    text: &str,
    folder: &Path,
    env: Env<'_>,
    flags: &[(&str, String)],
) -> Result<ServerConfig, Vec<Problem>> {
    let mut notes = Notes::new(paths::SERVER_FILE, text);
    let mut root = document::parse(text, &mut notes);
    let accounts = root.as_mut().and_then(|root| root.take("local_accounts"));
    let glass = root.as_mut().and_then(|root| root.take("break_glass"));
    let audit = root.as_mut().and_then(|root| root.take("audit"));
    let siem = root.as_mut().and_then(|root| root.take("siem"));
    let witnesses = root.as_mut().and_then(|root| root.take("witness"));
    let notices = root.as_mut().and_then(|root| root.take("notices"));
    let empty = (None, None, None, None, None, None);
    let (server, signals, policy, step_up, tokens, identity) = root.map_or(empty, |mut root| {
        (
            root.take("server"),
            root.take("signals"),
            root.take("policy"),
            root.take("step_up"),
            root.take("tokens"),
            root.take("identity"),
        )
    });
    let table = server.and_then(|entry| entry.into_table(&mut notes, "[server]"));
    let (mut settings, mut shown) = server::understand(folder, table, env, flags, &mut notes);
    let table = signals.and_then(|entry| entry.into_table(&mut notes, "[signals]"));
    let (hours, more) = signals::understand(table, env, &mut notes);
    settings.hours = hours;
    shown.extend(more);
    let table = step_up.and_then(|entry| entry.into_table(&mut notes, "[step_up]"));
    let (step_up, more) = step_up::understand(table, env, &mut notes);
    settings.step_up = step_up;
    shown.extend(more);
    let table = policy.and_then(|entry| entry.into_table(&mut notes, "[policy]"));
    shown.extend(policy::understand(table, &mut notes).1);
    let table = tokens.and_then(|entry| entry.into_table(&mut notes, "[tokens]"));
    let (tokens, more) = tokens::understand(table, env, &mut notes);
    settings.tokens = tokens;
    shown.extend(more);
    let table = identity.and_then(|entry| entry.into_table(&mut notes, "[identity]"));
    let (identity, more) = identity::understand(folder, table, env, &mut notes);
    settings.identity = identity;
    shown.extend(more);
    if settings.step_up.is_at_provider() && settings.identity.is_none() {
        notes.warning(
            0,
            "`acr_values` and `amr` in `[step_up]` do nothing without an identity provider",
            Some("add `[identity]`, or take them out".to_owned()),
        );
    }
    let table = glass.and_then(|entry| entry.into_table(&mut notes, "[break_glass]"));
    let (glass, more) = break_glass::understand(table, env, &mut notes);
    settings.break_glass = glass;
    shown.extend(more);
    let table = audit.and_then(|entry| entry.into_table(&mut notes, "[audit]"));
    let (audit, more) = siem::understand(folder, (table, siem), env, &mut notes);
    settings.audit = audit;
    shown.extend(more);
    let (witnesses, more) = witness::understand(folder, witnesses, &mut notes);
    settings.audit.witnesses = witnesses;
    shown.extend(more);
    let table = notices.and_then(|entry| entry.into_table(&mut notes, "[notices]"));
    let (notices, more) = notices::understand(folder, table, env, &mut notes);
    settings.notices = notices;
    shown.extend(more);
    let table = accounts.and_then(|entry| entry.into_table(&mut notes, "[local_accounts]"));
    let (accounts, more) =
        local_accounts::understand(table, env, settings.identity.is_some(), &mut notes);
    settings.local_accounts = accounts;
    shown.extend(more);
    if settings.database.has_password()
        && files::everybody_can_read(folder, paths::SERVER_FILE)
        && text.contains("postgres")
    {
        let hint = Some(format!(
            "run `chmod 600 {}`",
            folder.join(paths::SERVER_FILE).display()
        ));
        let message = "everybody on this machine can read the database's password in it";
        notes.push(Problem {
            severity: Severity::Warning,
            ..Problem::of(paths::SERVER_FILE, message, hint)
        });
    }
    let problems = notes.into_sorted();
    if problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        return Err(problems);
    }
    Ok(ServerConfig {
        settings,
        shown,
        warnings: problems,
    })
}
