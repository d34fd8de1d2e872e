//! The whole URL table on one screen.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::refusal::Refusal;

use super::error::Failed;
use super::{
    App, accounts, audit, break_glass, caller, device, endings, evidence, export, facets, grants,
    health, histogram, identity, incidents, leaving, locks, log, notices, people, policy, requests,
    second_factor, services, sessions, standing, stream, targets, why, worth,
};

/// An answer that takes longer than this does not come; the client repeats the call with its key.
const ANSWER: Duration = Duration::from_secs(20);

/// No address of ours comes near this, however it is escaped.
const PATH_MAX: usize = 1024;

#[derive(OpenApi)]
#[openapi(
    info(title = "Portcullis", description = "Temporary production access. Errors are problem details (RFC 9457) with stable codes."),
    modifiers(&Token),
    components(schemas(crate::wire::Problem)),
    security(("token" = []))
)]
struct Description;

struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let scheme =
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        components.add_security_scheme("token", scheme);
    }
}

fn table() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(people::sign_in))
        .routes(routes!(identity::ways))
        .routes(routes!(identity::start))
        .routes(routes!(identity::finish))
        .routes(routes!(device::start))
        .routes(routes!(device::finish))
        .routes(routes!(device::list, device::enrol))
        .routes(routes!(device::revoke))
        .routes(routes!(people::refresh))
        .routes(routes!(people::sign_out))
        .routes(routes!(people::me))
        .routes(routes!(notices::wishes, notices::choose))
        .routes(routes!(people::sign_ins))
        .routes(routes!(people::revoke_sign_in))
        .routes(routes!(people::invite))
        .routes(routes!(accounts::sign_in))
        .routes(routes!(accounts::ask_passkey))
        .routes(routes!(accounts::set_password))
        .routes(routes!(break_glass::sign_in))
        .routes(routes!(services::list, services::create))
        .routes(routes!(services::rotate))
        .routes(routes!(services::delete))
        .routes(routes!(second_factor::step_up))
        .routes(routes!(second_factor::ask_passkey))
        .routes(routes!(second_factor::begin_step_up))
        .routes(routes!(second_factor::list, second_factor::add))
        .routes(routes!(second_factor::confirm))
        .routes(routes!(second_factor::remove))
        .routes(routes!(second_factor::recovery_codes))
        .routes(routes!(second_factor::reset))
        .routes(routes!(targets::list))
        .routes(routes!(targets::krl))
        .routes(routes!(requests::list, requests::submit))
        .routes(routes!(requests::show))
        .routes(routes!(why::of_request))
        .routes(routes!(requests::approve))
        .routes(routes!(requests::deny))
        .routes(routes!(requests::withdraw))
        .routes(routes!(requests::claim))
        .routes(routes!(requests::release))
        .routes(routes!(grants::list))
        .routes(routes!(grants::show))
        .routes(routes!(why::of_grant))
        .routes(routes!(endings::show))
        .routes(routes!(endings::propose_override))
        .routes(routes!(endings::confirm_override))
        .routes(routes!(evidence::show))
        .routes(routes!(policy::status))
        .routes(routes!(policy::text))
        .routes(routes!(policy::apply))
        .routes(routes!(why::explain))
        .routes(routes!(why::replay))
        .routes(routes!(grants::extend))
        .routes(routes!(grants::give_back))
        .routes(routes!(grants::revoke))
        .routes(routes!(grants::credential))
        .routes(routes!(break_glass::list, break_glass::submit))
        .routes(routes!(break_glass::show))
        .routes(routes!(break_glass::sign_off))
        .routes(routes!(break_glass::codes, break_glass::seal))
        .routes(routes!(break_glass::unseal))
        .routes(routes!(locks::list, locks::place))
        .routes(routes!(locks::show))
        .routes(routes!(locks::lift))
        .routes(routes!(standing::list))
        .routes(routes!(standing::show))
        .routes(routes!(standing::ignore))
        .routes(routes!(standing::import))
        .routes(routes!(standing::reopen))
        .routes(routes!(standing::report))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(incidents::list, incidents::commit))
        .routes(routes!(incidents::preview))
        .routes(routes!(incidents::show))
        .routes(routes!(audit::list))
        .routes(routes!(export::piece))
        .routes(routes!(leaving::erase))
        .routes(routes!(leaving::prune))
        .routes(routes!(leaving::deliveries))
        .routes(routes!(histogram::count))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::proof))
        .routes(routes!(log::recover))
        .routes(routes!(log::rotate_key))
        .routes(routes!(facets::count))
        .routes(routes!(stream::follow))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
}

/// The description of the API, from the routes themselves.
pub fn openapi() -> utoipa::openapi::OpenApi {
    table().split_for_parts().1
}

/// The routes of one node.
pub fn router(app: App) -> Router {
    health::collect();
    // Settings let nothing through that a header cannot hold; other programs that start a server may.
    let node = HeaderValue::from_str(&app.node).ok();
    let (routes, description) = table().split_for_parts();
    routes
        .route(
            "/openapi.json",
            get(move || std::future::ready(Json(description))),
        )
        // Their addresses are those of the format, which no description of an API can say.
        .route("/v1/audit/log/checkpoint", get(log::note))
        .route("/v1/audit/log/tile/{level}/{*rest}", get(log::tile))
        .route(
            "/v1/audit/log/epoch/{epoch}/tile/{level}/{*rest}",
            get(log::tile_before),
        )
        .fallback(async || {
            Failed::Malformed(
                StatusCode::NOT_FOUND,
                "there is nothing at this address".to_owned(),
            )
        })
        .method_not_allowed_fallback(async || {
            Failed::Malformed(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address does not take this method".to_owned(),
            )
        })
        .with_state(app.clone())
        .layer(middleware::from_fn(short_enough))
        .layer(middleware::from_fn_with_state(app, worth::weigh))
        .layer(middleware::from_fn(in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(caller::trace))
        .layer(middleware::map_response(move |mut response: Response| {
            if let Some(node) = &node {
                response
                    .headers_mut()
                    .insert("portcullis-node", node.clone());
            }
            std::future::ready(response)
        }))
}

/// The answer of a handler that panicked, without what it said.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Failed::Fault(anyhow::anyhow!("a handler panicked")).into_response()
}

/// Answers addresses that are longer than any of ours before somebody looks at the proof of a device key, which
/// repeats the address and would be refused for its length.
async fn short_enough(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.len() > PATH_MAX {
        let name = path.chars().take(40).chain(['…']).collect();
        let what = "address";
        return Failed::Refused(Refusal::NotFound { what, name }).into_response();
    }
    next.run(request).await
}

async fn in_time(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(ANSWER, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Failed::Refused(Refusal::Busy).into_response(),
    };
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
