//! `portcullis audit`: searches the record, and follows it live.

mod counts;
mod deliveries;
mod erase;
mod evidence;
mod export;
mod parquet;
mod prune;
mod recover;
mod verify;
mod walk;
mod witness;

use chrono::{DateTime, Local, Utc};

pub(super) use evidence::broken as broken_evidence;

use crate::cli::requests::PAGE;
use crate::cli::when::{Toward, When};
use crate::cli::{Context, Exit, Failure, filter, words};
use crate::client::watch::{WatchError, watch};
use crate::client::witness::WitnessFile;
use crate::client::{AuditQuery, Client, Followed, Note, follow, follow_matching};
use crate::domain::ids::{GrantId, RequestId};
use crate::query::List;
use crate::wire::EventView;

/// Search the record of who did what; the newest event comes last
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Moments: -2h, today, yesterday, 14:30, 2026-11-22, \"2026-11-22 14:30\", or RFC 3339.\nExample: portcullis audit --event grant.revoked --since -24h",
    after_long_help = format!("Moments: -2h, today, yesterday, 14:30, 2026-11-22, \"2026-11-22 14:30\", or RFC 3339.\n\n{}", filter::help(List::Audit))
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    search: Search,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Verify(verify::Verify),
    Recover(recover::Recover),
    RotateKey(recover::RotateKey),
    Export(export::Export),
    Deliveries(deliveries::Deliveries),
    Erase(erase::Erase),
    Prune(prune::Prune),
    Witness(witness::Witness),
}

/// A filter says these, too, and it is what is counted by.
const NO_COUNT: [&str; 9] = [
    "actor", "event", "target", "request", "grant", "outcome", "text", "follow", "at",
];

#[derive(Debug, clap::Args)]
struct Search {
    #[command(flatten)]
    which: Which,
    /// From this moment on, the oldest event first
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true, conflicts_with_all = ["since", "follow"])]
    at: Option<When>,
    /// Count the values of a field of the filters, like actor, target or event, instead of showing events
    #[arg(long, value_name = "FIELD", conflicts_with_all = NO_COUNT)]
    count_by: Option<String>,
    /// Count events over time instead of showing them
    #[arg(long, conflicts_with_all = NO_COUNT, conflicts_with = "count_by")]
    histogram: bool,
    /// Go on with what happens from now on
    #[arg(long, conflicts_with = "until")]
    follow: bool,
    /// At most so many of what has happened
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    limit: u32,
}

/// Which events.
#[derive(Debug, clap::Args)]
struct Which {
    /// Who did it
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// What happened, like grant.revoked, or grant.* for a family; may be given several times
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    event: Vec<String>,
    /// On which target
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// About which request
    #[arg(long, value_name = "ID")]
    request: Option<RequestId>,
    /// About which grant
    #[arg(long, value_name = "ID")]
    grant: Option<GrantId>,
    /// How it went
    #[arg(long, value_parser = ["success", "denied", "error"])]
    outcome: Option<String>,
    /// From this moment on
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    since: Option<When>,
    /// Before this moment
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    until: Option<When>,
    /// Words in its reason or among its names; all of them must be there
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only events that a filter lets through, like 'outcome:denied env:prod'; --help explains
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    filter: Option<String>,
}

impl Which {
    /// What the server is asked for.
    async fn query(self, context: &Context<'_>) -> Result<(Client, AuditQuery), Failure> {
        let filter = match &self.filter {
            Some(text) => Some(filter::read(context, text, List::Audit)?),
            None => None,
        };
        let client = context.client()?;
        let mut query = query(context, &client, self).await?;
        query.q = filter;
        Ok((client, query))
    }

    fn is_everything(&self) -> bool {
        let texts = [
            &self.actor,
            &self.target,
            &self.outcome,
            &self.text,
            &self.filter,
        ];
        texts.iter().all(|text| text.is_none())
            && self.event.is_empty()
            && self.request.is_none()
            && self.grant.is_none()
            && self.since.is_none()
            && self.until.is_none()
    }
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        Some(Command::Verify(asked)) => verify::verify(context, asked).await,
        Some(Command::Recover(asked)) => recover::recover(context, asked).await,
        Some(Command::RotateKey(asked)) => recover::rotate_key(context, asked).await,
        Some(Command::Export(asked)) => export::run(context, asked).await,
        Some(Command::Deliveries(asked)) => deliveries::run(context, asked).await,
        Some(Command::Erase(asked)) => erase::run(context, asked).await,
        Some(Command::Prune(asked)) => prune::run(context, asked).await,
        Some(Command::Witness(asked)) => witness::run(context, asked).await,
        None => search(context, arguments.search).await,
    }
}

/// Says loudly when the record that is searched is not the one that this machine saw; what is there is shown all the
/// same, for whoever has to find out.
async fn compare(context: &Context<'_>, client: &Client) -> Result<(), Failure> {
    let file = WitnessFile::of(&context.state()?, client.server())?;
    // A server that does not say what its log is will be heard in the search itself.
    if let Err(error) = watch(client, Some(&file)).await
        && !matches!(error, WatchError::Client(_))
    {
        let hint = "`portcullis audit verify` tells more";
        context
            .printer
            .note(&format!("THE AUDIT LOG IS NOT WHOLE: {error}; {hint}"));
    }
    Ok(())
}

