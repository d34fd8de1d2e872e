//! `portcullis whoami`: who is signed in, where, and as what.

use crate::cli::{Context, Exit, Failure};

/// Show who you are to the server
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(context: &Context<'_>, _: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let me = client.me().await?;
    context.printer.answer(&me, |printer| {
        printer.facts(&[
            ("name", me.name.clone()),
            ("roles", me.roles.join(", ")),
            ("groups", me.groups.join(", ")),
            ("id", me.id.clone()),
            ("sign-in", me.sign_in.clone()),
            ("server", client.server().to_string()),
        ])
    })?;
    Ok(Exit::DONE)
}
