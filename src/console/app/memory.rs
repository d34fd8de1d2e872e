//! What stays in memory: everything that is open, everything that somebody has in hand, and of what is over the latest.

use std::collections::HashSet;

use crate::console::app::App;
use crate::console::msg::{Effect, Trip};
use crate::console::screen::News;
use crate::console::store::Subject;
use crate::wire::Page;

impl App {
    /// Lets go of rows that are over and in nobody's hands.
    pub(super) fn prune(&mut self) -> Vec<Effect> {
        let (screens, open) = (&self.screens, &self.open);
        let asked = self.strip.as_ref().map(|strip| strip.subject());
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
                    .flat_map(|review| review.items())
                    .any(|item| item.subject == *subject)
                || is_busy(subject)
        };
        match self.world.store.prune(holds) {
            Some(pruned) => self.tell(&News::Pruned(&pruned)),
            None => Vec::new(),
        }
    }

    /// Rows were read by their ids; those that did not come are no longer shown to this person.
    pub(super) fn read_some(
        &mut self,
        asked: impl Iterator<Item = Subject>,
        came: &Came<'_>,
        trip: Trip,
    ) {
        for subject in asked {
            if came.ids.contains(subject.as_str()) {
                self.world.store.read(subject, trip.sent);
            } else if came.whole {
                self.world.store.forget(&subject);
            }
        }
    }
}

/// The rows of a page, and whether there are no others.
pub(super) struct Came<'a> {
    ids: HashSet<&'a str>,
    whole: bool,
}

pub(super) fn came<T>(page: &Page<T>, id: impl Fn(&T) -> &String) -> Came<'_> {
    Came {
        ids: page.items.iter().map(|view| id(view).as_str()).collect(),
        whole: page.next.is_none(),
    }
}
