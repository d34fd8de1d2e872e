//! `portcullis approve`: approves a request, perhaps for less than was asked.

use chrono::Local;

use crate::cli::when::{Toward, When};
use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::{RequestId, RoleName};
use crate::domain::span::Span;
use crate::wire::{Approval, NarrowView};

/// Approve a request, perhaps for less than was asked
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The request
    #[arg(value_name = "REQUEST")]
    id: RequestId,
    /// Give less time than was asked for
    #[arg(long = "for", value_name = "TIME")]
    duration: Option<Span>,
    /// Give a lesser role
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleName>,
    /// Start later
    #[arg(long, value_name = "MOMENT")]
    at: Option<When>,
    /// A remark for the record and for the requester
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Only if the request still is at this version
    #[arg(long, value_name = "N")]
    if_version: Option<i64>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = client.request(arguments.id.as_str()).await?;
    context.printer.line(&words::asked(&seen))?;
    context.printer.block("  ", &seen.reason)?;
    for line in words::noted(&seen) {
        context.printer.line(&line)?;
    }
    let not_before = match arguments.at {
        Some(at) => Some(
            at.resolve(context.now(&client).await?, &Local, Toward::Future)
                .map_err(|text| Failure::usage(text, ""))?,
        ),
        None => None,
    };
    let narrowed = NarrowView {
        duration: arguments.duration.map(|span| span.to_string()),
        role: arguments.role.map(|role| role.to_string()),
        not_before,
    };
    let version = arguments.if_version.unwrap_or(seen.version);
    let approval = Approval {
        comment: arguments.comment,
        narrowed,
    };
    let request = client
        .approve(&seen.id, version, &approval, &IdempotencyKey::new()?)
        .await?;
    context.printer.answer(&request, |printer| {
        if request.state == "pending" {
            return printer.line(&format!(
                "your approval is recorded; it still waits for {}",
                words::awaited(&request)
            ));
        }
        let narrowed =
            words::narrowed(&request).map_or_else(String::new, |narrowed| format!(", {narrowed}"));
        let grant = request
            .grant
            .as_ref()
            .map_or_else(String::new, |grant| format!(" as {grant}"));
        printer.line(&format!(
            "{}{grant}{narrowed}: until about {}",
            request.state,
            words::moment(request.would_end_at)
        ))
    })?;
    Ok(Exit::DONE)
}
