//! `portcullis renew`: asks again for what one had, after it is over.

use crate::cli::grants::OPEN;
use crate::cli::{Context, Exit, Failure, request, type_in, words};
use crate::client::{Client, GrantsQuery};
use crate::domain::ids::{GrantId, RequestId, TargetName};
use crate::domain::span::Span;
use crate::wire::{GrantView, NewRequest, RequestView};

/// How far back the last one is looked for.
const LATEST: u32 = 100;
/// The states in which a grant is over.
const OVER: [&str; 4] = ["ended", "returned", "revoked", "activation_failed"];

/// Ask again for the same target, role and time after a grant is over
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: portcullis renew --reason \"INC-4127 one more look\" --wait\n\nAn active grant is moved with `portcullis extend`."
)]
pub(super) struct Arguments {
    /// The grant, the request, or the target of your last grant there; without it your last one of all
    #[arg(value_name = "ID")]
    which: Option<Which>,
    /// For another time than before
    #[arg(long = "for", value_name = "TIME")]
    duration: Option<Span>,
    /// What for; without it you are asked
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The ticket it belongs to; without it the one from before
    #[arg(long, value_name = "ID")]
    ticket: Option<String>,
    /// Wait until the access is usable, and say each step
    #[arg(long)]
    wait: bool,
    /// Give up waiting after this time; the request stays
    #[arg(long, value_name = "TIME", requires = "wait")]
    timeout: Option<Span>,
}

/// What is asked for again.
#[derive(Debug, Clone)]
enum Which {
    Grant(GrantId),
    Request(RequestId),
    Target(TargetName),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let grant = text.parse().map(Self::Grant);
        let either = grant.or_else(|_| text.parse().map(Self::Request));
        either
            .or_else(|_| text.parse().map(Self::Target))
            .map_err(|_| {
                format!(
                    "`{}` is neither the id of a grant or request nor the name of a target",
                    text.escape_debug()
                )
            })
    }
}

/// What one had, or asked for.
struct Before {
    /// How it is called when it is picked.
    said: String,
    target: String,
    role: String,
    duration: String,
    reason: String,
    ticket: Option<String>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let before = match &arguments.which {
        Some(Which::Grant(id)) => of_grant(&client, client.grant(id.as_str()).await?).await?,
        Some(Which::Request(id)) => of_request(&client, client.request(id.as_str()).await?).await?,
        Some(Which::Target(target)) => last(&client, Some(target)).await?,
        None => last(&client, None).await?,
    };
    context.printer.line(&format!("again: {}", before.said))?;
    let reason = match arguments.reason {
        Some(reason) => reason,
        None => ask_reason(&before.reason).await?,
    };
    let new = NewRequest {
        target: before.target,
        role: before.role,
        duration: arguments
            .duration
            .map_or(before.duration, |duration| duration.to_string()),
        reason,
        ticket: arguments.ticket.or(before.ticket),
        not_before: None,
    };
    request::ask(context, &client, &new, arguments.wait, arguments.timeout).await
}

/// The reason is asked for each time: why it is needed again is what a reviewer wants to read.
async fn ask_reason(before: &str) -> Result<String, Failure> {
    if !type_in::somebody_is_there() {
        return Err(Failure::usage(
            "nobody is here who could be asked for the reason",
            "say what for with `--reason TEXT`",
        ));
    }
    let typed = type_in::line(&format!("reason (enter for `{before}`):")).await?;
    let typed = typed.trim();
    Ok(if typed.is_empty() { before } else { typed }.to_owned())
}

/// The caller's own grant that was over last.
async fn last(client: &Client, target: Option<&TargetName>) -> Result<Before, Failure> {
    let mut query = GrantsQuery {
        states: OVER.map(str::to_owned).to_vec(),
        mine: true,
        target: target.map(ToString::to_string),
        limit: Some(LATEST),
        ..GrantsQuery::default()
    };
    let over = client.grants(&query).await?.items;
    let latest = over
        .into_iter()
        .max_by_key(|grant| grant.ended_at.unwrap_or(grant.created_at));
    if let Some(grant) = latest {
        return of_grant(client, grant).await;
    }
    query.states = OPEN.map(str::to_owned).to_vec();
    let on = target.map_or_else(String::new, |target| format!(" on `{target}`"));
    match client.grants(&query).await?.items.first() {
        Some(open) => Err(still_open(open)),
        None => Err(Failure::refused(
            format!("no grant of yours{on} is over"),
            "list what you may ask for with `portcullis request --list`",
        )),
    }
}

async fn of_grant(client: &Client, grant: GrantView) -> Result<Before, Failure> {
    // What is closing gives nothing any more, so it may be asked for again.
    if OPEN.contains(&grant.state.as_str()) && grant.state != "closing" {
        return Err(still_open(&grant));
    }
    let request = client.request(&grant.request).await?;
    let ended = grant.ended_at.unwrap_or(grant.expires_at);
    Ok(Before {
        said: format!(
            "{} on {} for {} as {} was, {} {}",
            grant.role,
            grant.target,
            grant.duration,
            grant.id,
            words::ended(&grant),
            words::moment(ended)
        ),
        target: grant.target,
        role: grant.role,
        duration: grant.duration,
        reason: grant.reason,
        ticket: request.ticket,
    })
}

async fn of_request(client: &Client, request: RequestView) -> Result<Before, Failure> {
    if let Some(grant) = &request.grant {
        return of_grant(client, client.grant(grant).await?).await;
    }
    if request.state == "pending" {
        return Err(Failure::refused(
            format!(
                "`{}` is still pending: it waits for {}",
                request.id,
                words::awaited(&request)
            ),
            format!(
                "take it back first with `portcullis withdraw {}`",
                request.id
            ),
        ));
    }
    Ok(Before {
        said: format!(
            "{} on {} for {} as {} was, {}",
            request.role,
            request.target,
            request.duration,
            request.id,
            words::denial(&request).unwrap_or_else(|| request.state.clone())
        ),
        target: request.target,
        role: request.role,
        duration: request.duration,
        reason: request.reason,
        ticket: request.ticket,
    })
}

fn still_open(grant: &GrantView) -> Failure {
    let text = format!(
        "`{}` is {}, and not over: {} on {}",
        grant.id, grant.state, grant.role, grant.target
    );
    Failure::refused(
        text,
        format!(
            "for a later end: portcullis extend {} --by 15m --reason \"…\"",
            grant.id
        ),
    )
}
