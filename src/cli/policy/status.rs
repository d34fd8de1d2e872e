//! `portcullis policy status`: which policy is in use, and which one waits.

use crate::cli::{Context, Exit, Failure, words};
use crate::wire::{PolicyStatus, PolicyWaiting};

/// Say which policy is in use, since when and by whose word, and which one waits to be applied
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(context: &Context<'_>) -> Result<Exit, Failure> {
    let policy = context.client()?.policy().await?;
    context.printer.answer(&policy, |printer| {
        printer.line(&in_use(&policy))?;
        match &policy.waiting {
            Some(waiting) => {
                printer.line(&waits(waiting))?;
                for line in differences(waiting) {
                    printer.line(&line)?;
                }
                printer.line(&format!(
                    "compare with `portcullis policy show {}`, then `portcullis policy apply {} --reason …`",
                    waiting.version, waiting.version
                ))
            }
            None if policy.changes == "file" => {
                printer.line("a changed file comes into use as soon as it is written")
            }
            None => printer.line("nothing waits"),
        }
    })?;
    Ok(Exit::DONE)
}

/// The policy in use, in a line.
pub(super) fn in_use(policy: &PolicyStatus) -> String {
    let PolicyStatus {
        version, policies, ..
    } = policy;
    let by = match (&policy.applied_at, &policy.applied_by) {
        (Some(at), Some(by)) => format!(", applied by {by} {}", words::moment(*at)),
        (Some(at), None) => format!(", since {}", words::moment(*at)),
        _ => String::new(),
    };
    format!("in use: {version}, {policies} policies{by}")
}

fn waits(waiting: &PolicyWaiting) -> String {
    let PolicyWaiting {
        version,
        policies,
        time_zone,
        ..
    } = waiting;
    format!("waits:  {version}, {policies} policies, hours of {time_zone}")
}

/// What is other than in the policy in use, a line each.
pub(super) fn differences(waiting: &PolicyWaiting) -> Vec<String> {
    let line = |word: &str, names: &Vec<String>| {
        (!names.is_empty()).then(|| format!("  {word}: {}", names.join(", ")))
    };
    let lines = [
        line("added", &waiting.added),
        line("removed", &waiting.removed),
        line("changed", &waiting.changed),
    ];
    lines.into_iter().flatten().collect()
}
