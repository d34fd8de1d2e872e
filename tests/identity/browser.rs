//! A person at a terminal who signs in with a real browser at a real provider.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use portable_pty::CommandBuilder;
use reqwest::Url;

use crate::support::browser::{Browser, pipe};
use crate::support::provider::Provider;
use crate::support::pty::Pty;
use crate::support::world::{Backend, CATALOGUE, POLICY, World};

/// The program in a terminal. Its "browser" hands the address to the test.
pub(super) fn program(world: &World, home: &Path, arguments: &[&str]) -> Pty {
    let opener = home.join("opener");
    let script = format!(
        "#!/bin/sh\nprintf %s \"$1\" > '{}'\n",
        home.join("url").display()
    );
    std::fs::write(&opener, script).unwrap();
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments);
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home);
    command.env("BROWSER", &opener);
    command.env("TERM", "xterm-256color");
    command.env("PORTCULLIS_DEVICE_KEY", "file");
    command.env("PORTCULLIS_HOME", home.join("state"));
    command.env("PORTCULLIS_CONFIG_DIR", home.join("config"));
    command.env("PORTCULLIS_SERVER", world.url());
    Pty::spawn(command, 24, 100)
}

async fn surroundings() -> (Provider, World) {
    let provider = Provider::start("RS256");
    let catalogue = format!("{CATALOGUE}{}", provider.table(""));
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    provider
        .person("u1", "Ada.Lovelace@example.com", &["eng"])
        .await;
    (provider, world)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn somebody_signs_in_in_a_browser_and_is_told_as_whom() {
    let (_provider, world) = surroundings().await;
    let home = tempfile::tempdir().unwrap();
    let url = pipe(home.path().join("url"));
    let mut browser = Browser::start();
    let mut terminal = program(&world, home.path(), &["login"]);
    let address = std::fs::read_to_string(url).unwrap();

    browser.open(&address);
    browser.wait_for("document.activeElement && document.activeElement.name == 'login'");
    browser.types("u1");
    browser.click("#go");
    browser.wait_for("document.body && document.body.innerText.includes('Let Portcullis')");
    browser.click("#go");
    assert_eq!(browser.text("#person"), "ada.lovelace");
    assert_eq!(browser.text("#server"), world.url());
    assert!(browser.text("footer").contains("You may close this tab"));
    browser.prefers("light");
    let colour = "getComputedStyle(document.body).backgroundColor";
    let light = browser.value(colour);
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(pictures.join("signed-in-light.png"), browser.picture()).unwrap();
    browser.prefers("dark");
    assert_ne!(browser.value(colour), light);
    std::fs::write(pictures.join("signed-in-dark.png"), browser.picture()).unwrap();

    terminal.wait_for("signed in as ada.lovelace on");
    assert_eq!(terminal.wait_exit(), 0);
    let mut after = program(&world, home.path(), &["whoami"]);
    after.wait_for("ada.lovelace");
    assert_eq!(after.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn somebody_who_says_no_is_told_so_in_both_places() {
    let (_provider, world) = surroundings().await;
    let home = tempfile::tempdir().unwrap();
    let url = pipe(home.path().join("url"));
    let mut browser = Browser::start();
    let mut terminal = program(&world, home.path(), &["login"]);
    browser.open(&std::fs::read_to_string(url).unwrap());
    browser.click("#no");
    let why = browser.text("#why");
    assert_eq!(
        why,
        "the identity provider did not let you in (`access_denied`)"
    );
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refused.png");
    std::fs::write(picture, browser.picture()).unwrap();
    terminal.wait_for("did not let you in");
    assert_ne!(terminal.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn strangers_who_knock_while_it_waits_change_nothing() {
    let (_provider, world) = surroundings().await;
    let home = tempfile::tempdir().unwrap();
    let url = pipe(home.path().join("url"));
    let mut terminal = program(&world, home.path(), &["login"]);
    let address: Url = std::fs::read_to_string(url).unwrap().parse().unwrap();
    let redirect = address
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri");
    let waits_at = redirect.unwrap().1.into_owned();
    let http = portcullis::client::http(&world.url().parse().unwrap()).unwrap();
    for hostile in [
        "",
        "?code=x&state=y",
        "?error=<script>alert(1)</script>&state=<script>",
        "?state=a&state=b&code=c",
        "/../../etc/passwd",
    ] {
        let answer = http
            .get(format!("{waits_at}{hostile}"))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_client_error(), "{hostile}");
        let headers = answer.headers();
        assert_eq!(headers["cache-control"], "no-store");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let page = answer.text().await.unwrap();
        assert!(
            !page.contains("<script") && !page.contains("alert"),
            "{page}"
        );
    }
    // Ctrl-c leaves the terminal as it was, and nothing behind.
    terminal.wait_for("go to this address");
    terminal.send("\x03");
    assert_ne!(terminal.wait_exit(), 0);
    assert!(terminal.is_restored());
    assert!(
        !home.path().join("state/sessions").exists()
            || world.number("select count(*) from identities").await == 0
    );
}
