//! The audit record, newest at the bottom: live, pausable, and as far back as somebody cares to scroll.

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use crate::client::AuditQuery;
use crate::console::filter::{Filter, Filtered};
use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::record::Record;
use crate::console::screen::filter_line::FilterLine;
use crate::console::screen::{Ask, News, Screen, Tally, Typing, boxed, detail, page};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::frame::Shape;
use crate::console::widget::order::scroll;
use crate::console::widget::vtable::{Column, Cut, Row, Table, Width};
use crate::console::world::World;
use crate::domain::ids::{GrantId, RequestId};
use crate::domain::span::Span;
use crate::text::clean;
use crate::wire::EventView;

const FIELDS: &[&str] = &[
    "actor",
    "event",
    "target",
    "request",
    "grant",
    "outcome",
    "since",
    "until",
    "principal",
    "role",
    "trace",
    "channel",
];

/// How long nobody types before a filter is asked for.
const TYPING: Duration = Duration::from_millis(150);

const COLUMNS: &[Column] = &[
    Column {
        title: "TIME (Z)",
        width: Width::Fixed(12),
        cut: Cut::End,
        optional: false,
    },
    Column {
        title: "OUT",
        width: Width::Fixed(8),
        cut: Cut::End,
        optional: false,
    },
    Column {
        title: "EVENT",
        width: Width::Flex { min: 18, share: 2 },
        cut: Cut::End,
        optional: false,
    },
    Column {
        title: "WHO",
        width: Width::Flex { min: 10, share: 2 },
        cut: Cut::Middle,
        optional: false,
    },
    Column {
        title: "TARGET",
        width: Width::Flex { min: 12, share: 2 },
        cut: Cut::Middle,
        optional: false,
    },
    Column {
        title: "ABOUT",
        width: Width::Fixed(12),
        cut: Cut::End,
        optional: true,
    },
    Column {
        title: "REASON",
        width: Width::Flex { min: 16, share: 5 },
        cut: Cut::End,
        optional: true,
    },
];

const COMMANDS: &[Action] = &[
    Action::Follow,
    Action::Filter,
    Action::Open,
    Action::Bottom,
    Action::Help,
    Action::Copy,
];

/// The list of events.
#[derive(Debug, Default)]
pub(super) struct Audit {
    record: Record,
    filter: FilterLine,
    scope: Scope,
    selected: Option<i64>,
    /// The oldest event at the last look, to notice rows that came above.
    oldest: Option<i64>,
    top: usize,
    zoomed: bool,
    scroll: u16,
    asked: bool,
    /// When the filter being typed is asked for; a call for each letter would be seven too many.
    apply: Option<Instant>,
}

