//! Does what screens ask for, and tells them what happened.

use crate::client::Shelving;
use crate::console::app::App;
use crate::console::msg::Effect;
use crate::console::screen::{Ask, News, Screen};
use crate::console::widget::toast::Level;

impl App {
    /// Does what a screen asks for.
    pub(super) fn asked(&mut self, asks: Vec<Ask>) -> Vec<Effect> {
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
            Shelving::Use(..) | Shelving::Columns(..) | Shelving::Bookmark(..) => {}
        }
        vec![Effect::Shelve(change)]
    }

    /// Tells every screen.
    pub(super) fn tell(&mut self, news: &News<'_>) -> Vec<Effect> {
        let asks: Vec<Ask> = self
            .screens
            .iter_mut()
            .flat_map(|screen| screen.hear(news, &self.world))
            .collect();
        self.asked(asks)
    }
}
