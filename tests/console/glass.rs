//! Break-glass at the console: nobody who was skipped can overlook it, and the sign-off asks first.

use portcullis::console::confirm::Act;
use portcullis::console::msg::{Effect, Msg, Receipt, Tidings, Trip};
use portcullis::domain::break_glass::Verdict;

use super::desk::{Desk, event, grant, grant_id, request_id};
use super::sample::used;

/// A desk where eve has broken glass.
fn broken(width: u16, height: u16) -> Desk {
    let mut desk = Desk::live(width, height);
    break_glass(&mut desk, 60, "eve");
    desk
}

fn break_glass(desk: &mut Desk, number: u64, who: &str) {
    desk.uses.push(used(number, who, "open"));
    let mut told = event(1_000, "break_glass.used", who);
    told.role = Some("admin".to_owned());
    told.request = Some(request_id(number).to_string());
    told.grant = Some(grant_id(number).to_string());
    desk.tell(vec![told]);
    desk.wait(500);
}

const BANNER: &str = "BREAK-GLASS: eve broke glass for admin on orders-db 4:";

#[test]
fn the_banner_stays_until_somebody_has_looked() {
    let mut desk = broken(120, 40);
    assert!(desk.screen().contains(BANNER), "{}", desk.screen());
    assert!(desk.screen().contains("9 Glass 1 !1"), "{}", desk.screen());
    // Another screen, and time, change nothing.
    desk.keys("5");
    desk.wait(5_000);
    assert!(
        desk.screen().contains("BREAK-GLASS: eve"),
        "{}",
        desk.screen()
    );
    desk.keys("9");
    assert!(!desk.screen().contains("BREAK-GLASS:"), "{}", desk.screen());
    desk.keys("1");
    assert!(!desk.screen().contains("BREAK-GLASS:"), "{}", desk.screen());
    // The counter stays until it is signed off, and another use is loud again.
    assert!(desk.screen().contains("9 Glass 1 !1"), "{}", desk.screen());
    break_glass(&mut desk, 61, "mallory");
    assert!(
        desk.screen().contains("BREAK-GLASS: mallory"),
        "{}",
        desk.screen()
    );
    assert!(
        !desk.screen().contains("payments are down"),
        "no words of theirs: {}",
        desk.screen()
    );
}

#[test]
fn the_screen_shows_what_waits_first() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut desk = broken(width, height);
        let mut over = used(62, "carol", "justified");
        over.sign_offs = serde_json::from_value(
            serde_json::json!([{"reviewer": "rob", "verdict": "justified",
            "comment": "looked at it", "created_at": "2026-11-20T03:10:00Z"}]),
        )
        .unwrap();
        desk.uses.push(over);
        break_glass(&mut desk, 63, "dave");
        desk.keys("9");
        desk.wait(200);
        insta::assert_snapshot!(format!("glass_{width}x{height}"), desk.screen());
    }
}

#[test]
fn list_detail_and_question_agree_on_what_became_of_the_access() {
    let mut desk = broken(120, 40);
    let mut over = grant(60, "eve", "orders-db", "admin", 30);
    over.state = "returned".to_owned();
    over.version += 1;
    desk.grants.push(over);
    let mut told = event(1_001, "grant.returned", "eve");
    told.grant = Some(grant_id(60).to_string());
    desk.tell(vec![told]);
    desk.wait(500);
    desk.keys("9");
    desk.keys("a");
    desk.read_it();
    let screen = desk.screen();
    assert!(screen.contains("returned, until"), "{screen}");
    assert!(screen.contains("its access is returned"), "{screen}");
}

