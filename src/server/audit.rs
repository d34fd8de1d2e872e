//! Handlers under `/v1/audit`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa::PartialSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use crate::domain::event::{EventCode, Outcome};
use crate::gate::Caller;
use crate::gate::reads::Read;
use crate::query::List;
use crate::query::index::Needed;
use crate::query::time::Bounds;
use crate::store::audit::Filter;
use crate::wire::{EventView, Page};

use super::caller::Signed;
use super::error::{Failed, Problems};
use super::query::Params;
use super::search::{Search, Wanted, both, senseless};
use super::{App, views};

/// A name is never longer.
const NAME_MAX: usize = 63;
/// More words than anybody remembers of a reason.
const TEXT_MAX: usize = 200;

/// The filter by event, as the API's description tells it.
pub(super) struct Codes;

impl utoipa::ToSchema for Codes {}

impl PartialSchema for Codes {
    fn schema() -> RefOr<Schema> {
        let mut words: Vec<String> = Vec::new();
        for code in EventCode::ALL.iter().map(|code| code.as_str()) {
            let family = code.split('.').next().unwrap_or(code);
            words.push(format!("{family}[.][*]"));
            words.push(code.replace('.', "[.]"));
        }
        words.sort();
        words.dedup();
        let word = words.join("|");
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^({word})(,({word}))*$")))
            .into()
    }
}

/// Searches the audit history, newest first unless `order` says otherwise. Those who may not read everybody's see their own.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(
    ("actor" = Option<String>, Query, max_length = 63, description = "who did it"),
    ("event" = inline(Option<Codes>), Query, description = "codes like `grant.revoked` or families like `grant.*`, several with commas"),
    ("target" = Option<String>, Query, max_length = 63),
    ("request" = Option<String>, Query, pattern = "^R-[0-9a-hjkmnp-tv-z]{10}$"),
    ("grant" = Option<String>, Query, pattern = "^G-[0-9a-hjkmnp-tv-z]{10}$"),
    ("outcome" = Option<String>, Query, pattern = "^(success|denied|error)$"),
    ("since" = Option<chrono::DateTime<chrono::Utc>>, Query),
    ("until" = Option<chrono::DateTime<chrono::Utc>>, Query),
    ("text" = Option<String>, Query, max_length = 200, description = "words that all occur in the reason, the actor, the principal or the target"),
    ("q" = Option<String>, Query, max_length = 2000, description = "a filter like `outcome:denied env:prod time:-24h`; see `/v1/requests`"),
    ("order" = Option<String>, Query, pattern = "^(newest|oldest)$", description = "which come first; `newest` unless said otherwise. `oldest` reads on from a place in the record"),
    ("after" = Option<i64>, Query, minimum = 0, description = "`next` of the page before, or any index: rows with a smaller one, or with `order=oldest` with a larger one"),
    ("limit" = Option<i64>, Query, minimum = 1, maximum = 200),
), responses((status = 200, body = Page<EventView>), Problems))]
pub async fn list(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Page<EventView>>, Failed> {
    let asked = params.said();
    let mut filter = filter(&mut params)?;
    let order = params.words("order", &["newest", "oldest"])?;
    filter.oldest_first = match order.as_slice() {
        [] | ["newest"] => false,
        ["oldest"] => true,
        _ => return Err(senseless("`order` takes `newest` or `oldest`")),
    };
    let after = params.parsed::<Index>("after")?.map(|index| index.0);
    let limit = params.limit()?;
    let wanted = Wanted::take(&mut params, List::Audit, &app.gate, &caller).await?;
    params.done()?;
    let filter = narrowed(&app, filter, wanted.as_ref());
    let newest = after.is_none() && !filter.oldest_first;
    let mut search = Search::new(wanted, limit);
    find(&app, &caller, filter, after, &mut search).await?;
    let read = Read::of(asked, newest, shown(&search.found));
    app.gate.note_read(&caller, read).await;
    Ok(Json(Page {
        items: search.found,
        next: search.next.map(|index| index.to_string()),
    }))
}

/// Reads what can be asked for one by one.
pub(in crate::server) fn filter(params: &mut Params) -> Result<Filter, Failed> {
    Ok(Filter {
        actor: params.short("actor", NAME_MAX)?,
        events: params
            .text("event")
            .map(|text| codes(&text))
            .transpose()?
            .unwrap_or_default(),
        target: params.short("target", NAME_MAX)?,
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
            .short("text", TEXT_MAX)?
            .map(|text| text.split_whitespace().take(8).map(str::to_owned).collect())
            .unwrap_or_default(),
        ..any()
    })
}

/// What a page shows, for whoever puts reading on record.
pub(in crate::server) fn shown(events: &[EventView]) -> impl Iterator<Item = (i64, &str)> {
    events
        .iter()
        .map(|event| (event.index, event.event.as_str()))
}

/// The filter with what the database can make of the `q`.
pub(in crate::server) fn narrowed(app: &App, filter: Filter, wanted: Option<&Wanted>) -> Filter {
    let Some(wanted) = wanted else {
        return exactly(filter);
    };
    let asked = Bounds {
        from: filter.since,
        until: filter.until,
    };
    let time = both(asked, wanted.time());
    Filter {
        since: time.from,
        until: time.until,
        among: wanted.among(),
        needed: wanted.needed(&app.gate.rules().current().catalog),
        ..filter
    }
}

/// Without a `q` the filter says it all.
fn exactly(filter: Filter) -> Filter {
    Filter {
        needed: Needed {
            exact: true,
            ..Needed::default()
        },
        ..filter
    }
}

/// Events of any kind.
pub fn any() -> Filter {
    Filter::default()
}

/// Reads events until the search is over.
pub async fn find(
    app: &App,
    caller: &Caller,
    filter: Filter,
    mut after: Option<i64>,
    search: &mut Search<EventView, i64>,
) -> Result<(), Failed> {
    let rules = app.gate.rules().current();
    while let Some(more) = search.more() {
        let (limit, deadline) = (usize::try_from(more).unwrap_or_default(), search.deadline());
        let slice = app
            .gate
            .find_events(caller, &filter, after, limit, deadline);
        let slice = slice.await?;
        let rows = slice.entries.iter();
        search.take_until(
            rows.map(|entry| (views::event(&rules.catalog, entry), entry.index)),
            slice.next,
        );
        after = search.next;
    }
    Ok(())
}

/// A place in the record; there is none before the first.
pub(in crate::server) struct Index(pub(in crate::server) i64);

impl Index {
    /// The same without a sign.
    pub(in crate::server) fn number(&self) -> u64 {
        u64::try_from(self.0).unwrap_or_default()
    }
}

impl std::str::FromStr for Index {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let index = text.parse().ok().filter(|index| *index >= 0);
        index.map(Self).ok_or("it is not an index of ours")
    }
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
