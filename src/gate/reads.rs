//! What is put on the record when somebody reads the history of others, or takes it away.
//!
//! The first read of a person is recorded before it is answered, and what they read within the next minute as one more
//! event, so that a loop cannot flood the record with its own reading. Whoever looks again at the newest page, and finds
//! nothing new but that somebody looked, is not recorded again: the record of reading is no reason to read.
//!
//! Counts are recorded as what they are, once as long as somebody keeps asking for the same.
//!
//! An export is recorded when it begins, and when it ends or nobody asks for its next piece any more.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::extent::Place;
use crate::domain::ids::PrincipalId;
use crate::domain::permit::{Action, permit_at};
use crate::store::audit::Origin;
use crate::wire::export::{Format, SignedLog};

use super::{Caller, Error, Gate, new_trace};

/// Reads of one person within this time are one event.
const TOGETHER: TimeDelta = TimeDelta::minutes(1);
/// An export of which nobody asks for the next piece for so long is broken off.
const BROKEN_OFF: TimeDelta = TimeDelta::minutes(5);
/// Filters that one event names at most; how many reads there were, it says in any case.
const FILTERS: usize = 5;
/// Filters whose newest page is remembered of one person.
const REMEMBERED: usize = 64;

/// What this node has seen being read, and not recorded yet.
#[derive(Default)]
pub struct Reads(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    readers: HashMap<PrincipalId, Reader>,
    exports: HashMap<(PrincipalId, String), Export>,
}

struct Reader {
    /// Since when reads are put together.
    since: DateTime<Utc>,
    tally: Tally,
    /// The newest event that the newest page of a filter has shown.
    newest: HashMap<String, i64>,
    by: Actor,
    origin: Origin,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tally {
    reads: u64,
    events: u64,
    lowest: Option<i64>,
    highest: Option<i64>,
    filters: BTreeSet<String>,
}

struct Export {
    tally: Tally,
    format: Format,
    at: DateTime<Utc>,
    by: Actor,
    origin: Origin,
}

/// One read.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// What was asked for, as people type it.
    pub filter: String,
    /// It asks for whatever is newest, as whoever watches does again and again.
    pub newest: bool,
    /// How many events were shown.
    pub events: u64,
    /// The first and the last of them.
    pub range: Option<(i64, i64)>,
    /// The newest of them that is not itself about reading.
    pub news: Option<i64>,
}

impl Read {
    /// What a page shows.
    pub fn of<'e>(
        filter: String,
        newest: bool,
        events: impl Iterator<Item = (i64, &'e str)>,
    ) -> Self {
        let mut read = Self {
            filter,
            newest,
            ..Self::default()
        };
        for (index, code) in events {
            read.events += 1;
            let (low, high) = read.range.unwrap_or((index, index));
            read.range = Some((low.min(index), high.max(index)));
            if code != EventCode::HistoryRead.as_str() {
                read.news = read.news.max(Some(index));
            }
        }
        read
    }
}

impl Read {
    /// How many events a filter finds, and which values they have. Whoever watches asks for that again and again, and has
    /// then read it once.
    pub fn counts(filter: &str) -> Self {
        Self {
            filter: format!(
                "counts of {}",
                if filter.is_empty() {
                    "everything"
                } else {
                    filter
                }
            ),
            newest: true,
            ..Self::default()
        }
    }
}

impl Tally {
    fn add(&mut self, read: &Read) {
        self.reads += 1;
        self.events += read.events;
        if let Some((low, high)) = read.range {
            self.lowest = Some(self.lowest.map_or(low, |lowest| lowest.min(low)));
            self.highest = self.highest.max(Some(high));
        }
        if self.filters.len() < FILTERS && !read.filter.is_empty() {
            self.filters.insert(read.filter.clone());
        }
    }

