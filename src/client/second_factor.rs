//! Calls about second factors and local accounts.

use reqwest::Method;
use serde::Serialize;

use crate::client::call::Call;
use crate::client::send::Client;
use crate::client::{ClientError, IdempotencyKey};
use crate::secret::Secret;
use crate::wire::{
    FactorAnswer, FactorConfirmed, FactorToConfirm, FactorView, Factors, Me, NewFactor,
    NewPassword, PasswordSignIn, RecoveryCodes, StepUp, StepUpProof, StepUpToken, Tokens,
};

/// What an authenticator application needs.
#[derive(Clone, Serialize)]
pub struct NewTotp {
    pub factor: FactorView,
    /// To be typed where nothing can be scanned.
    pub secret: String,
    /// To be shown as a QR code.
    pub uri: String,
}

impl Client {
    /// Proves a second factor for these calls, and gives what has to come with each.
    pub async fn step_up(
        &self,
        digests: Vec<String>,
        proof: StepUpProof,
    ) -> Result<Secret, ClientError> {
        let call = Call::new(Method::POST, &["v1", "step-up"]).body(&StepUp { digests, proof })?;
        let token: StepUpToken = self.call_unproved(call).await?;
        Ok(Secret::new(token.proof))
    }

    /// The caller's own second factors.
    pub async fn factors(&self) -> Result<Factors, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "factors"])).await
    }

    /// Begins to add an authenticator application.
    pub async fn add_totp(&self, name: &str, key: &IdempotencyKey) -> Result<NewTotp, ClientError> {
        let body = NewFactor {
            kind: "totp".to_owned(),
            name: name.to_owned(),
        };
        let call = Call::new(Method::POST, &["v1", "factors"]);
        let new: FactorToConfirm = self.call(call.key(key).body(&body)?).await?;
        match (new.secret, new.uri) {
            (Some(secret), Some(uri)) => Ok(NewTotp {
                factor: new.factor,
                secret,
                uri,
            }),
            _ => Err(ClientError::BadReply {
                text: format!("`{}` gave no secret for the application", self.server()),
            }),
        }
    }

    /// Confirms a factor by its first code.
    pub async fn confirm_factor(
        &self,
        id: &str,
        code: &str,
        key: &IdempotencyKey,
    ) -> Result<FactorConfirmed, ClientError> {
        let path = ["v1", "factors", id, "confirm"];
        let body = FactorAnswer {
            code: Some(code.to_owned()),
            ..FactorAnswer::default()
        };
        let call = Call::new(Method::POST, &path);
        self.call(call.key(key).body(&body)?.secret()).await
    }

    /// Removes one of the caller's own factors.
    pub async fn remove_factor(&self, id: &str, key: &IdempotencyKey) -> Result<(), ClientError> {
        self.call_empty(Call::new(Method::DELETE, &["v1", "factors", id]).key(key))
            .await
    }

    /// Makes ten new recovery codes.
    pub async fn new_recovery_codes(
        &self,
        key: &IdempotencyKey,
    ) -> Result<RecoveryCodes, ClientError> {
        self.call(Call::new(Method::POST, &["v1", "recovery-codes"]).key(key))
            .await
    }

    /// Takes every second factor of a person away who has lost them.
    pub async fn reset_factors(&self, name: &str, key: &IdempotencyKey) -> Result<(), ClientError> {
        self.call_empty(Call::new(Method::POST, &["v1", "people", name, "reset-factors"]).key(key))
            .await
    }

    /// Sets the caller's password. `current` is needed where there is one and no second factor.
    pub async fn set_password(
        &self,
        password: &Secret,
        current: Option<&Secret>,
        key: &IdempotencyKey,
    ) -> Result<(), ClientError> {
        let body = NewPassword {
            password: password.expose().to_owned(),
            current: current.map(|current| current.expose().to_owned()),
        };
        let call = Call::new(Method::POST, &["v1", "account", "password"]);
        self.call_empty(call.key(key).body(&body)?.secret()).await
    }

    /// Signs in to a local account and keeps the tokens.
    pub async fn sign_in_with_password(&self, body: &PasswordSignIn) -> Result<Me, ClientError> {
        let call = Call::new(Method::POST, &["v1", "sign-in", "password"])
            .unsigned()
            .body(body)?;
        let tokens: Tokens = self.call(call).await?;
        self.session().store(&tokens).await?;
        Ok(tokens.me)
    }
}
