//! Handler under `/v1/facets`: which values a field has at the moment, for completing filters.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use tokio::time::Instant;

use crate::catalog::Catalog;
use crate::domain::nearest::list as listed;
use crate::domain::refusal::Refusal;
use crate::gate::Caller;
use crate::gate::reads::Read;
use crate::query::eval::Value;
use crate::query::{Context, List, Name, Row, fields};
use crate::store::audit::Filter;
use crate::wire::{Facet, Facets};

use super::App;
use super::caller::Signed;
use super::error::{Failed, Problems};
use super::query::Params;
use super::search::{Search, Wanted, senseless};
use super::{audit, break_glass, grants, locks, requests, sessions};

/// The newest rows that are looked at: enough to find the usual values, few enough to be asked at every key.
const NEWEST: usize = 2_000;
/// The index of events is asked for so long: years of them need longer.
const LOOKS_FOR: Duration = Duration::from_millis(300);
/// Nobody reads further down.
const MOST: usize = 20;
/// A name is never longer.
const PREFIX_MAX: usize = 63;

enum What {
    Field(Name),
    Tag(String),
}

/// Counts the values of a field among the newest rows that match and that the caller may see, most frequent first.
#[utoipa::path(get, path = "/v1/facets", tag = "filters", params(
    ("of" = String, Query, description = "which list", pattern = "^(requests|grants|sessions|locks|audit|break-glass)$"),
    ("field" = String, Query, description = "a field of the filter language with names as values, like `target`, or a tag like `tag.env`", pattern = "^(state|principal|target|role|actor|kind|tag[.][a-z]{1,20})$"),
    ("prefix" = Option<String>, Query, max_length = 63, description = "how the values begin"),
    ("q" = Option<String>, Query, max_length = 2000, description = "a filter, see `/v1/requests`"),
), responses((status = 200, body = Facets), Problems))]
pub async fn count(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Facets>, Failed> {
    let of = params.text("of").unwrap_or_default();
    let list = List::COUNTED
        .into_iter()
        .find(|list| list.as_str() == of)
        .ok_or_else(|| {
            let known = List::COUNTED.map(|list| format!("`{}`", list.as_str()));
            senseless(format!("`of` takes one of {}", known.join(", ")))
        })?;
    let field = params.short("field", PREFIX_MAX)?.unwrap_or_default();
    let what = what(&field, list)?;
    let prefix = params
        .short("prefix", PREFIX_MAX)?
        .unwrap_or_default()
        .to_lowercase();
    let read = Read::counts(&params.filter());
    let wanted = Wanted::take(&mut params, list, &app.gate, &caller).await?;
    params.done()?;
    let context = Context {
        now: app.gate.now().await?,
        me: caller.principal.name.as_str(),
    };
    let mut counts = Counts {
        seen: HashMap::new(),
        what,
        prefix,
    };
    let approximate = match list {
        List::Requests => {
            let mut search = Search::newest(wanted, NEWEST);
            requests::find(&app, &caller, requests::any(), &mut search).await?;
            counts.add(&search.found, context);
            search.next.is_some()
        }
        List::Grants => {
            let mut search = Search::newest(wanted, NEWEST);
            grants::find(&app, &caller, requests::any(), &mut search).await?;
            counts.add(&search.found, context);
            search.next.is_some()
        }
        List::Sessions => {
            let seen = sessions::find(&app, &caller, wanted).await?;
            counts.add(&seen.items, context);
            seen.sources.iter().any(|source| source.problem.is_some())
        }
        List::Locks => {
            let mut search = Search::newest(wanted, NEWEST);
            locks::find(&app, &caller, locks::any(), &mut search).await?;
            counts.add(&search.found, context);
            search.next.is_some()
        }
        // Whoever may see these has all of them.
        List::SignIns | List::Services | List::Standing => false,
        List::BreakGlass => {
            let mut search = Search::newest(wanted, NEWEST);
            break_glass::find(&app, &caller, break_glass::any(), &mut search).await?;
            counts.add(&search.found, context);
            search.next.is_some()
        }
        List::Audit => {
            let more = events(&app, &caller, wanted, &mut counts, context).await?;
            app.gate.note_read(&caller, read).await;
            more
        }
    };
    Ok(Json(Facets {
        field,
        items: counts.most(),
        approximate,
    }))
}

/// Counts among audit events: by the index, where it says it all, and looking at what is not in there. Says whether there
/// are more events than were counted.
async fn events(
    app: &App,
    caller: &Caller,
    wanted: Option<Wanted>,
    counts: &mut Counts,
    context: Context<'_>,
) -> Result<bool, Failed> {
    let filter = audit::narrowed(app, audit::any(), wanted.as_ref());
    let field = match &counts.what {
        What::Field(name) => *name,
        What::Tag(_) => Name::Target,
    };
    let deadline = Instant::now() + LOOKS_FOR;
    let counted = app.gate.count_values(caller, &filter, field, deadline);
    let (mut rest, mut more) = (vec![filter.stretch], false);
    if let Some(counted) = counted.await? {
        let rules = app.gate.rules().current();
        for (value, count) in counted.counts {
            counts.put(value, count, &rules.catalog);
        }
        rest = counted.rest.into_iter().map(Some).collect();
        more = counted.partial;
    }
    let mut left = NEWEST;
    for stretch in rest {
        let mut search = Search::newest(wanted.clone(), left);
        let filter = Filter {
            stretch,
            ..filter.clone()
        };
        audit::find(app, caller, filter, None, &mut search).await?;
        counts.add(&search.found, context);
        left = left.saturating_sub(search.looked());
        more |= search.next.is_some();
    }
    Ok(more)
}

fn what(field: &str, list: List) -> Result<What, Failed> {
    let tag = if field == "env" {
        Some("env")
    } else {
        field.strip_prefix("tag.").filter(|name| !name.is_empty())
    };
    if let Some(name) = tag.filter(|_| fields::has_tags(list)) {
        return Ok(What::Tag(name.to_owned()));
    }
    let counted = || fields::of(list).filter(|field| field.counted);
    fields::find(field)
        .filter(|field| field.is_in(list) && field.counted)
        .map(|field| What::Field(field.name))
        .ok_or_else(|| {
            let known = listed(counted().map(|field| field.word));
            Failed::Refused(Refusal::BadInput {
                field: "field".to_owned(),
                why: if fields::has_tags(list) {
                    format!("{} have {known} and tags like `tag.env`", list.as_str())
                } else {
                    format!("{} have {known}", list.as_str())
                },
            })
        })
}

struct Counts {
    seen: HashMap<String, u64>,
    what: What,
    prefix: String,
}

impl Counts {
    /// Counts a value of the field, or a target whose tag is meant.
    fn put(&mut self, value: String, count: u64, catalog: &Catalog) {
        let value = match &self.what {
            What::Field(_) => Some(value),
            What::Tag(name) => value
                .parse()
                .ok()
                .and_then(|target| catalog.target(&target))
                .and_then(|target| {
                    let mut tags = target.tags.iter();
                    tags.find(|(key, _)| key.eq_ignore_ascii_case(name))
                })
                .map(|(_, value)| value.clone()),
        };
        let fits =
            |value: &String| !value.is_empty() && value.to_lowercase().starts_with(&self.prefix);
        if let Some(value) = value.filter(fits) {
            *self.seen.entry(value).or_default() += count;
        }
    }

    fn add<R: Row>(&mut self, rows: &[R], context: Context<'_>) {
        for row in rows {
            // A row has a value once, also where it names it twice.
            let mut values: Vec<String> = Vec::new();
            match &self.what {
                What::Field(name) => {
                    row.any(*name, context, &mut |value| {
                        if let Value::Text(text) = value {
                            values.push(text.to_owned());
                        }
                        false
                    });
                }
                What::Tag(name) => values.extend(row.tag(name).map(str::to_owned)),
            }
            values.sort_unstable();
            values.dedup();
            for value in values {
                if !value.is_empty() && value.to_lowercase().starts_with(&self.prefix) {
                    *self.seen.entry(value).or_default() += 1;
                }
            }
        }
    }

    fn most(self) -> Vec<Facet> {
        let mut items: Vec<Facet> = self
            .seen
            .into_iter()
            .map(|(value, count)| Facet { value, count })
            .collect();
        items.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        items.truncate(MOST);
        items
    }
}
