//! Who has an account on the host, and which keys let them in for good.

use std::path::{Path, PathBuf};

use crate::cli::Failure;

use super::authorized::{self, Line};
use super::finding::{Finding, Severity};
use super::named;
use super::sshd::Settings;

/// Somebody who may log in.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: String,
    number: String,
    home: PathBuf,
}

/// Everybody in the file whose shell is one, as `passwd(5)` has them.
pub(super) fn read(path: &Path) -> Result<Vec<Account>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let text = format!("{} cannot be read: {error}", named(path));
        Failure::here(text, "name the file of accounts with --accounts")
    })?;
    let account = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        let (home, shell) = (fields.nth(2)?, fields.next()?);
        let opens = !["/nologin", "/false", "/sync", "/shutdown", "/halt"]
            .iter()
            .any(|end| shell.ends_with(end));
        // What sshd is asked takes names apart at commas and spaces.
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-$".contains(letter);
        (opens && !name.is_empty() && name.chars().all(plain)).then(|| Account {
            name: name.to_owned(),
            number: number.to_owned(),
            home: home.into(),
        })
    };
    Ok(text.lines().filter_map(account).collect())
}

/// Keys that let this account in by themselves: standing access.
pub(super) fn keys(account: &Account, settings: &Settings, name: &str, found: &mut Vec<Finding>) {
    for path in account.key_files(settings) {
        let shown = named(&path);
        let mut note = |severity, code, text, fix: &str| {
            found.push(Finding::new(severity, code, text, fix).on(Some(name)));
        };
        let lines = match authorized::open(&path) {
            Ok(keys) => keys.map(|keys| keys.lines).unwrap_or_default(),
            Err(why) => {
                let text = format!("nobody knows which keys are in {shown}: {why}");
                note(Severity::Unsafe, "keys-unread", text, "look into it");
                continue;
            }
        };
        let is_authority = |line: &Line| matches!(line, Line::Key(key) if key.is_authority);
        if lines.iter().any(is_authority) {
            let text = format!(
                "{shown} trusts an authority of its own, and a certificate of that opens the account"
            );
            let fix = "name the authority in TrustedUserCAKeys alone";
            note(Severity::Unsafe, "authority-in-keys", text, fix);
        }
        if !lines.is_empty() {
            let text = match lines.len() {
                1 => format!("1 key in {shown} lets somebody in for good"),
                many => format!("{many} keys in {shown} let somebody in for good"),
            };
            let fix = "take them out, or AuthorizedKeysFile none";
            note(Severity::Unsafe, "standing-keys", text, fix);
        }
    }
}

impl Account {
    /// Whether sshd treats it as root.
    pub(super) fn is_root(&self) -> bool {
        self.number.trim_start_matches('0').is_empty() && !self.number.is_empty()
    }

    /// The files whose keys open this account, by the settings that hold for it.
    pub(super) fn key_files(&self, settings: &Settings) -> Vec<PathBuf> {
        let patterns = settings.one("authorizedkeysfile").unwrap_or_default();
        let patterns = patterns.split(' ').filter(|pattern| !pattern.is_empty());
        patterns.map(|pattern| self.file(pattern)).collect()
    }

    /// The file that a pattern of `AuthorizedKeysFile` means for this account, as `sshd_config(5)` says.
    fn file(&self, pattern: &str) -> PathBuf {
        let mut path = String::new();
        let mut letters = pattern.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => match letters.next() {
                    Some('h') => path.push_str(&self.home.to_string_lossy()),
                    Some('u') => path.push_str(&self.name),
                    Some('U') => path.push_str(&self.number),
                    Some(other) => path.push(other),
                    None => {}
                },
                letter => path.push(letter),
            }
        }
        // What does not begin with `/` is below the home.
        self.home.join(path)
    }
}
