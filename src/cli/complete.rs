//! `portcullis complete`: what could stand at one place of a command line; the scripts of `portcullis completions` call it.
//!
//! It answers from what this machine saw last, asks nobody anything and never complains: a shell would print that into
//! the line that somebody types. Where the catalogue was not seen for a while, a program in the background looks at it.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate, complete};
use tokio::time::timeout;

use crate::cli::{Context, Exit, Failure, command_line, keep, status};
use crate::client::{Seen, SeenFile, Session};
use crate::text;

/// How old the catalogue may be before it is looked at again.
const FRESH: TimeDelta = TimeDelta::minutes(5);
/// How soon that is tried again where it did not work.
const AGAIN: TimeDelta = TimeDelta::minutes(1);
/// How long a person waits for the first look of all.
const PATIENCE: Duration = Duration::from_millis(700);

/// Say what could stand at one place of a command line
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Arguments {
    /// Which shell asks
    #[arg(long, value_parser = ["bash", "zsh", "fish"], default_value = "bash")]
    shell: String,
    /// The word that is typed, counted from the name of the program
    #[arg(long, default_value_t = 0)]
    index: usize,
    /// Look at the catalogue, and say nothing
    #[arg(long)]
    refresh: bool,
    /// The words of the line
    #[arg(last = true)]
    words: Vec<OsString>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    if arguments.refresh {
        // Whoever types does not care why the list is as it was.
        let _ = refresh(context).await;
        return Ok(Exit::DONE);
    }
    let seen = Arc::new(known(context).await.unwrap_or_default());
    let line = if arguments.shell == "bash" {
        Line::of_bash(arguments.words, arguments.index)
    } else {
        Line::new(arguments.words, arguments.index)
    };
    // bash completes the names of files itself, and knows how to quote them.
    let folder = (arguments.shell != "bash")
        .then(|| std::env::current_dir().ok())
        .flatten();
    let mut commands = knowing(command_line(), &seen, &Arc::new(line.words.clone()));
    let found = complete(&mut commands, line.words, line.index, folder.as_deref());
    let mut out = String::new();
    for candidate in found.unwrap_or_default() {
        if candidate.is_hide_set() {
            continue;
        }
        let value = candidate.get_value().to_string_lossy().into_owned();
        if value.chars().any(char::is_control) {
            continue;
        }
        let value = value.strip_prefix(&line.typed_before).unwrap_or(&value);
        let help = candidate.get_help().map(ToString::to_string);
        let help = help.as_deref().and_then(|help| help.lines().next());
        let help = text::clean(help.unwrap_or_default()).into_string();
        match arguments.shell.as_str() {
            "zsh" => {
                let value = value.replace('\\', "\\\\").replace(':', "\\:");
                out.push_str(&format!("{value}:{help}\n"));
            }
            "fish" => out.push_str(&format!("{value}\t{help}\n")),
            _ => out.push_str(&format!("{value}\n")),
        }
    }
    context.printer.script(&out)?;
    Ok(Exit::DONE)
}

/// The words of a line, and where in it somebody types.
struct Line {
    words: Vec<OsString>,
    index: usize,
    /// What the shell does not count to the word, though it is of it.
    typed_before: String,
}

impl Line {
    fn new(mut words: Vec<OsString>, index: usize) -> Self {
        if words.len() <= index {
            words.resize(index + 1, OsString::new());
        }
        Self {
            words,
            index,
            typed_before: String::new(),
        }
    }

    /// bash makes three words of `--role=readonly`.
    fn of_bash(words: Vec<OsString>, index: usize) -> Self {
        let mut joined: Vec<OsString> = Vec::new();
        let mut typed_before = String::new();
        let (mut place, mut open) = (None, false);
        for (at, word) in words.into_iter().enumerate() {
            let sign = word == OsStr::new("=");
            let of_flag =
                |last: &&mut OsString| open || sign && last.to_string_lossy().starts_with("--");
            let joins = joined.last_mut().filter(of_flag);
            open = joins.is_some() && sign;
            if let Some(last) = joins {
                if at == index {
                    typed_before = last.to_string_lossy().into_owned();
                    typed_before.push_str(if sign { "=" } else { "" });
                }
                last.push(word);
            } else {
                joined.push(word);
            }
            if at == index {
                place = joined.len().checked_sub(1);
            }
        }
        Self {
            typed_before,
            ..Self::new(joined, place.unwrap_or(index))
        }
    }
}

