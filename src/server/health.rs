//! Health, readiness and metrics.

use std::sync::OnceLock;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::domain::permit::{Action, permit};
use crate::store::ring::Service;

use super::App;
use super::caller::Signed;
use super::error::{Failed, Problems};

static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts to collect metrics in this process, once.
pub fn collect() -> Option<&'static PrometheusHandle> {
    METRICS
        .get_or_init(|| PrometheusBuilder::new().install_recorder().ok())
        .as_ref()
}

/// Says that the process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = String, content_type = "text/plain")), security(()))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether the node can do its work: the database answers and audit events get their index.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = String, content_type = "text/plain"), (status = 503, body = String, content_type = "text/plain")), security(()))]
pub async fn readyz(State(app): State<App>) -> Response {
    match app.gate.store().service() {
        Service::ReadOnly { age, why } => {
            let age = age.as_secs();
            let text =
                format!("degraded: nothing can be changed, what is shown is {age} s old: {why}\n");
            return (StatusCode::OK, text).into_response();
        }
        Service::None { why } => {
            let text = format!("not ready: the database cannot be used: {why}\n");
            return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        }
        Service::Full => {}
    }
    if let Err(refusal) = app.gate.fits() {
        let why = format!("not ready: {refusal}\n");
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    }
    let why = match app.gate.log_waits().await {
        Ok(None) => return (StatusCode::OK, "ready\n").into_response(),
        Ok(Some(since)) => {
            let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
            format!("not ready: audit events wait for their index since {since}\n")
        }
        Err(error) => {
            tracing::warn!(error = ?error, "not ready");
            "not ready: the database does not answer\n".to_owned()
        }
    };
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

/// Metrics in the text format of Prometheus, for operators.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String, content_type = "text/plain"), Problems))]
pub async fn metrics(State(app): State<App>, Signed(caller): Signed) -> Result<Response, Failed> {
    permit(&caller.principal, Action::ReadMetrics)?;
    app.gate.measure().await?;
    let text = collect().map(PrometheusHandle::render).unwrap_or_default();
    Ok((
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; version=0.0.4"),
        )],
        text,
    )
        .into_response())
}
