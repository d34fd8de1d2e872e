//! Tokens: random text that says what it is for, and of which only the hash is kept.
//!
//! `pcl_at_<43 base64url characters>_<6 base62 digits>`. The prefix lets secret scanners find a leaked one; the digits
//! are a CRC-32 of all before them, so a token that was cut or mistyped is told from one that is no longer valid.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Secret, hash_of, random};

const BODY: usize = 43;
const CHECK: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a token is good for. One kind is never accepted in the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Carried by every call; lives for minutes.
    Access,
    /// Exchanged for the next pair of tokens, once.
    Refresh,
    /// Lets an invited person sign in for the first time.
    Invitation,
    /// Carried by every call of a service account; lives until it is rotated or ends.
    Service,
    /// Printed at the first start of a server; makes its first admin.
    Bootstrap,
    /// Made in advance for one person; opens a sign-in for break-glass, once.
    Sealed,
    /// Says that somebody proved a second factor for certain calls.
    StepUp,
}

/// Why some text is not the token that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("this is not a Portcullis {0}")]
    Foreign(&'static str),
    #[error("this {0} is not complete: a part is missing or was changed while copying")]
    Damaged(&'static str),
    #[error("this is a Portcullis {found}: the {wanted} is needed here")]
    OtherKind {
        found: &'static str,
        wanted: &'static str,
    },
}

impl TokenKind {
    const ALL: [Self; 7] = [
        Self::Service,
        Self::Access,
        Self::Refresh,
        Self::Invitation,
        Self::Bootstrap,
        Self::StepUp,
        Self::Sealed,
    ];

    /// Makes a token with 256 random bits. Hand it out once, and keep `hash_of` it.
    pub fn issue(self) -> anyhow::Result<Secret> {
        let mut text = format!(
            "pcl_{}_{}",
            self.mark(),
            URL_SAFE_NO_PAD.encode(random::<32>()?)
        );
        let check = check_of(&text);
        text.push('_');
        text.push_str(&check);
        Ok(Secret::new(text))
    }

    /// Checks the form of a token that somebody presents, and gives the hash to look it up by.
    pub fn read(self, text: &str) -> Result<[u8; 32], TokenError> {
        let foreign = TokenError::Foreign(self.words());
        let rest = text.strip_prefix("pcl_").ok_or(foreign)?;
        let (mark, _) = rest.split_once('_').ok_or(foreign)?;
        let found = Self::ALL
            .into_iter()
            .find(|kind| kind.mark() == mark)
            .ok_or(foreign)?;
        if found != self {
            return Err(TokenError::OtherKind {
                found: found.words(),
                wanted: self.words(),
            });
        }
        let (signed, check) = text.rsplit_once('_').ok_or(foreign)?;
        let whole = "pcl_".len() + mark.len() + "_".len() + BODY;
        if signed.len() != whole || check != check_of(signed) {
            return Err(TokenError::Damaged(self.words()));
        }
        Ok(hash_of(text))
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Access => "at",
            Self::Service => "st",
            Self::Refresh => "rt",
            Self::Invitation => "ic",
            Self::Bootstrap => "bc",
            Self::StepUp => "su",
            Self::Sealed => "sc",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Access => "access token",
            Self::Service => "service token",
            Self::Refresh => "refresh token",
            Self::Invitation => "invitation code",
            Self::Bootstrap => "bootstrap code",
            Self::StepUp => "step-up proof",
            Self::Sealed => "sealed code",
        }
    }
}

fn check_of(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECK];
    for slot in digits.iter_mut().rev() {
        *slot = BASE62.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_as_its_hash() {
        for kind in TokenKind::ALL {
            let token = kind.issue().unwrap();
            assert_eq!(
                kind.read(token.expose()),
                Ok(hash_of(token.expose())),
                "{}",
                token.expose()
            );
            assert_eq!(token.expose().len(), 7 + BODY + 1 + CHECK);
        }
    }

    #[test]
    fn no_two_tokens_are_alike() {
        assert_ne!(
            TokenKind::Access.issue().unwrap(),
            TokenKind::Access.issue().unwrap()
        );
    }

    #[test]
    fn one_kind_is_not_taken_for_another() {
        let token = TokenKind::Refresh.issue().unwrap();
        let error = TokenKind::Access
            .read(token.expose())
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "this is a Portcullis refresh token: the access token is needed here"
        );
    }

    #[test]
    fn a_cut_or_mistyped_token_is_told_from_a_wrong_one() {
        let token = TokenKind::Access.issue().unwrap();
        let mut cut = token.expose().to_owned();
        cut.pop();
        let swapped = token.expose().replacen("pcl_at_", "pcl_at_A", 1);
        for damaged in [cut.as_str(), swapped.as_str(), "pcl_at_", "pcl_at__"] {
            assert_eq!(
                TokenKind::Access.read(damaged),
                Err(TokenError::Damaged("access token")),
                "{damaged}"
            );
        }
        for foreign in ["", "ghp_abc", "pcl_", "pcl_zz_abc", "pcl_at"] {
            assert_eq!(
                TokenKind::Access.read(foreign),
                Err(TokenError::Foreign("access token")),
                "{foreign}"
            );
        }
    }
}
