//! An event in its row. What has a column is nowhere else in the row, so that nobody can change what is searched and
//! leave what is signed; the rest is in `body`, as JSON.
//!
//! Reason and address are hashed, with a salt, when the row becomes an entry of the log. Who erases them writes the
//! hashes in their place.

use std::str::FromStr;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::ids::{
    GrantId, IdError, PrincipalId, PrincipalName, RequestId, RoleName, TargetName,
};
use crate::domain::principal::PrincipalRef;
use crate::secret;
use crate::wire::{Signed, SignedActor, hash_of_text};

use super::audit::{Entry, Fact, Origin};
use super::{moment, word};

/// The columns of an event that waits and of one in the log, but for the index.
pub(in crate::store) const COLUMNS: &str = "event_id, at, code, outcome, actor, principal, target, request_id, grant_id, reason, address, salt, body";

/// What of an event has no column.
#[derive(Serialize)]
struct Rest<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<&'e PrincipalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'e RoleName>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    details: &'e Map<String, Value>,
    trace: &'e str,
    channel: &'e str,
}

/// The body of a row. Rows of before migration 0017 have everything in there, and that is what is signed.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    code: Option<EventCode>,
    #[serde(default)]
    outcome: Option<Outcome>,
    #[serde(default)]
    actor: Option<Actor>,
    #[serde(default)]
    principal: Option<PrincipalName>,
    #[serde(default)]
    target: Option<TargetName>,
    #[serde(default)]
    request: Option<RequestId>,
    #[serde(default)]
    grant: Option<GrantId>,
    #[serde(default)]
    actor_id: Option<PrincipalId>,
    #[serde(default)]
    role: Option<RoleName>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    reason_sha256: Option<String>,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    address_sha256: Option<String>,
    #[serde(default)]
    details: Map<String, Value>,
    trace: String,
    channel: String,
}

/// One event to be written.
pub(in crate::store) struct NewRow<'e> {
    pub(in crate::store) id: [u8; 16],
    pub(in crate::store) fact: Fact<'e>,
    pub(in crate::store) salt: Option<String>,
    pub(in crate::store) body: String,
}

impl<'e> NewRow<'e> {
    pub(in crate::store) fn of(fact: Fact<'e>) -> anyhow::Result<Self> {
        let Fact { event, origin, .. } = fact;
        let salted = event.reason.is_some() || origin.address.is_some();
        let rest = Rest {
            actor_id: match &event.actor {
                Actor::Principal(who) => Some(&who.id),
                Actor::System | Actor::Anonymous => None,
            },
            role: event.role.as_ref(),
            details: &event.details,
            trace: &origin.trace,
            channel: &origin.channel,
        };
        Ok(Self {
            // Version 7 identifiers of one process only grow, so events of one transaction keep their order.
            id: *uuid::Uuid::now_v7().as_bytes(),
            salt: salted.then(salt).transpose()?,
            body: serde_json::to_string(&rest)?,
            fact,
        })
    }
}

/// What keeps others from guessing a short text by its hash.
fn salt() -> anyhow::Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(secret::random::<16>()?))
}

/// One event as it is stored.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct Row {
    pub(in crate::store) idx: i64,
    pub(in crate::store) event_id: Option<Vec<u8>>,
    pub(in crate::store) at: i64,
    code: String,
    outcome: String,
    actor: String,
    principal: Option<String>,
    target: Option<String>,
    request_id: Option<String>,
    grant_id: Option<String>,
    reason: Option<String>,
    address: Option<String>,
    pub(in crate::store) salt: Option<String>,
    pub(in crate::store) body: String,
}

impl Row {
    fn id(&self) -> anyhow::Result<Option<String>> {
        let id = self.event_id.as_deref().map(uuid::Uuid::from_slice);
        Ok(id.transpose()?.map(|id| id.to_string()))
    }

    /// The event, its index and where it came from.
    pub(in crate::store) fn read(self) -> anyhow::Result<Entry> {
        let index = self.idx;
        self.parse()
            .with_context(|| format!("reading audit event {index}"))
    }

