//! Calls about the policy.

use reqwest::Method;

use crate::wire::{
    PolicyAnswer, PolicyApply, PolicyQuestion, PolicyStatus, PolicyText, ReplayAsk, ReplayPage,
};

use super::call::Call;
use super::send::Client;
use super::{ClientError, IdempotencyKey};

impl Client {
    /// Which policy is in use, and what waits.
    pub async fn policy(&self) -> Result<PolicyStatus, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "policy"])).await
    }

    /// A policy as it is written.
    pub async fn policy_text(&self, version: &str) -> Result<PolicyText, ClientError> {
        let path = ["v1", "policy", "versions", version];
        self.call(Call::new(Method::GET, &path)).await
    }

    /// Puts another policy into use.
    pub async fn apply_policy(
        &self,
        apply: &PolicyApply,
        key: &IdempotencyKey,
    ) -> Result<PolicyStatus, ClientError> {
        let call = Call::new(Method::POST, &["v1", "policy", "apply"]);
        self.call(call.key(key).body(apply)?).await
    }

    /// What the policy in use says to a question, policy by policy.
    pub async fn explain_policy(
        &self,
        question: &PolicyQuestion,
    ) -> Result<PolicyAnswer, ClientError> {
        let call = Call::new(Method::POST, &["v1", "policy", "explain"]);
        self.call(call.body(question)?).await
    }

    /// One page of recorded requests, decided once more by another policy.
    pub async fn replay_policy(&self, ask: &ReplayAsk) -> Result<ReplayPage, ClientError> {
        let call = Call::new(Method::POST, &["v1", "policy", "replay"]);
        self.call(call.long().body(ask)?).await
    }
}
