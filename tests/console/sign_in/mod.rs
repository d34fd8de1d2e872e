//! Signing in without leaving the console: what is seen stays, what is typed is never shown, and what was confirmed is
//! asked again instead of being done.

mod device;

use portcullis::console::confirm::Kind;
use portcullis::console::msg::{Answer, Effect, Failure, Msg, Query, Tidings, Trip};
use portcullis::console::sign_in::{Said, Way};
use portcullis::domain::ids::PrincipalId;
use portcullis::wire::{Me, SignInWays};

use crate::console::desk::Desk;
use crate::console::sample;

const ISSUER: &str = "https://idp.example.net/realms/staff";

/// The server says that nobody is signed in.
fn end(desk: &mut Desk) {
    let over = Failure::SignedOut("your sign-in is over".to_owned());
    let trip = Trip {
        sent: desk.now.steady,
        received: desk.now.steady,
    };
    desk.send(Msg::Answer(Query::Me, Err(over), trip));
}

/// The server refuses a change because nobody is signed in.
fn refuse(desk: &mut Desk) {
    let changes = desk.changes();
    assert_eq!(changes.len(), 1);
    for change in changes {
        let over = Failure::SignedOut("your sign-in is over".to_owned());
        let trip = Trip {
            sent: desk.now.steady,
            received: desk.now.steady,
        };
        desk.send(Msg::Acted(change, Err(over), trip));
    }
}

/// What was asked of the server about signing in, with its number.
fn asked(desk: &mut Desk) -> Vec<(u64, Way)> {
    let effects = std::mem::take(&mut desk.effects);
    let asked = effects.into_iter().filter_map(|effect| match effect {
        Effect::SignIn(turn, way) => Some((turn, way)),
        _ => None,
    });
    asked.collect()
}

fn ways(desk: &mut Desk, provider: bool) {
    let asked = asked(desk);
    let [.., (turn, Way::Ask)] = asked[..] else {
        panic!("the ways are asked for: {asked:?}")
    };
    let ways = SignInWays {
        server: "eu-1".to_owned(),
        code: true,
        provider: provider.then(|| ISSUER.to_owned()),
        device: false,
    };
    desk.send(Msg::SignIn(turn, Said::Ways(Ok(ways))));
    desk.wait(400);
}

fn me(desk: &Desk) -> Me {
    match desk.answer(&Query::Me) {
        Some(Answer::Me(me)) => me,
        other => panic!("{other:?}"),
    }
}

fn done(desk: &mut Desk, turn: u64) {
    let me = Box::new(me(desk));
    desk.send(Msg::SignIn(turn, Said::Done(Ok(me))));
    let now = desk.server_now();
    desk.send(Msg::Stream(Tidings::Hello { now, epoch: 1 }));
}

/// Signs in in the browser, from the box that is open.
fn sign_in(desk: &mut Desk) {
    ways(desk, true);
    desk.keys("Enter");
    let turn = asked(desk).last().unwrap().0;
    done(desk, turn);
}

#[test]
fn a_sign_in_that_ended_is_made_again_in_place_and_nothing_is_lost() {
    let mut desk = sample::full_desk(120, 40);
    desk.keys("2 Space / ");
    desk.type_in("user:dave");
    desk.keys("Enter");
    let before = desk.screen();
    desk.answers = false;
    end(&mut desk);
    assert!(desk.app.attempt().is_none(), "nothing opens by itself");
    assert!(desk.screen().contains("I signs in"), "{}", desk.screen());
    desk.keys("I");
    ways(&mut desk, true);
    let screen = desk.screen();
    assert!(
        screen.contains("in the browser, at idp.example.net"),
        "{screen}"
    );
    desk.keys("Enter");
    let (turn, way) = asked(&mut desk).pop().unwrap();
    assert_eq!(way, Way::Browser);
    let address = format!("{ISSUER}/auth?state=abc&code_challenge=def");
    let said = Said::GoTo {
        address: address.clone(),
        opened: true,
    };
    desk.send(Msg::SignIn(turn, said));
    assert!(desk.screen().contains("idp.example.net/realms/staff/auth"));
    desk.keys("y");
    assert!(desk.effects.contains(&Effect::Copy(address)));
    desk.answers = true;
    done(&mut desk, turn);
    desk.wait(3_000);
    assert!(desk.app.attempt().is_none());
    desk.wait(5_000);
    desk.tell(Vec::new());
    let marked = desk.app.screen().unwrap().marked();
    assert_eq!(marked.len(), 1, "the mark is still there");
    let rows = |screen: &str| -> Vec<String> {
        let rows = screen.lines().filter(|line| line.contains("G-0000000006"));
        rows.map(|row| row.split_at(10).0.to_owned()).collect()
    };
    assert!(!rows(&before).is_empty());
    assert!(desk.app.filter_text().unwrap().contains("user:dave"));
    assert_eq!(rows(&desk.screen()), rows(&before));
}

