//! `portcullis evidence`: takes everything about one grant along, for somebody who checks it elsewhere.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::audit::broken_evidence;
use crate::cli::{Context, Exit, Failure};
use crate::client::ClientError;
use crate::client::evidence::check;
use crate::client::witness::WitnessFile;
use crate::domain::ids::GrantId;
use crate::text;

/// Write everything about a grant to one file that can be checked without the server
#[derive(Debug, clap::Args)]
#[command(
    after_help = "In it: request, reviews, policy, sessions, and every event with the proof that it is in the log.\nCheck it anywhere: portcullis audit verify FILE --key KEY\nExample: portcullis evidence G-7k3qm2xd0v case-17.json"
)]
pub(super) struct Arguments {
    /// The grant
    #[arg(value_name = "GRANT")]
    grant: GrantId,
    /// Where to, `-` for the standard output; without it `evidence-GRANT.json` here
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Report {
    file: PathBuf,
    events: usize,
    /// What it is checked with.
    key: String,
}

pub(super) async fn run(context: &Context<'_>, asked: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let seen = WitnessFile::of(&context.state()?, client.server())?.read()?;
    let received = client.evidence(asked.grant.as_str()).await?;
    let bad = |error: serde_json::Error| ClientError::BadReply {
        text: format!("the evidence cannot be read: {error}"),
    };
    let file: serde_json::Value = serde_json::from_str(&received).map_err(bad)?;
    let said = file.get("key").and_then(serde_json::Value::as_str);
    let said = said.unwrap_or_default().parse().map_err(|error| {
        let text = format!("the server names no key of its log: {error}");
        Failure::from(ClientError::BadReply { text })
    })?;
    let key = seen.map_or(said, |seen| seen.key);
    // Whoever is given it later should not be the first to find out.
    let checked = check(&received, &key, &[]).map_err(|unfit| broken_evidence(&unfit))?;
    let pretty = serde_json::to_string_pretty(&file).map_err(bad)?;
    let lines = pretty.lines().map(text::visible_json);
    let lines = lines.collect::<Vec<_>>().join("\n") + "\n";
    let path = asked
        .file
        .unwrap_or_else(|| PathBuf::from(format!("evidence-{}.json", asked.grant)));
    if path == Path::new("-") {
        context.printer.lines(&lines)?;
        return Ok(Exit::DONE);
    }
    write(&path, &lines).map_err(|error| {
        let shown = path.display();
        Failure::here(format!("writing `{shown}`: {error}"), "")
    })?;
    let report = Report {
        file: path,
        events: checked.evidence.events.len(),
        key: key.to_string(),
    };
    context.printer.answer(&report, |printer| {
        let (file, events) = (report.file.display(), report.events);
        printer.line(&format!("{events} events with their proofs are in {file}"))?;
        printer.line(&format!(
            "whoever checks it needs the key: portcullis audit verify {file} --key '{}'",
            report.key
        ))
    })?;
    Ok(Exit::DONE)
}

/// A file for its owner only, which has its name when it is complete.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or_else(|| Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
