//! `portcullis audit --count-by` and `--histogram`: how many events there are, by value and over time.

use chrono::SecondsFormat;

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};
use crate::client::{AuditQuery, Client, HistogramQuery};

/// The longest bar.
const BAR: u64 = 40;
/// As many lines as a terminal usually has.
const BUCKETS: u32 = 24;

/// Counts the values of a field.
pub(super) async fn by(
    context: &Context<'_>,
    client: &Client,
    field: &str,
    query: AuditQuery,
) -> Result<Exit, Failure> {
    let mut q = query.q.unwrap_or_default();
    let rfc3339 =
        |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    if let Some(since) = query.since {
        q.push_str(&format!(" time:>={}", rfc3339(since)));
    }
    if let Some(until) = query.until {
        q.push_str(&format!(" time:<{}", rfc3339(until)));
    }
    let counted = client.facets("audit", field, "", q.trim()).await?;
    context.printer.answer(&counted, |printer| {
        let mut table = Table::new(&[("COUNT", Cut::Never), ("VALUE", Cut::End)]);
        for item in &counted.items {
            table.row([item.count.to_string(), item.value.clone()]);
        }
        printer.table(&table, "no events")
    })?;
    if counted.approximate {
        context.printer.note(PARTIAL);
    }
    Ok(Exit::DONE)
}

const PARTIAL: &str =
    "there are more events than could be counted in time: ask for less of the past";

/// Counts events over time.
pub(super) async fn over_time(
    context: &Context<'_>,
    client: &Client,
    query: AuditQuery,
) -> Result<Exit, Failure> {
    let asked = HistogramQuery {
        q: query.q,
        since: query.since,
        until: query.until,
        buckets: Some(BUCKETS),
    };
    let counted = client.histogram(&asked).await?;
    let most = counted.buckets.iter().map(|bucket| bucket.count).max();
    let most = most.unwrap_or_default().max(1);
    context.printer.answer(&counted, |printer| {
        counted.buckets.iter().try_for_each(|bucket| {
            let bar = usize::try_from((bucket.count * BAR).div_ceil(most)).unwrap_or_default();
            let line = format!(
                "{}  {:>8}  {}",
                words::exact(bucket.since),
                bucket.count,
                "#".repeat(bar)
            );
            printer.line(line.trim_end())
        })
    })?;
    if counted.partial {
        context.printer.note(PARTIAL);
    }
    Ok(Exit::DONE)
}
