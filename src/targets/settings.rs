//! From the catalogue's settings of a target to its connector: the one place that lists every kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::{Connector, Environment, command, kubernetes, ldap, postgres, ssh, webhook};
use crate::domain::ids::RoleName;
use crate::domain::target::TargetKind;

/// What the catalogue says about one target, by its kind.
#[derive(Debug, Clone)]
pub enum KindSettings {
    Postgres(postgres::Settings),
    Ssh(ssh::Settings),
    Ldap(ldap::Settings),
    Command(command::Settings),
    Webhook(webhook::Settings),
    Kubernetes(kubernetes::Settings),
}

/// What the catalogue says about one role of a target, by the target's kind.
#[derive(Debug, Clone)]
pub enum KindRole {
    Postgres(postgres::RoleSettings),
    Ssh(ssh::RoleSettings),
    Ldap(ldap::RoleSettings),
    Command(command::RoleSettings),
    Webhook(webhook::RoleSettings),
    Kubernetes(kubernetes::RoleSettings),
}

impl KindSettings {
    /// Reads the settings that belong to a kind; unknown keys are errors, and the deserialiser says where.
    pub fn read<'de, D: Deserializer<'de>>(kind: TargetKind, from: D) -> Result<Self, D::Error> {
        match kind {
            TargetKind::Postgres => postgres::Settings::deserialize(from).map(Self::Postgres),
            TargetKind::Ssh => ssh::Settings::deserialize(from).map(Self::Ssh),
            TargetKind::Ldap => ldap::Settings::deserialize(from).map(Self::Ldap),
            TargetKind::Command => command::Settings::deserialize(from).map(Self::Command),
            TargetKind::Webhook => webhook::Settings::deserialize(from).map(Self::Webhook),
            TargetKind::Kubernetes => kubernetes::Settings::deserialize(from).map(Self::Kubernetes),
        }
    }
}

impl KindRole {
    /// As `KindSettings::read`, for a role.
    pub fn read<'de, D: Deserializer<'de>>(kind: TargetKind, from: D) -> Result<Self, D::Error> {
        match kind {
            TargetKind::Postgres => postgres::RoleSettings::deserialize(from).map(Self::Postgres),
            TargetKind::Ssh => ssh::RoleSettings::deserialize(from).map(Self::Ssh),
            TargetKind::Ldap => ldap::RoleSettings::deserialize(from).map(Self::Ldap),
            TargetKind::Command => command::RoleSettings::deserialize(from).map(Self::Command),
            TargetKind::Webhook => webhook::RoleSettings::deserialize(from).map(Self::Webhook),
            TargetKind::Kubernetes => {
                kubernetes::RoleSettings::deserialize(from).map(Self::Kubernetes)
            }
        }
    }
}

/// Something in the settings that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsProblem {
    /// The role it is about; `None` means the target itself.
    pub role: Option<RoleName>,
    /// The key, as it is written in the catalogue.
    pub key: &'static str,
    pub message: String,
    pub hint: String,
}

/// Makes the connector of a target, or says everything that is wrong with its settings. It does not ask the target.
pub fn connector(
    settings: KindSettings,
    roles: BTreeMap<RoleName, KindRole>,
    environment: &Environment,
) -> Result<Box<dyn Connector>, Vec<SettingsProblem>> {
    match settings {
        KindSettings::Postgres(settings) => {
            let roles = of_kind(roles, |role| {
                if let KindRole::Postgres(role) = role {
                    Some(role)
                } else {
                    None
                }
            })?;
            Ok(Box::new(postgres::Postgres::new(
                settings,
                roles,
                environment,
            )?))
        }
        KindSettings::Ssh(settings) => {
            let roles = of_kind(roles, |role| {
                if let KindRole::Ssh(role) = role {
                    Some(role)
                } else {
                    None
                }
            })?;
            Ok(Box::new(ssh::Ssh::new(settings, roles, environment)?))
        }
        KindSettings::Ldap(settings) => {
            let roles = of_kind(roles, |role| {
                if let KindRole::Ldap(role) = role {
                    Some(role)
                } else {
                    None
                }
            })?;
            Ok(Box::new(ldap::Ldap::new(settings, roles, environment)?))
        }
        KindSettings::Command(settings) => {
            let roles = of_kind(roles, |role| {
                if let KindRole::Command(role) = role {
                    Some(role)
                } else {
                    None
                }
            })?;
            Ok(Box::new(command::Command::new(
                settings,
                roles,
                environment,
            )?))
        }
        KindSettings::Webhook(settings) => {
            let roles = of_kind(roles, |role| {
                if let KindRole::Webhook(role) = role {
                    Some(role)
                } else {
                    None
                }
            })?;
            Ok(Box::new(webhook::Webhook::new(
                settings,
                roles,
                environment,
            )?))
        }
        KindSettings::Kubernetes(settings) => {
            let roles = of_kind(roles, |role| {
                if let KindRole::Kubernetes(role) = role {
                    Some(role)
                } else {
                    None
                }
            })?;
            Ok(Box::new(kubernetes::Kubernetes::new(
                settings,
                roles,
                environment,
            )?))
        }
    }
}

fn of_kind<R>(
    roles: BTreeMap<RoleName, KindRole>,
    pick: impl Fn(KindRole) -> Option<R>,
) -> Result<BTreeMap<RoleName, R>, Vec<SettingsProblem>> {
    let mut picked = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, role) in roles {
        match pick(role) {
            Some(role) => drop(picked.insert(name, role)),
            None => problems.push(SettingsProblem {
                role: Some(name),
                key: "kind",
                message: "the role has settings of another kind of target".to_owned(),
                hint: "give the role the settings that belong to its target's kind".to_owned(),
            }),
        }
    }
    if problems.is_empty() {
        Ok(picked)
    } else {
        Err(problems)
    }
}
