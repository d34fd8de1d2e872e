//! `portcullis login`: redeems a one-time code and keeps the sign-in.

use std::io::IsTerminal as _;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::cli::{Context, Exit, Failure, account};
use crate::client::Client;
use crate::domain::ids::PrincipalName;
use crate::wire::Me;

/// Sign in with a one-time code
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The code; without it the code is read from standard input, where no other process sees it
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Your name, when you are the first admin of a new server
    #[arg(long, value_name = "NAME")]
    name: Option<PrincipalName>,
    /// Sign in to your local account, with its password and the code of your second factor
    #[arg(long, value_name = "NAME", conflicts_with_all = ["code", "name"])]
    user: Option<PrincipalName>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    if let Some(user) = &arguments.user {
        let me = account::sign_in(context, &client, user.as_str(), device()).await?;
        return greet(context, &client, &me).await;
    }
    let code = match arguments.code {
        Some(code) => code,
        None => read_code(context).await?,
    };
    let name = arguments.name.as_ref().map(PrincipalName::as_str);
    let me = client.sign_in(code.trim(), name, Some(&device())).await?;
    greet(context, &client, &me).await
}

async fn greet(context: &Context<'_>, client: &Client, me: &Me) -> Result<Exit, Failure> {
    context.printer.answer(me, |printer| {
        printer.line(&format!("signed in as {} on {}", me.name, client.server()))
    })?;
    account::after_sign_in(context, client).await?;
    Ok(Exit::DONE)
}

async fn read_code(context: &Context<'_>) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        context.printer.ask("one-time code:");
    }
    let mut line = String::new();
    let read = BufReader::new(tokio::io::stdin())
        .read_line(&mut line)
        .await;
    read.map_err(|error| {
        Failure::here(
            format!("the code cannot be read: {error}"),
            "give it with `--code`",
        )
    })?;
    if line.trim().is_empty() {
        return Err(Failure::usage(
            "no code was given",
            "an admin makes one with `portcullis token invite NAME`; a new server prints one when it starts",
        ));
    }
    Ok(line)
}

/// This machine as the list of sign-ins shows it.
fn device() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let host = host.unwrap_or_default();
    let plain: String = host
        .trim()
        .chars()
        .filter(char::is_ascii_graphic)
        .take(90)
        .collect();
    if plain.is_empty() {
        "command line".to_owned()
    } else {
        format!("cli on {plain}")
    }
}
