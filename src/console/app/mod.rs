//! The whole console as one value and one pure function: something happened, so this is how things are and that is
//! what to do. It performs nothing, reads no clock and never draws.
//!
//! To add something that can happen: a [`Msg`], and an arm in [`App::update`].

mod acts;
mod heard;
mod keys;
mod memory;
mod overlays;
mod polls;
mod questions;
mod step_up;
mod undo;

pub use step_up::Waiting;

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use ratatui::layout::Size;

use crate::client::{Shelf, Shelving};
use crate::config::Backend;
use crate::console::app::acts::Pending;
use crate::console::app::polls::Polls;
use crate::console::app::questions::Open;
use crate::console::app::undo::Undo;
use crate::console::confirm::{Incident, Kind, LockForm, Mutation, Review, Strip};
use crate::console::keymap::{Action, Keymap, Place};
use crate::console::layout::{Layout, Wanted, lay_out};
use crate::console::link::Link;
use crate::console::msg::{Effect, Env, Msg, Query};
use crate::console::notice::{Notices, waits_for_me};
use crate::console::overlay::Overlay;
use crate::console::refresh::{self, Refresher};
use crate::console::run::clock::{Clock, Moment};
use crate::console::screen::{self, Ask, News, Screen};
use crate::console::store::{Store, Subject};
use crate::console::widget::frame::Shape;
use crate::console::widget::toast::{Level, Toasts};
use crate::console::world::World;
use crate::domain::ids::{GrantId, RequestId};
use crate::text::clean;

/// What a question's border and last line add to its facts.
const STRIP_FRAME: u16 = 3;

/// How far the screens that nobody sees may be behind.
const BEHIND: Duration = Duration::from_secs(1);

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

/// The console.
#[derive(Debug)]
pub struct App {
    world: World,
    screens: Vec<Box<dyn Screen>>,
    at: usize,
    strip: Option<Strip>,
    open: Open,
    /// What lies over the screen and has the keys.
    overlay: Option<Box<dyn Overlay>>,
    /// Confirmed changes that wait for a second factor.
    step_up: Option<Waiting>,
    /// A row that somebody asked to see and the server was asked for, and whether all of it is to be shown.
    wanted: Option<(Subject, bool)>,
    /// An incident that somebody asked to see.
    looked_for: Option<String>,
    settings: Settings,
    toasts: Toasts,
    size: Size,
    /// When the window got the keyboard, until the first key.
    focused: Option<Instant>,
    notices: Notices,
    /// The themes that can be put on.
    themes: Vec<String>,
    pending: Vec<Pending>,
    /// Confirmed changes of a list that wait for their turn.
    queue: VecDeque<Mutation>,
    undo: Option<Undo>,
    polls: Polls,
    refresher: Refresher,
    /// Grants taken away from here, until the target was read back.
    watched: HashSet<GrantId>,
    seen_requests: HashSet<RequestId>,
    seen_grants: HashSet<GrantId>,
    /// When the screens behind the one in front were last brought in line.
    settled: Option<Instant>,
    /// The person was told that something is not answered yet, and asked to leave.
    warned: bool,
}

/// How the console was started.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where the server is, for the header.
    pub server: String,
    /// Nothing may be changed.
    pub readonly: bool,
    /// The themes that can be put on, by name.
    pub themes: Vec<String>,
    /// The keys in force.
    pub keymap: Keymap,
    /// The filters that the person keeps.
    pub shelf: Shelf,
    /// Every server that has a name.
    pub backends: Vec<Backend>,
    /// The one in use, when it has a name.
    pub backend: Option<String>,
    /// What `--readonly` said, which wins over what the backends say.
    pub readonly_flag: Option<bool>,
    /// What was wrong with the settings, to say once.
    pub complaints: Vec<String>,
}

impl App {
    /// A console that knows nothing yet.
    pub fn new(settings: &Settings, size: Size, at: Moment) -> Self {
        let world = World {
            store: Store::default(),
            link: Link::default(),
            clock: Clock::new(at),
            me: None,
            shelf: settings.shelf.clone(),
            targets: Vec::new(),
            trail: None,
            sessions_problem: None,
            locks_read: None,
            keymap: settings.keymap.clone(),
            server: clean(&settings.server),
            loaded: false,
            older_requests: false,
            older_grants: false,
            readonly: settings.readonly,
            readonly_backend: settings
                .backend
                .clone()
                .filter(|_| settings.readonly_flag.is_none()),
            now: at.steady,
        };
        let mut app = Self {
            world,
            screens: screen::all(),
            at: 0,
            strip: None,
            open: Open::default(),
            overlay: None,
            step_up: None,
            wanted: None,
            looked_for: None,
            settings: settings.clone(),
            toasts: Toasts::default(),
            size,
            focused: None,
            notices: Notices::new(at.steady),
            themes: settings.themes.clone(),
            pending: Vec::new(),
            queue: VecDeque::new(),
            undo: None,
            polls: Polls::default(),
            refresher: Refresher::default(),
            watched: HashSet::new(),
            seen_requests: HashSet::new(),
            seen_grants: HashSet::new(),
            settled: None,
            warned: false,
        };
        app.settle();
        app
    }

