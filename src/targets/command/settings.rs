//! What the catalogue says about a program that makes and ends access.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;

use super::slots::{Known, Template};
use crate::domain::ids::RoleName;
use crate::domain::span::Span;
use crate::targets::SettingsProblem;

/// In seconds. An end is a run and a look, and both must fit into what a worker waits.
const LIMITS: RangeInclusive<u32> = 1..=8;
/// Longer lists of arguments are a mistake.
const MOST_ARGUMENTS: usize = 64;

/// Which program, and how it is called. Nothing goes through a shell.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The absolute path of the program.
    pub program: PathBuf,
    /// Its arguments to make an access, with slots such as `{holder}`.
    pub up: Vec<String>,
    /// Its arguments to end one.
    pub down: Vec<String>,
    /// Its arguments to list what there is, one object per line; without them no end is verified.
    pub observe: Option<Vec<String>>,
    /// How long one run may take.
    #[serde(default = "default_time_limit")]
    pub time_limit: Span,
    /// All that its environment has.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// A file that only we can read, whose content it gets on its standard input.
    pub secret_file: Option<PathBuf>,
    /// What people are told who connect; without it that their own account has the access.
    pub connect: Option<String>,
}

/// What the catalogue says about a role.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSettings {
    /// What the program calls it, for the slot `{value}`.
    pub value: Option<String>,
}

/// The three ways to call a program, read.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) up: Vec<Template>,
    pub(super) down: Vec<Template>,
    pub(super) observe: Option<Vec<Template>>,
}

/// Reads the calls, or says everything in the settings that cannot work.
pub(super) fn read(
    settings: &Settings,
    roles: &BTreeMap<RoleName, RoleSettings>,
) -> Result<Calls, Vec<SettingsProblem>> {
    let mut problems = Vec::new();
    let mut note = |key, message: String, hint: String| {
        problems.push(SettingsProblem {
            role: None,
            key,
            message,
            hint,
        });
    };
    let program = settings.program.display().to_string();
    if !settings.program.is_absolute() {
        let message = format!("`{}` is not an absolute path", program.escape_default());
        note(
            "program",
            message,
            "write the whole path, as in `/usr/local/libexec/vpn-access`".to_owned(),
        );
    }
    if !LIMITS.contains(&settings.time_limit.seconds()) {
        let message = format!("a run cannot take {}", settings.time_limit);
        note("time_limit", message, "use `1s` to `8s`".to_owned());
    }
    for name in settings.environment.keys() {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(letters) {
            let message = format!("`{}` is not the name of a variable", name.escape_default());
            note(
                "environment",
                message,
                "use letters, digits and `_`".to_owned(),
            );
        } else if name.starts_with("LD_") {
            let message = format!("`{name}` would change what the program is");
            note("environment", message, "leave it out".to_owned());
        }
    }
    if settings
        .environment
        .values()
        .any(|value| value.contains('\0'))
    {
        note(
            "environment",
            "a value has a zero byte".to_owned(),
            "leave it out".to_owned(),
        );
    }
    if settings
        .connect
        .as_deref()
        .is_some_and(|text| text.chars().any(char::is_control))
    {
        note(
            "connect",
            "it must be one line without control characters".to_owned(),
            "shorten it".to_owned(),
        );
    }
    let mut call = |key, arguments: &[String], known: Known| -> Vec<Template> {
        if arguments.len() > MOST_ARGUMENTS {
            let message = format!("these are more than {MOST_ARGUMENTS} arguments");
            note(key, message, "use fewer".to_owned());
        }
        let read: Result<Vec<Template>, (String, String)> = arguments
            .iter()
            .map(|argument| Template::read(argument, known))
            .collect();
        read.unwrap_or_else(|(message, hint)| {
            note(key, message, hint);
            Vec::new()
        })
    };
    let up = call("up", &settings.up, Known::Grant);
    let down = call("down", &settings.down, Known::Name);
    let observe = settings
        .observe
        .as_ref()
        .map(|arguments| call("observe", arguments, Known::Nothing));
    for (key, arguments) in [("up", &up), ("down", &down)] {
        if !arguments.is_empty() && !arguments.iter().any(Template::names_the_grant) {
            note(
                key,
                "nothing says which grant it is about".to_owned(),
                "add `{object}`, so that two grants of one person are kept apart".to_owned(),
            );
        }
    }
    for (key, arguments) in [("up", &settings.up), ("down", &settings.down)] {
        if arguments.is_empty() {
            note(
                key,
                "there are no arguments".to_owned(),
                "add for example `[\"up\", \"{object}\"]`".to_owned(),
            );
        }
    }
    for (name, role) in roles {
        let problem = match &role.value {
            Some(value) if value.is_empty() || value.chars().any(char::is_control) => {
                "it must be text without control characters"
            }
            None if up.iter().any(Template::names_the_value) => "`up` has the slot `{value}`",
            _ => continue,
        };
        problems.push(SettingsProblem {
            role: Some(name.clone()),
            key: "value",
            message: problem.to_owned(),
            hint: "add `value = …`: what the program calls this role".to_owned(),
        });
    }
    if problems.is_empty() {
        Ok(Calls { up, down, observe })
    } else {
        Err(problems)
    }
}

fn default_time_limit() -> Span {
    Span::from_seconds(5).unwrap_or(Span::MINUTE)
}
