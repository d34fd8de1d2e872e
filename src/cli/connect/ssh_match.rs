//! `portcullis ssh-match`: ssh asks whether a grant opens a host, and finds a fresh certificate where one does.
//!
//! It stands in `Match … exec` of ssh's configuration, so it asks nobody anything, ends soon, and a no is no fault: ssh goes
//! on as if it were not there.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;

use crate::cli::connect::ssh;
use crate::cli::find::{self, GrantOrTarget};
use crate::cli::{Context, Exit, Failure, keep};
use crate::client::StateDir;
use crate::domain::ids::{RoleName, TargetName};

/// How long ssh waits for us at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// Get a fresh certificate for plain ssh, where an active grant of yours opens the host; the file of `ssh-config` calls
/// it, and it ends with 0 then
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: Match host web-1 exec \"portcullis ssh-match --folder /run/user/1000/portcullis web-1\""
)]
pub(in crate::cli) struct Arguments {
    /// The target
    #[arg(value_name = "TARGET")]
    target: TargetName,
    /// Only with this role
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleName>,
    /// Where the key, the certificate and the settings for ssh are written, in a folder with the target's name
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
}

pub(in crate::cli) async fn run(
    context: &Context<'_>,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    let target = &arguments.target;
    let failure = match timeout(PATIENCE, open(context, &arguments)).await {
        Ok(Ok(())) => return Ok(Exit::DONE),
        Ok(Err(failure)) => failure,
        Err(_) => Failure::timed_out(
            format!("the server did not say in time whether `{target}` is open to you"),
            "try `portcullis status`",
        ),
    };
    // What a grant has left opens nothing any more, but it is nobody's use either. It may not be there at all.
    let _ = fs::remove_dir_all(arguments.folder.join(target.as_str()));
    let hint = failure
        .hint
        .map_or_else(String::new, |hint| format!("; {hint}"));
    context
        .printer
        .note(&format!("portcullis: {}{hint}", failure.text));
    Ok(failure.exit)
}

async fn open(context: &Context<'_>, arguments: &Arguments) -> Result<(), Failure> {
    let client = context.client_that_asks_nobody()?;
    let which = GrantOrTarget::Target(arguments.target.clone());
    let role = arguments.role.as_ref().map(RoleName::as_str);
    let grant = find::grant(&client, &which, role).await?;
    keep::grants(context, &client, std::slice::from_ref(&grant));
    if grant.target_kind.as_deref() != Some("ssh") {
        let text = format!("`{}` is not a host for ssh", arguments.target);
        let hint = "write the configuration again with `portcullis ssh-config --install`";
        return Err(Failure::refused(text, hint));
    }
    let folder = StateDir::at(&arguments.folder).private(arguments.target.as_str())?;
    ssh::Ssh::new(context, client, grant).refresh(&folder).await
}
