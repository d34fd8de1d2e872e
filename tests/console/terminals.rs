//! What a terminal tells by itself, early, late or in pieces: its colours, a change to light, answers and keys over a
//! slow link. The real program against a real server.

use std::time::Duration;

use super::program::Console;
use crate::support::pty::{Link, Pty};
use crate::support::world::submit;

/// What a terminal of today answers: dark, exact colours, whole frames, reports of light and dark.
const ANSWERS: &str = "\x1b[?997;1n\x1b]10;rgb:dada/dada/dada\x1b\\\x1b]11;rgb:1414/1717/1c1c\x1b\\\
    \x1b[?2026;2$y\x1b[?2031;2$y\x1b[?62;22c";
/// The surface of the two themes that are worn by themselves.
const DARK: vt100::Color = vt100::Color::Rgb(0x14, 0x17, 0x1c);
const LIGHT: vt100::Color = vt100::Color::Rgb(0xfb, 0xfb, 0xf9);

fn sent(pty: &Pty, bytes: &[u8]) -> bool {
    pty.output.windows(bytes.len()).any(|part| part == bytes)
}

/// Waits for the questions and answers them.
fn answer(pty: &mut Pty) {
    pty.wait_until("the questions", |pty| sent(pty, b"\x1b[c"));
    pty.send(ANSWERS);
    pty.wait_until("reports of light and dark", |pty| sent(pty, b"\x1b[?2031h"));
}

fn surface(pty: &Pty) -> vt100::Color {
    pty.screen.screen().cell(0, 0).unwrap().bgcolor()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_theme_follows_the_terminal_from_dark_to_light_and_back() {
    let (world, home) = Console::prepare().await;
    let mut pty = Console::spawn(&world, &home, &[], &[], (40, 120));
    answer(&mut pty);
    // The name of the terminal promised 256 colours; whoever shows whole frames has all of them.
    pty.wait_until("dark", |pty| surface(pty) == DARK);
    pty.send("\x1b[?997;2n");
    pty.wait_until("light", |pty| surface(pty) == LIGHT);
    // Torn in its middle it still is a report, and no letters.
    pty.send("\x1b[?99");
    pty.send("7;1n");
    pty.wait_until("dark again", |pty| surface(pty) == DARK);
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    assert!(pty.is_restored());
    assert_eq!(pty.left_on(), Vec::<u16>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_theme_that_was_chosen_stays() {
    let (world, home) = Console::prepare().await;
    let arguments = ["--theme", "portcullis-dark"];
    let mut pty = Console::spawn(&world, &home, &arguments, &[], (40, 120));
    answer(&mut pty);
    pty.wait_until("dark", |pty| surface(pty) == DARK);
    pty.wait_for("LIVE");
    pty.send("\x1b[?997;2n");
    // The help is drawn after the report was read.
    pty.send("?");
    pty.wait_for("Keys for");
    assert_eq!(surface(&pty), DARK);
    pty.send("\x1b");
    pty.wait_until("no help", |pty| !pty.contents().contains("Keys for"));
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_picture_waits_for_no_answer() {
    let (world, home) = Console::prepare().await;
    let mut pty = Console::spawn(&world, &home, &[], &[], (40, 120));
    pty.wait_until("the questions", |pty| sent(pty, b"\x1b[c"));
    let question = pty.output.windows(3).position(|part| part == b"\x1b[c");
    let title = "Portcullis".as_bytes();
    let picture = pty
        .output
        .windows(title.len())
        .rposition(|part| part == title);
    assert!(picture < question, "{picture:?} {question:?}");
    pty.send(ANSWERS);
    pty.wait_for("LIVE");
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_link_that_tears_everything_decides_nothing() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    let mut pty = Console::spawn(&world, &home, &[], &[], (40, 120));
    pty.wait_for(&request.id);
    let mut link = Link::slow(Duration::from_millis(150), 7);
    // Arrows, answers that hold every letter of a decision, a paste and the mouse.
    link.send(&mut pty, "\x1b[A\x1b[B\x1b[1;5C\x1bOA\x1b[5~");
    link.send(
        &mut pty,
        "\x1b]11;rgb:adad/dada/1e1e\x1b\\\x1bP>|xyay(1)\x1b\\",
    );
    link.send(&mut pty, "\x1b[200~ay\rxy1\r\x1b[201~\x1b[<35;9;9M");
    pty.send("?");
    pty.wait_for("Keys for");
    pty.send("\x1b");
    pty.wait_until("no help", |pty| !pty.contents().contains("Keys for"));
    let after = ada.request(&request.id).await.unwrap();
    assert_eq!(
        (after.state.as_str(), after.version),
        ("pending", request.version)
    );
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    assert!(pty.is_restored());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_that_change_faster_than_pictures_end_in_the_last_one() {
    let (world, home) = Console::prepare().await;
    let ada = world.engineer("ada").await;
    let request = submit(&ada).await;
    let mut pty = Console::spawn(&world, &home, &[], &[], (24, 80));
    pty.wait_for("LIVE");
    for turn in 0..3_u16 {
        for step in 0..20 {
            pty.resize(24 + 4 * step, 80 + 11 * step + turn);
        }
        for step in (0..20).rev() {
            pty.resize(24 + 4 * step, 80 + 11 * step);
        }
    }
    for (rows, columns) in [(100, 300), (24, 80), (50, 160)] {
        pty.resize(rows, columns);
        let width = usize::from(columns);
        // Borders from edge to edge on the first line of the list and the last of it.
        pty.wait_until("borders at the edges", |pty| {
            let lines: Vec<String> = pty.contents().lines().map(str::to_owned).collect();
            let framed = |line: Option<&String>| {
                line.is_some_and(|line| {
                    line.chars().count() == width && line.starts_with(['┌', '└'])
                })
            };
            framed(lines.get(2)) && framed(lines.get(usize::from(rows) - 3))
        });
        pty.wait_for(&request.id);
    }
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
}
