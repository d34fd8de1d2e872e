//! Asks for a second factor when a command needs one: a code that was given beforehand, or the person at the terminal.

use std::sync::Mutex;

use crate::cli::type_in;
use crate::client::{Asking, Prover, StepUpNeeded};
use crate::wire::StepUpProof;

/// Asks at the terminal, unless a code was given with `--totp` or in the environment.
#[derive(Debug)]
pub(super) struct AtTerminal {
    given: Mutex<Option<Given>>,
}

/// A code is good once, so the first call that needs one takes it.
struct Given(String);

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given(…)")
    }
}

impl AtTerminal {
    pub(super) fn new(given: Option<String>) -> Self {
        let given = given.filter(|code| !code.is_empty()).map(Given);
        Self {
            given: Mutex::new(given),
        }
    }

    fn take(&self) -> Option<String> {
        let mut given = self
            .given
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        given.take().map(|Given(code)| code)
    }
}

impl Prover for AtTerminal {
    fn prove<'a>(&'a self, needed: &'a StepUpNeeded) -> Asking<'a> {
        Box::pin(async move {
            if let Some(code) = self.take() {
                return Some(StepUpProof::typed(&code));
            }
            let codes = ["totp", "recovery"];
            let by_code = needed.ways.iter().any(|way| codes.contains(&way.as_str()));
            if !by_code || !type_in::somebody_is_there() {
                return None;
            }
            let question = "this needs your second factor; the code of your authenticator:";
            let code = type_in::line(question).await.ok()?;
            let code = code.trim();
            (!code.is_empty()).then(|| StepUpProof::typed(code))
        })
    }
}
