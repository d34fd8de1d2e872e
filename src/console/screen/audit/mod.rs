//! The audit record, newest at the bottom: live, pausable, and as far back as somebody cares to go.

mod column;
mod face;
mod jump;
mod over_time;
mod walk;

use std::rc::Rc;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use crate::client::Shelving;
use crate::console::keymap::{Action, Place};
use crate::console::layout::Panes;
use crate::console::msg::Query;
use crate::console::record::Record;
use crate::console::screen::audit::column::{COLUMNS, about, value, values};
use crate::console::screen::audit::jump::Goal;
use crate::console::screen::audit::over_time::OverTime;
use crate::console::screen::column::{Cells, Shown, menu, no_filter};
use crate::console::screen::filter_line::{BEGINS, FilterLine, Took};
use crate::console::screen::{Ask, Choice, News, Proof, Screen, Tally, Typing, detail, list};
use crate::console::store::Subject;
use crate::console::term::input::Key;
use crate::console::theme::Theme;
use crate::console::widget::order::scroll;
use crate::console::widget::toast::Level;
use crate::console::world::World;
use crate::query::{List, ast};
use crate::wire::EventView;

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
    Action::Verify,
    Action::Story,
    Action::Bookmark,
    Action::NextBookmark,
    Action::Export,
    Action::Lock,
    Action::NextMatch,
    Action::PreviousMatch,
    Action::CopyJson,
    Action::Columns,
    Action::CellLeft,
    Action::CellRight,
];

/// The list of events.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub(super) struct Audit {
    record: Record,
    filter: FilterLine,
    selected: Option<i64>,
    /// The oldest event at the last look, to notice rows that came above.
    oldest: Option<i64>,
    top: usize,
    zoomed: bool,
    scroll: u16,
    /// The detail is shown as the server sent it.
    raw: bool,
    asked: bool,
    /// What the server was asked to find, by the number of the question.
    sought: Option<(u64, Goal)>,
    questions: u64,
    /// Show all of the event that was sought once it is here.
    opens: bool,
    cells: Cells,
    over_time: OverTime,
    /// What came of looking for an event in the signed log, by its number.
    proof: Option<(i64, Proof)>,
}

/// Everything that the person of an event did and had done to them; of an event that nobody did, the story of its target.
fn story(event: &EventView) -> Option<String> {
    let actor = (event.actor.kind == "principal").then_some(&event.actor.name);
    match (event.principal.as_ref().or(actor), &event.target) {
        (Some(person), _) => {
            let person = ast::plain(person);
            Some(format!("actor:{person} OR principal:{person}"))
        }
        (None, Some(target)) => Some(format!("target:{}", ast::plain(target))),
        (None, None) => None,
    }
}

impl Audit {
    /// What is known about an event in the signed log.
    fn proof_of(&self, event: &EventView) -> Option<&Proof> {
        let (index, proof) = self.proof.as_ref()?;
        (*index == event.index).then_some(proof)
    }

    /// Takes note of what a key did to the filter.
    fn took(&mut self, took: Took) -> Vec<Ask> {
        let mut asks = took.asks;
        if took.changed {
            asks.extend(self.restart());
        }
        asks
    }

    /// Filters by the cell under the cursor; says whether the action was about it.
    fn by_cell(&mut self, action: Action, world: &World) -> Option<Vec<Ask>> {
        let cell = self.cells.at()?;
        let column = COLUMNS.iter().find(|column| column.name == cell)?;
        let event = self.current()?;
        let value = column.field.and_then(|field| value(&event, field));
        let sign = match action {
            Action::FilterByCell => "",
            Action::FilterWithoutCell => "-",
            Action::Open => {
                let (field, value) = value?;
                let term = format!("{field}:{}", ast::plain(&value));
                self.filter.offer_both(&term);
                return Some(Vec::new());
            }
            _ => return None,
        };
        let Some((field, value)) = value else {
            let text = no_filter(column.look.title, &world.keymap, Place::Audit);
            return Some(vec![Ask::Say(Level::Info, text)]);
        };
        let term = format!("{sign}{field}:{}", ast::plain(&value));
        let took = self.filter.add(&term, List::Audit, world);
        Some(self.took(took))
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
        let detail = [Action::NextItem, Action::PreviousItem, Action::Json];
        COMMANDS.contains(&action) || BEGINS.contains(&action) || detail.contains(&action)
    }

    fn subject(&self) -> Option<Subject> {
        None
    }

    fn person(&self, _: &World) -> Option<String> {
        let event = self.current()?;
        let person = (event.actor.kind == "principal").then(|| event.actor.name.clone());
        event.principal.or(person)
    }

    fn list(&self) -> Option<List> {
        Some(List::Audit)
    }

    fn counts_over_time(&self) -> bool {
        true
    }

    fn columns(&self, world: &World) -> Vec<Shown> {
        menu(COLUMNS, List::Audit, world)
    }

    fn show_event(&mut self, index: i64, world: &World) -> Option<Vec<Ask>> {
        self.zoomed = false;
        let mut asks = Vec::new();
        if self.filter.clear() || !self.asked {
            asks.extend(self.restart());
        }
        self.opens = true;
        asks.extend(self.seek(Goal::Event(index), world));
        Some(asks)
    }

