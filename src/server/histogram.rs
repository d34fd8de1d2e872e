//! Handler under `/v1/audit/histogram`: how many events there were over time.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use crate::gate::Caller;
use crate::gate::reads::Read;
use crate::query::List;
use crate::query::time::Bounds;
use crate::store::audit::Filter;
use crate::wire::{Bucket, EventView, Histogram};

use super::App;
use super::audit;
use super::caller::Signed;
use super::error::{Failed, Problems};
use super::query::Params;
use super::search::{Search, Wanted, senseless};

/// Nobody has a wider screen.
const MOST: usize = 500;
const USUALLY: usize = 60;
/// Events that are looked at one by one, where an index does not say it all.
const MOST_LOOKED_AT: usize = 20_000;
/// A histogram is asked for at every key.
const LOOKS_FOR: Duration = Duration::from_millis(500);

/// Counts audit events over time. Those who may not read everybody's count their own.
#[utoipa::path(get, path = "/v1/audit/histogram", tag = "audit", params(
    ("q" = Option<String>, Query, max_length = 2000, description = "a filter, see `/v1/requests`"),
    ("since" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "from the oldest event on, unless said otherwise"),
    ("until" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "until now, unless said otherwise"),
    ("buckets" = Option<u32>, Query, minimum = 1, maximum = 500, description = "how many stretches of time of the same length"),
), responses((status = 200, body = Histogram), Problems))]
pub async fn count(
    State(app): State<App>,
    Signed(caller): Signed,
    mut params: Params,
) -> Result<Json<Histogram>, Failed> {
    let read = Read::counts(&params.filter());
    let asked = Bounds {
        from: params.parsed("since")?,
        until: params.parsed("until")?,
    };
    let buckets = match params.parsed::<usize>("buckets")? {
        None => USUALLY,
        Some(buckets) if (1..=MOST).contains(&buckets) => buckets,
        Some(_) => return Err(senseless("`buckets` takes 1 to 500")),
    };
    let wanted = Wanted::take(&mut params, List::Audit, &app.gate, &caller).await?;
    params.done()?;
    let asked = Filter {
        since: asked.from,
        until: asked.until,
        ..audit::any()
    };
    let filter = audit::narrowed(&app, asked, wanted.as_ref());
    let until = match filter.until {
        Some(until) => until,
        // What happened at this very moment counts.
        None => app.gate.now().await? + TimeDelta::milliseconds(1),
    };
    let since = match filter.since {
        Some(since) => since,
        None => oldest(&app, &caller).await?.unwrap_or(until),
    };
    let mut bars = Bars::new(since.min(until), until, buckets);
    let filter = Filter {
        since: Some(bars.since),
        until: Some(bars.until),
        ..filter
    };
    let deadline = Instant::now() + LOOKS_FOR;
    let moments: Vec<DateTime<Utc>> = (0..=buckets).map(|number| bars.begins(number)).collect();
    let counted = app
        .gate
        .count_events(&caller, &filter, &moments, deadline)
        .await?;
    let (mut rest, mut partial) = (vec![filter.stretch], false);
    if let Some(counted) = counted {
        bars.counts = counted.counts;
        rest = counted.rest.into_iter().map(Some).collect();
        partial = counted.partial;
    }
    let mut left = MOST_LOOKED_AT;
    for stretch in rest {
        let time = deadline.saturating_duration_since(Instant::now());
        let mut search = Search::newest(wanted.clone(), left).for_at_most(time);
        let filter = Filter {
            stretch,
            ..filter.clone()
        };
        audit::find(&app, &caller, filter, None, &mut search).await?;
        search.found.iter().for_each(|event| bars.add(event));
        left = left.saturating_sub(search.looked());
        partial |= search.next.is_some();
    }
    app.gate.note_read(&caller, read).await;
    Ok(Json(bars.told(partial)))
}

/// When the oldest event was that the caller may see.
async fn oldest(app: &App, caller: &Caller) -> Result<Option<DateTime<Utc>>, Failed> {
    let filter = Filter {
        oldest_first: true,
        ..audit::any()
    };
    let deadline = Instant::now() + LOOKS_FOR;
    let first = app
        .gate
        .find_events(caller, &filter, None, 1, deadline)
        .await?;
    Ok(first.entries.first().map(|entry| entry.at))
}

/// Counts of stretches of time of the same length.
struct Bars {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    counts: Vec<u64>,
}

impl Bars {
    fn new(since: DateTime<Utc>, until: DateTime<Utc>, count: usize) -> Self {
        Self {
            since,
            until,
            counts: vec![0; count],
        }
    }

    /// Where the stretch with this number begins.
    fn begins(&self, number: usize) -> DateTime<Utc> {
        let whole = i128::from((self.until - self.since).num_milliseconds());
        let part = whole * i128::try_from(number).unwrap_or_default()
            / i128::try_from(self.counts.len()).unwrap_or(1).max(1);
        self.since + TimeDelta::milliseconds(i64::try_from(part).unwrap_or_default())
    }

    fn add(&mut self, event: &EventView) {
        if event.time < self.since || event.time >= self.until {
            return;
        }
        let begins: Vec<usize> = (0..self.counts.len()).collect();
        let after = begins.partition_point(|number| self.begins(*number) <= event.time);
        if let Some(count) = self.counts.get_mut(after.saturating_sub(1)) {
            *count += 1;
        }
    }

    fn told(self, partial: bool) -> Histogram {
        let bucket = |(number, count): (usize, &u64)| Bucket {
            since: self.begins(number),
            count: *count,
        };
        Histogram {
            since: self.since,
            until: self.until,
            buckets: self.counts.iter().enumerate().map(bucket).collect(),
            total: self.counts.iter().sum(),
            partial,
        }
    }
}
