//! Standing access that is on its targets now. It comes whole, so what is missing is gone.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use crate::domain::ids::StandingId;
use crate::wire::StandingView;

/// Standing access, with when it was asked for.
#[derive(Debug, Clone, Default)]
pub struct StandingAccess {
    rows: BTreeMap<StandingId, Rc<StandingView>>,
    asked: Option<Instant>,
}

impl StandingAccess {
    /// Every known piece of it.
    pub fn all(&self) -> impl Iterator<Item = (&StandingId, &Rc<StandingView>)> {
        self.rows.iter()
    }

    /// One piece of it.
    pub fn one(&self, id: &StandingId) -> Option<&Rc<StandingView>> {
        self.rows.get(id)
    }

    /// When what is known was asked for.
    pub fn asked_at(&self) -> Option<Instant> {
        self.asked
    }

    pub(super) fn take(&mut self, views: Vec<StandingView>, asked: Instant) {
        self.asked = Some(asked);
        let rows = views.into_iter();
        self.rows = rows
            .filter_map(|view| Some((view.id.parse().ok()?, Rc::new(view))))
            .collect();
    }

    /// One piece of it as it is after a change.
    pub(super) fn settle(&mut self, view: StandingView) {
        if let Ok(id) = view.id.parse() {
            self.rows.insert(id, Rc::new(view));
        }
    }

    pub(super) fn forget(&mut self, id: &StandingId) {
        self.rows.remove(id);
    }
}
