//! `request` at a terminal: what may be asked for, chosen with keys; and what would become of a request, without asking.

use std::time::Duration;

use portable_pty::CommandBuilder;

use crate::support::person::Person;
use crate::support::pty::{Link, Pty};
use crate::support::world::{Backend, POLICY, World};

const ESCAPE: &str = "\x1b";

/// The program in a terminal of the usual size.
fn at_terminal(world: &World, person: &Person, arguments: &[&str]) -> Pty {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments);
    command.env_clear();
    command.env("HOME", person.home());
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command.env("NO_COLOR", "1");
    command.env("PORTCULLIS_HOME", person.home().join("state"));
    command.env("PORTCULLIS_CONFIG_DIR", person.home().join("config"));
    command.env("PORTCULLIS_DEVICE_KEY", "file");
    command.env("PORTCULLIS_SERVER", world.url());
    Pty::spawn(command, 24, 80)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_chosen_with_keys_and_asked_for_with_duration_and_reason() {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    let mut pty = at_terminal(&world, &ada, &["request"]);
    pty.wait_for("enter to take");
    let shown = pty.contents();
    assert!(shown.contains("what for (2 of 2):"), "{shown}");
    assert!(
        shown.contains("with every server down: the target itself ends access"),
        "{shown}"
    );
    pty.send("READ");
    pty.wait_for("what for (1 of 2): READ");
    pty.send("\r");
    pty.wait_for("for how long: 1h");
    pty.send("\x15");
    pty.wait_until("an empty line", |pty| {
        !pty.contents().contains("for how long: 1h")
    });
    pty.send("9h");
    pty.wait_for("for how long: 9h");
    // Policy gives four hours at most, and says so before anything is asked.
    pty.send("\r");
    pty.wait_for("gives is `4h`");
    assert!(
        pty.contents().contains("for how long: 9h"),
        "{}",
        pty.contents()
    );
    pty.send("\x15");
    pty.send("30m");
    pty.wait_for("for how long: 30m");
    pty.send("\r");
    pty.wait_until("who reviews, and the next step", |pty| {
        let shown = pty.contents();
        shown.contains("reason: ") && shown.contains("reviewers")
    });
    // Pasted as terminals do it: keys as fast as a test's would confirm nothing.
    pty.send("\x1b[200~INC-4127 stuck orders\x1b[201~");
    pty.wait_for("reason: INC-4127 stuck orders");
    // With the keys before it, an Enter sooner than fingers press it would be one of a burst.
    Link::slow(Duration::from_millis(20), 1).send(&mut pty, "\r");
    pty.wait_for("ada asks for readonly on bastion for 30m");
    pty.wait_for("pending: waits for a review by `reviewers`");
    assert_eq!(pty.wait_exit(), 0, "{}", pty.contents());
    assert!(pty.is_restored(), "{:?}", pty.left_on());
    assert!(
        !String::from_utf8_lossy(&pty.output).contains("\x1b[38;"),
        "NO_COLOR"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_asks_for_nothing_and_gives_the_terminal_back() {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    for (keys, arguments) in [
        (ESCAPE, &["request"][..]),
        ("\x03", &["request", "bastion"]),
        ("\x03", &["request", "bastion", "admin", "--for", "1h"]),
    ] {
        let mut pty = at_terminal(&world, &ada, arguments);
        pty.wait_for("enter ");
        pty.send(keys);
        pty.wait_for("error: nothing was asked");
        assert_eq!(pty.wait_exit(), 7);
        assert!(pty.is_restored(), "{:?}", pty.left_on());
    }
    assert_eq!(ada.does(&["requests", "--mine"]).await, "no requests\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nobody_is_asked_and_what_is_missing_is_said() {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    let ran = ada.run(&["request"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err
            .contains("this is missing: TARGET, ROLE, --for TIME, --reason TEXT\n"),
        "{ran:?}"
    );
    let ran = ada.run(&["request", "bastion", "readonly", "--json"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("--for TIME, --reason TEXT"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_how_it_would_be_decided_and_who_ends_it_and_asks_for_nothing() {
    let world = World::start(Backend::Sqlite).await;
    let ada = Person::engineer(&world, "ada").await;
    let said = ada
        .does(&["request", "bastion", "readonly", "--for", "2h", "--dry-run"])
        .await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("readonly on bastion for 2h: "),
        "{said}"
    );
    assert!(lines[1].starts_with("  policy `readonly` (line "), "{said}");
    assert_eq!(
        lines[2..],
        [
            "with every server down: the target itself ends access and sessions (class A+)",
            "nothing was asked"
        ]
    );
    let ran = ada
        .run(&["request", "bastion", "readonly", "--for", "9h", "--dry-run"])
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("nothing was asked"), "{ran:?}");
    let json = ada
        .json(&["request", "bastion", "admin", "--dry-run"])
        .await;
    assert_eq!(json["permitted"], true, "{json}");
    assert_eq!(json["enforcement"], "A+", "{json}");
    assert_eq!(ada.does(&["requests", "--mine"]).await, "no requests\n");
    assert_eq!(ada.run(&["request", "--dry-run"]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_owner_wrote_about_a_target_reaches_the_terminal_as_text() {
    let evil = "\\u202Elive\\u200B";
    let catalogue = format!(
        "[target.bastion]\nkind = \"ssh\"\ndescription = \"{evil}\"\nhost = \"127.0.0.1\"\n[target.bastion.role.readonly]\ndescription = \"{evil}\"\nuser = \"nobody\"\nprincipals = [\"readonly\"]\n"
    );
    let world = World::with(Backend::Sqlite, POLICY, &catalogue, None).await;
    let ada = Person::engineer(&world, "ada").await;
    let mut pty = at_terminal(&world, &ada, &["request"]);
    pty.wait_for("readonly on bastion: ssh");
    pty.send("\x03");
    assert_eq!(pty.wait_exit(), 7);
    let output = String::from_utf8_lossy(&pty.output);
    assert!(!output.contains(['\u{202e}', '\u{200b}']), "{output:?}");
}
