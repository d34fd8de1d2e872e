//! Writing the index: the terms of some events, shared out over rows; and the task that does it for what is not indexed.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use anyhow::Context;

use crate::store::audit::Entry;
use crate::store::{Store, Tx, rows};

use super::posting::{self, Posting};
use super::terms::{self, COUNTED, Term};
use super::{GROUP, PIECE, SEGMENT, Segment};

/// Events that are read at once.
const READ: i64 = 1_000;
/// Rows that one statement writes, and one transaction: SQLite's other writers wait so long.
const AT_ONCE: usize = 64;
const IN_ONE: usize = 512;
/// After a fault.
const AGAIN: Duration = Duration::from_secs(10);
/// Other nodes write, too.
const IDLE: Duration = Duration::from_secs(5);

/// Terms are numbers that are spread by one multiplication.
#[derive(Debug, Default, Clone, Copy)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}

/// What some events have in common.
struct Builder {
    segment: Segment,
    postings: HashMap<Term, Posting, BuildHasherDefault<Spread>>,
    columns: Vec<Column>,
}

/// The values of a field: each once, and for every event the number of its one. Zero is none.
#[derive(Default)]
struct Column {
    values: Vec<String>,
    known: HashMap<String, u16>,
    codes: Vec<u16>,
}

impl Column {
    fn put(&mut self, place: usize, value: Option<&str>) {
        self.codes.resize(place, 0);
        let code = value.map_or(0, |value| {
            if let Some(code) = self.known.get(value) {
                return *code;
            }
            // There are fewer events than numbers.
            self.values.push(value.to_owned());
            let code = u16::try_from(self.values.len()).unwrap_or_default();
            self.known.insert(value.to_owned(), code);
            code
        });
        self.codes.push(code);
    }

    fn write(mut self, places: usize) -> Vec<u8> {
        self.codes.resize(places, 0);
        let mut out = Vec::new();
        posting::number(self.values.len(), &mut out);
        for value in &self.values {
            posting::number(value.len(), &mut out);
            out.extend_from_slice(value.as_bytes());
        }
        let narrow = self.values.len() < 256;
        out.push(if narrow { 1 } else { 2 });
        for code in self.codes {
            let [low, high] = code.to_le_bytes();
            out.push(low);
            if !narrow {
                out.push(high);
            }
        }
        out
    }
}

/// Reads a column: its values, and how often each occurs among the events that are given.
pub(super) fn tally(bytes: &[u8], among: &posting::Bits) -> Option<Vec<(String, u64)>> {
    let mut rest = bytes;
    let count = posting::take_number(&mut rest)?;
    let mut values = Vec::new();
    for _ in 0..count {
        let length = posting::take_number(&mut rest)?;
        let value = posting::take(&mut rest, length)?;
        values.push(String::from_utf8_lossy(value).into_owned());
    }
    let wide = posting::take(&mut rest, 1)? == [2];
    let mut counts = vec![0_u64; values.len() + 1];
    for place in among.places() {
        let code = if wide {
            let low = rest.get(place * 2)?;
            let high = rest.get(place * 2 + 1)?;
            u16::from_le_bytes([*low, *high])
        } else {
            u16::from(*rest.get(place)?)
        };
        if let Some(count) = counts.get_mut(usize::from(code)) {
            *count += 1;
        }
    }
    let counts = counts.into_iter().skip(1);
    Some(
        values
            .into_iter()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
            .collect(),
    )
}

impl Builder {
    fn new(segment: Segment) -> Self {
        Self {
            segment,
            postings: HashMap::default(),
            columns: COUNTED.iter().map(|_| Column::default()).collect(),
        }
    }

    fn add(&mut self, entry: &Entry) {
        let Ok(place) = usize::try_from(entry.index - self.segment.first_idx) else {
            return;
        };
        terms::of_entry(entry, |term| {
            let place = if terms::is_letters(term) {
                place / GROUP
            } else {
                place
            };
            self.postings.entry(term).or_default().push(place);
        });
        for (column, name) in self.columns.iter_mut().zip(COUNTED) {
            column.put(place, terms::value(entry, name));
        }
    }

    /// The rows of the table.
    fn finish(self) -> anyhow::Result<Vec<(i32, Vec<u8>)>> {
        let segment = self.segment;
        let mut shared: HashMap<u64, Vec<(Term, Posting)>> = HashMap::new();
        for (term, posting) in self.postings {
            let row = shared.entry(segment.row_of(term)).or_default();
            row.push((term, posting));
        }
        let mut rows = Vec::with_capacity(shared.len());
        for (row, mut terms) in shared {
            terms.sort_unstable_by_key(|(term, _)| *term);
            let mut bytes = Vec::new();
            for (term, posting) in terms {
                bytes.extend_from_slice(&term.to_le_bytes());
                posting.write(segment.places_of(term), &mut bytes);
            }
            rows.push((segment.id(row)?, bytes));
        }
        for (nth, column) in self.columns.into_iter().enumerate() {
            rows.push((
                segment.id(segment.column(nth))?,
                column.write(segment.places()),
            ));
        }
        rows.sort_unstable_by_key(|(id, _)| *id);
        Ok(rows)
    }
}

/// A term in a row of the index.
pub(super) fn find(mut bytes: &[u8], term: Term) -> Option<(u8, &[u8])> {
    loop {
        let head = posting::take(&mut bytes, 8)?;
        let piece = posting::take_piece(&mut bytes)?;
        if head == term.to_le_bytes() {
            return Some(piece);
        }
    }
}

