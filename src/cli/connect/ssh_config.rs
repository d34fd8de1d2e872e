//! `portcullis ssh-config`: the part of ssh's configuration that makes plain `ssh`, `scp`, `rsync` and `git` use grants.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::connect::ssh_files::{CONFIG, cannot, quoted, replace};
use crate::cli::context::environment;
use crate::cli::{Context, Exit, Failure, keep};
use crate::domain::ids::TargetName;
use crate::wire::TargetView;

/// The file beside ssh's own configuration.
const OURS: &str = "portcullis.conf";
/// What would mean something else to ssh or to a shell than a letter of a path.
const SPECIAL: &str = "\"'\\%*?[]{}$`~";

/// Print what lets plain ssh, scp, rsync and git use your grants, for ssh's configuration
///
/// For every host of the catalogue ssh then asks `portcullis ssh-match` before it connects. An active grant gives it a fresh
/// certificate, the account and the host's pinned key. Without one ssh goes on as if Portcullis were not there, and
/// a line says how to ask. Write it again when the catalogue has new hosts.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  portcullis ssh-config --install\n  ssh web-1\n  scp web-1:/var/log/app.log ."
)]
pub(in crate::cli) struct Arguments {
    /// Write it to `~/.ssh/portcullis.conf`, and include that at the top of `~/.ssh/config`
    #[arg(long)]
    install: bool,
}

/// A host, and the names by which ssh knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Host {
    target: TargetName,
    names: Vec<String>,
}

pub(in crate::cli) async fn run(
    context: &Context<'_>,
    arguments: &Arguments,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let targets = client.targets().await?.items;
    keep::catalogue(context, &client, &targets);
    let hosts = hosts(&targets);
    let folder = folder(context)?;
    let text = written(&hosts, &program(context)?, &folder)?;
    if !arguments.install {
        context
            .printer
            .answer(&hosts, |printer| printer.script(&text))?;
        return Ok(Exit::DONE);
    }
    let ours = install(&text)?;
    context.printer.answer(&hosts, |printer| {
        printer.line(&match hosts.len() {
            1 => format!("1 host is in `{}`", ours.display()),
            count => format!("{count} hosts are in `{}`", ours.display()),
        })
    })?;
    Ok(Exit::DONE)
}

/// Every host of the catalogue by the target's name, and by its address where that is its alone.
fn hosts(targets: &[TargetView]) -> Vec<Host> {
    let known: Vec<(TargetName, Option<String>)> = targets
        .iter()
        .filter(|target| target.kind == "ssh")
        .filter_map(|target| {
            let address = target.host.clone().filter(|host| is_plain(host));
            Some((target.name.parse().ok()?, address))
        })
        .collect();
    let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, address) in &known {
        *shared.entry(name.as_str()).or_default() += 1;
        if let Some(address) = address
            .as_deref()
            .filter(|address| address != &name.as_str())
        {
            *shared.entry(address).or_default() += 1;
        }
    }
    let alone = |address: &&String| shared.get(address.as_str()) == Some(&1);
    let hosts = known.iter().map(|(target, address)| {
        let address = address
            .iter()
            .filter(|address| address.as_str() != target.as_str())
            .filter(alone);
        let names = std::iter::once(target.to_string()).chain(address.cloned());
        Host {
            target: target.clone(),
            names: names.collect(),
        }
    });
    hosts.collect()
}

/// Whether an address is one in ssh's list of hosts, and no pattern.
fn is_plain(address: &str) -> bool {
    let mut bytes = address.bytes();
    let begins = |byte: u8| byte.is_ascii_alphanumeric() || byte == b':';
    bytes.next().is_some_and(begins)
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b".:-_".contains(&byte))
}

/// What ssh reads.
fn written(hosts: &[Host], program: &str, folder: &Path) -> Result<String, Failure> {
    let mut text = "# Made by `portcullis ssh-config`: hosts that a grant opens. It is written anew as a whole.\n".to_owned();
    for Host { target, names } in hosts {
        let included = folder.join(target.as_str()).join(CONFIG);
        text.push_str(&format!(
            "\nMatch host {} exec \"{program} ssh-match --folder {} {target}\"\n  Include \"{}\"\n",
            names.join(","),
            word(&folder.to_string_lossy())?,
            included.display(),
        ));
    }
    Ok(text)
}

