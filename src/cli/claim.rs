//! `portcullis claim`: tells other reviewers that one looks at a request, or no longer.

use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::RequestId;

/// Tell other reviewers that you look at a request; it lapses after 5 minutes
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The request
    #[arg(value_name = "REQUEST")]
    id: RequestId,
    /// Take your claim back
    #[arg(long)]
    release: bool,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let (id, key) = (arguments.id.as_str(), IdempotencyKey::new()?);
    let request = if arguments.release {
        client.release(id, &key).await?
    } else {
        client.claim(id, &key).await?
    };
    context.printer.answer(&request, |printer| {
        printer.line(&words::asked(&request))?;
        printer.block("  ", &request.reason)?;
        let noted = words::noted(&request);
        if arguments.release {
            printer.line("released")?;
        }
        noted.iter().try_for_each(|line| printer.line(line))
    })?;
    Ok(Exit::DONE)
}
