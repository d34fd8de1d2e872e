//! What a host says of itself: who gets in there without a certificate of ours.
//!
//! Portcullis does not log in to hosts, so it cannot look. A report is the whole of what there is: what is not in it any
//! more is gone. It comes from outside, so every text in it is hostile, and what the sentences say is put together here.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::extent::Place;
use super::ids::TargetName;
use super::permit::{Action, HOST_OR_ADMIN, permit_at};
use super::principal::{Principal, ProductRole};
use super::refusal::Refusal;
use super::standing::{Found, StandingKind};

/// Pieces in one report; on a host with more of them nobody would settle one by one.
pub const PIECES_MAX: usize = 500;
/// Letters of a path, at most.
pub const FILE_MAX: usize = 256;
/// Letters of a key's comment, at most.
pub const COMMENT_MAX: usize = 100;
/// Letters of all options of a key together, at most.
pub const OPTIONS_MAX: usize = 600;
/// Options of a key, at most.
pub const OPTIONS: usize = 50;
/// Letters of any other text, at most.
pub const TEXT_MAX: usize = 128;

/// A host is asked about that was silent for longer: reports come every five minutes.
const SILENT: TimeDelta = TimeDelta::days(1);

/// Who gets in on a host beside grants, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostReport {
    pub keys: Vec<HostKey>,
    /// Accounts that let somebody in with a password.
    pub passwords: Vec<String>,
    pub unread: Vec<Unread>,
}

/// A key that a host lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// Every account where there is none.
    pub account: Option<String>,
    /// `SHA256:…`, as `ssh-keygen -l` writes it; the key itself is never told.
    pub fingerprint: String,
    pub algorithm: String,
    /// It is an authority: whoever it signs a certificate for gets in.
    pub is_authority: bool,
    pub options: Vec<String>,
    pub comment: String,
    pub file: String,
    /// When the file was changed last; the key is at least as old.
    pub changed_at: Option<DateTime<Utc>>,
}

/// Something that may let somebody in, and that the host could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Every account where there is none.
    pub account: Option<String>,
    pub file: String,
    /// The fingerprint of one line; none where it is the whole file.
    pub line: Option<String>,
    pub why: String,
}

/// Whether somebody may report for this target: the target itself, or an admin who stands before it.
pub fn may_report(who: &Principal, target: &TargetName, place: Place<'_>) -> Result<(), Refusal> {
    permit_at(who, Action::ReportStanding, place)?;
    // INVARIANT: whoever reads the metrics says nothing about a host, and a host nothing about another
    // (`a_host_reports_for_itself_alone`).
    let may = match &who.service {
        Some(service) => service.may_report(target),
        None => who.roles.extent(ProductRole::Admin).covers(place),
    };
    if may {
        return Ok(());
    }
    Err(Refusal::NotAllowed {
        action: Action::ReportStanding.phrase(),
        needs: HOST_OR_ADMIN,
    })
}

/// Whether a host that reported at this moment, and not since, has to be asked about.
pub fn is_silent(reported_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - reported_at > SILENT
}

impl HostReport {
    /// Refuses what no host of ours would say.
    pub fn check(&self) -> Result<(), Refusal> {
        let bad = |field: &str, why: String| Refusal::BadInput {
            field: field.to_owned(),
            why,
        };
        let pieces = self.keys.len() + self.passwords.len() + self.unread.len();
        if pieces > PIECES_MAX {
            let why = format!("a report has {PIECES_MAX} pieces at most, and this one {pieces}");
            return Err(bad("keys", why));
        }
        let accounts = self.keys.iter().map(|key| ("keys", &key.account));
        let accounts = accounts.chain(self.unread.iter().map(|one| ("unread", &one.account)));
        let accounts = accounts.filter_map(|(field, name)| Some((field, name.as_ref()?)));
        let passwords = self.passwords.iter().map(|name| ("passwords", name));
        for (field, name) in accounts.chain(passwords) {
            if !is_account(name) {
                let why = format!("`{}` is not an account name", name.escape_default());
                return Err(bad(field, why));
            }
        }
        let prints = self.keys.iter().map(|key| ("keys", &key.fingerprint));
        let lines = self.unread.iter().filter_map(|one| one.line.as_ref());
        for (field, print) in prints.chain(lines.map(|line| ("unread", line))) {
            if !is_fingerprint(print) {
                let why = "fingerprints are like those of `ssh-keygen -l`, `SHA256:…`".to_owned();
                return Err(bad(field, why));
            }
        }
        let of_key = |key: &HostKey| {
            is_text(&key.algorithm, TEXT_MAX)
                && !key.algorithm.is_empty()
                && key.options.len() <= OPTIONS
                && is_text(&key.options.join(","), OPTIONS_MAX)
                && is_text(&key.comment, COMMENT_MAX)
                && is_text(&key.file, FILE_MAX)
        };
        let of_unread = |one: &Unread| is_text(&one.file, FILE_MAX) && is_text(&one.why, TEXT_MAX);
        let long = || "a text is too long, or has control characters".to_owned();
        if !self.keys.iter().all(of_key) {
            return Err(bad("keys", long()));
        }
        if !self.unread.iter().all(of_unread) {
            return Err(bad("unread", long()));
        }
        Ok(())
    }

