//! From a call to the live streams of everybody who watches.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::bare;
use crate::http::{Connection, text};
use crate::node::{HOSTS, Node, hosts, submit};
use crate::table::{self, Line, Times, note, short};

/// Streams of one person, which is what the server allows.
const OF_ONE: usize = 4;
/// Streams at once on one node at most.
const MOST: usize = 1_000;
/// People who ask and take back, by turns.
pub(crate) const ASKERS: u32 = 8;
/// How long events are made.
const TIME: Duration = Duration::from_secs(6);
/// What marks an event of ours in a frame.
const MARK: &[u8] = b"INC-4127 number ";

/// When each stream saw each event.
type Seen = Vec<(u64, Instant)>;

pub(crate) async fn streams() -> anyhow::Result<()> {
    let node = Node::start(&hosts(), "sqlite")?;
    let mut root = node.root().await?;
    let mut askers = askers(&node, &mut root).await?;
    let mut watchers = Vec::new();
    for number in 0..MOST.div_ceil(OF_ONE) {
        let name = format!("auditor-{number}");
        watchers.push(node.invite(&mut root, &name, "auditor", "watchers").await?);
    }
    let mut lines = Vec::new();
    for (streams, rate, goal) in [
        (1, 200.0, 50.0),
        (100, 200.0, 50.0),
        (100, 1_000.0, 50.0),
        (MOST, 200.0, 250.0),
    ] {
        note(&format!("{streams} streams, {rate} events/s"));
        let mut readers = JoinSet::new();
        for number in 0..streams {
            if let Some(watcher) = watchers.get(number / OF_ONE) {
                let stream = watcher.again().await?.follow("/v1/events").await?;
                readers.spawn(read(stream));
            }
        }
        // Each stream is open once its greeting is there; a call's worth of time is more than enough.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let made = make(&mut askers, rate, TIME).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (mut times, mut arrived) = (Times::default(), 0);
        readers.abort_all();
        let mut arrivals = SEEN.lock().await;
        for (number, at) in arrivals.drain(..) {
            if let Some(sent) = made.sent.get(&number) {
                arrived += 1;
                times.push(at.saturating_duration_since(*sent));
            }
        }
        drop(arrivals);
        let bare = fan_out(streams, made.rate).await?;
        let lost = made.sent.len() * streams - arrived;
        lines.push(
            Line::new(
                format!("{streams} streams, {} events/s", short(made.rate)),
                &times,
            )
            .beside(&bare, times.p50() / bare.p50())
            .goal(format!("p99 < {goal} ms"), times.p99() < goal)
            .goal(format!("none lost ({lost} were)"), lost == 0),
        );
    }
    table::print(
        "Request sent -> event on open streams (baseline: one-row SQLite commit, then the same bytes to as many bare sockets)",
        &lines,
    )
}

static SEEN: tokio::sync::Mutex<Seen> = tokio::sync::Mutex::const_new(Vec::new());

async fn read(mut stream: TcpStream) {
    let mut buffer: Vec<u8> = Vec::with_capacity(65_536);
    while let Ok(1..) = stream.read_buf(&mut buffer).await {
        let at = Instant::now();
        let mut found = Vec::new();
        let mut done = 0;
        // Only whole frames count; the rest of one waits for its end.
        while let Some(end) = buffer
            .get(done..)
            .and_then(|rest| rest.windows(2).position(|two| two == b"\n\n"))
        {
            let frame = buffer.get(done..done + end).unwrap_or_default();
            done += end + 2;
            if contains(frame, b"request.submitted")
                && let Some(number) = number_in(frame)
            {
                found.push((number, at));
            }
        }
        buffer.drain(..done);
        if !found.is_empty() {
            SEEN.lock().await.extend(found);
        }
    }
}

fn contains(frame: &[u8], what: &[u8]) -> bool {
    frame.windows(what.len()).any(|part| part == what)
}

fn number_in(frame: &[u8]) -> Option<u64> {
    let start = frame.windows(MARK.len()).position(|part| part == MARK)? + MARK.len();
    let digits: String = frame
        .get(start..)?
        .iter()
        .map_while(|byte| byte.is_ascii_digit().then_some(char::from(*byte)))
        .collect();
    digits.parse().ok()
}

struct Made {
    /// When each request was sent.
    sent: HashMap<u64, Instant>,
    /// Events per second that came of it.
    rate: f64,
}

/// People who ask and take back.
async fn askers(node: &Node, root: &mut Connection) -> anyhow::Result<Vec<Connection>> {
    let mut askers = Vec::new();
    for number in 0..ASKERS {
        let name = format!("engineer-{number}");
        askers.push(node.invite(root, &name, "requester", "engineers").await?);
    }
    Ok(askers)
}

/// Makes events for a while, and gives how many came every second.
pub(crate) async fn storm(
    mut askers: Vec<Connection>,
    rate: f64,
    time: Duration,
) -> anyhow::Result<f64> {
    Ok(make(&mut askers, rate, time).await?.rate)
}

/// Asks and takes back, so that about `rate` events come every second.
async fn make(askers: &mut Vec<Connection>, rate: f64, time: Duration) -> anyhow::Result<Made> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let pace = Duration::from_secs_f64(2.0 * f64::from(ASKERS) / rate);
    let mut asking = JoinSet::new();
    let began = Instant::now();
    for (place, mut asker) in (0_u32..).zip(askers.drain(..)) {
        asking.spawn(async move {
            let mut sent = Vec::new();
            let mut ticks = tokio::time::interval_at((began + pace * place / ASKERS).into(), pace);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while began.elapsed() < time {
                ticks.tick().await;
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let host = format!("host-{}", number % u64::try_from(HOSTS)?);
                let reason = format!("INC-4127 number {number}");
                let at = Instant::now();
                let request = submit(&mut asker, &host, &reason).await?;
                sent.push((number, at));
                let version = request.get("version").and_then(serde_json::Value::as_i64);
                let path = format!("/v1/requests/{}/withdraw", text(&request, "id")?);
                asker.post(&path, version, "{}").await?.json()?;
            }
            anyhow::Ok((asker, sent))
        });
    }
    let mut all = HashMap::new();
    while let Some(asked) = asking.join_next().await {
        let (asker, sent) = asked??;
        askers.push(asker);
        all.extend(sent);
    }
    let events = i64::try_from(2 * all.len())?;
    Ok(Made {
        rate: bare::per_second(events, began.elapsed()),
        sent: all,
    })
}

/// A commit, then some bytes to everybody, and nothing else.
async fn fan_out(streams: usize, rate: f64) -> anyhow::Result<Times> {
    let folder = tempfile::tempdir()?;
    let mut database = bare::Sqlite::create(&folder.path().join("bare.db")).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let (arrivals, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let mut sockets = Vec::new();
    for _ in 0..streams {
        let mut reader = TcpStream::connect(listener.local_addr()?).await?;
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
        let arrivals = arrivals.clone();
        tokio::spawn(async move {
            let mut frame = [0; 700];
            while reader.read_exact(&mut frame).await.is_ok() {
                if arrivals.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
    }
    let frame = Arc::new([b'x'; 700]);
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut times, began, mut number) = (Times::default(), Instant::now(), 0);
    while began.elapsed() < TIME / 3 {
        ticks.tick().await;
        number += 1;
        let at = Instant::now();
        database.row(number).await?;
        for socket in &mut sockets {
            socket.write_all(frame.as_slice()).await?;
        }
        for _ in 0..streams {
            if let Some(seen) = arrived.recv().await {
                times.push(seen.saturating_duration_since(at));
            }
        }
    }
    Ok(times)
}
