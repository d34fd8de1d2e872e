//! What overlays wish for, done as if the person had pressed the keys: an overlay can open a question and never answer
//! one.

use ratatui::layout::Size;

use crate::client::Shelving;
use crate::config::Backend;
use crate::console::app::{App, Settings};
use crate::console::keymap::{Action, Place};
use crate::console::msg::{Effect, Query};
use crate::console::overlay::columns::Columns;
use crate::console::overlay::command::CommandLine;
use crate::console::overlay::help::Help;
use crate::console::overlay::messages::Messages;
use crate::console::overlay::palette::Palette;
use crate::console::overlay::sort::SortMenu;
use crate::console::overlay::who::WhoAmI;
use crate::console::overlay::{Overlay, Wish};
use crate::console::refresh::alone;
use crate::console::screen::{Choice, Screen};
use crate::console::store::{Seen, Subject};
use crate::console::term::input::Key;
use crate::console::widget::toast::Level;

impl App {
    /// The place of the screen in front, whatever lies over it.
    pub fn front(&self) -> Place {
        self.screen().map_or(Place::Anywhere, Screen::place)
    }

    /// How large the window is.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Every server that has a name.
    pub fn backends(&self) -> &[Backend] {
        &self.settings.backends
    }

    /// The name of the server in use.
    pub fn backend(&self) -> Option<&String> {
        self.settings.backend.as_ref()
    }

    /// The server in use, when it has a name.
    pub fn backend_in_use(&self) -> Option<&Backend> {
        let name = self.settings.backend.as_ref()?;
        self.settings
            .backends
            .iter()
            .find(|backend| backend.name == *name)
    }

    /// The filter of the screen in front as it was typed.
    pub fn filter_text(&self) -> Option<String> {
        let typing = self.screen()?.typing()?;
        Some(typing.line.text().to_owned())
    }

    /// The overlay that an action opens.
    pub(super) fn overlay_of(action: Action) -> Option<Box<dyn Overlay>> {
        Some(match action {
            Action::Help => Box::new(Help::default()),
            Action::Palette => Box::new(Palette::default()),
            Action::Messages => Box::new(Messages::default()),
            Action::CommandLine => Box::new(CommandLine::default()),
            _ => return None,
        })
    }

    /// Hands something to the open overlay; says whether there is one.
    pub(super) fn with_overlay(
        &mut self,
        take: impl FnOnce(&mut dyn Overlay, &Self) -> Vec<Wish>,
    ) -> Option<Vec<Effect>> {
        let mut overlay = self.overlay.take()?;
        let wishes = take(overlay.as_mut(), self);
        self.overlay = Some(overlay);
        let mut effects = Vec::new();
        for wish in wishes {
            effects.extend(self.wished(wish));
        }
        Some(effects)
    }

    /// Shows who sits here, as the server says it now.
    pub(super) fn who_am_i(&mut self) -> Vec<Effect> {
        self.overlay = Some(Box::new(WhoAmI));
        vec![Effect::Fetch(Query::Me), Effect::Fetch(Query::Factors)]
    }

    pub(super) fn overlay_key(&mut self, key: Key) -> Option<Vec<Effect>> {
        self.with_overlay(|overlay, app| overlay.key(key, app))
    }

    pub(super) fn tick_overlay(&mut self) {
        self.with_overlay(|overlay, app| {
            overlay.tick(app);
            Vec::new()
        });
    }

