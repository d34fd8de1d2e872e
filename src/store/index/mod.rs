//! The index of events: which of them have a value, or three letters in a row. Its text is the same for SQLite and
//! PostgreSQL, and it costs the business transaction nothing: it is written from numbered events, some time later.
//!
//! Events are indexed in segments of [`SEGMENT`]; those after the last full one in pieces of [`PIECE`], which their segment
//! replaces. What is not indexed yet is looked through row by row, so the index decides how fast an answer is and never what
//! it is: `query` looks at each event that is shown. Counts are taken from the index alone where it can be exact.
//!
//! A segment is some thousand rows. Each holds the terms that fall to it by their number, every one with the places of its
//! events, as distances or as bits (`posting`). Letters are indexed by groups of [`GROUP`] events, which makes them a
//! fraction of the size: neighbours are often about the same.

mod build;
mod count;
mod posting;
mod terms;
mod walk;

use std::collections::HashMap;

use anyhow::Context;

use crate::query::index::{Key, Need};

use super::Tx;
use posting::Bits;
use terms::Term;

pub use count::Counted;
pub use walk::Slice;

/// Events of a segment: as many as make their places two bytes.
const SEGMENT: i64 = 65_536;
/// Events of a piece: as many as can be looked through row by row.
pub(in crate::store) const PIECE: i64 = 2_048;
/// Events that share their letters.
const GROUP: usize = 16;
/// Rows beside those for terms: the columns of values that are counted.
const COLUMNS: u64 = 32;

/// Some events in a row that are indexed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
struct Segment {
    first_idx: i64,
    events: i64,
    erased: i64,
    seen: i64,
}

impl Segment {
    fn at(first_idx: i64, events: i64) -> Self {
        Self {
            first_idx,
            events,
            erased: 0,
            seen: 0,
        }
    }

    /// A text was erased after it was written, which it still has.
    fn is_stale(self) -> bool {
        self.erased > self.seen
    }

    fn end(self) -> i64 {
        self.first_idx + self.events
    }

    fn places(self) -> usize {
        usize::try_from(self.events).unwrap_or_default()
    }

    /// Places of a term: events, or groups of them.
    fn places_of(self, term: Term) -> usize {
        if terms::is_letters(term) {
            self.places() / GROUP
        } else {
            self.places()
        }
    }

    /// Among how many rows the terms are shared out, as a power of two.
    fn width(self) -> u32 {
        if self.events == SEGMENT { 13 } else { 7 }
    }

    /// The row that a term falls to.
    fn row_of(self, term: Term) -> u64 {
        // Multiplying spreads what differs in the low bits over the high ones.
        term.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - self.width())
    }

    /// The row of a column of values.
    fn column(self, nth: usize) -> u64 {
        (1 << self.width()) + nth as u64
    }

    /// The number of a row in the table. Those of pieces are below zero.
    fn id(self, row: u64) -> anyhow::Result<i32> {
        let nth = u64::try_from(self.first_idx / self.events.max(1))?;
        let id = nth * ((1 << self.width()) + COLUMNS) + row;
        let id = i32::try_from(id).context("the index of events is full")?;
        Ok(if self.events == SEGMENT { id } else { -1 - id })
    }

    /// The lowest and the highest number of its rows.
    fn ids(self) -> anyhow::Result<(i32, i32)> {
        let (a, b) = (self.id(0)?, self.id((1 << self.width()) + COLUMNS - 1)?);
        Ok((a.min(b), a.max(b)))
    }
}

/// Some events in a row; without a segment they are not indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: i64,
    until: i64,
    segment: Option<Segment>,
}

/// What a range of the log consists of, in its order.
fn spans(segments: &[Segment], from: i64, until: i64) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = from;
    let bare = |from: i64, until: i64, spans: &mut Vec<Span>| {
        let mut at = from;
        while at < until {
            let end = until.min(at + PIECE);
            spans.push(Span {
                from: at,
                until: end,
                segment: None,
            });
            at = end;
        }
    };
    for segment in segments {
        if segment.first_idx >= until || segment.end() <= at {
            continue;
        }
        bare(at, segment.first_idx.min(until), &mut spans);
        at = at.max(segment.first_idx);
        let end = segment.end().min(until);
        spans.push(Span {
            from: at,
            until: end,
            segment: Some(*segment),
        });
        at = end;
    }
    bare(at, until, &mut spans);
    spans
}

/// The terms of a condition.
fn terms_of(need: &Need, all: &mut Vec<Term>) {
    match need {
        Need::Any => {}
        Need::Key(key) => all.extend(terms::of(key)),
        Need::All(parts) | Need::One(parts) => parts.iter().for_each(|part| terms_of(part, all)),
        Need::Not(part) => terms_of(part, all),
    }
}

/// What was read of the index: where a term is in a segment, by the first event of the segment.
type Found = HashMap<(i64, Term), Bits>;

/// The events of a segment that fulfil a condition.
fn fulfil(need: &Need, segment: Segment, found: &Found) -> Bits {
    let places = segment.places();
    match need {
        Need::Any => Bits::all(places),
        Need::Key(key) => has(key, segment, found),
        Need::All(parts) => {
            let mut all = Bits::all(places);
            for part in parts {
                all.and(&fulfil(part, segment, found));
            }
            all
        }
        Need::One(parts) => {
            let mut any = Bits::none(places);
            for part in parts {
                any.or(&fulfil(part, segment, found));
            }
            any
        }
        Need::Not(part) => {
            let mut bits = fulfil(part, segment, found);
            bits.not();
            bits
        }
    }
}

