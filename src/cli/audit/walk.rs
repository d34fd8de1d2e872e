//! Reads a log from its first entry to its last, from a server or from a folder, and hands on what it is made of.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::{Context, Failure};
use crate::client::Client;
use crate::client::epochs::Told as Ended;
use crate::client::replay::{Grants, Replay, Told};
use crate::client::verify::{Broken, Leaf, Walk, Witnessed, leaves, pruned_to};
use crate::tlog::{Checkpoint, HEIGHT, Hash, TileAt, WIDTH};

/// Bundles that are read at a time.
const AT_ONCE: u64 = 64;
/// The file of an exported log that says before which entry nothing but hashes is left.
pub(super) const MINIMUM: &str = "minimum";
/// The file of an exported log that has the grants as the server had them.
pub(super) const GRANTS: &str = "grants";
/// The file of an exported log that has what vouches for its keys.
pub(super) const LINKS: &str = "links";

/// One log of the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Log<'l> {
    pub signed: &'l Checkpoint,
    /// The index of its first event.
    pub begins: u64,
    /// Its epoch, where that ended with a recovery.
    pub part: Option<u32>,
}

/// What a walk came to.
pub(super) struct Walked {
    /// Of so many at the beginning only the hashes are left.
    pub pruned: u64,
    pub late: u64,
    pub as_seen: Option<bool>,
}

/// The grants that the log has to explain, if they are known.
pub(super) struct Lives {
    replay: Option<Replay>,
    /// What the log cannot explain is no wonder where history was lost: it is told, and the check goes on.
    lossy: bool,
    pub unexplained: Vec<String>,
}

impl Lives {
    pub(super) fn new(grants: Option<Grants>, lossy: bool) -> Self {
        Self {
            replay: grants.map(Replay::new),
            lossy,
            unexplained: Vec::new(),
        }
    }

    /// The beginning of the log is pruned: of some grants it tells the end of the story only.
    fn begin_late(&mut self) {
        if let Some(replay) = &mut self.replay {
            replay.begin_late();
        }
    }

    fn take(&mut self, told: &Told) -> Result<(), Broken> {
        let Some(replay) = &mut self.replay else {
            return Ok(());
        };
        let taken = replay.take(told);
        self.or_told(taken)
    }

    /// Answers how many grants were compared.
    pub(super) fn finish(&mut self) -> Result<Option<usize>, Broken> {
        let Some(replay) = self.replay.take() else {
            return Ok(None);
        };
        let count = replay.count();
        let finished = replay.finish();
        self.or_told(finished)?;
        Ok(Some(count))
    }

    fn or_told(&mut self, result: Result<(), Broken>) -> Result<(), Broken> {
        match result {
            Err(error) if self.lossy => {
                self.unexplained.push(error.to_string());
                Ok(())
            }
            result => result,
        }
    }
}

/// What a check came to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub origin: String,
    /// What it was checked with.
    pub key: String,
    pub entries: u64,
    pub root: String,
    /// The index of its first event.
    pub begins: u64,
    /// Of so many at the beginning only the hashes are left.
    pub pruned: u64,
    /// Events that were written more than five seconds after one that happened later.
    pub late: u64,
    /// How many checkpoints of before it was compared with.
    pub compared: usize,
    /// How many grants of the server follow from the log; nothing where they are not known.
    pub grants: Option<usize>,
    /// What does not follow from the log, because history was lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unexplained: Vec<String>,
    /// The epochs that ended with a recovery.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub epochs: Vec<Ended>,
    /// What the witnesses saw that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<Witnessed>,
}

/// Where a log is read from.
pub(super) enum Source {
    Server(Box<Client>),
    Folder(PathBuf),
}

