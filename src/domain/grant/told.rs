//! The receipt of an ending in lines: who asked, what was refused from then on, what the target acknowledged and when,
//! which attempts failed, and how it ended. The same lines in the console, on the command line and over the API.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::event::EventCode;

use super::{Attempt, CloseKind, GrantState};

/// The events that a receipt is made of.
pub const CODES: [EventCode; 9] = [
    EventCode::GrantClosing,
    EventCode::GrantCloseFailed,
    EventCode::GrantEnded,
    EventCode::GrantReturned,
    EventCode::GrantRevoked,
    EventCode::GrantActivationFailed,
    EventCode::GrantOverrideProposed,
    EventCode::GrantOverridden,
    EventCode::OrphanRemoved,
];

/// What a line of a receipt tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody, or the planned end, asked for the ending.
    Asked,
    /// From here on Portcullis says no.
    Blocked,
    /// The target said that something is done, or what it has.
    Acknowledged,
    /// The target cannot prove this.
    Unproved,
    /// An attempt came to nothing, and is repeated.
    Failed,
    /// It is over.
    Ended,
    /// Somebody proposed that it counts as ended without the target.
    Proposed,
    /// Somebody else confirmed that, and it does.
    Overridden,
    /// Something of it was found afterwards.
    Found,
}

impl Kind {
    /// The word used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Blocked => "blocked",
            Self::Acknowledged => "acknowledged",
            Self::Unproved => "unproved",
            Self::Failed => "failed",
            Self::Ended => "ended",
            Self::Proposed => "proposed",
            Self::Overridden => "overridden",
            Self::Found => "found",
        }
    }
}

/// One line of a receipt. Its words may hold what a target answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub at: DateTime<Utc>,
    pub kind: Kind,
    pub what: String,
    /// What somebody typed with it.
    pub reason: Option<String>,
    /// Which attempt, of those that failed.
    pub attempt: Option<i64>,
}

/// An event as the server keeps it or as it was sent to a client.
#[derive(Debug, Clone, Copy)]
pub struct Told<'e> {
    pub code: EventCode,
    pub actor: &'e str,
    pub at: DateTime<Utc>,
    pub reason: Option<&'e str>,
    pub details: &'e Map<String, Value>,
}

