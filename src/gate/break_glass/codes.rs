//! Making, listing and revoking sealed codes.

use chrono::{DateTime, Utc};

use crate::domain::break_glass::{CODES_MAX, Code, Days};
use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::extent::Place;
use crate::domain::ids::{CodeId, PrincipalName};
use crate::domain::permit::{Action, permit, permit_at};
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::Guarded;
use crate::gate::people::stored_hash;
use crate::gate::second_factor::notify;
use crate::gate::{Caller, Error, Gate, OnceKey, Opened, new_bits};
use crate::secret::{Secret, TokenKind};

/// A sealed code on its only way out.
pub struct MadeCode {
    pub code: Code,
    pub text: Secret,
}

/// A sealed code at one moment.
#[derive(Debug, Clone)]
pub struct SeenCode {
    pub code: Code,
    pub now: DateTime<Utc>,
}

fn bad(field: &str, why: String) -> Refusal {
    Refusal::BadInput {
        field: field.to_owned(),
        why,
    }
}

impl Gate {
    /// Makes sealed codes for a person. They are shown once, and only their hashes are kept.
    pub async fn seal(
        &self,
        caller: &Caller,
        name: &PrincipalName,
        count: u32,
        expires: Days,
        once: &OnceKey,
    ) -> Result<Vec<MadeCode>, Error> {
        let opened = self
            .open(caller, once, name.as_str(), Action::SealCodes)
            .await?;
        let mut writing = match opened {
            // The codes were lost with their answer, and nobody can read them again.
            Opened::Before(_) => return Err(Refusal::IdempotencyKeyReused.into()),
            Opened::Now(writing) => writing,
        };
        if count == 0 || count > CODES_MAX {
            return Err(bad("count", format!("it is a number from 1 to {CODES_MAX}")).into());
        }
        let person = writing.tx.principal_named(name).await?;
        let person = person.ok_or_else(|| Refusal::NotFound {
            what: "principal",
            name: name.to_string(),
        })?;
        if person.service.is_some() {
            return Err(bad(
                "name",
                format!("`{name}` is a service account, and no person"),
            )
            .into());
        }
        writing.guard(Guarded::SealCodes);
        let (now, expires_at) = (writing.now, writing.now + expires.to_chrono());
        let mut made = Vec::new();
        for _ in 0..count {
            let text = TokenKind::Sealed.issue()?;
            let code = Code {
                id: CodeId::from_bits(new_bits()?),
                person: person.as_ref(),
                made_by: writing.who.as_ref(),
                created_at: now,
                expires_at,
                used_at: None,
                revoked_at: None,
            };
            let hash = stored_hash(text.expose());
            writing.tx.insert_sealed_code(&code, &hash).await?;
            made.push(MadeCode { code, text });
        }
        let by = writing.who.name.clone();
        let told = format!("`{by}` made {count} sealed codes for you");
        notify(&mut writing.tx, &person.id, &told, now).await?;
        let ids: Vec<&str> = made.iter().map(|made| made.code.id.as_str()).collect();
        let mut event = Event::new(
            EventCode::SealedCodesMade,
            Actor::Principal(writing.who.as_ref()),
        )
        .detail("codes", ids)
        .moment("expires_at", expires_at);
        event.principal = Some(person.name);
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await?;
        Ok(made)
    }

    /// The sealed codes of one person or of everybody, for those who may see people; one's own otherwise.
    pub async fn sealed_codes(
        &self,
        caller: &Caller,
        of: Option<&PrincipalName>,
    ) -> Result<Vec<SeenCode>, Error> {
        permit_at(&caller.principal, Action::ReadOwn, Place::Somewhere)?;
        let (mut tx, now) = self.look().await?;
        let sees_all = permit(&caller.principal, Action::ReadPeople).is_ok();
        let whose = match of {
            _ if !sees_all => Some(caller.principal.id.clone()),
            Some(name) => {
                let person = tx.principal_named(name).await?;
                let person = person.ok_or_else(|| Refusal::NotFound {
                    what: "principal",
                    name: name.to_string(),
                })?;
                Some(person.id)
            }
            None => None,
        };
        let codes = tx.sealed_codes(whose.as_ref()).await?.into_iter();
        let codes = codes.filter(|code| of.is_none_or(|name| code.person.name == *name));
        Ok(codes.map(|code| SeenCode { code, now }).collect())
    }

    /// Revokes a sealed code that nobody has used.
    pub async fn unseal(&self, caller: &Caller, id: &CodeId, once: &OnceKey) -> Result<(), Error> {
        let opened = self
            .open(caller, once, id.as_str(), Action::SealCodes)
            .await?;
        let Opened::Now(mut writing) = opened else {
            return Ok(());
        };
        let code = writing.tx.sealed_code(id).await?;
        let code = code.ok_or_else(|| Refusal::NotFound {
            what: "sealed code",
            name: id.to_string(),
        })?;
        if !writing.tx.revoke_sealed_code(id, writing.now).await? {
            return Err(Refusal::Conflict {
                what: "sealed code",
                name: id.to_string(),
            }
            .into());
        }
        let mut event = Event::new(
            EventCode::SealedCodeRevoked,
            Actor::Principal(writing.who.as_ref()),
        )
        .detail("code", id.as_str());
        event.principal = Some(code.person.name);
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await
    }
}
