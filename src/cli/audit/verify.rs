//! `portcullis audit verify` and `export`: reads the whole log, from a server or from a folder, and checks it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::audit::evidence;
use crate::cli::{Context, Exit, Failure};
use crate::client::verify::{Broken, Leaf, Walk, leaves, pruned_to, read_checkpoint};
use crate::client::witness::{Seen, WitnessFile};
use crate::client::{Client, ClientError};
use crate::tlog::{Checkpoint, HEIGHT, Hash, TileAt, VerifyingKey, WIDTH};

/// The file of an exported log that says before which entry nothing but hashes is left.
const MINIMUM: &str = "minimum";
/// Bundles that are read at a time.
const AT_ONCE: u64 = 64;

/// Check the record from its first event to its last, against its signature and what this machine saw before
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: it is whole. 1: it is not, and the first thing that is wrong is said.\nExample: portcullis audit verify /mnt/worm/portcullis --key \"$(cat portcullis-log.key)\""
)]
pub(super) struct Verify {
    /// A folder that `audit export` wrote, or a file of `evidence`; without one, the record of the server
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The key of the log; without it the one that this machine saw first
    #[arg(long, value_name = "NAME+HASH+KEY")]
    key: Option<VerifyingKey>,
    /// What another machine saw of the log: a file with its key and a checkpoint; may be given several times
    #[arg(long, value_name = "FILE")]
    witness: Vec<PathBuf>,
}

/// What a check came to.
#[derive(Debug, Serialize)]
struct Report {
    origin: String,
    /// What it was checked with.
    key: String,
    entries: u64,
    root: String,
    /// Of so many at the beginning only the hashes are left.
    pruned: u64,
    /// Events that were written more than five seconds after one that happened later.
    late: u64,
    /// How many checkpoints of before it was compared with.
    compared: usize,
}

/// Where a log is read from.
enum Source {
    Server(Box<Client>),
    Folder(PathBuf),
}

