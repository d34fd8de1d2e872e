//! How the question about one row looks: facts, the line being typed, and what the keys do.

use crate::console::confirm::strip::Step;
use crate::console::confirm::{Kind, Strip, facts};
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
                Kind::EndSession => "ending it",
                Kind::Return => "returning it",
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
                ("Esc".to_owned(), Role::KeyHint),
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
        let nope = [(no.as_str(), "no")];
        let less;
        let (yes, keys): (&str, &[(&str, &str)]) = match (self.step, self.kind) {
            (Step::Intent, Kind::Approve) => ("approve", &nope),
            (Step::Intent, Kind::Narrow) => {
                less = self.less.hints();
                ("approve for this", &less)
            }
            (Step::Intent, Kind::Extend) => (
                "extend",
                &[("0-9 d h m s", "change"), ("Tab", "reason"), ("Esc", "no")],
            ),
            (Step::Intent, Kind::Return) => ("give it back", &nope),
            (Step::Intent, Kind::Revoke | Kind::EndSession | Kind::Lift) => {
                ("yes, then the reason", &nope)
            }
            (Step::Intent | Step::Sentence, Kind::Deny) => {
                ("", &[("Enter", "deny"), ("Esc", "no")])
            }
            (Step::Sentence, Kind::Extend) => {
                ("", &[("Enter", "back to the question"), ("Esc", "back")])
            }
            (Step::Sentence, Kind::EndSession) => ("", &[("Enter", "end it now"), ("Esc", "no")]),
            (Step::Sentence, Kind::Lift) => ("", &[("Enter", "lift now"), ("Esc", "no")]),
            (Step::Sentence, _) => ("", &[("Enter", "revoke now"), ("Esc", "no")]),
        };
        let first = (!yes.is_empty()).then_some((said.as_str(), yes));
        let pieces = first.iter().chain(keys).flat_map(|(key, word)| {
            [
                ((*key).to_owned(), Role::KeyHint),
                (format!(" {word}   "), Role::Text),
            ]
        });
        pieces.collect()
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
