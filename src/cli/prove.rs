//! Asks for a second factor when a command needs one: a code that was given beforehand, or the person at the terminal.

use std::sync::Mutex;

use crate::cli::{Printer, type_in};
use crate::client::{Asking, Chosen, Prover, StepUpNeeded, open_browser};
use crate::text::clean;
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
                return Some(Chosen::Typed(StepUpProof::typed(&code)));
            }
            let (by_code, at_provider) = (needed.by_code(), needed.at_provider());
            if !(by_code || at_provider) || !type_in::somebody_is_there() {
                return None;
            }
            if !by_code {
                return Some(Chosen::AtProvider);
            }
            let question = if at_provider {
                "this needs your second factor; the code of your authenticator, or only Enter to prove it in your browser:"
            } else {
                "this needs your second factor; the code of your authenticator:"
            };
            let code = type_in::line(question).await.ok()?;
            let code = code.trim();
            if code.is_empty() {
                return at_provider.then_some(Chosen::AtProvider);
            }
            Some(Chosen::Typed(StepUpProof::typed(code)))
        })
    }

    fn send_to(&self, address: &str) {
        let address = clean(address).to_string();
        let how = if open_browser(&address) {
            "your browser opens, to confirm this with a sign-in; if it does not, go to this address:"
        } else {
            "confirm this by signing in with a browser on this machine at this address:"
        };
        Printer::tell(how);
        Printer::tell(&format!("  {address}"));
    }
}
