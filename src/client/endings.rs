//! Calls about the end of a grant: its receipt, and the override of one that its target does not confirm.

use reqwest::Method;

use crate::client::call::Call;
use crate::client::calls::decision;
use crate::client::send::Client;
use crate::client::{ClientError, IdempotencyKey};
use crate::wire::{GrantView, OverrideWord, ReceiptView};

impl Client {
    /// How the end of a grant went, step by step.
    pub async fn receipt(&self, id: &str) -> Result<ReceiptView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "grants", id, "receipt"]))
            .await
    }

    /// Proposes that a grant counts as ended although its target has not confirmed.
    pub async fn propose_override(
        &self,
        id: &str,
        version: i64,
        word: &OverrideWord,
        key: &IdempotencyKey,
    ) -> Result<GrantView, ClientError> {
        self.call(decision(&["v1", "grants", id, "override"], version, key).body(word)?)
            .await
    }

    /// Confirms what another admin proposed; from then on the grant counts as ended.
    pub async fn confirm_override(
        &self,
        id: &str,
        version: i64,
        word: &OverrideWord,
        key: &IdempotencyKey,
    ) -> Result<GrantView, ClientError> {
        let path = ["v1", "grants", id, "override", "confirm"];
        self.call(decision(&path, version, key).body(word)?).await
    }
}