    fn parse(self) -> anyhow::Result<Entry> {
        let id = self.id()?;
        let body: Body = serde_json::from_str(&self.body)?;
        let actor = self.actor(body.actor, body.actor_id)?;
        let event = Event {
            code: match body.code {
                Some(code) => code,
                None => self.code.parse().map_err(anyhow::Error::msg)?,
            },
            outcome: match body.outcome {
                Some(outcome) => outcome,
                None => word("outcome", &self.outcome)?,
            },
            actor,
            principal: either(body.principal, self.principal)?,
            target: either(body.target, self.target)?,
            role: body.role,
            request: either(body.request, self.request_id)?,
            grant: either(body.grant, self.grant_id)?,
            // Events of before there was a tree have their texts in the body.
            reason: self.reason.or(body.reason),
            details: body.details,
        };
        Ok(Entry {
            index: self.idx,
            id: id.or(body.id).context("it has no id")?,
            at: moment(self.at)?,
            event,
            origin: Origin {
                trace: body.trace,
                channel: body.channel,
                address: self.address.or(body.address),
            },
        })
    }

    /// The body with the hashes of the texts, which are about to be erased.
    pub(in crate::store) fn erased(&self) -> anyhow::Result<String> {
        let mut body: Map<String, Value> = serde_json::from_str(&self.body)
            .with_context(|| format!("reading audit event {}", self.idx))?;
        let texts = [
            ("reason", "reason_sha256", self.reason.as_ref()),
            ("address", "address_sha256", self.address.as_ref()),
        ];
        for (name, hash, text) in texts {
            let kept = body.get(hash).and_then(Value::as_str);
            if let Some(value) = self.hash(kept, body.contains_key(name), text) {
                body.insert(hash.to_owned(), value.into());
            }
        }
        Ok(serde_json::to_string(&body)?)
    }

    /// What stands for a text that can be erased: its hash while it is there, and then the one that was kept. What is in
    /// the body as it was typed is not hashed: rows of before there was a tree.
    fn hash(&self, kept: Option<&str>, typed: bool, text: Option<&String>) -> Option<String> {
        match text {
            Some(text) if !typed => {
                Some(hash_of_text(self.salt.as_deref().unwrap_or_default(), text))
            }
            _ => kept.map(str::to_owned),
        }
    }

    /// The bytes that are hashed.
    pub(in crate::store) fn encode(&self, epoch: u32) -> anyhow::Result<Vec<u8>> {
        self.entry(epoch)
            .with_context(|| format!("audit event {} cannot be an entry", self.idx))
    }

    fn entry(&self, epoch: u32) -> anyhow::Result<Vec<u8>> {
        let body: Body = serde_json::from_str(&self.body)?;
        let id = self.id()?;
        let (reason, address) = (self.reason.as_ref(), self.address.as_ref());
        let reason_sha256 = self.hash(body.reason_sha256.as_deref(), body.reason.is_some(), reason);
        let address_sha256 = self.hash(
            body.address_sha256.as_deref(),
            body.address.is_some(),
            address,
        );
        let signed = Signed {
            actor: self.signed_actor(&body),
            address: body.address.as_deref(),
            address_sha256: address_sha256.as_deref(),
            at: moment(self.at)?,
            channel: &body.channel,
            code: body.code.map_or(self.code.as_str(), |code| code.as_str()),
            details: &body.details,
            grant: text(
                body.grant.as_ref().map(GrantId::as_str),
                self.grant_id.as_ref(),
            ),
            id: id
                .as_deref()
                .or(body.id.as_deref())
                .context("it has no id")?,
            outcome: body
                .outcome
                .map_or(self.outcome.as_str(), |outcome| outcome.as_str()),
            principal: text(
                body.principal.as_ref().map(PrincipalName::as_str),
                self.principal.as_ref(),
            ),
            reason: body.reason.as_deref(),
            reason_sha256: reason_sha256.as_deref(),
            request: text(
                body.request.as_ref().map(RequestId::as_str),
                self.request_id.as_ref(),
            ),
            role: body.role.as_ref().map(RoleName::as_str),
            target: text(
                body.target.as_ref().map(TargetName::as_str),
                self.target.as_ref(),
            ),
            trace: &body.trace,
        };
        Ok(signed.encode(u64::try_from(self.idx)?, epoch)?)
    }

    fn actor(&self, known: Option<Actor>, id: Option<PrincipalId>) -> anyhow::Result<Actor> {
        Ok(match (known, id) {
            (Some(actor), _) => actor,
            (None, Some(id)) => Actor::Principal(PrincipalRef {
                id,
                name: self.actor.parse()?,
            }),
            (None, None) if self.actor == Actor::System.name() => Actor::System,
            (None, None) => Actor::Anonymous,
        })
    }

