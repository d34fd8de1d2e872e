//! Counting events from the index alone, without looking at them. What is not indexed is left to whoever asked.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::query::Name;
use crate::query::index::Need;
use crate::store::audit::Filter;
use crate::store::{Tx, millis};

use super::terms::COUNTED;
use super::{Segment, Span, build, fulfil, spans, terms_of};

/// Segments that are counted between two looks at the clock.
const AT_ONCE: usize = 32;

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counted<T> {
    pub counts: T,
    /// Stretches of the log that were not: they are not indexed. The newest comes first.
    pub rest: Vec<(i64, i64)>,
    /// There was no time for the oldest ones.
    pub partial: bool,
}

/// The stretch of the log of a count, and what is known of it, newest first.
struct Stretch {
    need: Need,
    spans: Vec<Span>,
}

impl Tx {
    async fn counted_stretch(
        &mut self,
        filter: &Filter,
        (from, until): (i64, i64),
    ) -> anyhow::Result<Option<Stretch>> {
        let needed = filter.needed();
        if !needed.exact {
            return Ok(None);
        }
        let segments = self.segments().await?;
        // What is stale is still right but for texts, and nothing exact is about those.
        let mut spans = spans(&segments, from, until);
        spans.reverse();
        Ok(Some(Stretch {
            need: needed.need,
            spans,
        }))
    }

    /// Counts events between each two of some moments that follow each other; nothing where a filter is about texts, for
    /// which events have to be looked at.
    pub async fn count_between(
        &mut self,
        filter: &Filter,
        moments: &[DateTime<Utc>],
        deadline: Instant,
    ) -> anyhow::Result<Option<Counted<Vec<u64>>>> {
        let (first, end) = self.log_range().await?;
        let millis: Vec<i64> = moments.iter().copied().map(millis).collect();
        let mut places = Vec::with_capacity(millis.len());
        let mut last = first;
        for place in self.places_at(&millis).await? {
            last = place.unwrap_or(end).clamp(last, end.max(last));
            places.push(last);
        }
        let whole = (last.min(places.first().copied().unwrap_or(last)), last);
        let Some(stretch) = self.counted_stretch(filter, whole).await? else {
            return Ok(None);
        };
        let ranges: Vec<(i64, i64)> = places
            .iter()
            .copied()
            .zip(places.iter().copied().skip(1))
            .collect();
        if stretch.need == Need::Any {
            let counts = ranges
                .iter()
                .map(|(from, until)| u64::try_from(until - from).unwrap_or_default());
            return Ok(Some(Counted {
                counts: counts.collect(),
                ..Counted::default()
            }));
        }
        let mut counted = Counted {
            counts: vec![0; ranges.len()],
            ..Counted::default()
        };
        self.each_segment(
            &stretch,
            &mut counted,
            deadline,
            &[],
            |counts, segment, bits, span, _| {
                let place = |idx: i64| usize::try_from(idx - segment.first_idx).unwrap_or_default();
                let first = ranges.partition_point(|(_, until)| *until <= span.from);
                let inside = counts.iter_mut().zip(&ranges).skip(first);
                for (count, (from, until)) in inside.take_while(|(_, range)| range.0 < span.until) {
                    let (from, until) = (span.from.max(*from), span.until.min(*until));
                    *count += bits.count(place(from), place(until));
                }
            },
        )
        .await?;
        Ok(Some(counted))
    }

    /// Counts the values of a field among the events of a filter; nothing where it is about texts, or where the values of
    /// this field are not counted.
    pub async fn count_values(
        &mut self,
        filter: &Filter,
        name: Name,
        deadline: Instant,
    ) -> anyhow::Result<Option<Counted<HashMap<String, u64>>>> {
        let Some(column) = COUNTED.iter().position(|counted| *counted == name) else {
            return Ok(None);
        };
        let (mut from, mut until) = self.log_range().await?;
        if let Some(since) = filter.since {
            let place = self.places_at(&[millis(since)]).await?.pop().flatten();
            from = from.max(place.unwrap_or(until));
        }
        if let Some(end) = filter.until
            && let Some(Some(place)) = self.places_at(&[millis(end)]).await?.pop()
        {
            until = until.min(place);
        }
        let Some(stretch) = self.counted_stretch(filter, (from, until)).await? else {
            return Ok(None);
        };
        let mut counted = Counted::default();
        self.each_segment(
            &stretch,
            &mut counted,
            deadline,
            &[column],
            |counts: &mut HashMap<String, u64>, segment, bits, span, columns| {
                let place = |idx: i64| usize::try_from(idx - segment.first_idx).unwrap_or_default();
                let mut bits = bits.clone();
                bits.keep(place(span.from), place(span.until));
                for (value, count) in columns
                    .iter()
                    .filter_map(|bytes| build::tally(bytes, &bits))
                    .flatten()
                {
                    *counts.entry(value).or_default() += count;
                }
            },
        )
        .await?;
        Ok(Some(counted))
    }

    /// Gives the events of each indexed span, the newest first, and the rest to what was not counted.
    async fn each_segment<T>(
        &mut self,
        stretch: &Stretch,
        counted: &mut Counted<T>,
        deadline: Instant,
        columns: &[usize],
        mut add: impl FnMut(&mut T, Segment, &super::posting::Bits, Span, &[Vec<u8>]),
    ) -> anyhow::Result<()> {
        let mut terms = Vec::new();
        terms_of(&stretch.need, &mut terms);
        terms.sort_unstable();
        terms.dedup();
        for some in stretch.spans.chunks(AT_ONCE) {
            if Instant::now() >= deadline {
                counted.partial = true;
                return Ok(());
            }
            let segments: Vec<Segment> = some.iter().filter_map(|span| span.segment).collect();
            let found = self.look_up(&segments, &terms).await?;
            let mut ids = HashMap::new();
            for segment in &segments {
                for column in columns {
                    ids.insert(segment.id(segment.column(*column))?, segment.first_idx);
                }
            }
            let wanted: Vec<i32> = ids.keys().copied().collect();
            let mut read: HashMap<i64, Vec<Vec<u8>>> = HashMap::new();
            for (id, bytes) in self.index_rows(&wanted).await? {
                if let Some(first) = ids.get(&id) {
                    read.entry(*first).or_default().push(bytes);
                }
            }
            for span in some {
                let Some(segment) = span.segment else {
                    counted.rest.push((span.from, span.until));
                    continue;
                };
                let bits = fulfil(&stretch.need, segment, &found);
                let columns = read.remove(&segment.first_idx).unwrap_or_default();
                add(&mut counted.counts, segment, &bits, *span, &columns);
            }
        }
        Ok(())
    }
}
