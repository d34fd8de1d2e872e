//! What this machine last saw of one's own access and of the catalogue, for the prompt and for completions, which ask no
//! server. It decides nothing, and what is not there is no fault: it is seen again.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::client::{ServerUrl, StateDir};
use crate::domain::ids::{GrantId, RequestId, RoleName, TargetName};
use crate::wire::{GrantView, RequestView, TargetView};

/// The folder of these files.
const FOLDER: &str = "seen";
/// What has been over for so long is not remembered.
const OVER: TimeDelta = TimeDelta::days(7);

/// What was seen on one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// The server that it was seen on.
    pub server: String,
    /// By how many seconds its clock was ahead of this machine's.
    pub ahead: i64,
    /// When the catalogue was looked at, by this machine's clock.
    pub catalogue_at: Option<DateTime<Utc>>,
    /// When the last look at it began.
    pub tried_at: Option<DateTime<Utc>>,
    pub grants: Vec<SeenGrant>,
    /// One's own requests that were pending.
    pub pending: Vec<RequestId>,
    pub targets: Vec<SeenTarget>,
}

/// One's own grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenGrant {
    pub id: GrantId,
    pub target: TargetName,
    pub role: RoleName,
    pub state: String,
    pub expires_at: DateTime<Utc>,
}

/// A target of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenTarget {
    pub name: TargetName,
    pub kind: String,
    pub roles: Vec<SeenRole>,
}

/// A role of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenRole {
    pub name: RoleName,
    pub may_ask: bool,
}

impl Seen {
    /// Puts a grant in the place of what was known of it.
    pub fn grant(&mut self, grant: &GrantView) {
        let here = now();
        self.grants
            .retain(|known| known.id.as_str() != grant.id && here - known.expires_at < OVER);
        self.grants.extend(SeenGrant::of(grant));
        self.pending.retain(|id| id.as_str() != grant.request);
    }

    /// Everything that is open: what is not among it is over.
    pub fn standing(&mut self, now: DateTime<Utc>, open: &[GrantView], pending: &[RequestView]) {
        self.ahead = (now - self::now()).num_seconds();
        self.grants
            .retain(|known| !is_open(&known.state) && now - known.expires_at < OVER);
        self.grants.extend(open.iter().filter_map(SeenGrant::of));
        self.pending = pending
            .iter()
            .filter_map(|request| request.id.parse().ok())
            .collect();
    }

    /// A request that was filed or changed.
    pub fn request(&mut self, request: &RequestView) {
        self.pending.retain(|id| id.as_str() != request.id);
        if let Ok(id) = request.id.parse()
            && request.state == "pending"
        {
            self.pending.push(id);
        }
    }

    /// The catalogue, as it is to whoever is signed in.
    pub fn catalogue(&mut self, targets: &[TargetView]) {
        self.catalogue_at = Some(now());
        self.targets = targets
            .iter()
            .filter_map(|target| {
                let roles = target.roles.iter().filter_map(|role| {
                    let name = role.name.parse().ok()?;
                    let may_ask = role.may_ask;
                    Some(SeenRole { name, may_ask })
                });
                Some(SeenTarget {
                    name: target.name.parse().ok()?,
                    kind: target.kind.clone(),
                    roles: roles.collect(),
                })
            })
            .collect();
    }

    /// What gives access now, as far as is known, the next end first; with how long it lasts.
    pub fn active(&self) -> Vec<(&SeenGrant, TimeDelta)> {
        let now = now() + TimeDelta::try_seconds(self.ahead).unwrap_or_default();
        let mut active: Vec<_> = self
            .grants
            .iter()
            .filter(|grant| grant.state == "active" && grant.expires_at > now)
            .map(|grant| (grant, grant.expires_at - now))
            .collect();
        active.sort_by_key(|(_, left)| *left);
        active
    }

    /// Whether the catalogue should be looked at again, for which so much time has to have passed since it was seen, and
    /// since that was tried.
    pub fn is_stale(&self, after: TimeDelta, again: TimeDelta) -> bool {
        let now = now();
        let older =
            |at: Option<DateTime<Utc>>, than| at.is_none_or(|at| now - at >= than || at > now);
        older(self.catalogue_at, after) && older(self.tried_at, again)
    }

    /// Notes that somebody looks now, so that not everybody does.
    pub fn is_tried(&mut self) {
        self.tried_at = Some(now());
    }
}

impl SeenGrant {
    /// A grant whose names are names; no other text gets to a shell.
    fn of(grant: &GrantView) -> Option<Self> {
        Some(Self {
            id: grant.id.parse().ok()?,
            target: grant.target.parse().ok()?,
            role: grant.role.parse().ok()?,
            state: grant.state.clone(),
            expires_at: grant.ended_at.unwrap_or(grant.expires_at),
        })
    }
}

