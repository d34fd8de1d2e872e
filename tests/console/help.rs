//! The help: what works here, searchable, and runnable.

use portcullis::console::keymap::Place;

use super::desk::Desk;

#[test]
fn letters_search_and_a_key_finds_what_it_does() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut desk = Desk::live(width, height);
        desk.keys("?");
        desk.type_in("mouse");
        insta::assert_snapshot!(format!("help_search_{width}x{height}"), desk.screen());
    }
    let mut desk = Desk::live(120, 40);
    desk.keys("2 ?");
    desk.type_in("x");
    let screen = desk.screen();
    assert!(screen.contains("▸ x"), "{screen}");
}

#[test]
fn enter_runs_what_is_chosen() {
    let mut desk = Desk::live(120, 40);
    desk.keys("?");
    desk.type_in("show grants");
    desk.keys("Enter");
    assert!(desk.app.overlay().is_none());
    assert_eq!(desk.app.front(), Place::Grants);
}

#[test]
fn a_dangerous_action_from_the_help_opens_its_question() {
    let mut desk = Desk::live(120, 40);
    desk.keys("?");
    desk.type_in("request.deny");
    desk.keys("Enter");
    assert!(desk.app.strip().is_some());
    assert_eq!(desk.changes(), []);
}

#[test]
fn what_cannot_be_done_now_says_why() {
    let mut desk = Desk::readonly(120, 40);
    desk.keys("?");
    let screen = desk.screen();
    assert!(
        screen.contains("not now: this console was started with `--readonly`"),
        "{screen}"
    );
}

#[test]
fn nothing_is_told_of_that_no_screen_performs() {
    let mut desk = Desk::live(120, 40);
    desk.keys("?");
    desk.type_in("export");
    let exports = desk
        .app
        .screen()
        .is_some_and(|screen| screen.does(portcullis::console::keymap::Action::Export));
    assert_eq!(desk.screen().contains("copy.export"), exports);
}

#[test]
fn esc_closes_it_and_the_list_has_the_keys_again() {
    let mut desk = Desk::live(120, 40);
    desk.keys("? Esc a");
    assert!(desk.app.overlay().is_none());
    assert!(desk.app.strip().is_some());
}
