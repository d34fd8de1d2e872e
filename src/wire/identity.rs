//! Signing in at an identity provider, from the program that opens the browser.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How people sign in on this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignInWays {
    /// How the server calls itself.
    pub server: String,
    /// Whether one-time codes are redeemed.
    pub code: bool,
    /// The issuer of the identity provider, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub provider: Option<String>,
}

/// Begins a sign-in at the identity provider.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderStart {
    /// Where the program waits for the browser: `http://127.0.0.1:PORT/` or `http://[::1]:PORT/` with any path.
    #[schema(max_length = 200, example = "http://127.0.0.1:40000/")]
    pub redirect_uri: String,
    /// The PKCE challenge: base64url of the SHA-256 of a verifier that the program keeps to itself.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    pub code_challenge: String,
    /// Where the sign-in happens, for the list of sign-ins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 100)]
    pub device: Option<String>,
}

/// Where the browser has to go.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ProviderStarted {
    pub authorize_url: String,
    /// Comes back with the browser; another one is not for this sign-in.
    pub state: String,
}

/// Finishes a sign-in, or a step-up, with what the browser brought: `code`, or `error`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderFinish {
    #[schema(max_length = 200)]
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 4096)]
    pub code: Option<String>,
    /// The provider's word for no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 100)]
    pub error: Option<String>,
    #[schema(max_length = 200)]
    pub code_verifier: String,
    /// Who answered, as the browser says (RFC 9207).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 2000)]
    pub iss: Option<String>,
}