    fn wished(&mut self, wish: Wish) -> Vec<Effect> {
        match wish {
            Wish::Close => {
                self.overlay = None;
                Vec::new()
            }
            Wish::Show(overlay) => {
                self.overlay = Some(overlay);
                Vec::new()
            }
            // From here on it is the key of that action, with its question and its refusals.
            Wish::Run(action) => self.action(action),
            Wish::Go(place, filter) => {
                let mut effects = self.go_place(place);
                if let Some(filter) = filter {
                    effects.extend(self.filter(&filter));
                }
                effects
            }
            Wish::Filter(text) => self.filter(&text),
            Wish::SaveFilter(name) => self.save_filter(&name),
            Wish::Open(subject) => self.look_for(subject, true),
            Wish::Event(index) => self.open_event(index),
            Wish::Incident(id) => self.look_into(&id),
            Wish::Sort(sorting) => {
                if let Some(screen) = self.screens.get_mut(self.at) {
                    screen.sort_by(sorting);
                }
                Vec::new()
            }
            Wish::Columns(list, names) => self.shelve(Shelving::Columns(list, names)),
            Wish::Wear(wear) => vec![Effect::Theme(wear)],
            Wish::Switch(name) => self.switch(&name),
            Wish::Copy(text) => {
                self.say(Level::Info, &format!("copied {text}"));
                vec![Effect::Copy(text)]
            }
            Wish::CopyAs(what, text) => {
                self.say(Level::Info, &format!("copied {what}"));
                vec![Effect::Copy(text)]
            }
            Wish::CopySecret(secret) => {
                self.say(Level::Info, "copied the token");
                vec![Effect::CopySecret(secret)]
            }
            Wish::CloseSecret => {
                self.overlay = None;
                vec![Effect::Repaint]
            }
            Wish::SignIn(way) => self.sign_in(way),
            Wish::LeaveSignIn => self.leave_sign_in(),
            Wish::Prove(how) => self.prove(how),
            Wish::GiveUpFactor => self.give_up_factor("no second factor was given"),
            Wish::Say(level, text) => {
                self.say(level, &text);
                Vec::new()
            }
        }
    }

    fn go_place(&mut self, place: Place) -> Vec<Effect> {
        let at = self
            .screens
            .iter()
            .position(|screen| screen.place() == place);
        at.map(|at| self.go(at)).unwrap_or_default()
    }

    /// Puts a filter in force on the screen in front.
    fn filter(&mut self, text: &str) -> Vec<Effect> {
        let panes = self.layout().panes;
        let Some(screen) = self.screens.get_mut(self.at) else {
            return Vec::new();
        };
        let asks = screen.set_filter(text, &self.world, &panes);
        self.asked(asks)
    }

    /// Lets the person choose something about the list in front.
    pub(super) fn choose(&mut self, choice: Choice) {
        self.overlay = Some(match choice {
            Choice::Sort => Box::new(SortMenu::new(self)),
            Choice::Columns => Box::new(Columns::default()),
        });
    }

    /// Shows a row on its screen, all of it or selected in its list; one that is not known is asked for first.
    pub(super) fn look_for(&mut self, subject: Subject, whole: bool) -> Vec<Effect> {
        let query = alone(subject.clone());
        let known = self.world.store.get(&subject).is_some();
        self.wanted = Some((subject, whole));
        if known {
            self.show_wanted();
            return Vec::new();
        }
        query.map(Effect::Fetch).into_iter().collect()
    }

    /// Shows the receipts of an incident, unless another one is not over yet.
    fn look_into(&mut self, id: &str) -> Vec<Effect> {
        let open = self.open.incident.as_ref();
        if open.is_some_and(|open| open.is_committed() && !open.is_over()) {
            let key = self.world.keymap.key(self.front(), Action::Incident);
            let text = format!("another incident is not over yet: {key} comes back to it");
            self.say(Level::Warn, &text);
            return Vec::new();
        }
        self.looked_for = Some(id.to_owned());
        vec![Effect::Fetch(Query::Incident(id.to_owned()))]
    }

    /// Goes to an event of the record.
    fn open_event(&mut self, index: i64) -> Vec<Effect> {
        let mut effects = self.go_place(Place::Audit);
        let world = &self.world;
        let asks = self
            .screens
            .iter_mut()
            .find_map(|screen| screen.show_event(index, world));
        effects.extend(self.asked(asks.unwrap_or_default()));
        effects
    }

    /// Shows the row that somebody asked for, once it is there.
    pub(super) fn show_wanted(&mut self) {
        let Some((subject, whole)) = self.wanted.clone() else {
            return;
        };
        if self.world.store.get(&subject).is_none() || self.is_asked() {
            return;
        }
        self.wanted = None;
        let at = self
            .screens
            .iter_mut()
            .position(|screen| screen.show(&subject));
        if let Some(at) = at {
            self.at = at;
            let panes = self.layout().panes;
            let screen = self.screens.get_mut(at).filter(|_| whole);
            if let Some(screen) = screen {
                screen.settle(&self.world, &panes);
                screen.on(Action::Open, &self.world, &panes);
            }
        } else {
            let text = format!("no screen shows `{}`", subject.as_str());
            self.say(Level::Info, &text);
        }
    }

