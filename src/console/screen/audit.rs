//! The audit record, newest at the bottom: live, pausable, and as far back as somebody cares to scroll.

use std::rc::Rc;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use crate::client::AuditQuery;
use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::record::Record;
use crate::console::screen::audit_jump::{self, Found, Seek};
use crate::console::screen::filter_line::{BEGINS, FilterLine, Took};
use crate::console::screen::{Ask, News, Screen, Tally, Typing, boxed, detail, page};
use crate::console::show;
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::{Role, Theme};
use crate::console::widget::frame::Shape;
use crate::console::widget::order::scroll;
use crate::console::widget::toast::Level;
use crate::console::widget::vtable::{Column, Cut, Row, Table, Width};
use crate::console::world::World;
use crate::query::List;
use crate::text::clean;
use crate::wire::EventView;

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
    Action::HourBack,
    Action::HourForward,
    Action::DayBack,
    Action::DayForward,
    Action::PreviousDenied,
    Action::NextDenied,
    Action::SameTrace,
    Action::Export,
    Action::Lock,
];

/// The list of events.
#[derive(Debug, Default)]
pub(super) struct Audit {
    record: Record,
    filter: FilterLine,
    selected: Option<i64>,
    /// The oldest event at the last look, to notice rows that came above.
    oldest: Option<i64>,
    top: usize,
    zoomed: bool,
    scroll: u16,
    asked: bool,
    /// A place to go to once the rows are there, and how many pages may still be read for it.
    seek: Option<(Seek, u8)>,
}

impl Audit {
    /// Goes to a place, or reads towards it.
    fn jump(&mut self, found: Found, pages: u8) -> Vec<Ask> {
        match found {
            Found::Place(place) => {
                self.seek = None;
                self.pause();
                self.go(place)
            }
            Found::Older(seek) if !self.record.is_complete() && pages > 0 => {
                self.seek = Some((seek, pages - 1));
                self.pause();
                self.go(0)
            }
            Found::Older(Seek::Time(_)) => {
                self.seek = None;
                self.pause();
                self.go(0)
            }
            Found::Older(Seek::Denied(_)) | Found::Nowhere => {
                self.seek = None;
                let text = "nothing was refused or failed that way, as far as was read";
                vec![Ask::Say(Level::Info, text.to_owned())]
            }
        }
    }

    /// What is in force, for the server.
    fn scope(&self) -> AuditQuery {
        let filter = self.filter.filter();
        AuditQuery {
            q: (!filter.is_empty()).then(|| filter.to_string()),
            ..AuditQuery::default()
        }
    }

    fn place(&self) -> usize {
        self.selected
            .map_or(usize::MAX, |index| self.record.place_of(index))
            .min(self.last())
    }

    fn last(&self) -> usize {
        self.record.rows().len().saturating_sub(1)
    }

    fn current(&self) -> Option<EventView> {
        let row = self.record.rows().get(self.place())?;
        Some(row.view())
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
        let row = self.record.rows().get(self.place());
        self.selected = row.map(|row| row.index);
        self.record.pause();
    }

    fn restart(&mut self) -> Vec<Ask> {
        self.selected = None;
        self.asked = true;
        self.seek = None;
        let scope = self.scope();
        vec![Ask::Fetch(self.record.restart(scope))]
    }

    /// Takes note of what a key did to the filter.
    fn took(&mut self, took: Took) -> Vec<Ask> {
        let mut asks = took.asks;
        if took.changed {
            asks.extend(self.restart());
        }
        asks
    }

    /// What an event has, for filters.
    fn cells(event: &EventView) -> Vec<(&'static str, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        vec![
            ("event", event.event.clone()),
            ("actor", event.actor.name.clone()),
            ("target", text(&event.target)),
            ("principal", text(&event.principal)),
            ("outcome", event.outcome.clone()),
            ("grant", text(&event.grant)),
            ("request", text(&event.request)),
            ("trace", text(&event.trace)),
            ("channel", event.channel.clone()),
            ("address", text(&event.address)),
        ]
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
            note: None,
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

    fn does(&self, action: Action) -> bool {
        COMMANDS.contains(&action) || BEGINS.contains(&action)
    }

    fn subject(&self) -> Option<Subject> {
        None
    }

    fn person(&self, _: &World) -> Option<String> {
        let event = self.current()?;
        let person = (event.actor.kind == "principal").then(|| event.actor.name.clone());
        event.principal.or(person)
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
        let current = self.current();
        let cells = || current.as_ref().map(Self::cells).unwrap_or_default();
        if self.filter.begins(action, List::Audit, cells, world) {
            return Vec::new();
        }
        if let Some(found) = audit_jump::jump(action, self.record.rows(), self.place()) {
            return self.jump(found, audit_jump::PAGES);
        }
        // Who moves by hand is where they want to be.
        self.seek = None;
        match action {
            Action::SameTrace => match current.and_then(|event| event.trace) {
                Some(trace) => {
                    let took = self
                        .filter
                        .only(&format!("trace:{trace}"), List::Audit, world);
                    self.took(took)
                }
                None => vec![Ask::Say(
                    Level::Info,
                    "the event belongs to no call".to_owned(),
                )],
            },
            Action::Export => vec![Ask::Export(Box::new(self.scope()))],
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
            Action::Back if self.filter.clear() => self.restart(),
            Action::Copy => {
                let about = self
                    .current()
                    .map(|event| event.grant.or(event.request).unwrap_or(event.id));
                about.map(Ask::Copy).into_iter().collect()
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
        let took = self.filter.key(key, List::Audit, world);
        self.took(took)
    }

    fn paste(&mut self, text: &str, world: &World) -> Vec<Ask> {
        let took = self.filter.paste(text, List::Audit, world);
        self.took(took)
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
            News::Live { .. } if !self.asked => return self.restart(),
            News::Live { gap: true } => self.record.cut(),
            News::Live { gap: false } => self.record.retry(),
            News::Events(events) => {
                let (filter, asking) = (self.filter.filter(), world.asking());
                let matching = events
                    .iter()
                    .filter(|event| filter.lets(&event.view, asking));
                self.record
                    .push(matching.map(|event| Rc::clone(&event.packed)));
                None
            }
            News::Facets { of, turn, items } => {
                if *of == List::Audit {
                    self.filter.facets(*turn, items);
                }
                None
            }
            News::Past { .. } | News::Locks(_) | News::Pruned(_) => None,
            News::Page { turn, page } => self.record.page(*turn, *page),
        };
        let mut asks: Vec<Ask> = query.map(Ask::Fetch).into_iter().collect();
        if let (News::Page { page: Ok(_), .. }, Some((seek, pages))) = (news, self.seek) {
            let found = audit_jump::find(seek, self.record.rows());
            asks.extend(self.jump(found, pages));
        }
        asks
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
            self.scroll = detail::event(&event, world, width).clamp(self.scroll, height);
        }
    }

    fn tick(&mut self, world: &World) -> Vec<Ask> {
        let took = self.filter.tick(List::Audit, world);
        self.took(took)
    }

    fn next_change(&self) -> Option<Instant> {
        self.filter.next_change()
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
                        .map(|event| Self::row(world, theme, &event.view()))
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
            let title = current.as_ref().map_or_else(
                || "Detail".to_owned(),
                |event| format!("Event {}", event.index),
            );
            let inner = page(panes.detail, &title, theme, self.zoomed, buffer);
            if let Some(event) = &current {
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