fn has(key: &Key, segment: Segment, found: &Found) -> Bits {
    let mut all: Option<Bits> = None;
    let mut letters = false;
    for term in terms::of(key) {
        letters = terms::is_letters(term);
        let Some(bits) = found.get(&(segment.first_idx, term)) else {
            return Bits::none(segment.places());
        };
        match &mut all {
            Some(all) => all.and(bits),
            none => *none = Some(bits.clone()),
        }
    }
    match all {
        Some(bits) if letters => bits.widened(GROUP),
        Some(bits) => bits,
        None => Bits::all(segment.places()),
    }
}

impl Tx {
    /// The segments that there are, in the order of the log.
    async fn segments(&mut self) -> anyhow::Result<Vec<Segment>> {
        on!(self, c => sqlx::query_as("select first_idx, events, erased, seen from log_segments order by first_idx").fetch_all(c))
            .context("looking at the index of events")
    }

    /// Rows of the index, by their numbers.
    async fn index_rows(&mut self, ids: &[i32]) -> anyhow::Result<Vec<(i32, Vec<u8>)>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let sql = format!(
            "select id, terms from log_index where id in ({})",
            ids.join(", ")
        );
        // Each is asked once: nothing is gained by keeping it prepared.
        on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).persistent(false).fetch_all(c))
            .context("reading the index of events")
    }

    /// Looks up terms in segments.
    async fn look_up(&mut self, segments: &[Segment], terms: &[Term]) -> anyhow::Result<Found> {
        let mut wanted: HashMap<i32, Vec<(Segment, Term)>> = HashMap::new();
        for segment in segments {
            for term in terms {
                let id = segment.id(segment.row_of(*term))?;
                wanted.entry(id).or_default().push((*segment, *term));
            }
        }
        let mut ids: Vec<i32> = wanted.keys().copied().collect();
        ids.sort_unstable();
        let mut found = Found::new();
        for (id, bytes) in self.index_rows(&ids).await? {
            for (segment, term) in wanted.get(&id).into_iter().flatten() {
                if let Some(piece) = build::find(&bytes, *term) {
                    let bits = posting::read(piece, segment.places_of(*term));
                    found.insert((segment.first_idx, *term), bits);
                }
            }
        }
        Ok(found)
    }

    /// Where the log begins and ends that can be read.
    pub(in crate::store) async fn log_range(&mut self) -> anyhow::Result<(i64, i64)> {
        let (from, until): (i64, i64) = on!(self, c => sqlx::query_as(
            "select coalesce((select min(idx) from audit), 0), (select size from log_head where id = 1)").fetch_one(c))
        .context("reading the head of the log")?;
        Ok((from, until))
    }

    /// The index of the first event at or after each moment, in milliseconds; nothing where there is none.
    async fn places_at(&mut self, moments: &[i64]) -> anyhow::Result<Vec<Option<i64>>> {
        let mut places = Vec::with_capacity(moments.len());
        for moment in moments {
            let first: Option<(i64,)> = on!(self, c => sqlx::query_as(
                "select idx from audit where at >= $1 order by at, idx limit 1").bind(*moment).fetch_optional(c))
            .context("looking for a moment in the log")?;
            places.push(first.map(|(idx,)| idx));
        }
        Ok(places)
    }

    /// Says that texts of events were erased: the index forgets them a moment later. The events are those from an index to
    /// before another.
    pub async fn texts_were_erased(&mut self, from: i64, until: i64) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update log_segments set erased = erased + 1 where first_idx < $1 and first_idx + events > $2").bind(until).bind(from).execute(c))
            .context("marking the index of events")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_a_range_once_and_in_order() {
        let segments = [
            Segment::at(0, SEGMENT),
            Segment::at(SEGMENT, PIECE),
            Segment::at(SEGMENT + 2 * PIECE, PIECE),
        ];
        for (from, until) in [
            (0, 0),
            (0, 100),
            (10, SEGMENT),
            (10, SEGMENT + 5 * PIECE),
            (SEGMENT + PIECE + 3, SEGMENT + PIECE + 9),
            (SEGMENT + 2 * PIECE + 7, SEGMENT + 4 * PIECE),
            (SEGMENT * 3, SEGMENT * 3 + 5),
        ] {
            let mut at = from;
            for span in spans(&segments, from, until) {
                assert_eq!(span.from, at, "{from}..{until}");
                assert!(span.until > at);
                if let Some(segment) = span.segment {
                    assert!(segment.first_idx <= at && span.until <= segment.end());
                } else {
                    assert!(
                        segments
                            .iter()
                            .all(|one| span.until <= one.first_idx || span.from >= one.end())
                    );
                }
                at = span.until;
            }
            assert_eq!(at, until);
        }
    }

    #[test]
    fn rows_of_segments_and_pieces_never_share_a_number() {
        let mut seen = std::collections::HashSet::new();
        for segment in [
            Segment::at(0, SEGMENT),
            Segment::at(SEGMENT, SEGMENT),
            Segment::at(0, PIECE),
            Segment::at(PIECE, PIECE),
        ] {
            let (low, high) = segment.ids().unwrap();
            for row in 0..(1 << segment.width()) + COLUMNS {
                let id = segment.id(row).unwrap();
                assert!((low..=high).contains(&id));
                assert!(seen.insert(id));
            }
        }
    }
}
