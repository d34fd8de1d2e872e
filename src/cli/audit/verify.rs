//! `portcullis audit verify` and `export`: reads the whole log, from a server or from a folder, and checks it.

use std::path::{Path, PathBuf};

use crate::cli::audit::evidence;
use crate::cli::requests::PAGE;
use crate::cli::{Context, Exit, Failure, Printer, words};
use crate::client::epochs::{Chain, Told, epoch_of, follow};
use crate::client::replay::{GrantRow, Grants};
use crate::client::verify::{Broken, Walk, Witnessed, check_witnesses, read_checkpoint};
use crate::client::witness::{Seen, WitnessFile};
use crate::client::{Client, ClientError, GrantsQuery};
use crate::tlog::{Checkpoint, Hash, TileAt, VerifyingKey, WitnessKey};
use crate::wire::{CheckpointView, LogLinkView};

use super::walk::{
    GRANTS, LINKS, Lives, Log, MINIMUM, Report, Source, broken, here, in_part, read, walk, write,
};

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
    /// For a file of `evidence` that was signed with another key than this: the file `links` of an `audit export`
    #[arg(long, value_name = "FILE")]
    links: Option<PathBuf>,
    /// A witness outside that has to have signed the checkpoint; may be given several times
    #[arg(long, value_name = "NAME+HASH+KEY")]
    witness_key: Vec<WitnessKey>,
}