impl Tx {
    async fn write_index(&mut self, some: &[(i32, Vec<u8>)]) -> anyhow::Result<()> {
        for some in some.chunks(AT_ONCE) {
            let sql = format!(
                "insert into log_index (id, terms) values {} on conflict (id) do update set terms = excluded.terms",
                rows(some.len(), &["", ""])
            );
            touch!(self, c => {
                let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
                for (id, bytes) in some {
                    query = query.bind(*id).bind(bytes.as_slice());
                }
                query.execute(c)
            })
            .context("writing the index of events")?;
        }
        Ok(())
    }

    /// Puts a segment in the place of what was there.
    async fn take_over(&mut self, segment: Segment) -> anyhow::Result<()> {
        let (from, until) = (segment.first_idx, segment.end());
        let inside = self.segments().await?.into_iter();
        // What was erased meanwhile makes it stale at once.
        let mut erased = 0;
        for old in inside.filter(|old| {
            from <= old.first_idx && old.end() <= until && old.events < segment.events
        }) {
            erased += old.erased;
            let (low, high) = old.ids()?;
            touch!(self, c => sqlx::query("delete from log_index where id >= $1 and id <= $2").bind(low).bind(high).execute(c))
                .context("replacing pieces of the index of events")?;
            touch!(self, c => sqlx::query("delete from log_segments where first_idx = $1 and events = $2").bind(old.first_idx).bind(old.events).execute(c))
                .context("replacing pieces of the index of events")?;
        }
        touch!(self, c => sqlx::query("insert into log_segments (first_idx, events, erased, seen) values ($1, $2, $3, 0) on conflict (first_idx) do update set seen = $4")
            .bind(segment.first_idx).bind(segment.events).bind(erased).bind(segment.erased).execute(c))
        .context("adding to the index of events")?;
        Ok(())
    }
}

/// What to index next, of a log that can be read from an index to before another: what is stale, then what is newest.
fn next(segments: &[Segment], (from, until): (i64, i64)) -> Option<Segment> {
    if let Some(stale) = segments.iter().rev().find(|segment| segment.is_stale()) {
        return Some(*stale);
    }
    let has = |wanted: Segment| {
        segments
            .iter()
            .any(|segment| segment.first_idx <= wanted.first_idx && wanted.end() <= segment.end())
    };
    let full = until / SEGMENT;
    let pieces = (full * SEGMENT / PIECE..until / PIECE)
        .rev()
        .map(|nth| Segment::at(nth * PIECE, PIECE));
    let whole = (from / SEGMENT..full)
        .rev()
        .map(|nth| Segment::at(nth * SEGMENT, SEGMENT));
    pieces
        .filter(|piece| piece.end() > from)
        .chain(whole)
        .find(|segment| !has(*segment))
}

impl Store {
    /// Indexes what comes next; says whether there was anything.
    async fn index_next(&self) -> anyhow::Result<bool> {
        let segment = {
            let mut tx = self.read().await?;
            let range = tx.log_range().await?;
            let segments = tx.segments().await?;
            match next(&segments, range) {
                Some(segment) => segment,
                None => return Ok(false),
            }
        };
        let mut builder = Builder::new(segment);
        let mut at = segment.first_idx;
        while at < segment.end() {
            let until = segment.end().min(at + READ);
            let entries = self.glance().await?.entries_between(at, until).await?;
            builder = tokio::task::spawn_blocking(move || {
                for entry in &entries {
                    builder.add(entry);
                }
                builder
            })
            .await
            .context("indexing events")?;
            at = until;
        }
        let written = tokio::task::spawn_blocking(move || builder.finish())
            .await
            .context("indexing events")??;
        for some in written.chunks(IN_ONE) {
            let mut tx = self.write().await?;
            tx.write_index(some).await?;
            self.commit(tx).await?;
        }
        let mut tx = self.write().await?;
        tx.take_over(segment).await?;
        self.commit(tx).await?;
        Ok(true)
    }

    /// Indexes everything that can be; what a search finds does not depend on it.
    pub async fn index(&self) -> anyhow::Result<()> {
        while self.index_next().await? {}
        Ok(())
    }

    /// Indexes events for as long as it is polled, soon after they have their index.
    pub async fn run_indexer(&self) {
        let mut head = self.watch_head();
        loop {
            self.until_writable().await;
            if let Err(error) = self.index().await {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "events could not be indexed; searches are slower until they are"
                );
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            let _ = tokio::time::timeout(IDLE, head.changed()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_indexed_first_and_pieces_only_where_no_segment_can_be() {
        let mut segments = Vec::new();
        let range = (70_000, 3 * SEGMENT + 2 * PIECE + 5);
        let mut order = Vec::new();
        while let Some(one) = next(&segments, range) {
            order.push((one.first_idx, one.events));
            segments.push(one);
        }
        assert_eq!(
            order,
            [
                (3 * SEGMENT + PIECE, PIECE),
                (3 * SEGMENT, PIECE),
                (2 * SEGMENT, SEGMENT),
                (SEGMENT, SEGMENT),
            ]
        );
        if let Some(one) = segments.first_mut() {
            one.erased = 2;
        }
        assert_eq!(next(&segments, range), segments.first().copied());
    }

    #[test]
    fn a_column_is_counted_as_it_was_filled() {
        let mut column = Column::default();
        for place in 0..640_usize {
            if place % 3 > 0 {
                column.put(place, Some(&format!("v{}", place % 300)));
            }
        }
        let bytes = column.write(640);
        let mut among = posting::Bits::all(640);
        among.keep(0, 310);
        let counted = tally(&bytes, &among).unwrap();
        assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 206);
        assert!(counted.contains(&("v1".to_owned(), 2)));
    }
}
