//! The tamper-evident log: checking a million exported events, beside hashing their bytes and nothing else; and taking
//! events into the tree of a database.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::change::{Record, Step};
use portcullis::domain::event::{Actor, Event, EventCode};
use portcullis::store::audit::Origin;
use portcullis::store::{Clock, Location, Store};
use portcullis::tlog::{Bundle, Checkpoint, Frontier, Note, SigningKey, TileAt, leaf_hash};
use portcullis::wire::LogEntry;
use serde_json::json;

use crate::node::program;
use crate::table::{self, Line};

/// How many events are checked.
const EVENTS: u64 = 1_000_000;
/// How many are taken into the tree of a database, and how many at a time are written.
const GROWN: usize = 20_000;
const AT_ONCE: usize = 1_000;
const ORIGIN: &str = "portcullis/audit/0123456789abcdef/1";

/// Prints both.
pub(crate) async fn figures() -> anyhow::Result<()> {
    tokio::task::block_in_place(checked)?;
    grown().await
}

fn checked() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let key = SigningKey::from_seed(ORIGIN, &[7; 32])?;
    let bytes = write(folder.path(), &key)?;
    let from = Instant::now();
    let hashed = hash(folder.path())?;
    let raw = from.elapsed();
    anyhow::ensure!(hashed == bytes, "not everything was hashed");
    let from = Instant::now();
    let done = Command::new(program())
        .args(["audit", "verify", "--json", "--key"])
        .arg(key.verifying().to_string())
        .arg(folder.path())
        .output()
        .context("running `audit verify`")?;
    let took = from.elapsed();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    anyhow::ensure!(done.status.success(), "the log is not whole: {said}");
    let rate = |took: Duration| per_second(EVENTS, took);
    let share = raw.as_secs_f64() / took.as_secs_f64();
    let ten = took.as_secs_f64() * 10.0;
    table::print(
        &format!(
            "Checking {EVENTS} exported events, {} MB",
            bytes / 1_000_000
        ),
        &[
            Line::new("`audit verify`", format!("{took:.2?}, {}", rate(took)))
                .goal("10 M events in 60 s", ten <= 60.0),
            Line::new(
                "SHA-256 of the same bytes, one core",
                format!("{raw:.2?}, {}", rate(raw)),
            ),
            Line::new("share of that", format!("{share:.2}x")).goal("0.5x", share >= 0.5),
        ],
    )
}

fn per_second(events: u64, took: Duration) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of events is far below 2^52"
    )]
    let rate = events as f64 / took.as_secs_f64();
    format!("{rate:.0} events/s")
}

fn entry(index: u64, at: DateTime<Utc>) -> anyhow::Result<Vec<u8>> {
    let body = json!({
        "id": uuid::Uuid::from_u128(u128::from(index)).to_string(), "code": "grant.activated", "outcome": "success", "actor": {"kind": "system"}, "principal": format!("person-{}", index % 300),
        "target": format!("host-{}", index % 50), "role": "readonly", "request": format!("R-{index:010}"), "grant": format!("G-{index:010}"),
        "trace": format!("{index:032x}"), "channel": "system", "reason_sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "details": {"attempt": 1, "ends_at": "2026-11-23T05:00:00.000Z"},
    });
    let body = body.as_object().cloned().unwrap_or_default();
    Ok(LogEntry::new((index, 1), at, body).encode()?)
}

/// Writes a log, and answers how many bytes its entries have.
fn write(folder: &Path, key: &SigningKey) -> anyhow::Result<u64> {
    let mut tree = Frontier::default();
    let (mut bundle, mut bytes) = (Bundle::default(), 0);
    let mut at: DateTime<Utc> = "2026-01-01T00:00:00Z".parse()?;
    for index in 0..EVENTS {
        at += TimeDelta::milliseconds(40);
        let entry = entry(index, at)?;
        bytes += entry.len() as u64;
        tree.push(leaf_hash(&entry), |_, _| {});
        anyhow::ensure!(bundle.push(&entry), "an entry is too long");
        if index % 256 == 255 || index + 1 == EVENTS {
            let at = TileAt {
                level: 0,
                number: index / 256,
                width: u16::try_from(index % 256 + 1)?,
            };
            let path = folder.join(at.bundle_path());
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, std::mem::take(&mut bundle).into_bytes())?;
        }
    }
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: EVENTS,
        root: tree.root(),
    };
    let note = Note::new(checkpoint.to_string()).context("a checkpoint is no note")?;
    fs::write(folder.join("checkpoint"), note.signed(key).to_string())?;
    Ok(bytes)
}

/// Hashes every entry of a log and nothing more.
fn hash(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for number in 0..EVENTS.div_ceil(256) {
        let at = TileAt {
            level: 0,
            number,
            width: u16::try_from((EVENTS - number * 256).min(256))?,
        };
        let bundle = fs::read(folder.join(at.bundle_path()))?;
        for entry in Bundle::read(&bundle).context("a bundle is cut off")? {
            std::hint::black_box(leaf_hash(entry));
            bytes += entry.len() as u64;
        }
    }
    Ok(bytes)
}

async fn grown() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let location = Location::Sqlite(folder.path().join("portcullis.db"));
    let store = Arc::new(Store::open(&location, Clock::Database).await?);
    let origin = Origin {
        trace: "00000000000000000000000000000000".to_owned(),
        channel: "system".to_owned(),
        address: Some("192.0.2.7".to_owned()),
    };
    let steps: Vec<Step> = (0..AT_ONCE)
        .map(|nth| {
            let event = Event::new(EventCode::ConfigLoaded, Actor::System)
                .reason(Some("INC-4127 stuck orders, looking at the queue"))
                .detail("nth", nth);
            Step::new(Record::Nothing, event)
        })
        .collect();
    let from = Instant::now();
    for _ in 0..GROWN / AT_ONCE {
        let mut tx = store.write().await?;
        let now = store.now(&mut tx).await?;
        let applied = tx.apply(&steps, &origin, now).await;
        applied.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        store.commit(tx).await?;
    }
    let written = from.elapsed();
    let from = Instant::now();
    store.sequence().await?;
    let grown = from.elapsed();
    store.close().await;
    let bytes = fs::metadata(folder.path().join("portcullis.db"))?.len();
    let each = bytes / GROWN as u64;
    let rate = |took| per_second(GROWN as u64, took);
    let whole = per_second(GROWN as u64, written + grown);
    table::print(
        &format!("{GROWN} events in SQLite, {AT_ONCE} to a commit"),
        &[
            Line::new("written with all indices", rate(written)),
            Line::new("numbered, hashed and in the tree", rate(grown)),
            Line::new("both", whole).goal(
                "20000 events/s",
                written + grown <= Duration::from_secs(GROWN as u64 / 20_000),
            ),
            Line::new("bytes an event", each.to_string()).goal("600", each <= 600),
        ],
    )
}
