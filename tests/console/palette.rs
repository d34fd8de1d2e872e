//! The palette: a few letters find anything, and what changes something still comes to its question.

use crossterm::event::{KeyCode, KeyModifiers};
use portcullis::console::keymap::Place;
use portcullis::console::msg::{Effect, Msg, Query, Wear};
use portcullis::console::term::input::Key;

use super::desk::{Desk, grant_id, key, request, request_id};
use super::sample;

fn typed(desk: &mut Desk, text: &str) {
    desk.keys(":");
    desk.type_in(text);
}

#[test]
fn the_palette_lists_what_works_here_with_its_keys() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut desk = Desk::live(width, height);
        desk.keys(":");
        insta::assert_snapshot!(format!("palette_{width}x{height}"), desk.screen());
        desk.type_in("revo");
        assert!(
            !desk.screen().contains("▸ revoke"),
            "not a key of this screen"
        );
        desk.keys("Esc 2 ctrl-p");
        desk.type_in("revo");
        insta::assert_snapshot!(format!("palette_revoke_{width}x{height}"), desk.screen());
    }
}

#[test]
fn an_act_from_the_palette_opens_its_question_and_does_nothing_else() {
    let mut desk = Desk::live(120, 40);
    desk.keys("2");
    typed(&mut desk, "revoke");
    desk.keys("Enter");
    let strip = desk.app.strip().expect("the question");
    assert!(desk.app.overlay().is_none());
    assert_eq!(strip.subject().as_str(), grant_id(6).as_str());
    assert!(strip.armed_at() > desk.now.steady, "it arms from now on");
    assert_eq!(desk.changes(), []);
    // The finger that ran it cannot say yes with the same press.
    desk.keys("Enter Enter");
    assert_eq!(desk.changes(), []);
}

#[test]
fn what_cannot_be_done_says_why_and_stays_undone() {
    let mut desk = Desk::live(120, 40);
    desk.requests[0].allowed_actions[0].allowed = false;
    desk.requests[0].allowed_actions[0].reason = Some("you asked for this one".to_owned());
    desk.requests[0].version = 2;
    desk.send(Msg::Woke);
    desk.wait(3_000);
    typed(&mut desk, "approve");
    assert!(
        desk.screen().contains("not now: you asked for this one"),
        "{}",
        desk.screen()
    );
    desk.keys("Enter");
    assert!(desk.app.strip().is_none());
}

#[test]
fn keys_in_the_palette_reach_nothing_behind_it() {
    let mut desk = Desk::live(120, 40);
    desk.keys(":");
    desk.type_in("adexqyn12");
    desk.send(Msg::Paste("a\ny\n".to_owned()));
    desk.wait(500);
    assert!(desk.app.strip().is_none() && desk.app.overlay().is_some());
    assert_eq!(desk.app.front(), Place::Requests);
    assert_eq!(desk.changes(), []);
}

#[test]
fn enter_held_down_or_pasted_runs_nothing() {
    let mut desk = Desk::live(120, 40);
    typed(&mut desk, "approve");
    for (repeat, burst) in [(true, false), (false, true)] {
        let enter = Key {
            repeat,
            burst,
            ..Key::press(KeyCode::Enter, KeyModifiers::NONE)
        };
        desk.press(enter);
        assert!(desk.app.strip().is_none() && desk.app.overlay().is_some());
    }
}

#[test]
fn a_screen_with_a_filter_is_one_command() {
    let mut desk = Desk::live(120, 40);
    typed(&mut desk, "grants who:carol");
    assert!(desk.screen().contains("go there with this filter"));
    desk.keys("Enter");
    let screen = desk.screen();
    assert!(screen.contains("[2 Grants"), "{screen}");
    assert!(
        screen.contains("who:carol") && !screen.contains("dave"),
        "{screen}"
    );
}

