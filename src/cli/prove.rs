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
            let browser = in_browser(needed);
            if !(needed.by_code() || browser.is_some()) || !type_in::somebody_is_there() {
                return None;
            }
            let choice = needed.by_passkey() && needed.at_provider();
            if !needed.by_code() && !choice {
                return browser;
            }
            let answer = type_in::line(&question(needed)).await.ok()?;
            match answer.trim() {
                "" => browser,
                "sign-in" if choice => Some(Chosen::AtProvider),
                code => Some(Chosen::Typed(StepUpProof::typed(code))),
            }
        })
    }

    fn send_to(&self, address: &str) {
        show_address("your browser opens, to confirm this there", address);
    }
}

/// Opens a page of ours in the browser, and says where it is.
pub(super) fn show_address(opens: &str, address: &str) {
    let address = clean(address).to_string();
    if open_browser(&address) {
        Printer::tell(&format!("{opens}; if it does not, go to this address:"));
    } else {
        Printer::tell("confirm this with a browser on this machine at this address:");
    }
    Printer::tell(&format!("  {address}"));
}

/// The way through the browser; a passkey before the provider, which could be another's for a moment.
fn in_browser(needed: &StepUpNeeded) -> Option<Chosen> {
    let passkey = needed.by_passkey().then_some(Chosen::Passkey);
    passkey.or(needed.at_provider().then_some(Chosen::AtProvider))
}

fn question(needed: &StepUpNeeded) -> String {
    let code = if needed.ways.iter().any(|way| way == "totp") {
        "the code of your authenticator"
    } else {
        "a recovery code"
    };
    let mut ways = Vec::new();
    if needed.by_passkey() {
        ways.push("only Enter for your passkey");
    }
    if needed.by_code() {
        ways.push(code);
    }
    if needed.at_provider() && needed.by_passkey() {
        ways.push("`sign-in` to prove it at your identity provider");
    } else if needed.at_provider() {
        ways.push("or only Enter to prove it in your browser");
    }
    format!("this needs your second factor; {}:", ways.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(ways: &[&str]) -> StepUpNeeded {
        StepUpNeeded {
            digest: String::new(),
            ways: ways.iter().map(|&way| way.to_owned()).collect(),
        }
    }

    #[test]
    fn whoever_has_several_ways_chooses_and_the_passkey_is_the_first() {
        assert_eq!(
            question(&needed(&["totp", "recovery"])),
            "this needs your second factor; the code of your authenticator:"
        );
        assert_eq!(
            question(&needed(&["passkey", "recovery"])),
            "this needs your second factor; only Enter for your passkey, a recovery code:"
        );
        let all = needed(&["passkey", "totp", "oidc"]);
        assert_eq!(
            question(&all),
            "this needs your second factor; only Enter for your passkey, the code of your authenticator, `sign-in` to prove it at your identity provider:"
        );
        assert_eq!(in_browser(&all), Some(Chosen::Passkey));
        assert_eq!(in_browser(&needed(&["oidc"])), Some(Chosen::AtProvider));
        assert_eq!(in_browser(&needed(&["totp"])), None);
    }
}
