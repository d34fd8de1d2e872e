//! `portcullis sign-ins`: who is signed in where, and ending that.

use crate::cli::{Context, Exit, Failure, token};
use crate::client::IdempotencyKey;
use crate::domain::ids::{PrincipalName, SignInId};

/// List who is signed in where, and end sign-ins
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List sign-ins: your own, or everybody's for an admin or auditor
    List,
    /// End a sign-in: its tokens stop working at once, its streams within seconds
    Revoke {
        /// The sign-in, as the list shows it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<SignInId>,
        /// Every sign-in of this person
        #[arg(long, value_name = "NAME")]
        all: Option<PrincipalName>,
    },
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        None | Some(Command::List) => token::list(context).await,
        Some(Command::Revoke { id: Some(id), .. }) => token::revoke(context, &id).await,
        Some(Command::Revoke { all, .. }) => revoke_all(context, all.as_ref()).await,
    }
}

async fn revoke_all(context: &Context<'_>, name: Option<&PrincipalName>) -> Result<Exit, Failure> {
    let client = context.client()?;
    let name = name.map(ToString::to_string).unwrap_or_default();
    let mut found = client.sign_ins().await?.items;
    found.retain(|sign_in| sign_in.principal == name);
    // The one that asks comes last: without it nothing more could be ended.
    found.sort_by_key(|sign_in| sign_in.current);
    for sign_in in &found {
        client
            .revoke_sign_in(&sign_in.id, &IdempotencyKey::new()?)
            .await?;
    }
    let ids: Vec<&str> = found.iter().map(|sign_in| sign_in.id.as_str()).collect();
    let said = serde_json::json!({ "principal": name, "revoked": ids });
    context.printer.answer(&said, |printer| match ids.len() {
        0 => printer.line(&format!("{name} has no sign-ins that you may see")),
        1 => printer.line(&format!("the one sign-in of {name} is ended")),
        count => printer.line(&format!("the {count} sign-ins of {name} are ended")),
    })?;
    Ok(Exit::DONE)
}