pub(super) async fn verify(context: &Context<'_>, asked: Verify) -> Result<Exit, Failure> {
    if let Some(file) = asked.folder.as_ref().filter(|path| path.is_file()) {
        let links = asked.links.as_deref().map(read_links).transpose()?;
        let links = links.unwrap_or_default();
        let seen = (asked.witness.as_slice(), links.as_slice());
        return evidence::verify(context, file, asked.key, seen, &asked.witness_key);
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
    let (source, note, links, grants, said) = if let Some(folder) = asked.folder {
        let note = String::from_utf8_lossy(&read(&folder.join("checkpoint"))?).into_owned();
        let (links, grants) = (links_of(&folder)?, grants_of(&folder)?);
        (Source::Folder(folder), note, links, grants, None)
    } else {
        let client = context.client()?;
        let file = WitnessFile::of(&context.state()?, client.server())?;
        before.extend(file.read()?);
        let (grants, view) = grants_and_checkpoint(context, &client).await?;
        let said = Some((key_of(&view.key)?, file));
        let source = Source::Server(Box::new(client));
        (source, view.checkpoint, view.links, Some(grants), said)
    };
    let mut trusted: Vec<VerifyingKey> = asked.key.into_iter().collect();
    trusted.extend(before.iter().map(|seen| seen.key.clone()));
    if trusted.is_empty() {
        let (said, _) = said.as_ref().ok_or_else(|| {
            Failure::usage(
                "a folder cannot vouch for itself: say with `--key` or `--witness` whose log it has to be",
                "a machine that has seen the server shows its key: `portcullis audit verify --json`",
            )
        })?;
        trusted.push(said.clone());
    }
    let (chain, signed) = check_keys(&trusted, &links, &note).map_err(|error| broken(&error))?;
    let witnesses = check_witnesses(&note, signed.size, &asked.witness_key);
    let witnesses = witnesses.map_err(|error| unwitnessed(&error))?;
    let mut lives = Lives::new(grants, !chain.recoveries.is_empty());
    let log = (&chain, &signed);
    let mut keep = |_: Option<u32>, _: TileAt, _: Option<&[u8]>, _: &[Hash]| Ok(());
    let mut report = check(context, &source, log, &before, &mut lives, &mut keep).await?;
    report.witnesses = witnesses;
    if let Some((_, file)) = said {
        file.keep(&chain.key, &note)?;
    }
    tell(context, &report)
}

/// Follows the log from each of these keys to the one that signed the checkpoint: all of them have to agree.
fn check_keys(
    trusted: &[VerifyingKey],
    links: &[LogLinkView],
    note: &str,
) -> Result<(Chain, Checkpoint), Broken> {
    let mut found = None;
    for key in trusted {
        let chain = follow(key, links)?;
        let signed = read_checkpoint(note, &chain.key)?;
        found = Some((chain, signed));
    }
    found.ok_or(Broken::Checkpoint(
        "there is no key to check it with".to_owned(),
    ))
}

type Keep<'k> =
    &'k mut dyn FnMut(Option<u32>, TileAt, Option<&[u8]>, &[Hash]) -> Result<(), Failure>;

/// Checks the whole record: what is left of each epoch that ended, and the present one.
async fn check(
    context: &Context<'_>,
    source: &Source,
    (chain, signed): (&Chain, &Checkpoint),
    before: &[Seen],
    lives: &mut Lives,
    keep: Keep<'_>,
) -> Result<Report, Failure> {
    for seen in before {
        chain.admits(seen).map_err(|error| broken(&error))?;
    }
    let seen = |epoch: Option<u32>| -> Vec<Checkpoint> {
        let all = before.iter().map(|seen| &seen.checkpoint);
        all.filter(|one| epoch_of(&one.origin) == epoch)
            .cloned()
            .collect()
    };
    let (mut epochs, mut pruned) = (Vec::new(), 0);
    for (ended, said) in chain.ended().map_err(|error| broken(&error))? {
        let log = Log {
            signed: &ended.found,
            begins: ended.begins,
            part: Some(ended.epoch),
        };
        let walked = Walk::over_ended(seen(Some(ended.epoch)));
        let mut keep = |at: TileAt, bundle: Option<&[u8]>, hashes: &[Hash]| {
            keep(Some(ended.epoch), at, bundle, hashes)
        };
        let walked = walk(context, source, &log, walked, lives, &mut keep).await?;
        pruned += walked.pruned;
        epochs.push(Told {
            epoch: ended.epoch,
            recovered_at: said.at.clone(),
            recovered_by: said.by.clone(),
            why: said.why.clone(),
            signed: said.signed_size,
            found: said.found_size,
            as_seen: walked.as_seen,
        });
    }
    let (present, begins) = chain.present();
    let mut seen = seen(present);
    let compared = seen.len();
    seen.extend(chain.turns.iter().cloned());
    let log = Log {
        signed,
        begins,
        part: None,
    };
    let mut keep =
        |at: TileAt, bundle: Option<&[u8]>, hashes: &[Hash]| keep(None, at, bundle, hashes);
    let walked = walk(context, source, &log, Walk::new(seen), lives, &mut keep).await?;
    let grants = lives.finish().map_err(|error| broken(&error))?;
    Ok(Report {
        origin: signed.origin.clone(),
        key: chain.key.to_string(),
        begins,
        entries: signed.size,
        root: signed.root.to_string(),
        pruned: pruned + walked.pruned,
        late: walked.late,
        compared,
        grants,
        unexplained: std::mem::take(&mut lives.unexplained),
        epochs,
        witnesses: Vec::new(),
    })
}

/// Writes the log to a folder, checked on the way.
pub(super) async fn export(context: &Context<'_>, folder: PathBuf) -> Result<Exit, Failure> {
    let client = context.client()?;
    let file = WitnessFile::of(&context.state()?, client.server())?;
    let seen: Vec<Seen> = file.read()?.into_iter().collect();
    let (grants, view) = grants_and_checkpoint(context, &client).await?;
    let written = grants.write().map_err(|error| here(&error.to_string()))?;
    let said = key_of(&view.key)?;
    let trusted = seen.first().map_or(said, |seen| seen.key.clone());
    let keys = check_keys(&[trusted], &view.links, &view.checkpoint);
    let (chain, signed) = keys.map_err(|error| broken(&error))?;
    let mut keep = |part: Option<u32>, at: TileAt, bundle: Option<&[u8]>, hashes: &[Hash]| {
        let folder = in_part(&folder, part);
        if let Some(bundle) = bundle {
            write(&folder.join(at.bundle_path()), bundle)?;
        }
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        write(&folder.join(at.to_string()), &bytes)
    };
    let source = Source::Server(Box::new(client));
    let mut lives = Lives::new(Some(grants), !chain.recoveries.is_empty());
    let log = (&chain, &signed);
    let report = check(context, &source, log, &seen, &mut lives, &mut keep).await?;
    write(&folder.join(GRANTS), written.as_bytes())?;
    if report.pruned > 0 {
        let minimum = format!("{}\n", report.pruned);
        write(&folder.join(MINIMUM), minimum.as_bytes())?;
    }
    let links =
        serde_json::to_string_pretty(&view.links).map_err(|error| here(&error.to_string()))?;
    write(&folder.join(LINKS), links.as_bytes())?;
    write(&folder.join("key"), format!("{}\n", chain.key).as_bytes())?;
    // Last: what it names is there by now.
    write(&folder.join("checkpoint"), view.checkpoint.as_bytes())?;
    file.keep(&chain.key, &view.checkpoint)?;
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
    let trusted = seen.map_or(said, |seen| seen.key);
    let note = String::from_utf8_lossy(&read(&folder.join("checkpoint"))?).into_owned();
    let keys = check_keys(&[trusted], &links_of(&folder)?, &note);
    let (chain, signed) = keys.map_err(|error| broken(&error))?;
    let source = Source::Folder(folder);
    let mut keep = |_: Option<u32>, _: TileAt, _: Option<&[u8]>, _: &[Hash]| Ok(());
    let mut lives = Lives::new(None, false);
    check(
        context,
        &source,
        (&chain, &signed),
        &[],
        &mut lives,
        &mut keep,
    )
    .await?;
    Ok(note)
}

/// Every grant, and then a checkpoint of everything that made them what they are.
async fn grants_and_checkpoint(
    context: &Context<'_>,
    client: &Client,
) -> Result<(Grants, CheckpointView), Failure> {
    let read_at = context.now(client).await?;
    let (mut query, mut rows) = (GrantsQuery::default(), Vec::new());
    query.limit = Some(PAGE);
    loop {
        let page = client.grants(&query).await?;
        rows.extend(page.items.into_iter().map(GrantRow::from));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    let view = client.fresh_checkpoint().await?;
    Ok((Grants { read_at, rows }, view))
}

/// The grants beside a log in a folder; one that another tool has written may be without.
fn grants_of(folder: &Path) -> Result<Option<Grants>, Failure> {
    let path = folder.join(GRANTS);
    if !path.exists() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&read(&path)?).into_owned();
    let grants = Grants::read(&text)
        .map_err(|error| here(&format!("`{}` cannot be read: {error}", path.display())))?;
    Ok(Some(grants))
}

/// What vouches for the keys of a log in a folder; one that has had only one key may be without.
fn links_of(folder: &Path) -> Result<Vec<LogLinkView>, Failure> {
    let path = folder.join(LINKS);
    if !path.exists() {
        return Ok(Vec::new());
    }
    read_links(&path)
}

fn read_links(path: &Path) -> Result<Vec<LogLinkView>, Failure> {
    serde_json::from_slice(&read(path)?)
        .map_err(|error| here(&format!("`{}` cannot be read: {error}", path.display())))
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
        match report.grants {
            Some(count) => {
                printer.line(&format!("{count} grants are what the record says of them"))?;
            }
            None => printer.line("there are no grants beside it that it could be compared with")?,
        }
        for what in &report.unexplained {
            printer.line(&format!("after the loss of history: {what}"))?;
        }
        for told in &report.epochs {
            tell_epoch(printer, told)?;
        }
        for seen in &report.witnesses {
            tell_witnessed(printer, seen)?;
        }
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

/// Says what a witness outside saw.
pub(super) fn tell_witnessed(printer: &Printer, seen: &Witnessed) -> Result<(), Failure> {
    let (name, size, at) = (&seen.witness, seen.size, words::exact(seen.at));
    printer.line(&format!("witness `{name}` saw these {size} events at {at}"))
}

/// A signature that is not there yet is no tampering, but nothing that could be relied on either.
fn unwitnessed(error: &Broken) -> Failure {
    match error {
        Broken::Unwitnessed { .. } => Failure {
            code: Some(error.code()),
            ..Failure::refused(
                error.to_string(),
                "`portcullis audit deliveries` shows how the witness stands; its own address shows what it saw",
            )
        },
        error => broken(error),
    }
}

/// Says of an epoch that ended what everybody has to know who relies on the record.
fn tell_epoch(printer: &Printer, told: &Told) -> Result<(), Failure> {
    let Told {
        epoch,
        signed,
        found,
        ..
    } = told;
    printer.line(&format!(
        "HISTORY WAS LOST in epoch {epoch}: {signed} events were signed, {found} are there. {} went on at {}: {}",
        told.recovered_by, told.recovered_at, told.why
    ))?;
    match told.as_seen {
        Some(true) => printer.line(&format!(
            "what is left of epoch {epoch} is what this machine saw of it"
        )),
        Some(false) => printer.line(&format!(
            "what is left of epoch {epoch} is NOT what this machine saw of it"
        )),
        None => Ok(()),
    }
}