    /// Puts into an event what was read. Filters are what people typed, so they go where they can be erased.
    fn tell(&self, event: Event) -> Event {
        let filters: Vec<&str> = self.filters.iter().map(String::as_str).collect();
        let reason = Some(filters.join("; ")).filter(|text| !text.is_empty());
        let mut event = event.reason(reason).detail("events", self.events);
        for (name, index) in [("from", self.lowest), ("to", self.highest)] {
            if let Some(index) = index {
                event = event.detail(name, index);
            }
        }
        event
    }
}

/// An export that is asked for.
#[derive(Debug, Clone)]
pub struct Exporting {
    pub format: Format,
    /// What was asked for, as people type it.
    pub filter: String,
    /// The index after which it begins.
    pub after: Option<i64>,
    /// What its pieces have in common; nothing for the first.
    pub export: Option<String>,
}

impl Gate {
    /// Takes note that somebody was shown a part of the history. Whoever sees their own only is not recorded.
    pub async fn note_read(&self, caller: &Caller, read: Read) {
        if permit_at(&caller.principal, Action::ReadAudit, Place::Somewhere).is_err() {
            return;
        }
        let noted = async {
            let now = self.now().await?;
            if let Some(tally) = self.reads.is_news(caller, &read, now) {
                let by = Actor::Principal(caller.principal.as_ref());
                let event = tally.tell(Event::new(EventCode::HistoryRead, by));
                let event = event.detail("reads", tally.reads);
                self.write_read(event, &caller.origin).await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = noted.await {
            tracing::error!(error = ?error, "who read the history could not be recorded");
        }
    }

    /// Puts an export on record before its first piece leaves. Answers what its pieces have in common, and the index
    /// before which it ends.
    pub async fn begin_export(
        &self,
        caller: &Caller,
        asked: &Exporting,
    ) -> Result<(String, i64), Error> {
        permit_at(&caller.principal, Action::ReadOwn, Place::Somewhere)?;
        let (mut tx, now) = self.look().await?;
        let to = tx.log_size().await?;
        drop(tx);
        if let Some(export) = &asked.export
            && self.reads.knows(&caller.principal.id, export)
        {
            return Ok((export.clone(), to));
        }
        // Another node began it, or somebody made the name up; in both cases this node says that it goes on here.
        let export = asked.export.clone().unwrap_or_else(new_trace);
        let by = Actor::Principal(caller.principal.as_ref());
        let reason = Some(asked.filter.clone()).filter(|filter| !filter.is_empty());
        let mut event = Event::new(EventCode::ExportStarted, by.clone())
            .reason(reason)
            .detail("format", asked.format.as_str())
            .detail("export", export.as_str())
            .detail("size", to);
        if let Some(after) = asked.after {
            event = event.detail("after", after);
        }
        self.write_read(event, &caller.origin).await?;
        let mut tally = Tally::default();
        if !asked.filter.is_empty() {
            tally.filters.insert(asked.filter.clone());
        }
        let begun = Export {
            tally,
            format: asked.format,
            at: now,
            by,
            origin: caller.origin.clone(),
        };
        let key = (caller.principal.id.clone(), export.clone());
        self.reads.lock().exports.insert(key, begun);
        Ok((export, to))
    }

    /// Counts a piece of an export; the last one puts on record what it came to.
    pub async fn note_export(
        &self,
        caller: &Caller,
        export: &str,
        piece: &Read,
        last: bool,
    ) -> Result<(), Error> {
        let now = self.now().await?;
        let key = (caller.principal.id.clone(), export.to_owned());
        let done = {
            let mut noted = self.reads.lock();
            if let Some(export) = noted.exports.get_mut(&key) {
                export.tally.add(piece);
                export.at = now;
            }
            if last {
                noted.exports.remove(&key)
            } else {
                None
            }
        };
        match done {
            Some(export) => self.write_exported(&key.1, &export, true).await,
            None => Ok(()),
        }
    }

    /// Puts on record what was read since, once it is a minute old; `all` of it when the node stops.
    pub async fn settle_reads(&self, all: bool) -> Result<(), Error> {
        if self.reads.is_empty() {
            return Ok(());
        }
        let now = self.now().await?;
        let (reads, exports) = self.reads.ripe(now, all);
        for (by, origin, tally) in reads {
            let event = tally.tell(Event::new(EventCode::HistoryRead, by));
            let event = event.detail("reads", tally.reads);
            self.write_read(event, &origin).await?;
        }
        for (id, export) in exports {
            self.write_exported(&id, &export, false).await?;
        }
        Ok(())
    }

    async fn write_exported(&self, id: &str, export: &Export, whole: bool) -> Result<(), Error> {
        let event = Event::new(EventCode::HistoryExported, export.by.clone());
        let outcome = if whole {
            Outcome::Success
        } else {
            Outcome::Error
        };
        let event = export
            .tally
            .tell(event.outcome(outcome))
            .detail("format", export.format.as_str())
            .detail("export", id)
            .detail("whole", whole);
        self.write_read(event, &export.origin).await
    }

    pub(super) async fn write_read(&self, event: Event, origin: &Origin) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let change = vec![Step::new(Record::Nothing, event)];
        tx.apply(&change, origin, now).await?;
        self.store.commit(tx).await?;
        self.counted(&change);
        Ok(())
    }

    /// The newest log that was signed, for what leaves.
    pub async fn signed_log(&self) -> Result<Option<SignedLog>, Error> {
        let (mut tx, _) = self.look().await?;
        let tree = tx.tree().await?;
        Ok(tree.checkpoint.as_deref().and_then(super::log::signed))
    }
}

/// What nobody has told the record yet.
type Ripe = (Vec<(Actor, Origin, Tally)>, Vec<(String, Export)>);

impl Reads {
    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        let noted = self.lock();
        noted.readers.is_empty() && noted.exports.is_empty()
    }

