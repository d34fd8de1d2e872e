//! PostgreSQL servers: every grant gets its own login role, which the server itself stops at the end.
//!
//! The password is derived from the master key and the grant, so it is stored nowhere and the same on every node; the
//! server is only ever sent its SCRAM verifier. A row per grant in the table `fence` on the target remembers the
//! highest epoch, in the same transaction as the change, so a node that was away cannot undo what came after it.

mod admin;
mod ending;
mod login;
mod look;
mod scram;
mod sessions;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt as _};
use serde::Deserialize;
use serde_json::json;

use super::names::{object_of, ours};
use super::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, Installation,
    Observation, Plan, Preparation, Receipt, Reported, SessionOutcome, SettingsProblem, Up,
};
use crate::domain::ids::{GrantId, RoleName};
use crate::domain::target::EnforcementClass;
use crate::secret::Key;
use admin::Admin;

pub use login::Login;
pub use settings::{
    Preset, Privileges, RoleSettings, SequencePrivilege, Settings, SslMode, TablePrivilege,
};

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
        let roles = roles
            .into_iter()
            .map(|(name, role)| (name, role.written_out()))
            .collect();
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

    fn role(&self, name: &RoleName) -> Result<&RoleSettings, Failure> {
        let missing =
            || Failure::permanent(format!("the catalogue has no role `{name}` on this target"));
        self.roles.get(name).ok_or_else(missing)
    }

    /// How the guard is kept running, in one of two ways. It is there once a node has looked at the server.
    fn guard_kept(&self) -> [Preparation; 2] {
        let Settings { user, database, .. } = &self.settings;
        let call = |lasting: &str| {
            let home = format!("portcullis_{}", self.installation);
            format!("call {home}.guard('{lasting}')")
        };
        let (calls, literal) = (call("55 seconds"), |name: &str| name.replace('\'', "''"));
        let job = format!(
            "select cron.schedule_in_database('portcullis guard', '* * * * *', '{}', '{}', '{}');",
            literal(&calls),
            literal(database),
            literal(user)
        );
        let shell = |name: &str| name.replace('\\', "\\\\").replace('\'', "\\'");
        let connection = format!("dbname='{}' user='{}'", shell(database), shell(user));
        let unit = format!(
            "[Service]\nUser=postgres\nEnvironment=PGPASSFILE=/etc/portcullis/guard.pgpass\n\
             ExecStart=/usr/bin/psql -X -q \"{}\" -c \"{}\"\nRestart=always\nRestartSec=5\n\n\
             [Install]\nWantedBy=multi-user.target",
            connection.replace('%', "%%").replace('"', "\\\""),
            call("1 hour")
        );
        let what = "once a node has looked at the server, have it keep the guard running with pg_cron: run this as a superuser where that is installed";
        let or = "or with systemd on the server's machine, as `/etc/systemd/system/portcullis-guard.service`";
        [(what, job), (or, unit)].map(|(what, text)| Preparation {
            what: what.to_owned(),
            text,
        })
    }

    async fn make(&self, access: Access<'_>) -> Result<Up, Failure> {
        const SCRIPT: &str = include_str!("up.sql");
        let role = self.role(access.role)?;
        let object = self.object(access.grant);
        let home = self.settings.database.as_str();
        let mut elsewhere: Vec<&str> = role.databases(home).collect();
        let is_home = elsewhere.contains(&home);
        elsewhere.retain(|database| *database != home);
        let privileges = role.privileges.iter().map(|given| {
            json!({
                "schema": given.schema,
                "tables": given.tables.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", "),
                "only_tables": given.only,
                "sequences": given.sequences.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", "),
            })
        });
        let privileges: Vec<_> = privileges.collect();
        let ask = |is_fenced: bool, gives: bool| {
            json!({
                "is_fenced": is_fenced,
                "gives": gives,
                "object": object,
                "grant": access.grant.digits(),
                "role": access.role,
                "epoch": access.epoch,
                "now": access.now,
                "ends_at": access.ends_at,
                "verifier": self.verifier(access.grant),
                "connection_limit": self.settings.connection_limit,
                "member_of": role.member_of,
                "privileges": privileges,
            })
        };
        let (fenced, unfenced) = (ask(true, is_home), ask(false, true));
        let answer: UpAnswer = self.admin.run(SCRIPT, &fenced).await?;
        for database in elsewhere {
            let given = self.admin.run_in::<UpAnswer>(database, SCRIPT, &unfenced);
            given.await.map_err(|failure| Failure {
                message: format!("database `{database}`: {}", failure.message),
                ..failure
            })?;
        }
        Ok(Up {
            object: Some(object),
            target_clock: Some(answer.clock),
        })
    }
}

impl Connector for Postgres {
    fn class(&self) -> EnforcementClass {
        if self.settings.guard {
            EnforcementClass::APlus
        } else {
            EnforcementClass::A
        }
    }

    fn plan(&self, access: &Access<'_>) -> Plan {
        let object = self.object(access.grant);
        let mut steps = vec![format!(
            "create the login role `{object}` on {}, which the server stops at {}",
            self.settings.place(),
            access.ends_at.format("%Y-%m-%d %H:%M UTC")
        )];
        if let Some(role) = self.roles.get(access.role) {
            let databases: Vec<&str> = role.databases(&self.settings.database).collect();
            steps.push(format!("let it connect to `{}`", databases.join("`, `")));
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
        within(self.end(access.grant, access.epoch, access.heard))
            .map(|ended| ended.map(Down::Gone))
            .boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Observation, Failure>> {
        within(self.look()).boxed()
    }

    fn remove_orphan<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Receipt, Failure>> {
        async move {
            let grant = ours(&self.installation, object)?;
            within(self.end(&grant, i64::MAX, None)).await
        }
        .boxed()
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Reported, Failure>> {
        within(self.live()).boxed()
    }

    fn end_session<'a>(
        &'a self,
        access: Access<'a>,
        session: &'a str,
    ) -> BoxFuture<'a, Result<SessionOutcome, Failure>> {
        within(self.cut_one(access.grant, session)).boxed()
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
        let elsewhere: BTreeSet<&String> = self
            .roles
            .values()
            .flat_map(|role| role.databases.iter().flatten())
            .filter(|name| **name != self.settings.database)
            .collect();
        lines.extend(
            elsewhere
                .into_iter()
                .map(|name| format!("grant connect on database {} to {user};", quoted(name))),
        );
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
        let login = Preparation {
            what: "run this as a superuser, and put the password into `password_file`".to_owned(),
            text: lines.join("\n"),
        };
        let mut steps = vec![login];
        if self.settings.guard {
            steps.extend(self.guard_kept());
        }
        steps
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
