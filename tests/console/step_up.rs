//! A second factor at the console: asked once, in place, and then exactly what was confirmed is done.

use portcullis::client::{Chosen, StepUpNeeded};
use portcullis::console::confirm::Mutation;
use portcullis::console::msg::{Failure, Msg, Trip};
use portcullis::wire::StepUpProof;

use super::desk::Desk;
use super::sample;

/// The server refuses a change for the lack of a second factor.
fn refuse(desk: &mut Desk, change: &Mutation, digest: &str, ways: &[&str]) {
    let failure = Failure::StepUp {
        needed: StepUpNeeded {
            digest: digest.repeat(64),
            ways: ways.iter().map(|&way| way.to_owned()).collect(),
        },
        text: if ways.is_empty() {
            "this needs a second factor, and you have none yet".to_owned()
        } else {
            "this needs a proof of your second factor".to_owned()
        },
        hint: Some("add one with `portcullis factor add passkey`".to_owned()),
    };
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    desk.send(Msg::Acted(change.clone(), Err(failure), trip));
}

/// Approves the first request, up to the refusal.
fn asked() -> (Desk, Mutation) {
    let mut desk = Desk::live(100, 30);
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    let change = desk.changes().remove(0);
    refuse(&mut desk, &change, "a", &["totp"]);
    (desk, change)
}

#[test]
fn the_code_is_asked_for_in_place_and_then_exactly_the_confirmed_change_is_sent() {
    let (mut desk, change) = asked();
    let screen = desk.screen();
    assert!(screen.contains("Second factor"), "{screen}");
    assert!(screen.contains("approve R-"), "{screen}");
    desk.wait(400);
    desk.type_in("123456");
    desk.keys("Enter");
    let [proving] = &desk.proofs()[..] else {
        panic!("one proof")
    };
    assert_eq!(proving.how, Chosen::Typed(StepUpProof::typed("123456")));
    assert_eq!(
        proving.calls,
        [(change.idempotency_key().clone(), "a".repeat(64))]
    );
    assert_eq!(desk.changes(), [], "not before the server took the code");
    desk.send(Msg::Proved(vec![change.idempotency_key().clone()], Ok(())));
    assert_eq!(desk.changes(), [change]);
    assert!(!desk.screen().contains("Second factor"));
}

#[test]
fn esc_means_that_nothing_was_done() {
    let (mut desk, change) = asked();
    desk.wait(400);
    desk.type_in("12");
    desk.keys("Esc");
    assert!(desk.proofs().is_empty());
    assert_eq!(desk.changes(), []);
    assert!(
        desk.screen()
            .contains("not done, no second factor was given"),
        "{}",
        desk.screen()
    );
    // An answer that comes late changes nothing either.
    desk.send(Msg::Proved(vec![change.idempotency_key().clone()], Ok(())));
    assert_eq!(desk.changes(), []);
}

#[test]
fn keys_typed_ahead_are_no_code() {
    let (mut desk, _) = asked();
    desk.type_in("123456");
    desk.keys("Enter");
    desk.wait(400);
    desk.keys("Enter");
    assert!(
        desk.proofs().is_empty(),
        "what came in the first moment was meant for the list"
    );
}

#[test]
fn a_wrong_code_is_told_and_another_can_be_typed() {
    let (mut desk, change) = asked();
    desk.wait(400);
    desk.type_in("123456");
    desk.keys("Enter");
    desk.proofs();
    let failure = Failure::Refused {
        code: "second-factor-refused".to_owned(),
        text: "this code is wrong, too old or was used before".to_owned(),
        hint: None,
        trace: None,
    };
    desk.send(Msg::Proved(
        vec![change.idempotency_key().clone()],
        Err(failure),
    ));
    assert!(
        desk.screen().contains("this code is wrong"),
        "{}",
        desk.screen()
    );
    assert_eq!(desk.changes(), []);
    desk.type_in("654321");
    desk.keys("Enter");
    assert_eq!(desk.proofs().len(), 1);
}

#[test]
fn without_a_way_to_prove_it_is_said_how_to_get_one() {
    let mut desk = Desk::live(100, 30);
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    let change = desk.changes().remove(0);
    refuse(&mut desk, &change, "a", &[]);
    let screen = desk.screen();
    assert!(screen.contains("you have none yet"), "{screen}");
    assert!(!screen.contains("Second factor"));
}

