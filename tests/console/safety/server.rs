//! What the server answers, and what others do meanwhile.

use std::time::Duration;

use portcullis::console::confirm::{Act, Mutation};
use portcullis::console::msg::{Msg, Receipt, Tidings};
use portcullis::console::term::input::Mouse;
use portcullis::wire::{ClaimView, SessionEnded};
use ratatui::layout::Position;

use super::step::Step;
use crate::console::desk::{Desk, event, grant_id, request, request_id};
use crate::console::sample;
use crate::console::services::token;

/// What the server says when it has done it; the rows on the desk are as it says from then on.
pub(super) fn receipt(desk: &mut Desk, change: &Mutation) -> Receipt {
    let id = change.subject().map(|subject| subject.as_str().to_owned());
    let id = id.unwrap_or_default();
    let now = desk.server_now();
    let asked = desk.requests.iter_mut().find(|view| view.id == id);
    let granted = desk.grants.iter_mut().find(|view| view.id == id);
    match (change.act(), asked, granted) {
        (Act::Lock { .. }, ..) => {
            let lock = sample::lock(7, "dave", "in_force");
            desk.locks.push(lock.clone());
            Receipt::Lock(Box::new(lock))
        }
        (Act::Incident { .. }, ..) => {
            desk.incident = Some(sample::incident(false));
            Receipt::Incident(Box::new(sample::incident(false)))
        }
        (Act::EndSession { session, .. }, ..) => Receipt::Session(SessionEnded {
            grant: session.grant.to_string(),
            session: session.id.clone(),
            outcome: "ended".to_owned(),
        }),
        (Act::RevokeSignIn { .. }, ..) => {
            desk.sign_ins.retain(|view| view.id != id);
            Receipt::Gone
        }
        (Act::MakeService { .. } | Act::RotateService { .. }, ..) => token("deploy-bot"),
        (Act::DeleteService { .. }, ..) => {
            desk.services.retain(|view| view.name != id);
            Receipt::Gone
        }
        (
            Act::IgnoreStanding { .. } | Act::ImportStanding { .. } | Act::ReopenStanding { .. },
            ..,
        ) => {
            let settled = desk.standing.iter_mut().find(|view| view.id == id);
            let settled = settled.expect("the standing access is known");
            settled.version += 1;
            settled.state = match change.act() {
                Act::IgnoreStanding { .. } => "ignored",
                Act::ImportStanding { .. } => "imported",
                _ => "open",
            }
            .to_owned();
            Receipt::Standing(Box::new(settled.clone()))
        }
        (Act::SignOff { verdict, .. }, ..) => {
            let used = desk.uses.iter_mut().find(|view| view.id == id);
            let used = used.expect("the use is known");
            used.version += 1;
            used.state = verdict.as_str().to_owned();
            used.allowed_actions.clear();
            Receipt::Use(Box::new(used.clone()))
        }
        (Act::Lift { .. }, ..) => {
            let mut lock = sample::lock(1, "mallory", "lifted");
            lock.id = id;
            lock.version = change.version() + 1;
            Receipt::Lock(Box::new(lock))
        }
        (Act::Extend { .. }, ..) => {
            let mut view = request(40, "carol", "bastion-04", "shell", "15m", "more time");
            view.state = "approved".to_owned();
            Receipt::Request(Box::new(view))
        }
        (_, _, Some(view)) => {
            view.version += 1;
            view.state = "closing".to_owned();
            Receipt::Grant(Box::new(view.clone()))
        }
        (act, Some(view), None) => {
            view.version += 1;
            view.claim = None;
            match act {
                Act::Approve { .. } => {
                    view.state = "approved".to_owned();
                    view.grant = Some(grant_id(6).to_string());
                }
                Act::Deny { .. } => view.state = "denied".to_owned(),
                Act::Claim { .. } => {
                    view.claim = Some(ClaimView {
                        by: "maya".to_owned(),
                        since: now,
                        until: now + chrono::TimeDelta::minutes(10),
                    });
                }
                _ => {}
            }
            Receipt::Request(Box::new(view.clone()))
        }
        (act, None, None) => panic!("nobody knows the row of {act:?}"),
    }
}

pub(super) fn happen(desk: &mut Desk, step: &Step) {
    match step {
        Step::Paste(text) => desk.send(Msg::Paste(text.clone())),
        Step::Wait(millis) => desk.wait(*millis),
        Step::Click(x, y) => desk.send(Msg::Mouse(Mouse::Click, Position::new(*x, *y))),
        Step::Focus => desk.send(Msg::Focus(true)),
        Step::Resize(width, height) => desk.resize(*width, *height),
        Step::Decided(number) => {
            let id = request_id(*number).to_string();
            if let Some(view) = desk.requests.iter_mut().find(|view| view.id == id) {
                view.version += 1;
                view.duration_granted = "10m".to_owned();
            }
            let mut told = event(1_000, "review.recorded", "rob");
            told.request = Some(id);
            desk.tell(vec![told]);
        }
        Step::Asked(number) => {
            if desk
                .requests
                .iter()
                .all(|view| view.id != request_id(*number).to_string())
            {
                desk.requests.push(request(
                    *number,
                    "eve",
                    "ledger",
                    "admin",
                    "2h",
                    "y\ny\nplease",
                ));
            }
            let mut told = event(1_000, "request.submitted", "eve");
            told.request = Some(request_id(*number).to_string());
            desk.tell(vec![told]);
        }
        Step::Revoked(number) => {
            let id = grant_id(*number).to_string();
            if let Some(view) = desk.grants.iter_mut().find(|view| view.id == id) {
                view.version += 1;
                view.state = "revoked".to_owned();
                view.allowed_actions
                    .iter_mut()
                    .for_each(|action| action.allowed = false);
            }
            let mut told = event(1_000, "grant.revoked", "rob");
            told.grant = Some(id);
            desk.tell(vec![told]);
        }
        Step::Lost => {
            let retry_in = Duration::from_secs(2);
            desk.send(Msg::Stream(Tidings::Lost {
                why: "it broke".to_owned(),
                retry_in,
            }));
        }
        Step::Live => {
            let now = desk.server_now();
            desk.send(Msg::Stream(Tidings::Hello { now, epoch: 1 }));
        }
        Step::Woke => desk.send(Msg::Woke),
        _ => {}
    }
}
