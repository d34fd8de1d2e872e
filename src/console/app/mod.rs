//! The whole console as one value and one pure function: something happened, so this is how things are and that is
//! what to do. It performs nothing, reads no clock and never draws.
//!
//! To add something that can happen: a [`Msg`], and an arm in [`App::update`].

mod acts;
mod asks;
mod facts;
mod heard;
mod keys;
mod memory;
mod overlays;
mod polls;
mod proof;
mod questions;
mod sign_in;
mod step_up;
mod undo;

pub use step_up::Waiting;

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use ratatui::layout::Size;

use crate::client::Shelf;
use crate::config::Backend;
use crate::console::app::acts::Pending;
use crate::console::app::polls::Polls;
use crate::console::app::questions::Open;
use crate::console::app::sign_in::SigningIn;
use crate::console::app::undo::Undo;
use crate::console::confirm::{Form, Incident, Mutation, Review, Strip};
use crate::console::keymap::Keymap;
use crate::console::link::Link;
use crate::console::msg::{Effect, Env, Msg, NewToken, Query};
use crate::console::notice::Notices;
use crate::console::overlay::Overlay;
use crate::console::overlay::token::TokenShown;
use crate::console::refresh::{self, Refresher};
use crate::console::run::clock::{Clock, Moment};
use crate::console::screen::{self, Ask, Screen};
use crate::console::store::{Store, Subject};
use crate::console::widget::frame::Shape;
use crate::console::widget::toast::{Level, Toasts};
use crate::console::world::World;
use crate::domain::ids::{GrantId, RequestId};
use crate::text::clean;

pub use sign_in::{Asked, Attempt, Stage};

/// How far the screens that nobody sees may be behind.
const BEHIND: Duration = Duration::from_secs(1);

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
    signing_in: SigningIn,
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
    /// Tokens that have come and wait for the screen.
    tokens: Vec<NewToken>,
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
    /// No browser can open on this machine.
    pub headless: bool,
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
            people_problem: None,
            factors: None,
            locks_read: None,
            log_problem: None,
            looked_at: HashSet::new(),
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
            tokens: Vec::new(),
            step_up: None,
            signing_in: SigningIn::default(),
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
            Msg::SignIn(turn, said) => self.sign_in_said(turn, said),
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

    /// Brings everything in line with what is known.
    fn settle(&mut self) {
        self.toasts.expire(self.world.now);
        self.show_wanted();
        self.show_token();
        self.look_at_uses();
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

    /// Gives the whole screen to a token that has come, as soon as nothing else lies over it.
    fn show_token(&mut self) {
        if self.overlay.is_none()
            && let Some(token) = self.tokens.pop()
        {
            self.overlay = Some(Box::new(TokenShown::new(token, self.world.now)));
        }
    }

    /// What time has come for.
    fn due(&mut self) -> Vec<Effect> {
        let now = self.world.now;
        let mut effects = self.retry_pending();
        effects.extend(self.tend_factor());
        effects.extend(self.offer_sign_in());
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
            self.open.form.as_ref().map(Form::armed_at),
            self.open.review.as_ref().map(Review::armed_at),
            self.incident().map(Incident::armed_at),
            self.attempt().map(Attempt::armed_at),
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
}
