//! Counts over time above the record: where something happened, and where one is.

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::client::HistogramQuery;
use portcullis::console::msg::{Effect, Query};
use portcullis::query::{Context, List, Saved, parse};
use portcullis::wire::{Bucket, EventView, Histogram};

use super::desk::{Desk, event};

/// What a server with these events answers.
pub(super) fn answer(
    events: &[EventView],
    asked: &HistogramQuery,
    now: DateTime<Utc>,
) -> Histogram {
    let text = asked.q.clone().unwrap_or_default();
    let filter = parse(&text, List::Audit, &Saved::default())
        .whole()
        .unwrap();
    let asking = Context { now, me: "maya" };
    let first = events.first().map_or(now, |event| event.time);
    let (since, until) = (asked.since.unwrap_or(first), asked.until.unwrap_or(now));
    let count = asked.buckets.unwrap_or(60);
    let width = (until - since) / i32::try_from(count).unwrap();
    let mut buckets: Vec<Bucket> = (0..count)
        .map(|number| Bucket {
            since: since + width * i32::try_from(number).unwrap(),
            count: 0,
        })
        .collect();
    let passing = events.iter().filter(|event| filter.lets(*event, asking));
    let mut total = 0;
    for event in passing.filter(|event| event.time >= since) {
        let place = buckets.partition_point(|bucket| bucket.since <= event.time);
        buckets[place - 1].count += 1;
        total += 1;
    }
    Histogram {
        since,
        until,
        buckets,
        total,
        partial: false,
    }
}

/// A record with a burst ten days ago, and a little every day.
fn desk(width: u16, height: u16) -> Desk {
    let mut desk = Desk::new(width, height);
    let now = desk.server_now();
    let daily = (0..29).map(|day| now - TimeDelta::days(29 - day));
    let burst = (0..40).map(|minute| now - TimeDelta::days(10) + TimeDelta::minutes(minute));
    let mut times: Vec<_> = daily.chain(burst).collect();
    times.sort();
    desk.events = (0..)
        .zip(times)
        .map(|(index, time)| EventView {
            time,
            ..event(index, "grant.activated", "portcullis")
        })
        .collect();
    desk.connect();
    desk
}

/// The line of the counts, without what surrounds it.
fn line(desk: &Desk) -> String {
    let screen = desk.screen();
    let line = screen
        .lines()
        .find(|line| line.contains("  peak ") || line.contains("  nothing"));
    line.unwrap_or_else(|| panic!("{screen}")).to_owned()
}

fn asked(desk: &Desk) -> Vec<HistogramQuery> {
    let asked = desk.effects.iter().filter_map(|effect| match effect {
        Effect::Fetch(Query::OverTime { scope, .. }) => Some((**scope).clone()),
        _ => None,
    });
    asked.collect()
}

#[test]
fn counts_over_time_stand_above_the_record_and_show_where_a_burst_was() {
    let mut desk = desk(120, 40);
    desk.keys("4");
    let said = line(&desk);
    assert!(said.starts_with(" 30d "), "{said}");
    assert!(said.contains("  peak 39 at 11-10 03:12Z"), "{said}");
    assert_eq!(said.matches('█').count(), 1, "{said}");
    // A column for each: the screen says how many there is room for.
    assert_eq!(asked(&desk)[0].buckets, Some(78));
}

#[test]
fn a_filter_and_its_time_are_those_of_the_counts() {
    let mut desk = desk(120, 40);
    desk.keys("4 /");
    desk.type_in("since:12d event:grant.activated");
    desk.keys("Enter");
    let last = asked(&desk).pop().unwrap();
    assert_eq!(
        (last.since, last.q.as_deref()),
        (None, Some("time:>=-12d event:grant.activated"))
    );
    desk.keys("/ ctrl-u");
    desk.type_in("actor:nobody");
    desk.keys("Enter");
    assert!(line(&desk).contains("  nothing"), "{}", line(&desk));
}

#[test]
fn what_happens_now_is_counted_without_asking_again() {
    let mut desk = desk(120, 40);
    desk.keys("4");
    let (before, calls) = (line(&desk), asked(&desk).len());
    let now = desk.server_now();
    let events = (69..200).map(|index| EventView {
        time: now,
        ..event(index, "grant.activated", "portcullis")
    });
    desk.tell(events.collect());
    let after = line(&desk);
    assert!(
        after.contains("  peak 131 at ") || after.contains("  peak 132 at "),
        "{before} {after}"
    );
    assert_eq!(asked(&desk).len(), calls);
}

#[test]
fn another_width_has_counts_of_its_own_and_a_small_window_none() {
    let mut desk = desk(120, 40);
    desk.keys("4");
    desk.resize(200, 60);
    desk.wait(20);
    assert_eq!(asked(&desk).last().unwrap().buckets, Some(158));
    line(&desk);
    let calls = asked(&desk).len();
    desk.resize(80, 24);
    desk.wait(20);
    let screen = desk.screen();
    assert!(!screen.contains("  peak "), "{screen}");
    assert_eq!(asked(&desk).len(), calls);
}

#[test]
fn the_column_of_the_selected_event_stands_out() {
    let mut desk = desk(120, 40);
    desk.keys("4");
    let strong = |desk: &Desk| {
        let said = line(desk);
        let y = desk.screen().lines().position(|line| line == said).unwrap();
        let (frame, y) = (desk.frame(), u16::try_from(y).unwrap());
        let looks: Vec<_> = (6..84).map(|x| frame[(x, y)].style()).collect();
        let odd = |look: &_| looks.iter().filter(|other| *other == look).count() == 1;
        looks.iter().position(odd).unwrap()
    };
    let at_end = strong(&desk);
    desk.keys("g g");
    let at_start = strong(&desk);
    assert!(at_start < at_end, "{at_start:?} {at_end:?}");
}
