//! The command line of a key: what it says is what the commands understand.

use portcullis::cli;
use portcullis::console::command::command;
use portcullis::console::keymap::Action;
use portcullis::console::msg::Effect;

use super::desk::{Desk, grant_id, request_id};
use super::sample;

/// Takes a line apart as a shell would.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut open) = (false, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                quoted = !quoted;
                open = true;
            }
            '\\' if !quoted => word.extend(letters.next()),
            ' ' if !quoted => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            other => word.push(other),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

#[test]
fn every_line_is_understood_by_the_commands() {
    let mut desk = sample::full_desk(120, 40);
    let mut shown = 0;
    for place in ["1", "2", "3", "4", "5", "6", "7", "8"] {
        desk.keys(place);
        for (binding, _) in desk.app.world().keymap.all() {
            if binding.place != desk.app.front()
                && binding.place != portcullis::console::keymap::Place::Anywhere
            {
                continue;
            }
            if let Ok(line) = command(&desk.app, binding.action) {
                shown += 1;
                cli::understands(&words(&line)).unwrap_or_else(|why| panic!("{line}: {why}"));
            }
        }
    }
    assert!(shown > 10, "only {shown}");
}

#[test]
fn the_line_names_the_row_and_its_version() {
    let mut desk = Desk::live(120, 40);
    let line = |desk: &Desk, action| command(&desk.app, action).unwrap();
    assert_eq!(
        line(&desk, Action::Approve),
        format!("portcullis approve {} --if-version 1", request_id(1))
    );
    assert_eq!(
        line(&desk, Action::Narrow),
        format!(
            "portcullis approve {} --for 1h --if-version 1",
            request_id(1)
        )
    );
    desk.keys("2");
    assert_eq!(
        line(&desk, Action::Revoke),
        format!(
            "portcullis revoke {} --reason '…' --if-version 3",
            grant_id(6)
        )
    );
    assert_eq!(
        line(&desk, Action::Extend),
        format!(
            "portcullis extend {} --by 15m --reason '…' --if-version 3",
            grant_id(6)
        )
    );
}

#[test]
fn a_point_and_a_key_show_the_line_and_enter_copies_it() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut desk = Desk::live(width, height);
        desk.keys("2 .");
        assert!(desk.screen().contains("press a key"), "{}", desk.screen());
        desk.keys("x");
        assert!(desk.app.strip().is_none(), "nothing is opened");
        insta::assert_snapshot!(format!("command_{width}x{height}"), desk.screen());
        desk.keys("Enter");
        assert!(desk.app.overlay().is_none());
        let copied = desk.effects.iter().any(|effect| {
            matches!(effect, Effect::Copy(text) if text.starts_with("portcullis revoke G-"))
        });
        assert!(copied);
        assert_eq!(desk.changes(), []);
    }
}

#[test]
fn a_key_without_a_command_says_so() {
    let mut desk = Desk::live(120, 40);
    desk.keys(". j");
    assert!(desk.screen().contains("there is no command for this key"));
    desk.keys("Z");
    assert!(desk.screen().contains("this key does nothing here"));
}

#[test]
fn marked_rows_are_one_line_each_and_a_filter_goes_along() {
    let mut desk = Desk::live(120, 40);
    desk.keys("* . d");
    let shown = command(&desk.app, Action::Deny).unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 2, "{shown}");
    for line in lines {
        cli::understands(&words(line)).unwrap();
    }
    desk.keys("Esc 2 /");
    desk.type_in("it's \"two words\"");
    desk.keys("Enter");
    let line = command(&desk.app, Action::Filter).unwrap();
    assert_eq!(
        words(&line),
        ["portcullis", "grants", "--filter", "it's \"two words\""]
    );
    cli::understands(&words(&line)).unwrap();
}
