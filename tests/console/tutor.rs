//! The tutor: it can be learned from, and nothing in it can reach a server.

use portcullis::console::msg::{Effect, Msg};

use super::desk::Desk;

fn lesson(desk: &Desk, at: usize) {
    let screen = desk.screen();
    assert!(screen.contains(&format!("TUTOR {at} of 9")), "{screen}");
}

fn opened(width: u16, height: u16) -> Desk {
    let mut desk = Desk::live(width, height);
    desk.keys(":");
    desk.type_in("tutor");
    desk.keys("Enter");
    desk.wait(200);
    desk.effects.clear();
    desk
}

#[test]
fn the_lessons_follow_what_the_person_does_and_change_nothing() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut desk = opened(width, height);
        lesson(&desk, 1);
        insta::assert_snapshot!(format!("tutor_{width}x{height}"), desk.screen());
        desk.keys("j");
        lesson(&desk, 2);
        desk.keys("a");
        lesson(&desk, 3);
        desk.read_it();
        desk.keys("y");
        desk.wait(200);
        lesson(&desk, 4);
        desk.keys("k d");
        desk.read_it();
        desk.keys("1 Enter");
        desk.wait(200);
        lesson(&desk, 5);
        desk.keys("2");
        lesson(&desk, 6);
        desk.keys("/");
        desk.type_in("mallory");
        desk.keys("Enter");
        desk.wait(300);
        lesson(&desk, 7);
        desk.keys("x");
        desk.read_it();
        desk.keys("y 2 Enter");
        desk.wait(200);
        lesson(&desk, 8);
        desk.keys("?");
        lesson(&desk, 9);
        insta::assert_snapshot!(format!("tutor_end_{width}x{height}"), desk.screen());
        desk.keys("Esc Esc Esc");
        assert!(desk.app.overlay().is_none(), "{}", desk.screen());
        assert!(desk.app.strip().is_none());
        assert!(
            desk.effects
                .iter()
                .all(|effect| !matches!(effect, Effect::Mutate(_) | Effect::Switch(_))),
            "{:?}",
            desk.effects
        );
    }
}

#[test]
fn a_closed_question_can_be_opened_again() {
    let mut desk = opened(80, 24);
    desk.keys("j a");
    desk.read_it();
    desk.keys("Esc");
    lesson(&desk, 3);
    assert!(desk.app.overlay().is_some(), "Esc closed the question only");
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    desk.wait(200);
    lesson(&desk, 4);
}

#[test]
fn random_keys_in_the_tutor_ask_for_nothing() {
    use portcullis::console::term::input::Key;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let keys = proptest::collection::vec("[a-zA-Z0-9 :/?.*<>]|\r|\t", 60);
    for _ in 0..8 {
        let keys = keys.new_tree(&mut runner).unwrap().current();
        let mut desk = opened(120, 40);
        for text in keys {
            let code = match text.as_str() {
                "\r" => crossterm::event::KeyCode::Enter,
                "\t" => crossterm::event::KeyCode::Tab,
                other => crossterm::event::KeyCode::Char(other.chars().next().unwrap()),
            };
            if desk.app.overlay().is_none() {
                break;
            }
            desk.press(Key::press(code, crossterm::event::KeyModifiers::NONE));
            desk.wait(400);
            desk.send(Msg::Paste("y\n".to_owned()));
        }
        let asked = |effect: &Effect| matches!(effect, Effect::Mutate(_));
        assert!(!desk.effects.iter().any(asked));
    }
}

#[test]
fn it_is_small_with_the_window_and_grows_again() {
    let mut desk = opened(120, 40);
    desk.resize(80, 24);
    desk.wait(50);
    lesson(&desk, 1);
    desk.resize(60, 15);
    assert!(desk.screen().contains("needs 80x20"));
    desk.resize(120, 40);
    desk.wait(50);
    lesson(&desk, 1);
}
