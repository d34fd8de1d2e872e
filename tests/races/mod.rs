//! Several people and nodes at the same time: one of them wins, everybody is told, and the record is complete.

mod grants;
mod incidents;
mod keys;
mod log;
mod requests;

use portcullis::client::ClientError;

/// Who won, and with which codes the others lost.
fn outcome<T>(results: Vec<Result<T, ClientError>>) -> (Vec<T>, Vec<String>) {
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(answer) => won.push(answer),
            Err(error) => lost.push(
                error
                    .code()
                    .unwrap_or_else(|| panic!("{error:?}"))
                    .to_owned(),
            ),
        }
    }
    (won, lost)
}
