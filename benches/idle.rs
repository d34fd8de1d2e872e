//! What the server takes when nobody asks anything of it.

use std::time::{Duration, Instant};

use crate::node::{Node, hosts, program};
use crate::table::{self, Line, Times, short};

/// Starts that are timed.
const STARTS: usize = 15;
/// How long it is watched doing nothing.
const WATCHED: Duration = Duration::from_secs(10);

pub(crate) async fn server() -> anyhow::Result<()> {
    let (mut first, mut again, mut bare) = (Times::default(), Times::default(), Times::default());
    for _ in 0..STARTS {
        let node = Node::start(&hosts(), "sqlite")?;
        first.push(node.start);
        let node = node.restart(|_| Ok(()))?;
        again.push(node.start);
        let began = Instant::now();
        let version = std::process::Command::new(program())
            .arg("--version")
            .stdout(std::process::Stdio::null())
            .status()?;
        anyhow::ensure!(version.success(), "the program does not tell its version");
        bare.push(began.elapsed());
    }
    let node = Node::start(&hosts(), "sqlite")?;
    node.root().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (before, began) = (node.usage()?, Instant::now());
    tokio::time::sleep(WATCHED).await;
    let (after, passed) = (node.usage()?, began.elapsed());
    let cpu = after.percent_since(&before, passed);
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let mib = |kib: u64| kib as f64 / 1_024.0;
    let (resident, size) = (
        mib(after.resident_kib),
        mib(std::fs::metadata(program())?.len() / 1_024),
    );
    table::print(
        "The server by itself (baseline: `portcullis --version`)",
        &[
            Line::new("exec -> ready, empty folder", &first)
                .beside(&bare, first.p50() / bare.p50())
                .goal("p50 < 300 ms", first.p50() < 300.0),
            Line::new("exec -> ready, again", &again)
                .beside(&bare, again.p50() / bare.p50())
                .goal("p50 < 300 ms", again.p50() < 300.0),
            Line::new("memory, idle", format!("{} MiB", short(resident)))
                .goal("< 60 MB", resident < 57.0),
            Line::new("CPU, idle, over 10 s", format!("{} %", short(cpu)))
                .goal("< 0.5 %", cpu < 0.5),
            Line::new(
                "wake-ups/s, idle, all threads",
                short(after.wakeups_since(&before, passed)),
            ),
            Line::new("program", format!("{} MiB", short(size))).goal("< 30 MB", size < 28.6),
        ],
    )
}
