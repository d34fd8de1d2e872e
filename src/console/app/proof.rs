//! What is said of an event that was looked for in the signed log.

use crate::console::app::App;
use crate::console::msg::Effect;
use crate::console::screen::{News, Proof};
use crate::console::widget::toast::Level;

impl App {
    /// Says what came of looking for an event in the signed log.
    pub(super) fn proof_came(&mut self, index: i64, proof: &Proof) -> Vec<Effect> {
        match proof {
            Proof::Proved(proved) => {
                let size = proved.watched.checkpoint.size;
                let text = format!("event {index} is in the signed log of {size} events");
                self.say(Level::Success, &text);
            }
            Proof::Wrong(why) => self.say(Level::Error, &format!("NOT PROVED: {why}")),
            Proof::Unknown(why) => self.say(Level::Warn, &format!("event {index}: {why}")),
            Proof::Asked => {}
        }
        self.tell(&News::Proved { index, proof })
    }
}
