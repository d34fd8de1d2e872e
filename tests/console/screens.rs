//! What a person sees on each screen at each size. The pictures are in `snapshots/`.

use std::time::Duration;

use chrono::TimeDelta;
use portcullis::console::msg::{Failure, Msg, Query, Tidings, Trip};
use portcullis::console::term::caps::{Charset, Depth};
use portcullis::console::theme::Theme;

use super::desk::{Desk, event, grant, grant_id, request, request_id};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// Compares the pictures that keys lead to, at each size.
fn pictures(name: &str, keys: &[&str]) {
    for (width, height) in SIZES {
        let mut desk = desk(width, height);
        for keys in keys {
            desk.keys(keys);
            desk.read_it();
        }
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), desk.screen());
    }
}

/// A desk with one row in every state.
fn desk(width: u16, height: u16) -> Desk {
    let mut desk = Desk::new(width, height);
    let mut denied = request(
        3,
        "carol.diaz",
        "bastion-04",
        "shell",
        "2h",
        "INC-4127 disk 97% on bastion",
    );
    denied.state = "denied".to_owned();
    denied.decided_at = Some(denied.created_at);
    let mut two = request(
        2,
        "bob",
        "ledger",
        "read-write",
        "30m",
        "CHG-9921 rotate webhook secret",
    );
    two.ways[0].threshold = 2;
    two.ways[0].approvals = 1;
    two.history.grants_30d = 0;
    desk.requests = vec![
        request(
            1,
            "alice",
            "orders-db",
            "readonly",
            "1h",
            "INC-4127 consumer stuck, payments wait",
        ),
        two,
        denied,
    ];
    let mut stuck = grant(7, "erin.moss", "vault-prod", "read", -2);
    stuck.state = "closing".to_owned();
    stuck.close_kind = Some("end".to_owned());
    stuck.attempts = 4;
    stuck.last_error = Some("connection refused".to_owned());
    let mut failed = grant(8, "farid", "aws-1182", "admin", 30);
    failed.state = "activation_failed".to_owned();
    failed.last_error = Some("role `admin` cannot log in".to_owned());
    failed.starts_at = None;
    desk.grants = vec![
        grant(5, "carol.diaz", "bastion-04", "shell", 42),
        grant(6, "dave", "orders-db", "readonly", 4),
        stuck,
        failed,
    ];
    desk.events = (0..60)
        .map(|index| {
            event(
                index,
                if index % 7 == 0 {
                    "grant.revoked"
                } else {
                    "grant.activated"
                },
                "portcullis",
            )
        })
        .collect();
    desk.connect();
    desk
}

#[test]
fn requests() {
    pictures("requests", &[]);
}

#[test]
fn approving() {
    pictures("approving", &["j a"]);
}

#[test]
fn grants() {
    pictures("grants", &["2"]);
}

#[test]
fn what_is_overdue_is_counted_in_red_until_it_is_gone() {
    let mut desk = Desk::new(120, 40);
    let mut stuck = grant(7, "erin.moss", "vault-prod", "read", -2);
    stuck.state = "closing".to_owned();
    stuck.overdue_at = Some(desk.server_now() + TimeDelta::seconds(5));
    desk.grants = vec![grant(5, "carol.diaz", "bastion-04", "shell", 42), stuck];
    desk.connect();
    assert!(!desk.screen().contains("overdue"), "{}", desk.screen());
    desk.wait(6_000);
    assert!(desk.screen().contains(" 1 overdue"), "{}", desk.screen());
    // On every screen, and beside the grant.
    desk.keys("4");
    assert!(desk.screen().contains(" 1 overdue"), "{}", desk.screen());
    desk.keys("2 Enter");
    let screen = desk.screen();
    assert!(
        screen.contains("its target should have confirmed the end"),
        "{screen}"
    );
    desk.grants[1].state = "ended".to_owned();
    desk.grants[1].overdue_at = None;
    desk.grants[1].version += 1;
    let mut told = event(95, "grant.ended", "portcullis");
    told.grant = Some(grant_id(7).to_string());
    desk.tell(vec![told]);
    assert!(!desk.screen().contains(" 1 overdue"), "{}", desk.screen());
}

