//! Refusals and faults as problem details (RFC 9457). The only place that chooses a status, and that logs a fault.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::IntoResponses;

use crate::domain::break_glass::BreakGlassRefusal;
use crate::domain::grant::OverrideRefusal;
use crate::domain::provider::{IdentityRefusal, ProviderFault};
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::SecondFactorRefusal;
use crate::gate;
use crate::query;
use crate::wire::{PolicyLine, PolicyTold, Problem, ProblemSpan};

/// How many seconds the clock of the device is ahead, as the answer to a proof that is out of time says.
const CLOCK_AHEAD: &str = "portcullis-clock-ahead";

/// A call that was not answered as asked.
#[derive(Debug)]
pub enum Failed {
    Refused(Refusal),
    Fault(anyhow::Error),
    /// A filter that makes no sense.
    BadFilter(query::Problem),
    /// The call itself is not HTTP as we understand it.
    Malformed(StatusCode, String),
}

impl From<gate::Error> for Failed {
    fn from(error: gate::Error) -> Self {
        match error {
            gate::Error::Refused(refusal) => Self::Refused(refusal),
            gate::Error::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Who is nobody gets 401, who may not gets 403, what one may not see is 404, what is over or was faster is 409 or
/// 412, what is locked is 423, and what makes no sense is 400 or 422.
pub fn status(refusal: &Refusal) -> StatusCode {
    use Refusal as R;
    match refusal {
        R::NotSignedIn
        | R::TokenExpired
        | R::SignInUnbound
        | R::ProofRequired
        | R::ProofNotValid { .. }
        | R::ProofOutOfTime { .. }
        | R::CodeNotValid => StatusCode::UNAUTHORIZED,
        R::NotAllowed { .. }
        | R::OutOfScope { .. }
        | R::PolicyDenied { .. }
        | R::NobodyCanReview { .. }
        | R::SelfReview { .. }
        | R::OwnService { .. }
        | R::NotAReviewer { .. }
        | R::NotTheRequester { .. }
        | R::NotTheHolder { .. } => StatusCode::FORBIDDEN,
        R::NotFound { .. } | R::UnknownTarget { .. } | R::UnknownRole { .. } => {
            StatusCode::NOT_FOUND
        }
        R::DuplicatePending { .. }
        | R::TooManyPending { .. }
        | R::AlreadyReviewed { .. }
        | R::RequestDecided { .. }
        | R::DeadlinePassed { .. }
        | R::NotClaimed { .. }
        | R::GrantNotActive { .. }
        | R::OverTotalCap { .. }
        | R::LockOver { .. }
        | R::StandingGone { .. }
        | R::StandingOpen { .. }
        | R::PreviewNotValid { .. }
        | R::PolicyInUse { .. }
        | R::NothingToRecover => StatusCode::CONFLICT,
        R::Locked { .. } => StatusCode::LOCKED,
        R::Conflict { .. } => StatusCode::PRECONDITION_FAILED,
        R::VersionRequired => StatusCode::PRECONDITION_REQUIRED,
        R::IdempotencyKeyRequired => StatusCode::BAD_REQUEST,
        R::BadReason { .. }
        | R::BadTicket
        | R::StartTooFar { .. }
        | R::StartInPast
        | R::CommentRequired
        | R::SelfLock
        | R::TooManyItems { .. }
        | R::NotNarrower { .. }
        | R::IdempotencyKeyReused
        | R::BadInput { .. }
        | R::Unsupported { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        R::TooManyStreams { .. } => StatusCode::TOO_MANY_REQUESTS,
        R::TargetFailed { .. } => StatusCode::BAD_GATEWAY,
        R::Identity(refusal) => identity_status(refusal),
        R::SecondFactor(refusal) => second_factor(refusal),
        R::BreakGlass(refusal) => break_glass(refusal),
        R::Override(refusal) => overriding(refusal),
        R::DatabaseRestored { .. }
        | R::LogRewritten { .. }
        | R::NodeTooOld { .. }
        | R::LogStuck { .. }
        | R::Busy
        | R::ClocksDiffer { .. }
        | R::NoWritableStore { .. }
        | R::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn identity_status(refusal: &IdentityRefusal) -> StatusCode {
    use IdentityRefusal as I;
    use ProviderFault as F;
    match refusal {
        I::NotBegun | I::NotTheBeginner | I::DeviceOver => StatusCode::UNAUTHORIZED,
        I::Declined { .. }
        | I::NoRole
        | I::Gone
        | I::Lapsed
        | I::DeviceNotEnrolled
        | I::DeviceOfAnother
        | I::Stale
        | I::StepUpNotBegun
        | I::StepUpForAnother
        | I::Fault(
            F::StepUpOtherPerson | F::StepUpTimeMissing | F::StepUpTooOld | F::StepUpTooWeak,
        ) => StatusCode::FORBIDDEN,
        I::NotOffered | I::NoStepUp | I::NoDeviceFlow => StatusCode::UNPROCESSABLE_ENTITY,
        I::NameTaken { .. } | I::SubjectAlike | I::DeviceKeyTaken => StatusCode::CONFLICT,
        I::Fault(_) => StatusCode::BAD_GATEWAY,
    }
}

fn second_factor(refusal: &SecondFactorRefusal) -> StatusCode {
    use SecondFactorRefusal as R;
    match refusal {
        R::SignInRefused => StatusCode::UNAUTHORIZED,
        R::StepUpRequired { .. }
        | R::CodeNotAccepted
        | R::PasskeyNotAccepted { .. }
        | R::SignInTooOld { .. }
        | R::NoLocalAccounts => StatusCode::FORBIDDEN,
        R::TooManyFactors { .. } | R::AlreadyConfirmed => StatusCode::CONFLICT,
        R::BadPassword { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        R::TriedTooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
    }
}

fn break_glass(refusal: &BreakGlassRefusal) -> StatusCode {
    use BreakGlassRefusal as R;
    match refusal {
        R::CodeNotValid => StatusCode::UNAUTHORIZED,
        R::OwnCode { .. } | R::CodeSpent | R::SealedSignIn { .. } => StatusCode::FORBIDDEN,
        R::Unreviewed { .. } | R::Reviewed { .. } => StatusCode::CONFLICT,
        R::TooLong { .. } | R::CommentRequired => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn overriding(refusal: &OverrideRefusal) -> StatusCode {
    use OverrideRefusal as R;
    match refusal {
        R::OwnAccess { .. } | R::OwnProposal { .. } => StatusCode::FORBIDDEN,
        R::NotOverdue { .. } | R::Proposed { .. } | R::NotProposed { .. } => StatusCode::CONFLICT,
    }
}

fn problem(status: StatusCode, code: &str, title: String, hint: Option<String>) -> Response {
    answer(described(status, code, title, hint))
}

fn described(status: StatusCode, code: &str, title: String, hint: Option<String>) -> Problem {
    Problem {
        kind: format!("urn:portcullis:problem:{code}"),
        status: status.as_u16(),
        code: code.to_owned(),
        title,
        hint,
        span: None,
        suggestion: None,
        policy: None,
        digest: None,
        ways: None,
        max_age: None,
        instance: super::caller::current_trace(),
    }
}

/// What a refusal by policy rests on.
fn policy(refusal: &Refusal) -> Option<PolicyTold> {
    let Refusal::PolicyDenied { cause, .. } = refusal else {
        return None;
    };
    Some(PolicyTold {
        version: cause.version.clone(),
        policies: cause.policies.iter().map(PolicyLine::from).collect(),
        errors: cause.errors.clone(),
    })
}

/// A refusal, with what a machine needs to know beside its sentence.
fn refused(refusal: &Refusal) -> Problem {
    let said = described(
        status(refusal),
        refusal.code(),
        refusal.text(),
        refusal.hint(),
    );
    match refusal {
        Refusal::SecondFactor(SecondFactorRefusal::StepUpRequired {
            digest,
            ways,
            max_age,
            ..
        }) => Problem {
            digest: Some(digest.clone()),
            ways: Some(ways.iter().map(|way| way.as_str().to_owned()).collect()),
            max_age: Some(max_age.to_string()),
            ..said
        },
        _ => Problem {
            policy: policy(refusal),
            ..said
        },
    }
}

fn answer(body: Problem) -> Response {
    let status = StatusCode::from_u16(body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = body.code.clone();
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if status == StatusCode::UNAUTHORIZED {
        let challenge = if code.starts_with("proof-") {
            "DPoP algs=\"ES256\", error=\"invalid_dpop_proof\""
        } else {
            "DPoP algs=\"ES256\""
        };
        headers.append(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        );
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => {
                let mut response = answer(refused(&refusal));
                if let Refusal::ProofOutOfTime { ahead } = refusal {
                    // By this much the device corrects its clock, for proofs alone.
                    response
                        .headers_mut()
                        .insert(CLOCK_AHEAD, HeaderValue::from(ahead));
                }
                response
            }
            Self::BadFilter(wrong) => answer(Problem {
                kind: "urn:portcullis:problem:bad-filter".to_owned(),
                status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
                code: "bad-filter".to_owned(),
                title: wrong.message,
                hint: Some(match &wrong.suggestion {
                    Some(suggestion) => format!("did you mean `{suggestion}`?"),
                    None => "`portcullis requests --help` explains filters".to_owned(),
                }),
                span: Some(ProblemSpan {
                    start: wrong.span.start,
                    end: wrong.span.end,
                }),
                suggestion: wrong.suggestion,
                policy: None,
                digest: None,
                ways: None,
                max_age: None,
                instance: super::caller::current_trace(),
            }),
            Self::Malformed(status, why) => problem(
                status,
                "malformed",
                why,
                Some("see /openapi.json for what this call takes".to_owned()),
            ),
            Self::Fault(fault) => {
                let trace = super::caller::current_trace();
                tracing::error!(trace, error = format!("{fault:#}"), "a call failed");
                let hint = Some(format!("tell your operator the reference {trace}"));
                problem(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "fault",
                    "the server could not do this because of a fault of its own".to_owned(),
                    hint,
                )
            }
        }
    }
}

/// The problems that any call can be answered with; for the API description.
#[derive(IntoResponses)]
pub enum Problems {
    /// The call is malformed.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// Nobody is signed in, or no longer.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The caller may not do this.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Nothing of this name exists that the caller may see.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The body or a part of it did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(Problem),
    /// It is already decided, over, or there.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// Somebody changed it since the caller saw it.
    #[response(status = 412, content_type = "application/problem+json")]
    Changed(Problem),
    /// The body is larger than this call takes: 64 KiB, and 1 MiB for the list of an incident.
    #[response(status = 413, content_type = "application/problem+json")]
    Large(Problem),
    /// The body is not `application/json`.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
    /// The call is well-formed, but what it says makes no sense.
    #[response(status = 422, content_type = "application/problem+json")]
    Senseless(Problem),
    /// A lock stands in the way.
    #[response(status = 423, content_type = "application/problem+json")]
    Locked(Problem),
    /// `If-Match` is missing.
    #[response(status = 428, content_type = "application/problem+json")]
    VersionRequired(Problem),
    /// Too many streams at once.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// A fault of the server.
    #[response(status = 500, content_type = "application/problem+json")]
    Fault(Problem),
    /// The target or the identity provider did not answer as it should.
    #[response(status = 502, content_type = "application/problem+json")]
    Target(Problem),
    /// The server has too much to do, or no database.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(Problem),
}