#[test]
fn a_password_is_never_shown_and_goes_out_once() {
    let mut desk = Desk::live(100, 30);
    end(&mut desk);
    desk.keys("I");
    ways(&mut desk, true);
    desk.keys("j Enter");
    assert!(desk.screen().contains("maya"), "the name is filled in");
    desk.type_in("correct horse");
    desk.keys("Tab");
    desk.send(Msg::Paste("123456".to_owned()));
    for part in ["correct", "horse", "123456"] {
        assert!(!desk.screen().contains(part), "{}", desk.screen());
        assert!(!format!("{:?}", desk.app).contains(part), "nor printed");
    }
    assert!(desk.screen().contains("*************"), "{}", desk.screen());
    desk.keys("Enter");
    let (turn, way) = asked(&mut desk).pop().unwrap();
    assert!(!format!("{way:?}").contains("horse"));
    let Way::Password {
        name,
        password,
        code,
    } = way
    else {
        panic!("a password")
    };
    assert_eq!(
        (name.as_str(), password.expose()),
        ("maya", "correct horse")
    );
    assert_eq!(code.unwrap().expose(), "123456");
    let no = Failure::Refused {
        code: "sign-in-refused".to_owned(),
        text: "name, password or code is wrong".to_owned(),
        hint: None,
        trace: None,
    };
    desk.send(Msg::SignIn(turn, Said::Done(Err(no))));
    assert!(desk.screen().contains("name, password or code is wrong"));
    assert!(!desk.screen().contains("**"), "nothing is kept");
    desk.keys("Enter");
    assert_eq!(asked(&mut desk), [], "an empty password is not sent");
}

#[test]
fn what_was_confirmed_comes_back_as_the_same_question() {
    for (keys, reason) in [("a", None), ("d", Some("not now, wait for the window"))] {
        let mut desk = Desk::live(100, 30);
        desk.keys(keys);
        desk.read_it();
        match reason {
            Some(reason) => {
                desk.type_in(reason);
                desk.keys("Enter");
            }
            None => desk.keys("y"),
        }
        let kind = if reason.is_some() {
            Kind::Deny
        } else {
            Kind::Approve
        };
        refuse(&mut desk);
        assert!(desk.app.attempt().is_some(), "somebody waits for it");
        assert!(
            desk.screen().contains("You are asked again for:"),
            "{}",
            desk.screen()
        );
        sign_in(&mut desk);
        assert_eq!(desk.changes(), [], "nothing is done silently");
        let strip = desk.app.strip().unwrap();
        assert_eq!(strip.kind(), kind);
        if let Some(reason) = reason {
            assert_eq!(strip.input().unwrap().1.text(), reason);
        }
        desk.keys("y Enter");
        assert_eq!(desk.changes(), [], "not before it was read");
        desk.read_it();
        desk.keys(if reason.is_some() { "Enter" } else { "y" });
        assert_eq!(desk.changes().len(), 1);
    }
}

