//! Codes of authenticator applications (RFC 6238): SHA-1, six digits, thirty seconds, as every such application does.

use ring::hmac;

use super::{Secret, same};

/// How long a code is shown.
pub const STEP_SECONDS: i64 = 30;
/// A clock may be wrong by one step to either side.
const LEEWAY: i64 = 1;
const DIGITS: usize = 6;
/// RFC 4648, as applications want it.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The secret that an authenticator application shares with us.
pub struct Totp([u8; 20]);

impl Totp {
    /// Takes the first 160 bits of a derived secret.
    pub fn new(derived: [u8; 32]) -> Self {
        let mut bytes = [0; 20];
        for (slot, byte) in bytes.iter_mut().zip(derived) {
            *slot = byte;
        }
        Self(bytes)
    }

    /// The secret in letters and digits, as people type it who cannot scan.
    pub fn text(&self) -> Secret {
        Secret::new(base32(&self.0))
    }

    /// The code of a step.
    pub fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let bytes = tag.as_ref();
        let offset = usize::from(bytes.last().copied().unwrap_or_default() & 15);
        let word = bytes
            .iter()
            .skip(offset)
            .take(4)
            .fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
        format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
    }

    /// The step whose code this is, if it is one of now. It takes as long for a wrong code as for a right one.
    pub fn step_of(&self, typed: &str, unix_seconds: i64) -> Option<i64> {
        let digits = canonical(typed)?;
        let present = unix_seconds.div_euclid(STEP_SECONDS);
        let mut found = None;
        for step in present - LEEWAY..=present + LEEWAY {
            if same(self.code(step).as_bytes(), digits.as_bytes()) {
                found = Some(step);
            }
        }
        found
    }
}

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Totp(…)")
    }
}

/// The six digits of a code that somebody typed, perhaps with the space in the middle that applications show.
pub fn canonical(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(|c| *c != ' ').collect();
    let fits = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    (fits && typed.len() <= 16).then_some(digits)
}

fn base32(bytes: &[u8]) -> String {
    bytes
        .chunks(5)
        .flat_map(|chunk| {
            let bits = chunk
                .iter()
                .fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
            (0..8)
                .rev()
                .map(move |place| (bits >> (5 * place)) & 31)
                .map(|digit| {
                    let digit = usize::try_from(digit).ok().and_then(|at| BASE32.get(at));
                    char::from(digit.copied().unwrap_or(b'A'))
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_the_rfc() -> Totp {
        Totp(*b"12345678901234567890")
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // Appendix B of RFC 6238, the last six of its eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(of_the_rfc().code(seconds / 30), code, "{seconds}");
            assert_eq!(of_the_rfc().step_of(code, seconds), Some(seconds / 30));
        }
        assert_eq!(
            of_the_rfc().text().expose(),
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        );
    }

    #[test]
    fn a_clock_may_be_wrong_by_half_a_minute_and_no_more() {
        let now = 1_234_567_890;
        for (late, taken) in [(-60, false), (-30, true), (30, true), (60, false)] {
            let code = of_the_rfc().code((now + late) / 30);
            assert_eq!(of_the_rfc().step_of(&code, now).is_some(), taken, "{late}");
        }
    }

    #[test]
    fn spellings_of_one_code_are_one_code_and_others_are_none() {
        for typed in ["287082", "287 082", " 287082 ", "28 70 82"] {
            assert_eq!(canonical(typed).as_deref(), Some("287082"), "{typed}");
        }
        for wrong in [
            "",
            "28708",
            "2870820",
            "２８７０８２",
            "+87082",
            "-287082",
            "28708a",
            "287\u{a0}082",
            "287082\n",
            "0287082",
            "287.082",
            "                  287082",
        ] {
            assert_eq!(canonical(wrong), None, "{wrong:?}");
        }
    }
}
