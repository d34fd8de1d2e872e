//! Plays the life of every grant again from the log, and holds it against the grants as the server has them: whoever
//! changed a row of the database without an event is found.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::client::verify::Broken;
use crate::wire::GrantView;

/// Between the moment of an event and the one when others see its row, in the worst case.
const COMMIT: TimeDelta = TimeDelta::seconds(30);

/// A grant as the server has it, as far as the log says it, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRow {
    pub id: String,
    pub request: String,
    pub holder: String,
    pub target: String,
    pub role: String,
    pub state: String,
    pub starts_at: Option<DateTime<Utc>>,
    pub expires_at: DateTime<Utc>,
    pub extensions: i64,
    pub close_kind: Option<String>,
    pub closed_by: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
    /// The two who let it count as ended although its target never confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden_by: Option<(String, String)>,
    pub version: i64,
}

impl From<GrantView> for GrantRow {
    fn from(view: GrantView) -> Self {
        let overridden_by = view
            .overriding
            .and_then(|said| Some((said.proposed_by, said.confirmed_by?)));
        Self {
            overridden_by,
            id: view.id,
            request: view.request,
            holder: view.holder,
            target: view.target,
            role: view.role,
            state: view.state,
            starts_at: view.starts_at,
            expires_at: view.expires_at,
            extensions: view.extensions,
            close_kind: view.close_kind,
            closed_by: view.closed_by,
            ended_at: view.ended_at,
            version: view.version,
        }
    }
}

/// Every grant at some moment; the first line of a file, with a row in each that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Before any of them was read.
    pub read_at: DateTime<Utc>,
    #[serde(skip)]
    pub rows: Vec<GrantRow>,
}

impl Grants {
    /// As a file has them.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string(self)?;
        for row in &self.rows {
            text.push('\n');
            text.push_str(&serde_json::to_string(row)?);
        }
        text.push('\n');
        Ok(text)
    }

    /// Reads such a file.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        let mut lines = text.lines();
        let mut grants: Self = serde_json::from_str(lines.next().unwrap_or_default())?;
        grants.rows = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok(grants)
    }
}

/// What an entry says of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub index: u64,
    code: String,
    at: DateTime<Utc>,
    grant: String,
    request: Option<String>,
    holder: Option<String>,
    target: Option<String>,
    role: Option<String>,
    /// Whoever did it; nothing where it was Portcullis itself.
    by: Option<String>,
    starts_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    close_kind: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    code: String,
    at: DateTime<Utc>,
    actor: Actor,
    grant: Option<String>,
    request: Option<String>,
    principal: Option<String>,
    target: Option<String>,
    role: Option<String>,
    #[serde(default)]
    details: Details,
}

#[derive(Deserialize)]
struct Actor {
    kind: String,
    name: Option<String>,
}

#[derive(Default, Deserialize)]
struct Details {
    starts_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    close_kind: Option<String>,
}

impl Told {
    /// Reads an entry that was found to be one, if it is about a grant.
    pub fn read(index: u64, entry: &[u8]) -> Option<Self> {
        // Canonical JSON has one spelling, and most entries are about something else.
        let mark = b"\"code\":\"grant.";
        entry
            .windows(mark.len())
            .any(|bytes| bytes == mark)
            .then_some(())?;
        let body: Body = serde_json::from_slice(entry.get(12..)?).ok()?;
        Some(Self {
            index,
            code: body.code,
            at: body.at,
            grant: body.grant?,
            request: body.request,
            holder: body.principal,
            target: body.target,
            role: body.role,
            by: body.actor.name.filter(|_| body.actor.kind == "principal"),
            starts_at: body.details.starts_at,
            expires_at: body.details.expires_at,
            ended_at: body.details.ended_at,
            close_kind: body.details.close_kind,
        })
    }
}

/// A grant as the log has it so far.
struct Life {
    row: GrantRow,
    scheduled_at: DateTime<Utc>,
    /// The index of the event that it was changed with last.
    last: u64,
    /// Who proposed most lately that it counts as ended.
    proposed_by: Option<String>,
    /// The row of the server was held against it.
    compared: bool,
}

/// The grants of a log that is being read from its beginning, and those that the server has.
pub struct Replay {
    read_at: DateTime<Utc>,
    rows: HashMap<String, GrantRow>,
    lives: HashMap<String, Life>,
    /// The beginning of the log is pruned.
    begins_late: bool,
}

impl Replay {
    /// A replay against these rows, which were read before the checkpoint of the log was signed.
    pub fn new(grants: Grants) -> Self {
        let rows = grants.rows.into_iter();
        Self {
            read_at: grants.read_at,
            rows: rows.map(|row| (row.id.clone(), row)).collect(),
            lives: HashMap::new(),
            begins_late: false,
        }
    }

    /// From here on the log may tell of grants whose beginning is pruned. Those that are over cannot be compared; one
    /// that still gives access is younger than anything that is pruned.
    pub fn begin_late(&mut self) {
        self.begins_late = true;
    }