    /// The standing access that it shows. The authority with the fingerprint `ours` signs for grants and for nothing else.
    pub fn standing(&self, ours: &str, now: DateTime<Utc>) -> Vec<Found> {
        let mut all: BTreeMap<(StandingKind, String), Found> = BTreeMap::new();
        let mut add = |kind, subject: String, rights: Vec<String>, since: Option<DateTime<Utc>>| {
            // A clock that is ahead, or a file with a made-up time, says nothing.
            let since = since.filter(|since| (DateTime::UNIX_EPOCH..=now).contains(since));
            let key = (kind, subject.clone());
            let found = all.entry(key).or_insert_with(|| Found {
                kind,
                subject,
                rights: Vec::new(),
                since,
            });
            found.since = found.since.min(since).or(found.since).or(since);
            found.rights.extend(rights);
        };
        let is_ours = |key: &&HostKey| key.is_authority && key.fingerprint == ours;
        for key in self.keys.iter().filter(|key| !is_ours(key)) {
            let whom = key.account.as_deref().unwrap_or(EVERYBODY);
            let subject = format!("{whom} {}", key.fingerprint);
            add(StandingKind::Key, subject, key.rights(), key.changed_at);
        }
        for account in &self.passwords {
            let rights = vec!["may log in with a password".to_owned()];
            add(StandingKind::Account, account.clone(), rights, None);
        }
        for one in &self.unread {
            let whom = one.account.as_deref().unwrap_or(EVERYBODY);
            let (subject, what) = match &one.line {
                Some(line) => (format!("{whom} {line}"), "a line"),
                None => (format!("{whom} {}", one.file), "keys"),
            };
            let rights = vec![format!(
                "{what} in `{}` nobody could read: {}",
                one.file, one.why
            )];
            add(StandingKind::Key, subject, rights, None);
        }
        let sorted = |mut found: Found| {
            found.rights.sort();
            found.rights.dedup();
            found
        };
        all.into_values().map(sorted).collect()
    }
}

/// Stands in the place of an account where something holds for all of them.
const EVERYBODY: &str = "everybody";

impl HostKey {
    /// Each difference makes another sentence: an option that falls away lets somebody do more, so it must not look as if
    /// a right had gone.
    fn rights(&self) -> Vec<String> {
        let what = if self.is_authority {
            "whoever this authority signs for may log in"
        } else {
            "may log in"
        };
        let how = match self.options.as_slice() {
            [] => String::new(),
            options => format!(" with `{}`", options.join(",")),
        };
        let whose = match self.comment.as_str() {
            "" => String::new(),
            comment => format!(" `{comment}`"),
        };
        vec![
            format!("{what}{how}"),
            format!("{}{whose} in `{}`", self.algorithm, self.file),
        ]
    }
}

