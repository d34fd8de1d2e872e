//! `portcullis connect`: uses an active grant with psql or ssh, or prints what another program needs. `exec` runs any
//! other program with it. `ssh-config` and `ssh-match` make plain ssh use it.
//!
//! Secrets go to the child through its environment or private files, never through its arguments.
//! To add a kind of target: one file here with `run`, `print` and `exec`, one arm in `run` below and one in `exec`.

mod child;
pub(super) mod exec;
mod postgres;
mod ssh;
pub(super) mod ssh_config;
mod ssh_files;
pub(super) mod ssh_match;

use std::ffi::OsString;

use crate::cli::find::{self, GrantOrTarget};
use crate::cli::{Context, Exit, Failure, keep, words};
use crate::client::{Client, IdempotencyKey};
use crate::domain::ids::RoleName;
use crate::wire::{CredentialAsk, CredentialView, GrantView};

/// Use your active grant: opens psql or ssh, or says what your own account may do now
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  portcullis connect orders-db\n  portcullis connect orders-db -- -c 'select count(*) from orders'\n  portcullis connect orders-db --print\n  portcullis connect web-1 -- uptime"
)]
pub(super) struct Arguments {
    /// The target, or one grant of yours
    #[arg(value_name = "TARGET|GRANT")]
    which: GrantOrTarget,
    /// Only with this role
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleName>,
    /// Print a connection string, or the ssh command, instead of opening it
    #[arg(long)]
    print: bool,
    /// Passed on to psql or ssh
    #[arg(last = true, value_name = "ARGS")]
    rest: Vec<OsString>,
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let grant = find::grant(
        &client,
        &arguments.which,
        arguments.role.as_ref().map(RoleName::as_str),
    )
    .await?;
    keep::grants(context, &client, std::slice::from_ref(&grant));
    if grant.target_kind.as_deref() == Some("ssh") {
        let ssh = ssh::Ssh::new(context, client, grant);
        return if arguments.print {
            ssh.print().await
        } else {
            ssh.run(&arguments.rest).await
        };
    }
    let credential = credential_of(&client, &grant).await?;
    if context.printer.json {
        context.printer.json_line(&credential)?;
        return Ok(Exit::DONE);
    }
    match credential {
        CredentialView::Postgres { .. } if arguments.print => {
            postgres::print(context, &grant, &credential)
        }
        CredentialView::Postgres { .. } => {
            let exit = postgres::run(context, &credential, &arguments.rest).await?;
            explain(context, &client, &grant.id, exit).await;
            Ok(exit)
        }
        CredentialView::Ssh { .. } => Err(ssh::not_a_host(&grant.target)),
        CredentialView::OwnAccount { .. } if !arguments.rest.is_empty() => Err(Failure::usage(
            format!("there is nothing to run on `{}`", grant.target),
            "leave out what follows `--`, and use your own account",
        )),
        CredentialView::OwnAccount { what, ends_at } => {
            let until = words::exact(ends_at);
            context
                .printer
                .line(&format!("{what} until {until}: use your own account"))?;
            Ok(Exit::DONE)
        }
    }
}

/// The credential of a grant that needs nothing from this machine for it.
async fn credential_of(client: &Client, grant: &GrantView) -> Result<CredentialView, Failure> {
    let ask = CredentialAsk::default();
    let key = IdempotencyKey::new()?;
    Ok(client.credential(&grant.id, &ask, &key).await?)
}

/// Says why a session broke off, when that is because the grant is over.
async fn explain(context: &Context<'_>, client: &Client, grant: &str, exit: Exit) {
    if exit == Exit::DONE {
        return;
    }
    // Without an answer there is nothing to add to what the program itself has said.
    if let Ok(grant) = client.grant(grant).await
        && grant.state != "active"
    {
        context.printer.note(&closed(&grant));
    }
}

/// Why a grant is over, as one sentence.
fn closed(grant: &GrantView) -> String {
    let what = match grant.close_kind.as_deref() {
        Some("revoke") => "was revoked",
        Some("return") => "was returned",
        _ => "has ended",
    };
    format!("grant `{}` {what}{}", grant.id, words::by_whom(grant))
}