    /// Takes what happened and says what to do.
    pub fn update(&mut self, msg: Msg, env: Env) -> Vec<Effect> {
        self.world.now = env.now.steady.max(self.world.now);
        self.notices.hear(&msg, self.world.now);
        let mut effects = Vec::new();
        if self.world.clock.jumped(env.now) {
            effects.extend(self.woke());
        }
        effects.extend(match msg {
            Msg::Start => {
                self.refresher.all();
                self.complain();
                vec![Effect::Connect, Effect::Fetch(Query::Me)]
            }
            Msg::Key(key) => self.key(key),
            Msg::Paste(text) => self.paste(&text),
            Msg::Mouse(mouse, at) => self.mouse(mouse, at),
            Msg::Focus(has) => {
                self.focused = has.then_some(self.world.now);
                Vec::new()
            }
            Msg::Resize(size) => {
                self.size = size;
                Vec::new()
            }
            Msg::Woke => self.woke(),
            Msg::Tick => Vec::new(),
            Msg::About(action, subject) => self.about(action, subject),
            Msg::Wish(wish) => self.wish(wish),
            Msg::Say(level, text) => {
                self.say(level, &text);
                Vec::new()
            }
            Msg::Stream(tidings) => self.tidings(tidings),
            Msg::Answer(query, answer, trip) => self.answer(&query, answer, trip),
            Msg::Acted(mutation, receipt, trip) => self.acted(&mutation, receipt, trip),
            Msg::Proved(keys, answer) => self.proved(&keys, answer),
            Msg::GoTo(address) => self.sent_to(address),
        });
        effects.extend(self.due());
        effects.extend(self.notices.due(&self.world).map(Effect::Notify));
        self.settle();
        effects
    }

    /// When something must happen although nothing does: a text changes, a pause is over, a row is to be read.
    pub fn next_change(&self) -> Option<Instant> {
        let now = self.world.now;
        let second = (self.layout().regions.shape != Shape::TooSmall)
            .then(|| self.world.clock.next_second(now));
        let strip = self.strip.as_ref();
        let moments = [
            second,
            self.toasts.next_change(),
            self.overlay
                .as_ref()
                .and_then(|overlay| overlay.next_change()),
            self.notices.next_change(),
            self.factor_due(),
            self.world.link.next_change().filter(|at| *at > now),
            self.armed_at().filter(|at| *at > now),
            self.next_poll(),
            strip.and_then(|strip| strip.read_again_at(&self.world)),
            self.refresher
                .due(now)
                .filter(|_| !self.world.link.is_down()),
        ];
        let pending = self.pending.iter().filter_map(Pending::due);
        let screens = self
            .screens
            .iter()
            .filter_map(|screen| screen.next_change());
        moments
            .into_iter()
            .flatten()
            .chain(pending)
            .chain(screens)
            .min()
    }

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
        requests.filter(|(_, view)| waits_for_me(view)).count()
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

    fn refusal_about(&self, kind: Kind, subject: &Subject) -> Option<String> {
        if self.is_busy(subject) {
            return Some(format!(
                "the last change of `{subject}` is not answered yet"
            ));
        }
        self.world.may(kind, subject).err()
    }