    fn on(&mut self, action: Action, world: &World, panes: &Panes) -> Vec<Ask> {
        let page = isize::try_from(panes.rows().max(1)).unwrap_or(1);
        match action {
            Action::NextItem => return self.step(1),
            Action::PreviousItem => return self.step(-1),
            Action::Json if self.zoomed => {
                self.raw = !self.raw;
                self.scroll = 0;
                return Vec::new();
            }
            Action::NextMatch | Action::PreviousMatch => {
                return self.matching(action == Action::PreviousMatch, world);
            }
            Action::Copy | Action::CopyJson | Action::Verify => {}
            _ if self.zoomed => {
                match list::scrolled(self.scroll, action, panes) {
                    Some(scroll) => self.scroll = scroll,
                    None if action == Action::Back => self.zoomed = false,
                    None => {}
                }
                return Vec::new();
            }
            _ => {}
        }
        let current = self.current();
        if let Some(asks) = self.by_cell(action, world) {
            return asks;
        }
        let cells = || current.as_ref().map(values).unwrap_or_default();
        if self.filter.begins(action, List::Audit, cells, world) {
            return Vec::new();
        }
        if let Some(goal) = current.as_ref().and_then(|here| jump::goal(action, here)) {
            return self.seek(goal, world);
        }
        if action == Action::NextBookmark {
            return self.next_bookmark(world);
        }
        // Who moves by hand is where they want to be.
        self.sought = None;
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
            Action::Verify => current.map_or_else(Vec::new, |event| {
                self.pause();
                self.proof = Some((event.index, Proof::Asked));
                vec![Ask::Fetch(Query::Prove(Box::new(event)))]
            }),
            Action::Bookmark => current.map_or_else(Vec::new, |event| {
                let server = world.server.as_str().to_owned();
                vec![Ask::Shelve(Shelving::Bookmark(server, event.index))]
            }),
            Action::Story => match current.as_ref().and_then(story) {
                Some(filter) => {
                    let took = self.filter.only(&filter, List::Audit, world);
                    self.took(took)
                }
                None => vec![Ask::Say(
                    Level::Info,
                    "the event is about no person and no target".to_owned(),
                )],
            },
            Action::Export => vec![Ask::Export(Box::new(self.scope()))],
            Action::Columns => vec![Ask::Choose(Choice::Columns)],
            Action::SortAgain | Action::SortReverse => {
                let text = "the record is in the order in which things happened";
                vec![Ask::Say(Level::Info, text.to_owned())]
            }
            _ if self.cells.on(action) => Vec::new(),
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
                self.raw = false;
                self.scroll = 0;
                Vec::new()
            }
            Action::Back if self.filter.clear() => self.restart(),
            Action::Copy => {
                let id = self
                    .current()
                    .map(|event| about(&event).unwrap_or(&event.id).to_owned());
                id.map(Ask::Copy).into_iter().collect()
            }
            Action::CopyJson => {
                let json = self
                    .current()
                    .and_then(|event| serde_json::to_string_pretty(&event).ok());
                json.map(|json| Ask::CopyAs("the event as JSON".to_owned(), json))
                    .into_iter()
                    .collect()
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
        if matches!(news, News::Live { .. }) {
            self.over_time.refresh();
        }
        let query = match news {
            News::Live { .. } if !self.asked => return self.restart(),
            News::Live { gap: true } => self.record.cut(),
            News::Live { gap: false } => self.record.retry(),
            News::Events(events) => {
                let (filter, asking) = (self.filter.filter(), world.asking());
                let matching = events
                    .iter()
                    .filter(|event| filter.lets(&event.view, asking));
                let over_time = &mut self.over_time;
                let counted = matching.inspect(|event| over_time.push(&event.view));
                self.record
                    .push(counted.map(|event| Rc::clone(&event.packed)));
                None
            }
            News::Facets { of, turn, items } => {
                if *of == List::Audit {
                    self.filter.facets(*turn, items);
                }
                None
            }
            News::Past { .. } | News::Locks(_) | News::Uses(_) | News::Pruned(_) => None,
            News::Page {
                turn,
                newer: true,
                page,
            } => self.record.later(*turn, *page),
            News::Page { turn, page, .. } => self.record.page(*turn, *page),
            News::Proved { index, proof } => {
                let asked = self.proof.as_ref().is_some_and(|(asked, _)| asked == index);
                if asked {
                    self.proof = Some((*index, (*proof).clone()));
                }
                None
            }
            News::OverTime { turn, counts } => {
                self.over_time.take(*turn, *counts);
                None
            }
            News::Found { turn, page } => return self.found(*turn, *page),
        };
        self.arrive();
        query.map(Ask::Fetch).into_iter().collect()
    }

    fn settle(&mut self, world: &World, panes: &Panes) {
        if self.asked {
            self.over_time.fit(panes.over_time, world.now);
        }
        self.cells.see(COLUMNS, List::Audit, world, panes);
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
            let doc = if self.raw {
                detail::json(&event, world, width)
            } else {
                detail::event(&event, self.proof_of(&event), world, width)
            };
            self.scroll = doc.clamp(self.scroll, height);
        }
    }

    fn tick(&mut self, world: &World) -> Vec<Ask> {
        let took = self.filter.tick(List::Audit, world);
        let mut asks = self.took(took);
        let filter = self.filter.filter();
        asks.extend(self.over_time.ask(filter, world));
        asks
    }

    fn next_change(&self) -> Option<Instant> {
        let changes = [self.filter.next_change(), self.over_time.next_change()];
        changes.into_iter().flatten().min()
    }

    fn status(&self, world: &World) -> (String, String) {
        face::status(self, world)
    }

    fn draw(
        &self,
        world: &World,
        theme: &Theme,
        panes: &Panes,
        buffer: &mut Buffer,
    ) -> Option<Position> {
        face::draw(self, world, theme, panes, buffer)
    }
}
