//! What stays in memory: everything that is open, everything that somebody has in hand, and of what is over the latest.

use crate::console::app::App;
use crate::console::confirm::{Review, Strip};
use crate::console::keymap::Place;
use crate::console::msg::{Effect, These, Trip};
use crate::console::screen::{News, Screen};
use crate::console::store::Subject;

impl App {
    /// Lets go of rows that are over and in nobody's hands.
    pub(super) fn prune(&mut self) -> Vec<Effect> {
        let (screens, open) = (&self.screens, &self.open);
        let asked = self.strip.as_ref().map(Strip::subject);
        let is_busy = |subject: &Subject| {
            self.pending.iter().any(|pending| pending.is_about(subject))
                || self
                    .queue
                    .iter()
                    .any(|mutation| mutation.subject().as_ref() == Some(subject))
        };
        let holds = |subject: &Subject| {
            screens.iter().any(|screen| screen.holds(subject))
                || asked == Some(subject)
                || self
                    .wanted
                    .as_ref()
                    .is_some_and(|wanted| wanted.0 == *subject)
                || open
                    .review
                    .iter()
                    .flat_map(Review::items)
                    .any(|item| item.subject == *subject)
                || is_busy(subject)
        };
        match self.world.store.prune(holds) {
            Some(pruned) => self.tell(&News::Pruned(&pruned)),
            None => Vec::new(),
        }
    }

    /// Whoever has the list of uses in front of them has looked at it.
    pub(super) fn look_at_uses(&mut self) {
        let front = self.screen().map(Screen::place);
        if front == Some(Place::Glass) && self.overlay.is_none() {
            let ids = self.world.store.uses().map(|(id, _)| id.clone());
            self.world.looked_at.extend(ids);
        }
    }

    /// Rows that were read together are as fresh as rows that were read alone.
    pub(super) fn take_these(&mut self, these: These, trip: Trip) {
        for subject in &these.missing {
            self.refresher.read(subject, trip.sent);
            self.world.store.forget(subject);
        }
        for subject in these.ids() {
            self.refresher.read(&subject, trip.sent);
            self.world.store.read(subject, trip.sent);
        }
        for view in these.requests {
            self.world.store.take_request(view);
        }
        for view in these.grants {
            self.take_grant(view);
        }
        for view in these.locks {
            self.world.store.take_lock(view);
        }
        for view in these.uses {
            self.world.store.take_use(view);
        }
    }
}