#[test]
fn a_list_is_asked_for_once() {
    let mut desk = sample::full_desk(120, 40);
    desk.keys("1");
    desk.keys("*");
    desk.keys("a");
    desk.read_it();
    let count = desk
        .app
        .review()
        .unwrap()
        .items()
        .iter()
        .filter(|item| item.is_kept())
        .count();
    desk.type_in(&count.to_string());
    desk.keys("Enter");
    let mut refused = 0;
    loop {
        let changes = desk.changes();
        if changes.is_empty() {
            break;
        }
        for change in changes {
            refuse(&mut desk, &change, &format!("{refused:x}"), &["totp"]);
            refused += 1;
        }
    }
    assert_eq!(refused, count);
    desk.wait(400);
    desk.type_in("123456");
    desk.keys("Enter");
    let proofs = desk.proofs();
    assert_eq!(proofs.len(), 1);
    assert_eq!(proofs[0].calls.len(), count);
    let keys = proofs[0].calls.iter().map(|(key, _)| key.clone()).collect();
    desk.send(Msg::Proved(keys, Ok(())));
    assert!(!desk.changes().is_empty());
}

#[test]
fn nobody_waits_for_a_code_for_ever() {
    let (mut desk, _) = asked();
    desk.wait(181_000);
    assert!(
        !desk.screen().contains("Second factor"),
        "{}",
        desk.screen()
    );
    assert_eq!(desk.changes(), []);
}

#[test]
fn the_browser_is_a_choice_where_the_provider_is_a_way() {
    let mut desk = Desk::live(100, 30);
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    let change = desk.changes().remove(0);
    refuse(&mut desk, &change, "a", &["totp", "oidc"]);
    desk.wait(400);
    assert!(desk.screen().contains("sign in again"), "{}", desk.screen());
    desk.keys("Enter");
    let [proving] = &desk.proofs()[..] else {
        panic!("one proof")
    };
    assert_eq!(proving.how, Chosen::AtProvider);
    let address = "https://id.example.com/authorize?client_id=portcullis&state=abc";
    desk.send(Msg::GoTo(address.to_owned()));
    let screen = desk.screen();
    assert!(screen.contains("go to this address"), "{screen}");
    assert!(screen.contains("id.example.com"), "{screen}");
    // What is typed meanwhile is nothing, and the code is not asked for.
    desk.type_in("123456");
    desk.keys("Enter");
    assert!(desk.proofs().is_empty());
    desk.send(Msg::Proved(vec![change.idempotency_key().clone()], Ok(())));
    assert_eq!(desk.changes(), [change]);
}

#[test]
fn where_the_browser_is_the_only_way_no_code_is_asked_for() {
    let mut desk = Desk::live(100, 30);
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    let change = desk.changes().remove(0);
    refuse(&mut desk, &change, "a", &["oidc"]);
    desk.wait(400);
    let screen = desk.screen();
    assert!(screen.contains("Enter: sign in again"), "{screen}");
    assert!(!screen.contains("authenticator"), "{screen}");
    desk.type_in("123456");
    desk.keys("Enter");
    let [proving] = &desk.proofs()[..] else {
        panic!("one proof")
    };
    assert_eq!(proving.how, Chosen::AtProvider);
    desk.send(Msg::GoTo("https://id.example.com/".to_owned()));
    // Whoever thinks better of it is waited for no longer, and what comes late does nothing.
    desk.keys("Esc");
    assert!(desk.stopped_proving());
    desk.send(Msg::Proved(Vec::new(), Ok(())));
    desk.send(Msg::Proved(vec![change.idempotency_key().clone()], Ok(())));
    assert_eq!(desk.changes(), []);
    assert!(
        desk.screen()
            .contains("not done, no second factor was given"),
        "{}",
        desk.screen()
    );
}

#[test]
fn nobody_asks_for_what_is_no_way() {
    let (mut desk, _) = asked();
    desk.wait(400);
    assert!(!desk.screen().contains("browser"), "{}", desk.screen());
    desk.keys("Enter");
    assert!(desk.proofs().is_empty());
}
