//! The console over hours: people ask, decide and give back at the pace of a busy place, somebody moves the cursor now
//! and then, and what counts is that memory does not grow.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use portcullis::client::{Channel, Client, Followed, IdempotencyKey, Session, follow};
use portcullis::wire::{Approval, Denial, NarrowView, NewRequest, RequestView};
use tokio::task::JoinSet;

use crate::console::{command, invite, sign_in};
use crate::node::{HOSTS, Node, hosts};
use crate::table::{self, Line, Times, note, short};
use crate::terminal::Terminal;
use crate::usage::Usage;

/// People who ask; each waits this long between two acts, which makes about 15 events every second together.
const ASKERS: u32 = 12;
const PACE: Duration = Duration::from_millis(1_150);
/// Somebody moves the cursor this often, and looks around after so many moves.
const KEYS: Duration = Duration::from_secs(2);
const TOUR: usize = 60;
/// The longest time between two looks at the memory; a short run is looked at ten times.
const LOOK: Duration = Duration::from_mins(10);
/// The memory at the end, as a share of that at half time: by then what is kept of events has its full size.
const FLAT: f64 = 1.05;
const GOAL_MIB: f64 = 38.1;

/// Reads `60m`, `90s` or `2h`.
pub(crate) fn time(text: &str) -> anyhow::Result<Duration> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().context("a time like 60m")?;
    Ok(match text.strip_prefix(digits) {
        Some("s") => Duration::from_secs(number),
        Some("h") => Duration::from_hours(number),
        Some("m") => Duration::from_mins(number),
        _ => anyhow::bail!("`{text}` is no time: write it like 90s, 60m or 2h"),
    })
}

/// Watches the console for this long.
pub(crate) fn soak(time: Duration) -> anyhow::Result<()> {
    let node = Node::start(&hosts(), "sqlite")?;
    let home = node.folder.path().join("home");
    sign_in(&node, &home)?;
    let runtime = tokio::runtime::Handle::current();
    let play = runtime.block_on(Play::new(&node, &home))?;
    let mut terminal = Terminal::start(command(&node, &home))?;
    terminal.shows(|screen| screen.contains("LIVE"))?;
    terminal.settle(Duration::from_millis(500))?;
    let first_event = runtime.block_on(play.index())?;
    let start = Usage::of(terminal.pid()?)?;
    let mut lines = vec![Line::new("memory at the start", mib(start.resident_kib))];
    let reviewer = play.reviewer.clone();
    let _acting = play.begin(&runtime);
    let began = Instant::now();
    let every = LOOK.min(time / 10).max(Duration::from_secs(1));
    let (mut before, mut looked) = (start, began);
    let (mut times, mut pressed, mut stuck) = (Times::default(), 0_usize, 0_u32);
    let mut half = None;
    while began.elapsed() < time {
        let key = if (pressed / 6).is_multiple_of(2) {
            "j"
        } else {
            "k"
        };
        pressed += 1;
        match terminal.moves(key)? {
            Some(took) => times.push(took),
            None => stuck += 1,
        }
        terminal.watch(KEYS)?;
        if pressed.is_multiple_of(TOUR) {
            for key in ["\r", "\x1b", "2", "3", "4", "5", "1"] {
                terminal.send(key)?;
                terminal.watch(KEYS)?;
            }
        }
        if looked.elapsed() >= every {
            let (now, passed) = (Usage::of(terminal.pid()?)?, looked.elapsed());
            let line = describe(began.elapsed(), &before, &now, passed);
            note(&format!("{}: {}", line.0, line.1));
            lines.push(Line::new(line.0, line.1));
            if began.elapsed() >= time / 2 {
                half.get_or_insert(now.resident_kib);
            }
            (before, looked) = (now, Instant::now());
        }
    }
    let (end, passed) = (Usage::of(terminal.pid()?)?, began.elapsed());
    let last = runtime.block_on(index(&reviewer))?;
    let events = i32::try_from(last - first_event).map_or(f64::NAN, f64::from);
    let rate = events / passed.as_secs_f64();
    let half = half.unwrap_or(end.resident_kib);
    let grown = ratio(end.resident_kib, half);
    lines.push(
        Line::new(
            format!("memory at the end, after {} events", short(events)),
            mib(end.resident_kib),
        )
        .beside(format!("{} at half time", mib(half)), grown)
        .goal("< 40 MB", size(end.peak_kib) < GOAL_MIB)
        .goal(format!("<= {FLAT}x"), grown <= FLAT),
    );
    lines.push(Line::new("memory, highest", mib(end.peak_kib)));
    lines.push(Line::new(
        format!("work, at {} events/s", short(rate)),
        work(&start, &end, passed),
    ));
    lines.push(
        Line::new("key -> cursor moved", &times)
            .goal("p50 < 2", times.p50() < 2.0)
            .goal("p99 < 16 ms", times.p99() < 16.0)
            .goal(format!("every key ({stuck} not)"), stuck == 0),
    );
    table::print(
        &format!("The console for {} min", passed.as_secs() / 60),
        &lines,
    )
}

