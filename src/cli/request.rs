//! `portcullis request`: asks for access, and waits for it when told to.

use std::time::Duration;

use chrono::Local;

use crate::cli::pick::{self, Given, Wish};
use crate::cli::table::{Cut, Table};
use crate::cli::when::{Toward, When};
use crate::cli::{Context, Exit, Failure, dry_run, keep, wait, words};
use crate::client::{Client, IdempotencyKey};
use crate::domain::ids::{RoleName, TargetName};
use crate::domain::span::Span;
use crate::wire::{GrantView, NewRequest, PolicyQuestion, RequestView};

/// Ask for access; at a terminal, what is left out is chosen from the catalogue
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  portcullis request\n  portcullis request orders-db readonly --for 1h --reason \"INC-4127 stuck orders\" --wait\n  portcullis request orders-db admin --for 4h --dry-run"
)]
pub(super) struct Arguments {
    /// The target, as `portcullis request --list` shows it
    target: Option<TargetName>,
    /// The role on the target
    role: Option<RoleName>,
    /// For how long, like 30m, 1h or 2h30m
    #[arg(long = "for", value_name = "TIME")]
    duration: Option<Span>,
    /// What for; reviewers and auditors read it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The ticket it belongs to
    #[arg(long, value_name = "ID")]
    ticket: Option<String>,
    /// Start later: 14:30, +2h, or "2026-11-22 14:30"
    #[arg(long, value_name = "MOMENT")]
    at: Option<When>,
    /// Wait until the access is usable, and say each step
    #[arg(long)]
    wait: bool,
    /// Give up waiting after this time; the request stays
    #[arg(long, value_name = "TIME", requires = "wait")]
    timeout: Option<Span>,
    /// Say how it would be decided and who ends it when every server is down, and ask for nothing; ends with 1 when policy
    /// says no
    #[arg(long, conflicts_with_all = ["list", "wait", "reason"])]
    dry_run: bool,
    /// Show the targets and roles that you may ask for
    #[arg(long, conflicts_with_all = ["target", "role", "duration", "reason", "ticket", "at", "wait"])]
    list: bool,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    if arguments.list {
        return list(context, &client).await;
    }
    let not_before = match arguments.at {
        Some(at) => Some(
            at.resolve(context.now(&client).await?, &Local, Toward::Future)
                .map_err(|text| Failure::usage(text, ""))?,
        ),
        None => None,
    };
    let given = Given {
        target: arguments.target.map(|target| target.to_string()),
        role: arguments.role.map(|role| role.to_string()),
        duration: arguments.duration.map(|duration| duration.to_string()),
        reason: arguments.reason,
        ticket: arguments.ticket,
        at: not_before,
    };
    if arguments.dry_run {
        let (Some(target), Some(role)) = (given.target, given.role) else {
            return Err(Failure::usage(
                "say of which target and role: `portcullis request TARGET ROLE --dry-run`",
                "list them with `portcullis request --list`",
            ));
        };
        let question = PolicyQuestion {
            principal: None,
            target,
            role,
            duration: given.duration.unwrap_or_else(|| Span::HOUR.to_string()),
            at: not_before,
            ticket: given.ticket,
        };
        return dry_run::run(context, &client, &question).await;
    }
    let ticket = given.ticket.clone();
    let wish = wish(context, &client, given).await?;
    let new = NewRequest {
        target: wish.target,
        role: wish.role,
        duration: wish.duration,
        reason: wish.reason,
        ticket,
        not_before,
    };
    ask(context, &client, &new, arguments.wait, arguments.timeout).await
}

