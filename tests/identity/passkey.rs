//! A person with a passkey: the pages in a real browser, with an authenticator of its own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use portable_pty::CommandBuilder;
use portcullis::client::{Channel, Client, Session, StateDir};
use portcullis::console::confirm::ARMING;
use portcullis::secret::Secret;
use portcullis::wire::Invitation;
use reqwest::header::{HeaderMap, HeaderValue};

use crate::support::browser::{Browser, pipe};
use crate::support::pty::Pty;
use crate::support::world::{Backend, World, ask, key, submit};

const PASSWORD: &str = "the kettle sings at noon";

/// Somebody at a terminal, whose "browser" hands the address to the test.
struct Rita {
    world: World,
    home: tempfile::TempDir,
    client: Client,
    url: PathBuf,
}

impl Rita {
    async fn signed_in() -> Self {
        let mut world = World::start(Backend::Sqlite).await;
        world.require_step_up().await;
        let home = tempfile::tempdir().unwrap();
        let invitation = Invitation {
            name: "rita".to_owned(),
            roles: vec!["reviewer".to_owned()],
            groups: vec!["reviewers".to_owned()],
        };
        let code = world
            .admin()
            .invite(&invitation, &key())
            .await
            .unwrap()
            .code;
        let state = StateDir::at(home.path().join("state"));
        let session = Session::open(&world.url().parse().unwrap(), &state).unwrap();
        let client = Client::new(session, Channel::Cli).unwrap();
        client.sign_in(&code, None, None).await.unwrap();
        let url = pipe(home.path().join("url"));
        let opener = home.path().join("opener");
        let script = format!("#!/bin/sh\nprintf %s \"$1\" > '{}'\n", url.display());
        std::fs::write(&opener, script).unwrap();
        std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            world,
            home,
            client,
            url,
        }
    }

    /// Somebody with a password and a passkey, who has signed out.
    async fn with_a_password() -> (Self, Browser) {
        let rita = Self::signed_in().await;
        let password = Secret::new(PASSWORD.to_owned());
        rita.client
            .set_password(&password, None, &key())
            .await
            .unwrap();
        let mut browser = Browser::start();
        browser.authenticator(true);
        rita.adds_a_passkey(&mut browser);
        rita.client.sign_out().await.unwrap();
        (rita, browser)
    }

    fn runs(&self, arguments: &[&str]) -> Pty {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(arguments);
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path());
        command.env("BROWSER", self.home.path().join("opener"));
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("PORTCULLIS_DEVICE_KEY", "file");
        command.env("PORTCULLIS_HOME", self.home.path().join("state"));
        command.env("PORTCULLIS_CONFIG_DIR", self.home.path().join("config"));
        command.env("PORTCULLIS_SERVER", self.world.url());
        Pty::spawn(command, 40, 120)
    }

    /// Where the program sent the browser.
    fn address(&self) -> String {
        std::fs::read_to_string(&self.url).unwrap()
    }

    /// Adds a passkey as a person does.
    fn adds_a_passkey(&self, browser: &mut Browser) {
        let mut terminal = self.runs(&["factor", "add", "passkey", "--name", "laptop"]);
        browser.open(&self.address());
        assert_eq!(browser.text("h1"), "A new passkey, “laptop”");
        assert_eq!(browser.text("#server"), self.world.url());
        assert_eq!(browser.text("#person"), "rita");
        picture(browser, "passkey-add");
        browser.click("#go");
        browser.wait_for("document.querySelector('main.ok')");
        assert_eq!(browser.text(".word"), "✓ Added");
        terminal.wait_for("is your second factor from now on");
        terminal.wait_for("your recovery codes");
        assert_eq!(terminal.wait_exit(), 0);
    }
}