impl Source {
    async fn bundle(&self, part: Option<u32>, at: TileAt) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Server(client) => Ok(client.bundle(part, at).await?),
            Self::Folder(folder) => read(&in_part(folder, part).join(at.bundle_path())),
        }
    }

    /// The hashes of a tile whose entries were pruned.
    async fn pruned(&self, part: Option<u32>, at: TileAt) -> Result<Vec<Hash>, Failure> {
        let bytes = match self {
            Self::Server(client) => client.tile(part, at).await?,
            Self::Folder(folder) => read(&in_part(folder, part).join(at.to_string()))?,
        };
        let (hashes, _) = bytes.as_chunks::<32>();
        Ok(hashes
            .iter()
            .map(|bytes| Hash::from_bytes(*bytes))
            .collect())
    }

    /// Before which entry nothing but hashes is left: as the server says, or the file beside the folder's checkpoint.
    async fn minimum(&self) -> Result<u64, Failure> {
        match self {
            Self::Server(client) => {
                let minimum = client.checkpoint().await?.minimum;
                Ok(u64::try_from(minimum).unwrap_or_default())
            }
            Self::Folder(folder) => {
                let text = std::fs::read_to_string(folder.join(MINIMUM)).unwrap_or_default();
                Ok(text.trim().parse().unwrap_or_default())
            }
        }
    }

    /// The hashes that lie beside the entries, if any do: with them the entry that was changed can be named.
    fn tile(&self, part: Option<u32>, at: TileAt) -> Option<Vec<Hash>> {
        let Self::Folder(folder) = self else {
            return None;
        };
        let bytes = std::fs::read(in_part(folder, part).join(at.to_string())).ok()?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        let hashes = hashes.iter().map(|bytes| Hash::from_bytes(*bytes));
        rest.is_empty().then(|| hashes.collect())
    }
}

/// Where an epoch that ended lies below the log.
pub(super) fn in_part(folder: &Path, part: Option<u32>) -> PathBuf {
    part.map_or_else(
        || folder.to_owned(),
        |part| folder.join(format!("epoch/{part}")),
    )
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| here(&format!("reading `{}`: {error}", path.display())))
}

pub(super) fn here(text: &str) -> Failure {
    Failure::here(text, "")
}

pub(super) fn broken(error: &Broken) -> Failure {
    Failure {
        code: Some(error.code()),
        ..Failure::refused(
            format!("the audit log is not whole: {error}"),
            "keep what is there as it is, and tell whoever answers for security",
        )
    }
}

/// What is done with each tile once it is known: its entries where it is one of the lowest level, and its hashes.
pub(super) type Keep<'k> = &'k mut dyn FnMut(TileAt, Option<&[u8]>, &[Hash]) -> Result<(), Failure>;

