//! Handlers under `/v1/targets`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::ids::TargetName;
use crate::domain::refusal::Refusal;
use crate::secret::hash_of;
use crate::wire::{Page, TargetView};

use super::caller::Signed;
use super::error::{Failed, Problems};
use super::{App, views};

/// It may be kept, and is asked for again each time: it changes with every grant that ends early.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Lists the catalogue, with what policy says to the caller about each role.
#[utoipa::path(get, path = "/v1/targets", tag = "targets", responses((status = 200, body = Page<TargetView>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
) -> Result<Json<Page<TargetView>>, Failed> {
    let targets = app.gate.targets(&caller).await?;
    Ok(Json(Page {
        items: targets.iter().map(views::target).collect(),
        next: None,
    }))
}

/// Gives OpenSSH's list of revoked keys for a host: certificates that have not ended, of grants that are over. It is for
/// `RevokedKeys` of sshd, and changes only with its `ETag`.
#[utoipa::path(get, path = "/v1/targets/{name}/krl", tag = "targets", params(("name" = String, Path, description = "a target of the kind `ssh`")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 304, description = "the same as that with the `If-None-Match`"), Problems))]
pub async fn krl(
    State(app): State<App>,
    Signed(caller): Signed,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let target: TargetName = name.parse().map_err(|_| Refusal::NotFound {
        what: "target",
        name: name.clone(),
    })?;
    let found = app.gate.revocations(&caller, &target).await?;
    let hash = hash_of(&found.grants.join(" "));
    let hash = hash
        .iter()
        .take(16)
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let tag = format!("W/\"{hash}\"");
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| {
        known
            .split(',')
            .any(|one| one.trim() == tag || one.trim() == "*")
    });
    let mut answer = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        found.list.into_response()
    };
    let headers = answer.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
    Ok(answer)
}