fn picture(browser: &mut Browser, name: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join(format!("{name}.png")), browser.picture()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn somebody_adds_a_passkey_and_approves_with_it() {
    let rita = Rita::signed_in().await;
    let mut browser = Browser::start();
    browser.authenticator(true);
    rita.adds_a_passkey(&mut browser);

    let request = submit(&rita.world.engineer("ada").await).await;
    let mut terminal = rita.runs(&["approve", &request.id]);
    terminal.wait_for("only Enter for your passkey");
    terminal.send("\r");
    let address = rita.address();
    strangers_get_nothing(&address).await;
    browser.open(&address);
    assert_eq!(
        browser.text("#acts"),
        format!("approve request {}", request.id)
    );
    assert_eq!(browser.text("#server"), rita.world.url());
    browser.prefers("light");
    picture(&mut browser, "passkey-confirm-light");
    browser.prefers("dark");
    picture(&mut browser, "passkey-confirm-dark");
    browser.click("#go");
    browser.wait_for("document.querySelector('main.ok')");
    assert_eq!(browser.text(".word"), "✓ Confirmed");
    picture(&mut browser, "passkey-confirmed");
    terminal.wait_for("approved as G-");
    assert_eq!(terminal.wait_exit(), 0);
    let events = rita.world.audit().await;
    let approved = events
        .iter()
        .find(|event| event.event == "request.approved");
    assert_eq!(approved.unwrap().details["second_factor"], "passkey");

    let mut list = rita.runs(&["factor", "list"]);
    list.wait_for("passkey");
    list.wait_for("laptop");
    assert_eq!(list.wait_exit(), 0);
}

/// Whoever knocks while the page waits, by another name, at another address or from another page.
async fn strangers_get_nothing(address: &str) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let there = http.get(address).send().await.unwrap();
    let policy = there.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-")
    );
    assert_eq!(there.headers()["cache-control"], "no-store");
    assert_eq!(there.headers()["x-frame-options"], "DENY");
    let by_number = address.replace("localhost", "127.0.0.1");
    let shorter: String = address.chars().take(30).collect();
    for elsewhere in [by_number.as_str(), &format!("{address}x"), &shorter] {
        let answer = http.get(elsewhere).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{elsewhere}");
    }
    for origin in [
        "",
        "null",
        "http://evil.example",
        "http://localhost",
        "http://localhost:1",
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        if !origin.is_empty() {
            headers.insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        let answer = http.post(address).headers(headers).body("{}").send().await;
        assert_eq!(answer.unwrap().status(), 400, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_console_asks_for_the_passkey_in_place() {
    let rita = Rita::signed_in().await;
    let mut browser = Browser::start();
    browser.authenticator(true);
    rita.adds_a_passkey(&mut browser);
    let ada = rita.world.engineer("ada").await;
    let request = submit(&ada).await;
    let mut console = rita.runs(&["console"]);
    console.wait_for(&request.id);
    // A decision is about what has been shown in whole.
    console.wait_for(&ask().reason);
    console.send("a");
    console.wait_for("y approve   n no");
    console.send("y");
    console.wait_for("Second factor");
    console.wait_for("Enter: your passkey");
    // Keys of the first moment after it was drawn count for nothing.
    tokio::time::sleep(ARMING).await;
    console.send("\r");
    console.wait_for("http://localhost");
    browser.open(&rita.address());
    assert!(
        browser
            .text("#acts")
            .starts_with(&format!("approve {}", request.id))
    );
    browser.click("#go");
    browser.wait_for("document.querySelector('main.ok')");
    console.wait_for(&format!("{} is approved", request.id));
    assert_eq!(ada.request(&request.id).await.unwrap().state, "approved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn somebody_signs_in_to_the_console_with_a_password_and_the_passkey() {
    let (rita, mut browser) = Rita::with_a_password().await;
    let mut console = rita.runs(&["console"]);
    console.wait_for("with the password of a local account");
    console.wait_for("Enter choose");
    console.send("\r");
    console.wait_for("leave it empty without a second factor");
    console.send("rita\t");
    console.send(format!("{PASSWORD}\t"));
    console.send("passkey");
    console.wait_for("code      *******");
    // What comes right after letters is taken for pasted text, and confirms nothing.
    tokio::time::sleep(ARMING).await;
    console.send("\r");
    browser.open(&rita.address());
    assert_eq!(browser.text("h1"), "You are about to sign in");
    assert_eq!(browser.text("#person"), "rita");
    browser.click("#go");
    browser.wait_for("document.querySelector('main.ok')");
    console.wait_for("signed in as rita");
    console.send("q");
    assert_eq!(console.wait_exit(), 0);
    let output = String::from_utf8_lossy(&console.output).into_owned();
    assert!(!output.contains("kettle") && !output.contains("pcl_"));
}

/// The day the provider is down: a new terminal, a password, and the passkey that is in the browser anyway.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn somebody_signs_in_with_a_password_and_the_passkey() {
    let (rita, mut browser) = Rita::with_a_password().await;
    let mut terminal = rita.runs(&["login", "--user", "rita"]);
    terminal.wait_for("password:");
    terminal.send(format!("{PASSWORD}\r"));
    terminal.wait_for("`passkey` for your passkey");
    terminal.send("passkey\r");
    let address = rita.address();
    strangers_get_nothing(&address).await;
    browser.open(&address);
    assert_eq!(browser.text("h1"), "You are about to sign in");
    assert_eq!(browser.text("#server"), rita.world.url());
    assert_eq!(browser.text("#person"), "rita");
    picture(&mut browser, "passkey-sign-in");
    browser.click("#go");
    browser.wait_for("document.querySelector('main.ok')");
    terminal.wait_for("signed in as rita");
    assert_eq!(terminal.wait_exit(), 0);
    let mut who = rita.runs(&["whoami"]);
    who.wait_for("rita");
    assert_eq!(who.wait_exit(), 0);
    let events = rita.world.audit().await;
    let last = events.iter().rfind(|event| event.event == "auth.signed_in");
    let last = last.unwrap();
    assert_eq!(
        (last.actor.name.as_str(), last.details["method"].as_str()),
        ("rita", Some("password"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn without_the_person_nothing_is_confirmed() {
    let rita = Rita::signed_in().await;
    let mut browser = Browser::start();
    browser.authenticator(true);
    rita.adds_a_passkey(&mut browser);
    browser.verifies(false);
    let ada = rita.world.engineer("ada").await;
    let request = submit(&ada).await;
    let mut terminal = rita.runs(&["approve", &request.id]);
    terminal.wait_for("only Enter for your passkey");
    terminal.send("\r");
    browser.open(&rita.address());
    browser.click("#go");
    browser.wait_for("document.getElementById('said').innerText.includes('nothing was done')");
    assert_eq!(ada.request(&request.id).await.unwrap().state, "pending");
    // It can be tried again, with the finger that fits.
    browser.verifies(true);
    browser.wait_for("!document.getElementById('go').disabled");
    browser.click("#go");
    browser.wait_for("document.querySelector('main.ok')");
    terminal.wait_for("approved as G-");
    assert_eq!(terminal.wait_exit(), 0);
    assert_eq!(rita.client.factors().await.unwrap().factors.len(), 1);
}
