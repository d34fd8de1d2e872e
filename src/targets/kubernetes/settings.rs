//! What the catalogue says about a cluster and its roles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use reqwest::Url;
use serde::Deserialize;

use super::binding::{GROUP, Place, RoleRef, Subject};
use crate::domain::ids::{PrincipalName, RoleName};
use crate::egress::{Network, Reach};
use crate::targets::SettingsProblem;

const SLOT: &str = "{holder}";
/// As of a DNS label (RFC 1123).
const LONGEST_NAMESPACE: usize = 63;
const LONGEST_NAME: usize = 253;

/// How to reach a cluster, and what its own sign-in calls people.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address of its API.
    pub server: String,
    /// The authorities that may have signed its certificate; no other is trusted.
    pub ca_file: PathBuf,
    /// The token of our own account, in a file that only we can read.
    pub token_file: PathBuf,
    /// Networks that are not on the internet and may be called.
    #[serde(default)]
    pub allow_networks: Vec<Network>,
    #[serde(default)]
    pub subject_kind: SubjectKind,
    /// What the cluster calls a holder, with the slot `{holder}`.
    #[serde(default = "default_subject")]
    pub subject: String,
}

/// What a binding names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    #[default]
    User,
    /// For clusters where everybody is also a group of their own.
    Group,
}

/// What the catalogue says about a role.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSettings {
    /// A `ClusterRole` of the cluster.
    pub cluster_role: Option<String>,
    /// A `Role` of the namespace.
    pub role: Option<String>,
    /// Where it holds.
    pub namespace: Option<String>,
    /// That it holds everywhere.
    #[serde(default)]
    pub cluster_wide: bool,
}

impl Settings {
    pub(super) fn reach(&self) -> Reach {
        Reach {
            allow_networks: self.allow_networks.clone(),
            allow_plain_http: false,
        }
    }

    pub(super) fn subject_of(&self, holder: &PrincipalName) -> Subject {
        let kind = match self.subject_kind {
            SubjectKind::User => "User",
            SubjectKind::Group => "Group",
        };
        Subject {
            api_group: GROUP.to_owned(),
            kind: kind.to_owned(),
            name: self.subject.replace(SLOT, holder.as_str()),
            namespace: None,
        }
    }
}

impl RoleSettings {
    pub(super) fn place(&self) -> Place {
        match &self.namespace {
            Some(namespace) => Place::Namespace(namespace.clone()),
            None => Place::Cluster,
        }
    }