async fn search(context: &Context<'_>, arguments: Search) -> Result<Exit, Failure> {
    let (follows, limit) = (arguments.follow, arguments.limit);
    let (client, mut query) = arguments.which.query(context).await?;
    compare(context, &client).await?;
    let filter = query.q.clone();
    if let Some(at) = arguments.at {
        let now = context.now(&client).await?;
        let at = at.resolve(now, &Local, Toward::Past);
        query.since = Some(at.map_err(|text| Failure::usage(text, ""))?);
        query.oldest_first = true;
    }
    if let Some(field) = arguments.count_by {
        return counts::by(context, &client, &field, query).await;
    }
    if arguments.histogram {
        return counts::over_time(context, &client, query).await;
    }
    if !follows {
        let events = past(&client, query, limit).await?;
        print_all(context, &events)?;
        if events.is_empty() {
            context.printer.line("no events")?;
        }
        return Ok(Exit::DONE);
    }
    let mut stream = match filter {
        Some(filter) => follow_matching(client.clone(), None, filter),
        None => follow(client.clone(), None),
    };
    let mut shown = None;
    let mut stale = false;
    while let Some(followed) = stream.next().await {
        match followed {
            Followed::Hello { index, .. } if shown.is_none() => {
                // The stream goes on after `index`, so what is shown before it must not reach further.
                let events = past(&client, query.clone(), limit).await?;
                let events: Vec<EventView> = events
                    .into_iter()
                    .filter(|event| event.index <= index)
                    .collect();
                print_all(context, &events)?;
                shown = Some(index);
            }
            Followed::Event(event) if matches(&query, &event) => print(context, &event)?,
            Followed::Gap { after, before } => context.printer.note(&format!(
                "the record has no events between {after} and {before}"
            )),
            Followed::Lost { why, retry_in } => context.printer.note(&format!(
                "{why}; trying again in {} s",
                retry_in.as_secs_f32().ceil()
            )),
            Followed::Standing(standing) => {
                if let Some(seconds) = standing.stale.filter(|_| !stale) {
                    let note = Note::Stale(seconds).text();
                    context.printer.note(&format!("note: {note}"));
                }
                stale = standing.stale.is_some();
            }
            Followed::Hello { .. } | Followed::Event(_) | Followed::Heartbeat { .. } => {}
        }
    }
    Ok(Exit::DONE)
}

async fn query(
    context: &Context<'_>,
    client: &Client,
    arguments: Which,
) -> Result<AuditQuery, Failure> {
    let now = match (arguments.since, arguments.until) {
        (None, None) => DateTime::UNIX_EPOCH,
        _ => context.now(client).await?,
    };
    let resolve = |when: Option<When>| -> Result<Option<DateTime<Utc>>, Failure> {
        when.map(|when| when.resolve(now, &Local, Toward::Past))
            .transpose()
            .map_err(|text| Failure::usage(text, ""))
    };
    Ok(AuditQuery {
        since: resolve(arguments.since)?,
        until: resolve(arguments.until)?,
        actor: arguments.actor,
        events: arguments.event,
        target: arguments.target,
        request: arguments.request.map(|id| id.to_string()),
        grant: arguments.grant.map(|id| id.to_string()),
        outcome: arguments.outcome,
        text: arguments.text,
        ..AuditQuery::default()
    })
}

/// The events that match, oldest of them first: the newest ones, unless a moment was given.
async fn past(
    client: &Client,
    mut query: AuditQuery,
    limit: u32,
) -> Result<Vec<EventView>, Failure> {
    let mut events: Vec<EventView> = Vec::new();
    while events.len() < limit as usize {
        let missing = limit.saturating_sub(u32::try_from(events.len()).unwrap_or(u32::MAX));
        query.limit = Some(missing.min(PAGE));
        let page = client.audit(&query).await?;
        events.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    if !query.oldest_first {
        events.reverse();
    }
    Ok(events)
}

fn print_all(context: &Context<'_>, events: &[EventView]) -> Result<(), Failure> {
    events.iter().try_for_each(|event| print(context, event))
}

fn print(context: &Context<'_>, event: &EventView) -> Result<(), Failure> {
    context.printer.answer(event, |printer| {
        let outcome = if event.outcome == "success" {
            String::new()
        } else {
            format!("{}: ", event.outcome)
        };
        printer.line(&format!(
            "{}  {:>6}  {:<24}  {outcome}{}",
            words::exact(event.time),
            event.index,
            event.event,
            event.sentence
        ))
    })
}

/// Whether a live event is one that was asked for; the server does the same for what is past.
fn matches(query: &AuditQuery, event: &EventView) -> bool {
    let same = |wanted: &Option<String>, is: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| is == Some(wanted))
    };
    let code = |wanted: &String| match wanted.strip_suffix('*') {
        Some(family) => event.event.starts_with(family),
        None => event.event == *wanted,
    };
    let holds = |words: &String| {
        let texts = [
            event.reason.as_deref(),
            Some(event.actor.name.as_str()),
            event.principal.as_deref(),
            event.target.as_deref(),
        ];
        let texts: Vec<String> = texts.into_iter().flatten().map(str::to_lowercase).collect();
        words
            .to_lowercase()
            .split_whitespace()
            .all(|word| texts.iter().any(|text| text.contains(word)))
    };
    same(&query.actor, Some(&event.actor.name))
        && (query.events.is_empty() || query.events.iter().any(code))
        && same(&query.target, event.target.as_deref())
        && same(&query.request, event.request.as_deref())
        && same(&query.grant, event.grant.as_deref())
        && same(&query.outcome, Some(&event.outcome))
        && query.since.is_none_or(|since| event.time >= since)
        && query.text.as_ref().is_none_or(holds)
}
