//! What would become of a request, without asking for it: how policy decides it, and who ends the access.

use serde::Serialize;

use crate::cli::{Context, Exit, Failure, words};
use crate::client::Client;
use crate::wire::{PolicyAnswer, PolicyQuestion};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct DryRun {
    #[serde(flatten)]
    answer: PolicyAnswer,
    /// `A`, `A+` or `C`.
    #[serde(skip_serializing_if = "Option::is_none")]
    enforcement: Option<String>,
}

pub(super) async fn run(
    context: &Context<'_>,
    client: &Client,
    question: &PolicyQuestion,
) -> Result<Exit, Failure> {
    let answer = client.explain_policy(question).await?;
    let targets = client.targets().await?.items;
    let target = targets.iter().find(|known| known.name == question.target);
    let dry = DryRun {
        enforcement: target.map(|target| target.enforcement.clone()),
        answer,
    };
    context.printer.answer(&dry, |printer| {
        let answer = &dry.answer;
        printer.line(&format!(
            "{} on {} for {}: {}",
            question.role, question.target, question.duration, answer.verdict
        ))?;
        // Where the answer is yes, only what it comes from is worth a line.
        let worth = |outcome: &str| !answer.permitted || outcome == "matched";
        let policies = answer.told.policies.iter();
        for policy in policies.filter(|policy| worth(&policy.outcome)) {
            printer.line(&format!("  {}", policy.sentence()))?;
        }
        if let Some(class) = &dry.enforcement {
            printer.line(&words::who_ends(class))?;
        }
        printer.line("nothing was asked")
    })?;
    Ok(if dry.answer.permitted {
        Exit::DONE
    } else {
        Exit::REFUSED
    })
}
