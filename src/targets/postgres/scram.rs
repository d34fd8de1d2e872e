//! The SCRAM-SHA-256 verifier of a password: what PostgreSQL stores, made here so that the password never travels.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

/// PostgreSQL's own count, and the least that some drivers accept. The passwords have 256 random bits, so more adds nothing.
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// Makes the verifier as `pg_authid.rolpassword` has it.
pub(super) fn verifier(password: &str, salt: &[u8; 16]) -> String {
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ROUNDS,
        salt,
        password.as_bytes(),
        &mut salted,
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client = hmac::sign(&key, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client.as_ref());
    let server = hmac::sign(&key, b"Server Key");
    format!(
        "SCRAM-SHA-256${ROUNDS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_what_another_implementation_makes() {
        // From Python's hashlib and hmac; that PostgreSQL accepts it is shown by every login in `tests/targets/`.
        let salt: [u8; 16] = STANDARD
            .decode("QSXCR+Q6sek8bf92ABCDEA==")
            .unwrap()
            .try_into()
            .unwrap();
        let (keys, expected) = (
            "OwHhGaNKMxZt0Z75Eu7I3DznibmvnCyuv431Jk6ORcU=:Z28AqqBqCqf8TuPnQ5joPS1Lgx8eg+/frBpJ8N0tmn4=",
            verifier("pencil", &salt),
        );
        assert_eq!(
            expected,
            format!("SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92ABCDEA==${keys}")
        );
    }
}
