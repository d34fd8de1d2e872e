//! `portcullis device`: the keys of machines from which people sign in without a browser there.

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};
use crate::client::{Client, IdempotencyKey};
use crate::domain::ids::DeviceKeyId;
use crate::text::clean;
use crate::wire::{Me, NewDeviceKey};

/// Machines without a browser from which you sign in: show the key of this one, enrol, list and revoke them
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what the key of this machine is known by, to be enrolled where you are signed in
    Show,
    /// Enrol a machine of yours, from one where you are signed in
    Enrol {
        /// What `portcullis device show` prints on that machine
        thumbprint: String,
        /// What you call it
        #[arg(long, value_name = "NAME", default_value = "device")]
        name: String,
    },
    /// List them: your own, or everybody's for an admin or auditor
    List,
    /// Revoke one for good; the sign-ins made from it are over
    Revoke {
        /// The device, as the list shows it
        id: DeviceKeyId,
    },
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    match arguments.command {
        Command::Show => {
            let thumbprint = client.session().thumbprint().await?;
            let said = serde_json::json!({ "thumbprint": thumbprint });
            context.printer.answer(&said, |printer| {
                printer.line(&thumbprint)?;
                printer.note(&format!(
                    "where you are signed in: portcullis device enrol {thumbprint} --name NAME"
                ));
                Ok(())
            })?;
        }
        Command::Enrol { thumbprint, name } => {
            let new = NewDeviceKey { thumbprint, name };
            let key = client.enrol_device(&new, &IdempotencyKey::new()?).await?;
            context.printer.answer(&key, |printer| {
                let name = clean(&key.name);
                printer.line(&format!("{} is enrolled: {name}", key.id))?;
                printer.note("there: portcullis login --device");
                Ok(())
            })?;
        }
        Command::List => list(context, &client).await?,
        Command::Revoke { id } => {
            client
                .revoke_device(id.as_str(), &IdempotencyKey::new()?)
                .await?;
            let said = serde_json::json!({ "id": id, "revoked": true });
            context
                .printer
                .answer(&said, |printer| printer.line(&format!("{id} is revoked")))?;
        }
    }
    Ok(Exit::DONE)
}

async fn list(context: &Context<'_>, client: &Client) -> Result<(), Failure> {
    let page = client.device_keys().await?;
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("DEVICE", Cut::Never),
            ("OWNER", Cut::Middle),
            ("NAME", Cut::End),
            ("SINCE", Cut::Never),
            ("LAST USED", Cut::Never),
        ]);
        for key in &page.items {
            let used = key
                .last_used_at
                .map_or_else(|| "never".to_owned(), words::moment);
            table.row([
                key.id.clone(),
                key.owner.clone(),
                key.name.clone(),
                words::moment(key.created_at),
                used,
            ]);
        }
        printer.table(&table, "no device is enrolled")
    })?;
    Ok(())
}

/// Signs in on this machine with a browser on another one.
pub(super) async fn sign_in(
    context: &Context<'_>,
    client: &Client,
    device: &str,
) -> Result<Me, Failure> {
    let begun = client.begin_on_device(device).await?;
    let note = |text: &str| context.printer.note(text);
    note("on a machine with a browser, go to this address and sign in as yourself:");
    note(&format!("  {}", clean(&begun.verification_uri)));
    note(&format!(
        "and type this code there: {}",
        clean(&begun.user_code)
    ));
    note(&format!(
        "it is good for {} minutes; approve nothing that you did not begin",
        (begun.expires_in + 59) / 60
    ));
    let mut wait = std::time::Duration::from_secs(u64::try_from(begun.wait).unwrap_or(5));
    loop {
        tokio::time::sleep(wait).await;
        match client.ask_on_device(&begun.handle).await? {
            Ok(me) => return Ok(me),
            Err(longer) => wait = longer,
        }
    }
}