    /// How many grants the server has.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Takes the next entry of the log that is about a grant.
    pub fn take(&mut self, told: &Told) -> Result<(), Broken> {
        let index = told.index;
        let wrong = || Broken::GrantStory {
            grant: told.grant.clone(),
            index,
        };
        if told.code == "grant.scheduled" {
            let life = Life::begin(told).ok_or_else(wrong)?;
            let before = self.lives.insert(told.grant.clone(), life);
            if before.is_some() {
                return Err(wrong());
            }
        } else {
            match self.lives.get_mut(&told.grant) {
                Some(life) => life.go_on(told).ok_or_else(wrong)?,
                None if self.begins_late => return Ok(()),
                None => return Err(wrong()),
            }
        }
        let (Some(life), Some(row)) = (self.lives.get_mut(&told.grant), self.rows.get(&told.grant))
        else {
            return Ok(());
        };
        if row.version == life.row.version && !life.compared {
            life.compared = true;
            if let Some(what) = difference(row, &life.row) {
                return Err(Broken::GrantDiffers {
                    grant: told.grant.clone(),
                    what,
                    index,
                });
            }
        }
        Ok(())
    }

    /// Whether each grant of the server is one of the log, and each of the log one of the server.
    pub fn finish(self) -> Result<(), Broken> {
        let mut rows: Vec<&GrantRow> = self.rows.values().collect();
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        for row in rows {
            let grant = row.id.clone();
            let life = self.lives.get(&grant);
            if life.is_none() && self.begins_late && row.ended_at.is_some() {
                continue;
            }
            let life = life.ok_or(Broken::GrantUnknown {
                grant: grant.clone(),
            })?;
            if !life.compared {
                return Err(Broken::GrantDiffers {
                    grant,
                    what: "version",
                    index: life.last,
                });
            }
        }
        let mut lives: Vec<&Life> = self.lives.values().collect();
        lives.sort_by_key(|life| life.last);
        let gone = lives.into_iter().find(|life| {
            life.scheduled_at + COMMIT < self.read_at && !self.rows.contains_key(&life.row.id)
        });
        match gone {
            None => Ok(()),
            Some(life) => Err(Broken::GrantGone {
                grant: life.row.id.clone(),
                index: life.last,
            }),
        }
    }
}

impl Life {
    fn begin(told: &Told) -> Option<Self> {
        Some(Self {
            row: GrantRow {
                id: told.grant.clone(),
                request: told.request.clone()?,
                holder: told.holder.clone()?,
                target: told.target.clone()?,
                role: told.role.clone()?,
                state: "scheduled".to_owned(),
                starts_at: None,
                expires_at: told.expires_at?,
                extensions: 0,
                close_kind: None,
                closed_by: None,
                ended_at: None,
                overridden_by: None,
                version: 1,
            },
            proposed_by: None,
            scheduled_at: told.at,
            last: told.index,
            compared: false,
        })
    }

    /// Each of these events is one transition, and each transition counts the version up.
    fn go_on(&mut self, told: &Told) -> Option<()> {
        let row = &mut self.row;
        match told.code.as_str() {
            "grant.close_ignored" => return Some(()),
            "grant.activation_retried" | "grant.close_failed" => {}
            "grant.override_proposed" => self.proposed_by = Some(told.by.clone()?),
            "grant.activating" => {
                "activating".clone_into(&mut row.state);
                row.expires_at = told.expires_at?;
            }
            "grant.activated" => {
                "active".clone_into(&mut row.state);
                row.starts_at = told.starts_at;
                row.expires_at = told.expires_at?;
            }
            "grant.activation_failed" => "activation_failed".clone_into(&mut row.state),
            "grant.extended" => {
                row.expires_at = told.expires_at?;
                row.extensions += 1;
            }
            "grant.closing" => {
                "closing".clone_into(&mut row.state);
                row.close_kind = Some(told.close_kind.clone()?);
                row.closed_by.clone_from(&told.by);
            }
            "grant.ended" | "grant.returned" | "grant.revoked" => {
                told.code.get(6..)?.clone_into(&mut row.state);
                row.ended_at = Some(told.ended_at?);
            }
            "grant.overridden" => {
                let state = match row.close_kind.as_deref()? {
                    "return" => "returned",
                    "revoke" => "revoked",
                    _ => "ended",
                };
                state.clone_into(&mut row.state);
                row.ended_at = Some(told.ended_at?);
                row.overridden_by = Some((self.proposed_by.clone()?, told.by.clone()?));
            }
            _ => return None,
        }
        row.version += 1;
        self.last = told.index;
        Some(())
    }
}

/// What of a row the log says otherwise.
fn difference(row: &GrantRow, told: &GrantRow) -> Option<&'static str> {
    // When making it was given up, no event says.
    let ends = told.ended_at.is_some() || row.state != "activation_failed";
    let same = [
        ("state", row.state == told.state),
        ("holder", row.holder == told.holder),
        ("target", row.target == told.target),
        ("role", row.role == told.role),
        ("request", row.request == told.request),
        ("start", row.starts_at == told.starts_at),
        ("end", row.expires_at == told.expires_at),
        ("extensions", row.extensions == told.extensions),
        ("way of closing", row.close_kind == told.close_kind),
        ("closer", row.closed_by == told.closed_by),
        ("override", row.overridden_by == told.overridden_by),
        ("end of access", !ends || row.ended_at == told.ended_at),
    ];
    same.into_iter()
        .find(|(_, same)| !same)
        .map(|(what, _)| what)
}
