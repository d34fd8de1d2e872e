//! The token of a dry run: proof that this server has shown exactly these items to this person, not long ago.
//!
//! It is a keyed digest over who, until when, what was asked and every item with its version. Nodes of one
//! installation share the key, so any of them takes what another has made, and none has to remember it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use crate::domain::ids::PrincipalId;
use crate::domain::incident::{Ask, Shown};
use crate::domain::refusal::Refusal;
use crate::secret::{self, Key};

use super::Error;

const LABEL: &str = "portcullis incident dry run 1";
const STRANGE: Refusal = Refusal::PreviewNotValid {
    why: "it is not one that this server made for you and for exactly this list",
};

/// What a token says before it is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) good_until: DateTime<Utc>,
    nonce: [u8; 16],
}

impl Ticket {
    /// A fresh one.
    pub(super) fn until(good_until: DateTime<Utc>) -> Result<Self, Error> {
        Ok(Self {
            good_until,
            nonce: secret::random()?,
        })
    }

    /// The token, bound to all of this.
    pub(super) fn sealed(
        &self,
        key: &Key,
        who: &PrincipalId,
        ask: &Ask,
        items: &[Shown],
    ) -> String {
        let mut bytes = self.good_until.timestamp_millis().to_be_bytes().to_vec();
        bytes.extend(self.nonce);
        bytes.extend(self.seal(key, who, ask, items));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token that came back; one that was not made for all of this, or is too old, is refused.
    pub(super) fn opened(
        token: &str,
        key: &Key,
        who: &PrincipalId,
        ask: &Ask,
        items: &[Shown],
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| STRANGE)?;
        let (millis, rest) = bytes.split_first_chunk::<8>().ok_or(STRANGE)?;
        let (nonce, seal) = rest.split_first_chunk::<16>().ok_or(STRANGE)?;
        let millis = i64::from_be_bytes(*millis);
        let ticket = Self {
            good_until: DateTime::from_timestamp_millis(millis).ok_or(STRANGE)?,
            nonce: *nonce,
        };
        if !secret::same(seal, &ticket.seal(key, who, ask, items)) {
            return Err(STRANGE);
        }
        if ticket.good_until <= now {
            return Err(Refusal::PreviewNotValid {
                why: "it is older than 5 minutes",
            });
        }
        Ok(ticket)
    }

    /// What is kept of it, so that it is good once.
    pub(super) fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.nonce)
    }

    fn seal(&self, key: &Key, who: &PrincipalId, ask: &Ask, items: &[Shown]) -> [u8; 32] {
        let listed: Vec<String> = items
            .iter()
            .map(|item| format!("{} {}", item.id.as_str(), item.version))
            .collect();
        let listed = listed.join("\n");
        let until = self.good_until.timestamp_millis().to_string();
        let parts = [who.as_str(), &until, &self.digest(), &ask.whole(), &listed];
        key.derive(LABEL, &parts)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use crate::domain::incident::ItemId;

    use super::*;

    fn item(bits: u64, version: i64) -> Shown {
        Shown {
            id: ItemId::Grant(crate::domain::ids::GrantId::from_bits(bits)),
            version,
        }
    }

    #[test]
    fn a_token_is_good_for_exactly_what_was_shown_to_exactly_whom() {
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        let (key, other_key) = (Key::new([7; 32]), Key::new([8; 32]));
        let (ada, ben) = (PrincipalId::from_bits(1), PrincipalId::from_bits(2));
        let (ask, items) = (Ask::default(), [item(1, 3), item(2, 5)]);
        let ticket = Ticket::until(now + TimeDelta::minutes(5)).unwrap();
        let token = ticket.sealed(&key, &ada, &ask, &items);
        let open = |token: &str, key: &Key, who, ask: &Ask, items: &[Shown], at| {
            Ticket::opened(token, key, who, ask, items, at).map_err(|refusal| refusal.text())
        };
        assert_eq!(
            open(&token, &key, &ada, &ask, &items, now),
            Ok(ticket.clone())
        );
        let foreign = open(&token, &key, &ben, &ask, &items, now);
        let strange = Err(STRANGE.text());
        assert_eq!(foreign, strange);
        assert_eq!(open(&token, &other_key, &ada, &ask, &items, now), strange);
        let lock = Ask {
            lock: true,
            ..ask.clone()
        };
        assert_eq!(open(&token, &key, &ada, &lock, &items, now), strange);
        for other in [
            vec![item(1, 3)],
            vec![item(1, 4), item(2, 5)],
            vec![item(2, 5), item(1, 3)],
        ] {
            assert_eq!(open(&token, &key, &ada, &ask, &other, now), strange);
        }
        for nonsense in [
            "",
            "x",
            "AAAA",
            "ä",
            token.get(1..).unwrap_or_default(),
            &format!("{token}AAAA"),
        ] {
            assert_eq!(
                open(nonsense, &key, &ada, &ask, &items, now),
                strange,
                "{nonsense}"
            );
        }
        // The end is part of what is sealed.
        let longer = Ticket {
            good_until: now + TimeDelta::hours(1),
            ..ticket.clone()
        };
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        bytes[..8].copy_from_slice(&longer.good_until.timestamp_millis().to_be_bytes());
        let stretched = URL_SAFE_NO_PAD.encode(bytes);
        assert_eq!(open(&stretched, &key, &ada, &ask, &items, now), strange);
        let late = open(&token, &key, &ada, &ask, &items, ticket.good_until);
        assert!(late.unwrap_err().ends_with("older than 5 minutes"));
    }
}
