//! Keeps the provider's refresh tokens unreadable in the database: sealed with a key that only the nodes have.

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroize as _;

use crate::secret::{Key, Secret, random};

fn sealing_key(key: &Key) -> anyhow::Result<LessSafeKey> {
    let mut bytes = key.derive("provider refresh token", &[]);
    let made = UnboundKey::new(&CHACHA20_POLY1305, &bytes);
    bytes.zeroize();
    Ok(LessSafeKey::new(made.map_err(|_| {
        anyhow!("a derived key has the wrong length")
    })?))
}

/// Seals a token for one person: nobody can put it at another's place.
pub(super) fn seal(key: &Key, token: &Secret, owner: &str) -> anyhow::Result<String> {
    let nonce = random::<NONCE_LEN>()?;
    let mut bytes = token.expose().as_bytes().to_vec();
    sealing_key(key)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(owner.as_bytes()),
            &mut bytes,
        )
        .map_err(|_| anyhow!("a token could not be sealed"))?;
    let mut whole = nonce.to_vec();
    whole.extend(bytes);
    Ok(URL_SAFE_NO_PAD.encode(whole))
}

/// Opens what `seal` made for the same person.
pub(super) fn open(key: &Key, sealed: &str, owner: &str) -> anyhow::Result<Secret> {
    let wrong = || anyhow!("a sealed token cannot be opened: it was changed, or the key was");
    let whole = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| wrong())?;
    let (nonce, rest) = whole.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
    let mut bytes = rest.to_vec();
    let opened = sealing_key(key)?
        .open_in_place(nonce, Aad::from(owner.as_bytes()), &mut bytes)
        .map_err(|_| wrong())?;
    let text = String::from_utf8(opened.to_vec()).context("reading a sealed token");
    bytes.zeroize();
    Ok(Secret::new(text?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_token_opens_for_its_owner_and_its_key_only() {
        let (key, token) = (Key::new([7; 32]), Secret::new("refresh".to_owned()));
        let sealed = seal(&key, &token, "P-1").unwrap();
        assert!(!sealed.contains("refresh"));
        assert_eq!(open(&key, &sealed, "P-1").unwrap(), token);
        assert!(open(&key, &sealed, "P-2").is_err());
        assert!(open(&Key::new([8; 32]), &sealed, "P-1").is_err());
        assert!(open(&key, "short", "P-1").is_err());
        assert_ne!(seal(&key, &token, "P-1").unwrap(), sealed);
    }
}
