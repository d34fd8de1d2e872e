//! Somebody signs in inside the console, at a real provider: in the browser here, in one on another machine, and by
//! words alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::client::{Channel, Client, Session, StateDir};
use portcullis::wire::NewDeviceKey;

use super::real::client;
use crate::console::program::Console;
use crate::support::provider::{Provider, Visitor};
use crate::support::pty::Pty;
use crate::support::world::{Backend, CATALOGUE, POLICY, World, key, submit};

/// No browser opens on this machine.
const HEADLESS: [(&str, &str); 3] = [("BROWSER", ""), ("DISPLAY", ""), ("WAYLAND_DISPLAY", "")];
/// One would, if it were a browser.
const SCREEN: [(&str, &str); 2] = [("BROWSER", "true"), ("DISPLAY", "")];

/// A server with a provider, a person and the home of somebody who was never signed in.
async fn surroundings() -> (Provider, World, tempfile::TempDir, Client) {
    let provider = Provider::start("ES256");
    let catalogue = format!("{CATALOGUE}{}", provider.table("device_flow = true"));
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    provider.person("u1", "rita", &["leads"]).await;
    let home = tempfile::tempdir().unwrap();
    let state = StateDir::at(home.path().join("state"));
    let session = Session::open(&world.url().parse().unwrap(), &state).unwrap();
    let machine = Client::new(session, Channel::Tui).unwrap();
    (provider, world, home, machine)
}

async fn enrol(world: &World, machine: &Client) {
    let new = NewDeviceKey {
        thumbprint: machine.session().thumbprint().await.unwrap(),
        name: "build host".to_owned(),
    };
    let rita = client(world, "u1").await;
    rita.enrol_device(&new, &key()).await.unwrap();
}

/// What the console last put on the clipboard.
fn copied(pty: &mut Pty) -> String {
    const BEGIN: &str = "\x1b]52;c;";
    let text = |pty: &Pty| {
        let output = String::from_utf8_lossy(&pty.output).into_owned();
        let (_, rest) = output.rsplit_once(BEGIN)?;
        let (coded, _) = rest.split_once(['\x07', '\x1b'])?;
        STANDARD.decode(coded).ok()
    };
    pty.wait_until("something is copied", |pty| text(pty).is_some());
    String::from_utf8(text(pty).unwrap()).unwrap()
}

/// The first word of the screen after this text.
fn after(pty: &Pty, text: &str) -> String {
    let contents = pty.contents();
    let (_, rest) = contents.split_once(text).expect("it is on screen");
    rest.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn without_a_browser_the_console_shows_a_code_and_goes_on_once_it_was_typed_elsewhere() {
    let (_provider, world, home, machine) = surroundings().await;
    let request = submit(&world.engineer("ada").await).await;
    let mut pty = Console::spawn(&world, &home, &[], &HEADLESS, (24, 80));
    // It is the way that was chosen, and what is missing is said.
    pty.wait_for("the key of this machine is not enrolled");
    pty.wait_for("y copy the command");
    pty.send("y");
    let thumbprint = machine.session().thumbprint().await.unwrap();
    assert_eq!(
        copied(&mut pty),
        format!("portcullis device enrol {thumbprint} --name NAME")
    );
    enrol(&world, &machine).await;
    pty.send("j\r");
    pty.wait_for("type this code there:");
    pty.wait_for("waiting for you to approve it there");
    let code = after(&pty, "type this code there:");
    let contents = pty.contents();
    let mut words = contents.split_whitespace();
    let address = words
        .find(|word| word.ends_with("/device"))
        .unwrap()
        .to_owned();
    assert!(
        pty.contents().contains('█'),
        "the code is large:\n{}",
        pty.contents()
    );
    pty.send("Y");
    pty.wait_for("copied the code");
    assert_eq!(copied(&mut pty), code);
    let said = Visitor::new().approve(&address, &code, "u1", true).await;
    assert!(said.contains("done"), "{said}");
    pty.wait_for("signed in as rita");
    pty.wait_for(&request.id);
    pty.wait_for("LIVE");
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    let output = String::from_utf8_lossy(&pty.output).into_owned();
    assert!(!output.contains("pcl_"), "no token is on the screen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn with_a_browser_the_console_sends_it_to_the_provider_and_goes_on_when_it_comes_back() {
    let (_provider, world, home, _machine) = surroundings().await;
    let mut pty = Console::spawn(&world, &home, &[], &SCREEN, (24, 80));
    pty.wait_for("in the browser, at");
    pty.wait_for("in a browser on another machine");
    pty.wait_for("Enter choose");
    pty.send("\r");
    pty.wait_for("waiting for the browser");
    pty.send("y");
    pty.wait_for("copied the address");
    let address = copied(&mut pty);
    let back = Visitor::new().sign_in(&address, "u1").await;
    let http = portcullis::client::http(&"http://127.0.0.1:1".parse().unwrap()).unwrap();
    let page = http.get(back).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("rita"), "{page}");
    pty.wait_for("signed in as rita");
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn by_words_alone_somebody_signs_in_with_a_code_for_another_machine() {
    let (_provider, world, home, machine) = surroundings().await;
    enrol(&world, &machine).await;
    let mut pty = Console::spawn(&world, &home, &["--linear"], &SCREEN, (40, 200));
    pty.wait_for("Type `browser`");
    pty.send("device\n");
    pty.wait_for("letter by letter:");
    let code = after(&pty, "type this code:");
    let address = after(&pty, "browser go to");
    pty.send("status\n");
    pty.wait_for("The code: good for");
    let said = Visitor::new().approve(&address, &code, "u1", true).await;
    assert!(said.contains("done"), "{said}");
    pty.wait_for("igned in as rita");
    pty.send("quit\n");
    assert_eq!(pty.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn by_words_alone_a_password_is_typed_unseen_and_the_terminal_is_given_back() {
    let (_provider, world, home, _machine) = surroundings().await;
    let mut pty = Console::spawn(&world, &home, &["--linear"], &SCREEN, (40, 200));
    pty.wait_for("`password` for a local account");
    pty.send("password\n");
    pty.wait_for("the name of your local account");
    pty.send("nobody\n");
    pty.wait_for("Type its password");
    pty.send("correct horse battery\n");
    pty.wait_for("the code of your authenticator");
    pty.send("123456\n");
    pty.wait_for("do not fit together");
    let output = String::from_utf8_lossy(&pty.output).into_owned();
    assert!(
        !output.contains("horse") && !output.contains("123456"),
        "{output}"
    );
    // What is no secret shows again.
    pty.send("status\n");
    pty.wait_for("status");
    pty.send("password\nnobody\n");
    pty.wait_for("Type its password");
    pty.send("\x03");
    assert_eq!(pty.wait_exit(), 130);
    assert!(pty.is_restored());
}