fn is_account(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-$".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

fn is_fingerprint(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/".contains(&byte);
    text.strip_prefix("SHA256:")
        .is_some_and(|rest| rest.len() == 43 && rest.bytes().all(is_digit))
}

fn is_text(text: &str, longest: usize) -> bool {
    text.chars().count() <= longest && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::PrincipalId;
    use crate::domain::principal::PrincipalRef;
    use crate::domain::roles::GivenRole;
    use crate::domain::service::Service;

    fn now() -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn print(letter: char) -> String {
        format!("SHA256:{}", letter.to_string().repeat(43))
    }

    fn key(letter: char) -> HostKey {
        HostKey {
            account: Some("ada".to_owned()),
            fingerprint: print(letter),
            algorithm: "ssh-ed25519".to_owned(),
            is_authority: false,
            options: Vec::new(),
            comment: "ada@laptop".to_owned(),
            file: "/home/ada/.ssh/authorized_keys".to_owned(),
            changed_at: None,
        }
    }

    fn report(keys: &[HostKey]) -> HostReport {
        HostReport {
            keys: keys.to_vec(),
            passwords: Vec::new(),
            unread: Vec::new(),
        }
    }

    fn told(report: &HostReport) -> Vec<(String, String)> {
        let found = report.standing(&print('O'), now()).into_iter();
        found
            .map(|found| (found.subject, found.rights.join("; ")))
            .collect()
    }

    #[test]
    fn a_key_is_told_with_what_it_may_and_where_it_is() {
        let mut tied = key('b');
        tied.options = ["from=\"10.0.0.0/8\"".to_owned(), "no-pty".to_owned()].into();
        tied.comment = String::new();
        let said = told(&report(&[key('a'), tied]));
        let file = "in `/home/ada/.ssh/authorized_keys`";
        let plain = format!("may log in; ssh-ed25519 `ada@laptop` {file}");
        let options = format!("may log in with `from=\"10.0.0.0/8\",no-pty`; ssh-ed25519 {file}");
        assert_eq!(
            said,
            [
                (format!("ada {}", print('a')), plain),
                (format!("ada {}", print('b')), options)
            ]
        );
    }

    #[test]
    fn our_own_authority_is_no_standing_access_and_every_other_is() {
        let authority = |letter, account: Option<&str>| HostKey {
            is_authority: true,
            account: account.map(str::to_owned),
            ..key(letter)
        };
        let all = report(&[
            authority('O', None),
            authority('x', None),
            authority('x', Some("ada")),
        ]);
        let subjects: Vec<String> = told(&all).into_iter().map(|(subject, _)| subject).collect();
        assert_eq!(
            subjects,
            [
                format!("ada {}", print('x')),
                format!("everybody {}", print('x'))
            ]
        );
        assert!(
            told(&all)
                .iter()
                .all(|(_, rights)| rights.contains("whoever this authority signs for may log in"))
        );
        // A key of ours that logs in by itself is a key like any other.
        assert_eq!(told(&report(&[key('O')])).len(), 1);
    }

    #[test]
    fn the_same_key_in_two_files_is_one_piece_that_is_as_old_as_the_older() {
        let (mut here, mut there) = (key('a'), key('a'));
        here.changed_at = Some(now() - TimeDelta::days(3));
        there.changed_at = Some(now() - TimeDelta::days(5));
        there.file = "/etc/keys/ada".to_owned();
        for order in [[&here, &there], [&there, &here]] {
            let all = report(&order.map(Clone::clone)).standing("", now());
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].since, there.changed_at);
            assert_eq!(all[0].rights.len(), 3);
        }
        here.changed_at = Some(now() + TimeDelta::days(3));
        assert_eq!(report(&[here]).standing("", now())[0].since, None);
    }

    #[test]
    fn what_no_host_of_ours_would_say_is_refused() {
        let wrong: [fn(&mut HostKey); 8] = [
            |key| key.account = Some("ada lovelace".to_owned()),
            |key| key.account = Some(String::new()),
            |key| key.fingerprint = "MD5:00".to_owned(),
            |key| key.algorithm = String::new(),
            |key| key.comment = "\u{1b}[2J".to_owned(),
            |key| key.comment = "x".repeat(COMMENT_MAX + 1),
            |key| key.file = "a\0b".to_owned(),
            |key| key.options = vec!["x".repeat(300); 3],
        ];
        assert_eq!(report(&[key('a')]).check(), Ok(()));
        for spoil in wrong {
            let mut spoilt = key('a');
            spoil(&mut spoilt);
            let code = report(&[spoilt]).check().unwrap_err().code();
            assert_eq!(code, "bad-input");
        }
        let many = vec![key('a'); PIECES_MAX + 1];
        assert!(report(&many).check().is_err());
    }

    #[test]
    fn a_host_reports_for_itself_alone() {
        let web: TargetName = "web-1".parse().unwrap();
        let who = |roles: &[&str], scopes: &[&str]| Principal {
            id: PrincipalId::from_bits(1),
            name: "web".parse().unwrap(),
            roles: roles
                .iter()
                .map(|role| role.parse::<GivenRole>().unwrap())
                .collect(),
            groups: [].into(),
            service: (!scopes.is_empty()).then(|| Service {
                owner: PrincipalRef {
                    id: PrincipalId::from_bits(2),
                    name: "ada".parse().unwrap(),
                },
                scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
                maker: None,
            }),
        };
        let may = |who: &Principal| may_report(who, &web, Place::On(None)).is_ok();
        assert!(may(&who(&["operator"], &["report:web-1"])));
        assert!(may(&who(&["operator"], &["report:web-2", "report:web-1"])));
        assert!(may(&who(&["admin"], &[])));
        assert!(!may(&who(&["operator"], &["report:web-2"])));
        assert!(!may(&who(
            &["operator", "admin"],
            &["metrics", "read", "request:*/*"]
        )));
        for role in [
            "operator",
            "reviewer",
            "auditor",
            "requester",
            "admin@env:prod",
        ] {
            assert!(!may(&who(&[role], &[])), "{role}");
        }
    }
}
