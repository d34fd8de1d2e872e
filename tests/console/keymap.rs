//! Keys from `console.toml`: what is written holds, and what would be dangerous is refused in a sentence.

use std::fmt::Write as _;

use portcullis::config::ConsoleSettings;
use portcullis::console::keymap::{Action, Keymap, Place, as_toml, remap};

use super::desk::{Desk, key};

pub(super) fn read(toml: &str) -> (Keymap, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("console.toml"), toml).unwrap();
    let settings = ConsoleSettings::load(folder.path(), &|_| None, &[]).unwrap();
    let (keymap, problems) = remap(&settings.keys);
    let mut said = String::new();
    for problem in problems {
        let hint = problem.hint.clone().unwrap_or_default();
        writeln!(said, "{problem} ({hint})").unwrap();
    }
    (keymap, said)
}

#[test]
fn keys_are_what_the_file_says() {
    let (keymap, said) = read(
        "[keys]\nrequest.approve = [\"ctrl-a\", \"F5\"]\n\"grant.revoke\" = [\"Delete\"]\nmessages = []\n"
            .replace("messages = []", "view.messages = []")
            .as_str(),
    );
    assert_eq!(said, "");
    let action = |place, text: &str| {
        let chord = portcullis::console::keymap::Chord::parse(text).unwrap();
        keymap.action(place, chord.key())
    };
    assert_eq!(action(Place::Requests, "ctrl-a"), Some(Action::Approve));
    assert_eq!(action(Place::Requests, "F5"), Some(Action::Approve));
    assert_eq!(action(Place::Requests, "a"), None);
    assert_eq!(action(Place::Grants, "Delete"), Some(Action::Revoke));
    assert_eq!(action(Place::Anywhere, "m"), None);
    assert_eq!(keymap.changed(), 3);
}

#[test]
fn each_mistake_is_one_sentence_with_its_place_and_the_shipped_keys_stay() {
    let cases = [
        (
            "request.aprove = [\"a\"]",
            "console.toml:2:9: there is no action `request.aprove` (did you mean `request.approve`?)",
        ),
        (
            "request.approve = [\"A\"]",
            "console.toml:2:20: `A` of `request.approve` can come from a torn escape sequence (choose another key)",
        ),
        (
            "request.approve = [\"alt-[\"]",
            "`alt-[` of `request.approve` can come from a torn escape sequence",
        ),
        (
            "grant.revoke = [\"7\"]",
            "`7` of `grant.revoke` can come from a torn escape sequence",
        ),
        (
            "grant.revoke = [\"y\"]",
            "`y` of `grant.revoke` would also say yes to the question that it opens",
        ),
        (
            "grant.revoke = [\"e\"]",
            "`e` of `grant.revoke` is also the key of `grant.extend` (Grants)",
        ),
        (
            "grant.revoke = [\"Esc\"]",
            "`Esc` of `grant.revoke` does something, and Esc is always safe",
        ),
        (
            "audit.follow = [\"ctrl-c\"]",
            "`ctrl-c` of `audit.follow` never comes to it, because it is `console.quit_now`",
        ),
        (
            "question.yes = [\"a\"]",
            "`a` of `question.yes` says yes, but late answers of the terminal hold it",
        ),
        (
            "question.yes = [\"Enter\"]",
            "`Enter` of `question.yes` says yes, and Enter never may",
        ),
        (
            "question.no = []",
            "`question.no` must have a key (leave it out to have `Esc, n`)",
        ),
        (
            "view.help = [\"ctrl-m\"]",
            "`ctrl-m` and `Enter` are the same to a terminal",
        ),
        (
            "view.help = [\"hlp\"]",
            "console.toml:2:14: `hlp` is no key",
        ),
        ("view.help = \"F1\"", "`help` must be a list of texts"),
        ("view.help = 5", "`help` must be a list of texts"),
    ];
    for (line, wanted) in cases {
        let (keymap, said) = read(&format!("[keys]\n{line}\n"));
        assert!(said.contains(wanted), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
        assert_eq!(keymap, Keymap::default(), "{line}");
    }
}

#[test]
fn a_mistake_does_not_keep_the_console_from_starting() {
    let mut desk = Desk::settled(120, 40, |settings| {
        settings.complaints = vec!["console.toml:2:1: there is no action `x`".to_owned()];
    });
    assert!(
        desk.screen().contains("there is no action `x`"),
        "{}",
        desk.screen()
    );
    desk.keys("m");
    assert!(desk.screen().contains("there is no action `x`"));
}

#[test]
fn what_keys_writes_is_read_back() {
    let (keymap, _) = read("[keys]\nmark.clear = [\"ctrl-\\\\\", \"F9\"]\nview.help = []\n");
    let (again, said) = read(&as_toml(&keymap));
    assert_eq!(said, "");
    assert_eq!(again, keymap);
    let bare: String = as_toml(&Keymap::default())
        .lines()
        .map(|line| match line.strip_prefix("# \"") {
            Some(rest) => format!("\"{rest}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    assert_eq!(read(&bare), (Keymap::default(), String::new()));
}

#[test]
fn hints_help_and_tabs_show_the_keys_in_force() {
    let (keymap, _) = read(
        "[keys]\nrequest.approve = [\"F5\"]\ngo.audit = [\"ctrl-r\"]\nview.help = [\"F3\"]\nrequest.deny = []\n",
    );
    let mut desk = Desk::settled(120, 40, |settings| settings.keymap = keymap.clone());
    let screen = desk.screen();
    assert!(screen.contains("F5 approve"), "{screen}");
    assert!(!screen.contains("d deny"), "{screen}");
    assert!(screen.contains("ctrl-r Audit"), "{screen}");
    desk.press(key("d"));
    assert!(desk.app.strip().is_none());
    desk.press(
        portcullis::console::keymap::Chord::parse("F3")
            .unwrap()
            .key(),
    );
    let screen = desk.screen();
    assert!(screen.contains("from your keymap: 4 changed"), "{screen}");
}

#[test]
fn every_action_of_the_list_is_performed_by_somebody() {
    let desk = Desk::live(120, 40);
    let idle: Vec<&str> = desk
        .app
        .world()
        .keymap
        .all()
        .filter(|(binding, _)| {
            let somewhere = match binding.place {
                Place::Anywhere => desk
                    .app
                    .screens()
                    .0
                    .iter()
                    .any(|screen| screen.does(binding.action)),
                _ => false,
            };
            !somewhere && !desk.app.works(binding.place, binding.action)
        })
        .map(|(binding, _)| binding.name)
        .collect();
    assert_eq!(idle, Vec::<&str>::new());
}
