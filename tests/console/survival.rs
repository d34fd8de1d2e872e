//! What terminals do to programs: huge pastes, programs in between, few colours, few characters, large windows. The
//! real program against a real server, its output read by a terminal's own parser.

use std::collections::BTreeSet;

use portable_pty::CommandBuilder;
use portcullis::wire::RequestView;

use super::program::Console;
use crate::support::pty::Pty;
use crate::support::tokens::{Allowed, strangers};
use crate::support::world::{World, submit};

/// A world in which somebody waits for a decision.
async fn waiting() -> (World, tempfile::TempDir, RequestView) {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    (world, home, request)
}

/// Leaves, and looks at everything that was sent.
fn leave(mut pty: Pty) -> String {
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    assert!(pty.is_restored());
    assert_eq!(pty.left_on(), Vec::<u16>::new());
    let found = strangers(&pty.output, Allowed::Screen);
    assert!(found.is_empty(), "{found:#?}");
    String::from_utf8(pty.output).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paste_of_a_megabyte_decides_nothing_and_leaves_the_console_alive() {
    let (world, home, request) = waiting().await;
    let mut pty = Console::spawn(&world, &home, &[], &[], (40, 120));
    pty.wait_for(&request.id);
    pty.send("\x1b[200~");
    // Everything that would be a decision, a thousand times over.
    let piece = "ay\ryx\ry1\rdno reason\r\x03q".repeat(50);
    for _ in 0..1_000 {
        pty.send(&piece);
    }
    pty.send("\x1b[201~");
    pty.send("?");
    pty.wait_for("Keys for");
    pty.send("\x1b");
    pty.wait_until("no help", |pty| !pty.contents().contains("Keys for"));
    let after = world.admin().request(&request.id).await.unwrap();
    assert_eq!(
        (after.state.as_str(), after.version),
        ("pending", request.version)
    );
    leave(pty);
}

/// Arguments and environment.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_colours_no_colours_and_plain_characters_are_enough() {
    let (world, home, request) = waiting().await;
    let cases: [Case<'_>; 5] = [
        (&[], &[("TERM", "xterm")]),
        (&[], &[("TERM", "linux")]),
        (&[], &[("NO_COLOR", "1")]),
        (&["--color", "none", "--ascii"], &[]),
        (&["--color", "16"], &[("COLORTERM", "truecolor")]),
    ];
    for (arguments, env) in cases {
        let mut pty = Console::spawn(&world, &home, arguments, env, (24, 80));
        pty.wait_for(&request.requester);
        pty.wait_for("pending");
        let selected = pty.screen.screen().cursor_position().0;
        let (row, other) = {
            let screen = pty.screen.screen();
            let cell = screen.cell(selected, 4).unwrap();
            let empty = screen.cell(selected + 2, 4).unwrap();
            (
                (cell.inverse(), cell.bgcolor()),
                (empty.inverse(), empty.bgcolor()),
            )
        };
        assert_ne!(
            row, other,
            "the selected row is lost: {arguments:?} {env:?}"
        );
        let sent = leave(pty);
        assert!(
            !sent.contains("8;2;"),
            "an exact colour: {arguments:?} {env:?}"
        );
        let colourless = env.contains(&("NO_COLOR", "1")) || arguments.contains(&"none");
        assert_eq!(!sent.contains("8;5;"), colourless, "{arguments:?} {env:?}");
        let plain = arguments.contains(&"--ascii");
        assert_eq!(sent.is_ascii(), plain, "{arguments:?} {env:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_window_is_filled_and_the_smallest_says_what_it_needs() {
    let (world, home, request) = waiting().await;
    let mut pty = Console::spawn(&world, &home, &[], &[], (100, 300));
    pty.wait_for(&request.id);
    let widest = pty
        .contents()
        .lines()
        .map(|line| line.chars().count())
        .max();
    assert_eq!(widest, Some(300));
    pty.resize(2, 20);
    pty.wait_for("needs 80x2");
    pty.resize(1, 1);
    pty.resize(24, 80);
    pty.wait_for("pending");
    leave(pty);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_is_titled_while_the_console_runs() {
    let (world, home, request) = waiting().await;
    let mut pty = Console::spawn(&world, &home, &[], &[], (40, 120));
    pty.wait_for(&request.id);
    pty.wait_until("the title", |pty| {
        pty.output
            .windows(b"\x1b]2;(1!) Portcullis\x07".len())
            .any(|bytes| bytes == b"\x1b]2;(1!) Portcullis\x07")
    });
    let sent = leave(pty);
    let (kept, given_back) = (sent.find("\x1b[22;2t"), sent.rfind("\x1b[23;2t"));
    assert!(
        kept.is_some() && given_back > sent.rfind("\x1b]2;"),
        "{sent:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_looks_elsewhere_is_called_in_the_terminals_own_way() {
    let (world, home, _) = waiting().await;
    let bob = world.engineer("bob").await;
    let mut pty = Console::spawn(
        &world,
        &home,
        &[],
        &[("TERM", "foot"), ("TMUX", "")],
        (40, 120),
    );
    pty.wait_for("LIVE");
    pty.wait_for("ada");
    pty.send("\x1b[O");
    // The help is drawn after the focus was lost.
    pty.send("?");
    pty.wait_for("Keys for");
    pty.send("\x1b");
    pty.wait_until("no help", |pty| !pty.contents().contains("Keys for"));
    pty.send("\x1b[O");
    let request = submit(&bob).await;
    pty.wait_for("bob");
    let notice = format!("\x1b]777;notify;Portcullis;{} bastion ", request.id);
    pty.wait_until("the notice", |pty| {
        String::from_utf8_lossy(&pty.output).contains(&notice)
    });
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
}

fn is_installed(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).exists()))
}

/// The console inside another program that is itself in a terminal.
async fn inside(name: &str, arguments: &[&str]) {
    if !is_installed(name) {
        return;
    }
    let (world, home, request) = waiting().await;
    let mut command = CommandBuilder::new(name);
    command.args(arguments);
    command.arg(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["console", "--server", &world.url()]);
    command.env("PORTCULLIS_DEVICE_KEY", "file");
    command.env("PORTCULLIS_HOME", home.path().join("state"));
    command.env("PORTCULLIS_CONFIG_DIR", home.path());
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command.env("HOME", home.path());
    command.env("TMUX_TMPDIR", home.path());
    command.env("SCREENDIR", home.path().join("screens"));
    command.env_remove("TMUX");
    command.env_remove("STY");
    command.env_remove("NO_COLOR");
    let mut pty = Pty::spawn(command, 40, 120);
    pty.wait_for("LIVE");
    pty.wait_for(&request.id);
    // Where erasing leaves the colour of the program in between, nothing was erased: no hole in the background.
    pty.wait_until("one background", |pty| {
        let screen = pty.screen.screen();
        let selected = screen.cursor_position().0;
        let colours = |row: u16, columns: std::ops::Range<u16>| -> BTreeSet<String> {
            let colour = |x| format!("{:?}", screen.cell(row, x).unwrap().bgcolor());
            columns.map(colour).collect()
        };
        let (row, other) = (colours(selected, 1..118), colours(selected + 2, 1..118));
        row.len() == 1 && other.len() == 1 && row != other
    });
    pty.send("?");
    pty.wait_for("Keys for");
    pty.send("\x1b");
    pty.wait_until("no help", |pty| !pty.contents().contains("Keys for"));
    pty.send("a");
    pty.wait_for("y approve   n no");
    pty.send("y");
    pty.wait_for("is approved");
    pty.resize(30, 100);
    pty.wait_until("the new size", |pty| {
        pty.contents()
            .lines()
            .nth(2)
            .is_some_and(|line| line.chars().count() == 100)
    });
    pty.send("q");
    pty.wait_exit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_inside_tmux() {
    let socket = format!("portcullis-test-{}", std::process::id());
    inside("tmux", &["-L", &socket, "-f", "/dev/null", "new-session"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_inside_screen() {
    inside("screen", &["-U", "-c", "/dev/null"]).await;
}
