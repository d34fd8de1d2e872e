//! `portcullis token`: invites people, lists sign-ins and ends them.

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::{GroupName, PrincipalName, SignInId};
use crate::domain::roles::GivenRole;
use crate::wire::Invitation;

/// Invite people, and list and end sign-ins
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a one-time code with which a person signs in
    Invite {
        /// The person
        name: PrincipalName,
        /// A product role, `requester`, `reviewer`, `admin`, `auditor` or `operator`; `reviewer@env:staging` is one for targets with that tag alone. May be given several times. For somebody known these replace the present ones
        #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
        roles: Vec<GivenRole>,
        /// A group that policies name; may be given several times
        #[arg(long = "group", value_name = "GROUP", value_delimiter = ',')]
        groups: Vec<GroupName>,
    },
    /// List sign-ins
    List,
    /// End a sign-in: its tokens stop working at once
    Revoke {
        /// The sign-in, as `portcullis token list` shows it
        id: SignInId,
    },
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Invite {
            name,
            roles,
            groups,
        } => invite(context, &name, &roles, &groups).await,
        Command::List => list(context).await,
        Command::Revoke { id } => revoke(context, &id).await,
    }
}

async fn invite(
    context: &Context<'_>,
    name: &PrincipalName,
    roles: &[GivenRole],
    groups: &[GroupName],
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let invitation = Invitation {
        name: name.to_string(),
        roles: roles.iter().map(ToString::to_string).collect(),
        groups: groups.iter().map(ToString::to_string).collect(),
    };
    let code = client.invite(&invitation, &IdempotencyKey::new()?).await?;
    context.printer.answer(&code, |printer| {
        printer.line(&code.code)?;
        printer.note(&format!(
            "give this code to {}; it works once, until {}",
            code.name,
            words::moment(code.expires_at)
        ));
        printer.note(&format!(
            "they type: portcullis login --server {}",
            client.server()
        ));
        Ok(())
    })?;
    Ok(Exit::DONE)
}

pub(super) async fn list(context: &Context<'_>) -> Result<Exit, Failure> {
    let page = context.client()?.sign_ins().await?;
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("ID", Cut::Never),
            ("PRINCIPAL", Cut::Middle),
            ("DEVICE", Cut::End),
            ("SIGNED IN", Cut::Never),
            ("LAST USED", Cut::Never),
            ("ENDS", Cut::Never),
        ]);
        for sign_in in &page.items {
            let device = if sign_in.current {
                format!("{} (this one)", sign_in.device)
            } else {
                sign_in.device.clone()
            };
            table.row([
                sign_in.id.clone(),
                sign_in.principal.clone(),
                device,
                words::moment(sign_in.created_at),
                words::moment(sign_in.last_used_at),
                words::moment(sign_in.expires_at),
            ]);
        }
        printer.table(&table, "no sign-ins")
    })?;
    Ok(Exit::DONE)
}

pub(super) async fn revoke(context: &Context<'_>, id: &SignInId) -> Result<Exit, Failure> {
    let client = context.client()?;
    client
        .revoke_sign_in(id.as_str(), &IdempotencyKey::new()?)
        .await?;
    context.printer.answer(
        &serde_json::json!({ "id": id, "revoked": true }),
        |printer| printer.line(&format!("{id} is ended")),
    )?;
    Ok(Exit::DONE)
}
