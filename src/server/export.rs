//! The history on its way out: pieces of it in the format of somebody else's choice, oldest first.

use axum::Json;
use axum::extract::State;

use crate::gate::reads::{Exporting, Read};
use crate::query::List;
use crate::wire::ExportPage;
use crate::wire::export::Format;

use super::App;
use super::audit::{Codes, Index, filter, find, narrowed, shown};
use super::caller::Signed;
use super::error::{Failed, Problems};
use super::query::Params;
use super::search::{Search, Wanted, senseless};

/// Events of one piece at most, and where the caller does not say.
const PIECE_MAX: i64 = 2_000;
const PIECE: i64 = 1_000;
/// What names an export is as long as a trace.
const NAME_MAX: usize = 64;

/// Gives a piece of the history, oldest first, as lines of NDJSON, CSV or OCSF. That it is taken is itself recorded, with the filter.
#[utoipa::path(get, path = "/v1/audit/export", tag = "audit", params(
    ("format" = String, Query, pattern = "^(ndjson|csv|ocsf)$"),
    ("actor" = Option<String>, Query, max_length = 63),
    ("event" = inline(Option<Codes>), Query, description = "as `/v1/audit` takes it"),
    ("target" = Option<String>, Query, max_length = 63),
    ("request" = Option<String>, Query, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("grant" = Option<String>, Query, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("outcome" = Option<String>, Query, pattern = "^(success|denied|error)$"),
    ("since" = Option<chrono::DateTime<chrono::Utc>>, Query),
    ("until" = Option<chrono::DateTime<chrono::Utc>>, Query),
    ("text" = Option<String>, Query, max_length = 200),
    ("q" = Option<String>, Query, max_length = 2000, description = "a filter as `/v1/audit` takes it"),
    ("after" = Option<i64>, Query, minimum = 0, description = "`next` of the piece before, or any index: events with a larger one"),
    ("to" = Option<i64>, Query, minimum = 0, description = "`to` of the first piece: events with a smaller index"),
    ("export" = Option<String>, Query, pattern = "^[0-9a-f]{1,64}$", description = "`export` of the first piece"),
    ("limit" = Option<i64>, Query, minimum = 1, maximum = 2000),
), responses((status = 200, body = ExportPage), Problems))]
pub async fn piece(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<ExportPage>, Failed> {
    let asked = params.said();
    let format: Option<Format> = params.parsed("format")?;
    let format = format.ok_or_else(|| senseless("`format` takes `ndjson`, `csv` or `ocsf`"))?;
    let mut filter = filter(&mut params)?;
    filter.oldest_first = true;
    let after = params.parsed::<Index>("after")?.map(|index| index.0);
    let to = params.parsed::<Index>("to")?.map(|index| index.0);
    let export = params.short("export", NAME_MAX)?;
    let plain = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_hexdigit());
    if export.as_ref().is_some_and(|name| !plain(name)) {
        return Err(senseless("`export` takes what the first piece has said"));
    }
    let limit = match params.parsed::<i64>("limit")? {
        None => PIECE,
        Some(limit @ 1..=PIECE_MAX) => limit,
        Some(_) => return Err(senseless("`limit` takes 1 to 2000")),
    };
    let wanted = Wanted::take(&mut params, List::Audit, &app.gate, &caller).await?;
    params.done()?;
    let filter = narrowed(&app, filter, wanted.as_ref());
    let exporting = Exporting {
        format,
        filter: asked.clone(),
        after,
        export,
    };
    // Before anything leaves.
    let (export, size) = app.gate.begin_export(&caller, &exporting).await?;
    let to = to.unwrap_or(size);
    let log = app.gate.signed_log().await?;
    let mut search = Search::new(wanted, limit);
    find(&app, &caller, filter, after, &mut search).await?;
    let looked = search.found.len();
    search.found.retain(|event| event.index < to);
    let beyond = search.found.len() < looked || search.next.is_some_and(|next| next + 1 >= to);
    let next = search.next.filter(|_| !beyond);
    let read = Read::of(asked, false, shown(&search.found));
    app.gate
        .note_export(&caller, &export, &read, next.is_none())
        .await?;
    let mut text = String::new();
    if after.is_none() {
        text.push_str(&format.head());
    }
    for event in &search.found {
        text.push_str(&format.render(event, log.as_ref()));
    }
    Ok(Json(ExportPage {
        count: i64::try_from(search.found.len()).unwrap_or(i64::MAX),
        text,
        next: next.map(|index| index.to_string()),
        to,
        export,
    }))
}