pub(super) async fn walk(
    context: &Context<'_>,
    source: &Source,
    log: &Log<'_>,
    mut walk: Walk,
    lives: &mut Lives,
    keep: Keep<'_>,
) -> Result<Walked, Failure> {
    let signed = log.signed;
    let bundles = signed.size.div_ceil(WIDTH);
    let mut above: Vec<Vec<Hash>> = Vec::new();
    let mut full = |node: crate::tlog::Node, hash| {
        if node.level > 0 && node.level.is_multiple_of(HEIGHT) {
            let level = usize::from(node.level / HEIGHT) - 1;
            above.resize(above.len().max(level + 1), Vec::new());
            if let Some(row) = above.get_mut(level) {
                row.push(hash);
            }
        }
    };
    let minimum = source.minimum().await?.saturating_sub(log.begins);
    let minimum = minimum.min(signed.size);
    for number in 0..minimum / WIDTH {
        let at = tile_at(0, number, signed.size);
        let hashes = source.pruned(log.part, at).await?;
        let taken = walk.take_pruned(&hashes, &mut full);
        taken.map_err(|error| broken(&error))?;
        keep(at, None, &hashes)?;
    }
    if minimum > 0 {
        lives.begin_late();
    }
    let mut admitted = 0;
    let (mut next, mut told) = (minimum / WIDTH, 0);
    while next < bundles {
        let mut read = Vec::new();
        for number in next..bundles.min(next + AT_ONCE) {
            let at = tile_at(0, number, signed.size);
            read.push((at, source.bundle(log.part, at).await?));
        }
        next += AT_ONCE;
        let (read, found) = hashed(read, log).await?;
        for ((at, bytes), leaves) in read.iter().zip(found) {
            let leaves = leaves.map_err(|error| broken(&error))?;
            let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf.hash).collect();
            if let Some(beside) = source.tile(log.part, *at)
                && let Some(index) = (at.number * WIDTH..)
                    .zip(
                        hashes
                            .iter()
                            .zip(beside.iter().map(Some).chain(std::iter::repeat(None))),
                    )
                    .find_map(|(index, (hash, beside))| (Some(hash) != beside).then_some(index))
            {
                return Err(broken(&Broken::Leaf {
                    index: log.begins + index,
                }));
            }
            let taken = walk.take(&leaves, &mut full);
            taken.map_err(|error| broken(&error))?;
            if minimum > 0 {
                let entries = crate::tlog::Bundle::read(bytes).unwrap_or_default();
                let said = entries.iter().filter_map(|entry| pruned_to(entry)).max();
                admitted = admitted.max(said.unwrap_or_default());
            }
            for told in leaves.iter().filter_map(|leaf| leaf.told.as_deref()) {
                lives.take(told).map_err(|error| broken(&error))?;
            }
            keep(*at, Some(bytes), &hashes)?;
        }
        let tenth = walk.size() * 10 / signed.size.max(1);
        if tenth > told && bundles > AT_ONCE && context.printer.is_terminal() {
            told = tenth;
            let done = tenth * 10;
            let note = format!("{done} % of {} events", signed.size);
            context.printer.note(&note);
        }
    }
    for (level, row) in (1..).zip(&above) {
        for (number, hashes) in (0..).zip(row.chunks(256)) {
            keep(
                tile_at(level, number, signed.size >> (u32::from(level) * 8)),
                None,
                hashes,
            )?;
        }
    }
    let late = walk.late();
    if admitted < minimum {
        return Err(broken(&Broken::Pruned { minimum }));
    }
    let as_seen = walk.finish(signed).map_err(|error| broken(&error))?;
    Ok(Walked {
        pruned: minimum,
        late,
        as_seen,
    })
}

type Read = Vec<(TileAt, Vec<u8>)>;
type Found = Vec<Result<Vec<Leaf>, Broken>>;

/// Hashes bundles on every core.
async fn hashed(read: Read, log: &Log<'_>) -> Result<(Read, Found), Failure> {
    let (signed, begins) = (log.signed.clone(), log.begins);
    let work = move || {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = read.len().div_ceil(cores).max(1);
        let signed = &signed;
        let found = std::thread::scope(|scope| {
            let parts: Vec<_> = read
                .chunks(share)
                .map(|part| {
                    let each =
                        |(at, bytes): &(TileAt, Vec<u8>)| leaves(at.number, bytes, signed, begins);
                    scope.spawn(move || part.iter().map(each).collect::<Found>())
                })
                .collect();
            let parts = parts.into_iter().map(std::thread::ScopedJoinHandle::join);
            parts.collect::<Result<Vec<Found>, _>>()
        });
        found
            .ok()
            .map(|parts| (read, parts.into_iter().flatten().collect()))
    };
    let done = tokio::task::spawn_blocking(work).await.ok().flatten();
    done.ok_or_else(|| here("the check was broken off"))
}

fn tile_at(level: u8, number: u64, hashes: u64) -> TileAt {
    let width = hashes.saturating_sub(number * WIDTH).min(WIDTH);
    TileAt {
        level,
        number,
        width: u16::try_from(width).unwrap_or(256),
    }
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let shown = path.display();
    let folder = path.parent().unwrap_or(path);
    let beside = path.with_added_extension("new");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&beside, bytes))
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|error| here(&format!("writing `{shown}`: {error}")))
}
