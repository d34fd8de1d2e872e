//! `portcullis target`: what the owner of a host can find out on the host itself, and what the host tells the server.

mod accounts;
mod authorized;
mod finding;
mod keys;
mod sshd;
mod written;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use crate::cli::{Context, Exit, Failure};
use crate::domain::ids::TargetName;

use self::accounts::Account;
use self::finding::{Finding, Severity};

/// Look at a target from where it is
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Look on an SSH host, as root, for ways in that are no grants; ends with 1 when there are any
    ///
    /// It asks sshd for its settings as they hold for each account from this machine, and changes nothing: what a `Match`
    /// block says for other addresses is looked at for those that you name. `unsafe` is a way in that no
    /// grant backs, or one that outlives its grant; `broken` keeps grants from working; `weak` is worth a thought.
    Check {
        #[command(flatten)]
        host: Host,
    },
    /// List on an SSH host, as root, who gets in without a certificate of yours: keys, other authorities, passwords
    ///
    /// It reads the files of keys that sshd reads for each account, and changes nothing. Fingerprints are those of `ssh-keygen
    /// -l`; the key itself, commands and variables are shown and told to nobody. Accounts that a directory has are read from
    /// `getent passwd | portcullis target keys --accounts /dev/stdin`.
    Keys {
        #[command(flatten)]
        host: Host,
        /// Who has a password here
        #[arg(long, value_name = "FILE", default_value = "/etc/shadow")]
        passwords: PathBuf,
        /// Tell the server, as this target: it takes the list for the whole of what there is. It needs the token of a service
        /// account with the scope `report:TARGET`, in `PORTCULLIS_TOKEN`
        #[arg(long, value_name = "TARGET")]
        report: Option<TargetName>,
    },
}

/// Where on a host to look.
#[derive(Debug, clap::Args)]
struct Host {
    /// The authority of your Portcullis: its public key's file, or the fingerprint of that (SHA256:…). Without it any
    /// one authority will do
    #[arg(long, value_name = "KEY")]
    authority: Option<String>,
    /// The configuration that sshd is started with, where it is not the usual one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The program itself
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/sshd")]
    sshd: PathBuf,
    /// Who has an account here
    #[arg(long, value_name = "FILE", default_value = "/etc/passwd")]
    accounts: PathBuf,
    /// Look also at what holds for whoever comes from this address; may be given several times
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<IpAddr>,
}

impl Host {
    /// What sshd says of its settings, for one account from one address or before anybody is known.
    fn ask(&self, who: Option<(&str, IpAddr)>) -> Result<sshd::Settings, Failure> {
        sshd::Settings::ask(&self.sshd, self.config.as_deref(), who)
    }

    /// The fingerprint of the authority that was named.
    fn ours(&self) -> Result<Option<String>, Failure> {
        let named = self.authority.as_deref();
        named.map(written::fingerprint_of).transpose()
    }
}

/// From here everything on a host can be looked at.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Check { host } => check(context, host),
        Command::Keys {
            host,
            passwords,
            report,
        } => keys::run(context, host, passwords, report.as_ref()).await,
    }
}

fn check(context: &Context<'_>, host: &Host) -> Result<Exit, Failure> {
    let ours = host.ours()?;
    let people = accounts::read(&host.accounts)?;
    let mut found = Vec::new();
    let all = host.ask(None)?;
    written::authorities(&all, ours.as_deref(), &mut found);
    written::revoked(&all, &mut found);
    all.judge(None, &mut found);
    for account in &people {
        let own = host.ask(Some((account.name.as_str(), HERE)))?;
        let mut known = judged(account, &own, &account.name);
        for address in &host.addresses {
            let there = host.ask(Some((account.name.as_str(), *address)))?;
            let mut more = judged(account, &there, &format!("{} from {address}", account.name));
            more.retain(|one| !known.iter().any(|other| other.is_like(one)));
            known.append(&mut more);
        }
        found.append(&mut known);
    }
    let found = finding::together(found);
    show(context, &found, people.len())?;
    let is_bad = |finding: &Finding| finding.severity != Severity::Weak;
    Ok(if found.iter().any(is_bad) {
        Exit::REFUSED
    } else {
        Exit::DONE
    })
}

/// What is wrong for an account, by the settings that hold for it, and under the name by which it is told.
fn judged(account: &Account, settings: &sshd::Settings, name: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    settings.judge(Some(name), &mut found);
    accounts::keys(account, settings, name, &mut found);
    found
}

fn show(context: &Context<'_>, found: &[Finding], accounts: usize) -> Result<(), Failure> {
    context.printer.answer(&found, |printer| {
        for finding in found {
            let whom = finding.whom();
            printer.line(&format!(
                "{:<6}  {}: {}{whom}",
                finding.severity.as_str(),
                finding.code,
                finding.text
            ))?;
            printer.line(&format!("        {}", finding.fix))?;
        }
        let ways = found.iter().filter(|one| one.severity != Severity::Weak);
        printer.line(&match ways.count() {
            0 => format!("found no way in but grants ({accounts} accounts)"),
            1 => "1 thing is to be mended".to_owned(),
            many => format!("{many} things are to be mended"),
        })
    })
}

/// A file as people name it in a sentence.
fn named(path: &Path) -> String {
    format!("`{}`", path.display())
}