#[test]
fn a_sign_off_asks_then_wants_a_sentence_and_is_bound_to_what_was_seen() {
    for (key, title, verdict) in [
        ("a", "Sign off", Verdict::Justified),
        ("d", "Not justified", Verdict::NotJustified),
    ] {
        let mut desk = broken(120, 40);
        desk.keys("9");
        desk.keys(key);
        desk.read_it();
        let asked = desk.screen();
        assert!(
            asked.contains(&format!("{title} {}", request_id(60))),
            "{asked}"
        );
        assert!(
            asked.contains("eve broke glass for admin on orders-db for 30m"),
            "{asked}"
        );
        desk.keys("y");
        desk.wait(400);
        desk.type_in("ok");
        desk.keys("Enter");
        assert_eq!(desk.changes(), [], "two letters say nothing");
        desk.type_in(", it was the outage");
        desk.keys("Enter");
        let changes = desk.changes();
        let [change] = &changes[..] else {
            panic!("one change: {changes:?}\n{}", desk.screen())
        };
        let Act::SignOff {
            of,
            verdict: said,
            comment,
        } = change.act()
        else {
            panic!("{change:?}")
        };
        assert_eq!(
            (of, *said, comment.as_str()),
            (&request_id(60), verdict, "ok, it was the outage")
        );
        assert_eq!(change.version(), 1);
        let mut signed = used(60, "eve", verdict.as_str());
        signed.version = 2;
        desk.uses = vec![signed.clone()];
        let trip = Trip {
            sent: desk.now.steady,
            received: desk.now.steady,
        };
        let receipt = Receipt::Use(Box::new(signed));
        desk.send(Msg::Acted(change.clone(), Ok(receipt), trip));
        let screen = desk.screen();
        assert!(
            screen.contains(&format!("was found {}", verdict.words())),
            "{screen}"
        );
        assert!(!screen.contains("!1"), "{screen}");
    }
}

#[test]
fn ones_own_use_is_no_alarm_and_cannot_be_signed_off() {
    let mut desk = Desk::live(120, 40);
    let mut own = used(60, "maya", "open");
    own.allowed_actions[0].allowed = false;
    own.allowed_actions[0].reason = Some("you cannot review it: you asked for it".to_owned());
    desk.uses.push(own);
    desk.tell(vec![event(1_000, "break_glass.used", "maya")]);
    desk.wait(500);
    assert!(!desk.screen().contains("BREAK-GLASS:"), "{}", desk.screen());
    desk.keys("9 a");
    assert!(desk.app.strip().is_none());
    assert!(
        desk.screen().contains("you cannot review it"),
        "{}",
        desk.screen()
    );
}

#[test]
fn somebody_who_looks_elsewhere_is_called_without_words_of_others() {
    let mut desk = Desk::live(80, 24);
    desk.send(Msg::Focus(false));
    desk.effects.clear();
    break_glass(&mut desk, 60, "eve");
    desk.wait(500);
    let effects = std::mem::take(&mut desk.effects);
    let calls: Vec<String> = effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Notify(alert) => Some(alert.text().to_owned()),
            _ => None,
        })
        .collect();
    let [call] = &calls[..] else {
        panic!("one call: {calls:?}")
    };
    let begins = format!("break-glass {} orders-db ", request_id(60));
    assert!(
        call.starts_with(&begins) && !call.contains("INC-4127"),
        "{call}"
    );
}

#[test]
fn the_palette_has_the_command_that_breaks_glass() {
    let mut desk = Desk::live(120, 40);
    desk.keys(":");
    desk.type_in("break glass");
    assert!(
        desk.screen().contains("take access before review"),
        "{}",
        desk.screen()
    );
    desk.keys("Enter");
    assert!(
        desk.screen()
            .contains("portcullis break-glass TARGET ROLE --for 30m --reason"),
        "{}",
        desk.screen()
    );
}

#[test]
fn a_grant_that_was_taken_by_break_glass_says_so() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut desk = Desk::new(width, height);
        let mut grant = grant(6, "dave", "orders-db", "admin", 40);
        grant.break_glass = true;
        desk.grants = vec![grant];
        desk.send(Msg::Start);
        let now = desk.server_now();
        desk.send(Msg::Stream(Tidings::Hello { now, epoch: 1 }));
        desk.wait(500);
        desk.keys("2");
        assert!(desk.screen().contains("! admin"), "{}", desk.screen());
        desk.keys("Enter");
        assert!(
            desk.screen().contains("taken by break-glass"),
            "{}",
            desk.screen()
        );
    }
}
