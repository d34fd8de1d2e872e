//! Handlers under `/v1/audit`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::event::{EventCode, Outcome};
use crate::store::audit::Filter;
use crate::wire::{EventView, Page};

use super::caller::Signed;
use super::error::{Failed, Problems};
use super::query::Params;
use super::{App, views};

/// Searches the audit history, newest first. Those who may not read everybody's see their own.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(
    ("actor" = Option<String>, Query, max_length = 63, description = "who did it"),
    ("event" = Option<String>, Query, description = "codes like `grant.revoked` or families like `grant.*`, several with commas", pattern = "^(request|review|grant|credential|access|principal|auth|config|target|server)[.][*](,(request|review|grant|credential|access|principal|auth|config|target|server)[.][*])*$"),
    ("target" = Option<String>, Query, max_length = 63),
    ("request" = Option<String>, Query, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("grant" = Option<String>, Query, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("outcome" = Option<String>, Query, pattern = "^(success|denied|error)$"),
    ("since" = Option<chrono::DateTime<chrono::Utc>>, Query),
    ("until" = Option<chrono::DateTime<chrono::Utc>>, Query),
    ("text" = Option<String>, Query, max_length = 200, description = "words that all occur in the reason, the actor, the principal or the target"),
    ("after" = Option<i64>, Query, minimum = 0, description = "`next` of the page before: rows with a smaller index"),
    ("limit" = Option<i64>, Query, minimum = 1, maximum = 200),
), responses((status = 200, body = Page<EventView>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Page<EventView>>, Failed> {
    let filter = Filter {
        actor: params.text("actor"),
        about: None,
        events: params
            .text("event")
            .map(|text| codes(&text))
            .transpose()?
            .unwrap_or_default(),
        target: params.text("target"),
        request: params.parsed("request")?,
        grant: params.parsed("grant")?,
        outcome: params
            .words("outcome", &Outcome::ALL.map(Outcome::as_str))?
            .first()
            .and_then(|word| {
                Outcome::ALL
                    .into_iter()
                    .find(|outcome| outcome.as_str() == *word)
            }),
        since: params.parsed("since")?,
        until: params.parsed("until")?,
        text: params
            .text("text")
            .map(|text| text.split_whitespace().take(8).map(str::to_owned).collect())
            .unwrap_or_default(),
    };
    let before = params.parsed("after")?;
    let limit = params.limit()?;
    params.done()?;
    let page = app.gate.events(&caller, filter, before, limit).await?;
    let full = i64::try_from(page.len()).unwrap_or(i64::MAX) >= limit;
    let next = page
        .last()
        .filter(|_| full)
        .map(|last| last.index.to_string());
    Ok(Json(Page {
        items: page.iter().map(views::event).collect(),
        next,
    }))
}

fn codes(text: &str) -> Result<Vec<EventCode>, Failed> {
    let mut codes = Vec::new();
    for word in text.split(',') {
        let before = codes.len();
        let family = word.strip_suffix('*');
        codes.extend(EventCode::ALL.iter().copied().filter(|code| match family {
            Some(family) => code.as_str().starts_with(family),
            None => code.as_str() == word,
        }));
        if codes.len() == before {
            let nearest = crate::domain::nearest::nearest(
                word,
                EventCode::ALL.iter().map(|code| code.as_str()),
            );
            let hint = nearest
                .map(|nearest| format!("; did you mean `{nearest}`?"))
                .unwrap_or_default();
            return Err(Failed::Malformed(
                StatusCode::BAD_REQUEST,
                format!("there is no event `{}`{hint}", word.escape_default()),
            ));
        }
    }
    Ok(codes)
}