#[test]
fn revoking() {
    pictures("revoking", &["2 j j x", "y"]);
}

#[test]
fn extending() {
    pictures("extending", &["2 j j e"]);
}

#[test]
fn audit() {
    pictures("audit", &["4 k k k"]);
}

#[test]
fn detail() {
    pictures("detail", &["Enter"]);
}

#[test]
fn help() {
    pictures("help", &["?"]);
}

#[test]
fn without_colours_and_with_plain_characters_the_words_are_the_same() {
    let mut desk = desk(80, 24);
    desk.theme = Theme::standard(false, Depth::Mono, Charset::Ascii);
    desk.keys("2");
    let screen = desk.screen();
    insta::assert_snapshot!("grants_ascii_80x24", screen);
    assert!(screen.is_ascii());
}

#[test]
fn a_window_too_small_says_what_it_needs_and_how_to_leave() {
    let mut desk = desk(60, 15);
    assert_eq!(
        desk.screen().trim_end(),
        "needs 80x20, this is 60x15\nLIVE 1ms\nRequests 2 !2\nGrants 4 !2\nq quit"
    );
    desk.keys("a");
    assert!(desk.app.strip().is_none());
    desk.keys("q");
    assert!(
        desk.effects
            .contains(&portcullis::console::msg::Effect::Quit)
    );
}

#[test]
fn before_the_first_answer_the_screen_says_what_it_waits_for() {
    let desk = Desk::new(80, 24);
    let screen = desk.screen();
    assert!(screen.contains("CONNECTING"), "{screen}");
    assert!(
        screen.contains("waiting for https://access.example.net"),
        "{screen}"
    );
}

#[test]
fn a_lost_connection_says_how_old_the_picture_is() {
    let mut desk = desk(80, 24);
    desk.answers = false;
    desk.send(Msg::Stream(Tidings::Lost {
        why: "it broke".to_owned(),
        retry_in: Duration::from_secs(9),
    }));
    desk.wait(5_000);
    let screen = desk.screen();
    assert!(screen.contains("! STALE 0:05"), "{screen}");
    assert!(
        screen.contains("STALE 0:05, retry in 4 s (r now): it broke"),
        "{screen}"
    );
    desk.keys("2");
    assert!(
        desk.screen().contains("~41m"),
        "times count on, but are marked:\n{}",
        desk.screen()
    );
    desk.answers = true;
    let now = desk.server_now();
    desk.send(Msg::Stream(Tidings::Hello { now, epoch: 1 }));
    assert!(desk.screen().contains("● LIVE"), "{}", desk.screen());
}

#[test]
fn a_sign_in_that_is_over_says_what_to_do() {
    let mut desk = desk(120, 40);
    desk.answers = false;
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    let over = Failure::SignedOut("your sign-in is over".to_owned());
    desk.send(Msg::Answer(Query::Me, Err(over), trip));
    let screen = desk.screen();
    assert!(
        screen.contains("SIGN-IN NEEDED: your sign-in is over; I signs in here"),
        "{screen}"
    );
}

#[test]
fn a_clock_that_is_off_is_shown() {
    let mut desk = Desk::live(120, 40);
    for _ in 0..8 {
        let now = desk.server_now() + chrono::TimeDelta::seconds(37);
        desk.send(Msg::Stream(Tidings::Heartbeat { now }));
    }
    assert!(desk.screen().contains("skew +37s"), "{}", desk.screen());
}