/// What is asked for: as it was typed, or as somebody chooses.
async fn wish(context: &Context<'_>, client: &Client, given: Given) -> Result<Wish, Failure> {
    match given {
        Given {
            target: Some(target),
            role: Some(role),
            duration: Some(duration),
            reason: Some(reason),
            ..
        } => Ok(Wish {
            target,
            role,
            duration,
            reason,
        }),
        given if pick::is_possible(context) => pick::pick(context, client, given).await,
        given => {
            let missing: Vec<&str> = [
                (given.target.is_none(), "TARGET"),
                (given.role.is_none(), "ROLE"),
                (given.duration.is_none(), "--for TIME"),
                (given.reason.is_none(), "--reason TEXT"),
            ]
            .into_iter()
            .filter_map(|(is_missing, name)| is_missing.then_some(name))
            .collect();
            Err(Failure::usage(
                format!(
                    "nobody is at a terminal who could choose, and this is missing: {}",
                    missing.join(", ")
                ),
                "list targets and roles with `portcullis request --list`",
            ))
        }
    }
}

/// Files the request, says what it waits for, and waits as well when told to.
pub(super) async fn ask(
    context: &Context<'_>,
    client: &Client,
    new: &NewRequest,
    wait: bool,
    timeout: Option<Span>,
) -> Result<Exit, Failure> {
    let request = client.submit(new, &IdempotencyKey::new()?).await?;
    keep::request(context, client, &request);
    if !wait {
        context.printer.answer(&request, |printer| {
            printer.line(&words::asked(&request))?;
            tell(context, &request)
        })?;
        return Ok(if request.state == "denied" {
            Exit::REFUSED
        } else {
            Exit::DONE
        });
    }
    context.printer.line(&words::asked(&request))?;
    let limit = timeout.map(|limit| Duration::from_secs(u64::from(limit.seconds())));
    wait_until_usable(context, client, request, limit).await
}

/// What a request waits for, or what became of it.
fn tell(context: &Context<'_>, request: &RequestView) -> Result<(), Failure> {
    let printer = context.printer;
    match request.state.as_str() {
        "pending" => printer.line(&format!(
            "pending: waits for {}, until {}",
            words::awaited(request),
            words::moment(request.decide_by)
        )),
        "approved" => {
            let narrowed = words::narrowed(request)
                .map_or_else(String::new, |narrowed| format!(", {narrowed}"));
            printer.line(&format!(
                "approved{narrowed}: until about {}",
                words::moment(request.would_end_at)
            ))
        }
        "denied" => printer.line(&words::denial(request).unwrap_or_else(|| "denied".to_owned())),
        state => printer.line(state),
    }
}

/// Where the waiting ends.
enum Arrived {
    Usable(Box<RequestView>, Box<GrantView>),
    Over(Failure),
}

pub(super) async fn wait_until_usable(
    context: &Context<'_>,
    client: &Client,
    request: RequestView,
    limit: Option<Duration>,
) -> Result<Exit, Failure> {
    let id = request.id.clone();
    let mut said = String::new();
    let mut steps = Steps {
        context,
        said: &mut said,
    };
    let concerned = |event: &crate::wire::EventView| {
        event.request.as_deref() == Some(id.as_str()) || event.grant.is_some()
    };
    let arrived = wait::until(context, client, limit, concerned, async || {
        let request = client.request(&id).await?;
        if let Some(over) = steps.request(&request)? {
            return Ok(Some(Arrived::Over(over)));
        }
        let Some(grant) = request.grant.as_deref() else {
            return Ok(None);
        };
        let grant = client.grant(grant).await?;
        steps.grant(request, grant)
    })
    .await?;
    match arrived {
        Some(Arrived::Usable(request, grant)) => {
            keep::grants(context, client, std::slice::from_ref(&*grant));
            if context.printer.json {
                context.printer.json_line(&request)?;
                context.printer.json_line(&grant)?;
            }
            context.printer.line(&format!(
                "active: {} until {}",
                grant.id,
                words::exact(grant.expires_at)
            ))?;
            context
                .printer
                .line(&format!("use it: portcullis connect {}", grant.target))?;
            Ok(Exit::DONE)
        }
        Some(Arrived::Over(failure)) => Err(failure),
        None => Err(Failure::timed_out(
            format!("`{id}` is not usable yet"),
            "the request stays: see `portcullis requests --mine`, or `portcullis withdraw` it",
        )),
    }
}

/// Says each step once.
struct Steps<'a, 'p> {
    context: &'a Context<'p>,
    said: &'a mut String,
}

