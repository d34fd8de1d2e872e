//! Files of keys, as sshd reads them: `authorized_keys` and those of authorities.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use chrono::{DateTime, Utc};
use ssh_key::{HashAlg, PublicKey};

use crate::secret::hash_of;

/// No file of keys is that long, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// What a file of keys has in it.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) lines: Vec<Line>,
    pub(super) changed_at: Option<DateTime<Utc>>,
}

/// A line that is neither empty nor a remark.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Key(Key),
    /// Here is no key that this program knows; sshd might know one. Its SHA-256, written like a fingerprint.
    Unread(String),
}

/// A key with what stands beside it; its own text is left in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) fingerprint: String,
    pub(super) algorithm: String,
    /// Whoever it signs a certificate for gets in.
    pub(super) is_authority: bool,
    /// What else stands before the key. Commands and variables may have secrets in them, so only a part of their hash is here.
    pub(super) options: Vec<String>,
    pub(super) comment: String,
}

/// Reads a file; none where there is none. Who owns it may put anything in its place, so nothing but a file is opened, and
/// no more of it is read than a file of keys can have.
pub(super) fn open(path: &Path) -> Result<Option<Keys>, String> {
    match std::fs::metadata(path) {
        // Merely to open a device can do something.
        Ok(about) if !about.is_file() => return Err("it is not a file".to_owned()),
        Ok(_) => {}
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|error| error.to_string())?;
    let about = file.metadata().map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let read = file.take(LONGEST + 1).read_to_end(&mut bytes);
    let read = read.map_err(|error| error.to_string())?;
    if u64::try_from(read).unwrap_or(u64::MAX) > LONGEST {
        return Err("it is too long".to_owned());
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(Keys {
        lines: text.lines().filter_map(Line::read).collect(),
        changed_at: DateTime::from_timestamp(about.mtime(), 0),
    }))
}

fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

impl Line {
    /// None where the line says nothing.
    fn read(line: &str) -> Option<Self> {
        let line = line.trim_matches([' ', '\t', '\r']);
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        // As sshd does: what is no key at once is options, and then a key.
        let key = Key::read(line, "").or_else(|| {
            let (options, rest) = split(line, &[' ', '\t'])?;
            Key::read(rest.trim_start_matches([' ', '\t']), options)
        });
        Some(key.map_or_else(|| Self::Unread(fingerprint(line)), Self::Key))
    }
}

impl Key {
    fn read(text: &str, options: &str) -> Option<Self> {
        let (algorithm, rest) = text.split_once([' ', '\t'])?;
        let rest = rest.trim_start_matches([' ', '\t']);
        let (key, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let public = PublicKey::from_openssh(&format!("{algorithm} {key}")).ok()?;
        let mut all = Vec::new();
        let mut left = options;
        while !left.is_empty() {
            let (option, rest) = split(left, &[',']).unwrap_or((left, ""));
            all.push(option);
            left = rest;
        }
        let before = all.len();
        all.retain(|option| !option.eq_ignore_ascii_case("cert-authority"));
        Some(Self {
            fingerprint: public.fingerprint(HashAlg::Sha256).to_string(),
            algorithm: algorithm.to_owned(),
            is_authority: all.len() < before,
            options: all.into_iter().map(told).collect(),
            comment: comment.trim().to_owned(),
        })
    }
}

/// An option as it may be told to others.
fn told(option: &str) -> String {
    match option.split_once('=') {
        Some((name, value))
            if ["command", "environment"]
                .iter()
                .any(|secret| name.eq_ignore_ascii_case(secret)) =>
        {
            let hash: String = fingerprint(value).chars().skip(7).take(8).collect();
            format!("{name}=(hash {hash})")
        }
        _ => option.to_owned(),
    }
}

/// The two parts around the first of these letters that is not in quotes.
fn split<'t>(text: &'t str, at: &[char]) -> Option<(&'t str, &'t str)> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, letter) in text.char_indices() {
        if !is_quoted && at.contains(&letter) {
            let (before, after) = text.split_at_checked(place)?;
            return Some((before, after.strip_prefix(letter)?));
        }
        if letter == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = letter == '\\';
    }
    None
}

/// The SHA-256 of a text, in the form in which those of keys are written.
pub(super) fn fingerprint(text: &str) -> String {
    ssh_key::Fingerprint::Sha256(hash_of(text)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first is that of OpenSSH's own tests.
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGyJAqsL3dGlXVsN7zu8XgZDZPWVxCzwFBXhqOPwRS0u";

    fn key(line: &str) -> Key {
        match Line::read(line) {
            Some(Line::Key(key)) => key,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn lines_are_taken_apart_as_sshd_does_it() {
        let plain = key(KEY);
        assert_eq!(
            (plain.algorithm.as_str(), plain.comment.as_str()),
            ("ssh-ed25519", "")
        );
        assert!(plain.options.is_empty() && !plain.is_authority);
        let same = [
            format!("  \t{KEY} ada@laptop of # three  \r"),
            format!(
                "no-pty,command=\"say \\\"a, b\\\" c\",from=\"10.0.0.0/8,!10.1.1.1\"\t{KEY}\tada@laptop"
            ),
            format!("Cert-Authority,principals=\"ada\" {KEY}"),
        ];
        let [commented, tied, authority] = same.each_ref().map(|line| key(line));
        for other in [&commented, &tied, &authority] {
            assert_eq!(other.fingerprint, plain.fingerprint);
        }
        assert_eq!(commented.comment, "ada@laptop of # three");
        assert_eq!(tied.options[0], "no-pty");
        assert_eq!(tied.options[2], "from=\"10.0.0.0/8,!10.1.1.1\"");
        assert!(authority.is_authority);
        assert_eq!(authority.options, ["principals=\"ada\""]);
    }

    #[test]
    fn what_a_command_is_stays_on_the_host_and_another_one_is_seen() {
        let [one, other] = ["backup -p hunter2", "backup -p hunter3"]
            .map(|command| key(&format!("command=\"{command}\" {KEY}")));
        assert!(!one.options[0].contains("hunter"), "{one:?}");
        assert!(one.options[0].starts_with("command=(hash "), "{one:?}");
        assert_ne!(one.options, other.options);
    }

    #[test]
    fn lines_without_a_key_are_told_and_empty_ones_are_not() {
        for line in ["", "   ", "# mine", "\t#"] {
            assert_eq!(Line::read(line), None, "{line}");
        }
        let broken = KEY.replace("AAAAC3", "AAAAC4");
        for line in [
            "ssh-ed25519",
            "hello there all",
            &broken,
            "no-pty",
            "\u{feff}ssh-rsa x",
        ] {
            let read = Line::read(line);
            assert!(matches!(read, Some(Line::Unread(_))), "{line}: {read:?}");
        }
        // An open quote swallows the key, for sshd as for us.
        let open = format!("command=\"x {KEY}");
        assert!(matches!(Line::read(&open), Some(Line::Unread(_))));
    }
}
