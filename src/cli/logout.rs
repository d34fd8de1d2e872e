//! `portcullis logout`: ends the sign-in, here and on the server.

use crate::cli::{Context, Exit, Failure, keep};
use crate::client::ClientError;

/// Sign out: the tokens on this machine stop working
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(context: &Context<'_>, _: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let server = client.server().to_string();
    keep::forget(context, &client);
    match client.sign_out().await {
        // A sign-in that is over already is what was wanted.
        Ok(()) | Err(ClientError::NotSignedIn { .. }) => {
            context.printer.answer(
                &serde_json::json!({ "server": server, "signed_in": false }),
                |printer| printer.line(&format!("signed out of {server}")),
            )?;
            Ok(Exit::DONE)
        }
        Err(error) => {
            let failure = Failure::from(error);
            Err(Failure { hint: Some("the tokens are gone from this machine; an admin can end the sign-in with `portcullis token revoke`".to_owned()), ..failure })
        }
    }
}
