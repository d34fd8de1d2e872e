//! Second factors, proofs bound to calls, and local accounts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProviderFinish;

/// Proves a second factor for calls that were answered with `step-up-required`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUp {
    /// The digests that those answers named.
    #[schema(min_items = 1, max_items = 200)]
    pub digests: Vec<String>,
    pub proof: StepUpProof,
}

/// A second factor as somebody presents it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum StepUpProof {
    /// A code of an authenticator application.
    Totp {
        #[schema(max_length = 64)]
        code: String,
    },
    /// One of the recovery codes.
    Recovery {
        #[schema(max_length = 64)]
        code: String,
    },
    /// The answer of a passkey to one question, which was asked for these calls.
    Passkey {
        #[schema(max_length = 64)]
        question: String,
        /// What `navigator.credentials.get` gave, with bytes in base64url.
        #[schema(value_type = Object)]
        answer: serde_json::Value,
    },
    /// What the browser brought from the identity provider, after `POST /v1/step-up/oidc/start` for the same digests.
    Oidc(ProviderFinish),
}

/// Asks the caller's passkeys to confirm calls that were answered with `step-up-required`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyAsk {
    /// The digests that those answers named.
    #[schema(min_items = 1, max_items = 200)]
    pub digests: Vec<String>,
    /// The address by which the caller knows this server, such as `https://portcullis.example.com`: what is signed is
    /// good on no other.
    #[schema(max_length = 300)]
    pub server: String,
}

/// What a passkey is asked.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PasskeyQuestion {
    /// Names it; the answer has to come with it, once, within five minutes.
    pub question: String,
    /// For `navigator.credentials.get` on a page at `http://localhost`, with bytes in base64url. In place of `challenge`
    /// the page puts the SHA-256 of these texts, each after its length in eight bytes: `portcullis step-up`, the
    /// address of the server, the `challenge` as it stands here, and the digests in order.
    #[schema(value_type = Object)]
    pub options: serde_json::Value,
}

/// Begins a step-up at the identity provider. Its end is a proof for exactly these calls.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUpStart {
    /// The digests that the refused calls named.
    #[schema(min_items = 1, max_items = 200)]
    pub digests: Vec<String>,
    /// Where the program waits for the browser, as for a sign-in.
    #[schema(max_length = 200, example = "http://127.0.0.1:40000/")]
    pub redirect_uri: String,
    /// The PKCE challenge.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    pub code_challenge: String,
}

impl StepUpProof {
    /// Tells by its form what somebody has typed.
    pub fn typed(text: &str) -> Self {
        let code = text.trim().to_owned();
        if code.to_ascii_lowercase().starts_with("rc") {
            Self::Recovery { code }
        } else {
            Self::Totp { code }
        }
    }
}

impl std::fmt::Debug for StepUpProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Totp { .. } => "Totp(…)",
            Self::Recovery { .. } => "Recovery(…)",
            Self::Passkey { .. } => "Passkey(…)",
            Self::Oidc(_) => "Oidc(…)",
        })
    }
}

/// A proof: repeat each call with it in the header `Portcullis-Step-Up`, once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct StepUpToken {
    pub proof: String,
    pub expires_at: DateTime<Utc>,
}

/// A second factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FactorView {
    pub id: String,
    /// `totp` or `passkey`.
    pub kind: String,
    pub name: String,
    /// Before that it proves nothing.
    pub confirmed: bool,
    pub created_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What the caller has to prove who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Factors {
    pub factors: Vec<FactorView>,
    pub recovery_codes_left: i64,
    pub has_password: bool,
    /// Whether a fresh sign-in at the identity provider serves the caller as a second factor.
    #[serde(default)]
    pub at_provider: bool,
    /// What happened to the account in the last days, as sentences.
    pub notices: Vec<String>,
}

/// Adds a second factor.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFactor {
    /// An authenticator application or a passkey.
    #[schema(pattern = "^(totp|passkey)$")]
    pub kind: String,
    /// What the person calls it.
    #[schema(min_length = 1, max_length = 40)]
    pub name: String,
}

/// What an authenticator application or a browser needs. It proves nothing until its first answer was sent.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct FactorToConfirm {
    pub factor: FactorView,
    /// For an authenticator application, to be typed where nothing can be scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub secret: Option<String>,
    /// For an authenticator application, to be shown as a QR code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub uri: Option<String>,
    /// For `navigator.credentials.create` on a page at `http://localhost`, with bytes in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Object>)]
    pub passkey: Option<serde_json::Value>,
}

/// The first answer of a new factor: one of the two.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorAnswer {
    /// The code of an authenticator application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 64)]
    pub code: Option<String>,
    /// What `navigator.credentials.create` gave, with bytes in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Object>)]
    pub passkey: Option<serde_json::Value>,
}

/// A factor that is good from now on.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct FactorConfirmed {
    pub factor: FactorView,
    /// Ten codes, shown once, when there were none; empty otherwise.
    pub recovery_codes: Vec<String>,
}

/// Ten new recovery codes, shown once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    pub codes: Vec<String>,
}

/// Sets the caller's password.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    #[schema(max_length = 500)]
    pub password: String,
    /// The present one, where there is one and no second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 500)]
    pub current: Option<String>,
}

/// Signs in to a local account.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordSignIn {
    #[schema(max_length = 63)]
    pub name: String,
    #[schema(max_length = 500)]
    pub password: String,
    /// The second factor; needed by whoever has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub proof: Option<StepUpProof>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 100)]
    pub device: Option<String>,
}

/// Asks the passkeys of a local account for a sign-in to it. The answer comes with `POST /v1/sign-in/password`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordPasskey {
    #[schema(max_length = 63)]
    pub name: String,
    #[schema(max_length = 500)]
    pub password: String,
    /// The address by which the caller knows this server: what is signed is good on no other.
    #[schema(max_length = 300)]
    pub server: String,
}
