//! Undo: for half a minute after a change its opposite is one key away, as a question of its own. What cannot be
//! undone says why, and what to do instead.

use std::time::{Duration, Instant};

use crate::console::app::App;
use crate::console::confirm::{Act, Kind, Mutation, claim};
use crate::console::keymap::{Action, Keymap, Place};
use crate::console::msg::{Effect, Receipt};
use crate::console::store::Subject;
use crate::console::widget::toast::Level;
use crate::domain::ids::GrantId;

/// Longer, and nobody remembers what the last change was.
const FOR: Duration = Duration::from_secs(30);

/// The last change, while it can be undone.
#[derive(Debug, Clone)]
pub(super) struct Undo {
    what: Opposite,
    until: Instant,
}

/// What undoes a change.
#[derive(Debug, Clone)]
enum Opposite {
    /// A question about a row: revoke what was approved, lift what was locked.
    Ask(Kind, Subject),
    /// A claim goes the other way.
    Claim(Subject),
    /// Nothing does; this is why, and what helps.
    Never(String),
}

impl Undo {
    /// Says how a change that was just done can be undone.
    pub(super) fn of(mutation: &Mutation, receipt: &Receipt, now: Instant) -> Option<Self> {
        let what = match (mutation.act(), receipt) {
            (Act::Approve { .. }, Receipt::Request(view)) if view.state == "approved" => {
                let grant: GrantId = view.grant.as_ref()?.parse().ok()?;
                Opposite::Ask(Kind::Revoke, Subject::Grant(grant))
            }
            (Act::Approve { .. }, _) => Opposite::Never(
                "your review counts already: deny the request to stop it".to_owned(),
            ),
            (Act::Claim { request } | Act::Release { request }, _) => {
                Opposite::Claim(Subject::Request(request.clone()))
            }
            (Act::Lock { .. }, Receipt::Lock(view)) => {
                Opposite::Ask(Kind::Lift, Subject::Lock(view.id.parse().ok()?))
            }
            (Act::Deny { .. }, Receipt::Request(view)) => Opposite::Never(format!(
                "a denied request stays denied: `{}` must ask again",
                view.requester
            )),
            (Act::Revoke { .. } | Act::Return { .. }, Receipt::Grant(view)) => {
                Opposite::Never(format!(
                    "access that was taken away does not come back: `{}` must ask again",
                    view.holder
                ))
            }
            (Act::Extend { .. }, _) => Opposite::Never(
                "an extension cannot be shortened: revoke the grant instead".to_owned(),
            ),
            (Act::EndSession { .. }, _) => Opposite::Never(
                "a cut connection does not come back: its holder may connect again".to_owned(),
            ),
            (Act::RevokeSignIn { .. }, _) => {
                Opposite::Never("a sign-in that was ended is made anew by signing in".to_owned())
            }
            (Act::DeleteService { .. }, _) => Opposite::Never(
                "a deleted service account does not come back: make another".to_owned(),
            ),
            (Act::MakeService { .. }, _) => {
                Opposite::Never("a service account is deleted, not unmade".to_owned())
            }
            (Act::RotateService { .. }, _) => {
                Opposite::Never("the token before does not come back: make another one".to_owned())
            }
            (Act::IgnoreStanding { standing, .. } | Act::ImportStanding { standing, .. }, _) => {
                Opposite::Ask(Kind::ReopenStanding, Subject::Standing(standing.clone()))
            }
            (Act::ReopenStanding { .. }, _) => Opposite::Never(
                "what was said before is on the record: say it again if it still holds".to_owned(),
            ),
            (Act::Lift { .. }, _) => {
                Opposite::Never("a lifted lock stays lifted: place it again".to_owned())
            }
            (Act::SignOff { .. }, _) => Opposite::Never("a verdict stays on the record".to_owned()),
            (Act::Incident { .. }, _) => Opposite::Never(
                "an incident cannot be undone: lift its locks, and people ask again".to_owned(),
            ),
            _ => return None,
        };
        Some(Self {
            what,
            until: now + FOR,
        })
    }

    /// What is said about it in the corner, while it can be done.
    pub(super) fn offer(&self, keymap: &Keymap) -> Option<(String, Instant)> {
        let what = match &self.what {
            Opposite::Ask(Kind::Revoke, _) => "revokes its grant",
            Opposite::Ask(Kind::ReopenStanding, _) => "opens it again",
            Opposite::Ask(..) => "lifts it",
            Opposite::Claim(_) => "undoes it",
            Opposite::Never(_) => return None,
        };
        let key = keymap.key(Place::Anywhere, Action::Undo);
        let key = if key.is_empty() { "undo" } else { &key };
        Some((format!("{key} {what}"), self.until))
    }
}

impl App {
    /// Asks to undo the last change, or says why not.
    pub(super) fn undo(&mut self) -> Vec<Effect> {
        let now = self.world.now;
        let Some(undo) = self.undo.take().filter(|undo| undo.until > now) else {
            self.say(
                Level::Info,
                "nothing to undo: it is possible for 30 s after a change",
            );
            return Vec::new();
        };
        match undo.what.clone() {
            Opposite::Never(why) => {
                self.say(Level::Info, &why);
                Vec::new()
            }
            Opposite::Claim(subject) => match claim(&self.world, &subject) {
                Ok(mutation) => self.begin(mutation),
                Err(why) => {
                    self.say(Level::Warn, &why);
                    Vec::new()
                }
            },
            Opposite::Ask(kind, subject) => {
                if let Err(why) = self.world.may(kind, &subject) {
                    self.say(Level::Warn, &why);
                    self.refresher.mark(subject, self.world.now);
                    self.undo = Some(undo);
                    return Vec::new();
                }
                self.undo = Some(undo);
                self.ask_about(kind, subject)
            }
        }
    }
}
