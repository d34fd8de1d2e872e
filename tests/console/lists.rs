//! What can be done with any list: its columns, its order, its cells, the next match, and every id from the palette.

use portcullis::client::Shelving;
use portcullis::console::msg::{Effect, Msg, Query, Tidings};
use portcullis::query::List;
use portcullis::wire::EventView;

use super::desk::{Desk, event, grant, grant_id, request_id, start};
use super::sample::{lock, lock_id};

fn titles(desk: &Desk) -> Vec<String> {
    let screen = desk.screen();
    let line = screen.lines().find(|line| line.contains("WHO")).unwrap();
    line.split_whitespace()
        .filter(|word| word.chars().all(|c| c.is_ascii_uppercase()))
        .map(str::to_owned)
        .collect()
}

/// The ids from top to bottom, as far as `word` of each row tells them apart.
fn order(desk: &Desk, words: &[&str]) -> Vec<usize> {
    let screen = desk.screen();
    let lines: Vec<&str> = screen.lines().collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let place = lines.iter().position(|line| line.contains(word)).unwrap();
        found.push((place, at));
    }
    found.sort_unstable();
    found.into_iter().map(|(_, at)| at).collect()
}

fn kept(desk: &Desk) -> Vec<&Shelving> {
    let effects = desk.effects.iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Shelve(change) => Some(change),
            _ => None,
        })
        .collect()
}

#[test]
fn columns_are_chosen_moved_and_remembered() {
    let mut desk = Desk::live(200, 60);
    let shipped = titles(&desk);
    assert_eq!(&shipped[..4], ["STATE", "AGE", "WHO", "TARGET"]);
    desk.keys("| j Space Esc");
    assert!(!titles(&desk).contains(&"AGE".to_owned()));
    assert!(matches!(
        kept(&desk).last(),
        Some(Shelving::Columns(List::Requests, names)) if !names.contains(&"age".to_owned())
    ));
    desk.keys("| j h Esc");
    assert_eq!(titles(&desk)[..2], ["WHO", "STATE"]);
    assert!(desk.screen().contains("alice"));
    desk.keys("2");
    assert_eq!(titles(&desk)[..2], ["STATE", "LEFT"], "another list");
    desk.keys("1 | ctrl-\\ Esc");
    assert_eq!(titles(&desk), shipped);
    assert_eq!(
        kept(&desk).last(),
        Some(&&Shelving::Columns(List::Requests, Vec::new()))
    );
}

#[test]
fn columns_that_are_kept_are_there_at_the_next_start() {
    let names = ["ticket", "who", "nonsense"].map(str::to_owned).to_vec();
    let desk = Desk::settled(200, 60, |settings| {
        let change = Shelving::Columns(List::Requests, names);
        settings.shelf.apply(&change).unwrap();
    });
    assert_eq!(titles(&desk), ["TICKET", "WHO"]);
}

#[test]
fn rows_sort_by_any_column_and_the_other_way_round() {
    let mut desk = Desk::live(120, 40);
    desk.grants = vec![
        grant(5, "zoe", "orders-db", "readonly", 10),
        grant(6, "bob", "orders-db", "readonly", 20),
        grant(7, "mia", "orders-db", "readonly", 30),
    ];
    desk.keys("2 r");
    desk.wait(60_000);
    desk.keys("1 2");
    let words = ["zoe ", "bob ", "mia "];
    assert_eq!(order(&desk, &words), [0, 1, 2], "the soonest end first");
    desk.keys("s");
    assert!(desk.screen().contains("Sort by"), "{}", desk.screen());
    desk.type_in("who");
    desk.keys("Down Enter");
    assert_eq!(order(&desk, &words), [1, 2, 0]);
    assert!(desk.screen().contains("by who"), "{}", desk.screen());
    desk.keys("S");
    assert_eq!(order(&desk, &words), [0, 2, 1]);
    assert!(desk.screen().contains("reversed: by who"));
    desk.keys("s");
    desk.type_in("attention");
    desk.keys("Enter");
    assert_eq!(order(&desk, &words), [0, 1, 2]);
}

#[test]
fn a_cell_filters_as_the_menu_of_cells_does() {
    let mut by_cell = Desk::live(120, 40);
    by_cell.keys("l l l =");
    let mut by_menu = Desk::live(120, 40);
    by_menu.keys("= Down Enter");
    assert!(by_cell.screen().contains("Filter principal:alice"));
    assert_eq!(by_cell.app.filter_text(), by_menu.app.filter_text());
    by_cell.keys("Esc Esc l l l -");
    by_menu.keys("Esc - Down Enter");
    assert_eq!(
        by_cell.app.filter_text(),
        Some("-principal:alice".to_owned())
    );
    assert_eq!(by_cell.app.filter_text(), by_menu.app.filter_text());
}