    /// Who did it, just as the row says it: what nobody can be called, or what somebody made of nobody, is signed as such
    /// and does not fit.
    fn signed_actor<'r>(&'r self, body: &'r Body) -> SignedActor<'r> {
        if let Some(actor) = &body.actor {
            return actor.into();
        }
        let id = body.actor_id.as_ref().map(PrincipalId::as_str);
        let named = |nobody: &Actor| self.actor == nobody.name();
        match id {
            None if named(&Actor::System) => (&Actor::System).into(),
            None if named(&Actor::Anonymous) => (&Actor::Anonymous).into(),
            id => SignedActor {
                id,
                kind: "principal",
                name: Some(&self.actor),
            },
        }
    }
}

/// What a body of before has, or else the column.
fn text<'t>(body: Option<&'t str>, column: Option<&'t String>) -> Option<&'t str> {
    body.or(column.map(String::as_str))
}

/// What a body of before has, or else the column.
fn either<T: FromStr<Err = IdError>>(
    body: Option<T>,
    column: Option<String>,
) -> Result<Option<T>, IdError> {
    match (body, column) {
        (None, Some(text)) => text.parse().map(Some),
        (body, _) => Ok(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            idx: 7,
            event_id: Some(vec![1; 16]),
            at: 1_700_000_000_000,
            code: "request.submitted".to_owned(),
            outcome: "success".to_owned(),
            actor: "ada".to_owned(),
            principal: Some("ada".to_owned()),
            target: Some("orders-db".to_owned()),
            request_id: Some("R-0000000001".to_owned()),
            grant_id: None,
            reason: Some("INC-1 look".to_owned()),
            address: Some("10.0.0.1".to_owned()),
            salt: Some("AAAA".to_owned()),
            body: r#"{"actor_id":"P-0000000001","role":"admin","details":{"n":1},"trace":"t","channel":"cli"}"#.to_owned(),
        }
    }

    type Change = (&'static str, fn(&mut Row));

    /// What somebody with the database may do to a row.
    const CHANGES: [Change; 17] = [
        ("idx", |row| row.idx += 1),
        ("event_id", |row| row.event_id = Some(vec![2; 16])),
        ("at", |row| row.at += 1),
        ("code", |row| row.code = "request.denied".to_owned()),
        ("outcome", |row| row.outcome = "no such".to_owned()),
        ("actor", |row| row.actor = "Not a name".to_owned()),
        ("principal", |row| row.principal = None),
        ("target", |row| row.target = Some("mail".to_owned())),
        ("request_id", |row| row.request_id = None),
        ("grant_id", |row| row.grant_id = Some("G-1".to_owned())),
        ("reason", |row| row.reason = Some("because".to_owned())),
        ("reason taken out", |row| row.reason = None),
        ("address", |row| row.address = Some("10.0.0.2".to_owned())),
        ("address taken out", |row| row.address = None),
        ("role", |row| row.body = row.body.replace("admin", "reader")),
        ("details", |row| row.body = row.body.replace("1}", "2}")),
        ("trace", |row| row.body = row.body.replace("\"t\"", "\"u\"")),
    ];

    #[test]
    fn whatever_is_changed_in_a_row_is_not_what_was_signed() {
        let signed = row().encode(1).unwrap();
        for (what, change) in CHANGES {
            let mut changed = row();
            change(&mut changed);
            assert_ne!(changed.encode(1).unwrap(), signed, "{what}");
        }
        let mut nobody = row();
        nobody.body = r#"{"trace":"t","channel":"api"}"#.to_owned();
        let mut seen = Vec::new();
        for name in ["portcullis", "anonymous", "eve"] {
            nobody.actor = name.to_owned();
            seen.push(nobody.encode(1).unwrap());
        }
        seen.dedup();
        assert_eq!(seen.len(), 3, "nobody was made somebody");
    }

    #[test]
    fn what_is_erased_leaves_the_entry_as_it_was_and_no_other_text_takes_its_place() {
        let signed = row().encode(1).unwrap();
        let mut erased = row();
        erased.body = erased.erased().unwrap();
        (erased.reason, erased.address, erased.salt) = (None, None, None);
        assert_eq!(erased.encode(1).unwrap(), signed);
        assert_eq!(erased.erased().unwrap(), erased.body);
        erased.reason = Some("INC-2 something else".to_owned());
        assert_ne!(erased.encode(1).unwrap(), signed);
        erased.salt = Some("AAAA".to_owned());
        assert_ne!(erased.encode(1).unwrap(), signed);
    }
}
