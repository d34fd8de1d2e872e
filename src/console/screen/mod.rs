//! The screens. Each keeps its own place in its list, answers actions with what it asks for, and draws itself.
//!
//! A screen never performs anything and never changes a row: it asks, and the application decides.
//!
//! To add one: a file with a type that implements [`Screen`], and one line in [`all`]. A list of rows with an id needs
//! less: it implements `Rows`, and `Listed` is the screen.

mod audit;
mod column;
mod detail;
mod face;
mod filter_line;
mod glass;
mod grants;
mod list;
mod listed;
mod locks;
mod reading;
mod requests;
mod rows;
mod services;
mod sessions;
mod sign_ins;
mod standing;
mod timeline;

use std::time::Instant;

use chrono::{DateTime, Utc};
use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::client::AuditQuery;
use crate::client::Shelving;
use crate::client::watch::Proved;
use crate::console::confirm::Kind;
use crate::console::keymap::{Action, Chord, Place};
use crate::console::layout::Panes;
use crate::console::msg::Query;
pub use crate::console::screen::column::{Shown, Sorting};
use crate::console::screen::listed::Listed;
use crate::console::store::{Pruned, Subject, Told};
use crate::console::term::input::Key;
use crate::console::theme::Theme;
use crate::console::widget::toast::Level;
use crate::console::world::World;
use crate::query::List;
use crate::text::DisplayText;
use crate::wire::{EventView, Facet, Histogram, LockOn, Page};

/// What a screen asks the application for.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Read something from the server.
    Fetch(Query),
    /// Put text on the clipboard, and say what it was.
    Copy(String),
    /// The same with text too long to repeat: these words tell of it.
    CopyAs(String, String),
    /// Let the person choose.
    Choose(Choice),
    /// Tell the person something.
    Say(Level, String),
    /// Keep a filter.
    Shelve(Shelving),
    /// Write the record that matches to a file.
    Export(Box<AuditQuery>),
    /// Go to the screen that has this row, and select it.
    Show(Subject),
}

/// What a person can choose about a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The column to sort by.
    Sort,
    /// The columns that are shown, and their order.
    Columns,
}

