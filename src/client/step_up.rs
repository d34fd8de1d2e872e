//! What a call needs that was refused for the lack of a second factor, and who is asked for it.

use std::fmt;
use std::pin::Pin;

use crate::wire::{Problem, StepUpProof};

/// The code of the problem.
const CODE: &str = "step-up-required";

/// What the server wants to see before it does a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepUpNeeded {
    /// Names exactly this call.
    pub digest: String,
    /// How the person can prove; empty when there is no way yet.
    pub ways: Vec<String>,
}

impl StepUpNeeded {
    /// Reads it out of a problem; nothing when that is about something else.
    pub fn of(problem: &Problem) -> Option<Self> {
        let digest = problem.digest.clone().filter(|_| problem.code == CODE)?;
        Some(Self {
            digest,
            ways: problem.ways.clone().unwrap_or_default(),
        })
    }
}

/// How somebody wants to prove a second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// By a code that they typed.
    Typed(StepUpProof),
    /// With a passkey, on a page of ours in a browser on this machine.
    Passkey,
    /// By a sign-in at the identity provider, in a browser on this machine.
    AtProvider,
}

/// The answer of a person, in a while; nothing when there is nobody to ask.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Option<Chosen>> + Send + 'a>>;

/// Asks a person for a second factor.
pub trait Prover: fmt::Debug + Send + Sync {
    /// Asks for a proof of what is needed.
    fn prove<'a>(&'a self, needed: &'a StepUpNeeded) -> Asking<'a>;

    /// Sends the person to this address with a browser.
    fn send_to(&self, address: &str);
}

impl StepUpNeeded {
    /// Whether it can be proved by typing a code.
    pub fn by_code(&self) -> bool {
        self.ways
            .iter()
            .any(|way| way == "totp" || way == "recovery")
    }

    /// Whether it can be proved with a passkey.
    pub fn by_passkey(&self) -> bool {
        self.ways.iter().any(|way| way == "passkey")
    }

    /// Whether it can be proved by a sign-in at the identity provider.
    pub fn at_provider(&self) -> bool {
        self.ways.iter().any(|way| way == "oidc")
    }
}
