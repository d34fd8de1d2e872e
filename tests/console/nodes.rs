//! A console that changes nodes, and one whose node can only read or may lose what it acknowledged.

use std::cell::RefCell;

use portable_pty::CommandBuilder;
use portcullis::client::Standing;
use portcullis::console::msg::{Msg, Tidings};

use crate::console::desk::Desk;
use crate::support::installation::Installation;
use crate::support::pty::Pty;

fn standing(node: &str, stale: Option<u64>) -> Msg {
    Msg::Stream(Tidings::Standing(Standing {
        node: Some(node.to_owned()),
        stale,
        may_lose: false,
    }))
}

/// The places of lines that two pictures do not have in common.
fn differing(one: &str, other: &str) -> Vec<usize> {
    let lines = one.lines().zip(other.lines()).enumerate();
    lines
        .filter(|(_, (one, other))| one != other)
        .map(|(place, _)| place)
        .collect()
}

#[test]
fn another_node_changes_one_word_in_the_status_line() {
    let mut desk = Desk::live(120, 30);
    desk.send(standing("pc-1", None));
    let before = desk.screen();
    desk.send(standing("pc-2", None));
    let after = desk.screen();
    let status = before.lines().count() - 2;
    assert_eq!(differing(&before, &after), [status]);
    let line = |screen: &str| screen.lines().nth(status).unwrap().to_owned();
    assert_eq!(line(&before).replace("pc-1", "pc-2"), line(&after));
}

#[test]
fn on_a_copy_nothing_is_decided_and_access_can_still_be_taken_away() {
    let mut desk = Desk::live(120, 30);
    desk.send(standing("pc-1", Some(12)));
    let screen = desk.screen();
    assert!(
        screen
            .contains("STALE 0:12, the server reads from a copy and cannot write: nothing can be"),
        "{screen}"
    );
    desk.keys("a");
    let refused = desk.screen();
    assert!(
        refused.contains("nothing can be decided now, the server reads from a copy"),
        "{refused}"
    );
    desk.send(standing("pc-1", None));
    assert!(!desk.screen().contains("STALE"));
}

#[test]
fn a_database_that_may_lose_changes_is_said_so_in_red() {
    let mut desk = Desk::live(120, 30);
    desk.send(Msg::Stream(Tidings::Standing(Standing {
        may_lose: true,
        ..Standing::default()
    })));
    let screen = desk.screen();
    assert!(
        screen.contains("ACKNOWLEDGED CHANGES MAY BE LOST"),
        "{screen}"
    );
}

/// The words of a picture, line by line, without its numbers: ages go on.
fn words(screen: &str) -> Vec<String> {
    let word = |line: &str| {
        let parts = line.split(|c: char| !c.is_alphabetic());
        parts
            .filter(|part| part.len() > 2)
            .collect::<Vec<_>>()
            .join(" ")
    };
    screen.lines().map(word).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_takes_nothing_off_the_screen() {
    let mut installation = Installation::start().await;
    let [first, _] = &installation.nodes;
    first.invite("ada", "requester", "engineers");
    let request = [
        "request",
        "bastion",
        "readonly",
        "--for",
        "1h",
        "--reason",
        "the disk of the way in is full",
    ];
    first.said("ada", &request);
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["console", "--server", &installation.urls()]);
    command.env("PORTCULLIS_DEVICE_KEY", "file");
    command.env("PORTCULLIS_HOME", first.home("root"));
    command.env("PORTCULLIS_CONFIG_DIR", first.home("root"));
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    let mut pty = Pty::spawn(command, 40, 120);
    for text in ["LIVE", "root", "pc-1", "request.submitted by ada"] {
        pty.wait_for(text);
    }
    let before = words(&pty.contents());
    installation.nodes[0].kill();
    let seen = RefCell::new(Vec::new());
    pty.wait_until("the other node", |pty| {
        let screen = pty.contents();
        seen.borrow_mut().push(screen.clone());
        screen.contains("pc-2") && screen.contains("LIVE")
    });
    for screen in seen.take() {
        assert!(screen.contains("bastion"), "{screen}");
    }
    let status = before.len() - 2;
    // The first line has the clock and the connection, and the status line the node.
    pty.wait_until("the same lists", |pty| {
        let after = words(&pty.contents());
        let mut lines = before.iter().zip(&after).enumerate();
        let same = |(place, (before, after)): (usize, (&String, &String))| {
            [0, status].contains(&place) || before == after
        };
        lines.all(same)
    });
    pty.send("q");
}
