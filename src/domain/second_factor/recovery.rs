//! Recovery codes: ten codes on paper, each good once, for the day the phone is gone.

/// How many are made at a time; making new ones ends the old.
pub const RECOVERY_CODES: usize = 10;
/// Sixteen digits of five bits: nobody guesses eighty bits, and people can still type them.
const DIGITS: usize = 16;
const GROUP: usize = 4;
/// Crockford's base32 alphabet in lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Writes ten random bytes as a recovery code: `rc-7k3q-m2xd-0v8h-c4ne`.
pub fn recovery_code(random: [u8; 10]) -> String {
    let bits = random
        .iter()
        .fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let mut text = "rc".to_owned();
    for place in 0..DIGITS {
        if place % GROUP == 0 {
            text.push('-');
        }
        let digit = (bits >> (5 * (DIGITS - 1 - place))) & 31;
        let digit = usize::try_from(digit)
            .ok()
            .and_then(|digit| ALPHABET.get(digit));
        text.push(char::from(digit.copied().unwrap_or(b'0')));
    }
    text
}

/// Reads a recovery code as people type it: in any case, with or without dashes, with `o` for `0` and `i` or `l` for
/// `1`. The answer is the code as it was shown.
pub fn read(typed: &str) -> Option<String> {
    let plain: String = typed
        .chars()
        .filter(|c| !c.is_ascii_whitespace() && *c != '-')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let digits: Vec<u8> = plain
        .strip_prefix("rc")?
        .bytes()
        .map(|byte| match byte {
            b'o' => b'0',
            b'i' | b'l' => b'1',
            other => other,
        })
        .collect();
    if digits.len() != DIGITS || !digits.iter().all(|digit| ALPHABET.contains(digit)) {
        return None;
    }
    Some(digits.chunks(GROUP).fold("rc".to_owned(), |text, group| {
        text + "-" + &String::from_utf8_lossy(group)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = recovery_code([0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34]);
        assert_eq!(code.len(), 2 + 4 * 5);
        for typed in [
            code.clone(),
            code.to_uppercase(),
            code.replace('-', ""),
            code.replace('-', " "),
            code.replace('0', "O").replace('1', "l"),
        ] {
            assert_eq!(read(&typed).as_deref(), Some(code.as_str()), "{typed}");
        }
        for wrong in [
            "",
            "rc",
            "123456",
            "rc-7k3q",
            "rc-7k3q-m2xd-0v8h-c4nu",
            "xx-7k3q-m2xd-0v8h-c4ne",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn different_bytes_are_different_codes() {
        assert_ne!(
            recovery_code([0; 10]),
            recovery_code([0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        );
        assert_ne!(
            recovery_code([0; 10]),
            recovery_code([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        );
    }
}
