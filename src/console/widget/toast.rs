//! Short messages in a corner: at most three, the same one counted instead of repeated, errors until dismissed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::console::theme::{Glyph, Role, Theme};
use crate::text::{DisplayText, clean};

/// More would hide the list behind them.
const MOST: usize = 3;
/// Wider ones are read slower than the list below them.
const WIDEST: u16 = 96;
/// What was said is kept up to here.
const KEPT: usize = 1_000;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Something asked for was done.
    Success,
    /// Needs a look.
    Warn,
    /// Something asked for was not done; stays until dismissed.
    Error,
}

impl Level {
    fn lifetime(self) -> Option<Duration> {
        match self {
            Self::Info | Self::Success => Some(Duration::from_secs(4)),
            Self::Warn => Some(Duration::from_secs(8)),
            Self::Error => None,
        }
    }

    /// Its sign and look.
    pub fn look(self) -> (Glyph, Role) {
        match self {
            Self::Info => (Glyph::StatusInfo, Role::StatusInfo),
            Self::Success => (Glyph::StatusOk, Role::StatusOk),
            Self::Warn => (Glyph::StatusWarn, Role::StatusWarn),
            Self::Error => (Glyph::StatusDanger, Role::StatusDanger),
        }
    }
}

/// A message on screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub text: DisplayText,
    /// How often it was said.
    pub times: u32,
    until: Option<Instant>,
    /// The seconds left are worth showing: something can be done about it until then.
    counts: bool,
}

/// A message as it was said, for reading it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub level: Level,
    pub text: DisplayText,
    /// How often in a row.
    pub times: u32,
    /// When it was said last.
    pub at: Instant,
    /// What to quote when asking the people who run the server.
    pub trace: Option<DisplayText>,
}

/// The messages on screen, oldest first, and everything said before.
#[derive(Debug, Clone, Default)]
pub struct Toasts {
    shown: Vec<Toast>,
    said: VecDeque<Said>,
    /// The moment of the last look.
    now: Option<Instant>,
}

impl Toasts {
    /// Shows a message. When there are too many the oldest goes, errors last.
    pub fn push(&mut self, level: Level, text: DisplayText, now: Instant) {
        self.note(level, &text, now);
        let until = level.lifetime().map(|lifetime| now + lifetime);
        self.add(level, text, until, false);
    }

    /// Adds the trace of the call that the last message was about.
    pub fn traced(&mut self, trace: &DisplayText) {
        if let Some(last) = self.said.back_mut() {
            last.trace = Some(trace.clone());
        }
    }

    /// Shows a message about something that can be done until a moment, with the seconds left.
    pub fn push_until(&mut self, level: Level, text: DisplayText, until: Instant, now: Instant) {
        self.now = Some(now);
        self.note(level, &text, now);
        self.add(level, text, Some(until), true);
    }

    fn add(&mut self, level: Level, text: DisplayText, until: Option<Instant>, counts: bool) {
        let same = self
            .shown
            .iter()
            .position(|toast| toast.level == level && toast.text == text);
        let times = same.map_or(1, |place| self.shown.remove(place).times.saturating_add(1));
        // What could be undone before cannot be any more.
        if counts {
            self.shown.retain(|toast| !toast.counts);
        }
        self.shown.push(Toast {
            level,
            text,
            times,
            until,
            counts,
        });
        if self.shown.len() > MOST {
            let oldest = self
                .shown
                .iter()
                .position(|toast| toast.until.is_some())
                .unwrap_or(0);
            self.shown.remove(oldest);
        }
    }

    fn note(&mut self, level: Level, text: &DisplayText, now: Instant) {
        if let Some(last) = self.said.back_mut()
            && (last.level, &last.text) == (level, text)
        {
            last.times = last.times.saturating_add(1);
            last.at = now;
            return;
        }
        self.said.push_back(Said {
            level,
            text: text.clone(),
            times: 1,
            at: now,
            trace: None,
        });
        if self.said.len() > KEPT {
            self.said.pop_front();
        }
    }

    /// Everything said since the start, oldest first.
    pub fn said(&self) -> &VecDeque<Said> {
        &self.said
    }

    /// Takes away what has been shown long enough; says whether anything went.
    pub fn expire(&mut self, now: Instant) -> bool {
        self.now = Some(now);
        let before = self.shown.len();
        self.shown
            .retain(|toast| toast.until.is_none_or(|until| until > now));
        self.shown.len() != before
    }

    /// When the next message goes.
    pub fn next_change(&self) -> Option<Instant> {
        self.shown.iter().filter_map(|toast| toast.until).min()
    }

    /// Takes the errors away; says whether there were any, because then Esc has done its work.
    pub fn dismiss(&mut self) -> bool {
        let before = self.shown.len();
        self.shown.retain(|toast| toast.until.is_some());
        self.shown.len() != before
    }

    /// The messages, oldest first.
    pub fn shown(&self) -> &[Toast] {
        &self.shown
    }

    /// Draws them at the right edge of `area`, at the bottom, or at the top when they would cover the line `keep`.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer, theme: &Theme, keep: Option<u16>) {
        let count = u16::try_from(self.shown.len())
            .unwrap_or(0)
            .min(area.height);
        let low = area.bottom() - count;
        let covered = keep.is_some_and(|line| (low..area.bottom()).contains(&line));
        let first = if covered { area.y } else { low };
        let widest = area.width.min(WIDEST);
        for (toast, y) in self.shown.iter().zip(first..).take(usize::from(count)) {
            let (sign, role) = toast.level.look();
            let times = if toast.times > 1 {
                format!(" x{}", toast.times)
            } else {
                String::new()
            };
            let left = match (toast.counts, toast.until, self.now) {
                (true, Some(until), Some(now)) => {
                    format!(" {} s", until.saturating_duration_since(now).as_secs())
                }
                _ => String::new(),
            };
            let line = clean(&format!(
                " {} {}{times}{left} ",
                theme.glyph(sign),
                toast.text
            ));
            let line = line.cut_end(usize::from(widest), theme.glyph(Glyph::Ellipsis));
            let width = u16::try_from(line.width()).unwrap_or(widest);
            let place = Rect {
                x: area.right() - width,
                y,
                width,
                height: 1,
            };
            Clear.render(place, buffer);
            let style = theme.style(Role::Overlay).patch(theme.style(role));
            buffer.set_stringn(place.x, y, line.as_str(), usize::from(width), style);
        }
    }
}
