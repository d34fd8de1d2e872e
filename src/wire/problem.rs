//! Problem details as RFC 9457 says: how the server says no, and how it admits a fault.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PolicyTold;

/// Why a call was not answered as asked; media type `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:portcullis:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// The stable code to branch on.
    pub code: String,
    /// What is wrong, as one sentence for people.
    pub title: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub hint: Option<String>,
    /// Where in the filter `q` it is wrong, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub span: Option<ProblemSpan>,
    /// What was probably meant there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub suggestion: Option<String>,
    /// What policy said, policy by policy, where it said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub policy: Option<PolicyTold>,
    /// With the code `step-up-required`: the digest of the call, to be named in `POST /v1/step-up`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub digest: Option<String>,
    /// With the same code: how the caller can prove a second factor; empty while there is no way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ways: Option<Vec<String>>,
    /// With the same code: how old the proof may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub max_age: Option<String>,
    /// The trace of this call, to quote when asking for help.
    pub instance: String,
}

/// A part of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemSpan {
    pub start: usize,
    pub end: usize,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.title)
    }
}

impl std::error::Error for Problem {}
