//! When frames are drawn and what time it is, with moments made up.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::console::run::clock::{Clock, Moment, Skew};
use portcullis::console::run::sched::Sched;
use proptest::prelude::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

#[test]
fn nothing_happens_until_something_changes() {
    let mut sched = Sched::default();
    let now = Instant::now();
    assert_eq!(sched.deadline(now), None);
    sched.drawn(now, ms(0));
    assert_eq!(sched.deadline(now + ms(5_000)), None);
}

#[test]
fn the_first_frame_and_keys_do_not_wait() {
    let mut sched = Sched::default();
    let now = Instant::now();
    sched.stream();
    assert!(sched.due(now));
    sched.drawn(now, ms(1));
    sched.input();
    assert!(sched.due(now), "not behind a frame of the stream");
    sched.drawn(now, ms(1));
    sched.input();
    assert!(!sched.due(now + ms(3)), "keys faster than anybody types");
    assert!(sched.due(now + ms(4)));
}

#[test]
fn the_stream_is_drawn_twenty_times_a_second_and_less_on_a_slow_link() {
    let mut sched = Sched::default();
    let now = Instant::now();
    sched.drawn(now, ms(1));
    sched.stream();
    assert_eq!(sched.deadline(now), Some(now + ms(50)));
    sched.drawn(now, ms(25));
    sched.stream();
    assert_eq!(sched.deadline(now), Some(now + ms(100)));
    sched.input();
    sched.stream();
    assert_eq!(sched.deadline(now), Some(now), "a key does not wait for it");
}

#[test]
fn many_texts_that_count_wake_us_once_a_second() {
    let (clock, start) = clock_and_start();
    let mut sched = Sched::default();
    let mut now = start.steady + ms(430);
    let mut frames = 0;
    while now < start.steady + ms(10_000) {
        sched.drawn(now, ms(0));
        frames += 1;
        for phase in [13, 240, 566, 999] {
            sched.tick(now + ms(phase), clock.next_second(now));
        }
        now = sched.deadline(now).unwrap();
    }
    assert!(frames <= 11, "{frames} frames in ten seconds");
}

#[test]
fn an_alarm_is_exact_and_the_earliest_counts() {
    let mut sched = Sched::default();
    let now = Instant::now();
    sched.tick(now + ms(900), now);
    sched.alarm(now + ms(350));
    sched.alarm(now + ms(4_000));
    assert_eq!(sched.deadline(now), Some(now + ms(350)));
    sched.drawn(now, ms(0));
    assert_eq!(sched.deadline(now), None);
}

proptest! {
    #[test]
    fn a_text_is_never_drawn_before_it_changes_nor_a_second_late(at in 0_u64..100_000, second in 0_u64..1_000) {
        let mut sched = Sched::default();
        let now = Instant::now();
        sched.tick(now + ms(at), now + ms(second));
        let deadline = sched.deadline(now).unwrap();
        prop_assert!(deadline >= now + ms(at));
        prop_assert!(deadline < now + ms(at.max(second)) + ms(1_000));
        prop_assert_eq!((deadline - now).as_millis() % 1_000, u128::from(second % 1_000));
    }
}

fn clock_and_start() -> (Clock, Moment) {
    let start = Moment {
        steady: Instant::now(),
        wall: noon(),
    };
    (Clock::new(start), start)
}

#[test]
fn the_servers_time_is_that_of_the_middle_of_the_round_trip() {
    let (mut clock, start) = clock_and_start();
    let sent = start.steady + ms(1_000);
    clock.observe(
        sent,
        sent + ms(200),
        noon() + TimeDelta::milliseconds(38_100),
    );
    assert_eq!(
        clock.at(sent + ms(900)),
        noon() + TimeDelta::milliseconds(38_900)
    );
    assert_eq!(clock.skew(), Skew::Warned(TimeDelta::seconds(37)));
    assert_eq!(
        clock.left(noon() + TimeDelta::seconds(40), sent + ms(900)),
        ms(1_100)
    );
    assert_eq!(clock.left(noon(), sent), Duration::ZERO);
    assert_eq!(clock.next_second(sent + ms(900)), sent + ms(1_000));
}

#[test]
fn one_slow_answer_does_not_move_the_clock() {
    let (mut clock, start) = clock_and_start();
    for answer in 0..7 {
        let sent = start.steady + ms(answer * 1_000);
        clock.observe(
            sent,
            sent + ms(20),
            noon() + TimeDelta::milliseconds(i64::try_from(answer * 1_000).unwrap() + 10),
        );
    }
    let sent = start.steady + ms(9_000);
    clock.observe(
        sent,
        sent + ms(8_000),
        noon() + TimeDelta::milliseconds(9_010),
    );
    assert_eq!(clock.skew(), Skew::Fine);
    assert_eq!(clock.at(start.steady), noon());
}

#[test]
fn a_sleep_is_noticed_and_makes_us_forget() {
    let (mut clock, start) = clock_and_start();
    clock.observe(start.steady, start.steady, noon() + TimeDelta::seconds(10));
    let later = Moment {
        steady: start.steady + ms(1_000),
        wall: noon() + TimeDelta::seconds(1),
    };
    assert!(!clock.jumped(later));
    let woken = Moment {
        steady: start.steady + ms(2_000),
        wall: noon() + TimeDelta::hours(8),
    };
    assert!(clock.jumped(woken));
    assert!(!clock.is_set());
    assert_eq!(clock.at(woken.steady), woken.wall);
    assert!(!clock.jumped(woken));
}
