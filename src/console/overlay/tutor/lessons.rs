//! What the tutor teaches, in order. A lesson is over when the person has done it.

use crate::console::app::App;
use crate::console::confirm::Kind;
use crate::console::keymap::Place;
use crate::console::overlay::tutor::play::Play;

/// One lesson.
pub(super) struct Lesson {
    pub(super) title: &'static str,
    /// At most two lines at 80 columns.
    pub(super) text: &'static str,
    pub(super) todo: &'static str,
    pub(super) done: fn(&App, &Play) -> bool,
}

/// Every lesson; the last has nothing to do.
pub(super) const LESSONS: [Lesson; 9] = [
    Lesson {
        title: "Find what needs you",
        text: "What waits for you stands on top, the oldest first; no row moves under your cursor. \
               Below is the selected one: who, what, how long, why.",
        todo: "press {move.down} to go to the second request",
        done: |app, _| selected(app).is_some_and(|id| id != play_first()),
    },
    Lesson {
        title: "Ask to approve",
        text: "What the requester wrote stands behind a bar, so it can never look like our words. \
               A key that changes something only opens a question.",
        todo: "press {request.approve}",
        done: |app, play| asks(app, Kind::Approve) || play.approved > 0,
    },
    Lesson {
        title: "Read, then answer",
        text: "Nothing is done yet. For a moment keys are ignored, and Enter never means yes: \
               nobody approves by accident. Read what is given, to whom, until when.",
        todo: "press {question.yes} (or {question.no}, and {request.approve} again)",
        done: |_, play| play.approved > 0,
    },
    Lesson {
        title: "Deny with a reason",
        text: "The requester reads your comment. The numbers are ready-made sentences; typing your \
               own works as well. Enter sends it.",
        todo: "press {request.deny}, then 1, then Enter",
        done: |_, play| play.denied > 0,
    },
    Lesson {
        title: "Who has access now",
        text: "Requests, grants, sessions, audit, locks, timeline are one key away. Grants \
               that do not let go stand on top and are never hidden.",
        todo: "press {go.grants}",
        done: |app, _| app.front() == Place::Grants,
    },
    Lesson {
        title: "Find one of many",
        text: "A filter is words and field:value pairs, and all must match. {view.back} drops it. The \
               same language works in the commands, with --filter.",
        todo: "press {view.filter}, type mallory, press Enter",
        done: |app, play| {
            play.revoked > 0
                || app
                    .filter_text()
                    .is_some_and(|text| text.contains("mallory"))
        },
    },
    Lesson {
        title: "Take access away",
        text: "Revoking works even when little else does. It asks first, then for the reason. \
               It is shown as done only when the target was read back.",
        todo: "press {grant.revoke}, then {question.yes}, then 2, then Enter",
        done: |_, play| play.revoked > 0,
    },
    Lesson {
        title: "Find every key",
        text: "{view.help} lists what works here, and why something does not. {view.palette} runs anything \
               by a few letters. {view.command_line} and a key show the command line for it.",
        todo: "press {view.help}",
        done: |app, _| app.overlay().is_some(),
    },
    Lesson {
        title: "That is all",
        text: "Two deliberate keys for every change, and what you see is what is done. {mark.one} marks \
               rows for one review; {go.incident} takes much away at once, with a rehearsal first.",
        todo: "press Esc until you are back at your own console",
        done: |_, _| false,
    },
];

fn selected(app: &App) -> Option<String> {
    let subject = app.screen()?.subject()?;
    Some(subject.as_str().to_owned())
}

fn play_first() -> String {
    Play::request_id(1).to_string()
}

fn asks(app: &App, kind: Kind) -> bool {
    app.strip().is_some_and(|strip| strip.kind() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::keymap::Keymap;
    use crate::text::clean;

    #[test]
    fn every_lesson_fits_above_the_practice_console() {
        let keymap = Keymap::default();
        for lesson in &LESSONS {
            let (text, todo) = (keymap.fill(lesson.text), keymap.fill(lesson.todo));
            assert!(clean(&text).wrap(78).len() <= 2, "{}", lesson.title);
            assert!(todo.len() <= 76, "{}", lesson.title);
            assert!(!text.contains('{') && !todo.contains('{'), "{text} {todo}");
        }
    }
}
