//! `portcullis service-account`: accounts of machines, each with an owner, scopes and a token that ends.

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::{GroupName, PrincipalName};
use crate::domain::service::Scope;
use crate::domain::span::Span;
use crate::wire::{NewService, ServiceToken};

/// Accounts of machines: make them, list them, give them another token, delete them
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make one; its token is shown once, and goes into `PORTCULLIS_TOKEN` where it is used
    Create {
        /// The machine
        name: PrincipalName,
        /// The person who answers for it, and may review nothing that it asks for
        #[arg(long, value_name = "PERSON")]
        owner: PrincipalName,
        /// What it may do: `request:TARGET/ROLE` (each may be `*`), `read`, `report:TARGET` (only say for that host which
        /// keys open it) or `metrics`; may be given several times
        #[arg(
            long = "scope",
            value_name = "SCOPE",
            value_delimiter = ',',
            required = true
        )]
        scopes: Vec<Scope>,
        /// A group that policies name; may be given several times
        #[arg(long = "group", value_name = "GROUP", value_delimiter = ',')]
        groups: Vec<GroupName>,
        /// How long its token is good
        #[arg(long, value_name = "SPAN", default_value = "30d")]
        expires: Span,
    },
    /// List them
    List,
    /// Make another token; the one before stops working at once
    Rotate {
        /// The machine
        name: PrincipalName,
        /// How long the token is good
        #[arg(long, value_name = "SPAN", default_value = "30d")]
        expires: Span,
    },
    /// End one: its token stops working at once
    Delete {
        /// The machine
        name: PrincipalName,
    },
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let key = IdempotencyKey::new()?;
    match arguments.command {
        Command::Create {
            name,
            owner,
            scopes,
            groups,
            expires,
        } => {
            let new = NewService {
                name: name.to_string(),
                owner: owner.to_string(),
                scopes: scopes.iter().map(ToString::to_string).collect(),
                groups: groups.iter().map(ToString::to_string).collect(),
                expires: expires.to_string(),
            };
            show(context, &client.create_service(&new, &key).await?)
        }
        Command::List => list(context).await,
        Command::Rotate { name, expires } => {
            let expires = expires.to_string();
            let token = client.rotate_service(name.as_str(), &expires, &key).await?;
            show(context, &token)
        }
        Command::Delete { name } => {
            client.delete_service(name.as_str(), &key).await?;
            let said = serde_json::json!({ "name": name, "deleted": true });
            context
                .printer
                .answer(&said, |printer| printer.line(&format!("{name} is deleted")))?;
            Ok(Exit::DONE)
        }
    }
}

fn show(context: &Context<'_>, token: &ServiceToken) -> Result<Exit, Failure> {
    context.printer.answer(token, |printer| {
        printer.line(&token.token)?;
        printer.note(&format!(
            "this is shown once; {} uses it as PORTCULLIS_TOKEN until {}",
            token.name,
            words::moment(token.expires_at)
        ));
        Ok(())
    })?;
    Ok(Exit::DONE)
}

async fn list(context: &Context<'_>) -> Result<Exit, Failure> {
    let page = context.client()?.services().await?;
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("NAME", Cut::Middle),
            ("OWNER", Cut::Middle),
            ("SCOPES", Cut::End),
            ("GROUPS", Cut::End),
            ("TOKEN ENDS", Cut::Never),
        ]);
        for service in &page.items {
            table.row([
                service.name.clone(),
                service.owner.clone(),
                service.scopes.join(" "),
                service.groups.join(" "),
                service
                    .expires_at
                    .map_or_else(|| "has ended".to_owned(), words::moment),
            ]);
        }
        printer.table(&table, "no service accounts")
    })?;
    Ok(Exit::DONE)
}
