//! Device keys that people enrol: from these alone somebody signs in without a browser on that machine.

use std::collections::BTreeMap;

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::ids::{DeviceKeyId, PrincipalName};
use crate::domain::permit::{Action, permit};
use crate::domain::provider::IdentityRefusal;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::Guarded;
use crate::gate::{Caller, Error, Gate, OnceKey, Opened, new_bits};
use crate::store::device_keys::EnrolledKey;

/// A base64url SHA-256 has so many letters.
const THUMBPRINT: usize = 43;
/// More than the machines of anybody.
const MOST: usize = 20;

/// A device key with the name of whom it belongs to.
#[derive(Debug, Clone)]
pub struct SeenKey {
    pub key: EnrolledKey,
    pub owner: PrincipalName,
}

impl Gate {
    /// The device keys: everybody's for those who may see them, one's own otherwise.
    pub async fn device_keys(&self, caller: &Caller) -> Result<Vec<SeenKey>, Error> {
        let (mut tx, _) = self.look().await?;
        let mut all = tx.device_keys().await?;
        if permit(&caller.principal, Action::ReadPeople).is_err() {
            all.retain(|key| key.principal == caller.principal.id);
        }
        let mut names = BTreeMap::new();
        let mut seen = Vec::new();
        for key in all {
            if !names.contains_key(&key.principal) {
                let owner = tx.principal(&key.principal).await?;
                names.extend(owner.map(|owner| (key.principal.clone(), owner.name)));
            }
            if let Some(owner) = names.get(&key.principal).cloned() {
                seen.push(SeenKey { key, owner });
            }
        }
        Ok(seen)
    }

    /// Enrols the key of a machine of the caller.
    pub async fn enrol_device(
        &self,
        caller: &Caller,
        thumbprint: &str,
        name: &str,
        once: &OnceKey,
    ) -> Result<SeenKey, Error> {
        if !self.has_device_flow() {
            return Err(Refusal::from(IdentityRefusal::NoDeviceFlow).into());
        }
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if thumbprint.len() != THUMBPRINT || !thumbprint.bytes().all(letter) {
            let why = "this is none: `portcullis device show` on that machine prints it";
            return Err(bad("thumbprint", why));
        }
        let plain = name.trim();
        if plain.is_empty() || plain.chars().count() > 40 || plain.chars().any(char::is_control) {
            return Err(bad("name", "give it 1 to 40 letters"));
        }
        let id = DeviceKeyId::from_bits(new_bits()?);
        let opened = self
            .open_if(caller, once, id.as_str(), |who| match who.service {
                Some(_) => Err(Refusal::NotAllowed {
                    action: "enrol a device",
                    needs: "a person",
                }),
                None => Ok(()),
            })
            .await?;
        let mut writing = match opened {
            Opened::Now(writing) => writing,
            Opened::Before(before) => {
                let all = self.device_keys(caller).await?;
                let known = all.into_iter().find(|seen| seen.key.id.as_str() == before);
                return known.ok_or_else(|| missing(&before));
            }
        };
        let who = writing.who.clone();
        let own = writing.tx.device_keys().await?;
        if own.iter().filter(|key| key.principal == who.id).count() >= MOST {
            return Err(bad("thumbprint", "you have 20 devices, which is the limit"));
        }
        let key = EnrolledKey {
            id,
            principal: who.id.clone(),
            thumbprint: thumbprint.to_owned(),
            name: plain.to_owned(),
            created_at: writing.now,
            last_used_at: None,
        };
        writing.guard(Guarded::EnrolDevice);
        if !writing.tx.insert_device_key(&key).await? {
            return Err(Refusal::from(IdentityRefusal::DeviceKeyTaken).into());
        }
        let event = Event::new(EventCode::DeviceEnrolled, Actor::Principal(who.as_ref()))
            .detail("device_key", key.id.as_str())
            .detail("device", key.name.as_str());
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await?;
        Ok(SeenKey {
            key,
            owner: who.name,
        })
    }

    /// Revokes a device key, and ends the sign-ins that were made from it: one's own, or anybody's for an admin.
    pub async fn revoke_device(
        &self,
        caller: &Caller,
        id: &DeviceKeyId,
        once: &OnceKey,
    ) -> Result<(), Error> {
        let opened = self.open_if(caller, once, id.as_str(), |_| Ok(())).await?;
        let Opened::Now(mut writing) = opened else {
            return Ok(());
        };
        let who = writing.who.clone();
        let key = writing.tx.device_key_by_id(id).await?;
        let key = key
            .filter(|key| key.principal == who.id || permit(&who, Action::Invite).is_ok())
            .ok_or_else(|| missing(id.as_str()))?;
        writing.tx.revoke_device_key(&key, writing.now).await?;
        let owner = writing.tx.principal(&key.principal).await?;
        let mut event = Event::new(EventCode::DeviceRevoked, Actor::Principal(who.as_ref()))
            .detail("device_key", key.id.as_str())
            .detail("device", key.name.as_str());
        event.principal = owner.map(|owner| owner.name);
        self.finish(writing, &vec![Step::new(Record::Nothing, event)])
            .await
    }
}

fn missing(id: &str) -> Error {
    Refusal::NotFound {
        what: "device key",
        name: id.to_owned(),
    }
    .into()
}

fn bad(field: &str, why: &str) -> Error {
    Refusal::BadInput {
        field: field.to_owned(),
        why: why.to_owned(),
    }
    .into()
}