    /// Talks to another server: everything known of the one before is forgotten.
    fn switch(&mut self, name: &str) -> Vec<Effect> {
        let Some(backend) = self
            .settings
            .backends
            .iter()
            .find(|backend| backend.name == name)
            .cloned()
        else {
            let text = format!("there is no backend `{name}`");
            self.say(Level::Warn, &text);
            return Vec::new();
        };
        let incident = self.open.incident.as_ref();
        let runs = incident.is_some_and(|open| open.is_committed() && !open.is_over());
        let waits = !self.pending.is_empty() || !self.queue.is_empty();
        if waits || self.step_up.is_some() || runs {
            let key = self.world.keymap.key(self.front(), Action::Back);
            let text =
                format!("a change is not answered yet: wait for it, or give it up with {key}");
            self.say(Level::Warn, &text);
            return Vec::new();
        }
        let mut settings = self.settings.clone();
        let first = backend.url.split(',').next().unwrap_or_default();
        first.clone_into(&mut settings.server);
        settings.readonly = settings.readonly_flag.unwrap_or(backend.readonly);
        settings.backend = Some(backend.name.clone());
        self.begin_anew(&settings);
        let word = backend.environment_word();
        let text = format!("this is {} {word}", backend.name);
        self.say(Level::Info, text.trim_end());
        vec![
            Effect::Switch(Some(backend.name)),
            Effect::Connect,
            Effect::Fetch(Query::Me),
        ]
    }

    /// Forgets everything that is known of the server, but not what was said.
    pub(super) fn begin_anew(&mut self, settings: &Settings) {
        let settings = Settings {
            shelf: self.world.shelf.clone(),
            complaints: Vec::new(),
            ..settings.clone()
        };
        let moment = self.world.clock.moment(self.world.now);
        let toasts = std::mem::take(&mut self.toasts);
        *self = Self::new(&settings, self.size, moment);
        self.toasts = toasts;
        self.refresher.all();
    }

    /// Copies the selected row as the server sent it.
    pub(super) fn copy_json(&mut self) -> Vec<Effect> {
        let panes = self.layout().panes;
        // Some screens have something better to copy than the row.
        let own = self.screens.get_mut(self.at).filter(|screen| {
            screen.does(Action::CopyJson) && (screen.subject().is_none() || !screen.zoomed())
        });
        if let Some(screen) = own {
            let asks = screen.on(Action::CopyJson, &self.world, &panes);
            return self.asked(asks);
        }
        let subject = self.screen().and_then(Screen::subject);
        let seen = subject.and_then(|subject| self.world.store.get(&subject));
        let json = seen.and_then(|seen| {
            match &seen {
                Seen::Request(view) => serde_json::to_string_pretty(view.as_ref()),
                Seen::Grant(view) => serde_json::to_string_pretty(view.as_ref()),
                Seen::Session(view) => serde_json::to_string_pretty(view.as_ref()),
                Seen::Lock(view) => serde_json::to_string_pretty(view.as_ref()),
                Seen::SignIn(view) => serde_json::to_string_pretty(view.as_ref()),
                Seen::Service(view) => serde_json::to_string_pretty(view.as_ref()),
                Seen::Standing(view) => serde_json::to_string_pretty(view.as_ref()),
                Seen::Use(view) => serde_json::to_string_pretty(view.as_ref()),
            }
            .ok()
        });
        let Some(json) = json else {
            self.say(Level::Warn, "no row with JSON is selected");
            return Vec::new();
        };
        self.say(Level::Info, "copied the row as JSON");
        vec![Effect::Copy(json)]
    }

    /// Gives the detail the whole body, or takes it back.
    pub(super) fn zoom(&mut self) -> Vec<Effect> {
        let zoomed = self.screen().is_some_and(Screen::zoomed);
        self.action(if zoomed { Action::Back } else { Action::Open })
    }

    /// Says once what was wrong with the settings.
    pub(super) fn complain(&mut self) {
        for text in std::mem::take(&mut self.settings.complaints) {
            self.say(Level::Warn, &text);
        }
    }
}
