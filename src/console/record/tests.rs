//! The run of events under live events, pages and pauses in any order.

use serde_json::json;

use super::*;
use crate::wire::{EventView, Page};

fn event(index: i64) -> EventView {
    serde_json::from_value(json!({
        "index": index, "id": "x", "time": "2026-11-20T03:12:09Z", "event": "grant.activated",
        "outcome": "success", "actor": {"kind": "system", "name": "portcullis"}, "channel": "system",
        "sentence": "",
    }))
    .unwrap()
}

fn page(from: i64, to: i64) -> Page<EventView> {
    Page {
        items: (from..to).rev().map(event).collect(),
        next: (from > 0).then(|| from.to_string()),
    }
}

fn live(record: &mut Record, from: i64, to: i64) {
    record.push((from..to).map(|index| Rc::new(Packed::of(&event(index)))));
}

fn indexes(record: &Record) -> Vec<i64> {
    record.rows().iter().map(|row| row.index).collect()
}

fn turn(query: &Query) -> u64 {
    let Query::Audit { turn, .. } = query else {
        panic!("no page of the record")
    };
    *turn
}

#[test]
fn live_events_join_the_first_page_without_gap_or_double() {
    let mut record = Record::default();
    let turn = turn(&record.restart(AuditQuery::default()));
    live(&mut record, 98, 103);
    record.page(turn, Ok(&page(0, 101)));
    live(&mut record, 102, 105);
    assert_eq!(indexes(&record), (0..105).collect::<Vec<_>>());
    assert!(record.is_complete());
}

#[test]
fn a_pause_loses_nothing() {
    let mut record = Record::default();
    let turn = turn(&record.restart(AuditQuery::default()));
    record.page(turn, Ok(&page(0, 10)));
    record.pause();
    live(&mut record, 10, 25);
    assert_eq!((indexes(&record).len(), record.waiting()), (10, 15));
    assert_eq!(record.follow(), None);
    assert_eq!((indexes(&record), record.waiting()), ((0..25).collect(), 0));
}

#[test]
fn a_pause_too_long_to_keep_is_read_again() {
    let mut record = Record::default();
    let turn = turn(&record.restart(AuditQuery::default()));
    record.page(turn, Ok(&page(0, 10)));
    record.pause();
    live(&mut record, 10, 30_000);
    assert_eq!(record.waiting(), 29_990);
    assert!(matches!(
        record.follow(),
        Some(Query::Audit { after: None, .. })
    ));
}

#[test]
fn older_pages_come_one_by_one_and_only_near_the_old_end() {
    let mut record = Record::default();
    let turn = turn(&record.restart(AuditQuery::default()));
    record.page(turn, Ok(&page(800, 1_000)));
    assert_eq!(record.near(150), []);
    assert!(
        matches!(record.near(5).as_slice(), [Query::Audit { after: Some(after), .. }] if after == "800")
    );
    assert_eq!(record.near(4), [], "one at a time");
    record.page(turn, Ok(&page(600, 800)));
    assert_eq!(indexes(&record), (600..1_000).collect::<Vec<_>>());
    assert_eq!(
        record.page(turn + 1, Ok(&page(0, 10))),
        None,
        "an answer to another filter"
    );
}

#[test]
fn a_filter_that_matches_little_gives_up_after_some_pages() {
    let mut record = Record::default();
    let turn = turn(&record.restart(AuditQuery::default()));
    let mut asked = 0;
    let mut next = 1_000_000;
    while record
        .page(
            turn,
            Ok(&Page {
                items: Vec::new(),
                next: Some(next.to_string()),
            }),
        )
        .is_some()
    {
        asked += 1;
        next -= 200;
    }
    assert_eq!(asked, 4);
}

/// The same page as `order=oldest` gives it.
fn oldest_first(from: i64, to: i64, more: bool) -> Page<EventView> {
    Page {
        items: (from..to).map(event).collect(),
        next: more.then(|| (to - 1).to_string()),
    }
}

#[test]
fn a_place_far_away_is_reached_at_once_and_the_way_back_to_now_has_no_gap() {
    let mut record = Record::default();
    let first = turn(&record.restart(AuditQuery::default()));
    record.page(first, Ok(&page(9_800, 10_000)));
    let queries = record.seek(Spot::Event(500));
    let seek = turn(&queries[0]);
    assert_eq!(queries.len(), 2);
    live(&mut record, 10_000, 10_005);
    record.later(seek, Ok(&oldest_first(501, 701, true)));
    record.page(seek, Ok(&page(301, 501)));
    assert_eq!(indexes(&record), (301..701).collect::<Vec<_>>());
    assert!(record.is_adrift() && record.is_paused());
    let mut from = 701;
    while record.is_adrift() {
        let place = record.rows().len() - 1;
        let queries = record.near(place);
        assert_eq!(queries.len(), 1, "at {from}");
        let to = (from + 200).min(10_003);
        record.later(seek, Ok(&oldest_first(from, to, to < 10_003)));
        from = to;
    }
    assert_eq!(record.follow(), None);
    assert_eq!(indexes(&record), (301..10_005).collect::<Vec<_>>());
}

#[test]
fn who_follows_from_far_away_sees_what_happens_now() {
    let mut record = Record::default();
    let first = turn(&record.restart(AuditQuery::default()));
    record.page(first, Ok(&page(9_800, 10_000)));
    record.seek(Spot::Start);
    assert!(matches!(
        record.follow(),
        Some(Query::Audit { after: None, .. })
    ));
}

#[test]
fn how_many_there_are_is_concluded_from_the_part_that_is_here() {
    let mut record = Record::default();
    let asked = turn(&record.restart(AuditQuery::default()));
    assert_eq!(record.total(), None);
    record.page(asked, Ok(&page(9_800, 10_000)));
    assert_eq!(record.total(), Some(Total::Exactly(10_000)));
    let scope = AuditQuery {
        q: Some("outcome:denied".to_owned()),
        ..AuditQuery::default()
    };
    let asked = turn(&record.restart(scope));
    let few = Page {
        items: (9_000..10_000).rev().step_by(10).map(event).collect(),
        next: Some("9000".to_owned()),
    };
    record.page(asked, Ok(&few));
    assert_eq!(record.total(), Some(Total::About(1_000)));
}
