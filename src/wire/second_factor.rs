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
    /// What the browser brought from the identity provider, after `POST /v1/step-up/oidc/start` for the same digests.
    Oidc(ProviderFinish),
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
    /// What happened to the account in the last days, as sentences.
    pub notices: Vec<String>,
}

/// Adds an authenticator application.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFactor {
    /// Only `totp` so far.
    #[schema(pattern = "^totp$")]
    pub kind: String,
    /// What the person calls it.
    #[schema(min_length = 1, max_length = 40)]
    pub name: String,
}

/// What an authenticator application needs. It proves nothing until its first code was sent.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct FactorToConfirm {
    pub factor: FactorView,
    /// To be typed where nothing can be scanned.
    pub secret: String,
    /// To be shown as a QR code.
    pub uri: String,
}

/// The first code of a new factor.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorCode {
    #[schema(max_length = 64)]
    pub code: String,
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
