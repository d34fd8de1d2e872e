//! `portcullis login`: signs in at the server's identity provider, or with a one-time code, and keeps the sign-in.

use std::io::IsTerminal as _;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::cli::{Context, Exit, Failure, account, keep, type_in};
use crate::client::{Client, device, open_browser};
use crate::domain::ids::PrincipalName;
use crate::secret::Secret;
use crate::text::clean;
use crate::wire::Me;

/// How the list of sign-ins calls this program.
const PROGRAM: &str = "cli";

/// Sign in, in the browser where the server has an identity provider, else with a one-time code
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Sign in with a one-time code; `--code -` reads it from standard input, where no other process sees it
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Your name, when you are the first admin of a new server
    #[arg(long, value_name = "NAME")]
    name: Option<PrincipalName>,
    /// Sign in to your local account, with its password and the code of your second factor
    #[arg(long, value_name = "NAME", conflicts_with_all = ["code", "name"])]
    user: Option<PrincipalName>,
    /// Sign in with a sealed code, which is asked for or read from standard input; good for break-glass alone
    #[arg(long, conflicts_with_all = ["code", "name", "user", "no_browser"])]
    sealed: bool,
    /// Sign in on this machine with a browser on another one; the device has to be enrolled, see `portcullis device`
    #[arg(long, conflicts_with_all = ["code", "name", "user", "no_browser"])]
    device: bool,
    /// Print the address instead of opening a browser
    #[arg(long, conflicts_with_all = ["code", "name"])]
    no_browser: bool,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    // Whoever comes from a provider has an account there: a password here is not for them.
    let mut asks = true;
    if arguments.sealed {
        return sealed(context, &client).await;
    }
    let me = if let Some(user) = &arguments.user {
        account::sign_in(context, &client, user.as_str(), device(PROGRAM)).await?
    } else if arguments.device {
        asks = false;
        crate::cli::device::sign_in(context, &client, &device(PROGRAM)).await?
    } else if at_provider(&client, &arguments).await? {
        asks = false;
        in_browser(context, &client, arguments.no_browser).await?
    } else {
        let code = match arguments.code.filter(|code| code != "-") {
            Some(code) => code,
            None => read_code(context).await?,
        };
        let name = arguments.name.as_ref().map(PrincipalName::as_str);
        client
            .sign_in(code.trim(), name, Some(&device(PROGRAM)))
            .await?
    };
    keep::forget(context, &client);
    context.printer.answer(&me, |printer| {
        printer.line(&format!("signed in as {} on {}", me.name, client.server()))
    })?;
    if let Some(place) = client.session().key_kept_in().await? {
        let note = format!("the key of this device is {}", place.words());
        context.printer.note(&note);
    }
    account::after_sign_in(context, &client, asks).await?;
    Ok(Exit::DONE)
}

/// Whether to sign in at the provider: the default wherever the server has one and nobody brings a code.
async fn at_provider(client: &Client, arguments: &Arguments) -> Result<bool, Failure> {
    if arguments.code.is_some() || arguments.name.is_some() {
        return Ok(false);
    }
    let ways = client.sign_in_ways().await?;
    if ways.provider.is_none() && arguments.no_browser {
        return Err(Failure::usage(
            "this server has no identity provider",
            "sign in with a one-time code: `portcullis login --code CODE`",
        ));
    }
    Ok(ways.provider.is_some())
}

/// Signs in with a sealed code. It never stands on the command line, where other processes could read it.
async fn sealed(context: &Context<'_>, client: &Client) -> Result<Exit, Failure> {
    let code = type_in::hidden("sealed code:").await?;
    let code = Secret::new(code.expose().trim().to_owned());
    if code.expose().is_empty() {
        return Err(Failure::usage(
            "no code was given",
            "an admin makes some beforehand with `portcullis break-glass seal NAME`",
        ));
    }
    let me = client.sign_in_sealed(&code, Some(&device(PROGRAM))).await?;
    keep::forget(context, client);
    context.printer.answer(&me, |printer| {
        printer.line(&format!(
            "signed in as {} on {}, for break-glass alone",
            me.name,
            client.server()
        ))?;
        printer.line("take access: portcullis break-glass TARGET ROLE --for 30m --reason \"…\"")
    })?;
    Ok(Exit::DONE)
}

async fn in_browser(
    context: &Context<'_>,
    client: &Client,
    no_browser: bool,
) -> Result<Me, Failure> {
    let waiting = client.begin_in_browser(&device(PROGRAM)).await?;
    let url = clean(&waiting.authorize_url).to_string();
    if no_browser || !open_browser(&url) {
        context
            .printer
            .note("sign in with a browser on this machine at this address:");
    } else {
        context
            .printer
            .note("your browser opens for the sign-in; if it does not, go to this address:");
    }
    context.printer.note(&format!("  {url}"));
    Ok(client.finish_in_browser(waiting).await?)
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