    /// Says whether a change of this row is on its way or waits for its turn.
    fn is_busy(&self, subject: &Subject) -> bool {
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
            banner: self.world.banner().is_some(),
            filter: screen.is_some_and(|screen| screen.typing().is_some()),
            zoomed: screen.is_some_and(Screen::zoomed),
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

    /// Brings everything in line with what is known.
    fn settle(&mut self) {
        self.toasts.expire(self.world.now);
        self.show_wanted();
        if let Some(strip) = &mut self.strip {
            let seen = self.world.store.get(strip.subject());
            strip.look_again(seen, self.world.now);
        }
        if let Some(review) = &mut self.open.review {
            review.look_again(&self.world);
        }
        let panes = self.layout().panes;
        // Nobody sees the lists behind the one in front: they follow at leisure, and at once when one is gone to.
        let now = self.world.now;
        let all = self.settled.is_none_or(|settled| now >= settled + BEHIND);
        if all {
            self.settled = Some(now);
        }
        for (place, screen) in self.screens.iter_mut().enumerate() {
            if all || place == self.at {
                screen.settle(&self.world, &panes);
            }
        }
    }

    /// What time has come for.
    fn due(&mut self) -> Vec<Effect> {
        let now = self.world.now;
        let mut effects = self.retry_pending();
        effects.extend(self.tend_factor());
        self.tick_overlay();
        let asks: Vec<Ask> = self
            .screens
            .iter_mut()
            .flat_map(|screen| screen.tick(&self.world))
            .collect();
        effects.extend(self.asked(asks));
        // Without a connection every call would only wait for its own time to run out.
        if !self.world.link.is_down() {
            let store = &self.world.store;
            let queries = self.refresher.plan(now, |subject| store.has(subject));
            effects.extend(queries.into_iter().map(Effect::Fetch));
        }
        if let Some(strip) = &mut self.strip
            && strip.wants_reading(&self.world)
        {
            effects.extend(refresh::alone(strip.subject().clone()).map(Effect::Fetch));
        }
        effects.extend(self.poll());
        effects
    }

    /// When keys begin to count in what is open.
    fn armed_at(&self) -> Option<Instant> {
        let moments = [
            self.strip.as_ref().map(Strip::armed_at),
            self.open.form.as_ref().map(LockForm::armed_at),
            self.open.review.as_ref().map(Review::armed_at),
            self.incident().map(Incident::armed_at),
        ];
        moments.into_iter().flatten().max()
    }

    /// The program stood still: whatever is shown may be old.
    fn woke(&mut self) -> Vec<Effect> {
        self.drop_questions();
        self.refresher.all();
        vec![Effect::RetryNow, Effect::Fetch(Query::Me)]
    }

    fn say(&mut self, level: Level, text: &str) {
        self.toasts.push(level, clean(text), self.world.now);
    }

    /// Does what a screen asks for.
    fn asked(&mut self, asks: Vec<Ask>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for ask in asks {
            match ask {
                Ask::Fetch(query) => effects.push(Effect::Fetch(query)),
                Ask::Copy(text) => {
                    self.say(Level::Info, &format!("copied {text}"));
                    effects.push(Effect::Copy(text));
                }
                Ask::CopyAs(what, text) => {
                    self.say(Level::Info, &format!("copied {what}"));
                    effects.push(Effect::Copy(text));
                }
                Ask::Choose(choice) => self.choose(choice),
                Ask::Say(level, text) => self.say(level, &text),
                Ask::Shelve(change) => effects.extend(self.shelve(change)),
                Ask::Export(scope) => {
                    self.say(Level::Info, "writing the record that matches to a file");
                    effects.push(Effect::Export(scope));
                }
                Ask::Show(subject) => effects.extend(self.look_for(subject, false)),
            }
        }
        effects
    }

    /// Gives the filter that is in force a name.
    pub fn save_filter(&mut self, name: &str) -> Vec<Effect> {
        let typing = self.screen().and_then(Screen::typing);
        let text = typing.map(|typing| typing.line.text().to_owned());
        let change = Shelving::Save {
            name: name.to_owned(),
            text: text.unwrap_or_default(),
        };
        self.shelve(change)
    }

    /// Forgets a saved filter.
    pub fn forget_filter(&mut self, name: &str) -> Vec<Effect> {
        self.shelve(Shelving::Forget(name.to_owned()))
    }

    pub(super) fn shelve(&mut self, change: Shelving) -> Vec<Effect> {
        if let Err(why) = self.world.shelf.apply(&change) {
            self.say(Level::Warn, &why);
            return Vec::new();
        }
        match &change {
            Shelving::Save { name, .. } => {
                let text = format!("saved as @{}", name.trim_start_matches('@'));
                self.say(Level::Info, &text);
            }
            Shelving::Forget(name) => self.say(Level::Info, &format!("forgot {name}")),
            Shelving::Use(..) | Shelving::Columns(..) => {}
        }
        vec![Effect::Shelve(change)]
    }

    /// Tells every screen.
    fn tell(&mut self, news: &News<'_>) -> Vec<Effect> {
        let asks: Vec<Ask> = self
            .screens
            .iter_mut()
            .flat_map(|screen| screen.hear(news, &self.world))
            .collect();
        self.asked(asks)
    }
}
