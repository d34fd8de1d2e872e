//! The stretch of time on screen, and when a grant gave access.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::wire::GrantView;

/// What can be seen at once, in minutes: from an hour to a quarter.
const SPANS: [i64; 9] = [60, 180, 360, 720, 1_440, 4_320, 10_080, 43_200, 129_600];

/// The stretch of time on screen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    zoom: usize,
    /// Its beginning; without one it goes along with the clock.
    from: Option<DateTime<Utc>>,
    /// The moment that is asked about; without one it is now.
    at: Option<DateTime<Utc>>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            zoom: 2,
            from: None,
            at: None,
        }
    }
}

impl Window {
    /// How long it is.
    pub(super) fn span(&self) -> TimeDelta {
        TimeDelta::minutes(SPANS.get(self.zoom).copied().unwrap_or(360))
    }

    /// Where it begins. A quarter of what is shown lies ahead, because that is what ends next.
    pub(super) fn from(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.from.unwrap_or_else(|| now - self.span() * 3 / 4)
    }

    pub(super) fn until(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.from(now) + self.span()
    }

    /// The moment that is asked about.
    pub(super) fn at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.at.unwrap_or(now)
    }

    /// Says whether a moment of the past or future is asked about.
    pub(super) fn is_fixed(&self) -> bool {
        self.at.is_some()
    }

    /// Moves the moment by columns of a chart this wide, and the window when it leaves it.
    pub(super) fn step(&mut self, columns: i32, width: u16, now: DateTime<Utc>) {
        let column = self.span() / i32::from(width.max(1));
        self.ask(self.at(now) + column * columns, now);
    }

    /// Asks about a moment, and brings it on screen.
    pub(super) fn ask(&mut self, at: DateTime<Utc>, now: DateTime<Utc>) {
        let (from, until) = (self.from(now), self.until(now));
        self.at = Some(at);
        if at < from || at >= until {
            self.from = Some(at - self.span() / 2);
        } else if self.from.is_none() {
            self.from = Some(from);
        }
    }

    /// Shows less or more around the moment that is asked about.
    pub(super) fn zoom(&mut self, closer: bool, now: DateTime<Utc>) {
        let before = self.span();
        let left = self.at(now) - self.from(now);
        self.zoom = if closer {
            self.zoom.saturating_sub(1)
        } else {
            (self.zoom + 1).min(SPANS.len() - 1)
        };
        if self.from.is_some() {
            // The moment stays at its place on screen.
            let share = left.num_seconds().saturating_mul(self.span().num_seconds());
            let left = TimeDelta::seconds(share / before.num_seconds().max(1));
            self.from = Some(self.at(now) - left);
        }
    }

    /// Goes along with the clock again.
    pub(super) fn follow(&mut self) {
        self.from = None;
        self.at = None;
    }

    /// The column of a moment in a chart this wide, when it is on screen.
    pub(super) fn column(&self, at: DateTime<Utc>, width: u16, now: DateTime<Utc>) -> Option<u16> {
        let offset = (at - self.from(now)).num_seconds();
        let span = self.span().num_seconds().max(1);
        if offset < 0 || offset >= span {
            return None;
        }
        u16::try_from(offset * i64::from(width) / span).ok()
    }

    /// The columns of a stretch, both ends included, cut to the chart.
    pub(super) fn columns(
        &self,
        (start, end): (DateTime<Utc>, DateTime<Utc>),
        width: u16,
        now: DateTime<Utc>,
    ) -> Option<(u16, u16)> {
        let (from, until) = (self.from(now), self.until(now));
        if end <= from || start >= until || width == 0 {
            return None;
        }
        let first = self.column(start.max(from), width, now)?;
        let last = self.column(end.min(until) - TimeDelta::seconds(1), width, now);
        Some((first, last.unwrap_or(first).max(first)))
    }

    /// Moments worth a label, with their text.
    pub(super) fn ticks(&self, width: u16, now: DateTime<Utc>) -> Vec<(u16, String)> {
        const EVERY: [i64; 9] = [10, 30, 60, 120, 240, 720, 1_440, 7_200, 20_160];
        let minutes = EVERY.get(self.zoom).copied().unwrap_or(60);
        let every = TimeDelta::minutes(minutes);
        let (from, until) = (self.from(now), self.until(now));
        let Ok(mut at) = from.duration_trunc(every) else {
            return Vec::new();
        };
        let format = if minutes >= 1_440 { "%b %d" } else { "%H:%M" };
        let mut ticks = Vec::new();
        let mut free = 0;
        while at < until {
            if let Some(column) = self.column(at, width, now).filter(|column| *column >= free) {
                let midnight = minutes >= 240 && at.format("%H:%M").to_string() == "00:00";
                let text = at
                    .format(if midnight { "%b %d" } else { format })
                    .to_string();
                free = column + u16::try_from(text.len()).unwrap_or(0) + 1;
                if free <= width + 1 {
                    ticks.push((column, text));
                }
            }
            at += every;
        }
        ticks
    }
}

/// From when to when a grant gave, gives or will give access. What is closing still may: its target was not read back.
pub(super) fn stretch(view: &GrantView, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let start = view.starts_at.unwrap_or(view.not_before);
    let end = match (view.ended_at, view.state.as_str()) {
        (Some(ended), _) => ended,
        (None, "closing") => view.expires_at.max(now),
        (None, _) => view.expires_at,
    };
    (start, end.max(start))
}

/// Says whether somebody had access through a grant at a moment; for the future, whether it is planned.
pub(super) fn gave(view: &GrantView, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let (start, end) = stretch(view, now);
    let worked = view.starts_at.is_some() || (at > now && view.state != "activation_failed");
    let open_end = view.state == "closing" && at <= now;
    worked && start <= at && (at < end || open_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_that_is_asked_about_is_on_screen() {
        let now = at("2026-11-20T03:12:09Z");
        let mut window = Window::default();
        for moment in [
            "2026-11-20T03:00:00Z",
            "2026-10-01T12:00:00Z",
            "2026-11-22T00:00:00Z",
        ] {
            window.ask(at(moment), now);
            assert!(window.column(at(moment), 60, now).is_some(), "{moment}");
            window.zoom(true, now);
            assert!(window.column(at(moment), 60, now).is_some(), "{moment}");
            window.zoom(false, now);
            window.zoom(false, now);
            assert!(window.column(at(moment), 60, now).is_some(), "{moment}");
        }
    }

    #[test]
    fn stepping_past_the_edge_scrolls() {
        let now = at("2026-11-20T03:12:09Z");
        let mut window = Window::default();
        for _ in 0..100 {
            window.step(-1, 60, now);
            assert!(window.column(window.at(now), 60, now).is_some());
        }
        assert!(window.at(now) < now - TimeDelta::hours(9));
        window.follow();
        assert_eq!(window.at(now), now);
    }
}
