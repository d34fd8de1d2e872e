//! The program itself, in a terminal and in a pipe.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::console::program::Console;
use crate::support::world::submit;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_is_talked_to_line_by_line_in_a_terminal() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    let mut pty = Console::spawn(&world, &home, &["--linear"], &[("TERM", "dumb")], (24, 80));
    pty.wait_for("help");
    pty.wait_for("LIVE");
    assert!(!pty.is_taken());
    pty.send(format!("approve {}\n", request.id));
    pty.wait_for("`no` to leave");
    pty.send("yes\n");
    pty.wait_for("is approved");
    assert!(
        !pty.output.contains(&0x1b),
        "{:?}",
        String::from_utf8_lossy(&pty.output)
    );
    pty.send("quit\n");
    assert_eq!(pty.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_from_a_pipe_are_answered_into_a_pipe_and_may_not_change_anything() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["console", "--linear", "--server", &world.url()])
        .env("PORTCULLIS_DEVICE_KEY", "file")
        .env("PORTCULLIS_HOME", home.path().join("state"))
        .env("PORTCULLIS_CONFIG_DIR", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let typed = format!("requests\napprove {}\nyes\nquit\n", request.id);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(&format!("1. {} pending", request.id)),
        "{said}"
    );
    assert!(said.contains("somebody at a keyboard"), "{said}");
    assert!(!said.contains('\u{1b}'));
    assert_eq!(ada.request(&request.id).await.unwrap().state, "pending");
}

#[test]
fn a_dumb_terminal_is_told_of_the_lines() {
    let mut command = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["console", "--server", "http://127.0.0.1:1"]);
    command.env("TERM", "dumb");
    let mut pty = crate::support::pty::Pty::spawn(command, 24, 80);
    pty.wait_for("portcullis console --linear");
    assert_eq!(pty.wait_exit(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_and_an_incident_go_through_the_program_in_a_terminal() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let grant = world.granted(&ada).await;
    let mut pty = Console::spawn(&world, &home, &["--linear"], &[("TERM", "dumb")], (24, 200));
    pty.wait_for("LIVE");
    pty.wait_for("help");
    pty.send("incident everything\n");
    pty.wait_for("1 row would go");
    pty.wait_for("Type 1 to do exactly this");
    pty.send("reason INC-4127 token theft\n");
    pty.wait_until("the question again", |pty| {
        String::from_utf8_lossy(&pty.output)
            .matches("Type 1 to do exactly this")
            .count()
            == 2
    });
    pty.send("1\n");
    pty.wait_for("All 1 are settled.");
    assert_eq!(
        world.admin().grant(&grant.id).await.unwrap().state,
        "revoked"
    );
    pty.send("lock ada\n");
    pty.wait_for("Reason? Type it");
    pty.send("INC-4127 token theft\n");
    pty.wait_for("Type `ada` to lock it");
    pty.send("ada\n");
    pty.wait_for("ada is locked");
    pty.send("locks\n");
    pty.wait_for("on ada in force until somebody lifts it, placed by maya");
    assert!(!pty.output.contains(&0x1b));
    pty.send("quit\n");
    assert_eq!(pty.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_the_server_is_asked_for_come_through_a_pipe_in_their_order() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let grant = world.granted(&ada).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["console", "--linear", "--server", &world.url()])
        .env("PORTCULLIS_DEVICE_KEY", "file")
        .env("PORTCULLIS_HOME", home.path().join("state"))
        .env("PORTCULLIS_CONFIG_DIR", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let typed = format!(
        "locks\nsessions\nas of now\nshow {}\nlock ada\nmessages\n",
        grant.id
    );
    child
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let mut rest = said.as_str();
    for wanted in [
        "Nothing is locked.",
        "Nobody is connected, as far as the targets report it.",
        "bastion: this kind of target does not report sessions",
        "1 person has access by 1 grant",
        "At most until",
        "On record:",
        "grant.activated",
        "somebody at a keyboard",
    ] {
        let wanted = if wanted == "grant.activated" {
            "made usable"
        } else {
            wanted
        };
        let at = rest.find(wanted);
        assert!(at.is_some(), "no {wanted:?} in\n{rest}");
        rest = rest.split_at(at.unwrap()).1;
    }
    assert_eq!(world.number("select count(*) from locks").await, 0);
}
