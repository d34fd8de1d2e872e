//! PostgreSQL servers: every grant gets its own login role, which the server itself stops at the end.
//!
//! The password is derived from the master key and the grant, so it is stored nowhere and the same on every node; the
//! server is only ever sent its SCRAM verifier. A row per grant in the table `fence` on the target remembers the
//! highest epoch, in the same transaction as the change, so a node that was away cannot undo what came after it.

mod admin;
mod ending;
mod scram;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt as _};
use serde::Deserialize;
use serde_json::json;

use super::names::{grant_of, object_of};
use super::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, Installation,
    Observation, Observed, Plan, Preparation, Receipt, SettingsProblem, Up,
};
use crate::domain::ids::{GrantId, RoleName};
use crate::domain::target::EnforcementClass;
use crate::secret::{Key, Secret};
use admin::Admin;

pub use settings::{
    Privileges, RoleSettings, SequencePrivilege, Settings, SslMode, TablePrivilege,
};

/// What the holder of a grant logs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// A host name, or the absolute path of a socket's folder.
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Secret,
    /// All of the above in one line, as `psql` and drivers take it.
    pub dsn: Secret,
    pub ends_at: DateTime<Utc>,
}

/// The connector of one server.
#[derive(Debug)]
pub struct Postgres {
    settings: Settings,
    roles: BTreeMap<RoleName, RoleSettings>,
    installation: Installation,
    key: Key,
    admin: Admin,
}

#[derive(Deserialize)]
struct UpAnswer {
    clock: DateTime<Utc>,
}

#[derive(Deserialize)]
struct ObserveAnswer {
    warnings: Vec<String>,
    roles: Vec<ObservedRole>,
    ghosts: Vec<Ghost>,
}

#[derive(Deserialize)]
struct ObservedRole {
    object: String,
    sessions: u32,
    valid_until: Option<DateTime<Utc>>,
    risen: bool,
    can_login: bool,
    connection_limit: i32,
    role: Option<String>,
    closed: bool,
    member_of: Vec<String>,
}

#[derive(Deserialize)]
struct Ghost {
    digits: String,
    sessions: u32,
}

impl Postgres {
    pub(super) fn new(
        settings: Settings,
        roles: BTreeMap<RoleName, RoleSettings>,
        environment: &Environment,
    ) -> Result<Self, Vec<SettingsProblem>> {
        let problems = settings::check(&settings, &roles);
        if !problems.is_empty() {
            return Err(problems);
        }
        let Environment { installation, key } = environment.clone();
        let admin = Admin::new(settings.clone(), format!("portcullis_{installation}"));
        Ok(Self {
            settings,
            roles,
            installation,
            key,
            admin,
        })
    }

    fn object(&self, grant: &GrantId) -> String {
        object_of(&self.installation, grant)
    }

    fn password(&self, grant: &GrantId) -> Secret {
        self.key.derive_text(
            "postgres password",
            &[self.installation.as_str(), grant.digits()],
        )
    }

    fn verifier(&self, grant: &GrantId) -> String {
        let salt = self.key.derive(
            "postgres salt",
            &[self.installation.as_str(), grant.digits()],
        );
        let (salt, _) = salt.split_first_chunk().unwrap_or((&[0; 16], &[]));
        scram::verifier(self.password(grant).expose(), salt)
    }

    fn role(&self, name: &RoleName) -> Result<&RoleSettings, Failure> {
        let missing =
            || Failure::permanent(format!("the catalogue has no role `{name}` on this target"));
        self.roles.get(name).ok_or_else(missing)
    }

    async fn make(&self, access: Access<'_>) -> Result<Up, Failure> {
        let role = self.role(access.role)?;
        let object = self.object(access.grant);
        let privileges = role.privileges.iter().map(|given| {
            json!({
                "schema": given.schema,
                "tables": given.tables.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", "),
                "only_tables": given.only,
                "sequences": given.sequences.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", "),
            })
        });
        let ask = json!({
            "object": object,
            "grant": access.grant.digits(),
            "role": access.role,
            "epoch": access.epoch,
            "now": access.now,
            "ends_at": access.ends_at,
            "verifier": self.verifier(access.grant),
            "connection_limit": self.settings.connection_limit,
            "member_of": role.member_of,
            "privileges": privileges.collect::<Vec<_>>(),
        });
        let answer: UpAnswer = self.admin.run(include_str!("up.sql"), &ask).await?;
        Ok(Up {
            object: Some(object),
            target_clock: Some(answer.clock),
        })
    }

    async fn look(&self) -> Result<Observation, Failure> {
        let ask = json!({ "prefix": format!("pcl_{}_", self.installation) });
        let answer: ObserveAnswer = self.admin.run(include_str!("observe.sql"), &ask).await?;
        let mut objects: Vec<Observed> = answer
            .roles
            .into_iter()
            .filter_map(|role| self.observed(role))
            .collect();
        objects.extend(answer.ghosts.into_iter().filter_map(|ghost| {
            let grant: GrantId = format!("G-{}", ghost.digits).parse().ok()?;
            Some(Observed {
                object: self.object(&grant),
                grant,
                live_sessions: ghost.sessions,
                valid_until: Some(DateTime::UNIX_EPOCH),
                drift: vec!["its role is gone and its sessions are not".to_owned()],
            })
        }));
        Ok(Observation {
            objects,
            warnings: answer.warnings,
        })
    }

    fn observed(&self, role: ObservedRole) -> Option<Observed> {
        let grant = grant_of(&self.installation, &role.object)?;
        let mut drift = Vec::new();
        let mut note = |differs: bool, sentence: &str| {
            if differs {
                drift.push(sentence.to_owned());
            }
        };
        note(role.risen, "it was given rights over the whole server");
        note(role.valid_until.is_none(), "it has no end");
        note(!role.can_login && !role.closed, "it cannot log in");
        note(role.closed, "its ending was begun and not finished");
        note(
            role.connection_limit != i32::from(self.settings.connection_limit),
            "its connection limit was changed",
        );
        let wanted = role
            .role
            .and_then(|name| self.roles.get(&name.parse().ok()?))
            .map(|role| {
                let mut groups = role.member_of.clone();
                groups.sort();
                groups.dedup();
                groups
            });
        note(
            wanted.is_some_and(|wanted| wanted != role.member_of),
            "it is a member of other roles than it was given",
        );
        Some(Observed {
            object: role.object,
            grant,
            live_sessions: role.sessions,
            valid_until: role.valid_until,
            drift,
        })
    }

    fn login(&self, access: &Access<'_>) -> Result<Login, Failure> {
        self.role(access.role)?;
        if access.ends_at <= access.now {
            return Err(Failure::permanent(format!(
                "the grant `{}` is over",
                access.grant
            )));
        }
        let Settings {
            host,
            port,
            database,
            ..
        } = self.settings.clone();
        let user = self.object(access.grant);
        let password = self.password(access.grant);
        let dsn = Secret::new(dsn(&self.settings, &user, &password));
        Ok(Login {
            host,
            port,
            database,
            user,
            password,
            dsn,
            ends_at: access.ends_at,
        })
    }
}

