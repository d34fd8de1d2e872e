//! The console in a terminal of 160x50, with few, many and very many events behind it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use portable_pty::CommandBuilder;

use crate::fill;
use crate::node::{Node, hosts, program};
use crate::table::{self, Line, Times, note, short};
use crate::terminal::{Frame, Terminal};
use crate::usage::Usage;

/// The key of the audit record.
const AUDIT: &str = "4";
/// Starts of each program.
const STARTS: usize = 15;
/// Moves of the cursor that are timed.
const MOVES: usize = 200;
/// Moves in one direction before it turns: fewer than a page has, and than the shortest list has rows.
const TURN: usize = 8;
/// How long each program is watched doing nothing.
const WATCHED: Duration = Duration::from_secs(10);
/// Events for every second of the storm, and how long it lasts. People ask and take back over the API for a part of
/// them; what is missing is written into the server's database as another node would, because on one machine so many
/// calls leave no processor for the console.
const STORM: (f64, Duration) = (1_000.0, Duration::from_secs(40));
const CALLED: f64 = 300.0;
/// Starts of programs that read a million lines first.
const SLOW_STARTS: usize = 4;

/// What one program in a terminal takes.
#[derive(Default)]
struct Seen {
    first: Times,
    keys: Times,
    bytes: Vec<f64>,
    cpu: f64,
    wakeups: f64,
    idle_bytes: f64,
    peak_mib: f64,
}

pub(crate) fn figures() -> anyhow::Result<()> {
    let mut node = Node::start(&hosts(), "sqlite")?;
    // The program makes the folder itself, for one person only.
    let home = node.folder.path().join("home");
    sign_in(&node, &home)?;
    let mut lines = Vec::new();
    let others = others()?;
    let mut few = f64::NAN;
    let mut ours = Seen::default();
    for events in [10_i64, 10_000, 1_000_000] {
        note(&format!("console, {events} events"));
        let began = Instant::now();
        let runtime = tokio::runtime::Handle::current();
        node = node.restart(|data| runtime.block_on(fill::audit(data, events)))?;
        note(&format!(
            "filled in {} s",
            short(began.elapsed().as_secs_f64())
        ));
        let console = command(&node, &home);
        let seen = watch(&console, &["LIVE"], AUDIT, ("k", "j"), STARTS, true)?;
        if few.is_nan() {
            few = seen.keys.p50();
        }
        lines.extend(describe(events, &seen, few, &others));
        ours = seen;
    }
    if let Some(writes) = writes(&command(&node, &home))? {
        lines.push(
            Line::new("writes to the terminal per key", short(writes))
                .goal("1", (writes - 1.0).abs() < 0.1),
        );
    }
    note("console, in a storm of events");
    lines.extend(storm(&node, &home, &command(&node, &home))?);
    for (name, seen) in &others {
        lines.extend(compared(name, seen, &ours));
    }
    table::print(
        "The console in a terminal of 160x50 (other programs in the same terminal below)",
        &lines,
    )
}

fn describe(events: i64, seen: &Seen, few: f64, others: &[(String, Seen)]) -> Vec<Line> {
    let at = |what: &str| format!("{what}, {events} events");
    let (p95, bytes) = (seen.first.at(0.95), crate::api::middle(&seen.bytes));
    // `less` has no screen to lay out, so it is shown but is no rival.
    let rival = others.iter().find(|(name, _)| name == "htop");
    let (rival, start) = rival.map_or(("", f64::NAN), |(name, seen)| (name, seen.first.p50()));
    let same = seen.keys.p50() / few;
    vec![
        Line::new(at("exec -> first frame"), &seen.first)
            .beside(
                format!("{rival} {} ms", short(start)),
                seen.first.p50() / start,
            )
            .goal("p95 < 50 ms", p95 < 50.0)
            .goal("<= 1x", seen.first.p50() <= start || rival.is_empty()),
        Line::new(at("key -> frame"), &seen.keys)
            .beside(format!("10 events {} ms", short(few)), same)
            .goal("p50 < 2", seen.keys.p50() < 2.0)
            .goal("p99 < 16 ms", seen.keys.p99() < 16.0)
            .goal("<= 1.2x", same <= 1.2),
        Line::new(at("bytes per move"), short(bytes)).goal("< 500", bytes < 500.0),
        Line::new(at("idle"), idle(seen))
            .goal("<= 2 wake-ups/s", seen.wakeups <= 2.05)
            .goal("<= 0.1 %", seen.cpu <= 0.1),
        Line::new(
            at("memory, highest"),
            format!("{} MiB", short(seen.peak_mib)),
        )
        .goal("< 40 MB", seen.peak_mib < 38.1),
    ]
}

