//! Identifiers and names, one newtype each, parsed once at the edge and trusted afterwards.
//!
//! Identifiers of things that people type during an incident are a letter, a dash and ten Crockford base32
//! digits (50 random bits): `R-7k3qm2xd0v` for a request, `G-…` for a grant. Names are `[a-z0-9][a-z0-9._-]{0,62}`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Crockford's base32 alphabet in lower case: no `i`, `l`, `o`, `u`, which people misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Fifty random bits: a collision among a million identifiers has a chance of 1 in 2,000, and ends as a refused insert.
const DIGITS: usize = 10;

/// What was wrong with an identifier or name, as a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(String);

fn digits_from(mut bits: u64) -> String {
    let mut out = [b'0'; DIGITS];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET.get((bits & 31) as usize).copied().unwrap_or(b'0');
        bits >>= 5;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn check_id(prefix: char, what: &str, text: &str) -> Result<String, IdError> {
    let wrong = || {
        IdError(format!(
            "`{}` is not a {what} id: those look like `{prefix}-7k3qm2xd0v`",
            text.escape_default()
        ))
    };
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower
        .strip_prefix(prefix.to_ascii_lowercase())
        .and_then(|rest| rest.strip_prefix('-'))
        .ok_or_else(wrong)?;
    if digits.len() != DIGITS || !digits.bytes().all(|byte| ALPHABET.contains(&byte)) {
        return Err(wrong());
    }
    Ok(format!("{prefix}-{digits}"))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Makes an identifier from random bits; only the lowest fifty count.
            pub fn from_bits(bits: u64) -> Self {
                Self(format!("{}-{}", $prefix, digits_from(bits)))
            }

            /// The identifier as people read and type it.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The ten digits without the letter, for names on targets.
            pub fn digits(&self) -> &str {
                self.0.get(2..).unwrap_or_default()
            }
        }

        text_newtype!($name, |text: &str| check_id($prefix, $what, text).map(Self));
    };
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as it is written everywhere.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_newtype!($name, |text: &str| check_name($what, text).map(Self));
    };
}

macro_rules! text_newtype {
    ($name:ident, $parse:expr) => {
        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let parse: fn(&str) -> Result<Self, IdError> = $parse;
                parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn check_name(what: &str, text: &str) -> Result<String, IdError> {
    let bytes = text.as_bytes();
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let first = bytes.first().is_some_and(letter);
    let rest = bytes
        .iter()
        .all(|byte| letter(byte) || matches!(byte, b'.' | b'_' | b'-'));
    if first && rest && bytes.len() <= 63 {
        return Ok(text.to_owned());
    }
    Err(IdError(format!(
        "`{}` is not a {what} name: use 1 to 63 of `a-z 0-9 . _ -`, starting with a letter or digit",
        text.escape_default()
    )))
}

id!(/** Names one request. */ RequestId, 'R', "request");
id!(/** Names one grant. */ GrantId, 'G', "grant");
id!(/** Names one principal; stays when the principal is renamed. */ PrincipalId, 'P', "principal");
id!(/** Names one sealed code, and is not the code. */ CodeId, 'C', "sealed code");
id!(/** Names one incident: one deliberate act on many grants. */ IncidentId, 'I', "incident");
id!(/** Names one second factor of a person. */ FactorId, 'F', "factor");
id!(/** Names one lock. */ LockId, 'L', "lock");
id!(/** Names one piece of standing access. */ StandingId, 'A', "standing access");
id!(/** Names one device key that a person enrolled. */ DeviceKeyId, 'D', "device key");
id!(/** Names one sign-in: a family of tokens that live and die together. */ SignInId, 'S', "sign-in");
name!(/** The name by which a principal is known to people. */ PrincipalName, "principal");
name!(/** The name of a target in the catalogue. */ TargetName, "target");
name!(/** The name of a role on a target. */ RoleName, "role");
name!(/** The name of a group of principals. */ GroupName, "group");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_read_back_as_written_in_any_case() {
        let id = GrantId::from_bits(0x3_1234_5678_9abc);
        assert_eq!(id.as_str().parse::<GrantId>().unwrap(), id);
        assert_eq!(id.as_str().to_uppercase().parse::<GrantId>().unwrap(), id);
        assert_eq!(id.digits().len(), DIGITS);
    }

    #[test]
    fn a_request_id_is_not_a_grant_id() {
        let error = "R-7k3qm2xd0v".parse::<GrantId>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`R-7k3qm2xd0v` is not a grant id: those look like `G-7k3qm2xd0v`"
        );
    }

    #[test]
    fn names_are_canonical_or_refused() {
        for good in ["a", "orders-db", "alice.ng", "0x", &"a".repeat(63)] {
            assert!(good.parse::<TargetName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "Orders",
            " orders",
            "-a",
            "a b",
            "a/b",
            "ä",
            "a\u{202e}",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<TargetName>().is_err(), "{bad}");
        }
    }
}
