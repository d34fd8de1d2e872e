//! `portcullis why`: why a request or a grant is as it is.

use crate::cli::{Context, Exit, Failure};
use crate::domain::ids::{GrantId, RequestId};
use crate::wire::{NeedView, WhyView, WhyWay};

/// Say why a request or grant is as it is: the deciding policies, who counted, and what is missing
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The request or the grant
    #[arg(value_name = "ID")]
    which: Which,
}

/// A request or a grant, by the form of its id.
#[derive(Debug, Clone)]
enum Which {
    Request(RequestId),
    Grant(GrantId),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let request = text.parse().map(Self::Request);
        let either = request.or_else(|_| text.parse().map(Self::Grant));
        either.map_err(|_| {
            format!(
                "`{}` is neither a request id like `R-7k3qm2xd0v` nor a grant id like `G-7k3qm2xd0v`",
                text.escape_debug()
            )
        })
    }
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let why = match &arguments.which {
        Which::Request(id) => client.why_request(id.as_str()).await?,
        Which::Grant(id) => client.why_grant(id.as_str()).await?,
    };
    context.printer.answer(&why, |printer| {
        for line in lines(&why) {
            printer.line(&line)?;
        }
        Ok(())
    })?;
    Ok(Exit::DONE)
}

fn lines(why: &WhyView) -> Vec<String> {
    let mut lines = vec![format!("{} is {}: {}", why.id, why.state, why.sentence)];
    for missing in &why.missing {
        lines.push(format!("needs {missing}"));
    }
    let in_use = if why.policy_in_use {
        "in use"
    } else {
        "replaced since; it still holds for this request"
    };
    lines.push(format!("policy version {}, {in_use}", why.policy_version));
    for way in &why.ways {
        lines.extend(of_way(way));
    }
    lines
}

fn of_way(way: &WhyWay) -> Vec<String> {
    let decided = if way.decided { ", which decided" } else { "" };
    let mut lines = vec![format!(
        "policy `{}` (line {}{decided}): {} of {}",
        way.policy, way.line, way.approvals, way.threshold
    )];
    lines.extend(way.needs.iter().map(of_need));
    for line in way.text.iter().flat_map(|text| text.lines()) {
        lines.push(format!("  | {line}"));
    }
    lines
}

fn of_need(need: &NeedView) -> String {
    let who = if need.approved_by.is_empty() {
        "nobody yet".to_owned()
    } else {
        need.approved_by.join(", ")
    };
    format!(
        "  `{}`: {} of {}, {who}",
        need.group,
        need.approved_by.len(),
        need.threshold
    )
}
