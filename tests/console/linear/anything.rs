//! Whatever is typed, by whomever: nothing changes without its question, and nothing raw is read out.

use portcullis::console::app::{App, Settings};
use portcullis::console::confirm::{Act, Incident, LockForm};
use portcullis::console::linear::Talk;
use proptest::prelude::*;

use super::Line;
use crate::console::desk::{Desk, request};
use crate::console::sample;
use crate::support::hostile::corpus;

#[test]
fn nothing_typed_by_others_leaves_its_line_or_reaches_the_terminal_raw() {
    for attack in corpus() {
        let mut desk = Desk::new(120, 40);
        let mut asked = request(1, &attack, &attack, &attack, "1h", &attack);
        asked.verdict.clone_from(&attack);
        desk.requests = vec![asked];
        desk.connect();
        let mut line = Line::over(desk, true);
        let mut said = line.said();
        said.push_str(&line.say("show 1"));
        said.push_str(&line.say("approve 1"));
        said.push_str(&line.say("no"));
        said.push_str(&line.say(&format!("show {attack}")));
        for text in said.lines() {
            assert!(
                !text.chars().any(portcullis::text::hidden),
                "{attack:?} → {text:?}"
            );
            assert!(!text.starts_with("APPROVED"), "{attack:?} forges a line");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Type(String, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let words = prop_oneof![
        Just("requests"),
        Just("grants"),
        Just("approve 1"),
        Just("approve 2 10m"),
        Just("deny 1"),
        Just("revoke 1"),
        Just("extend 1"),
        Just("yes"),
        Just("y"),
        Just("no"),
        Just("1"),
        Just(""),
        Just("why not"),
        Just("show 1"),
        Just("claim 1"),
        Just("undo"),
        Just("mark all"),
        Just("mark 1"),
        Just("revoke marked"),
        Just("approve marked"),
        Just("deny marked"),
        Just("reason enough of this"),
        Just("drop 1"),
        Just("2"),
        Just("4"),
        Just("3"),
        Just("lock dave"),
        Just("dave"),
        Just("incident everything deny"),
        Just("keep 1"),
        Just("again"),
        Just("sessions"),
        Just("locks"),
        Just("end 1"),
        Just("lift 1"),
        Just("as of -2h"),
    ];
    prop_oneof![
        3 => (words, any::<bool>()).prop_map(|(text, alone)| Step::Type(text.to_owned(), alone)),
        1 => (".{0,20}", any::<bool>()).prop_map(|(text, alone)| Step::Type(text, alone)),
        2 => (0_u64..600).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Every change was asked about before, on the row that was named, and answered alone and after the pause.
    #[test]
    fn no_lines_change_anything_without_a_question_answered_in_time(steps in prop::collection::vec(step(), 1..60)) {
        let mut line = Line::over(sample::full_desk(120, 40), true);
        let mut quiet = 0;
        for step in steps {
            match step {
                Step::Wait(millis) => {
                    line.wait(millis);
                    quiet += millis;
                }
                Step::Type(text, alone) => {
                    let app = &line.desk.app;
                    let open = app.strip().map(|strip| strip.subject().clone());
                    let form = app.lock_form().map(LockForm::title);
                    let listed: Option<Vec<_>> = app.review().map(|review| {
                        let kept = review.items().iter().filter(|item| item.is_kept());
                        kept.map(|item| Some(item.subject.clone())).collect()
                    });
                    let counted = app.incident().map(Incident::count);
                    let before = line.changes.len();
                    line.hear(&text, alone);
                    let sent = &line.changes[before..];
                    for change in sent {
                        match change.act() {
                            // Nothing is given or taken, and others see it.
                            Act::Claim { .. } | Act::Release { .. } => continue,
                            Act::Lock { on, .. } => {
                                let name = portcullis::console::confirm::locked(on);
                                prop_assert_eq!(Some(format!("Lock {name}")), form.clone());
                                prop_assert_eq!(text.trim(), name);
                            }
                            Act::Incident { commit } => {
                                prop_assert_eq!(Some(commit.count as usize), counted);
                                prop_assert_eq!(text.trim().parse(), Ok(commit.count));
                            }
                            _ => {
                                if let Some(rows) = &listed {
                                    prop_assert!(rows.contains(&change.subject()));
                                    prop_assert_eq!(text.trim().parse(), Ok(rows.len()));
                                } else {
                                    prop_assert_eq!(change.subject(), open.clone());
                                    prop_assert_eq!(sent.len(), 1);
                                }
                            }
                        }
                        prop_assert!(alone && quiet >= 350, "{text:?} after {quiet} ms");
                    }
                    quiet = 0;
                }
            }
        }
    }
}

#[test]
fn a_conversation_needs_no_screen_settings() {
    let mut app = App::new(
        &Settings::default(),
        ratatui::layout::Size::new(120, 40),
        Desk::new(80, 24).now,
    );
    let mut talk = Talk::new(true);
    let effects = talk.look(&mut app, Desk::new(80, 24).now);
    assert!(effects.is_empty() && !talk.said().is_empty());
}