impl Connector for Postgres {
    fn class(&self) -> EnforcementClass {
        EnforcementClass::A
    }

    fn plan(&self, access: &Access<'_>) -> Plan {
        let object = self.object(access.grant);
        let mut steps = vec![format!(
            "create the login role `{object}` on {}, which the server stops at {}",
            self.settings.place(),
            access.ends_at.format("%Y-%m-%d %H:%M UTC")
        )];
        if let Some(role) = self.roles.get(access.role) {
            steps.extend(
                role.member_of
                    .iter()
                    .map(|group| format!("make it a member of `{group}`")),
            );
            for given in &role.privileges {
                let tables = given
                    .tables
                    .iter()
                    .map(|one| format!("{} on tables", one.as_str()));
                let sequences = given
                    .sequences
                    .iter()
                    .map(|one| format!("{} on sequences", one.as_str()));
                let rights: Vec<String> = tables.chain(sequences).collect();
                let scope = given.only.as_ref().map_or_else(String::new, |only| {
                    format!(" (only `{}`)", only.join("`, `"))
                });
                steps.push(format!(
                    "grant it {} in schema `{}`{scope}",
                    rights.join(", "),
                    given.schema
                ));
            }
        }
        Plan {
            object: Some(object),
            steps,
        }
    }

    fn up<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Up, Failure>> {
        within(self.make(access)).boxed()
    }

    fn down<'a>(&'a self, access: Access<'a>) -> BoxFuture<'a, Result<Down, Failure>> {
        within(self.end(access.grant, access.epoch))
            .map(|ended| ended.map(Down::Gone))
            .boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Observation, Failure>> {
        within(self.look()).boxed()
    }

    fn remove_orphan<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Receipt, Failure>> {
        async move {
            let foreign = || {
                Failure::permanent(format!(
                    "`{}` is not an object of ours",
                    object.escape_default()
                ))
            };
            let grant = grant_of(&self.installation, object).ok_or_else(foreign)?;
            within(self.end(&grant, i64::MAX)).await
        }
        .boxed()
    }

    fn credential<'a>(
        &'a self,
        access: Access<'a>,
        _ask: CredentialAsk<'a>,
    ) -> BoxFuture<'a, Result<Credential, Failure>> {
        std::future::ready(self.login(&access).map(Credential::Postgres)).boxed()
    }

    fn preparation(&self) -> Vec<Preparation> {
        let Settings { user, database, .. } = &self.settings;
        let (user, database) = (quoted(user), quoted(database));
        let mut lines = vec![
            format!("create role {user} login createrole password '…';"),
            format!("grant create, connect on database {database} to {user};"),
        ];
        let groups: BTreeSet<&String> = self
            .roles
            .values()
            .flat_map(|role| &role.member_of)
            .collect();
        lines.extend(
            groups
                .into_iter()
                .map(|group| format!("grant {} to {user} with admin option;", quoted(group))),
        );
        vec![Preparation {
            what: "run this as a superuser, and put the password into `password_file`".to_owned(),
            text: lines.join("\n"),
        }]
    }
}

/// The whole of one call may take this long; the caller's lease is longer.
async fn within<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(10);
    let late = |_| {
        Failure::passing(format!(
            "the target took longer than {} seconds",
            LIMIT.as_secs()
        ))
    };
    tokio::time::timeout(LIMIT, work).await.map_err(late)?
}

/// A name for SQL that people paste; what we run ourselves is quoted by the server.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn dsn(settings: &Settings, user: &str, password: &Secret) -> String {
    let database = escaped(&settings.database);
    let login = format!("postgresql://{user}:{}", password.expose());
    let port = settings.port;
    let mode = match settings.sslmode {
        SslMode::VerifyFull => "verify-full",
        SslMode::Disable => "disable",
    };
    match settings.host.as_str() {
        socket if socket.starts_with('/') => {
            format!("{login}@/{database}?host={}&port={port}", escaped(socket))
        }
        address if address.contains(':') => {
            format!("{login}@[{address}]:{port}/{database}?sslmode={mode}")
        }
        host => format!("{login}@{}:{port}/{database}?sslmode={mode}", escaped(host)),
    }
}

/// Percent-encodes everything but what is harmless in every part of a URL.
fn escaped(text: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if harmless(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
