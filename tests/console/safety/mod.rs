//! Whatever happens in whatever order: nothing changes without its confirmation, and what changes is what was shown.

mod judge;
mod server;
mod step;
mod watch;

use std::collections::BTreeMap;

use portcullis::console::msg::{Effect, Msg, Tidings};
use portcullis::console::store::Subject;
use portcullis::console::term::input::Mouse;
use portcullis::wire::AllowedAction;
use proptest::collection::vec;
use proptest::prelude::*;
use ratatui::layout::Position;

use crate::console::desk::{Desk, event, grant, request_id};
use crate::console::sample;
use step::scene;
use watch::Watch;

/// A few hundred plays are seconds; `PORTCULLIS_CASES=20000` is an hour.
fn cases() -> u32 {
    let asked = std::env::var("PORTCULLIS_CASES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(200)
}

/// A desk with something for every act, also a grant of one's own.
fn desk() -> Desk {
    let mut desk = sample::full_desk(120, 40);
    let mut own = grant(8, "maya", "ledger", "readonly", 30);
    own.allowed_actions.push(AllowedAction {
        action: "return".to_owned(),
        allowed: true,
        reason: None,
    });
    desk.grants.push(own);
    desk.send(Msg::Woke);
    desk.wait(3_000);
    let now = desk.server_now();
    desk.send(Msg::Stream(Tidings::Hello { now, epoch: 1 }));
    // The lists of locks and of uses were read before there were any.
    desk.uses = vec![
        sample::used(60, "eve", "open"),
        sample::used(61, "mallory", "open"),
    ];
    desk.tell(vec![
        event(999, "lock.placed", "rob"),
        event(1_000, "break_glass.used", "eve"),
    ]);
    desk.effects.clear();
    desk
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_done_without_its_confirmation(steps in vec(scene(), 1..60)) {
        let mut desk = desk();
        let mut watch = Watch::default();
        for step in steps.iter().flatten() {
            watch.play(&mut desk, step);
        }
    }

    #[test]
    fn pasted_text_and_the_mouse_change_nothing(texts in vec("[ -~\n]{0,30}", 1..20), clicks in vec((0_u16..120, 0_u16..40), 1..20)) {
        let mut desk = Desk::live(120, 40);
        for (text, (x, y)) in texts.into_iter().zip(clicks) {
            desk.keys("a");
            desk.read_it();
            desk.send(Msg::Paste(text));
            desk.send(Msg::Mouse(Mouse::Click, Position::new(x, y)));
            desk.wait(500);
        }
        prop_assert!(desk.effects.iter().all(|effect| !matches!(effect, Effect::Mutate(_))));
    }
}

/// The generator above must be able to reach every act, or it proves nothing about it.
#[test]
fn random_keys_reach_the_confirmation_of_every_act() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    const ACTS: [&str; 22] = [
        "approve",
        "narrow",
        "deny",
        "claim",
        "release",
        "extend",
        "revoke",
        "return",
        "end session",
        "lock",
        "lift",
        "end sign-in",
        "delete",
        "many end sign-in",
        "sign off",
        "incident",
        "many approve",
        "many deny",
        "many extend",
        "many revoke",
        "many end session",
        "many lift",
    ];
    let mut runner = TestRunner::deterministic();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..150 {
        let steps = vec(scene(), 40..60)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut desk = desk();
        let mut watch = Watch::default();
        for step in steps.iter().flatten() {
            watch.play(&mut desk, step);
        }
        for (act, times) in watch.count {
            *count.entry(act).or_default() += times;
        }
        if ACTS.iter().all(|act| count.contains_key(*act)) {
            return;
        }
    }
    let missing = ACTS.iter().filter(|act| !count.contains_key(**act));
    panic!(
        "never reached: {:?} among {count:?}",
        missing.collect::<Vec<_>>()
    );
}

#[test]
fn marks_of_a_question_name_the_selected_row_after_any_move() {
    let mut desk = Desk::live(120, 40);
    for (keys, id) in [("a", 1), ("Esc j a", 2), ("Esc k a", 1)] {
        desk.keys(keys);
        let strip = desk.app.strip().unwrap();
        assert_eq!(strip.subject(), &Subject::Request(request_id(id)));
        assert!(
            desk.screen()
                .contains(&format!("Approve {}", request_id(id)))
        );
    }
}