impl Steps<'_, '_> {
    fn say(&mut self, step: String) -> Result<(), Failure> {
        if *self.said != step {
            self.context.printer.line(&step)?;
            *self.said = step;
        }
        Ok(())
    }

    /// What becomes of the request; a failure when no access can come of it any more.
    fn request(&mut self, request: &RequestView) -> Result<Option<Failure>, Failure> {
        let over = |text: String, hint: &str| Ok(Some(Failure::refused(text, hint)));
        match request.state.as_str() {
            "pending" => {
                self.say(format!(
                    "pending: waits for {}, until {}",
                    words::awaited(request),
                    words::moment(request.decide_by)
                ))?;
                Ok(None)
            }
            "approved" => Ok(None),
            "denied" => over(
                format!(
                    "`{}` was {}",
                    request.id,
                    words::denial(request).unwrap_or_else(|| "denied".to_owned())
                ),
                "",
            ),
            "expired" => over(
                format!("nobody decided `{}` in time", request.id),
                "ask again, and tell a reviewer",
            ),
            state => over(format!("`{}` is {state}", request.id), ""),
        }
    }

    fn grant(
        &mut self,
        request: RequestView,
        grant: GrantView,
    ) -> Result<Option<Arrived>, Failure> {
        let approved_by: Vec<&str> = request
            .reviews
            .iter()
            .filter(|review| review.decision == "approve")
            .map(|review| review.reviewer.as_str())
            .collect();
        let by = if request.kind == "break_glass" {
            "before its review".to_owned()
        } else if approved_by.is_empty() {
            "by policy".to_owned()
        } else {
            format!("by {}", approved_by.join(" and "))
        };
        let narrowed =
            words::narrowed(&request).map_or_else(String::new, |narrowed| format!(", {narrowed}"));
        match grant.state.as_str() {
            "active" => return Ok(Some(Arrived::Usable(Box::new(request), Box::new(grant)))),
            "scheduled" => self.say(format!(
                "approved {by}{narrowed}: starts {}",
                words::moment(grant.not_before)
            ))?,
            "activating" => match &grant.last_error {
                Some(error) => self.say(format!(
                    "approved {by}{narrowed}: the target is not ready, trying again: {error}"
                ))?,
                None => self.say(format!(
                    "approved {by}{narrowed}: making access on {}",
                    grant.target
                ))?,
            },
            "activation_failed" => {
                let why = grant.last_error.as_deref().unwrap_or("no reason was given");
                return Ok(Some(Arrived::Over(Failure::refused(
                    format!(
                        "`{}` was approved, but access could not be made: {why}",
                        request.id
                    ),
                    "tell the operator; the audit has the details",
                ))));
            }
            state => {
                return Ok(Some(Arrived::Over(Failure::refused(
                    format!("grant `{}` is already {state}", grant.id),
                    "ask again with `portcullis request`",
                ))));
            }
        }
        Ok(None)
    }
}

async fn list(context: &Context<'_>, client: &Client) -> Result<Exit, Failure> {
    let targets = client.targets().await?;
    keep::catalogue(context, client, &targets.items);
    context.printer.answer(&targets, |printer| {
        let mut table = Table::new(&[
            ("TARGET", Cut::Never),
            ("KIND", Cut::Never),
            ("CLASS", Cut::Never),
            ("ROLE", Cut::Never),
            ("MAY ASK", Cut::Never),
            ("POLICY", Cut::End),
            ("WHAT IT IS", Cut::End),
        ]);
        for target in &targets.items {
            for role in &target.roles {
                let may = if role.may_ask { "yes" } else { "no" };
                let about = [&target.description, &role.description]
                    .into_iter()
                    .filter(|text| !text.is_empty())
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(": ");
                table.row([
                    target.name.clone(),
                    target.kind.clone(),
                    target.enforcement.clone(),
                    role.name.clone(),
                    may.to_owned(),
                    role.verdict.clone(),
                    about,
                ]);
            }
        }
        printer.table(&table, "the catalogue has no target yet")
    })?;
    Ok(Exit::DONE)
}
