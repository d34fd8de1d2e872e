//! `portcullis account`: the password of one's local account, and signing in with it.

use crate::cli::{Context, Exit, Failure, factor, prove, type_in};
use crate::client::{Client, IdempotencyKey};
use crate::domain::second_factor::ADD_ONE;
use crate::secret::{Secret, same};
use crate::wire::{Factors, Me, PasswordSignIn, StepUpProof};

/// Set the password of your local account
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Set or replace your password; it is read from the terminal, or as a line from standard input
    Password,
}

/// What is typed in place of a code by whoever has a passkey.
const PASSKEY: &str = "passkey";
const SECOND: &str =
    "code of your authenticator, `passkey` for your passkey, Enter if you have none:";

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let Command::Password = arguments.command;
    let client = context.client()?;
    let own = client.factors().await?;
    set_password(&client, &own).await?;
    context
        .printer
        .answer(&serde_json::json!({ "password": "set" }), |printer| {
            printer.line("your password is set; sign in with `portcullis login --user YOUR-NAME`")
        })?;
    Ok(Exit::DONE)
}

async fn set_password(client: &Client, own: &Factors) -> Result<(), Failure> {
    let proves = own.factors.iter().any(|factor| factor.confirmed);
    let current = if own.has_password && !proves {
        Some(type_in::hidden("your present password:").await?)
    } else {
        None
    };
    let password = type_in::hidden("a new password, at least 12 characters:").await?;
    if type_in::somebody_is_there() {
        let again = type_in::hidden("the same again:").await?;
        if !same(password.expose().as_bytes(), again.expose().as_bytes()) {
            return Err(Failure::here(
                "these are two different passwords",
                "try again",
            ));
        }
    }
    let key = IdempotencyKey::new()?;
    client
        .set_password(&password, current.as_ref(), &key)
        .await?;
    Ok(())
}

/// Signs in with a password, and with a code or a passkey by whoever has a second factor. Both are asked for whether or
/// not they are needed, so that nothing is learned about an account.
pub(super) async fn sign_in(
    context: &Context<'_>,
    client: &Client,
    name: &str,
    device: String,
) -> Result<Me, Failure> {
    let password: Secret = type_in::hidden("password:").await?;
    let code = match context.totp() {
        Some(code) => code.to_owned(),
        None if type_in::somebody_is_there() => type_in::line(SECOND).await?,
        None => String::new(),
    };
    if code.trim() == PASSKEY {
        let signed_in = client.sign_in_by_passkey(name, &password, device, |address| {
            prove::show_address("your browser opens, to ask your passkey there", address);
        });
        return Ok(signed_in.await?);
    }
    let body = PasswordSignIn {
        name: name.to_owned(),
        password: password.expose().to_owned(),
        proof: (!code.trim().is_empty()).then(|| StepUpProof::typed(&code)),
        device: Some(device),
    };
    Ok(client.sign_in_with_password(&body).await?)
}

/// After a sign-in: what happened to the account, and what it lacks; `asks` offers to add it. A server that knows nothing of it says nothing.
pub(super) async fn after_sign_in(
    context: &Context<'_>,
    client: &Client,
    asks: bool,
) -> Result<(), Failure> {
    let Ok(own) = client.factors().await else {
        return Ok(());
    };
    for notice in &own.notices {
        context.printer.note(&format!("your account: {notice}"));
    }
    if own.at_provider || own.factors.iter().any(|factor| factor.confirmed) {
        return Ok(());
    }
    if !asks || context.printer.json || !type_in::somebody_is_there() {
        context
            .printer
            .note(&format!("you have no second factor; {ADD_ONE}"));
        return Ok(());
    }
    let question =
        "you have no second factor, and deciding needs one. Add an authenticator now? [y/N]";
    if type_in::line(question)
        .await?
        .trim()
        .eq_ignore_ascii_case("y")
    {
        factor::add_totp(context, client, "authenticator", false, None).await?;
    }
    let question = "set a password for the next sign-in? [y/N]";
    if !own.has_password
        && type_in::line(question)
            .await?
            .trim()
            .eq_ignore_ascii_case("y")
    {
        set_password(client, &client.factors().await?).await?;
    }
    Ok(())
}