#[test]
fn a_row_is_opened_by_its_id() {
    let mut desk = Desk::live(120, 40);
    typed(&mut desk, &format!("open {}", grant_id(5)));
    desk.keys("Enter");
    assert_eq!(desk.app.front(), Place::Grants);
    let subject = desk.app.screen().unwrap().subject().unwrap();
    assert_eq!(subject.as_str(), grant_id(5).as_str());
    assert!(desk.app.screen().unwrap().zoomed());
}

#[test]
fn a_row_that_is_not_here_is_asked_for_and_shown_when_it_comes() {
    let mut desk = Desk::live(120, 40);
    desk.requests
        .push(request(9, "zoe", "ledger", "read-write", "1h", "late"));
    typed(&mut desk, &request_id(9).to_string());
    desk.effects.clear();
    desk.keys("Enter");
    let asked = Effect::Fetch(Query::Request(request_id(9)));
    assert!(desk.effects.contains(&asked), "{:?}", desk.effects);
    let subject = desk.app.screen().unwrap().subject().unwrap();
    assert_eq!(subject.as_str(), request_id(9).as_str());
}

#[test]
fn themes_are_tried_on_while_moving_and_go_back_with_esc() {
    let mut desk = Desk::live(120, 40);
    desk.effects.clear();
    typed(&mut desk, "theme ");
    desk.keys("Down Enter");
    let worn = |desk: &mut Desk| -> Vec<Wear> {
        std::mem::take(&mut desk.effects)
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Theme(wear) => Some(wear),
                _ => None,
            })
            .collect()
    };
    let wears = worn(&mut desk);
    assert!(
        matches!(wears.as_slice(), [Wear::TryOn(_), .., Wear::Keep(_)]),
        "{wears:?}"
    );
    typed(&mut desk, "theme mono");
    desk.keys("Esc");
    let wears = worn(&mut desk);
    assert_eq!(wears.last(), Some(&Wear::Restore), "{wears:?}");
}

#[test]
fn tab_completes_a_command() {
    let mut desk = Desk::live(80, 24);
    typed(&mut desk, "them");
    desk.keys("Tab");
    assert!(desk.screen().contains("│ : theme"), "{}", desk.screen());
}

#[test]
fn the_wheel_and_clicks_do_nothing_but_move_in_it() {
    use portcullis::console::term::input::Mouse;
    use ratatui::layout::Position;
    let mut desk = Desk::live(120, 40);
    desk.keys(":");
    for mouse in [Mouse::Click, Mouse::Down, Mouse::Up] {
        desk.send(Msg::Mouse(mouse, Position::new(60, 15)));
    }
    assert!(desk.app.overlay().is_some() && desk.app.strip().is_none());
    desk.press(key("Esc"));
    assert!(desk.app.overlay().is_none());
}

#[test]
fn a_row_that_comes_late_does_not_jump_under_the_next_key() {
    let mut desk = Desk::live(120, 40);
    typed(&mut desk, &request_id(9).to_string());
    desk.keys("Enter 2");
    desk.requests
        .push(request(9, "zoe", "ledger", "read-write", "1h", "late"));
    desk.send(Msg::Woke);
    desk.wait(3_000);
    assert!(desk.app.world().store.request(&request_id(9)).is_some());
    assert_eq!(desk.app.front(), Place::Grants);
}

#[test]
fn an_incident_opens_by_its_id() {
    for typing in ["open I-0000000001", "I-0000000001"] {
        let mut desk = Desk::live(120, 40);
        desk.incident = Some(sample::incident(true));
        typed(&mut desk, typing);
        assert!(
            desk.screen().contains("the incident and its receipts"),
            "{}",
            desk.screen()
        );
        desk.keys("Enter");
        let id = "I-0000000001".to_owned();
        assert!(desk.effects.contains(&Effect::Fetch(Query::Incident(id))));
        assert!(desk.app.incident().is_some(), "{}", desk.screen());
        assert!(desk.screen().contains("read back"), "{}", desk.screen());
        assert_eq!(desk.changes(), [], "looking changes nothing");
    }
}