/// Ours, over a million events, beside another program.
fn compared(name: &str, theirs: &Seen, ours: &Seen) -> Vec<Line> {
    let (bytes, their_bytes) = (
        crate::api::middle(&ours.bytes),
        crate::api::middle(&theirs.bytes),
    );
    let quiet = |number: f64| if number > 0.0 { number } else { f64::NAN };
    vec![
        Line::new(format!("beside {name}: exec -> first frame"), &ours.first)
            .beside(&theirs.first, ours.first.p50() / theirs.first.p50()),
        Line::new(format!("beside {name}: key -> frame"), &ours.keys)
            .beside(&theirs.keys, ours.keys.p50() / theirs.keys.p50()),
        Line::new(format!("beside {name}: bytes per move"), short(bytes))
            .beside(short(their_bytes), bytes / their_bytes),
        Line::new(format!("beside {name}: idle"), idle(ours))
            .beside(idle(theirs), ours.cpu / quiet(theirs.cpu)),
        Line::new(
            format!("beside {name}: memory, highest"),
            format!("{} MiB", short(ours.peak_mib)),
        )
        .beside(
            format!("{} MiB", short(theirs.peak_mib)),
            ours.peak_mib / theirs.peak_mib,
        ),
    ]
}

/// The storm alone, over an empty record.
pub(crate) fn only_storm() -> anyhow::Result<()> {
    let node = Node::start(&hosts(), "sqlite")?;
    let home = node.folder.path().join("home");
    sign_in(&node, &home)?;
    let lines = storm(&node, &home, &command(&node, &home))?;
    table::print("The console in a storm of events", &lines)
}

