//! Which events of a segment have a term: as a set of bits to work with, and as few bytes to store.

/// A set of places in a segment, whose number is a multiple of 64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// None of so many places.
    pub(super) fn none(places: usize) -> Self {
        Self(vec![0; places.div_ceil(64)])
    }

    /// All of them.
    pub(super) fn all(places: usize) -> Self {
        Self(vec![u64::MAX; places.div_ceil(64)])
    }

    pub(super) fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    pub(super) fn and(&mut self, other: &Self) {
        for (mine, other) in self.0.iter_mut().zip(&other.0) {
            *mine &= other;
        }
    }

    pub(super) fn or(&mut self, other: &Self) {
        for (mine, other) in self.0.iter_mut().zip(&other.0) {
            *mine |= other;
        }
    }

    pub(super) fn not(&mut self) {
        for word in &mut self.0 {
            *word = !*word;
        }
    }

    /// Keeps what is in a range.
    pub(super) fn keep(&mut self, from: usize, until: usize) {
        for (at, word) in self.0.iter_mut().enumerate() {
            *word &= mask(at * 64, from, until);
        }
    }

    /// How many are in a range.
    pub(super) fn count(&self, from: usize, until: usize) -> u64 {
        let first = from / 64;
        let words = self.0.iter().enumerate().skip(first);
        words
            .take((until.div_ceil(64)).saturating_sub(first))
            .map(|(at, word)| u64::from((word & mask(at * 64, from, until)).count_ones()))
            .sum()
    }

    /// The places, in order.
    pub(super) fn places(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| at * 64 + bit)
        })
    }

    /// Each place stands for so many in a row, which divide 64.
    pub(super) fn widened(&self, by: usize) -> Self {
        let places = self.0.len() * 64 * by;
        let mut wide = Self::none(places);
        let ones = u64::MAX >> (64 - by.clamp(1, 64));
        for place in self.places() {
            let first = place * by;
            if let Some(word) = wide.0.get_mut(first / 64) {
                *word |= ones << (first % 64);
            }
        }
        wide
    }
}

/// The bits of the word that begins at `first` which are in a range.
fn mask(first: usize, from: usize, until: usize) -> u64 {
    let low = from.saturating_sub(first);
    let high = until.saturating_sub(first);
    if low >= 64 || high == 0 || low >= high {
        return 0;
    }
    let below = |bits: usize| {
        if bits >= 64 {
            u64::MAX
        } else {
            (1 << bits) - 1
        }
    };
    below(high) & !below(low)
}

/// How places are written: the distances between those that are in, or those that are not, or a bit for each.
const SPARSE: u8 = 0;
const DENSE: u8 = 1;
const BITS: u8 = 2;

/// Places in growing order, written as they come.
#[derive(Debug, Default)]
pub(super) struct Posting {
    bytes: Vec<u8>,
    /// One more than the last place.
    end: usize,
}

impl Posting {
    /// Adds a place that is not before the last one.
    pub(super) fn push(&mut self, place: usize) {
        if place >= self.end {
            number(place - self.end, &mut self.bytes);
            self.end = place + 1;
        }
    }

    /// Writes it in the shortest of the ways.
    pub(super) fn write(&self, places: usize, out: &mut Vec<u8>) {
        let flat = places.div_ceil(8);
        if self.bytes.len() < flat / 2 {
            piece(SPARSE, &self.bytes, out);
            return;
        }
        let bits = sparse(&self.bytes, places);
        let mut others = bits.clone();
        others.not();
        let mut dense = Self::default();
        for place in others.places().take_while(|place| *place < places) {
            dense.push(place);
        }
        if self.bytes.len() <= dense.bytes.len().min(flat) {
            piece(SPARSE, &self.bytes, out);
        } else if dense.bytes.len() <= flat {
            piece(DENSE, &dense.bytes, out);
        } else {
            let all: Vec<u8> = bits.0.iter().flat_map(|word| word.to_le_bytes()).collect();
            piece(BITS, &all, out);
        }
    }
}

fn piece(way: u8, bytes: &[u8], out: &mut Vec<u8>) {
    number(bytes.len() * 4 + usize::from(way), out);
    out.extend_from_slice(bytes);
}

/// Seven bits to a byte, the lowest first.
pub(super) fn number(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

/// Takes a number off the front; nothing where none is.
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes so many bytes off the front.
pub(super) fn take<'b>(bytes: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (first, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(first)
}

fn sparse(mut bytes: &[u8], places: usize) -> Bits {
    let mut bits = Bits::none(places);
    let mut end = 0_usize;
    while let Some(distance) = take_number(&mut bytes) {
        let place = end.saturating_add(distance);
        bits.insert(place);
        end = place.saturating_add(1);
    }
    bits
}

/// Takes a written posting off the front, as how it is written and its bytes.
pub(super) fn take_piece<'b>(bytes: &mut &'b [u8]) -> Option<(u8, &'b [u8])> {
    let head = take_number(bytes)?;
    let way = u8::try_from(head % 4).ok()?;
    Some((way, take(bytes, head / 4)?))
}

/// Reads what was written of so many places.
pub(super) fn read((way, bytes): (u8, &[u8]), places: usize) -> Bits {
    match way {
        SPARSE => sparse(bytes, places),
        DENSE => {
            let mut bits = sparse(bytes, places);
            bits.not();
            bits
        }
        _ => {
            let words = bytes.chunks(8).map(|chunk| {
                let mut word = [0; 8];
                for (to, from) in word.iter_mut().zip(chunk) {
                    *to = *from;
                }
                u64::from_le_bytes(word)
            });
            let mut bits = Bits(words.collect());
            bits.0.resize(places.div_ceil(64), 0);
            bits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(places in proptest::collection::btree_set(0..2_048_usize, 0..2_048)) {
            let mut posting = Posting::default();
            let mut bits = Bits::none(2_048);
            for place in &places {
                posting.push(*place);
                posting.push(*place);
                bits.insert(*place);
            }
            let mut out = Vec::new();
            posting.write(2_048, &mut out);
            let mut rest = out.as_slice();
            let piece = take_piece(&mut rest).unwrap();
            prop_assert!(rest.is_empty());
            let found = read(piece, 2_048);
            prop_assert_eq!(&found, &bits);
            prop_assert!(found.places().eq(places.iter().copied()));
            prop_assert!(out.len() <= 2_048 / 8 + 2);
            for (from, until) in [(0, 2_048), (1, 64), (63, 65), (100, 100), (500, 1_999)] {
                let expected = places.range(from..until).count();
                prop_assert_eq!(found.count(from, until), u64::try_from(expected).unwrap());
            }
            let wide = found.widened(16);
            prop_assert!(wide.places().eq(places.iter().flat_map(|place| place * 16..place * 16 + 16)));
        }
    }
}
