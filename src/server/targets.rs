//! Handlers under `/v1/targets`.

use axum::Json;
use axum::extract::State;

use crate::wire::{Page, TargetView};

use super::caller::Signed;
use super::error::{Failed, Problems};
use super::{App, views};

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
