//! `portcullis audit verify FILE`: checks the evidence about a grant without any server.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::{Context, Exit, Failure};
use crate::client::evidence::{Checked, Unfit, check};
use crate::client::verify::{Witnessed, check_witnesses};
use crate::client::witness::Seen;
use crate::tlog::{VerifyingKey, WitnessKey};
use crate::wire::LogLinkView;

use super::verify::tell_witnessed;

/// What a check came to.
#[derive(Debug, Serialize)]
struct Report {
    grant: String,
    origin: String,
    /// What it was checked with, and the key that signed it.
    key: String,
    signed_with: String,
    events: usize,
    /// Of these the reason or the address was erased.
    erased: usize,
    /// How many checkpoints of before are of the same log at the same size, and therefore the same.
    compared: usize,
    /// What is shown by proofs in epochs that ended.
    shows: Vec<String>,
    /// What the witnesses saw that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    witnesses: Vec<Witnessed>,
    /// What no proof covers.
    not_proven: Vec<String>,
}

pub(super) fn verify(
    context: &Context<'_>,
    file: &Path,
    key: Option<VerifyingKey>,
    (witnesses, links): (&[PathBuf], &[LogLinkView]),
    witness_keys: &[WitnessKey],
) -> Result<Exit, Failure> {
    let mut seen = Vec::new();
    for path in witnesses {
        let read = Seen::read(&text_of(path)?);
        seen.push(read.map_err(|error| {
            let shown = path.display();
            Failure::usage(
                format!("`{shown}` is not what a machine saw of a log: {error}"),
                "it has a key in its first line, and a checkpoint after it",
            )
        })?);
    }
    let key = key.or_else(|| seen.first().map(|seen| seen.key.clone()));
    let key = key.ok_or_else(|| {
        Failure::usage(
            "a file cannot vouch for itself: say with `--key` or `--witness` whose log it has to be from",
            "a machine that has seen the server shows its key: `portcullis audit verify --json`",
        )
    })?;
    let checked = check(&text_of(file)?, &key, links).map_err(|unfit| broken(&unfit))?;
    let same = |seen: &&Seen| {
        seen.checkpoint.size == checked.checkpoint.size
            && seen.checkpoint.origin == checked.checkpoint.origin
    };
    let compared: Vec<&Seen> = seen.iter().filter(same).collect();
    if compared
        .iter()
        .any(|seen| seen.checkpoint.root != checked.checkpoint.root)
    {
        return Err(Failure {
            code: Some("log-rewritten"),
            ..Failure::refused(
                "the evidence is not good: its log is not the one that the witness saw",
                "keep both as they are, and tell whoever answers for security",
            )
        });
    }
    let compared = compared.len();
    let size = checked.checkpoint.size;
    let seen = check_witnesses(&checked.evidence.checkpoint, size, witness_keys);
    let seen = seen.map_err(|error| broken(&Unfit::Log(error)))?;
    tell(context, checked, &key, (compared, seen))
}

/// Says what is wrong with a file.
pub(in crate::cli) fn broken(unfit: &Unfit) -> Failure {
    Failure {
        code: Some(unfit.code()),
        ..Failure::refused(
            format!("the evidence is not good: {unfit}"),
            "ask for it again, and keep this file if somebody gave it to you",
        )
    }
}

fn tell(
    context: &Context<'_>,
    checked: Checked,
    key: &VerifyingKey,
    (compared, witnesses): (usize, Vec<Witnessed>),
) -> Result<Exit, Failure> {
    let report = Report {
        grant: checked.evidence.grant.id,
        origin: checked.checkpoint.origin,
        key: key.to_string(),
        signed_with: checked.key.to_string(),
        events: checked.evidence.events.len(),
        erased: checked.erased,
        compared,
        shows: checked.shows,
        witnesses,
        not_proven: checked.evidence.not_proven,
    };
    context.printer.answer(&report, |printer| {
        printer.line(&format!(
            "the evidence about {} is good: {} events are in the log of `{}` as they stand there",
            report.grant, report.events, report.origin
        ))?;
        for seen in &report.witnesses {
            tell_witnessed(printer, seen)?;
        }
        if report.erased > 0 {
            let erased = report.erased;
            printer.line(&format!("of {erased} of them reason or address was erased"))?;
        }
        if report.key != report.signed_with {
            printer
                .line("it was signed with another key of the log, for which this one vouches")?;
        }
        for shown in &report.shows {
            printer.line(&format!("of an event of an epoch that ended: {shown}"))?;
        }
        printer.line("what it does not prove:")?;
        report
            .not_proven
            .iter()
            .try_for_each(|line| printer.line(&format!("  {line}")))
    })?;
    Ok(Exit::DONE)
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::here(format!("reading `{}`: {error}", path.display()), ""))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
