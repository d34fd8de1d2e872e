//! Looking for events: through the index where there is one, row by row where there is none, newest or oldest first.

use anyhow::Context;
use tokio::time::Instant;

use crate::query::Name;
use crate::query::index::{Key, Need, Needed};
use crate::store::audit::{Entry, Filter};
use crate::store::within::Within;
use crate::store::{Tx, millis};

use super::{Segment, Span, fulfil, spans, terms_of};

/// Events whose moments are this far apart in the log can be in another order there: they were committed at once.
const DISORDER: i64 = 1_000;
/// Somebody with more targets than this is shown what the rows say, not what the index says.
const PLACES: usize = 64;
/// Segments that are looked through at once: few at first, because the newest have mostly enough.
const AT_ONCE: [usize; 4] = [2, 8, 24, 48];

/// Events in the order of a search.
#[derive(Debug, Default)]
pub struct Slice {
    pub entries: Vec<Entry>,
    /// Go on beyond this index; nothing when there is nothing more.
    pub next: Option<i64>,
}

impl Within {
    /// What events have that their reader may see; the same in the words of the index.
    fn needed(&self) -> Needed {
        if self.targets.len() > PLACES {
            return Needed::default();
        }
        let name = self.name.as_str().to_lowercase();
        let targets = self.targets.iter();
        let targets =
            targets.map(|target| Key::Value(Name::Target, target.as_str().to_lowercase()));
        let own = [Name::Actor, Name::Principal].map(|field| Key::Value(field, name.clone()));
        Needed {
            need: Need::One(own.into_iter().chain(targets).map(Need::Key).collect()),
            exact: true,
        }
    }
}

impl Filter {
    /// All that it says, but for its stretch of time and of the log.
    pub(super) fn needed(&self) -> Needed {
        let mut need = self.needed.need.clone();
        let mut exact = self.needed.exact;
        let mut field = |name: Name, values: Vec<String>| {
            let need_of = Need::values(name, values.into_iter().map(|value| value.to_lowercase()));
            need = std::mem::take(&mut need).and(need_of);
        };
        let names = [(Name::Actor, &self.actor), (Name::Target, &self.target)];
        for (name, value) in names {
            if let Some(value) = value {
                field(name, vec![value.clone()]);
            }
        }
        if let Some(request) = &self.request {
            field(Name::Request, vec![request.to_string()]);
        }
        if let Some(grant) = &self.grant {
            field(Name::Grant, vec![grant.to_string()]);
        }
        if let Some(outcome) = self.outcome {
            field(Name::Outcome, vec![outcome.as_str().to_owned()]);
        }
        if !self.events.is_empty() {
            let codes = self.events.iter().map(|code| code.as_str().to_owned());
            field(Name::Event, codes.collect());
        }
        for word in &self.text {
            need = need.and(Need::holds(word.to_lowercase()));
            exact = false;
        }
        if let Some(within) = &self.within {
            let within = within.needed();
            exact &= within.exact;
            need = need.and(within.need);
        }
        Needed { need, exact }
    }
}

/// Where a search stands.
struct Walk<'f> {
    filter: &'f Filter,
    need: Need,
    limit: usize,
    slice: Slice,
}

impl Walk<'_> {
    fn is_full(&self) -> bool {
        self.slice.entries.len() >= self.limit
    }

    fn missing(&self) -> usize {
        self.limit.saturating_sub(self.slice.entries.len())
    }
}

impl Tx {
    /// The stretch of the log that a filter's stretches of time and of the log leave, somewhat too wide.
    async fn stretch(&mut self, filter: &Filter) -> anyhow::Result<(i64, i64)> {
        let (mut from, mut until) = self.log_range().await?;
        if let Some((first, end)) = filter.stretch {
            from = from.max(first);
            until = until.min(end);
        }
        let moments: Vec<i64> = [filter.since, filter.until]
            .into_iter()
            .flatten()
            .map(millis)
            .collect();
        let mut places = self.places_at(&moments).await?.into_iter();
        if filter.since.is_some() {
            // Where nothing is that late, the last ones may still have come in another order.
            let place = places.next().flatten().unwrap_or(until);
            from = from.max(place - DISORDER);
        }
        if filter.until.is_some()
            && let Some(Some(place)) = places.next()
        {
            until = until.min(place + DISORDER);
        }
        Ok((from, until))
    }