#[test]
fn enter_on_a_cell_offers_both_and_esc_leaves_the_cell() {
    let mut desk = Desk::live(120, 40);
    desk.keys("l l l");
    assert!(desk.screen().contains("this cell: = only these, - without"));
    desk.keys("Enter");
    let offered = desk.screen();
    assert!(offered.contains("principal:alice") && offered.contains("hide these"));
    desk.keys("Down Enter");
    assert_eq!(desk.app.filter_text(), Some("-principal:alice".to_owned()));
    desk.keys("Esc");
    assert!(!desk.screen().contains("this cell:"));
    desk.keys("Esc");
    assert_eq!(desk.app.filter_text(), None);
    desk.keys("l l =");
    assert!(desk.screen().contains("nothing in `AGE` to filter by"));
}

#[test]
fn next_match_goes_on_looking_after_the_filter_is_dropped() {
    let mut desk = Desk::live(120, 40);
    desk.keys("n");
    assert!(
        desk.screen()
            .contains("nothing was looked for here yet: / begins a filter")
    );
    desk.keys("Esc /");
    desk.type_in("user:bob");
    desk.keys("Enter Esc g");
    let first = desk.app.screens().0[0].subject();
    desk.keys("n");
    let found = desk.app.screens().0[0].subject();
    assert_ne!(first, found);
    assert_eq!(found.unwrap().as_str(), request_id(2).as_str());
    desk.keys("n");
    assert!(desk.screen().contains("from the top again"));
}

fn long_record() -> Vec<EventView> {
    (0..2_000)
        .map(|index| {
            let code = if index == 40 {
                "session.open_denied"
            } else {
                "grant.activated"
            };
            let mut event = event(index, code, "rob");
            event.time = start() - chrono::TimeDelta::minutes(2_000 - index);
            event.outcome = if index == 40 { "denied" } else { "success" }.to_owned();
            event
        })
        .collect()
}

fn questions(desk: &Desk) -> usize {
    let effects = desk.effects.iter();
    let of_record = effects.filter(|effect| {
        matches!(
            effect,
            Effect::Fetch(Query::Audit { .. } | Query::Find { .. })
        )
    });
    of_record.count()
}

#[test]
fn a_day_back_and_the_last_refusal_are_three_questions_away_however_long_the_record_is() {
    let mut desk = Desk::new(120, 40);
    desk.events = long_record();
    desk.send(Msg::Start);
    let now = desk.server_now();
    desk.send(Msg::Stream(Tidings::Hello { now, epoch: 1 }));
    desk.keys("4 k");
    desk.effects.clear();
    desk.keys("{");
    assert!(questions(&desk) <= 3, "{}", questions(&desk));
    let index = |desk: &Desk| {
        let screen = desk.screen();
        let at = screen.find("Event ").unwrap();
        let rest = screen.split_at(at + 6).1;
        rest.split_whitespace()
            .next()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    let day = index(&desk);
    assert!((500..600).contains(&day), "{day}");
    desk.effects.clear();
    desk.keys("(");
    assert_eq!(index(&desk), 40);
    assert!(questions(&desk) <= 3);
    desk.keys("j j");
    assert_eq!(index(&desk), 42);
    desk.keys("G");
    assert_eq!(index(&desk), 1_999);
}

#[test]
fn every_kind_of_id_opens_from_the_palette() {
    let mut desk = Desk::live(120, 40);
    desk.locks = vec![lock(3, "mallory", "in_force")];
    for (id, heading) in [
        (request_id(2).to_string(), "Request R-"),
        (grant_id(5).to_string(), "Grant G-"),
        (lock_id(3).to_string(), "Lock L-"),
    ] {
        desk.keys(":");
        desk.type_in(&format!("open {id}"));
        desk.keys("Enter");
        assert!(desk.screen().contains(heading), "{id}: {}", desk.screen());
        desk.keys("Esc");
    }
    desk.keys(":");
    desk.type_in("open 7");
    desk.keys("Enter");
    assert!(desk.screen().contains("Event 7"), "{}", desk.screen());
    assert!(desk.app.screens().0[3].zoomed());
}

#[test]
fn the_timeline_has_the_filter_of_grants_and_gives_its_answer_as_text() {
    let mut desk = Desk::live(120, 40);
    desk.keys("6 /");
    desk.type_in("user:bob");
    desk.keys("Enter");
    assert!(
        desk.screen().contains("Filter user:bob"),
        "{}",
        desk.screen()
    );
    desk.effects.clear();
    desk.keys("Y");
    let copied = desk.effects.iter().find_map(|effect| match effect {
        Effect::Copy(text) => Some(text.clone()),
        _ => None,
    });
    let text = copied.unwrap();
    assert!(
        text.starts_with("Who had access at 2026-11-20T03:12:"),
        "{text}"
    );
    assert!(text.contains("only what matches: principal:bob"), "{text}");
}
