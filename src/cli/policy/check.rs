//! `portcullis policy check`: looks for mistakes in a policy.

use std::path::PathBuf;

use serde_json::json;

use crate::catalog;
use crate::cli::{Context, Exit, Failure};
use crate::config::paths;
use crate::domain::policy::Policy;

/// Look for mistakes in a policy; ends with 1 when there are any
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The policy, or the folder of one called policy.cedar
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
}

pub(super) fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = if arguments.path.is_dir() {
        arguments.path.join(paths::POLICY_FILE)
    } else {
        arguments.path.clone()
    };
    // Beside its catalogue a policy has the time zone of that, and the version that a server says.
    let zone = path
        .parent()
        .and_then(|folder| catalog::targets(folder).ok());
    let zone = zone.map(|(_, zone)| zone).unwrap_or_default();
    let (count, version, problems) = match Policy::parse(&super::text(&path)?) {
        Ok(policy) => (
            policy.rules().count(),
            Some(policy.in_zone(zone).version().to_owned()),
            Vec::new(),
        ),
        Err(problems) => (0, None, problems),
    };
    let listed: Vec<_> = problems
        .iter()
        .map(|problem| {
            json!({"line": problem.line, "column": problem.column, "message": problem.message, "hint": problem.hint})
        })
        .collect();
    let body = json!({"file": path, "policies": count, "version": version, "problems": listed});
    context.printer.answer(&body, |printer| {
        for problem in &problems {
            printer.line(&super::said(&path, problem))?;
            if let Some(hint) = &problem.hint {
                printer.line(&format!("  hint: {hint}"))?;
            }
        }
        match &version {
            Some(version) => printer.line(&format!("ok: {count} policies, version {version}")),
            None => printer.line("not usable"),
        }
    })?;
    Ok(if version.is_some() {
        Exit::DONE
    } else {
        Exit::REFUSED
    })
}
