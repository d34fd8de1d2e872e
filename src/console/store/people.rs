//! Who is signed in, and the service accounts. Both come whole, so what is missing is gone.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use crate::console::store::{Seen, Subject};
use crate::domain::ids::{PrincipalName, SignInId};
use crate::wire::{ServiceView, SignInView};

/// Sign-ins and service accounts, with when they were asked for.
#[derive(Debug, Clone, Default)]
pub struct People {
    sign_ins: BTreeMap<SignInId, Rc<SignInView>>,
    sign_ins_at: Option<Instant>,
    services: BTreeMap<PrincipalName, Rc<ServiceView>>,
    services_at: Option<Instant>,
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

    pub(super) fn get(&self, subject: &Subject) -> Option<Seen> {
        match subject {
            Subject::SignIn(id) => self.sign_in(id).cloned().map(Seen::SignIn),
            Subject::Service(name) => self.service(name).cloned().map(Seen::Service),
            _ => None,
        }
    }

    pub(super) fn forget(&mut self, subject: &Subject) {
        match subject {
            Subject::SignIn(id) => drop(self.sign_ins.remove(id)),
            Subject::Service(name) => drop(self.services.remove(name)),
            _ => {}
        }
    }
}
