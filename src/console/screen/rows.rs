//! What differs between the lists of rows: which rows, which columns, which order, what is said of one of them.

use std::fmt::Debug;
use std::hash::Hash;
use std::rc::Rc;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde::Serialize;

use crate::console::confirm::Kind;
use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::screen::column::Col;
use crate::console::screen::{Ask, News, Tally};
use crate::console::store::Subject;
use crate::console::theme::Theme;
use crate::console::widget::countdown;
use crate::console::world::World;
use crate::query::{Expr, List, Row};
use crate::wire::LockOn;

/// Where the rows of a list are kept: how they are named, what they are, the kind of subject, and the two questions to
/// the store, through one of its parts where that has them.
macro_rules! kept {
    ($id:ty => $view:ty, $subject:ident, $all:ident, $one:ident $(, in $part:ident)?) => {
        type Id = $id;
        type View = $view;

        fn all(world: &World) -> impl Iterator<Item = (&$id, &std::rc::Rc<$view>)> {
            world.store$(.$part())?.$all()
        }

        fn get<'w>(world: &'w World, id: &$id) -> Option<&'w std::rc::Rc<$view>> {
            world.store$(.$part())?.$one(id)
        }

        fn subject(id: &$id) -> Subject {
            Subject::$subject(id.clone())
        }

        fn id(subject: &Subject) -> Option<&$id> {
            match subject {
                Subject::$subject(id) => Some(id),
                _ => None,
            }
        }
    };
}

pub(super) use kept;

/// What an own action of a list led to.
#[derive(Debug)]
pub(super) enum Did {
    /// It is no action of this list's own.
    NotMine,
    Asks(Vec<Ask>),
    /// Other rows are listed from now on.
    Others,
}

/// A list of rows of one kind. To add one: implement this, and a `Listed` of it in [`all`](super::all).
pub(super) trait Rows: Debug + Default {
    type Id: Clone + Eq + Ord + Hash + Debug + 'static;
    type View: Row + Serialize + 'static;
    /// What rows are sorted by unless a person chooses a column.
    type Rank: Ord;

    /// The name on the tab.
    const TITLE: &'static str;
    /// What one row is called.
    const ONE: &'static str;
    const PLACE: Place;
    const LIST: List;
    /// The actions worth a hint, the most wanted first.
    const COMMANDS: &'static [Action];
    const COLUMNS: &'static [Col<Self::View>];

    fn all(world: &World) -> impl Iterator<Item = (&Self::Id, &Rc<Self::View>)>;

    fn get<'w>(world: &'w World, id: &Self::Id) -> Option<&'w Rc<Self::View>>;

    fn subject(id: &Self::Id) -> Subject;

    fn id(subject: &Subject) -> Option<&Self::Id>;

    fn rank(&self, view: &Self::View, world: &World) -> Self::Rank;

    /// What a row has, as fields of the filter language.
    fn values(view: &Self::View) -> Vec<(&'static str, String)>;

    /// The field and value that a column holds, when there is one to filter by.
    fn value(view: &Self::View, field: &str) -> Option<(&'static str, String)> {
        let values = Self::values(view);
        values
            .into_iter()
            .find(|(known, value)| *known == field && !value.is_empty())
    }

    fn doc(view: &Self::View, world: &World, width: u16) -> Doc;

    /// Two lines about a row.
    fn preview(view: &Self::View, world: &World, width: u16) -> Doc;

    fn tally(&self, world: &World) -> Tally;

    /// The order of the list in words, and what else its status line says.
    fn status(&self, world: &World) -> String;

    /// Why the list is empty although no filter is in force.
    fn empty(&self, world: &World) -> String;

    /// What stands above the list.
    fn heading(&self) -> &'static str {
        Self::TITLE
    }

    /// Says whether a row is in the part of the list that is shown.
    fn lets(&self, _: &Self::View) -> bool {
        true
    }

    /// Says whether the rows are complete, so that none changes its place any more.
    fn is_loaded(&self, world: &World) -> bool {
        world.loaded
    }

    /// Says whether the server has rows that are not here.
    fn has_more(_: &World) -> bool {
        false
    }

    /// Whose access a row is about.
    fn person(_: &Self::View) -> Option<String> {
        None
    }

    /// What a lock begun at a row is on.
    fn lock_on(view: &Self::View) -> Option<LockOn> {
        let principal = Self::person(view)?;
        Some(LockOn::Principal { principal })
    }

    /// The target of a row.
    fn target(_: &Self::View) -> Option<String> {
        None
    }

    /// What an incident begun here is about is the filter in force, where there is one.
    fn is_scope(&self) -> bool {
        false
    }

    /// The row that a question of this kind is about.
    fn subject_of(id: &Self::Id, _: Kind) -> Subject {
        Self::subject(id)
    }

    /// The row whose record is read for the detail.
    fn detailed(id: &Self::Id) -> Option<Subject> {
        Some(Self::subject(id))
    }

    /// Says whether a done act takes every mark away and not only those it was about.
    fn clears_marks() -> bool {
        false
    }

    /// Performs what only this list does.
    fn on(&mut self, _: Action, _: Option<&Rc<Self::View>>, _: &World) -> Did {
        Did::NotMine
    }

    /// The person comes from another screen.
    fn enter(&mut self) -> Vec<Ask> {
        Vec::new()
    }

    /// Hears of something besides the rows.
    fn hear(&mut self, _: &News<'_>) -> Vec<Ask> {
        Vec::new()
    }

    /// The detail while no row is selected.
    fn nothing(_: &World, _: u16) -> Option<Doc> {
        None
    }

    /// Draws on the lower border of the list.
    fn border(_: &Expr, _: &World, _: &Theme, _: Rect, _: &mut Buffer) {}
}

/// How old a list is that was read whole, and how it is sorted; or that the last reading failed.
pub(super) fn read_status(world: &World, asked: Option<Instant>, order: &str) -> String {
    match (&world.people_problem, asked) {
        (Some(problem), _) => format!("not read: {problem}"),
        (None, None) => "asking the server".to_owned(),
        (None, Some(at)) => {
            let age = countdown::text(world.now.saturating_duration_since(at));
            format!("asked {age} ago, {order}")
        }
    }
}
