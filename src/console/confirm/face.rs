//! How the question about one row looks: facts, the line being typed, and what the keys do.

use crate::console::confirm::strip::Step;
use crate::console::confirm::{Kind, Strip, facts, hints};
use crate::console::doc::Doc;
use crate::console::keymap::{Action, Place};
use crate::console::theme::Role;
use crate::console::widget::countdown;
use crate::console::widget::input::Line;
use crate::console::world::World;

impl Strip {
    /// The line being typed, with its label.
    pub fn input(&self) -> Option<(&'static str, &Line)> {
        match (self.step, self.kind) {
            (Step::Sentence, Kind::Deny) => Some(("Comment", &self.sentence)),
            (Step::Sentence, _) => Some(("Reason", &self.sentence)),
            (Step::Intent, Kind::Extend) => Some(("Extend by", &self.length)),
            (Step::Intent, Kind::RotateService) => Some(("Good for", &self.length)),
            (Step::Intent, Kind::ImportStanding) => Some(("For", &self.length)),
            (Step::Intent, Kind::Narrow) => Some(self.less.input()),
            (Step::Intent, _) => None,
        }
    }

    /// Everything to know before answering, all but the line being typed.
    pub fn doc(&self, world: &World, width: u16) -> Doc {
        let mut doc = Doc::new(width);
        facts::describe(&mut doc, self, world);
        for change in &self.changes {
            doc.fact("Changed", change, Role::StatusWarn);
        }
        if self.kind.takes_away()
            && let Some(age) = world.link.age(world.now)
        {
            let age = countdown::text(age);
            let doing = match self.kind {
                Kind::EndSession | Kind::RevokeSignIn => "ending it",
                Kind::Return => "returning it",
                Kind::DeleteService => "deleting it",
                _ => "revoking",
            };
            doc.fact(
                "Careful",
                &format!("what you see is {age} old; {doing} works anyway"),
                Role::StatusWarn,
            );
        }
        if self.step == Step::Sentence && self.sentence.text().is_empty() {
            presets(&mut doc, self.kind);
        }
        doc
    }

    /// The title above the question.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind.verb(), self.subject)
    }

    /// The last line: what the keys do at this moment, or why they do nothing.
    pub fn prompt(&self, world: &World) -> Vec<(String, Role)> {
        if let Err(why) = self.possible(world) {
            return vec![
                (why, Role::StatusDanger),
                ("   ".to_owned(), Role::Text),
                (world.keymap.key(Place::Question, Action::No), Role::KeyHint),
                (" close".to_owned(), Role::Text),
            ];
        }
        if world.now < self.armed_at {
            return vec![(
                "read first: keys are ignored for a moment".to_owned(),
                Role::TextMuted,
            )];
        }
        if let Some(note) = &self.note {
            return vec![(note.clone(), Role::StatusWarn)];
        }
        let said = world.keymap.key(Place::Question, Action::Yes);
        let no = world.keymap.last_key(Place::Question, Action::No);
        let next = world.keymap.key(Place::Question, Action::NextField);
        let leave = world.keymap.key(Place::Question, Action::No);
        let nope = || vec![(no.clone(), "no")];
        // While a sentence is typed these keys are always the same.
        let typed = |enter| vec![("Enter".to_owned(), enter), ("Esc".to_owned(), "no")];
        let (yes, keys) = match (self.step, self.kind) {
            (Step::Intent, Kind::Approve) => ("approve", nope()),
            (Step::Intent, Kind::Narrow) => ("approve for this", self.less.hints(&world.keymap)),
            (Step::Intent, Kind::Extend) => (
                "extend",
                vec![
                    ("0-9 d h m s".to_owned(), "change"),
                    (next, "reason"),
                    (leave, "no"),
                ],
            ),
            (Step::Intent, Kind::Return) => ("give it back", nope()),
            (Step::Intent, Kind::RevokeSignIn) => ("end it now", nope()),
            (Step::Intent, Kind::DeleteService) => ("delete it now", nope()),
            (Step::Intent, Kind::RotateService) => (
                "make it",
                vec![("0-9 d h m s".to_owned(), "change"), (no.clone(), "no")],
            ),
            (Step::Intent, Kind::SignOff | Kind::Object) => {
                ("yes, then what you looked at", nope())
            }
            (
                Step::Intent,
                Kind::Revoke
                | Kind::EndSession
                | Kind::Lift
                | Kind::IgnoreStanding
                | Kind::ReopenStanding,
            ) => ("yes, then the reason", nope()),
            (Step::Intent, Kind::ImportStanding) => (
                "yes, then the reason",
                vec![("0-9 d h m s".to_owned(), "change"), (no.clone(), "no")],
            ),
            (Step::Intent | Step::Sentence, Kind::Deny) => ("", typed("deny")),
            (Step::Sentence, Kind::Extend) => (
                "",
                vec![
                    ("Enter".to_owned(), "back to the question"),
                    ("Esc".to_owned(), "back"),
                ],
            ),
            (Step::Sentence, Kind::EndSession) => ("", typed("end it now")),
            (Step::Sentence, Kind::Lift) => ("", typed("lift now")),
            (Step::Sentence, Kind::ImportStanding) => ("", typed("answer for it")),
            (Step::Sentence, Kind::IgnoreStanding) => ("", typed("ignore it")),
            (Step::Sentence, Kind::ReopenStanding) => ("", typed("open it again")),
            (Step::Sentence, Kind::SignOff) => ("", typed("sign off now")),
            (Step::Sentence, Kind::Object) => ("", typed("say so now")),
            (Step::Sentence, _) => ("", typed("revoke now")),
        };
        let mut all = Vec::new();
        if !yes.is_empty() {
            all.push((said, yes));
        }
        all.extend(keys);
        hints(&all)
    }
}

/// The sentences that digits stand for.
pub(super) fn presets(doc: &mut Doc, kind: Kind) {
    let presets: Vec<String> = kind
        .presets()
        .iter()
        .enumerate()
        .map(|(at, text)| format!("{} {text}", at + 1))
        .collect();
    if !presets.is_empty() {
        doc.fact("Presets", &presets.join("   "), Role::TextMuted);
    }
}