fn is_open(state: &str) -> bool {
    ["scheduled", "activating", "active", "closing"].contains(&state)
}

/// The file with what was seen on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFile {
    state: StateDir,
    server: String,
    stem: String,
}

impl SeenFile {
    /// The file for a server; nothing is made before something is kept.
    pub fn of(state: &StateDir, server: &ServerUrl) -> Self {
        Self {
            state: state.clone(),
            server: server.to_string(),
            stem: server.file_stem(),
        }
    }

    /// What is kept; nothing where there is no file that can be read, or it is about another server.
    pub fn read(&self) -> Seen {
        let text = fs::read_to_string(self.path()).unwrap_or_default();
        let kept: Option<Seen> = serde_json::from_str(&text).ok();
        kept.filter(|seen| seen.server == self.server)
            .unwrap_or_else(|| Seen {
                server: self.server.clone(),
                ..Seen::default()
            })
    }

    /// Changes what is kept. Of two programs at once one wins, and the other's look is taken again some time.
    pub fn change(&self, change: impl FnOnce(&mut Seen)) -> anyhow::Result<()> {
        let folder = self.state.private(FOLDER)?;
        let mut seen = self.read();
        change(&mut seen);
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, &seen)?;
        file.write_all(b"\n")?;
        file.persist(self.path())?;
        Ok(())
    }

    /// Forgets everything, when somebody else signs in.
    pub fn forget(&self) {
        // What is not there is forgotten.
        let _ = fs::remove_file(self.path());
    }

    fn path(&self) -> PathBuf {
        let folder = self.state.path().join(FOLDER);
        folder.join(format!("{}.json", self.stem))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "shows how long something lasts and how old a list is; the server decides by its own clock"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(id: &str, state: &str, minutes: i64) -> GrantView {
        let json = serde_json::json!({
            "id": id, "request": "R-7k3qm2xd0v", "state": state, "holder": "ada", "target": "orders-db",
            "role": "readonly", "reason": "x", "duration": "1h", "max_total": "1h",
            "not_before": now(), "expires_at": now() + TimeDelta::minutes(minutes),
            "max_expires_at": now(), "attempts": 0, "extensions": 0, "created_at": now(),
            "version": 1, "allowed_actions": [],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_next_end_comes_first_and_what_is_over_is_not_there() {
        let mut seen = Seen::default();
        seen.grant(&grant("G-0000000001", "active", 50));
        seen.grant(&grant("G-0000000002", "active", 5));
        seen.grant(&grant("G-0000000003", "active", -1));
        seen.grant(&grant("G-0000000004", "scheduled", 5));
        let active = seen.active();
        let ids: Vec<&str> = active.iter().map(|(grant, _)| grant.id.as_str()).collect();
        assert_eq!(ids, ["G-0000000002", "G-0000000001"]);
        seen.grant(&grant("G-0000000002", "returned", 5));
        assert_eq!(seen.active().len(), 1);
        seen.standing(now(), &[], &[]);
        assert!(seen.active().is_empty());
    }

    #[test]
    fn the_end_is_told_by_the_clock_of_the_server() {
        let mut seen = Seen::default();
        let theirs = now() + TimeDelta::hours(1);
        seen.standing(theirs, &[grant("G-0000000001", "active", 70)], &[]);
        let left = seen.active().first().map(|(_, left)| left.num_minutes());
        assert!(left == Some(9) || left == Some(10), "{left:?}");
    }

    #[test]
    fn what_is_kept_is_for_one_server_and_forgotten_when_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::at(folder.path().join("state"));
        let file = SeenFile::of(&state, &"http://127.0.0.1:1".parse().unwrap());
        assert!(file.read().grants.is_empty());
        assert!(!state.path().exists(), "reading makes nothing");
        file.change(|seen| seen.grant(&grant("G-0000000001", "active", 50)))
            .unwrap();
        assert_eq!(file.read().grants.len(), 1);
        let other = SeenFile::of(&state, &"http://127.0.0.1:2".parse().unwrap());
        assert!(other.read().grants.is_empty());
        file.forget();
        assert!(file.read().grants.is_empty());
    }

    #[test]
    fn the_catalogue_is_looked_at_again_after_a_while_and_not_by_everybody() {
        let mut seen = Seen::default();
        let (after, again) = (TimeDelta::minutes(10), TimeDelta::minutes(1));
        assert!(seen.is_stale(after, again));
        seen.is_tried();
        assert!(!seen.is_stale(after, again));
        seen.tried_at = None;
        seen.catalogue(&[]);
        assert!(!seen.is_stale(after, again));
    }
}
