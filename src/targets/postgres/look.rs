//! Looking at all that is ours on a server, and in what it differs from what we made.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use super::Postgres;
use crate::domain::ids::GrantId;
use crate::domain::standing::{Found, StandingKind};
use crate::targets::names::grant_of;
use crate::targets::{Failure, Observation, Observed};

/// A guard that did not look for longer than this does not run, in seconds: a call from `cron` that lasts 55 seconds ends
/// before the next one begins.
const GUARD_RESTS: i64 = 30;

#[derive(Deserialize)]
struct ObserveAnswer {
    warnings: Vec<String>,
    roles: Vec<ObservedRole>,
    ghosts: Vec<Ghost>,
    standing: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    subject: String,
    rights: Vec<String>,
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
struct GuardAnswer {
    /// Seconds since it looked last; none where it never did.
    idle: Option<i64>,
}

#[derive(Deserialize)]
struct Ghost {
    digits: String,
    sessions: u32,
}

impl Postgres {
    pub(super) async fn look(&self) -> Result<Observation, Failure> {
        let ask = json!({
            "prefix": format!("pcl_{}_", self.installation),
            "schema": format!("portcullis_{}", self.installation),
        });
        let mut warnings = Vec::new();
        if self.settings.guard {
            let guard: GuardAnswer = self.admin.run(include_str!("guard.sql"), &ask).await?;
            warnings.extend(asleep(guard.idle));
        }
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
        warnings.extend(answer.warnings);
        let standing = answer.standing.into_iter().map(|account| Found {
            kind: StandingKind::Account,
            subject: account.subject,
            rights: account.rights,
            since: None,
        });
        Ok(Observation {
            objects,
            warnings,
            standing: Some(standing.collect()),
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
}

/// What is wrong with a guard that looked last so many seconds ago.
fn asleep(idle: Option<i64>) -> Option<String> {
    let since = match idle {
        Some(seconds) if seconds <= GUARD_RESTS => return None,
        Some(_) => "does not run any more",
        None => "has never run",
    };
    Some(format!(
        "its guard {since}, so open sessions may outlive their end while no node is up"
    ))
}
