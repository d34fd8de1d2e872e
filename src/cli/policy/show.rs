//! `portcullis policy show`: a policy as it is written.

use crate::cli::{Context, Exit, Failure};

/// Print a policy that is in use, waits, or was once in use
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which; the one in use when left out
    #[arg(value_name = "VERSION")]
    version: Option<String>,
}

pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let version = match &arguments.version {
        Some(version) => version.clone(),
        None => client.policy().await?.version,
    };
    let policy = client.policy_text(&version).await?;
    context.printer.answer(&policy, |printer| {
        let mut lines = policy.text.lines();
        lines.try_for_each(|line| printer.line(line))
    })?;
    Ok(Exit::DONE)
}
