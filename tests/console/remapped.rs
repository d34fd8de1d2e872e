//! Whoever changes every key finds no other key in any sentence.

use std::collections::HashMap;

use portcullis::config::ConsoleSettings;
use portcullis::console::keymap::{BINDINGS, Keymap, remap};

use super::desk::{Desk, key};
use super::sample::lock;

/// A letter of another alphabet for each action: none of them is in our sentences.
fn letters() -> impl Iterator<Item = char> {
    ('\u{430}'..='\u{44f}')
        .chain('\u{3b1}'..='\u{3c9}')
        .chain('\u{561}'..='\u{586}')
        .chain('\u{10d0}'..='\u{10f0}')
}

fn foreign() -> (Keymap, HashMap<&'static str, String>) {
    let names: HashMap<&str, String> = BINDINGS
        .iter()
        .map(|binding| binding.name)
        .zip(letters().map(String::from))
        .collect();
    assert_eq!(names.len(), BINDINGS.len(), "too few letters");
    let mut toml = "[keys]\n".to_owned();
    for (name, letter) in &names {
        toml.push_str(&format!("\"{name}\" = [\"{letter}\"]\n"));
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("console.toml"), toml).unwrap();
    let settings = ConsoleSettings::load(folder.path(), &|_| None, &[]).unwrap();
    let (keymap, problems) = remap(&settings.keys);
    assert!(problems.is_empty(), "{problems:?}");
    (keymap, names)
}

/// What follows a key in a sentence.
const VERBS: &[&str] = &[
    "now", "now,", "now)", "follows", "follows)", "sorts", "ends", "begins", "drops", "locks",
    "again", "gives", "goes", "comes", "groups", "choose", "only", "without", "reverses", "quit",
    "approve", "deny", "revoke",
];

/// Keys of the shipped keymap that a text seems to name.
fn stale(text: &str, typed: bool) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut found = Vec::new();
    for pair in words.windows(2) {
        let (word, next) = (pair[0].trim_matches(['(', '`', ',']), pair[1]);
        let mut letters = word.chars();
        let one = letters.next().filter(|_| letters.next().is_none());
        let shipped = one.is_some_and(|c| {
            c.is_ascii_graphic()
                && BINDINGS
                    .iter()
                    .any(|b| b.keys.iter().any(|k| k.text() == word))
        });
        if (shipped && VERBS.contains(&next))
            || (pair[0] == "press" && next.is_ascii() && !["a", "again", "it"].contains(&next))
        {
            found.push(format!("{word} {next}"));
        }
    }
    // While a line is typed, and in menus, these are always the same.
    for name in ["Esc", "Tab", "Enter", "Space", "ctrl-"] {
        if !typed
            && words
                .iter()
                .any(|word| word.trim_matches(['(', ':', ')', ',']).starts_with(name))
        {
            found.push(name.to_owned());
        }
    }
    found
}

#[test]
fn whoever_changes_every_key_finds_no_other_key_in_any_sentence() {
    let (keymap, names) = foreign();
    // What is done on the way, and whether a line is typed or a menu is open then.
    let walks: &[(&[&str], bool)] = &[
        (&["go.requests"], false),
        (&["request.approve"], false),
        (&["question.no", "request.narrow"], false),
        (&["question.no", "view.next_pane"], false),
        (&["view.open"], false),
        (&["view.json"], false),
        (&["view.back", "mark.range"], false),
        (&["mark.one", "mark.one", "request.approve"], false),
        (&["review.leave", "mark.clear", "cell.right"], false),
        (&["view.back", "filter.next"], false),
        (&["go.grants", "grant.extend"], false),
        (&["question.no", "mark.all", "grant.revoke"], false),
        (&["review.leave", "mark.clear"], false),
        (&["go.sessions"], false),
        (&["go.audit", "audit.follow"], false),
        (&["filter.next"], false),
        (&["go.locks"], false),
        (&["go.timeline"], false),
        (&["view.sort"], false),
        (&["view.command_line"], true),
        (&["Esc", "view.columns"], true),
        (&["Esc", "view.messages"], true),
        (&["Esc", "go.requests", "view.help"], true),
        (&["Esc", "view.palette"], true),
        (&["Esc", "view.filter"], true),
        (&["Esc", "go.incident"], true),
    ];
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut desk = Desk::settled(width, height, |settings| settings.keymap = keymap.clone());
        desk.locks = vec![lock(3, "mallory", "in_force")];
        for (walk, typed) in walks {
            desk.tell(Vec::new());
            for step in *walk {
                desk.press(key(names.get(step).map_or(*step, String::as_str)));
                desk.read_it();
            }
            let screen = desk.screen();
            // What people wrote and our own tables of the filter language are no hints.
            let found = stale(&screen, *typed);
            assert!(found.is_empty(), "{walk:?}: {found:?}\n{screen}");
        }
    }
}

#[test]
fn the_tutor_names_the_keys_in_force() {
    let (keymap, names) = foreign();
    let mut desk = Desk::settled(120, 40, |settings| settings.keymap = keymap);
    desk.press(key(&names["view.palette"]));
    desk.type_in("tutor");
    desk.keys("Enter");
    let screen = desk.screen();
    let wanted = format!("press {} to go to the second request", names["move.down"]);
    assert!(screen.contains(&wanted), "{screen}");
    desk.press(key(&names["move.down"]));
    desk.read_it();
    let wanted = format!("press {}", names["request.approve"]);
    assert!(desk.screen().contains(&wanted), "{}", desk.screen());
}

#[test]
fn a_banner_and_what_waits_name_the_keys_in_force() {
    let (keymap, names) = foreign();
    let mut desk = Desk::settled(120, 40, |settings| settings.keymap = keymap);
    desk.send(portcullis::console::msg::Msg::Stream(
        portcullis::console::msg::Tidings::Lost {
            why: "refused".to_owned(),
            retry_in: std::time::Duration::from_mins(1),
        },
    ));
    desk.wait(30_000);
    let wanted = format!("({} now)", names["link.retry"]);
    assert!(desk.screen().contains(&wanted), "{}", desk.screen());
}
