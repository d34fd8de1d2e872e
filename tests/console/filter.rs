//! Filters on the screens: typed, completed, recalled, saved, and taken from a row.

use portcullis::client::Shelving;
use portcullis::console::msg::{Answer, Effect, Msg, Query, Trip};
use portcullis::query::List;
use portcullis::wire::{Facet, Facets};

use super::desk::Desk;

/// The lines of the picture from the filter down to the end of what is offered.
fn offered(desk: &Desk, lines: usize) -> String {
    let screen = desk.screen();
    let from = screen
        .lines()
        .skip_while(|line| !line.starts_with(" Filter"));
    let line = |line: &str| {
        line.chars()
            .skip(1)
            .take(66)
            .collect::<String>()
            .trim_end()
            .to_owned()
            + "
"
    };
    from.take(lines).map(line).collect()
}

fn asked(desk: &Desk) -> Option<Query> {
    desk.effects.iter().rev().find_map(|effect| match effect {
        Effect::Fetch(query @ Query::Facets { .. }) => Some(query.clone()),
        _ => None,
    })
}

fn counted(desk: &mut Desk, values: &[(&str, u64)]) {
    let query = asked(desk).unwrap();
    let facets = Facets {
        field: "target".to_owned(),
        items: values
            .iter()
            .map(|(value, count)| Facet {
                value: (*value).to_owned(),
                count: *count,
            })
            .collect(),
        approximate: true,
    };
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    desk.send(Msg::Answer(query, Ok(Answer::Facets(facets)), trip));
}

#[test]
fn fields_and_values_are_offered_while_one_types() {
    let mut desk = Desk::live(100, 30);
    desk.keys("/");
    desk.type_in("st");
    insta::assert_snapshot!(offered(&desk, 3));
    desk.keys("Tab");
    insta::assert_snapshot!(offered(&desk, 7));
    desk.keys("Down Down Enter");
    assert!(
        offered(&desk, 1).starts_with("Filter state:approved"),
        "{}",
        offered(&desk, 1)
    );
    desk.keys("Enter");
    assert_eq!(
        desk.effects.iter().rev().find_map(|effect| match effect {
            Effect::Shelve(change) => Some(change.clone()),
            _ => None,
        }),
        Some(Shelving::Use(List::Requests, "state:approved".to_owned()))
    );
}

#[test]
fn the_server_counts_values_once_nobody_types() {
    let mut desk = Desk::live(100, 30);
    desk.answers = false;
    desk.keys("/");
    desk.type_in("is:pending target:o");
    assert_eq!(asked(&desk), None, "somebody types");
    desk.wait(200);
    let Some(Query::Facets {
        of,
        field,
        prefix,
        q,
        ..
    }) = asked(&desk)
    else {
        panic!("nothing was asked")
    };
    assert_eq!(
        (of, field.as_str(), prefix.as_str(), q.as_str()),
        (List::Requests, "target", "o", "is:pending")
    );
    counted(&mut desk, &[("orders-db", 12), ("odd one\u{202e}", 1)]);
    insta::assert_snapshot!(offered(&desk, 3));
    desk.keys("Down Enter");
    assert!(
        offered(&desk, 1).contains("is:pending target:orders-db"),
        "{}",
        offered(&desk, 1)
    );

    desk.type_in("x");
    let late = asked(&desk);
    desk.wait(200);
    assert_eq!(asked(&desk), late, "words are not counted");
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_the_last_good_filter_stays() {
    let mut desk = Desk::live(120, 40);
    desk.keys("/");
    desk.type_in("user:bob");
    desk.wait(200);
    desk.type_in(" usr:x");
    desk.wait(200);
    let screen = desk.screen();
    assert!(
        screen.contains("ledger") && !screen.contains("orders-db"),
        "{screen}"
    );
    desk.type_in(" y");
    let screen = desk.screen();
    assert!(
        screen.contains("unknown field `usr`: did you mean `user`?"),
        "{screen}"
    );
    assert!(
        screen.contains("ledger") && !screen.contains("orders-db"),
        "{screen}"
    );
}

#[test]
fn a_row_gives_its_cells_to_the_filter() {
    let mut desk = Desk::live(120, 40);
    desk.keys("=");
    insta::assert_snapshot!(offered(&desk, 6));
    desk.keys("Enter");
    let first = offered(&desk, 1);
    assert!(first.starts_with("Filter target:"), "{first}");
    desk.keys("- Down Enter");
    let second = offered(&desk, 1);
    assert!(second.contains(" -principal:"), "{second}");
    assert!(!desk.screen().contains("1 of"), "nothing is left");
    desk.keys("Esc");
    assert!(desk.screen().contains("1 of"), "{}", desk.screen());
}

#[test]
fn filters_used_before_come_back_and_saved_ones_have_names() {
    let mut desk = Desk::live(120, 40);
    for filter in ["user:bob", "ledger"] {
        desk.keys("/");
        desk.type_in(filter);
        desk.keys("Enter Esc");
    }
    desk.keys("/ Up");
    assert!(
        offered(&desk, 1).starts_with("Filter ledger"),
        "{}",
        offered(&desk, 1)
    );
    desk.keys("Up");
    assert!(
        offered(&desk, 1).starts_with("Filter user:bob"),
        "{}",
        offered(&desk, 1)
    );
    desk.keys("Down");
    assert!(
        offered(&desk, 1).starts_with("Filter ledger"),
        "{}",
        offered(&desk, 1)
    );
    desk.keys("Enter");
    desk.app.save_filter("mine");
    desk.keys("Esc @");
    insta::assert_snapshot!(offered(&desk, 2));
    desk.keys("Enter");
    assert!(
        offered(&desk, 1).starts_with("Filter @mine"),
        "{}",
        offered(&desk, 1)
    );
    assert!(
        desk.screen().contains("ledger") && !desk.screen().contains("orders-db"),
        "{}",
        desk.screen()
    );
    desk.keys("/");
    desk.type_in("typed");
    let before = offered(&desk, 1);
    desk.keys("Up");
    assert_eq!(offered(&desk, 1), before, "nothing typed is lost");
}

#[test]
fn a_filter_on_time_goes_on_while_time_passes() {
    let mut desk = Desk::live(120, 40);
    desk.keys("/");
    desk.type_in("is:pending age:>1h");
    desk.keys("Enter");
    assert!(!desk.screen().contains("1 of"), "{}", desk.screen());
    desk.wait(120_000);
    assert!(desk.screen().contains("1 of"), "{}", desk.screen());
}