/// What this machine knows; where it has never seen the catalogue it waits a moment for it.
async fn known(context: &Context<'_>) -> Option<Seen> {
    let (servers, state) = (context.servers().ok()?, context.state().ok()?);
    let file = SeenFile::of(&state, servers.first());
    let seen = file.read();
    if !seen.is_stale(FRESH, AGAIN) || !Session::is_kept(servers.first(), &state) {
        return Some(seen);
    }
    // Not everybody who presses a key looks.
    file.change(Seen::is_tried).ok()?;
    let mut looking = tokio::process::Command::new(std::env::current_exe().ok()?)
        .args(["complete", "--refresh"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0) // so that ctrl-c at the line does not end it
        .spawn()
        .ok()?;
    if seen.catalogue_at.is_some() {
        return Some(seen);
    }
    // It goes on when nobody waits any more: a sign-in that is renewed must not be broken off.
    let _ = timeout(PATIENCE, looking.wait()).await;
    Some(file.read())
}

async fn refresh(context: &Context<'_>) -> Result<(), Failure> {
    let client = context.client()?;
    let targets = client.targets().await?;
    keep::catalogue(context, &client, &targets.items);
    status::look(context, &client).await?;
    Ok(())
}

/// The commands, with what is known of each value by its name.
fn knowing(command: Command, seen: &Arc<Seen>, words: &Arc<Vec<OsString>>) -> Command {
    let verb = command.get_name().to_owned();
    let of_target = command
        .get_arguments()
        .any(|arg| matches!(name_of(arg), Some("TARGET" | "TARGET|GRANT")));
    command
        .mut_args(|arg| {
            let what = match (name_of(&arg), verb.as_str()) {
                (Some("TARGET"), "request" | "break-glass") => Known::Askable,
                (Some("TARGET"), _) => Known::Targets,
                (Some("TARGET|GRANT" | "GRANT"), _) => Known::Held,
                (Some("ROLE"), _) if of_target => Known::Roles,
                (Some("REQUEST"), _) => Known::Pending,
                (Some("ID"), "why" | "renew") if arg.is_positional() => Known::Ids,
                _ => return arg,
            };
            let (seen, words) = (Arc::clone(seen), Arc::clone(words));
            arg.add(ArgValueCandidates::new(move || what.values(&seen, &words)))
        })
        .mut_subcommands(|nested| knowing(nested, seen, words))
}

fn name_of(arg: &Arg) -> Option<&str> {
    let names = arg.get_value_names()?;
    names.first().map(clap::builder::Str::as_str)
}

/// What is known of the values of an argument.
#[derive(Debug, Clone, Copy)]
enum Known {
    Targets,
    /// Targets with a role that may be asked for.
    Askable,
    /// What one holds, by its target or its id.
    Held,
    Roles,
    Pending,
    Ids,
}

impl Known {
    fn values(self, seen: &Seen, words: &[OsString]) -> Vec<CompletionCandidate> {
        let one = |value: &str, help: String| {
            CompletionCandidate::new(value).help((!help.is_empty()).then(|| help.into()))
        };
        let open = seen.grants.iter().filter(|grant| {
            matches!(
                grant.state.as_str(),
                "scheduled" | "activating" | "active" | "closing"
            )
        });
        let grants = |held: &crate::client::SeenGrant| {
            let help = format!("{} on {}, {}", held.role, held.target, held.state);
            one(held.id.as_str(), help)
        };
        let askable =
            |target: &&crate::client::SeenTarget| target.roles.iter().any(|role| role.may_ask);
        let target = |target: &crate::client::SeenTarget| {
            let roles: Vec<&str> = target.roles.iter().map(|role| role.name.as_str()).collect();
            let help = format!("{}: {}", target.kind, roles.join(", "));
            one(target.name.as_str(), help)
        };
        match self {
            Self::Targets => seen.targets.iter().map(target).collect(),
            Self::Askable => seen.targets.iter().filter(askable).map(target).collect(),
            Self::Held => {
                let mut named: Vec<&str> = Vec::new();
                let mut found = Vec::new();
                for held in open.clone() {
                    if !named.contains(&held.target.as_str()) {
                        named.push(held.target.as_str());
                        let help = format!("{}, {}", held.role, held.state);
                        found.push(one(held.target.as_str(), help));
                    }
                }
                found.extend(open.map(grants));
                found
            }
            Self::Pending => {
                let pending = seen.pending.iter();
                pending
                    .map(|id| one(id.as_str(), "pending".to_owned()))
                    .collect()
            }
            Self::Ids => {
                let pending = seen.pending.iter();
                pending
                    .map(|id| one(id.as_str(), "pending".to_owned()))
                    .chain(seen.grants.iter().map(grants))
                    .collect()
            }
            Self::Roles => {
                let typed = |name: &str| words.iter().any(|word| word == name);
                let named = |target: &&crate::client::SeenTarget| typed(target.name.as_str());
                let named: Vec<_> = seen.targets.iter().filter(named).collect();
                let of: Vec<_> = if named.is_empty() {
                    seen.targets.iter().collect()
                } else {
                    named
                };
                let mut found: Vec<CompletionCandidate> = Vec::new();
                for role in of.into_iter().flat_map(|target| &target.roles) {
                    let name = OsStr::new(role.name.as_str());
                    if !found.iter().any(|known| known.get_value() == name) {
                        let help = if role.may_ask { "you may ask" } else { "" };
                        found.push(one(role.name.as_str(), help.to_owned()));
                    }
                }
                found
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str], index: usize) -> (Vec<String>, usize, String) {
        let words = words.iter().map(OsString::from).collect();
        let line = Line::of_bash(words, index);
        let words = line.words.iter().map(|word| word.to_string_lossy().into());
        (words.collect(), line.index, line.typed_before)
    }

    #[test]
    fn what_bash_takes_apart_is_one_word_again() {
        let owned =
            |words: &[&str]| -> Vec<String> { words.iter().map(|&word| word.to_owned()).collect() };
        assert_eq!(
            line(&["p", "connect", "db", "--role", "=", "re"], 5),
            (
                owned(&["p", "connect", "db", "--role=re"]),
                3,
                "--role=".to_owned()
            )
        );
        assert_eq!(
            line(&["p", "connect", "--role", "=", "re", "or"], 5),
            (
                owned(&["p", "connect", "--role=re", "or"]),
                3,
                String::new()
            )
        );
        assert_eq!(
            line(&["p", "connect", "--role", "="], 3),
            (owned(&["p", "connect", "--role="]), 2, "--role=".to_owned())
        );
        assert_eq!(
            line(&["p", "co"], 1),
            (owned(&["p", "co"]), 1, String::new())
        );
        assert_eq!(line(&[], 1).1, 1);
    }
}