/// How ssh calls this program, with the server that is meant now.
fn program(context: &Context<'_>) -> Result<String, Failure> {
    let own = std::env::current_exe()
        .map_err(|error| cannot("the place of this program is not known", &error))?;
    let mut program = word(&own.to_string_lossy())?;
    if context.is_told_where() {
        program.push_str(&format!(
            " --server {}",
            word(&context.servers()?.to_string())?
        ));
    }
    Ok(program)
}

/// A word for the shell that is also one in ssh's configuration.
fn word(text: &str) -> Result<String, Failure> {
    let special = |letter: char| letter.is_control() || SPECIAL.contains(letter);
    if text.contains(special) {
        return Err(Failure::here(
            format!("`{text}` cannot stand in a configuration of ssh"),
            "use a path without quotes, `%`, `$` and patterns",
        ));
    }
    Ok(quoted(text))
}

/// Where the files for ssh are: in memory where the system has such a place, else with all that is kept.
fn folder(context: &Context<'_>) -> Result<PathBuf, Failure> {
    let runtime = environment("XDG_RUNTIME_DIR").map(PathBuf::from);
    let base = match runtime.filter(|folder| folder.is_absolute() && folder.is_dir()) {
        Some(runtime) => runtime.join("portcullis"),
        None => context.state()?.path().join("ssh"),
    };
    Ok(base.join(context.servers()?.first().file_stem()))
}

/// Writes our file, and has ssh's own include it before anything else, because ssh takes the first value of each setting.
fn install(text: &str) -> Result<PathBuf, Failure> {
    let home = etcetera::home_dir()
        .map_err(|_| Failure::here("your home folder is not known", "set `HOME`"))?;
    let folder = home.join(".ssh");
    if !folder.exists() {
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| cannot("the folder `~/.ssh` cannot be made", &error))?;
    }
    let ours = folder.join(OURS);
    // Checked before anything is written: it is named in a line of the configuration.
    word(&ours.to_string_lossy())?;
    replace(&ours, text).map_err(|error| cannot("the file cannot be written", &error))?;
    let unreadable = |error: std::io::Error| cannot("`~/.ssh/config` cannot be changed", &error);
    let config = folder.join("config");
    let before = match fs::read_to_string(&config) {
        Ok(before) => before,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unreadable(error)),
    };
    let line = format!("Include \"{}\"", ours.display());
    if before.lines().any(|known| known.trim() == line) {
        return Ok(ours);
    }
    // People keep such files elsewhere and link to them.
    let real = fs::canonicalize(&config).unwrap_or(config);
    let beside = real.parent().unwrap_or(&folder);
    let mut file = tempfile::NamedTempFile::new_in(beside).map_err(unreadable)?;
    write!(file, "{line}\n{before}").map_err(unreadable)?;
    if let Ok(about) = fs::metadata(&real) {
        fs::set_permissions(file.path(), about.permissions()).map_err(unreadable)?;
    }
    file.persist(&real)
        .map_err(|error| unreadable(error.error))?;
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, kind: &str, host: &str) -> TargetView {
        let json = serde_json::json!({
            "name": name, "kind": kind, "enforcement": "A", "description": "", "tags": {}, "roles": [],
            "host": (!host.is_empty()).then_some(host),
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_host_has_the_name_of_the_target_and_an_address_that_is_its_alone() {
        let targets = [
            target("web-1", "ssh", "web-1.example.com"),
            target("web-2", "ssh", "10.0.0.2"),
            target("web-2-root", "ssh", "10.0.0.2"),
            target("web-3", "ssh", "web-3"),
            target("web-4", "ssh", "web-1"),
            target("hidden", "ssh", ""),
            target("hostile", "ssh", "*,!x exec \"evil\""),
            target("orders-db", "postgres", "db.example.com"),
        ];
        let names: Vec<String> = hosts(&targets)
            .iter()
            .map(|host| host.names.join(","))
            .collect();
        assert_eq!(
            names,
            [
                "web-1,web-1.example.com",
                "web-2",
                "web-2-root",
                "web-3",
                "web-4",
                "hidden",
                "hostile"
            ]
        );
    }

    #[test]
    fn nothing_but_words_gets_into_the_configuration() {
        assert_eq!(
            word("/opt/a b/portcullis").unwrap(),
            "'/opt/a b/portcullis'"
        );
        for text in ["a\"b", "a'b", "a\\b", "100%", "$HOME", "a*", "a\nb", "~x"] {
            assert!(word(text).is_err(), "{text:?}");
        }
    }
}