    fn knows(&self, who: &PrincipalId, export: &str) -> bool {
        let key = (who.clone(), export.to_owned());
        self.lock().exports.contains_key(&key)
    }

    /// Counts a read; answers what has to be recorded at once.
    fn is_news(&self, caller: &Caller, read: &Read, now: DateTime<Utc>) -> Option<Tally> {
        let mut noted = self.lock();
        let who = &caller.principal;
        let known = noted.readers.contains_key(&who.id);
        let reader = noted
            .readers
            .entry(who.id.clone())
            .or_insert_with(|| Reader {
                since: now,
                tally: Tally::default(),
                newest: HashMap::new(),
                by: Actor::Principal(who.as_ref()),
                origin: caller.origin.clone(),
            });
        if read.newest {
            let before = reader.newest.get(&read.filter).copied();
            if before.is_some() && read.news <= before {
                return None;
            }
            if reader.newest.len() >= REMEMBERED {
                reader.newest.clear();
            }
            // Nothing but reading was there to see: that, too, was seen.
            let seen = read.news.unwrap_or(-1);
            reader.newest.insert(read.filter.clone(), seen);
        }
        if known && now - reader.since < TOGETHER {
            reader.tally.add(read);
            return None;
        }
        reader.since = now;
        let mut tally = std::mem::take(&mut reader.tally);
        tally.add(read);
        Some(tally)
    }

    fn ripe(&self, now: DateTime<Utc>, all: bool) -> Ripe {
        let mut noted = self.lock();
        let mut reads = Vec::new();
        for reader in noted.readers.values_mut() {
            if reader.tally.reads > 0 && (all || now - reader.since >= TOGETHER) {
                reader.since = now;
                let tally = std::mem::take(&mut reader.tally);
                reads.push((reader.by.clone(), reader.origin.clone(), tally));
            }
        }
        // Whoever was away for long is new when they come back.
        noted
            .readers
            .retain(|_, reader| now - reader.since < TOGETHER * 60);
        let over = |export: &Export| all || now - export.at >= BROKEN_OFF;
        let gone: Vec<(PrincipalId, String)> = noted
            .exports
            .iter()
            .filter(|(_, export)| over(export))
            .map(|(key, _)| key.clone())
            .collect();
        let exports = gone
            .into_iter()
            .filter_map(|key| Some((key.1.clone(), noted.exports.remove(&key)?)))
            .collect();
        (reads, exports)
    }
}