/// A filter with its moments resolved.
#[derive(Debug, Clone, Default)]
struct Scope {
    filter: Filter,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl Scope {
    fn of(filter: &Filter, now: DateTime<Utc>) -> Result<Self, String> {
        let mut filter = filter.clone();
        let since = filter
            .take("since")
            .map(|text| moment(&text, now))
            .transpose()?;
        let until = filter
            .take("until")
            .map(|text| moment(&text, now))
            .transpose()?;
        Ok(Self {
            filter,
            since,
            until,
        })
    }

    fn lets(&self, event: &EventView) -> bool {
        self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
            && self.filter.lets(event)
    }

    /// What of the filter the server can compare; the rest is compared here.
    fn asked(&self) -> AuditQuery {
        let one = |field: &str| {
            self.filter
                .wanted(field)
                .filter(|value| !value.contains([',', '*']))
        };
        // Ids are compared as they are written, and filters are in small letters.
        let request =
            one("request").map(|text| text.parse::<RequestId>().map_or(text, |id| id.to_string()));
        let grant =
            one("grant").map(|text| text.parse::<GrantId>().map_or(text, |id| id.to_string()));
        let events = self.filter.wanted("event").unwrap_or_default();
        let events: Vec<String> = events
            .split(',')
            .filter(|code| !code.is_empty())
            .map(str::to_owned)
            .collect();
        // The server knows `grant.*` but no other wildcard.
        let plain = events
            .iter()
            .all(|code| !code.trim_end_matches(".*").contains('*'));
        AuditQuery {
            actor: one("actor"),
            events: if plain { events } else { Vec::new() },
            target: one("target"),
            request,
            grant,
            outcome: one("outcome"),
            since: self.since,
            until: self.until,
            text: self.filter.words().filter(|text| !text.contains(' ')),
            ..AuditQuery::default()
        }
    }
}

/// A moment as people write it: `2h` ago, a date, a time of today, or all of RFC 3339.
fn moment(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if let Ok(span) = text.trim_start_matches('-').parse::<Span>() {
        return Ok(now - span.to_chrono());
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(&text.to_uppercase()) {
        return Ok(at.with_timezone(&Utc));
    }
    let date = match text {
        "today" => Some(now.date_naive()),
        "yesterday" => now.date_naive().pred_opt(),
        _ => text.parse::<NaiveDate>().ok(),
    };
    if let Some(date) = date {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    match NaiveTime::parse_from_str(text, "%H:%M")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"))
    {
        Ok(time) => Ok(now.date_naive().and_time(time).and_utc()),
        Err(_) => Err(format!(
            "`{text}` is no moment: write `2h`, `14:30`, `today` or `2026-11-20`"
        )),
    }
}

impl Filtered for EventView {
    fn field(&self, name: &str) -> Vec<&str> {
        let optional = |value: &Option<String>| value.as_deref().map(|_| ()).is_some();
        let value = match name {
            "event" => return vec![&self.event],
            "outcome" => return vec![&self.outcome],
            "channel" => return vec![&self.channel],
            "actor" => return vec![&self.actor.name],
            "target" => &self.target,
            "request" => &self.request,
            "grant" => &self.grant,
            "principal" => &self.principal,
            "role" => &self.role,
            "trace" => &self.trace,
            _ => return Vec::new(),
        };
        if optional(value) {
            value.as_deref().into_iter().collect()
        } else {
            Vec::new()
        }
    }

    fn mentions(&self, word: &str) -> bool {
        let optional = [
            &self.target,
            &self.request,
            &self.grant,
            &self.principal,
            &self.reason,
        ];
        let fixed = [&self.event, &self.actor.name, &self.sentence];
        optional
            .iter()
            .filter_map(|text| text.as_ref())
            .chain(fixed)
            .any(|text| text.to_lowercase().contains(word))
    }
}

impl Audit {
    fn place(&self) -> usize {
        self.selected
            .map_or(usize::MAX, |index| self.record.place_of(index))
            .min(self.last())
    }

    fn last(&self) -> usize {
        self.record.rows().len().saturating_sub(1)
    }

    fn current(&self) -> Option<&EventView> {
        self.record.rows().get(self.place()).map(AsRef::as_ref)
    }

    fn go(&mut self, place: usize) -> Vec<Ask> {
        let place = place.min(self.last());
        self.selected = self.record.rows().get(place).map(|row| row.index);
        if place < self.last() {
            self.record.pause();
        }
        self.record
            .near(place)
            .map(Ask::Fetch)
            .into_iter()
            .collect()
    }

    fn step(&mut self, by: isize) -> Vec<Ask> {
        let place = self.place();
        // Who walks past the end wants to see what comes.
        if by > 0 && place == self.last() && self.record.is_paused() {
            return self.follow();
        }
        self.go(place.saturating_add_signed(by))
    }

    fn follow(&mut self) -> Vec<Ask> {
        let query = self.record.follow();
        self.selected = None;
        query.map(Ask::Fetch).into_iter().collect()
    }

    fn pause(&mut self) {
        self.selected = self.current().map(|event| event.index);
        self.record.pause();
    }

    fn restart(&mut self, world: &World) -> Vec<Ask> {
        self.apply = None;
        match Scope::of(self.filter.filter(), world.server_now()) {
            Ok(scope) => {
                self.scope = scope;
                self.selected = None;
                self.asked = true;
                vec![Ask::Fetch(self.record.restart(self.scope.asked()))]
            }
            Err(problem) => {
                self.filter.complain(Some(problem));
                Vec::new()
            }
        }
    }

    fn row(world: &World, theme: &Theme, event: &EventView) -> Row {
        let look = show::event(event);
        let text = theme.style(Role::Text);
        let muted = theme.style(Role::TextMuted);
        let role = if event.outcome == "success" {
            text
        } else {
            theme.style(look.role)
        };
        let about = event
            .grant
            .as_deref()
            .or(event.request.as_deref())
            .unwrap_or_default();
        let cells = vec![
            (clean(&show::stamp(event.time, world.server_now())), muted),
            (
                clean(&format!("{} {}", theme.glyph(look.glyph), look.word)),
                theme.style(look.role),
            ),
            (clean(&event.event), role),
            (clean(&event.actor.name), text),
            (clean(event.target.as_deref().unwrap_or_default()), text),
            (clean(about), muted),
            (clean(event.reason.as_deref().unwrap_or_default()), muted),
        ];
        Row {
            cells,
            marked: false,
            gone: false,
        }
    }
}

impl Screen for Audit {
    fn title(&self) -> &'static str {
        "Audit"
    }

    fn place(&self) -> Place {
        Place::Audit
    }

    fn tally(&self, _: &World) -> Tally {
        let word = if self.record.is_paused() {
            format!("PAUSED +{}", self.record.waiting())
        } else {
            String::new()
        };
        Tally {
            count: None,
            urgent: 0,
            word,
        }
    }

    fn commands(&self) -> &'static [Action] {
        COMMANDS
    }

    fn subject(&self) -> Option<Subject> {
        None
    }

    fn on(&mut self, action: Action, world: &World, panes: &Panes) -> Vec<Ask> {
        let page = isize::try_from(panes.rows().max(1)).unwrap_or(1);
        if self.zoomed {
            let page = panes.inside().1.max(1);
            match action {
                Action::Down => self.scroll = self.scroll.saturating_add(1),
                Action::Up => self.scroll = self.scroll.saturating_sub(1),
                Action::HalfDown | Action::PageDown => {
                    self.scroll = self.scroll.saturating_add(page / 2);
                }
                Action::HalfUp | Action::PageUp => {
                    self.scroll = self.scroll.saturating_sub(page / 2);
                }
                Action::Top => self.scroll = 0,
                Action::Bottom => self.scroll = u16::MAX,
                Action::Back => self.zoomed = false,
                _ => {}
            }
            return Vec::new();
        }
        match action {
            Action::Down => self.step(1),
            Action::Up => self.step(-1),
            Action::HalfDown => self.step(page / 2),
            Action::HalfUp => self.step(-(page / 2)),
            Action::PageDown => self.step(page),
            Action::PageUp => self.step(-page),
            Action::Top => self.go(0),
            Action::Bottom => self.follow(),
            Action::Follow if self.record.is_paused() => self.follow(),
            Action::Follow => {
                self.pause();
                Vec::new()
            }
            Action::Open => {
                self.pause();
                self.zoomed = self.current().is_some();
                self.scroll = 0;
                Vec::new()
            }
            Action::Filter => {
                self.filter.open();
                Vec::new()
            }
            Action::Back if self.filter.clear() => self.restart(world),
            Action::Copy => {
                let about = self.current().map(|event| {
                    event
                        .grant
                        .as_ref()
                        .or(event.request.as_ref())
                        .unwrap_or(&event.id)
                });
                about.map(|id| Ask::Copy(id.clone())).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn click(&mut self, line: u16, _: &World, _: &Panes) -> Vec<Ask> {
        let place = self.top + usize::from(line);
        if place > self.last() {
            return Vec::new();
        }
        self.pause();
        self.go(place)
    }

    fn key(&mut self, key: Key, world: &World) -> Vec<Ask> {
        if self.filter.key(key, FIELDS) {
            self.apply = Some(world.now + TYPING);
        }
        let done = self.filter.typing().is_none_or(|typing| !typing.active);
        if done && self.apply.is_some() {
            return self.restart(world);
        }
        Vec::new()
    }

    fn paste(&mut self, text: &str, world: &World) -> Vec<Ask> {
        if self.filter.paste(text, FIELDS) {
            self.apply = Some(world.now + TYPING);
        }
        Vec::new()
    }

    fn typing(&self) -> Option<Typing<'_>> {
        self.filter.typing()
    }

    fn zoomed(&self) -> bool {
        self.zoomed
    }

    fn enter(&mut self, _: &World) -> Vec<Ask> {
        Vec::new()
    }

    fn hear(&mut self, news: &News<'_>, world: &World) -> Vec<Ask> {
        let query = match news {
            News::Live { .. } if !self.asked => return self.restart(world),
            News::Live { gap: true } => self.record.cut(),
            News::Live { gap: false } => self.record.retry(),
            News::Events(events) => {
                let scope = &self.scope;
                self.record
                    .push(events.iter().filter(|event| scope.lets(event)).cloned());
                None
            }
            News::Past { .. } | News::Locks(_) => None,
            News::Page { turn, page } => {
                let scope = &self.scope;
                self.record.page(*turn, *page, |event| scope.lets(event))
            }
        };
        query.map(Ask::Fetch).into_iter().collect()
    }

    fn settle(&mut self, world: &World, panes: &Panes) {
        // Rows that came above must not move those in sight.
        let oldest = self.record.rows().front().map(|row| row.index);
        if let (Some(before), Some(oldest)) = (self.oldest, oldest)
            && oldest < before
        {
            self.top += self.record.place_of(before);
        }
        self.oldest = oldest;
        self.top = scroll(
            self.top,
            self.place(),
            self.record.rows().len(),
            panes.rows(),
        );
        if let (true, Some(event)) = (self.zoomed, self.current()) {
            let (width, height) = panes.inside();
            self.scroll = detail::event(event, world, width).clamp(self.scroll, height);
        }
    }

    fn tick(&mut self, world: &World) -> Vec<Ask> {
        match self.apply {
            Some(apply) if apply <= world.now => self.restart(world),
            _ => Vec::new(),
        }
    }

    fn next_change(&self) -> Option<Instant> {
        self.apply
    }

    fn status(&self, _: &World) -> (String, String) {
        let rows = self.record.rows().len();
        let place = if rows == 0 { 0 } else { self.place() + 1 };
        let mode = if self.record.is_paused() {
            format!("PAUSED +{} (f follows)", self.record.waiting())
        } else {
            "FOLLOWING".to_owned()
        };
        let older = match (
            self.record.problem(),
            self.record.is_loading(),
            self.record.is_complete(),
        ) {
            (Some(problem), ..) => format!("older rows did not come: {problem}"),
            (None, true, _) => "reading older rows".to_owned(),
            (None, false, true) => "all of it".to_owned(),
            (None, false, false) => "older rows come as you scroll".to_owned(),
        };
        (format!("{mode}   {place} of {rows} here"), older)
    }

    fn draw(
        &self,
        world: &World,
        theme: &Theme,
        panes: &Panes,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        let mut cursor = None;
        let rows = self.record.rows();
        if panes.list.height > 0 {
            let title = if self.record.is_paused() {
                "Audit, paused"
            } else {
                "Audit, live"
            };
            let inner = boxed(panes.list, title, theme, true, buffer);
            let selected = (!rows.is_empty()).then(|| Audit::place(self));
            let table = Table {
                theme,
                columns: COLUMNS,
                rows: rows.len(),
                top: self.top,
                selected,
            };
            cursor = table
                .draw(inner, buffer, |place| {
                    rows.get(place)
                        .map(|event| Self::row(world, theme, event))
                        .unwrap_or_default()
                })
                .cursor;
            if rows.is_empty() {
                let more = if self.record.is_loading() {
                    "reading the record"
                } else {
                    "nothing in the record matches"
                };
                detail::empty(inner, world, theme, "no event", more, buffer);
            }
        }
        if panes.detail.height > 0 {
            let current = self.current();
            let title = current.map_or_else(
                || "Detail".to_owned(),
                |event| format!("Event {}", event.index),
            );
            let inner = page(panes.detail, &title, theme, self.zoomed, buffer);
            if let Some(event) = current {
                let narrow = panes.shape == Shape::Narrow && !self.zoomed;
                let doc = if narrow {
                    detail::event_preview(event, inner.width)
                } else {
                    detail::event(event, world, inner.width)
                };
                doc.draw(
                    inner,
                    buffer,
                    theme,
                    if self.zoomed { self.scroll } else { 0 },
                );
            }
        }
        cursor
    }
}
