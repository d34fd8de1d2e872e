//! An event that is looked for in the signed log, a log that is not what it was, the story of a person, and events to
//! come back to.

use portcullis::client::watch::{Proved, Watched};
use portcullis::tlog::{Checkpoint, SigningKey, leaf_hash};
use portcullis::wire::EventView;

use super::desk::{Desk, event};

/// What a machine says that has seen the log before.
pub(super) fn watched(problem: Option<&str>) -> Result<Box<Watched>, String> {
    if let Some(problem) = problem {
        return Err(problem.to_owned());
    }
    let name = "portcullis/audit/00/1";
    Ok(Box::new(Watched {
        key: SigningKey::from_seed(name, &[7; 32])
            .unwrap()
            .verifying()
            .clone(),
        checkpoint: Checkpoint {
            origin: name.to_owned(),
            size: 3_400,
            root: leaf_hash(b"root"),
        },
        before: Some(3_300),
        recoveries: Vec::new(),
    }))
}

pub(super) fn proved(desk: &Desk, event: &EventView) -> Result<Box<Proved>, String> {
    if desk.events.iter().all(|known| known != event) {
        let index = event.index;
        return Err(format!(
            "event {index} says something else than what was recorded"
        ));
    }
    Ok(Box::new(Proved {
        watched: *watched(None)?,
        hashes: 12,
        shows: None,
    }))
}

fn desk(width: u16, height: u16) -> Desk {
    let mut desk = Desk::new(width, height);
    desk.events = (0..60)
        .map(|index| {
            let actor = if index % 3 == 0 { "rob" } else { "ann" };
            event(index, "request.approved", actor)
        })
        .collect();
    desk.connect();
    desk
}

#[test]
fn an_event_is_proved_in_place() {
    let mut desk = desk(120, 40);
    desk.keys("4 k V Enter");
    let screen = desk.screen();
    let said = "it is in the signed log of 3400 events, as it is shown; it continues the 3300 that";
    assert!(
        screen.contains(said) && screen.contains("12 hashes"),
        "{screen}"
    );
    // It is said of that event and of no other.
    desk.keys(">");
    assert!(!desk.screen().contains("12 hashes"), "{}", desk.screen());
}

#[test]
fn on_a_small_screen_the_proof_is_said_aloud() {
    let mut desk = desk(80, 24);
    desk.keys("4 V");
    let screen = desk.screen();
    assert!(
        screen.contains("event 59 is in the signed log of 3400 events"),
        "{screen}"
    );
}

#[test]
fn an_event_that_is_not_what_was_recorded_is_not_proved() {
    let mut desk = desk(120, 40);
    desk.keys("4");
    desk.events[59].reason = Some("another".to_owned());
    desk.keys("V");
    let screen = desk.screen();
    assert!(
        screen.contains("NOT PROVED: event 59 says something else"),
        "{screen}"
    );
}

#[test]
fn a_log_that_is_not_what_it_was_is_said_on_every_screen() {
    let mut desk = Desk::new(120, 40);
    desk.log_problem = Some("the first 12 entries are not those that were seen before".to_owned());
    desk.connect();
    desk.wait(1_000);
    let banner =
        "THE AUDIT LOG IS NOT WHOLE: the first 12 entries are not those that were seen before";
    assert!(desk.screen().contains(banner), "{}", desk.screen());
    desk.keys("2");
    assert!(desk.screen().contains(banner), "{}", desk.screen());
    // It is looked at again, and somebody may have put it right.
    desk.log_problem = None;
    desk.wait(600_000);
    assert!(!desk.screen().contains("NOT WHOLE"), "{}", desk.screen());
}

#[test]
fn the_story_of_a_person_is_one_key_away() {
    let mut desk = desk(120, 40);
    desk.keys("4 k k O");
    let screen = desk.screen();
    assert!(screen.contains("actor:rob OR principal:rob"), "{screen}");
    assert!(
        screen.contains("20 of 20 here") && !screen.contains(" ann "),
        "{screen}"
    );
    desk.keys("Esc");
    assert!(desk.screen().contains("60 of 60 here"), "{}", desk.screen());
}

#[test]
fn events_that_are_kept_are_come_back_to_from_anywhere() {
    let mut desk = desk(120, 40);
    desk.keys("4 B");
    assert!(
        desk.screen()
            .contains("no event is kept: b keeps the selected one"),
        "{}",
        desk.screen()
    );
    desk.keys("k k b k k k b G");
    desk.keys("B");
    assert!(desk.screen().contains("Event 57 "), "{}", desk.screen());
    desk.keys("B");
    assert!(desk.screen().contains("Event 54 "), "{}", desk.screen());
    // From the oldest to the newest.
    desk.keys("B");
    assert!(desk.screen().contains("Event 57 "), "{}", desk.screen());
    desk.keys("b B");
    assert!(desk.screen().contains("Event 54 "), "{}", desk.screen());
}
