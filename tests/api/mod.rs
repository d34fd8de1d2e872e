//! Request in, response out, on both databases. One file for each noun of the URLs.

mod accounts;
mod audit;
mod break_glass;
mod claims;
mod closed;
mod deeds;
mod endings;
mod events;
mod grants;
mod incidents;
mod krl;
mod limits;
mod locks;
mod log;
mod passkey_sign_in;
mod passkeys;
mod people;
mod policy;
mod policy_changes;
mod recover;
mod reports;
mod requests;
mod sealed_codes;
mod second_factors;
pub(crate) mod services;
mod sessions;
mod signals;
mod standing;
mod step_up;
mod tls;
mod tokens;
mod watch;

use portcullis::client::ClientError;

/// The code of a refusal.
#[track_caller]
pub(crate) fn refused<T>(result: Result<T, ClientError>) -> String {
    let error = result.err().expect("it is refused");
    error
        .code()
        .unwrap_or_else(|| panic!("{error:?}"))
        .to_owned()
}