#[test]
fn a_lock_and_a_list_come_back_as_well() {
    let mut desk = sample::full_desk(120, 40);
    desk.keys("2 L");
    desk.read_it();
    desk.type_in("stolen laptop");
    desk.keys("Tab Tab");
    let name = desk.app.lock_form().unwrap().to_type().unwrap();
    desk.type_in(&name);
    desk.keys("Enter");
    refuse(&mut desk);
    sign_in(&mut desk);
    assert_eq!(desk.changes(), []);
    assert_eq!(desk.app.lock_form().unwrap().to_type(), Some(name));
    desk.keys("Esc * x");
    desk.read_it();
    desk.keys("Tab");
    desk.type_in("the work is done");
    desk.keys("Enter");
    let count = desk.app.review().unwrap().kept();
    desk.type_in(&count.to_string());
    desk.keys("Enter");
    let sent = desk.changes();
    assert_eq!(sent.len(), count);
    for change in sent {
        let over = Failure::SignedOut("your sign-in is over".to_owned());
        let trip = Trip {
            sent: desk.now.steady,
            received: desk.now.steady,
        };
        desk.send(Msg::Acted(change, Err(over), trip));
    }
    sign_in(&mut desk);
    assert_eq!(desk.changes(), []);
    let review = desk.app.review().unwrap();
    assert!(!review.is_sent(), "the count is asked for again");
    assert_eq!(review.kept(), count);
}

#[test]
fn whoever_does_not_sign_in_has_done_nothing() {
    let mut desk = Desk::live(100, 30);
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    refuse(&mut desk);
    desk.wait(400);
    desk.keys("Esc");
    assert!(desk.app.attempt().is_none());
    assert!(
        desk.screen().contains("not done, you were signed out"),
        "{}",
        desk.screen()
    );
    desk.wait(60_000);
    assert_eq!(desk.changes(), []);
    assert!(desk.app.attempt().is_none(), "it does not insist");
}

#[test]
fn somebody_else_sees_nothing_of_the_one_before() {
    let mut desk = Desk::live(100, 30);
    assert!(desk.screen().contains("INC-4127"));
    end(&mut desk);
    desk.keys("I");
    ways(&mut desk, false);
    desk.keys("j Enter");
    desk.type_in("pcl_ic_secret");
    assert!(!desk.screen().contains("secret"));
    desk.keys("Enter Enter");
    let (turn, way) = asked(&mut desk).pop().unwrap();
    assert!(matches!(way, Way::Code { name: None, .. }), "{way:?}");
    desk.answers = false;
    let other = Me {
        id: PrincipalId::from_bits(9).to_string(),
        name: "eve".to_owned(),
        ..me(&desk)
    };
    desk.send(Msg::SignIn(turn, Said::Done(Ok(Box::new(other)))));
    assert!(!desk.screen().contains("INC-4127"), "{}", desk.screen());
    assert!(
        desk.effects.contains(&Effect::Switch(None)),
        "a stream of their own"
    );
}

#[test]
fn an_answer_to_what_was_given_up_is_none() {
    let mut desk = Desk::live(100, 30);
    end(&mut desk);
    desk.keys("I");
    ways(&mut desk, true);
    desk.keys("Enter");
    let turn = asked(&mut desk).pop().unwrap().0;
    desk.keys("Esc");
    assert!(matches!(asked(&mut desk)[..], [(_, Way::Stop)]));
    let me = Box::new(me(&desk));
    desk.send(Msg::SignIn(turn, Said::Done(Ok(me))));
    assert!(desk.app.attempt().is_some(), "the box is still open");
}

#[test]
fn where_nobody_was_ever_signed_in_the_box_opens_at_once() {
    for size in [(80, 24), (120, 40)] {
        let mut desk = Desk::new(size.0, size.1);
        desk.answers = false;
        desk.send(Msg::Start);
        end(&mut desk);
        ways(&mut desk, true);
        insta::assert_snapshot!(
            format!("first_sign_in_{}x{}", size.0, size.1),
            desk.screen()
        );
        desk.keys("j Enter");
        desk.type_in("ada");
        desk.keys("Tab");
        desk.type_in("secret");
        insta::assert_snapshot!(format!("password_{}x{}", size.0, size.1), desk.screen());
    }
}
