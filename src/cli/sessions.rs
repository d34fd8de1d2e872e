//! `portcullis sessions`: who is connected at this moment, and ending one connection.

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, filter, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::GrantId;
use crate::query::List;
use crate::wire::SessionEnd;

/// List live connections under grants, as far as the targets report them
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = filter::help(List::Sessions))]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only on this target
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Only those that a filter lets through, like 'is:idle age:>1h'; --help explains
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    filter: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// End one connection; its grant stays, and its holder may connect again
    End {
        /// The grant that it is under
        #[arg(value_name = "GRANT")]
        grant: GrantId,
        /// The connection, as the list names it
        #[arg(value_name = "SESSION")]
        session: String,
        /// Why; it goes on the record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        None => list(context, arguments).await,
        Some(Command::End {
            grant,
            session,
            reason,
        }) => end(context, &grant, &session, reason).await,
    }
}

async fn list(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let filter = arguments
        .filter
        .map(|text| filter::read(context, &text, List::Sessions))
        .transpose()?;
    let mut sessions = client.sessions_like(filter).await?;
    if let Some(target) = &arguments.target {
        let target = target.as_str();
        sessions.items.retain(|session| session.target == target);
        sessions.sources.retain(|source| source.target == target);
    }
    context.printer.answer(&sessions, |printer| {
        let mut table = Table::new(&[
            ("SESSION", Cut::Never),
            ("GRANT", Cut::Never),
            ("HOLDER", Cut::Middle),
            ("TARGET", Cut::Middle),
            ("ROLE", Cut::Middle),
            ("SINCE", Cut::Never),
            ("FROM", Cut::Middle),
            ("STATE", Cut::Never),
            ("PROGRAM", Cut::End),
            ("COMMAND", Cut::End),
        ]);
        for session in &sessions.items {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            table.row([
                session.id.clone(),
                session.grant.clone(),
                session.holder.clone(),
                session.target.clone(),
                session.role.clone(),
                session.started_at.map(words::moment).unwrap_or_default(),
                text(&session.address),
                text(&session.activity).replace('_', " "),
                text(&session.program),
                text(&session.command),
            ]);
        }
        for optional in ["FROM", "STATE", "PROGRAM", "COMMAND"] {
            table.leave_out_empty(optional);
        }
        printer.table(&table, "no live sessions")
    })?;
    for source in &sessions.sources {
        if let Some(problem) = &source.problem {
            context
                .printer
                .note(&format!("{}: {problem}", source.target));
        }
    }
    Ok(Exit::DONE)
}

async fn end(
    context: &Context<'_>,
    grant: &GrantId,
    session: &str,
    reason: String,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = client.grant(grant.as_str()).await?;
    context.printer.line(&words::held(&seen))?;
    let ended = client
        .end_session(
            grant.as_str(),
            session,
            &SessionEnd { reason },
            &IdempotencyKey::new()?,
        )
        .await?;
    context.printer.answer(&ended, |printer| {
        printer.line(if ended.outcome == "ended" {
            "ended: confirmed by the target; the grant stays"
        } else {
            "there is no such session of this grant any more; nothing was done"
        })
    })?;
    Ok(Exit::DONE)
}
