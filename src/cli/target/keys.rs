//! `portcullis target keys`: who gets in on this host without a certificate of ours, for its owner and for the server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::TargetName;
use crate::domain::report::{COMMENT_MAX, FILE_MAX, OPTIONS, OPTIONS_MAX, PIECES_MAX, TEXT_MAX};
use crate::wire::{HostKey, HostReport, UnreadKeys};

use super::accounts::{self, Account};
use super::authorized::{self, Line};
use super::sshd::Settings;
use super::{HERE, Host};

/// A file with more lines is told as one thing, or whoever owns it could keep the host from telling the rest.
const LINES_MAX: usize = 100;

/// Looks, shows, and tells the server where that is wanted.
pub(super) async fn run(
    context: &Context<'_>,
    host: &Host,
    passwords: &Path,
    target: Option<&TargetName>,
) -> Result<Exit, Failure> {
    let mut look = Look {
        passwords: Passwords::read(passwords),
        ..Look::default()
    };
    look.over(host)?;
    let Some(target) = target else {
        let ours = host.ours()?;
        let ours = ours.or_else(|| look.first_authority.clone());
        look.report.keys.retain(|key| {
            let is_ours = key.authority && Some(&key.fingerprint) == ours.as_ref();
            !is_ours
        });
        show(context, &look.report)?;
        return Ok(Exit::DONE);
    };
    let report = look.report;
    let pieces = pieces(&report);
    if pieces > PIECES_MAX {
        return Err(Failure::here(
            format!(
                "{pieces} keys and passwords open this host, and a report has {PIECES_MAX} at most"
            ),
            "`portcullis target keys` lists them: take out what nobody needs",
        ));
    }
    let client = context.client_that_asks_nobody()?;
    client
        .report_standing(target.as_str(), &report, &IdempotencyKey::new()?)
        .await?;
    context.printer.answer(&report, |printer| {
        let ways = match pieces {
            0 => "nothing".to_owned(),
            1 => "1 way in".to_owned(),
            many => format!("{many} ways in"),
        };
        printer.line(&format!("told the server what opens `{target}`: {ways}"))
    })?;
    Ok(Exit::DONE)
}

/// What is found on the way.
#[derive(Default)]
struct Look {
    report: HostReport,
    passwords: Passwords,
    /// Taken for ours where nobody says which is.
    first_authority: Option<String>,
    /// Files for accounts, so that each is read once for each.
    read: BTreeSet<(Option<String>, PathBuf)>,
}

impl Look {
    fn over(&mut self, host: &Host) -> Result<(), Failure> {
        let all = host.ask(None)?;
        if let Some(file) = all.one("trustedusercakeys") {
            self.file(None, Path::new(file), true);
            let first = self.report.keys.first();
            self.first_authority = first.map(|key| key.fingerprint.clone());
        }
        for account in accounts::read(&host.accounts)? {
            for address in [HERE].iter().chain(&host.addresses) {
                let own = host.ask(Some((account.name.as_str(), *address)))?;
                self.account(&account, &own, &all);
            }
        }
        Ok(())
    }

    /// What opens this account, by settings that hold for it.
    fn account(&mut self, account: &Account, own: &Settings, all: &Settings) {
        let root_login = own.one("permitrootlogin").unwrap_or_default();
        if account.is_root() && root_login == "no" {
            return;
        }
        let name = Some(account.name.clone());
        if !own.is("pubkeyauthentication", "no") {
            let authority = own.one("trustedusercakeys");
            if let Some(file) = authority.filter(|_| authority != all.one("trustedusercakeys")) {
                self.file(name.clone(), Path::new(file), true);
            }
            for file in account.key_files(own) {
                self.file(name.clone(), &file, false);
            }
            if let Some(command) = own.one("authorizedkeyscommand") {
                let everywhere = all.one("authorizedkeyscommand") == Some(command);
                let whose = name.clone().filter(|_| !everywhere);
                let program = command.split(' ').next().unwrap_or_default();
                if self.read.insert((whose.clone(), program.into())) {
                    let why = "a program says which keys open it";
                    self.unread(whose, Path::new(program), None, why);
                }
            }
        }
        let takes_passwords = own.is("passwordauthentication", "yes")
            || own.is("kbdinteractiveauthentication", "yes") && own.is("usepam", "yes");
        if takes_passwords && (!account.is_root() || root_login == "yes") {
            self.password(account, own.is("permitemptypasswords", "yes"));
        }
    }

    fn password(&mut self, account: &Account, may_be_empty: bool) {
        let has_one = match &self.passwords {
            Passwords::Known(known) => match known.get(&account.name).map(String::as_str) {
                // Nobody here knows: a directory may.
                None => false,
                Some("") => may_be_empty,
                Some(hash) => !hash.starts_with(['!', '*']),
            },
            Passwords::Unread(file, why) => {
                let (file, why) = (file.clone(), why.clone());
                if self.read.insert((None, file.clone())) {
                    self.unread(None, &file, None, &why);
                }
                false
            }
        };
        if has_one && !self.report.passwords.contains(&account.name) {
            self.report.passwords.push(account.name.clone());
        }
    }