impl Source {
    async fn bundle(&self, at: TileAt) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Server(client) => Ok(client.bundle(at).await?),
            Self::Folder(folder) => read(&folder.join(at.bundle_path())),
        }
    }

    /// The hashes of a tile whose entries were pruned.
    async fn pruned(&self, at: TileAt) -> Result<Vec<Hash>, Failure> {
        let bytes = match self {
            Self::Server(client) => client.tile(at).await?,
            Self::Folder(folder) => read(&folder.join(at.to_string()))?,
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
    fn tile(&self, at: TileAt) -> Option<Vec<Hash>> {
        let Self::Folder(folder) = self else {
            return None;
        };
        let bytes = std::fs::read(folder.join(at.to_string())).ok()?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        let hashes = hashes.iter().map(|bytes| Hash::from_bytes(*bytes));
        rest.is_empty().then(|| hashes.collect())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| here(&format!("reading `{}`: {error}", path.display())))
}

fn here(text: &str) -> Failure {
    Failure::here(text, "")
}

fn broken(error: &Broken) -> Failure {
    Failure {
        code: Some(error.code()),
        ..Failure::refused(
            format!("the audit log is not whole: {error}"),
            "keep what is there as it is, and tell whoever answers for security",
        )
    }
}

pub(super) async fn verify(context: &Context<'_>, asked: Verify) -> Result<Exit, Failure> {
    if let Some(file) = asked.folder.as_ref().filter(|path| path.is_file()) {
        return evidence::verify(context, file, asked.key, &asked.witness);
    }
    let mut before = Vec::new();
    for path in &asked.witness {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        before.push(Seen::read(&text).map_err(|error| {
            Failure::usage(
                format!(
                    "`{}` is not what a machine saw of a log: {error}",
                    path.display()
                ),
                "it has a key in its first line, and a checkpoint after it",
            )
        })?);
    }
    let (source, note, said) = if let Some(folder) = asked.folder {
        let note = String::from_utf8_lossy(&read(&folder.join("checkpoint"))?).into_owned();
        (Source::Folder(folder), note, None)
    } else {
        let client = context.client()?;
        let file = WitnessFile::of(&context.state()?, client.server())?;
        before.extend(file.read()?);
        let view = client.checkpoint().await?;
        let said = key_of(&view.key)?;
        let source = Source::Server(Box::new(client));
        (source, view.checkpoint, Some((said, file)))
    };
    let pinned = asked
        .key
        .or_else(|| before.first().map(|seen| seen.key.clone()));
    let key = match (pinned, &said) {
        (Some(key), _) => key,
        (None, Some((said, _))) => said.clone(),
        (None, None) => {
            return Err(Failure::usage(
                "a folder cannot vouch for itself: say with `--key` or `--witness` whose log it has to be",
                "a machine that has seen the server shows its key: `portcullis audit verify --json`",
            ));
        }
    };
    let signed = read_checkpoint(&note, &key).map_err(|error| broken(&error))?;
    if let Some(other) = before.iter().find(|seen| seen.key != key) {
        let error = Broken::Origin {
            expected: key.name().to_owned(),
            found: other.key.name().to_owned(),
        };
        return Err(broken(&error));
    }
    let seen: Vec<Checkpoint> = before.into_iter().map(|seen| seen.checkpoint).collect();
    let mut report = walk(context, &source, &signed, seen, &mut |_, _, _| Ok(())).await?;
    report.key = key.to_string();
    if let Some((_, file)) = said {
        file.keep(&key, &note)?;
    }
    tell(context, &report)
}

/// Writes the log to a folder, checked on the way.
pub(super) async fn export(context: &Context<'_>, folder: PathBuf) -> Result<Exit, Failure> {
    let client = context.client()?;
    let file = WitnessFile::of(&context.state()?, client.server())?;
    let seen = file.read()?;
    let view = client.checkpoint().await?;
    let said = key_of(&view.key)?;
    let key = seen.as_ref().map_or(said, |seen| seen.key.clone());
    let signed = read_checkpoint(&view.checkpoint, &key).map_err(|error| broken(&error))?;
    let mut keep = |at: TileAt, bundle: Option<&[u8]>, hashes: &[Hash]| {
        if let Some(bundle) = bundle {
            write(&folder.join(at.bundle_path()), bundle)?;
        }
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        write(&folder.join(at.to_string()), &bytes)
    };
    let seen = seen.into_iter().map(|seen| seen.checkpoint).collect();
    let source = Source::Server(Box::new(client));
    let mut report = walk(context, &source, &signed, seen, &mut keep).await?;
    report.key = key.to_string();
    if report.pruned > 0 {
        let minimum = format!("{}\n", report.pruned);
        write(&folder.join(MINIMUM), minimum.as_bytes())?;
    }
    write(&folder.join("key"), format!("{key}\n").as_bytes())?;
    // Last: what it names is there by now.
    write(&folder.join("checkpoint"), view.checkpoint.as_bytes())?;
    file.keep(&key, &view.checkpoint)?;
    tell(context, &report)
}

/// The checkpoint of a folder, once all of it was checked with the key that this machine knows of the server.
pub(super) async fn checked(
    context: &Context<'_>,
    client: &Client,
    folder: PathBuf,
) -> Result<String, Failure> {
    let seen = WitnessFile::of(&context.state()?, client.server())?.read()?;
    let said = key_of(&client.checkpoint().await?.key)?;
    let key = seen.map_or(said, |seen| seen.key);
    let note = String::from_utf8_lossy(&read(&folder.join("checkpoint"))?).into_owned();
    let signed = read_checkpoint(&note, &key).map_err(|error| broken(&error))?;
    let source = Source::Folder(folder);
    walk(context, &source, &signed, Vec::new(), &mut |_, _, _| Ok(())).await?;
    Ok(note)
}

fn key_of(text: &str) -> Result<VerifyingKey, Failure> {
    text.parse().map_err(|error| {
        let text = format!("the server names no key of its log: {error}");
        Failure::from(ClientError::BadReply { text })
    })
}

fn tell(context: &Context<'_>, report: &Report) -> Result<Exit, Failure> {
    context.printer.answer(report, |printer| {
        printer.line(&format!(
            "the record is whole: {} events of `{}`",
            report.entries, report.origin
        ))?;
        printer.line(&format!("root {}", report.root))?;
        if report.compared > 0 {
            printer.line("it continues what was seen of it before")?;
        }
        if report.pruned > 0 {
            let pruned = report.pruned;
            printer.line(&format!(
                "the first {pruned} events were pruned, as an event says; their hashes are in their places"
            ))?;
        }
        if report.late > 0 {
            let late = report.late;
            printer.line(&format!(
                "{late} events were written more than 5 s after one that happened later"
            ))?;
        }
        Ok(())
    })?;
    Ok(Exit::DONE)
}

/// What is done with each tile once it is known: its entries where it is one of the lowest level, and its hashes.
type Keep<'k> = &'k mut dyn FnMut(TileAt, Option<&[u8]>, &[Hash]) -> Result<(), Failure>;

async fn walk(
    context: &Context<'_>,
    source: &Source,
    signed: &Checkpoint,
    seen: Vec<Checkpoint>,
    keep: Keep<'_>,
) -> Result<Report, Failure> {
    let compared = seen.len();
    let mut walk = Walk::new(seen);
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
    let minimum = source.minimum().await?.min(signed.size);
    for number in 0..minimum / WIDTH {
        let at = tile_at(0, number, signed.size);
        let hashes = source.pruned(at).await?;
        let taken = walk.take_pruned(&hashes, &mut full);
        taken.map_err(|error| broken(&error))?;
        keep(at, None, &hashes)?;
    }
    let mut admitted = 0;
    let (mut next, mut told) = (minimum / WIDTH, 0);
    while next < bundles {
        let mut read = Vec::new();
        for number in next..bundles.min(next + AT_ONCE) {
            let at = tile_at(0, number, signed.size);
            read.push((at, source.bundle(at).await?));
        }
        next += AT_ONCE;
        let (read, found) = hashed(read, signed).await?;
        for ((at, bytes), leaves) in read.iter().zip(found) {
            let leaves = leaves.map_err(|error| broken(&error))?;
            let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf.hash).collect();
            if let Some(beside) = source.tile(*at)
                && let Some(index) = (at.number * WIDTH..)
                    .zip(
                        hashes
                            .iter()
                            .zip(beside.iter().map(Some).chain(std::iter::repeat(None))),
                    )
                    .find_map(|(index, (hash, beside))| (Some(hash) != beside).then_some(index))
            {
                return Err(broken(&Broken::Leaf { index }));
            }
            let taken = walk.take(&leaves, &mut full);
            taken.map_err(|error| broken(&error))?;
            if minimum > 0 {
                let entries = crate::tlog::Bundle::read(bytes).unwrap_or_default();
                let said = entries.iter().filter_map(|entry| pruned_to(entry)).max();
                admitted = admitted.max(said.unwrap_or_default());
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
    walk.finish(signed).map_err(|error| broken(&error))?;
    Ok(Report {
        origin: signed.origin.clone(),
        key: String::new(),
        entries: signed.size,
        root: signed.root.to_string(),
        pruned: minimum,
        late,
        compared,
    })
}

type Read = Vec<(TileAt, Vec<u8>)>;
type Found = Vec<Result<Vec<Leaf>, Broken>>;

/// Hashes bundles on every core.
async fn hashed(read: Read, signed: &Checkpoint) -> Result<(Read, Found), Failure> {
    let signed = signed.clone();
    let work = move || {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = read.len().div_ceil(cores).max(1);
        let signed = &signed;
        let found = std::thread::scope(|scope| {
            let parts: Vec<_> = read
                .chunks(share)
                .map(|part| {
                    let each = |(at, bytes): &(TileAt, Vec<u8>)| leaves(at.number, bytes, signed);
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

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let shown = path.display();
    let folder = path.parent().unwrap_or(path);
    let beside = path.with_added_extension("new");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&beside, bytes))
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|error| here(&format!("writing `{shown}`: {error}")))
}
