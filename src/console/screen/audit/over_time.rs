//! How many events there were over time, in one line above the list: where a burst was, and where one is.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::client::HistogramQuery;
use crate::console::msg::Query;
use crate::console::screen::Ask;
use crate::console::theme::{Role, Theme};
use crate::console::widget::levels;
use crate::console::world::World;
use crate::query::{Expr, needs};
use crate::wire::{EventView, Histogram};

/// How far back it goes where the filter names no time.
const USUALLY: TimeDelta = TimeDelta::days(30);
/// Columns for the words before and after the counts.
const BEFORE: u16 = 6;
const AFTER: u16 = 36;

/// The counts, and what has to be asked for to have them.
#[derive(Debug, Default)]
pub(super) struct OverTime {
    counts: Option<Histogram>,
    turn: u64,
    /// How many columns were asked for, and how many there are.
    asked: Option<u16>,
    room: u16,
    due: Option<Instant>,
}

impl OverTime {
    /// What is counted is something else from now on.
    pub(super) fn restart(&mut self) {
        self.asked = None;
        self.counts = None;
    }

    /// What is counted may have changed unseen.
    pub(super) fn refresh(&mut self) {
        self.asked = None;
    }

    /// Takes note of the room there is.
    pub(super) fn fit(&mut self, area: Rect, now: Instant) {
        self.room = if area.height == 0 {
            0
        } else {
            area.width.saturating_sub(BEFORE + AFTER)
        };
        if self.room > 0 && self.asked != Some(self.room) {
            self.due = self.due.or(Some(now));
        }
    }

    /// When there is something to ask.
    pub(super) fn next_change(&self) -> Option<Instant> {
        self.due
    }

    /// The question for the counts, if they are not those that are wanted.
    pub(super) fn ask(&mut self, filter: &Expr, world: &World) -> Option<Ask> {
        self.due = None;
        if self.room == 0 || self.asked == Some(self.room) {
            return None;
        }
        self.asked = Some(self.room);
        self.turn += 1;
        let named = needs::time(filter, world.asking()).from;
        let scope = HistogramQuery {
            q: (!filter.is_empty()).then(|| filter.to_string()),
            since: named.is_none().then(|| world.server_now() - USUALLY),
            until: None,
            buckets: Some(u32::from(self.room)),
        };
        Some(Ask::Fetch(Query::OverTime {
            turn: self.turn,
            scope: Box::new(scope),
        }))
    }

    /// The counts came, or not: a list without them is as good.
    pub(super) fn take(&mut self, turn: u64, counts: Result<&Histogram, &str>) {
        if turn == self.turn {
            self.counts = counts.ok().cloned();
        }
    }

    /// Counts an event that happened just now.
    pub(super) fn push(&mut self, event: &EventView) {
        let Some(counts) = &mut self.counts else {
            return;
        };
        if event.time < counts.since {
            return;
        }
        let width = (counts.until - counts.since) / i32::from(self.room.max(1));
        if event.time > counts.until + width {
            // The last column would stand for more and more time.
            self.asked = None;
        }
        let place = counts
            .buckets
            .partition_point(|bucket| bucket.since <= event.time);
        if let Some(bucket) = counts.buckets.get_mut(place.saturating_sub(1)) {
            bucket.count += 1;
            counts.total += 1;
        }
    }

    /// Draws the line; `here` is the moment of the selected event.
    pub(super) fn draw(
        &self,
        here: Option<DateTime<Utc>>,
        area: Rect,
        theme: &Theme,
        buffer: &mut Buffer,
    ) {
        if area.height == 0 || self.room == 0 {
            return;
        }
        let Some(counts) = &self.counts else {
            return;
        };
        let muted = theme.style(Role::TextMuted);
        let span = format!(" {:<4}", span(counts.until - counts.since));
        buffer.set_stringn(area.x, area.y, &span, usize::from(BEFORE), muted);
        let bars: Vec<u64> = counts.buckets.iter().map(|bucket| bucket.count).collect();
        let here = here.filter(|here| *here >= counts.since).map(|here| {
            let after = counts
                .buckets
                .partition_point(|bucket| bucket.since <= here);
            after.saturating_sub(1)
        });
        let line = Rect {
            x: area.x + BEFORE,
            width: self.room,
            ..area
        };
        levels::draw(&bars, here, line, theme, buffer);
        let peak = counts.buckets.iter().max_by_key(|bucket| bucket.count);
        // What is old was not looked at, where not everything could be.
        let least = if counts.partial { "at least " } else { "" };
        let said = match peak.filter(|peak| peak.count > 0) {
            Some(peak) => {
                let at = peak.since.format("%m-%d %H:%MZ");
                format!("  peak {least}{} at {at}", peak.count)
            }
            None => "  nothing".to_owned(),
        };
        buffer.set_stringn(line.right(), area.y, &said, usize::from(AFTER), muted);
    }
}

/// A length of time in one unit.
fn span(length: TimeDelta) -> String {
    match (length.num_days(), length.num_hours(), length.num_minutes()) {
        (days @ 3.., ..) => format!("{days}d"),
        (_, hours @ 3.., _) => format!("{hours}h"),
        (.., minutes) => format!("{minutes}m"),
    }
}