    pub(super) fn role_ref(&self) -> RoleRef {
        let (kind, name) = match (&self.role, &self.cluster_role) {
            (Some(role), _) => ("Role", role.clone()),
            (None, cluster) => ("ClusterRole", cluster.clone().unwrap_or_default()),
        };
        RoleRef {
            api_group: GROUP.to_owned(),
            kind: kind.to_owned(),
            name,
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
    let server = settings.reach().address(&settings.server);
    match &server {
        Err((message, hint)) => note(None, "server", message.clone(), hint),
        Ok(url) if url.query().is_some() => {
            let message = "the address has a `?`".to_owned();
            note(
                None,
                "server",
                message,
                "write it as in `https://10.0.0.1:6443`",
            );
        }
        Ok(_) => {}
    }
    let subject = &settings.subject;
    let shown = subject.escape_debug();
    if subject.matches(SLOT).count() != 1 || subject.chars().any(char::is_control) {
        let message = format!("`{shown}` does not say where the name of the holder is");
        note(
            None,
            "subject",
            message,
            "write `{holder}` once, as in `oidc:{holder}`",
        );
    } else if subject.starts_with("system:") {
        let message = format!("`{shown}` would be one of the cluster's own accounts");
        note(
            None,
            "subject",
            message,
            "write what the cluster calls people",
        );
    }
    for (name, role) in roles {
        let mut note = |key, message: String, hint: &str| note(Some(name), key, message, hint);
        match (&role.role, &role.cluster_role) {
            (Some(_), Some(_)) => note(
                "role",
                "there are both a `role` and a `cluster_role`".to_owned(),
                "leave one of them out",
            ),
            (None, None) => note(
                "cluster_role",
                "nothing says which role of the cluster it is".to_owned(),
                "add for example `cluster_role = \"view\"`",
            ),
            _ => {}
        }
        for (key, text) in [("role", &role.role), ("cluster_role", &role.cluster_role)] {
            if let Some(text) = text
                && !is_segment(text)
            {
                let message = format!("`{}` is not the name of a role", text.escape_debug());
                note(key, message, "write it as `kubectl get` shows it");
            }
        }
        match &role.namespace {
            Some(_) if role.cluster_wide => note(
                "cluster_wide",
                "it cannot hold everywhere and in one namespace".to_owned(),
                "leave out `cluster_wide` or `namespace`",
            ),
            Some(namespace) if !is_label(namespace) => {
                let message = format!("`{}` is not a namespace", namespace.escape_debug());
                note(
                    "namespace",
                    message,
                    "use lower case letters, digits and `-`",
                );
            }
            None if !role.cluster_wide => note(
                "namespace",
                "nothing says where it holds".to_owned(),
                "add `namespace = …`, or `cluster_wide = true` for every namespace",
            ),
            None if role.role.is_some() => note(
                "role",
                "a `role` belongs to a namespace".to_owned(),
                "use `cluster_role`",
            ),
            _ => {}
        }
    }
    match server {
        Ok(url) if problems.is_empty() => Ok(url),
        _ => Err(problems),
    }
}

/// A label of DNS (RFC 1123).
fn is_label(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= LONGEST_NAMESPACE
        && text.bytes().all(letters)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// What the API takes for the name of a role: one part of a path.
fn is_segment(text: &str) -> bool {
    let letters =
        |letter: char| letter.is_ascii_graphic() && !matches!(letter, '/' | '%' | '"' | '\\');
    !text.is_empty()
        && text.len() <= LONGEST_NAME
        && !matches!(text, "." | "..")
        && text.chars().all(letters)
}

/// The rules that our account needs for these roles, as a manifest.
pub(super) fn rules(roles: &BTreeMap<RoleName, RoleSettings>) -> String {
    let named = |kind: &str| {
        let all = roles.values().map(RoleSettings::role_ref);
        let names: BTreeSet<String> = all
            .filter(|role| role.kind == kind)
            .map(|role| format!("\"{}\"", role.name))
            .collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let everywhere = roles.values().any(|role| role.place() == Place::Cluster);
    let bindings = if everywhere {
        "rolebindings, clusterrolebindings"
    } else {
        "rolebindings"
    };
    let mut text = format!(
        "apiVersion: {GROUP}/v1\nkind: ClusterRole\nmetadata:\n  name: portcullis\nrules:\n\
         - apiGroups: [{GROUP}]\n  resources: [{bindings}]\n  verbs: [list, create, update, delete]\n"
    );
    for (resource, names) in [
        ("clusterroles", named("ClusterRole")),
        ("roles", named("Role")),
    ] {
        if !names.is_empty() {
            text.push_str(&format!(
                "- apiGroups: [{GROUP}]\n  resources: [{resource}]\n  verbs: [bind]\n  resourceNames: [{names}]\n"
            ));
        }
    }
    text
}

fn default_subject() -> String {
    SLOT.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_api_takes() {
        for good in ["shop", "a", "kube-system", "1", &"a".repeat(63)] {
            assert!(is_label(good), "{good}");
        }
        for bad in [
            "",
            "Shop",
            "-a",
            "a-",
            "a.b",
            "a_b",
            "a/b",
            "ä",
            "a\n",
            &"a".repeat(64),
        ] {
            assert!(!is_label(bad), "{bad:?}");
        }
        for good in ["view", "system:aggregate-to-view", "a.b", "Admins"] {
            assert!(is_segment(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "../x",
            "a%2fb",
            "a b",
            "a\n",
            "a\"",
            "ä",
            &"a".repeat(254),
        ] {
            assert!(!is_segment(bad), "{bad:?}");
        }
    }
}
