//! `portcullis notices`: what one is told of, where, and when not.

use std::collections::BTreeSet;

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure};
use crate::client::IdempotencyKey;
use crate::domain::notice::{Kind, Quiet};
use crate::text::clean;
use crate::wire::{NoticesView, QuietHours};

/// Show and choose what you are told of, where, and when not
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: portcullis notices set --quiet 22:00-07:00 --zone Europe/Berlin --off active\n\nQuiet hours hold back what can wait until they end. What is urgent comes at once and cannot be turned off."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what you are told of, where, and when not
    Show,
    /// Choose; what you do not name stays as it is
    Set(Wanted),
}

#[derive(Debug, clap::Args)]
struct Wanted {
    /// Where mail goes; `none` for the usual place
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// By which channels, with commas between them; `all` for every one
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    channels: Option<Vec<String>>,
    /// Kinds that you do not want, with commas between them
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    off: Vec<Kind>,
    /// Kinds that you want again
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    on: Vec<Kind>,
    /// When nothing comes that can wait, like 22:00-07:00; `none` for never
    #[arg(long, value_name = "TIMES")]
    quiet: Option<String>,
    /// Whose clock that is, like Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = client.notices().await?;
    let seen = match arguments.command {
        None | Some(Command::Show) => seen,
        Some(Command::Set(wanted)) => {
            let mut wishes = seen.wishes;
            match wanted.address.as_deref() {
                None => {}
                Some("none") => wishes.address = None,
                Some(address) => wishes.address = Some(address.to_owned()),
            }
            match wanted.channels {
                None => {}
                Some(names) if names == ["all"] => wishes.channels = None,
                Some(names) => wishes.channels = Some(names),
            }
            let mut off: BTreeSet<String> = wishes.off.into_iter().collect();
            off.extend(wanted.off.iter().map(ToString::to_string));
            for kind in wanted.on {
                off.remove(kind.as_str());
            }
            wishes.off = off.into_iter().collect();
            wishes.quiet = quiet(wishes.quiet, wanted.quiet, wanted.zone)?;
            client
                .choose_notices(&wishes, &IdempotencyKey::new()?)
                .await?
        }
    };
    context
        .printer
        .answer(&seen, |printer| show(printer, &seen))?;
    Ok(Exit::DONE)
}

fn quiet(
    before: Option<QuietHours>,
    times: Option<String>,
    zone: Option<String>,
) -> Result<Option<QuietHours>, Failure> {
    if times.as_deref() == Some("none") {
        return Ok(None);
    }
    if times.is_none() && zone.is_none() {
        return Ok(before);
    }
    let (old_times, old_zone) = before.map(|quiet| (quiet.times, quiet.zone)).unzip();
    let zone = zone.or(old_zone).unwrap_or_else(|| "UTC".to_owned());
    let Some(times) = times.or(old_times) else {
        return Err(Failure::usage(
            "there are no quiet hours that could be in a time zone".to_owned(),
            "say when: --quiet 22:00-07:00",
        ));
    };
    let read = Quiet::parse(&times, &zone);
    read.map_err(|error| Failure::usage(error.to_string(), "see portcullis notices set --help"))?;
    Ok(Some(QuietHours { times, zone }))
}

fn show(printer: &crate::cli::print::Printer, seen: &NoticesView) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("KIND", Cut::Never),
        ("COMES", Cut::Never),
        ("TELLS YOU THAT", Cut::End),
    ]);
    for kind in &seen.kinds {
        let comes = match (kind.urgent, kind.off) {
            (true, _) => "always",
            (false, true) => "no",
            (false, false) => "yes",
        };
        table.row([kind.kind.clone(), comes.to_owned(), kind.about.clone()]);
    }
    printer.table(&table, "there are no notices")?;
    for mail in &seen.mail {
        let only = if mail.off {
            ", what is urgent only"
        } else {
            ""
        };
        printer.line(&format!(
            "by {} to {}{only}",
            clean(&mail.channel),
            clean(&mail.address)
        ))?;
    }
    for room in &seen.rooms {
        printer.line(&format!(
            "by {}, where everybody reads the same",
            clean(room)
        ))?;
    }
    if seen.mail.is_empty() && seen.rooms.is_empty() {
        printer.line("nothing is sent: the server has no [[notices.channel]]")?;
    }
    match &seen.wishes.quiet {
        Some(quiet) => printer.line(&format!(
            "quiet from {} in {}",
            clean(&quiet.times),
            clean(&quiet.zone)
        )),
        None => printer.line("no quiet hours"),
    }
}