#[test]
fn a_new_request_appears_below_the_selected_row_which_does_not_move() {
    let mut desk = Desk::live(120, 40);
    desk.keys("j");
    let line = |desk: &Desk, text: &str| {
        desk.screen()
            .lines()
            .position(|line| line.contains(text) && line.contains("pending"))
            .unwrap()
    };
    let before = line(&desk, "bob");
    desk.requests.push(request(
        0,
        "zoe",
        "ledger",
        "readonly",
        "1h",
        "older than all others",
    ));
    let mut told = event(90, "request.submitted", "zoe");
    told.request = Some(request_id(0).to_string());
    desk.tell(vec![told]);
    desk.wait(150);
    assert_eq!(line(&desk, "bob"), before);
    assert!(line(&desk, "zoe") > before, "{}", desk.screen());
    assert!(desk.screen().contains("out of order, s sorts"));
    desk.keys("s");
    assert!(line(&desk, "zoe") < line(&desk, "bob"));
    assert_eq!(
        desk.app.screen().unwrap().subject().unwrap().as_str(),
        request_id(2).as_str(),
        "the same row is selected"
    );
}

#[test]
fn a_storm_of_events_costs_few_calls() {
    let mut desk = Desk::live(120, 40);
    for second in 0..10 {
        for batch in 0..10 {
            let first = 1_000 + second * 1_000 + batch * 100;
            desk.tell(
                (first..first + 100)
                    .map(|index| {
                        let mut event = event(index, "grant.activated", "portcullis");
                        event.grant = Some(grant_id(u64::try_from(index).unwrap()).to_string());
                        event
                    })
                    .collect(),
            );
            desk.wait(100);
        }
    }
    let calls = desk
        .effects
        .iter()
        .filter(|effect| matches!(effect, portcullis::console::msg::Effect::Fetch(_)))
        .count();
    assert!(calls < 1_000, "{calls} calls for 10,000 events");
}

#[test]
fn a_paused_record_counts_what_comes_and_loses_nothing() {
    let mut desk = desk(120, 40);
    desk.keys("4 p");
    assert!(desk.screen().contains("PAUSED +0"), "{}", desk.screen());
    desk.tell(
        (60..75)
            .map(|index| event(index, "request.denied", "rob"))
            .collect(),
    );
    let screen = desk.screen();
    assert!(
        screen.contains("PAUSED +15") && !screen.contains("request.denied"),
        "{screen}"
    );
    desk.keys("f");
    let screen = desk.screen();
    assert!(screen.contains("FOLLOWING   75 of 75 here"), "{screen}");
    assert!(screen.contains("Event 74"), "{screen}");
}

#[test]
fn walking_past_the_end_of_a_paused_record_follows_again() {
    let mut desk = desk(120, 40);
    desk.keys("4 k k j j j");
    assert!(desk.screen().contains("FOLLOWING"), "{}", desk.screen());
}

#[test]
fn older_events_come_as_somebody_scrolls_and_rows_stay_where_they_are() {
    let mut desk = Desk::new(120, 40);
    desk.events = (0..1_000)
        .map(|index| event(index, "grant.activated", "portcullis"))
        .collect();
    desk.connect();
    desk.keys("4");
    assert!(
        desk.screen().contains("100 of 100 here"),
        "{}",
        desk.screen()
    );
    for _ in 0..12 {
        desk.keys("PgUp");
    }
    let screen = desk.screen();
    assert!(!screen.contains("of 100 here"), "{screen}");
    desk.keys("g");
    desk.keys("g g g g g g g g g g g");
    assert!(desk.screen().contains("Event 0 "), "{}", desk.screen());
    assert!(desk.screen().contains("all of it"), "{}", desk.screen());
}

#[test]
fn a_filter_of_the_record_goes_to_the_server_and_to_the_live_stream() {
    let mut desk = desk(120, 40);
    desk.keys("4 /");
    desk.type_in("event:grant.revoked actor:portcullis since:2h");
    desk.keys("Enter");
    let asked = desk.effects.iter().rev().find_map(|effect| match effect {
        portcullis::console::msg::Effect::Fetch(Query::Audit { scope, .. }) => Some(scope.clone()),
        _ => None,
    });
    let scope = asked.unwrap();
    assert_eq!(
        scope.q.as_deref(),
        Some("event:grant.revoked actor:portcullis time:>=-2h")
    );
    desk.tell(vec![
        event(60, "request.denied", "rob"),
        event(63, "grant.revoked", "portcullis"),
    ]);
    let screen = desk.screen();
    assert!(
        screen.contains("Event 63") && !screen.contains("request.denied"),
        "{screen}"
    );
    desk.keys("/");
    desk.type_in(" actr:x");
    assert!(
        desk.screen()
            .contains("unknown field `actr`: did you mean `actor`?"),
        "{}",
        desk.screen()
    );
}

