//! `portcullis receipt`: how the end of a grant went, step by step with times.

use chrono::{DateTime, Local, Utc};

use crate::cli::{Context, Exit, Failure, words};
use crate::domain::ids::GrantId;
use crate::wire::{ReceiptStep, ReceiptView};

/// Show how the end of a grant went: each step with its time, also the attempts that failed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Who asked for it, since when Portcullis refuses its use, what the target acknowledged, and what it could not prove. \
    Ends with 1 while the target has not confirmed.\nExample: portcullis receipt G-7k3qm2xd0v"
)]
pub(super) struct Arguments {
    /// The grant
    #[arg(value_name = "GRANT")]
    grant: GrantId,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let receipt = client.receipt(arguments.grant.as_str()).await?;
    context.printer.answer(&receipt, |printer| {
        printer.line(&headline(&receipt))?;
        for step in &receipt.steps {
            printer.line(&line(step))?;
            if let Some(reason) = &step.reason {
                printer.block("    ", reason)?;
            }
        }
        for line in besides(&receipt) {
            printer.line(&line)?;
        }
        Ok(())
    })?;
    if receipt.ended_at.is_some() {
        Ok(Exit::DONE)
    } else {
        Ok(Exit::REFUSED)
    }
}

fn headline(receipt: &ReceiptView) -> String {
    format!(
        "{} {} of {} on {}: {}",
        receipt.grant, receipt.role, receipt.holder, receipt.target, receipt.state
    )
}

fn besides(receipt: &ReceiptView) -> Vec<String> {
    let mut lines = Vec::new();
    if receipt.steps.is_empty() {
        lines.push("nobody has asked for its end, and its time is not over".to_owned());
    }
    if receipt.left_out {
        lines.push(format!(
            "{} attempts failed; those in between are in `portcullis audit --grant {}`",
            receipt.attempts, receipt.grant
        ));
    }
    if receipt.overdue {
        lines.push("overdue: the target should have confirmed before".to_owned());
    }
    if let Some(at) = receipt.next_attempt_at {
        lines.push(format!("the target is asked again by {}", words::exact(at)));
    }
    match receipt.sessions_ended {
        0 => {}
        1 => lines.push("1 session was cut".to_owned()),
        more => lines.push(format!("{more} sessions were cut")),
    }
    lines
}

fn line(step: &ReceiptStep) -> String {
    let what = match (step.kind.as_str(), step.attempt) {
        ("failed", Some(attempt)) => format!("attempt {attempt} failed: {}", step.what),
        ("unproved", _) => format!("not proved: {}", step.what),
        _ => step.what.clone(),
    };
    format!("  {}  {what}", precise(step.at))
}

/// A moment on the reader's clock, to the millisecond: steps follow each other that fast.
fn precise(moment: DateTime<Utc>) -> String {
    let local = moment.with_timezone(&Local);
    local.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