/// Something a screen should hear of besides the rows.
#[derive(Debug)]
pub enum News<'a> {
    /// The live connection stands; when there was a gap, what is known of the record is not connected to what comes.
    Live { gap: bool },
    /// Live events in the order of their index.
    Events(&'a [Told]),
    /// The values of a field of a list, counted for a filter being typed.
    Facets {
        of: List,
        turn: u64,
        items: &'a [Facet],
    },
    /// Older grants came; `next` is where the ones before them begin, `oldest` how far back these reach.
    Past {
        next: Option<&'a str>,
        oldest: Option<DateTime<Utc>>,
    },
    /// The locks were read, or not for this reason.
    Locks(Option<&'a str>),
    /// The uses of break-glass were read, or not for this reason.
    Uses(Option<&'a str>),
    /// Rows that are over were let go of to save memory.
    Pruned(&'a Pruned),
    /// An event was looked for in the signed log.
    Proved { index: i64, proof: &'a Proof },
    /// How many events there were over time.
    OverTime {
        turn: u64,
        counts: Result<&'a Histogram, &'a str>,
    },
    /// A page of the record that was asked for in this turn.
    Page {
        turn: u64,
        /// It goes on at the new end, oldest first.
        newer: bool,
        page: Result<&'a Page<EventView>, &'a str>,
    },
    /// The event that the server was asked to find, alone on a page.
    Found {
        turn: u64,
        page: Result<&'a Page<EventView>, &'a str>,
    },
}

/// Whether an event is in the signed log, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The question is on its way.
    Asked,
    Proved(Box<Proved>),
    /// It is not, for this reason.
    Wrong(String),
    /// Nobody knows, for this reason.
    Unknown(String),
}

/// What stands on the tab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many rows matter at the moment.
    pub count: Option<usize>,
    /// How many of them want the person who sits here.
    pub urgent: usize,
    /// A word in capitals, when something is unusual.
    pub word: String,
}

/// What stands before a line that is a filter.
pub const FILTER: &str = "Filter";

/// A line being typed on a screen.
#[derive(Debug, Clone, Copy)]
pub struct Typing<'a> {
    pub line: &'a crate::console::widget::input::Line,
    /// What stands before it.
    pub label: &'static str,
    /// What is wrong with it so far.
    pub problem: Option<&'a str>,
    /// Where in it that is.
    pub wrong: Option<crate::query::Span>,
    /// It takes the keys; otherwise it is shown because it is in force.
    pub active: bool,
    /// What could be typed, and which of it is under the cursor.
    pub offers: &'a [crate::query::complete::Candidate],
    pub chosen: Option<usize>,
}

/// One of the views behind the number keys.
pub trait Screen: std::fmt::Debug {
    /// The name on the tab.
    fn title(&self) -> &'static str;

    /// Where its own keys are found.
    fn place(&self) -> Place;

    /// What stands on the tab beside the name.
    fn tally(&self, world: &World) -> Tally;

    /// The actions worth a hint, the most wanted first.
    fn commands(&self) -> &'static [Action];

    /// Says whether it performs an action, so that the help may tell of it.
    fn does(&self, action: Action) -> bool {
        self.commands().contains(&action)
    }

    /// The row that actions are about; none when it is gone.
    fn subject(&self) -> Option<Subject>;

    /// The row that a question of this kind is about.
    fn subject_of(&self, kind: Kind) -> Option<Subject> {
        let _ = kind;
        self.subject()
    }

    /// The marked rows from top to bottom.
    fn marked(&self) -> Vec<Subject> {
        Vec::new()
    }

    /// Says whether a row is on the list, alive.
    fn shows(&self, subject: &Subject) -> bool {
        self.subject().as_ref() == Some(subject)
    }

    /// Says whether a row must stay in memory: it is selected, marked or in sight.
    fn holds(&self, _: &Subject) -> bool {
        false
    }

    /// Takes marks away: what they were for was done.
    fn unmark(&mut self, _: &[Subject]) {}

    /// The row whose detail is shown, to read its record.
    fn detailed(&self) -> Option<Subject> {
        self.subject()
    }

    /// The person that the selected row is about.
    fn person(&self, _: &World) -> Option<String> {
        None
    }

    /// What a lock begun here is on: the person of the selected row, unless the list is about something else.
    fn lock_on(&self, world: &World) -> Option<LockOn> {
        let principal = self.person(world)?;
        Some(LockOn::Principal { principal })
    }

    /// What an incident begun here would be about: the target of the selected row, or the filter in force.
    fn scope(&self, _: &World) -> (Option<String>, Option<String>) {
        (None, None)
    }

    /// Selects a row, without the filter when that hides it; says whether it is a row of this screen.
    fn show(&mut self, _: &Subject) -> bool {
        false
    }

    /// Goes to an event by its number and opens it; nothing where there are no events.
    fn show_event(&mut self, _index: i64, _: &World) -> Option<Vec<Ask>> {
        None
    }

    /// The list that its columns and filters are of.
    fn list(&self) -> Option<List> {
        None
    }

    /// Every column: those that are shown in their order, then the others.
    fn columns(&self, _: &World) -> Vec<Shown> {
        Vec::new()
    }

    /// Whether it wants a line for counts over time.
    fn counts_over_time(&self) -> bool {
        false
    }

    /// What its rows are sorted by.
    fn sorting(&self) -> Sorting {
        Sorting::default()
    }

    /// Sorts its rows otherwise.
    fn sort_by(&mut self, _: Sorting) {}

    /// Performs an action on itself.
    fn on(&mut self, action: Action, world: &World, panes: &Panes) -> Vec<Ask>;

    /// Selects the row at a line of the list.
    fn click(&mut self, line: u16, world: &World, panes: &Panes) -> Vec<Ask>;

    /// Puts a filter in force as if it had been typed; an empty one drops it.
    fn set_filter(&mut self, text: &str, world: &World, panes: &Panes) -> Vec<Ask> {
        let mut asks = self.on(Action::Filter, world, panes);
        for chord in [Chord::ctrl('e'), Chord::ctrl('u')] {
            asks.extend(self.key(chord.key(), world));
        }
        asks.extend(self.paste(text, world));
        asks.extend(self.key(Chord::plain(KeyCode::Enter).key(), world));
        asks
    }

    /// What it says in sentences, for those who have no screen.
    fn told(&self, _: &World, _: u16) -> Option<Vec<DisplayText>> {
        None
    }

    /// Takes a key while a line is being typed.
    fn key(&mut self, key: Key, world: &World) -> Vec<Ask>;

    /// Takes pasted text.
    fn paste(&mut self, text: &str, world: &World) -> Vec<Ask>;

    /// The filter, while it is typed or in force.
    fn typing(&self) -> Option<Typing<'_>>;

    /// Says whether the detail has the whole body.
    fn zoomed(&self) -> bool;

    /// The person comes from another screen.
    fn enter(&mut self, world: &World) -> Vec<Ask>;

    /// Hears of something.
    fn hear(&mut self, news: &News<'_>, world: &World) -> Vec<Ask>;

    /// Brings the list in line with the rows and the window.
    fn settle(&mut self, world: &World, panes: &Panes);

    /// Does what was put off until this moment.
    fn tick(&mut self, _: &World) -> Vec<Ask> {
        Vec::new()
    }

    /// When something was put off until.
    fn next_change(&self) -> Option<Instant> {
        None
    }

    /// Left and right half of the status line.
    fn status(&self, world: &World) -> (String, String);

    /// Draws list and detail; gives the place of the selected row, where the terminal's cursor belongs.
    fn draw(
        &self,
        world: &World,
        theme: &Theme,
        panes: &Panes,
        buffer: &mut Buffer,
    ) -> Option<Position>;
}

/// Every screen, in the order of the number keys.
pub fn all() -> Vec<Box<dyn Screen>> {
    vec![
        Box::new(Listed::<requests::Requests>::default()),
        Box::new(Listed::<grants::Grants>::default()),
        Box::new(Listed::<sessions::SessionList>::default()),
        Box::new(audit::Audit::default()),
        Box::new(Listed::<locks::Locks>::default()),
        Box::new(timeline::Timeline::default()),
        Box::new(Listed::<sign_ins::SignIns>::default()),
        Box::new(Listed::<services::Services>::default()),
        Box::new(Listed::<glass::Glass>::default()),
        Box::new(Listed::<standing::StandingList>::default()),
    ]
}

/// The same with a column of air on either side, for text.
fn page(area: Rect, title: &str, theme: &Theme, focus: bool, buffer: &mut Buffer) -> Rect {
    let inner = boxed(area, title, theme, focus, buffer);
    Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    }
}

/// Draws a border with a title and gives what is inside.
fn boxed(area: Rect, title: &str, theme: &Theme, focus: bool, buffer: &mut Buffer) -> Rect {
    use ratatui::widgets::{Block, Widget};

    use crate::console::theme::Role;
    use crate::text::clean;

    let role = if focus {
        Role::BorderFocus
    } else {
        Role::Border
    };
    let block = Block::bordered()
        .border_set(theme.border())
        .border_style(theme.style(role))
        .title(format!(" {} ", clean(title)))
        .title_style(theme.style(Role::TextStrong));
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}