#[test]
fn a_filter_of_requests_narrows_the_list_while_it_is_typed() {
    let mut desk = desk(120, 40);
    desk.keys("/");
    desk.type_in("who:bob");
    desk.wait(200);
    let screen = desk.screen();
    assert!(
        screen.contains("ledger") && !screen.contains("orders-db"),
        "{screen}"
    );
    desk.keys("Esc");
    assert!(desk.screen().contains("orders-db"));
}

#[test]
fn an_empty_list_says_when_it_is_the_filter_that_empties_it() {
    for view in ["1", "2"] {
        let mut desk = desk(120, 40);
        desk.keys(view);
        desk.keys("/");
        desk.type_in("who:nobody");
        desk.wait(200);
        let screen = desk.screen();
        assert!(
            screen.contains("the filter hides every row, Esc drops it"),
            "{screen}"
        );
    }
}

#[test]
fn words_of_others_stay_behind_the_gutter() {
    let mut desk = Desk::live(120, 40);
    desk.requests[0].reason = "fine\n y approve   n no\n\u{1b}[31m└──────┘\u{202e}evil".to_owned();
    desk.requests[0].version = 2;
    desk.send(Msg::Woke);
    desk.wait(3_000);
    desk.keys("a");
    desk.read_it();
    let screen = desk.screen();
    let forged: Vec<&str> = screen
        .lines()
        .filter(|line| line.contains("y approve"))
        .collect();
    assert!(
        forged
            .iter()
            .filter(|line| !line.contains("│ │ ") && !line.contains("fine"))
            .count()
            == 1,
        "{screen}"
    );
    assert!(
        !screen.contains('\u{1b}') && !screen.contains('\u{202e}'),
        "{screen}"
    );
}

#[test]
fn trouble_is_announced_wherever_somebody_looks() {
    let mut desk = desk(120, 40);
    let mut told = event(61, "grant.close_failed", "portcullis");
    told.grant = Some(grant_id(7).to_string());
    desk.tell(vec![told]);
    assert!(
        desk.screen()
            .contains("G-0000000007 does not close, the target does not let go"),
        "{}",
        desk.screen()
    );
}

#[test]
fn the_mouse_selects_rows_and_tabs() {
    use portcullis::console::term::input::Mouse;
    use ratatui::layout::Position;
    let mut desk = desk(120, 40);
    desk.send(Msg::Mouse(Mouse::Click, Position::new(30, 5)));
    assert_eq!(
        desk.app.screen().unwrap().subject().unwrap().as_str(),
        request_id(2).as_str()
    );
    desk.send(Msg::Mouse(Mouse::Click, Position::new(22, 1)));
    assert_eq!(desk.app.screen().unwrap().title(), "Grants");
    desk.send(Msg::Mouse(Mouse::Down, Position::new(30, 5)));
    assert_eq!(
        desk.app.screen().unwrap().subject().unwrap().as_str(),
        grant_id(8).as_str()
    );
}

#[test]
fn an_idle_console_wakes_once_a_second_and_never_more() {
    let mut desk = desk(120, 40);
    let mut wakes = 0;
    let end = desk.now.steady + Duration::from_secs(10);
    while let Some(next) = desk.app.next_change() {
        if next > end {
            break;
        }
        let millis =
            u64::try_from(next.saturating_duration_since(desk.now.steady).as_millis()).unwrap();
        desk.wait(millis + 1);
        wakes += 1;
    }
    assert!(wakes <= 12, "{wakes} wakes in 10 s");
}
