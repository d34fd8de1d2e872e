//! Calls about break-glass and sealed codes.

use reqwest::Method;

use crate::client::call::Call;
use crate::client::calls::decision;
use crate::client::queries::Pairs;
use crate::client::send::Client;
use crate::client::{ClientError, IdempotencyKey};
use crate::secret::Secret;
use crate::wire::{
    BreakGlassView, Me, NewBreakGlass, NewSealedCodes, Page, SealedCodeView, SealedCodes,
    SealedSignIn, SignOff, Tokens,
};

/// Which uses of break-glass; the default is the newest ones that the caller may see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BreakGlassQuery {
    /// Any of these states; empty for all.
    pub states: Vec<String>,
    pub mine: bool,
    pub target: Option<String>,
    /// A filter.
    pub q: Option<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    pub limit: Option<u32>,
}

impl BreakGlassQuery {
    fn pairs(&self) -> Pairs {
        let mut pairs = Pairs::new();
        if !self.states.is_empty() {
            pairs.push(("state", self.states.join(",")));
        }
        if self.mine {
            pairs.push(("mine", "true".to_owned()));
        }
        let texts = [
            ("target", &self.target),
            ("q", &self.q),
            ("after", &self.after),
        ];
        pairs.extend(
            texts
                .into_iter()
                .filter_map(|(name, text)| Some((name, text.clone()?))),
        );
        pairs.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        pairs
    }
}

impl Client {
    /// Takes access before review.
    pub async fn break_glass(
        &self,
        new: &NewBreakGlass,
        key: &IdempotencyKey,
    ) -> Result<BreakGlassView, ClientError> {
        let call = Call::new(Method::POST, &["v1", "break-glass"]);
        self.call(call.key(key).body(new)?).await
    }

    /// A page of uses, newest first.
    pub async fn break_glass_uses(
        &self,
        query: &BreakGlassQuery,
    ) -> Result<Page<BreakGlassView>, ClientError> {
        let call = Call::new(Method::GET, &["v1", "break-glass"]);
        self.call(call.query(query.pairs())).await
    }

    /// One use.
    pub async fn break_glass_use(&self, id: &str) -> Result<BreakGlassView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "break-glass", id]))
            .await
    }

    /// Gives the verdict on the use that was seen at `version`.
    pub async fn sign_off(
        &self,
        id: &str,
        version: i64,
        sign_off: &SignOff,
        key: &IdempotencyKey,
    ) -> Result<BreakGlassView, ClientError> {
        let path = ["v1", "break-glass", id, "sign-off"];
        self.call(decision(&path, version, key).body(sign_off)?)
            .await
    }

    /// Makes sealed codes for a person; nobody can read them again.
    pub async fn seal(
        &self,
        new: &NewSealedCodes,
        key: &IdempotencyKey,
    ) -> Result<SealedCodes, ClientError> {
        let call = Call::new(Method::POST, &["v1", "sealed-codes"]);
        self.call(call.key(key).body(new)?).await
    }

    /// The sealed codes of one person or of everybody, without the codes.
    pub async fn sealed_codes(
        &self,
        name: Option<&str>,
    ) -> Result<Page<SealedCodeView>, ClientError> {
        let mut pairs = Pairs::new();
        pairs.extend(name.map(|name| ("name", name.to_owned())));
        self.call(Call::new(Method::GET, &["v1", "sealed-codes"]).query(pairs))
            .await
    }

    /// Revokes a sealed code.
    pub async fn unseal(&self, id: &str, key: &IdempotencyKey) -> Result<(), ClientError> {
        self.call_empty(Call::new(Method::DELETE, &["v1", "sealed-codes", id]).key(key))
            .await
    }

    /// Signs in with a sealed code and keeps the tokens.
    pub async fn sign_in_sealed(
        &self,
        code: &Secret,
        device: Option<&str>,
    ) -> Result<Me, ClientError> {
        let body = SealedSignIn {
            code: code.expose().to_owned(),
            device: device.map(ToOwned::to_owned),
        };
        let call = Call::new(Method::POST, &["v1", "sign-in", "sealed"])
            .unsigned()
            .body(&body)?;
        let tokens: Tokens = self.call(call).await?;
        self.session().store(&tokens).await?;
        Ok(tokens.me)
    }
}