    /// Looks for events, newest first unless the filter says otherwise, all beyond the index `after`. It ends with the
    /// limit, with the log, or at the deadline, and says where to go on. What it finds is what the database can compare;
    /// whoever asked looks at each.
    pub async fn find(
        &mut self,
        filter: &Filter,
        after: Option<i64>,
        limit: usize,
        deadline: Instant,
    ) -> anyhow::Result<Slice> {
        if filter.names_few() {
            let entries = self.events(filter, after, i64::try_from(limit)?).await?;
            let last = entries.last().map(|entry| entry.index);
            let next = last.filter(|_| entries.len() >= limit);
            return Ok(Slice { entries, next });
        }
        let (mut from, mut until) = self.stretch(filter).await?;
        match after {
            Some(after) if filter.oldest_first => from = from.max(after + 1),
            Some(after) => until = until.min(after),
            None => {}
        }
        let need = filter.needed().need;
        let segments = match need {
            Need::Any => Vec::new(),
            _ => self.segments().await?,
        };
        let mut spans = spans(&segments, from, until);
        if !filter.oldest_first {
            spans.reverse();
        }
        let mut walk = Walk {
            filter,
            need,
            limit,
            slice: Slice::default(),
        };
        let (mut rest, mut round) = (spans.as_slice(), 0);
        while let Some(first) = rest.first() {
            let indexed = |span: &&Span| span.segment.is_some() == first.segment.is_some();
            let most = AT_ONCE.get(round).copied().unwrap_or(64);
            let count = rest.iter().take_while(indexed).take(most).count();
            let (some, others) = rest.split_at(count);
            rest = others;
            if first.segment.is_some() {
                round += 1;
                self.look_through(some, &mut walk).await?;
            } else {
                self.read_through(some, &mut walk, deadline).await?;
            }
            if walk.slice.next.is_none() && !rest.is_empty() && Instant::now() >= deadline {
                walk.slice.next = some.last().map(|span| beyond(*span, filter));
            }
            if walk.slice.next.is_some() {
                break;
            }
        }
        Ok(walk.slice)
    }

    /// Looks through indexed spans.
    async fn look_through(&mut self, spans: &[Span], walk: &mut Walk<'_>) -> anyhow::Result<()> {
        let mut terms = Vec::new();
        terms_of(&walk.need, &mut terms);
        terms.sort_unstable();
        terms.dedup();
        let segments: Vec<Segment> = spans.iter().filter_map(|span| span.segment).collect();
        let found = self.look_up(&segments, &terms).await?;
        let mut places = Vec::new();
        for span in spans {
            let Some(segment) = span.segment else {
                continue;
            };
            let mut bits = fulfil(&walk.need, segment, &found);
            let place = |idx: i64| usize::try_from(idx - segment.first_idx).unwrap_or_default();
            bits.keep(place(span.from), place(span.until));
            let index = |place: usize| segment.first_idx + i64::try_from(place).unwrap_or_default();
            if walk.filter.oldest_first {
                places.extend(bits.places().map(index));
            } else {
                places.extend(bits.places().rev().map(index));
            }
            while places.len() >= walk.missing() && !walk.is_full() {
                let some: Vec<i64> = places.drain(..walk.missing()).collect();
                self.fetch(&some, walk).await?;
                if walk.is_full() {
                    walk.slice.next = some.last().copied();
                    return Ok(());
                }
            }
        }
        self.fetch(&places, walk).await
    }

    async fn fetch(&mut self, places: &[i64], walk: &mut Walk<'_>) -> anyhow::Result<()> {
        if !places.is_empty() {
            let entries = self.events_at(walk.filter, places).await;
            walk.slice
                .entries
                .extend(entries.context("reading events that were found")?);
        }
        Ok(())
    }

    /// Reads spans that are not indexed.
    async fn read_through(
        &mut self,
        spans: &[Span],
        walk: &mut Walk<'_>,
        deadline: Instant,
    ) -> anyhow::Result<()> {
        for span in spans {
            let filter = Filter {
                stretch: Some((span.from, span.until)),
                ..walk.filter.clone()
            };
            let missing = walk.missing();
            let entries = self.events(&filter, None, i64::try_from(missing)?).await?;
            let full = entries.len() >= missing;
            let last = entries.last().map(|entry| entry.index);
            walk.slice.entries.extend(entries);
            if full {
                walk.slice.next = last;
                return Ok(());
            }
            if Instant::now() >= deadline {
                walk.slice.next = Some(beyond(*span, walk.filter));
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The index beyond which a search goes on after a span.
fn beyond(span: Span, filter: &Filter) -> i64 {
    if filter.oldest_first {
        span.until - 1
    } else {
        span.from
    }
}
