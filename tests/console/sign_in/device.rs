//! Signing in with a browser on another machine: a code in large letters, its time, and every way out.

use std::time::Duration;

use portcullis::console::app::{App, Settings};
use portcullis::console::msg::{Effect, Msg};
use portcullis::console::sign_in::{DeviceCode, Said, Way};
use portcullis::wire::SignInWays;
use ratatui::layout::Size;

use super::{ISSUER, asked, end};
use crate::console::desk::Desk;

fn with_device(desk: &mut Desk) {
    let (turn, _) = asked(desk).pop().unwrap();
    let ways = SignInWays {
        server: "eu-1".to_owned(),
        code: true,
        provider: Some(ISSUER.to_owned()),
        device: true,
    };
    desk.send(Msg::SignIn(turn, Said::Ways(Ok(ways))));
    desk.wait(400);
}

fn device_code(complete: bool) -> DeviceCode {
    DeviceCode {
        code: "WDJB-MJHT".to_owned(),
        address: "https://idp.example.net/device".to_owned(),
        complete: complete.then(|| "https://idp.example.net/device?user_code=WDJB-MJHT".to_owned()),
        lasts: Duration::from_mins(5),
    }
}

#[test]
fn a_code_for_another_machine_is_large_counts_down_and_can_be_given_up() {
    for size in [(80, 24), (120, 40)] {
        let mut desk = Desk::live(size.0, size.1);
        end(&mut desk);
        desk.keys("I");
        with_device(&mut desk);
        desk.keys("j Enter");
        let (turn, way) = asked(&mut desk).pop().unwrap();
        assert_eq!(way, Way::Device);
        desk.send(Msg::SignIn(turn, Said::TypeThere(device_code(true))));
        insta::assert_snapshot!(format!("device_code_{}x{}", size.0, size.1), desk.screen());
        desk.wait(61_000);
        desk.send(Msg::SignIn(turn, Said::NotYet(None)));
        assert!(
            desk.screen().contains("good for 3:5") && desk.screen().contains("asked 1 time"),
            "{}",
            desk.screen()
        );
        let why = "no answer".to_owned();
        desk.send(Msg::SignIn(turn, Said::NotYet(Some(why))));
        assert!(
            desk.screen()
                .contains("the server does not answer: no answer")
        );
        desk.keys("Y y");
        for copied in [
            "WDJB-MJHT",
            "https://idp.example.net/device?user_code=WDJB-MJHT",
        ] {
            assert!(desk.effects.contains(&Effect::Copy(copied.to_owned())));
        }
        desk.keys("r");
        let (again, way) = asked(&mut desk).pop().unwrap();
        assert_eq!(way, Way::Device);
        // What is said of the one before is no more heard.
        desk.send(Msg::SignIn(turn, Said::TypeThere(device_code(false))));
        assert!(!desk.screen().contains("WDJB"));
        desk.send(Msg::SignIn(again, Said::TypeThere(device_code(false))));
        assert!(desk.screen().contains("WDJB-MJHT"));
        desk.wait(300_000);
        assert!(
            desk.screen().contains("the code is over"),
            "{}",
            desk.screen()
        );
        desk.keys("Esc");
        assert!(matches!(asked(&mut desk)[..], [(_, Way::Stop)]));
        assert!(desk.screen().contains("in a browser on another machine"));
        desk.keys("Esc");
        assert!(desk.app.attempt().is_none());
    }
}

#[test]
fn where_no_browser_opens_the_code_for_another_machine_is_chosen_once() {
    let mut desk = Desk::live(100, 30);
    desk.app = App::new(
        &Settings {
            headless: true,
            ..Settings::default()
        },
        Size::new(100, 30),
        desk.now,
    );
    desk.answers = false;
    end(&mut desk);
    with_device(&mut desk);
    let (turn, way) = asked(&mut desk).pop().unwrap();
    assert_eq!(way, Way::Device);
    let command = "portcullis device enrol abc --name NAME".to_owned();
    let said = Said::NotEnrolled {
        command: command.clone(),
    };
    desk.send(Msg::SignIn(turn, said));
    assert!(
        desk.screen().contains("is not enrolled"),
        "{}",
        desk.screen()
    );
    assert_eq!(asked(&mut desk), [], "another way can be chosen now");
    desk.keys("y");
    assert!(desk.effects.contains(&Effect::Copy(command)));
    desk.keys("Enter");
    assert_eq!(asked(&mut desk).pop().unwrap().1, Way::Browser);
}