/// Keys, work, bytes and memory while events come in: with as many as an hour has at a busy place, in less time.
fn storm(node: &Node, home: &Path, command: &CommandBuilder) -> anyhow::Result<Vec<Line>> {
    let runtime = tokio::runtime::Handle::current();
    let askers = (0..crate::live::ASKERS)
        .map(|number| {
            let name = format!("engineer-{number}");
            let code = invite(node, home, &name, "requester", "engineers")?;
            runtime.block_on(node.redeem(&code))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut terminal = Terminal::start(command.clone())?;
    terminal.shows(|screen| screen.contains("LIVE"))?;
    terminal.settle(Duration::from_millis(500))?;
    terminal.send(AUDIT)?;
    terminal.settle(Duration::from_millis(700))?;
    for _ in 0..TURN {
        terminal.press("k", false)?;
    }
    let (rate, time) = STORM;
    let data = node.folder.path().join("data");
    let size = || runtime.block_on(fill::size(&data));
    let (first_event, making) = (size()?, Instant::now());
    let called = runtime.spawn(crate::live::storm(askers, CALLED, time));
    let poured = fill::pour(data.clone(), rate, time);
    let poured = runtime.spawn(poured);
    // The first second is the server's own start of the storm.
    terminal.watch(Duration::from_secs(1))?;
    let (before, began) = (Usage::of(terminal.pid()?)?, Instant::now());
    let (mut times, mut stuck, mut number) = (Times::default(), 0_u32, 0_usize);
    // What the machine itself takes at such a moment, from the keyboard to the screen.
    let mut bare = CommandBuilder::new(std::env::current_exe()?);
    bare.arg(crate::terminal::ECHO);
    let mut bare = Terminal::start(bare)?;
    let mut echoes = Times::default();
    while began.elapsed() + Duration::from_secs(2) < time {
        let key = if (number / TURN).is_multiple_of(2) {
            "j"
        } else {
            "k"
        };
        number += 1;
        match terminal.moves(key)? {
            Some(took) => times.push(took),
            None => stuck += 1,
        }
        if let Some(took) = bare.moves("x")? {
            echoes.push(took);
        }
        terminal.watch(Duration::from_millis(40))?;
    }
    let (after, passed) = (Usage::of(terminal.pid()?)?, began.elapsed());
    let called = runtime.block_on(called)??;
    runtime.block_on(poured)??;
    let made = i32::try_from(size()? - first_event)?;
    let rate = f64::from(made) / making.elapsed().as_secs_f64();
    note(&format!(
        "{} events/s, {} of them by calls",
        short(rate),
        short(called)
    ));
    let cpu = after.percent_since(&before, passed);
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let (first, last) = (
        before.resident_kib as f64 / 1_024.0,
        after.resident_kib as f64 / 1_024.0,
    );
    let events = rate * time.as_secs_f64();
    let at = |what: &str| format!("{what}, at {} events/s", short(rate));
    Ok(vec![
        Line::new(at("key -> cursor moved"), &times)
            .beside(format!("bare echo {echoes}"), times.p50() / echoes.p50())
            .goal("p50 < 2", times.p50() < 2.0)
            .goal("p99 < 16 ms", times.p99() < 16.0)
            .goal(format!("every key ({stuck} not)"), stuck == 0),
        Line::new(at("work"), format!("{} %", short(cpu))).goal("< 5 %", cpu < 5.0),
        Line::new(
            format!(
                "memory after {} events in {} s (an hour at {}/s)",
                short(events),
                time.as_secs(),
                short(events / 3_600.0)
            ),
            format!("{} MiB", short(last)),
        )
        .beside(format!("{} MiB at its start", short(first)), last / first)
        .goal("< 40 MB", last < 38.1),
    ])
}

fn idle(seen: &Seen) -> String {
    format!(
        "{} %, {} wake-ups/s, {} bytes/s",
        short(seen.cpu),
        short(seen.wakeups),
        short(seen.idle_bytes)
    )
}

pub(crate) fn sign_in(node: &Node, home: &Path) -> anyhow::Result<()> {
    let url = format!("http://{}", node.address);
    let ran = std::process::Command::new(program())
        .args(["login", "--server", &url, "--name", "root", "--code"])
        .arg(node.code()?)
        .env("PORTCULLIS_DEVICE_KEY", "file")
        .env("PORTCULLIS_HOME", home)
        .output()?;
    anyhow::ensure!(
        ran.status.success(),
        "signing in: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok(())
}

/// A code for somebody, made by the admin who looks at the console.
pub(crate) fn invite(
    node: &Node,
    home: &Path,
    name: &str,
    role: &str,
    group: &str,
) -> anyhow::Result<String> {
    let url = format!("http://{}", node.address);
    let ran = std::process::Command::new(program())
        .args(["token", "invite", name, "--role", role])
        .args(["--group", group, "--json", "--server", &url])
        .env("PORTCULLIS_DEVICE_KEY", "file")
        .env("PORTCULLIS_HOME", home)
        .output()?;
    let answer: serde_json::Value =
        serde_json::from_slice(&ran.stdout).context("inviting somebody")?;
    let code = answer.get("code").and_then(serde_json::Value::as_str);
    Ok(code.context("an invitation has a code")?.to_owned())
}

pub(crate) fn command(node: &Node, home: &Path) -> CommandBuilder {
    let mut command = CommandBuilder::new(program());
    command.args(["console", "--server", &format!("http://{}", node.address)]);
    command.env("PORTCULLIS_DEVICE_KEY", "file");
    command.env("PORTCULLIS_HOME", home);
    command
}

/// Runs a program until its screen shows all of these words, goes to a view, moves about and then leaves it alone.
/// Where the terminal's `cursor` is on the selected row, a key counts as answered when it is on another.
fn watch(
    command: &CommandBuilder,
    words: &[&str],
    view: &str,
    moves: (&str, &str),
    starts: usize,
    cursor: bool,
) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    for _ in 0..starts {
        let mut terminal = Terminal::start(command.clone())?;
        seen.first
            .push(terminal.shows(|screen| !screen.trim().is_empty())?);
        terminal.shows(|screen| words.iter().all(|word| screen.contains(word)))?;
    }
    let mut terminal = Terminal::start(command.clone())?;
    terminal.shows(|screen| words.iter().all(|word| screen.contains(word)))?;
    terminal.settle(Duration::from_millis(300))?;
    if !view.is_empty() {
        terminal.send(view)?;
        terminal.settle(Duration::from_millis(700))?;
    }
    // At the edge of the list a first turn comes to a place from which both directions move.
    for _ in 0..TURN {
        terminal.press(moves.0, false)?;
    }
    for number in 0..MOVES {
        let key = if (number / TURN).is_multiple_of(2) {
            moves.1
        } else {
            moves.0
        };
        if let Some(Frame { last, bytes }) = terminal.press(key, cursor)? {
            seen.keys.push(last);
            #[expect(clippy::cast_precision_loss, reason = "a frame is small")]
            seen.bytes.push(bytes as f64);
        }
    }
    terminal.settle(Duration::from_millis(500))?;
    let (before, began) = (Usage::of(terminal.pid()?)?, Instant::now());
    let bytes = terminal.watch(WATCHED)?;
    let (after, passed) = (Usage::of(terminal.pid()?)?, began.elapsed());
    seen.cpu = after.percent_since(&before, passed);
    seen.wakeups = after.wakeups_since(&before, passed);
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    {
        seen.idle_bytes = bytes as f64 / passed.as_secs_f64();
        seen.peak_mib = after.peak_kib as f64 / 1_024.0;
    }
    Ok(seen)
}

/// Other programs that are installed, in the same terminal.
fn others() -> anyhow::Result<Vec<(String, Seen)>> {
    let mut all = Vec::new();
    if is_installed("htop") {
        note("htop");
        let command = CommandBuilder::new("htop");
        all.push((
            "htop".to_owned(),
            watch(&command, &["CPU"], "", ("\x1b[B", "\x1b[A"), STARTS, false)?,
        ));
    }
    let text = tempfile::Builder::new().suffix(".log").tempfile()?;
    std::fs::write(text.path(), million()?)?;
    for (name, moves) in [("less", ("j", "k")), ("lnav", ("k", "j"))] {
        if is_installed(name) {
            note(&format!("{name} on a million lines"));
            let mut command = CommandBuilder::new(name);
            let home = tempfile::tempdir()?;
            command.env("HOME", home.path());
            command.arg(text.path());
            all.push((
                name.to_owned(),
                watch(&command, &["host-7"], "", moves, SLOW_STARTS, false)?,
            ));
        }
    }
    Ok(all)
}

/// A million lines of a log, about as long as our rows.
fn million() -> anyhow::Result<String> {
    use std::fmt::Write as _;
    let mut lines = String::new();
    for line in 0..1_000_000 {
        let (who, second) = (line % 211, line / 100 % 60);
        let (hour, minute) = (line / 360_000, line / 6_000 % 60);
        writeln!(
            lines,
            "2026-11-20T{hour:02}:{minute:02}:{second:02} grant.activated engineer-{who} host-7 number {line}"
        )?;
    }
    Ok(lines)
}

fn is_installed(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).exists()))
}

