//! What others may know of the console: the view draws it, tests look at it, overlays ask it. Nothing here changes it.

use crate::console::app::App;
use crate::console::confirm::{Kind, Strip};
use crate::console::keymap::{Action, Place};
use crate::console::layout::{Layout, Wanted, lay_out};
use crate::console::notice::{waits_for_me, wants_my_sign_off};
use crate::console::overlay::Overlay;
use crate::console::screen::Screen;
use crate::console::store::Subject;
use crate::console::widget::toast::Toasts;
use crate::console::world::World;

/// What a question's border and last line add to its facts.
const STRIP_FRAME: u16 = 3;

/// What is performed whatever screen is in front.
const COMMON: &[Action] = &[
    Action::Open,
    Action::Back,
    Action::Filter,
    Action::SortAgain,
    Action::Copy,
    Action::CopyJson,
    Action::Zoom,
    Action::CommandLine,
    Action::Palette,
    Action::Messages,
    Action::WhoAmI,
    Action::SignIn,
    Action::Mouse,
    Action::Incident,
    Action::Undo,
    Action::Retry,
    Action::Help,
    Action::Repaint,
    Action::Suspend,
    Action::Quit,
    Action::Interrupt,
];

impl App {
    /// Everything known, for the view and for tests.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The open question.
    pub fn strip(&self) -> Option<&Strip> {
        self.strip.as_ref()
    }

    /// The screens with the number of the one in front.
    pub fn screens(&self) -> (&[Box<dyn Screen>], usize) {
        (&self.screens, self.at)
    }

    /// The messages in the corner.
    pub fn toasts(&self) -> &Toasts {
        &self.toasts
    }

    /// What lies over the screen.
    pub fn overlay(&self) -> Option<&dyn Overlay> {
        self.overlay.as_deref()
    }

    /// The themes that can be put on, by name.
    pub fn themes(&self) -> &[String] {
        &self.themes
    }

    /// How many requests wait for the person who sits here; the window's title says it.
    pub fn calls(&self) -> usize {
        let requests = self.world.store.requests();
        let uses = self.world.store.uses();
        requests.filter(|(_, view)| waits_for_me(view)).count()
            + uses.filter(|(_, view)| wants_my_sign_off(view)).count()
    }

    /// The screen in front.
    pub fn screen(&self) -> Option<&dyn Screen> {
        self.screens.get(self.at).map(AsRef::as_ref)
    }

    /// Where keys are looked up.
    pub fn place(&self) -> Place {
        let behind = || self.screen().map_or(Place::Anywhere, Screen::place);
        self.question_place().unwrap_or_else(behind)
    }

    /// Says whether anybody performs an action at a place; the help tells of no other.
    pub fn works(&self, place: Place, action: Action) -> bool {
        let screens = || self.screens.iter().map(AsRef::as_ref);
        match place {
            Place::Anywhere => {
                action.is_move()
                    || COMMON.contains(&action)
                    || screens().any(|screen| screen.place().way() == Some(action))
                    || self.screen().is_some_and(|screen| screen.does(action))
            }
            Place::Question | Place::Review | Place::Incident => true,
            _ => screens().any(|screen| screen.place() == place && screen.does(action)),
        }
    }

    /// Why an action would do nothing at this moment.
    pub fn refusal(&self, action: Action) -> Option<String> {
        let kind = Kind::of(action)?;
        let screen = self.screen()?;
        if !screen.marked().is_empty() {
            // The list tells of each row.
            return None;
        }
        let Some(subject) = screen.subject_of(kind) else {
            return Some("nothing is selected".to_owned());
        };
        self.refusal_about(kind, &subject)
    }

    pub(super) fn refusal_about(&self, kind: Kind, subject: &Subject) -> Option<String> {
        if self.is_busy(subject) {
            return Some(format!(
                "the last change of `{subject}` is not answered yet"
            ));
        }
        self.world.may(kind, subject).err()
    }

    /// Says whether a change of this row is on its way or waits for its turn.
    pub(super) fn is_busy(&self, subject: &Subject) -> bool {
        self.waits_for_factor(|change| change.subject().as_ref() == Some(subject))
            || self.pending.iter().any(|pending| pending.is_about(subject))
            || self
                .queue
                .iter()
                .any(|mutation| mutation.subject().as_ref() == Some(subject))
    }

    /// What is shown about changes that are not answered yet.
    pub fn waiting(&self) -> Vec<String> {
        let mut texts: Vec<String> = self
            .pending
            .iter()
            .take(2)
            .map(|pending| pending.text(&self.world.keymap, self.world.now))
            .collect();
        let more = self.pending.len().saturating_sub(texts.len()) + self.queue.len();
        if more > 0 {
            texts.push(format!("and {more} more"));
        }
        texts
    }

    /// Where everything lies.
    pub fn layout(&self) -> Layout {
        let screen = self.screen();
        let wanted = Wanted {
            banner: self.world.banner().or_else(|| self.world.alarm()).is_some(),
            filter: screen.is_some_and(|screen| screen.typing().is_some()),
            zoomed: screen.is_some_and(Screen::zoomed),
            over_time: screen.is_some_and(Screen::counts_over_time),
        };
        let asked = self.strip.is_some() || self.open.form.is_some();
        let height = |width: u16| {
            let inside = width.saturating_sub(4);
            if let Some(form) = &self.open.form {
                return form.height(&self.world, inside) + STRIP_FRAME - 1;
            }
            let Some(strip) = &self.strip else { return 0 };
            let input = u16::from(strip.input().is_some());
            strip.doc(&self.world, inside).height() + input + STRIP_FRAME
        };
        lay_out(self.size, wanted, asked.then_some(height))
    }
}
