//! `portcullis policy explain`: what the policy in use says to a question, policy by policy.

use chrono::{DateTime, Utc};

use crate::cli::{Context, Exit, Failure, words};
use crate::domain::ids::{PrincipalName, RoleName, TargetName};
use crate::domain::span::Span;
use crate::wire::PolicyQuestion;

/// Say what policy answers to a question, and why, policy by policy; ends with 1 when it says no
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target
    target: TargetName,
    /// The role
    role: RoleName,
    /// Who asks; without it you. Others only for admins and auditors
    #[arg(long = "as", value_name = "NAME")]
    principal: Option<PrincipalName>,
    /// For how long
    #[arg(long = "for", value_name = "TIME", default_value = "1h")]
    duration: Span,
    /// When, like 2026-11-25T22:00:00Z; without it now
    #[arg(long, value_name = "MOMENT")]
    at: Option<DateTime<Utc>>,
    /// With which ticket
    #[arg(long, value_name = "TEXT")]
    ticket: Option<String>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let question = PolicyQuestion {
        principal: arguments.principal.map(|name| name.to_string()),
        target: arguments.target.to_string(),
        role: arguments.role.to_string(),
        duration: arguments.duration.to_string(),
        at: arguments.at,
        ticket: arguments.ticket,
    };
    let answer = context.client()?.explain_policy(&question).await?;
    context.printer.answer(&answer, |printer| {
        printer.line(&format!(
            "{} ({}), {}: {}",
            answer.principal,
            answer.groups.join(", "),
            words::moment(answer.at),
            answer.verdict
        ))?;
        for policy in &answer.told.policies {
            printer.line(&format!("  {}", policy.sentence()))?;
        }
        printer.line(&format!("policy version {}", answer.told.version))
    })?;
    Ok(if answer.permitted {
        Exit::DONE
    } else {
        Exit::REFUSED
    })
}