    fn file(&mut self, account: Option<String>, path: &Path, of_authorities: bool) {
        if !self.read.insert((account.clone(), path.to_owned())) {
            return;
        }
        let keys = match authorized::open(path) {
            Ok(None) => return,
            Ok(Some(keys)) if keys.lines.len() <= LINES_MAX => keys,
            Ok(Some(_)) => {
                let why = format!("it has more than {LINES_MAX} keys");
                return self.unread(account, path, None, &why);
            }
            Err(why) => return self.unread(account, path, None, &why),
        };
        for line in keys.lines {
            match line {
                Line::Unread(hash) => {
                    let why = "no key that this version understands";
                    self.unread(account.clone(), path, Some(hash), why);
                }
                Line::Key(key) => self.report.keys.push(HostKey {
                    account: account.clone(),
                    fingerprint: key.fingerprint,
                    algorithm: tellable(&key.algorithm, TEXT_MAX),
                    authority: of_authorities || key.is_authority,
                    options: options(&key.options),
                    comment: tellable(&key.comment, COMMENT_MAX),
                    file: tellable(&path.to_string_lossy(), FILE_MAX),
                    changed_at: keys.changed_at,
                }),
            }
        }
    }

    fn unread(&mut self, account: Option<String>, path: &Path, line: Option<String>, why: &str) {
        self.report.unread.push(UnreadKeys {
            account,
            file: tellable(&path.to_string_lossy(), FILE_MAX),
            line,
            why: tellable(why, TEXT_MAX),
        });
    }
}

/// What the system knows of the accounts' passwords.
enum Passwords {
    /// What stands in their place, by account.
    Known(BTreeMap<String, String>),
    Unread(PathBuf, String),
}

impl Default for Passwords {
    fn default() -> Self {
        Self::Known(BTreeMap::new())
    }
}

impl Passwords {
    /// As `shadow(5)` has them.
    fn read(path: &Path) -> Self {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return Self::Unread(path.to_owned(), error.to_string()),
        };
        let entry = |line: &str| {
            let mut fields = line.split(':').map(str::to_owned);
            Some((fields.next()?, fields.next()?))
        };
        Self::Known(text.lines().filter_map(entry).collect())
    }
}

/// Options as a report may have them; where there are too many, another list of them is still another report.
fn options(options: &[String]) -> Vec<String> {
    let options: Vec<String> = options
        .iter()
        .map(|option| tellable(option, OPTIONS_MAX))
        .collect();
    let all = options.join(",");
    if all.chars().count() <= OPTIONS_MAX && options.len() <= OPTIONS {
        return options;
    }
    let hash = authorized::fingerprint(&all);
    vec![format!("too many to tell ({hash})")]
}

/// Text of the host as a report may have it.
fn tellable(text: &str, longest: usize) -> String {
    let plain = |letter: char| {
        if letter.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        }
    };
    text.chars().map(plain).take(longest).collect()
}

fn pieces(report: &HostReport) -> usize {
    report.keys.len() + report.passwords.len() + report.unread.len()
}

fn show(context: &Context<'_>, report: &HostReport) -> Result<(), Failure> {
    context.printer.answer(report, |printer| {
        let mut table = Table::new(&[
            ("ACCOUNT", Cut::Middle),
            ("WHAT", Cut::Never),
            ("FINGERPRINT", Cut::Never),
            ("TYPE", Cut::Middle),
            ("OPTIONS", Cut::End),
            ("COMMENT", Cut::Middle),
            ("FILE", Cut::Middle),
            ("FILE CHANGED", Cut::Never),
        ]);
        let whom = |account: &Option<String>| match account {
            Some(account) => account.clone(),
            None => "everybody".to_owned(),
        };
        for key in &report.keys {
            table.row([
                whom(&key.account),
                if key.authority { "authority" } else { "key" }.to_owned(),
                key.fingerprint.clone(),
                key.algorithm.clone(),
                key.options.join(","),
                key.comment.clone(),
                key.file.clone(),
                key.changed_at.map(words::moment).unwrap_or_default(),
            ]);
        }
        for account in &report.passwords {
            let none = String::new;
            let (account, what) = (account.clone(), "password".to_owned());
            table.row([account, what, none(), none(), none(), none(), none(), none()]);
        }
        for one in &report.unread {
            table.row([
                whom(&one.account),
                "unread".to_owned(),
                one.line.clone().unwrap_or_default(),
                String::new(),
                String::new(),
                one.why.clone(),
                one.file.clone(),
                String::new(),
            ]);
        }
        for head in ["FINGERPRINT", "TYPE", "OPTIONS", "COMMENT", "FILE", "FILE CHANGED"] {
            table.leave_out_empty(head);
        }
        printer.table(&table, "nobody gets in without a certificate of a grant")?;
        if report.keys.iter().any(|key| key.authority) {
            printer.note("an authority is worse than a key: whoever it signs a certificate for gets in, and nobody here knows who that is");
        }
        Ok(())
    })
}
