//! Which passwords are no good: short ones, and those that everybody tries first.

use super::SecondFactorRefusal;

/// Longer than what is guessed from a list.
const SHORTEST: usize = 12;
/// Longer is hashed for nothing.
const LONGEST: usize = 256;
/// What passwords are made of that are tried first.
const OBVIOUS: [&str; 14] = [
    "password",
    "passwort",
    "passw0rd",
    "portcullis",
    "qwertz",
    "qwerty",
    "letmein",
    "welcome",
    "administrator",
    "admin",
    "changeme",
    "iloveyou",
    "abc123",
    "correcthorsebatterystaple",
];
/// With the obvious taken out, so much has to be left.
const REST: usize = 6;
/// Fewer different characters are a key held down.
const DIFFERENT: usize = 5;

/// Checks a password that somebody wants to have.
pub fn check_password(password: &str, name: &str) -> Result<(), SecondFactorRefusal> {
    let refuse = |why| Err(SecondFactorRefusal::BadPassword { why });
    let length = password.chars().count();
    if length < SHORTEST {
        return refuse("the password is too short: it needs 12 characters");
    }
    if length > LONGEST {
        return refuse("the password is too long: 256 characters are enough");
    }
    let plain = password.to_lowercase();
    let different: std::collections::BTreeSet<char> = plain.chars().collect();
    if different.len() < DIFFERENT {
        return refuse("the password has too few different characters");
    }
    let letters: Vec<u32> = plain.chars().map(u32::from).collect();
    let steps = letters
        .iter()
        .zip(letters.iter().skip(1))
        .filter(|(one, next)| one.abs_diff(**next) <= 1)
        .count();
    if steps * 4 >= letters.len() * 3 {
        return refuse("the password is a row of characters that follow one another");
    }
    let mut rest = plain.clone();
    for word in OBVIOUS.iter().copied().chain([name]) {
        if word.chars().count() >= 3 {
            rest = rest.replace(word, "");
        }
    }
    if rest.chars().count() < REST.min(length) && rest != plain {
        return refuse("the password is one that is guessed first");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_obvious_is_refused_and_a_sentence_is_not() {
        for bad in [
            "",
            "short",
            "elevenchars",
            "aaaaaaaaaaaaaaa",
            "abababababab",
            "abcdefghijklmnop",
            "123456789012",
            "password1234",
            "PasswordPassword",
            "Portcullis2026",
            "ada-lovelace1",
            "correcthorsebatterystaple",
            "admin-admin-1",
        ] {
            assert!(check_password(bad, "ada-lovelace").is_err(), "{bad}");
        }
        assert!(check_password(&"x1y2z".repeat(60), "ada").is_err());
        for good in [
            "the kettle sings at noon",
            "vier Wörter ohne Sinn",
            "k7#mQ2x!v9Lp",
            "my password is a long story",
        ] {
            assert_eq!(check_password(good, "ada"), Ok(()), "{good}");
        }
    }
}
