//! Who is signed in, the service accounts, standing access. Each comes whole, so what is missing is gone.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use crate::console::store::{Seen, Subject};
use crate::domain::ids::{PrincipalName, SignInId, StandingId};
use crate::wire::{ServiceView, SignInView, StandingView};

/// Sign-ins, service accounts and standing access, with when they were asked for.
#[derive(Debug, Clone, Default)]
pub struct People {
    sign_ins: BTreeMap<SignInId, Rc<SignInView>>,
    sign_ins_at: Option<Instant>,
    services: BTreeMap<PrincipalName, Rc<ServiceView>>,
    services_at: Option<Instant>,
    standing: BTreeMap<StandingId, Rc<StandingView>>,
    standing_at: Option<Instant>,
}

impl People {
    /// Every known sign-in.
    pub fn sign_ins(&self) -> impl Iterator<Item = (&SignInId, &Rc<SignInView>)> {
        self.sign_ins.iter()
    }

    /// One of them.
    pub fn sign_in(&self, id: &SignInId) -> Option<&Rc<SignInView>> {
        self.sign_ins.get(id)
    }

    /// When the sign-ins that are known were asked for.
    pub fn sign_ins_at(&self) -> Option<Instant> {
        self.sign_ins_at
    }

    /// Every known service account.
    pub fn services(&self) -> impl Iterator<Item = (&PrincipalName, &Rc<ServiceView>)> {
        self.services.iter()
    }

    /// One of them.
    pub fn service(&self, name: &PrincipalName) -> Option<&Rc<ServiceView>> {
        self.services.get(name)
    }

    /// When the service accounts that are known were asked for.
    pub fn services_at(&self) -> Option<Instant> {
        self.services_at
    }

    pub(super) fn take_sign_ins(&mut self, views: Vec<SignInView>, asked: Instant) {
        self.sign_ins_at = Some(asked);
        let rows = views.into_iter();
        self.sign_ins = rows
            .filter_map(|view| Some((view.id.parse().ok()?, Rc::new(view))))
            .collect();
    }

    pub(super) fn take_services(&mut self, views: Vec<ServiceView>, asked: Instant) {
        self.services_at = Some(asked);
        let rows = views.into_iter();
        self.services = rows
            .filter_map(|view| Some((view.name.parse().ok()?, Rc::new(view))))
            .collect();
    }

    /// What is known of standing access; what is gone from its target is not among it.
    pub fn standing(&self) -> impl Iterator<Item = (&StandingId, &Rc<StandingView>)> {
        self.standing.iter()
    }

    /// One piece of it.
    pub fn one_standing(&self, id: &StandingId) -> Option<&Rc<StandingView>> {
        self.standing.get(id)
    }

    /// When the standing access that is known was asked for.
    pub fn standing_at(&self) -> Option<Instant> {
        self.standing_at
    }

    pub(super) fn take_standing(&mut self, views: Vec<StandingView>, asked: Instant) {
        self.standing_at = Some(asked);
        let rows = views.into_iter();
        self.standing = rows
            .filter_map(|view| Some((view.id.parse().ok()?, Rc::new(view))))
            .collect();
    }

    /// One piece of it as it is after a change.
    pub(super) fn settle_standing(&mut self, view: StandingView) {
        if let Ok(id) = view.id.parse() {
            self.standing.insert(id, Rc::new(view));
        }
    }

    pub(super) fn get(&self, subject: &Subject) -> Option<Seen> {
        match subject {
            Subject::SignIn(id) => self.sign_in(id).cloned().map(Seen::SignIn),
            Subject::Service(name) => self.service(name).cloned().map(Seen::Service),
            Subject::Standing(id) => self.one_standing(id).cloned().map(Seen::Standing),
            _ => None,
        }
    }

    pub(super) fn forget(&mut self, subject: &Subject) {
        match subject {
            Subject::SignIn(id) => drop(self.sign_ins.remove(id)),
            Subject::Service(name) => drop(self.services.remove(name)),
            Subject::Standing(id) => drop(self.standing.remove(id)),
            _ => {}
        }
    }
}