impl Told<'_> {
    /// What the event adds to a receipt.
    pub fn lines(self) -> Vec<Line> {
        match self.code {
            EventCode::GrantClosing => self.asked(),
            EventCode::GrantCloseFailed => {
                let attempt = self.details.get("attempt").and_then(Value::as_i64);
                let mut lines = self.acknowledged(attempt);
                let why = self.reason.unwrap_or("the target did not confirm");
                lines.push(Line {
                    attempt,
                    ..self.line(Kind::Failed, why.to_owned())
                });
                lines
            }
            EventCode::GrantEnded => self.ended(GrantState::Ended),
            EventCode::GrantReturned => self.ended(GrantState::Returned),
            EventCode::GrantRevoked => self.ended(GrantState::Revoked),
            EventCode::GrantActivationFailed => {
                let why = self.reason.unwrap_or("no reason was given");
                let what = format!("it could not be made, and nothing of it is left: {why}");
                vec![self.line(Kind::Ended, what)]
            }
            EventCode::GrantOverrideProposed => {
                let what = format!(
                    "{} proposes that it counts as ended without a word of its target",
                    self.actor
                );
                vec![self.said(Kind::Proposed, what)]
            }
            EventCode::GrantOverridden => {
                let state = self.text("state").unwrap_or("ended");
                let what = format!(
                    "{} confirms that it counts as {state}: its target never said so",
                    self.actor
                );
                vec![self.said(Kind::Overridden, what)]
            }
            EventCode::OrphanRemoved => {
                let object = self.text("object").unwrap_or("something of it");
                let what = match self.reason {
                    None => format!("`{object}` was found on the target, and removed"),
                    Some(why) => {
                        format!(
                            "`{object}` was found on the target, and could not be removed: {why}"
                        )
                    }
                };
                vec![self.line(Kind::Found, what)]
            }
            _ => Vec::new(),
        }
    }

    fn asked(self) -> Vec<Line> {
        let kind = self.text("close_kind");
        let what = match kind {
            Some(kind) if kind == CloseKind::End.as_str() => "its time is over".to_owned(),
            Some(kind) if kind == CloseKind::Return.as_str() => {
                format!("{} gives it back", self.actor)
            }
            _ => format!("{} takes it away", self.actor),
        };
        let mut lines = vec![self.said(Kind::Asked, what)];
        if self.text("from") != Some(GrantState::Closing.as_str()) {
            let what = "Portcullis refuses every use of it".to_owned();
            lines.push(self.line(Kind::Blocked, what));
        }
        lines
    }

    fn ended(self, state: GrantState) -> Vec<Line> {
        let mut lines = self.acknowledged(None);
        lines.push(self.line(Kind::Ended, format!("{state}, confirmed by the target")));
        lines
    }

    fn acknowledged(self, attempt: Option<i64>) -> Vec<Line> {
        let told = Attempt::told_by(self.details, self.at);
        let asked_at = told.asked_at;
        let mut lines: Vec<Line> = told
            .steps
            .into_iter()
            .map(|step| Line {
                at: (asked_at + step.after).min(self.at.max(asked_at)),
                kind: Kind::Acknowledged,
                what: step.what,
                reason: None,
                attempt,
            })
            .collect();
        lines.extend(told.unproved.map(|what| Line {
            attempt,
            ..self.line(Kind::Unproved, what)
        }));
        lines
    }

    /// What a person did, with what they typed.
    fn said(self, kind: Kind, what: String) -> Line {
        Line {
            reason: self.reason.map(str::to_owned),
            ..self.line(kind, what)
        }
    }

    fn line(self, kind: Kind, what: String) -> Line {
        Line {
            at: self.at,
            kind,
            what,
            reason: None,
            attempt: None,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.details.get(name).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::change::Step;
    use crate::domain::grant::{Acknowledged, Grant};
    use crate::domain::ids::{GrantId, PrincipalId, RequestId};
    use crate::domain::principal::{Principal, PrincipalRef, ProductRole};

    fn noon() -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn grant() -> Grant {
        Grant {
            id: GrantId::from_bits(1),
            request: RequestId::from_bits(1),
            holder: PrincipalRef {
                id: PrincipalId::from_bits(1),
                name: "ada".parse().unwrap(),
            },
            target: "orders-db".parse().unwrap(),
            role: "readonly".parse().unwrap(),
            reason: "INC-1 look".to_owned(),
            state: GrantState::Active,
            duration: "1h".parse().unwrap(),
            max_total: "1h".parse().unwrap(),
            not_before: noon(),
            starts_at: Some(noon()),
            expires_at: noon() + TimeDelta::hours(1),
            max_expires_at: noon() + TimeDelta::hours(1),
            close_kind: None,
            close_reason: None,
            closed_by: None,
            close_due_at: None,
            overriding: None,
            attempts: 0,
            last_error: None,
            extensions: 0,
            epoch: 1,
            credential_ends_at: None,
            created_at: noon(),
            ended_at: None,
            version: 3,
        }
    }

    fn said(step: &Step, at: DateTime<Utc>) -> Vec<String> {
        let event = &step.event;
        let told = Told {
            code: event.code,
            actor: event.actor.name(),
            at,
            reason: event.reason.as_deref(),
            details: &event.details,
        };
        told.lines()
            .into_iter()
            .map(|line| {
                let attempt = line
                    .attempt
                    .map_or(String::new(), |attempt| format!(" {attempt}"));
                let at = line.at.format("%M:%S%.3f");
                let reason = line
                    .reason
                    .map_or(String::new(), |reason| format!(" ({reason})"));
                format!(
                    "{at} {}{attempt}: {}{reason}",
                    line.kind.as_str(),
                    line.what
                )
            })
            .collect()
    }

    #[test]
    fn every_step_has_its_time_also_of_the_attempt_that_failed() {
        let rita = Principal {
            id: PrincipalId::from_bits(2),
            name: "rita".parse().unwrap(),
            roles: [ProductRole::Reviewer].into(),
            groups: [].into(),
            service: None,
        };
        let step = |what: &str, after| Acknowledged {
            what: what.to_owned(),
            after: TimeDelta::milliseconds(after),
        };
        let second = TimeDelta::seconds(1);
        let (closing, asked) = grant().revoke(&rita, "laptop stolen", noon()).unwrap();
        let first = Attempt {
            asked_at: noon() + second,
            steps: vec![step("closed the login", 20)],
            ..Attempt::default()
        };
        let (tried, failed) = closing
            .close_retried("1 session does not end", &first, noon() + second * 4)
            .unwrap();
        let last = Attempt {
            asked_at: noon() + second * 4,
            steps: vec![step("dropped the role", 15), step("read back", 30)],
            unproved: Some("what was open may stay open".to_owned()),
            ..Attempt::default()
        };
        let (_, ended) = tried.closed(&last, noon() + second * 5).unwrap();
        let mut all = said(&asked, noon());
        all.extend(said(&failed, noon() + second * 2));
        all.extend(said(&ended, noon() + second * 5));
        assert_eq!(
            all,
            [
                "00:00.000 asked: rita takes it away (laptop stolen)",
                "00:00.000 blocked: Portcullis refuses every use of it",
                "00:01.020 acknowledged 1: closed the login",
                "00:02.000 failed 1: 1 session does not end",
                "00:04.015 acknowledged: dropped the role",
                "00:04.030 acknowledged: read back",
                "00:05.000 unproved: what was open may stay open",
                "00:05.000 ended: revoked, confirmed by the target",
            ]
        );
    }

    #[test]
    fn a_stronger_word_for_what_is_closing_blocks_nothing_twice() {
        let (closing, asked) = grant().end(noon() + TimeDelta::hours(1)).unwrap();
        assert_eq!(said(&asked, noon()).len(), 2);
        let why = ("lock", "L-1");
        let (_, again) = closing.cut(None, "locked", why, noon()).unwrap();
        assert_eq!(
            said(&again, noon()),
            ["00:00.000 asked: portcullis takes it away (locked)"]
        );
    }
}
