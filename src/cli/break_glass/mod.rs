//! `portcullis break-glass`: takes access before review, shows what waits for its sign-off, and signs it off.

mod codes;

use std::time::Duration;

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, filter, request, words};
use crate::client::{BreakGlassQuery, IdempotencyKey};
use crate::domain::break_glass::{Days, Verdict};
use crate::domain::ids::{CodeId, PrincipalName, RequestId, RoleName, TargetName};
use crate::domain::span::Span;
use crate::query::List;
use crate::wire::{BreakGlassView, NewBreakGlass, Page, SignOff};

/// Take access at once, for a review afterwards; everybody who would have reviewed it is told
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    override_usage = "portcullis break-glass <TARGET> <ROLE> --for <TIME> --reason <TEXT> [--wait]",
    after_help = "Example: portcullis break-glass orders-db admin --for 30m --reason \"INC-4127 payments are down\" --wait"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    take: Take,
}

#[derive(Debug, clap::Args)]
struct Take {
    /// The target, as `portcullis request --list` shows it
    #[arg(required = true)]
    target: Option<TargetName>,
    /// The role on the target
    #[arg(required = true)]
    role: Option<RoleName>,
    /// For how long, like 30m; policy and the server have a cap on it
    #[arg(long = "for", value_name = "TIME", required = true)]
    duration: Option<Span>,
    /// What for; whoever signs it off reads it
    #[arg(long, value_name = "TEXT", required = true)]
    reason: Option<String>,
    /// The ticket it belongs to
    #[arg(long, value_name = "ID")]
    ticket: Option<String>,
    /// Wait until the access is usable, and say each step
    #[arg(long)]
    wait: bool,
    /// Give up waiting after this time; the access stays
    #[arg(long, value_name = "TIME", requires = "wait")]
    timeout: Option<Span>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List uses, those that wait for their sign-off unless all are asked for
    List {
        /// Also those that were signed off
        #[arg(long)]
        all: bool,
        /// Only your own
        #[arg(long)]
        mine: bool,
        /// Only for this target
        #[arg(long, value_name = "TARGET")]
        target: Option<TargetName>,
        /// Only those that a filter lets through, like 'is:signable age:>1h'
        #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
        filter: Option<String>,
    },
    /// Show one use: who, why, who was skipped, and its sign-offs
    Show {
        /// The use, by its request
        #[arg(value_name = "REQUEST")]
        id: RequestId,
    },
    /// Give the verdict on a use of somebody else
    SignOff {
        /// The use, by its request
        #[arg(value_name = "REQUEST")]
        id: RequestId,
        /// It was right to do it
        #[arg(
            long,
            conflicts_with = "not_justified",
            required_unless_present = "not_justified"
        )]
        justified: bool,
        /// It was not
        #[arg(long)]
        not_justified: bool,
        /// What you looked at; it goes on the record
        #[arg(long, value_name = "TEXT")]
        comment: String,
        /// Only if the use still is at this version
        #[arg(long, value_name = "N")]
        if_version: Option<i64>,
    },
    /// Make sealed codes for a person, for the day when nobody can sign in otherwise; they are shown once
    Seal {
        /// For whom
        name: PrincipalName,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=20))]
        count: u32,
        /// For how many days they are good, like 90d
        #[arg(long, value_name = "DAYS", default_value = "90d")]
        expires: Days,
    },
    /// List sealed codes without the codes
    Codes {
        /// Of this person only
        name: Option<PrincipalName>,
    },
    /// Revoke a sealed code that nobody has used
    Unseal {
        /// The code, by its id
        #[arg(value_name = "CODE-ID")]
        id: CodeId,
    },
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        None => take(context, arguments.take).await,
        Some(Command::List {
            all,
            mine,
            target,
            filter,
        }) => {
            let filter = filter.map(|text| filter::read(context, &text, List::BreakGlass));
            let states = if all || filter.is_some() {
                Vec::new()
            } else {
                vec!["open".to_owned()]
            };
            let query = BreakGlassQuery {
                states,
                mine,
                target: target.map(|target| target.to_string()),
                q: filter.transpose()?,
                ..BreakGlassQuery::default()
            };
            list(context, query).await
        }
        Some(Command::Show { id }) => {
            let seen = context.client()?.break_glass_use(id.as_str()).await?;
            context.printer.answer(&seen, |_| show(context, &seen))?;
            Ok(Exit::DONE)
        }
        Some(Command::SignOff {
            id,
            justified,
            comment,
            if_version,
            ..
        }) => {
            let verdict = if justified {
                Verdict::Justified
            } else {
                Verdict::NotJustified
            };
            sign_off(context, &id, verdict, comment, if_version).await
        }
        Some(Command::Seal {
            name,
            count,
            expires,
        }) => codes::seal(context, &name, count, expires).await,
        Some(Command::Codes { name }) => codes::list(context, name.as_ref()).await,
        Some(Command::Unseal { id }) => codes::unseal(context, &id).await,
    }
}

