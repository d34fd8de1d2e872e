//! Writing a history as the gate does, and beside it as lines for other tools.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use portcullis::store::audit::Fact;
use portcullis::store::{Clock, Location, Store};
use serde_json::json;

use crate::table::{Line, note};

use super::story::{Happened, History};

/// Events of one commit, and commits between two runs of the sequencer.
const AT_ONCE: usize = 1_000;
const COMMITS: u64 = 10;

/// What was written, and how long it took.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) events: u64,
    pub(crate) last: DateTime<Utc>,
    written: Duration,
    numbered: Duration,
    indexed: Duration,
}

impl Loaded {
    pub(crate) fn lines(&self, bytes: u64) -> Vec<Line> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let rate = |took: Duration| self.events as f64 / took.as_secs_f64();
        let all = rate(self.written + self.numbered + self.indexed);
        let each = bytes / self.events.max(1);
        vec![
            Line::new("written", format!("{:.0} events/s", rate(self.written))),
            Line::new(
                "numbered, hashed and in the tree",
                format!("{:.0} events/s", rate(self.numbered)),
            ),
            Line::new(
                "indexed for searches",
                format!("{:.0} events/s", rate(self.indexed)),
            ),
            Line::new(
                "all of it, one after the other",
                format!("{all:.0} events/s"),
            )
            .goal("20000 events/s", all >= 20_000.0),
            Line::new("bytes an event", each.to_string()).goal("600", each <= 600),
        ]
    }
}

pub(crate) async fn load(
    location: &Location,
    history: History,
    events: u64,
    lines: Option<&Path>,
) -> anyhow::Result<Loaded> {
    let clock = Arc::new(AtomicI64::new(0));
    let store = Store::open(location, Clock::Manual(Arc::clone(&clock))).await?;
    let before = u64::try_from(store.read().await?.log_size().await?)?;
    let mut file = lines.map(File::create).transpose()?.map(BufWriter::new);
    let mut loaded = Loaded {
        events,
        ..Loaded::default()
    };
    let mut history = history
        .take(usize::try_from(events.saturating_sub(before))?)
        .peekable();
    let mut commits = 0;
    loop {
        let batch: Vec<Happened> = history.by_ref().take(AT_ONCE).collect();
        let Some(last) = batch.last() else { break };
        loaded.last = last.at;
        if let Some(file) = &mut file {
            for happened in &batch {
                write(file, happened)?;
            }
        }
        let from = Instant::now();
        let mut tx = store.write().await?;
        let facts: Vec<Fact<'_>> = batch.iter().map(fact).collect();
        clock.store(last.at.timestamp_millis(), Ordering::SeqCst);
        tx.append(&facts).await?;
        store.commit(tx).await?;
        loaded.written += from.elapsed();
        commits += 1;
        if commits % COMMITS == 0 || history.peek().is_none() {
            let from = Instant::now();
            store.sequence().await?;
            loaded.numbered += from.elapsed();
            let from = Instant::now();
            store.index().await?;
            loaded.indexed += from.elapsed();
        }
        if commits % 100 == 0 {
            note(&format!("{} events", commits * AT_ONCE as u64));
        }
    }
    if let Some(file) = &mut file {
        file.flush()?;
    }
    store.close().await;
    Ok(loaded)
}

fn fact(happened: &Happened) -> Fact<'_> {
    Fact {
        event: &happened.event,
        origin: &happened.origin,
        at: happened.at,
    }
}

/// What the API would say of it.
fn write(file: &mut impl std::io::Write, happened: &Happened) -> anyhow::Result<()> {
    let (event, origin) = (&happened.event, &happened.origin);
    let line = json!({
        "time": happened.at.to_rfc3339_opts(SecondsFormat::Millis, true), "event": event.code, "outcome": event.outcome,
        "actor": event.actor.name(), "principal": event.principal, "target": event.target, "role": event.role, "request": event.request,
        "grant": event.grant, "reason": event.reason, "trace": origin.trace, "channel": origin.channel, "address": origin.address,
        "details": event.details,
    });
    serde_json::to_writer(&mut *file, &line).context("writing lines")?;
    file.write_all(b"\n")?;
    Ok(())
}
