//! Making service accounts and giving them other tokens: asked with every guard, and a token is on one screen alone.

use portcullis::console::confirm::Act;
use portcullis::console::msg::{Answer, Effect, Failure, Msg, NewToken, Query, Receipt, Trip};
use portcullis::secret::Secret;
use portcullis::wire::Me;

use super::desk::Desk;
use super::sample::full_desk;

const TOKEN: &str = "pcl_st_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/// What the server answers when it has made a token.
pub(super) fn token(name: &str) -> Receipt {
    Receipt::Token(Box::new(NewToken {
        name: name.to_owned(),
        token: Secret::new(TOKEN.to_owned()),
        expires_at: "2026-12-20T09:00:00Z".parse().unwrap(),
    }))
}

fn answer(desk: &mut Desk, answer: Result<Receipt, Failure>) {
    let change = desk.changes().pop().expect("a change is on its way");
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    desk.send(Msg::Acted(change, answer, trip));
}

fn refused(code: &str, text: &str) -> Failure {
    Failure::Refused {
        code: code.to_owned(),
        text: text.to_owned(),
        hint: None,
        trace: None,
    }
}

fn fill(desk: &mut Desk, typed: &str) {
    desk.keys("8 c");
    desk.read_it();
    desk.type_in("ci-bot");
    desk.keys("Tab Tab");
    desk.type_in("request:orders-db/readonly,read");
    desk.keys("Tab Tab Tab");
    desk.type_in(typed);
    desk.keys("Enter");
}

#[test]
fn a_service_account_needs_its_name_typed() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut desk = full_desk(width, height);
        fill(&mut desk, "ci-bo");
        assert_eq!(desk.changes(), []);
        assert!(desk.screen().contains("type `ci-bot`"), "{}", desk.screen());
        insta::assert_snapshot!(format!("make_service_{width}x{height}"), desk.screen());
        desk.type_in("t");
        desk.keys("Enter");
        let changes = desk.changes();
        let [change] = &changes[..] else {
            panic!("{changes:?}")
        };
        let Act::MakeService { new } = change.act() else {
            panic!("{change:?}")
        };
        assert_eq!(
            (new.name.as_str(), new.owner.as_str(), new.expires.as_str()),
            ("ci-bot", "maya", "30d")
        );
        assert_eq!(new.scopes, ["request:orders-db/readonly", "read"]);
        assert!(new.groups.is_empty());
    }
}

#[test]
fn a_token_has_the_screen_to_itself_once_and_is_nowhere_else() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut desk = full_desk(width, height);
        fill(&mut desk, "ci-bot");
        answer(&mut desk, Ok(token("ci-bot")));
        assert!(desk.screen().contains(TOKEN), "{}", desk.screen());
        assert!(!desk.screen().contains("deploy-bot"), "nothing besides");
        insta::assert_snapshot!(format!("token_{width}x{height}"), desk.screen());
        assert!(!format!("{:?}", desk.app).contains(TOKEN), "nor printed");
        // What is typed in the first moment was meant for something else.
        desk.keys("y Esc Esc q");
        assert!(desk.screen().contains(TOKEN));
        desk.wait(400);
        desk.keys("Esc");
        assert!(
            desk.screen().contains("You have not copied it"),
            "{}",
            desk.screen()
        );
        desk.effects.clear();
        desk.keys("y");
        let copied = Effect::CopySecret(Secret::new(TOKEN.to_owned()));
        assert!(desk.effects.contains(&copied));
        assert!(!format!("{:?}", desk.effects).contains(TOKEN));
        desk.keys("Esc");
        assert!(
            desk.effects.contains(&Effect::Repaint),
            "the screen is cleared"
        );
        assert!(!desk.screen().contains("pcl_st_"), "{}", desk.screen());
        desk.keys("m");
        assert!(!desk.screen().contains("pcl_st_"), "{}", desk.screen());
        assert!(
            desk.screen().contains("ci-bot has a token"),
            "{}",
            desk.screen()
        );
    }
}

#[test]
fn another_token_is_asked_for_with_its_length_and_one_at_a_time() {
    let mut desk = full_desk(120, 40);
    desk.keys("8 t y");
    assert_eq!(desk.changes(), [], "not before it was read");
    desk.read_it();
    assert!(
        desk.screen()
            .contains("the token before stops working at once"),
        "{}",
        desk.screen()
    );
    desk.type_in("7d");
    desk.keys("y");
    let changes = desk.changes();
    let [change] = &changes[..] else {
        panic!("{changes:?}")
    };
    let Act::RotateService { service, lasts } = change.act() else {
        panic!("{change:?}")
    };
    assert!(
        service.as_str() == "deploy-bot" && lasts.to_string() == "7d",
        "{change:?}"
    );
    let mut desk = full_desk(120, 40);
    desk.keys("8 Space Space t");
    assert!(desk.screen().contains("one at a time"), "{}", desk.screen());
    assert!(desk.app.review().is_none() && desk.app.strip().is_none());
}

#[test]
fn what_was_typed_is_not_lost_when_the_server_says_no() {
    let mut desk = full_desk(120, 40);
    fill(&mut desk, "ci-bot");
    let why = refused("bad-input", "name: there is a `ci-bot` already");
    answer(&mut desk, Err(why));
    assert!(
        desk.screen().contains("Make service account ci-bot"),
        "{}",
        desk.screen()
    );
    assert!(desk.screen().contains("request:orders-db/readonly read"));
    assert_eq!(desk.changes(), [], "and nothing is sent again by itself");
    // A lost answer is said as what it is.
    let mut desk = full_desk(120, 40);
    fill(&mut desk, "ci-bot");
    answer(
        &mut desk,
        Err(refused(
            "idempotency-key-reused",
            "this key was used before",
        )),
    );
    assert!(
        desk.screen().contains("make another token"),
        "{}",
        desk.screen()
    );
    assert!(desk.app.form().is_none());
}

#[test]
fn an_admin_for_some_targets_manages_nobody_elses_accounts() {
    let mut desk = full_desk(120, 40);
    let Some(Answer::Me(me)) = desk.answer(&Query::Me) else {
        panic!("nobody")
    };
    let scoped = Me {
        roles: vec!["admin@env:staging".to_owned(), "reviewer".to_owned()],
        ..me
    };
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    desk.send(Msg::Answer(Query::Me, Ok(Answer::Me(scoped)), trip));
    desk.keys("8 c");
    assert!(
        desk.screen().contains("only an admin for all targets"),
        "{}",
        desk.screen()
    );
    desk.keys("t");
    assert!(desk.app.strip().is_none(), "bob's");
    desk.keys("j t");
    assert!(desk.app.strip().is_some(), "one's own");
}
