//! What the catalogue says about a service that makes and ends access when it is told to.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use reqwest::Url;
use serde::Deserialize;

use crate::domain::ids::RoleName;
use crate::domain::span::Span;
use crate::egress::{Network, Reach};
use crate::targets::SettingsProblem;

/// In seconds. An end is two calls, and both must fit into what a worker waits.
const LIMITS: RangeInclusive<u32> = 1..=4;

/// Where the service is, and how calls are signed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Every call is a POST to this address.
    pub url: String,
    /// What calls are signed with, in a file that only we can read.
    pub secret_file: PathBuf,
    /// A second secret that calls are signed with, too, while one takes the place of the other.
    pub previous_secret_file: Option<PathBuf>,
    /// The authorities that may have signed the service's certificate, in place of those of this system.
    pub ca_file: Option<PathBuf>,
    /// Whether the service says what there is; otherwise no end is verified.
    #[serde(default)]
    pub observe: bool,
    /// Networks that are not on the internet and may be called.
    #[serde(default)]
    pub allow_networks: Vec<Network>,
    /// Whether what is in those may be called without encryption.
    #[serde(default)]
    pub allow_plain_http: bool,
    /// How long one call may take.
    #[serde(default = "default_time_limit")]
    pub time_limit: Span,
    /// What people are told who connect; without it that their own account has the access.
    pub connect: Option<String>,
}

/// What the catalogue says about a role.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSettings {
    /// What the service calls it.
    pub value: Option<String>,
}

impl Settings {
    pub(super) fn reach(&self) -> Reach {
        Reach {
            allow_networks: self.allow_networks.clone(),
            allow_plain_http: self.allow_plain_http,
        }
    }
}

/// Reads the address, or says everything in the settings that cannot work.
pub(super) fn read(
    settings: &Settings,
    roles: &BTreeMap<RoleName, RoleSettings>,
) -> Result<Url, Vec<SettingsProblem>> {
    let mut problems = Vec::new();
    let mut note = |role: Option<&RoleName>, key, message: String, hint: &str| {
        problems.push(SettingsProblem {
            role: role.cloned(),
            key,
            message,
            hint: hint.to_owned(),
        });
    };
    let url = settings.reach().address(&settings.url);
    if let Err((message, hint)) = &url {
        note(None, "url", message.clone(), hint);
    }
    if settings.allow_plain_http && settings.allow_networks.is_empty() {
        let message = "nothing says what may be called without encryption".to_owned();
        let hint = "name networks in `allow_networks`, or leave this out";
        note(None, "allow_plain_http", message, hint);
    }
    if !LIMITS.contains(&settings.time_limit.seconds()) {
        let message = format!("a call cannot take {}", settings.time_limit);
        note(None, "time_limit", message, "use `1s` to `4s`");
    }
    if settings.previous_secret_file.as_ref() == Some(&settings.secret_file) {
        let message = "both secrets are in the same file".to_owned();
        note(None, "previous_secret_file", message, "leave this out");
    }
    let is_text = |text: &String| !text.chars().any(char::is_control);
    if settings.connect.as_ref().is_some_and(|text| !is_text(text)) {
        let message = "it must be one line without control characters".to_owned();
        note(None, "connect", message, "shorten it");
    }
    for (name, role) in roles {
        if let Some(value) = &role.value
            && (value.is_empty() || !is_text(value))
        {
            let message = "it must be text without control characters".to_owned();
            let hint = "write what the service calls this role, or leave it out";
            note(Some(name), "value", message, hint);
        }
    }
    match url {
        Ok(url) if problems.is_empty() => Ok(url),
        _ => Err(problems),
    }
}

fn default_time_limit() -> Span {
    Span::from_seconds(4).unwrap_or(Span::MINUTE)
}
