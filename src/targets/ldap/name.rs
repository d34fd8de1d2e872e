//! Names of entries and filters, as far as we have to read or write them ourselves (RFC 4514, RFC 4515).
//!
//! Almost everything is sent as a value of its own and needs no escaping. The exceptions are filters, which the library
//! takes as text, and the settings, which are checked before they are used.

/// A filter that finds entries with exactly this value.
pub(super) fn equals(attribute: &str, value: &str) -> String {
    format!("({attribute}={})", escaped(value))
}

/// A filter that finds entries with a value that begins so.
pub(super) fn begins(attribute: &str, start: &str) -> String {
    format!("({attribute}={}*)", escaped(start))
}

/// Everything but letters and digits as `\xx`: there is no list of special characters that could lack one.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("\\{byte:02x}"));
        }
    }
    out
}

/// The parts of the name of an entry, from its own to that of the root, in a form that can be compared. `None` when it
/// is not a name.
pub(super) fn parts(name: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ',' => parts.push(std::mem::take(&mut part)),
            '\\' => {
                let next = letters.next()?;
                part.push('\\');
                part.push(next);
                if next.is_ascii_hexdigit() {
                    part.push(letters.next().filter(char::is_ascii_hexdigit)?);
                } else if !" \"#+,;<=>\\".contains(next) {
                    return None;
                }
            }
            '"' | ';' | '<' | '>' => return None,
            letter if letter.is_control() => return None,
            letter => part.push(letter),
        }
    }
    parts.push(part);
    parts.iter().map(|part| comparable(part)).collect()
}

fn comparable(part: &str) -> Option<String> {
    let (attribute, value) = part.split_once('=')?;
    let (attribute, value) = (attribute.trim(), value.trim());
    (is_attribute(attribute) && !value.is_empty())
        .then(|| format!("{attribute}={value}").to_lowercase())
}

/// Whether one entry is below another. A name that is only written otherwise is refused rather than believed.
pub(super) fn is_under(name: &str, base: &str) -> bool {
    match (parts(name), parts(base)) {
        (Some(name), Some(base)) => name.len() > base.len() && name.ends_with(&base),
        _ => false,
    }
}

/// Whether both name the same entry, as far as that can be told.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    parts(one).is_some_and(|one| parts(other) == Some(one))
}

/// Whether this is the name of an attribute.
pub(super) fn is_attribute(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_holds_nothing_that_means_something() {
        assert_eq!(
            equals("uid", "*)(uid=*))(|(uid=*"),
            r"(uid=\2a\29\28uid\3d\2a\29\29\28\7c\28uid\3d\2a)"
        );
        assert_eq!(equals("uid", "a\\2a\0ä"), r"(uid=a\5c2a\00\c3\a4)");
        assert_eq!(
            begins("description", "pcl_a *"),
            r"(description=pcl\5fa\20\2a*)"
        );
    }

    #[test]
    fn names_are_read_or_refused() {
        for good in [
            "dc=com",
            "cn=dba,ou=groups,dc=example,dc=com",
            "CN = Smith\\, John , dc=com",
            "cn=a\\2cb+sn=c,dc=com",
            "cn=\\#1\\ ,dc=com",
        ] {
            assert!(parts(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "dba",
            "cn=",
            "=x",
            "cn=a,",
            ",cn=a",
            "cn=a,,dc=b",
            "cn=a\\",
            "cn=a\\zz",
            "cn=a\\2",
            "cn=\"a\"",
            "cn=a;dc=b",
            "cn=<a>",
            "cn=a\nb",
            "1n=a",
        ] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn below_is_said_of_whole_parts() {
        let base = "ou=groups,dc=example,dc=com";
        assert!(is_under("cn=dba, OU=Groups, dc=example, dc=com", base));
        assert!(is_under("cn=dba,ou=eu,ou=groups,dc=example,dc=com", base));
        for other in [
            base,
            "cn=dba,ou=people,dc=example,dc=com",
            "cn=dba,xou=groups,dc=example,dc=com",
            "cn=dba\\,ou=groups,dc=example,dc=com",
            "dc=com",
        ] {
            assert!(!is_under(other, base), "{other}");
        }
    }
}
