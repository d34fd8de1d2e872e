//! Handlers for what people want of notices.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;

use crate::domain::notice::{Kind, Quiet, Wishes};
use crate::domain::refusal::Refusal;
use crate::gate::notices::SeenWishes;
use crate::wire::{MailView, NoticeKindView, NoticeWishes, NoticesView, QuietHours};

use super::App;
use super::caller::{Mutation, Signed};
use super::error::{Failed, Problems};
use super::people::words;

/// More channels than any installation has.
const CHANNELS_MAX: usize = 20;

fn view(seen: SeenWishes) -> NoticesView {
    let SeenWishes {
        wishes,
        personal,
        rooms,
    } = seen;
    let kinds = Kind::ALL.into_iter().map(|kind| NoticeKindView {
        kind: kind.to_string(),
        about: kind.about().to_owned(),
        urgent: kind.is_urgent(),
        off: wishes.off.contains(&kind),
    });
    NoticesView {
        kinds: kinds.collect(),
        mail: personal
            .into_iter()
            .map(|(channel, address)| MailView {
                off: !wishes
                    .channels
                    .as_ref()
                    .is_none_or(|chosen| chosen.contains(&channel)),
                channel,
                address,
            })
            .collect(),
        rooms,
        wishes: NoticeWishes {
            address: wishes.address,
            channels: wishes.channels.map(|names| names.into_iter().collect()),
            off: wishes.off.iter().map(ToString::to_string).collect(),
            quiet: wishes.quiet.map(|quiet| QuietHours {
                times: quiet.times(),
                zone: quiet.zone(),
            }),
        },
    }
}

fn understood(body: NoticeWishes) -> Result<Wishes, Refusal> {
    let quiet = body.quiet.map(|quiet| {
        Quiet::parse(&quiet.times, &quiet.zone).map_err(|error| Refusal::BadInput {
            field: "quiet".to_owned(),
            why: error.to_string(),
        })
    });
    let off: Vec<Kind> = words("off", &body.off, Kind::ALL.len())?;
    let channels: Option<Vec<String>> = body
        .channels
        .map(|names| words("channels", &names, CHANNELS_MAX))
        .transpose()?;
    Ok(Wishes {
        address: body.address.filter(|address| !address.is_empty()),
        channels: channels.map(|names| names.into_iter().collect::<BTreeSet<_>>()),
        off: off.into_iter().collect(),
        quiet: quiet.transpose()?,
    })
}

/// Says what the caller wants of notices, and what there is.
#[utoipa::path(get, path = "/v1/me/notices", tag = "people", responses((status = 200, body = NoticesView), Problems))]
pub async fn wishes(
    State(app): State<App>,
    Signed(caller): Signed,
) -> Result<Json<NoticesView>, Failed> {
    match app.gate.wishes(&caller).await {
        Ok(seen) => Ok(Json(view(seen))),
        Err(error) => Err(app.refused(&caller, error, "notices").await),
    }
}

/// Chooses which notices the caller gets, where and when.
#[utoipa::path(put, path = "/v1/me/notices", tag = "people", params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")),
    request_body = NoticeWishes, responses((status = 200, body = NoticesView), Problems))]
pub async fn choose(
    State(app): State<App>,
    call: Mutation<NoticeWishes>,
) -> Result<Json<NoticesView>, Failed> {
    let Mutation { caller, once, body } = call;
    let wishes = understood(body)?;
    match app.gate.choose_notices(&caller, wishes, &once).await {
        Ok(seen) => Ok(Json(view(seen))),
        Err(error) => Err(app.refused(&caller, error, "notices").await),
    }
}