/// How many writes reach the terminal for one move of the cursor, as `strace` sees it; `None` without `strace`.
fn writes(command: &CommandBuilder) -> anyhow::Result<Option<f64>> {
    const KEYS: u32 = 20;
    if !is_installed("strace") {
        return Ok(None);
    }
    let mut terminal = Terminal::start(command.clone())?;
    terminal.shows(|screen| screen.contains("LIVE"))?;
    terminal.send(AUDIT)?;
    terminal.settle(Duration::from_millis(700))?;
    for _ in 0..TURN {
        terminal.press("k", false)?;
    }
    let log = tempfile::NamedTempFile::new()?;
    let mut strace = std::process::Command::new("strace")
        .args(["-f", "-y", "-e", "trace=write,writev", "-o"])
        .arg(log.path())
        .arg("-p")
        .arg(terminal.pid()?.to_string())
        .stderr(std::process::Stdio::null())
        .spawn()
        .context("starting strace")?;
    std::thread::sleep(Duration::from_millis(500));
    let count = || -> anyhow::Result<usize> {
        let text = std::fs::read_to_string(log.path())?;
        let of_terminal = text
            .lines()
            .filter(|line| line.contains("</dev/pts/") || line.contains("</dev/tty>"));
        Ok(of_terminal.count())
    };
    let before = count()?;
    for number in 0..KEYS {
        terminal.press(if number.is_multiple_of(2) { "j" } else { "k" }, true)?;
    }
    let after = count()?;
    let _ = strace.kill();
    let _ = strace.wait();
    let writes = u32::try_from(after - before)?;
    Ok((after > 0).then(|| f64::from(writes) / f64::from(KEYS)))
}