fn describe(at: Duration, before: &Usage, now: &Usage, passed: Duration) -> (String, String) {
    let what = format!("memory after {} s", at.as_secs());
    let ours = format!("{}, {}", mib(now.resident_kib), work(before, now, passed));
    (what, ours)
}

fn work(before: &Usage, now: &Usage, passed: Duration) -> String {
    format!(
        "{} % CPU, {} wake-ups/s",
        short(now.percent_since(before, passed)),
        short(now.wakeups_since(before, passed))
    )
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn size(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}

fn ratio(now: u64, before: u64) -> f64 {
    size(now) / size(before)
}

fn mib(kib: u64) -> String {
    format!("{} MiB", short(size(kib)))
}

/// Who acts.
struct Play {
    askers: Vec<Client>,
    reviewer: Client,
}

impl Play {
    async fn new(node: &Node, home: &Path) -> anyhow::Result<Self> {
        let mut askers = Vec::new();
        for number in 0..ASKERS {
            let name = format!("engineer-{number}");
            let code = invite(node, home, &name, "requester", "engineers")?;
            askers.push(client(node, &code).await?);
        }
        let code = invite(node, home, "rob", "reviewer", "reviewers")?;
        Ok(Self {
            askers,
            reviewer: client(node, &code).await?,
        })
    }

    async fn index(&self) -> anyhow::Result<i64> {
        index(&self.reviewer).await
    }

    /// Everybody acts until the answer is dropped.
    fn begin(self, runtime: &tokio::runtime::Handle) -> JoinSet<anyhow::Result<()>> {
        let mut acting = JoinSet::new();
        for (number, asker) in (0_usize..).zip(self.askers) {
            acting.spawn_on(act(asker, self.reviewer.clone(), number), runtime);
        }
        acting
    }
}

/// The last event that the server has.
async fn index(client: &Client) -> anyhow::Result<i64> {
    let mut follow = follow(client.clone(), None);
    loop {
        if let Followed::Hello { index, .. } = follow.next().await.context("no stream")? {
            return Ok(index);
        }
    }
}

async fn client(node: &Node, code: &str) -> anyhow::Result<Client> {
    let url = format!("http://{}", node.address).parse()?;
    let client = Client::new(Session::in_memory(&url), Channel::Cli)?;
    client.sign_in(code, None, Some("bench")).await?;
    Ok(client)
}

/// Asks; then takes it back, is denied, or is let in and gives it back some time later.
async fn act(asker: Client, reviewer: Client, number: usize) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(PACE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in number.. {
        ticks.tick().await;
        let new: NewRequest = serde_json::from_value(serde_json::json!({
            "target": format!("host-{}", round % HOSTS), "role": "readonly", "duration": "1h",
            "reason": format!("INC-{} stuck orders in batch {round}", 4_000 + round % 977),
        }))?;
        // Who has access to the host already is refused, and asks for another one next.
        let Ok(request) = asker.submit(&new, &IdempotencyKey::new()?).await else {
            continue;
        };
        ticks.tick().await;
        // An act that comes too late is refused like anybody's; what was made is counted at the server.
        let _ = decide(&asker, &reviewer, &request, round, &mut ticks).await;
    }
    Ok(())
}

async fn decide(
    asker: &Client,
    reviewer: &Client,
    request: &RequestView,
    round: usize,
    ticks: &mut tokio::time::Interval,
) -> anyhow::Result<()> {
    let (id, version) = (request.id.as_str(), request.version);
    let key = IdempotencyKey::new()?;
    match round % 5 {
        0 => drop(asker.withdraw(id, version, &key).await?),
        1 => {
            let denial = Denial {
                comment: "not now".to_owned(),
            };
            reviewer.deny(id, version, &denial, &key).await?;
        }
        _ => {
            let approval = Approval {
                comment: None,
                narrowed: NarrowView::default(),
            };
            let approved = reviewer.approve(id, version, &approval, &key).await?;
            let grant = approved.grant.context("an approval gives a grant")?;
            ticks.tick().await;
            let grant = asker.grant(&grant).await?;
            asker.give_back(&grant.id, grant.version, &key).await?;
        }
    }
    Ok(())
}
