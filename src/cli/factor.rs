//! `portcullis factor`: lists, adds and removes second factors.

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, qr, type_in, words};
use crate::client::{Client, IdempotencyKey, NewTotp, open_browser};
use crate::domain::ids::{FactorId, PrincipalName};
use crate::domain::second_factor::{ADD_ONE, PROVIDER_SERVES};
use crate::text::clean;
use crate::wire::FactorConfirmed;

/// List, add and remove second factors
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List your second factors
    List,
    /// Add a second factor
    Add {
        #[command(subcommand)]
        kind: Kind,
    },
    /// Remove one of your second factors
    Remove {
        /// The factor, as `portcullis factor list` shows it
        id: FactorId,
    },
    /// Make ten new recovery codes; the old ones are good no longer
    Recovery,
    /// Take every second factor of a person away who has lost them
    Reset {
        /// The person
        name: PrincipalName,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Kind {
    /// A passkey: a key in hardware, in your phone or in your browser, by a page on this machine
    Passkey {
        /// What you call it
        #[arg(long, value_name = "NAME", default_value = "passkey")]
        name: String,
        /// Print the address instead of opening a browser
        #[arg(long)]
        no_browser: bool,
    },
    /// An authenticator application, by a QR code
    Totp {
        /// What you call it
        #[arg(long, value_name = "NAME", default_value = "authenticator")]
        name: String,
        /// Show the secret as text and draw no QR code
        #[arg(long)]
        linear: bool,
        /// The first code, when the application has the secret already; without it you are asked
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
    },
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    match arguments.command {
        Command::List => list(context, &client).await?,
        Command::Add {
            kind: Kind::Totp { name, linear, code },
        } => add_totp(context, &client, &name, linear, code).await?,
        Command::Add {
            kind: Kind::Passkey { name, no_browser },
        } => add_passkey(context, &client, &name, no_browser).await?,
        Command::Remove { id } => remove(context, &client, &id).await?,
        Command::Recovery => {
            let codes = client.new_recovery_codes(&IdempotencyKey::new()?).await?;
            context
                .printer
                .answer(&codes, |_| show_codes(context, &codes.codes))?;
        }
        Command::Reset { name } => {
            client
                .reset_factors(name.as_str(), &IdempotencyKey::new()?)
                .await?;
            context.printer.answer(
                &serde_json::json!({ "name": name, "reset": true }),
                |printer| {
                    printer.line(&format!(
                        "{name} has no second factor any more, and is told so at the next sign-in"
                    ))
                },
            )?;
        }
    }
    Ok(Exit::DONE)
}

async fn list(context: &Context<'_>, client: &Client) -> Result<(), Failure> {
    let own = client.factors().await?;
    context.printer.answer(&own, |printer| {
        let mut table = Table::new(&[
            ("ID", Cut::Never),
            ("KIND", Cut::Never),
            ("NAME", Cut::End),
            ("ADDED", Cut::Never),
            ("LAST USED", Cut::Never),
        ]);
        for factor in &own.factors {
            let used = match (factor.confirmed, factor.last_used_at) {
                (false, _) => "never confirmed".to_owned(),
                (true, at) => at.map(words::moment).unwrap_or_default(),
            };
            table.row([
                factor.id.clone(),
                factor.kind.clone(),
                factor.name.clone(),
                words::moment(factor.created_at),
                used,
            ]);
        }
        printer.table(&table, &format!("no second factors; {ADD_ONE}"))?;
        if own.at_provider {
            printer.note(PROVIDER_SERVES);
        }
        let password = if own.has_password { "set" } else { "none" };
        printer.note(&format!(
            "recovery codes left: {}; password: {password}",
            own.recovery_codes_left
        ));
        Ok(())
    })
}

/// Adds an authenticator application and confirms it by its first code.
pub(super) async fn add_totp(
    context: &Context<'_>,
    client: &Client,
    name: &str,
    linear: bool,
    code: Option<String>,
) -> Result<(), Failure> {
    let new = client.add_totp(name, &IdempotencyKey::new()?).await?;
    let code = if let Some(code) = code {
        code
    } else {
        show_secret(context, &new, linear)?;
        type_in::line("the code that it shows now:").await?
    };
    let confirmed = client
        .confirm_factor(&new.factor.id, code.trim(), &IdempotencyKey::new()?)
        .await?;
    told(context, &confirmed)
}

/// Adds a passkey by a page in the person's browser.
async fn add_passkey(
    context: &Context<'_>,
    client: &Client,
    name: &str,
    no_browser: bool,
) -> Result<(), Failure> {
    let send = |address: &str| {
        let address = clean(address).to_string();
        let how = if no_browser || !open_browser(&address) {
            "add the passkey with a browser on this machine at this address:"
        } else {
            "your browser opens, to add the passkey there; if it does not, go to this address:"
        };
        context.printer.note(how);
        context.printer.note(&format!("  {address}"));
    };
    let confirmed = client.add_passkey(name, send).await?;
    told(context, &confirmed)
}

fn told(context: &Context<'_>, confirmed: &FactorConfirmed) -> Result<(), Failure> {
    context.printer.answer(confirmed, |printer| {
        printer.line(&format!(
            "{} `{}` is your second factor from now on",
            confirmed.factor.id, confirmed.factor.name
        ))?;
        if confirmed.recovery_codes.is_empty() {
            return Ok(());
        }
        show_codes(context, &confirmed.recovery_codes)
    })
}

fn show_secret(context: &Context<'_>, new: &NewTotp, linear: bool) -> Result<(), Failure> {
    let printer = context.printer;
    if printer.json {
        printer.json_line(new)?;
        return Ok(());
    }
    let drawn = if linear {
        Vec::new()
    } else {
        qr::lines(&new.uri)
    };
    if drawn.is_empty() {
        printer.line("type this into your authenticator application:")?;
    } else {
        printer.line("scan this with your authenticator application:")?;
        printer.verbatim(&drawn.join("\n"))?;
        printer.line("or type this into it:")?;
    }
    printer.line(&format!("  {}", grouped(&new.secret)))
}

/// In groups of four, as people read it from one screen to another.
fn grouped(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

fn show_codes(context: &Context<'_>, codes: &[String]) -> Result<(), Failure> {
    context
        .printer
        .line("your recovery codes, each good once, shown only now; keep them on paper:")?;
    for code in codes {
        context.printer.line(&format!("  {code}"))?;
    }
    Ok(())
}

async fn remove(context: &Context<'_>, client: &Client, id: &FactorId) -> Result<(), Failure> {
    client
        .remove_factor(id.as_str(), &IdempotencyKey::new()?)
        .await?;
    context.printer.answer(
        &serde_json::json!({ "id": id, "removed": true }),
        |printer| printer.line(&format!("{id} is removed")),
    )
}
