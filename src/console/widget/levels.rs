//! Counts over time in one line: the more, the higher, and the most is full.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::theme::{Glyph, Role, Theme};

/// What a count looks like, from least to most; nothing looks like nothing.
const LEVELS: [Glyph; 8] = [
    Glyph::Level1,
    Glyph::Level2,
    Glyph::Level3,
    Glyph::Level4,
    Glyph::Level5,
    Glyph::Level6,
    Glyph::Level7,
    Glyph::Level8,
];

/// Draws a column for each count, as many as fit; the one at `here` stands out.
pub fn draw(counts: &[u64], here: Option<usize>, area: Rect, theme: &Theme, buffer: &mut Buffer) {
    let area = area.intersection(buffer.area);
    let most = counts.iter().copied().max().unwrap_or(0);
    for ((column, count), x) in counts.iter().enumerate().zip(area.x..area.right()) {
        let at_here = here == Some(column);
        let sign = match level(*count, most) {
            Some(glyph) => theme.glyph(glyph),
            // Where one is has to be seen also where nothing happened.
            None if at_here => theme.glyph(Glyph::Level1),
            None => " ",
        };
        let role = if at_here {
            Role::Match
        } else {
            Role::TextMuted
        };
        buffer.set_stringn(x, area.y, sign, 1, theme.style(role));
    }
}

/// The sign of a count: whatever is not nothing is seen.
fn level(count: u64, most: u64) -> Option<Glyph> {
    let last = LEVELS.len() - 1;
    let above = count.checked_sub(1)?;
    let of = most.saturating_sub(1).max(1);
    let place = usize::try_from(u128::from(above) * last as u128 / u128::from(of)).unwrap_or(last);
    let place = if count == most { last } else { place };
    LEVELS.get(place.min(last)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_full_and_one_of_many_is_seen() {
        assert_eq!(level(0, 9), None);
        assert_eq!(level(1, 1_000_000), Some(Glyph::Level1));
        assert_eq!(level(1, 1), Some(Glyph::Level8));
        assert_eq!(level(u64::MAX, u64::MAX), Some(Glyph::Level8));
        assert_eq!(level(999_999, 1_000_000), Some(Glyph::Level7));
    }
}