async fn take(context: &Context<'_>, take: Take) -> Result<Exit, Failure> {
    let Take {
        target: Some(target),
        role: Some(role),
        duration: Some(duration),
        reason: Some(reason),
        ticket,
        wait,
        timeout,
    } = take
    else {
        return Err(Failure::usage(
            "a target, a role, a time and a reason are needed",
            "see `portcullis break-glass --help`",
        ));
    };
    let client = context.client()?;
    let new = NewBreakGlass {
        target: target.to_string(),
        role: role.to_string(),
        duration: duration.to_string(),
        reason,
        ticket,
    };
    let used = client.break_glass(&new, &IdempotencyKey::new()?).await?;
    let told = |printer: &crate::cli::Printer| {
        printer.line(&asked(&used))?;
        printer.line(&format!("told: {}", used.skipped.join(", ")))?;
        printer.line("until one of them has signed it off, you cannot break glass again")
    };
    if !wait {
        context.printer.answer(&used, |printer| {
            told(printer)?;
            printer.line(&format!("use it: portcullis connect {}", used.target))
        })?;
        return Ok(Exit::DONE);
    }
    told(context.printer)?;
    let request = client.request(&used.id).await?;
    let limit = timeout.map(|limit| Duration::from_secs(u64::from(limit.seconds())));
    request::wait_until_usable(context, &client, request, limit).await
}

/// What was taken, by whom, as one sentence without its reason.
fn asked(used: &BreakGlassView) -> String {
    let BreakGlassView {
        id,
        person,
        role,
        target,
        duration,
        ..
    } = used;
    format!("{id} {person} broke glass for {role} on {target} for {duration}")
}

/// The verdict in words, with the count of sign-offs while it waits for more than one.
fn state(used: &BreakGlassView) -> String {
    match used.state.as_str() {
        "open" if used.threshold > 1 => {
            format!("open {}/{}", used.justified_by, used.threshold)
        }
        state => state.replace('_', " "),
    }
}

async fn list(context: &Context<'_>, mut query: BreakGlassQuery) -> Result<Exit, Failure> {
    let client = context.client()?;
    let empty = if query.states.is_empty() {
        "nobody broke glass"
    } else {
        "nothing waits for a sign-off"
    };
    let mut items: Vec<BreakGlassView> = Vec::new();
    loop {
        let page = client.break_glass_uses(&query).await?;
        items.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let page = Page { items, next: None };
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("ID", Cut::Never),
            ("STATE", Cut::Never),
            ("WHO", Cut::Middle),
            ("TARGET", Cut::Middle),
            ("ROLE", Cut::Middle),
            ("FOR", Cut::Never),
            ("WHEN", Cut::Never),
            ("ACCESS", Cut::Never),
            ("REASON", Cut::End),
        ]);
        for used in &page.items {
            table.row([
                used.id.clone(),
                state(used),
                used.person.clone(),
                used.target.clone(),
                used.role.clone(),
                used.duration.clone(),
                words::moment(used.created_at),
                used.grant_state.replace('_', " "),
                used.reason.clone(),
            ]);
        }
        printer.table(&table, empty)
    })?;
    Ok(Exit::DONE)
}

fn show(context: &Context<'_>, used: &BreakGlassView) -> Result<(), Failure> {
    let printer = context.printer;
    printer.line(&asked(used))?;
    printer.block("  ", &used.reason)?;
    let mut facts = vec![
        ("state", state(used)),
        ("when", words::exact(used.created_at)),
        (
            "access",
            format!(
                "{} {}, until {}",
                used.grant,
                used.grant_state.replace('_', " "),
                words::exact(used.ends_at)
            ),
        ),
        ("skipped", used.skipped.join(", ")),
        ("signed off by", used.reviewers.clone()),
    ];
    if let Some(ticket) = &used.ticket {
        facts.push(("ticket", ticket.clone()));
    }
    if let (Some(code), Some(by)) = (&used.sealed_code, &used.sealed_by) {
        facts.push(("sealed code", format!("{code}, made by {by}")));
    }
    printer.facts(&facts)?;
    for sign_off in &used.sign_offs {
        let verdict = sign_off.verdict.replace('_', " ");
        printer.line(&format!(
            "{}: {verdict}, {}",
            sign_off.reviewer,
            words::moment(sign_off.created_at)
        ))?;
        printer.block("  ", &sign_off.comment)?;
    }
    Ok(())
}

async fn sign_off(
    context: &Context<'_>,
    id: &RequestId,
    verdict: Verdict,
    comment: String,
    if_version: Option<i64>,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = client.break_glass_use(id.as_str()).await?;
    context.printer.line(&asked(&seen))?;
    context.printer.block("  ", &seen.reason)?;
    let body = SignOff {
        verdict: verdict.as_str().to_owned(),
        comment,
    };
    let version = if_version.unwrap_or(seen.version);
    let used = client
        .sign_off(&seen.id, version, &body, &IdempotencyKey::new()?)
        .await?;
    context.printer.answer(&used, |printer| {
        if used.state == "open" {
            return printer.line(&format!(
                "your sign-off is recorded; {} of {} are there",
                used.justified_by, used.threshold
            ));
        }
        printer.line(&state(&used))
    })?;
    Ok(Exit::DONE)
}
