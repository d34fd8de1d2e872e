//! `portcullis audit export`: takes the history along, as a log that can be checked or as lines for other tools.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::audit::{Which, verify};
use crate::cli::{Context, Exit, Failure};
use crate::client::ExportQuery;
use crate::wire::export::Format;

use super::parquet::Table;

/// Take the history along: as a folder that `audit verify` can check, or as lines for other tools
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  portcullis audit export /mnt/worm/portcullis\n  portcullis audit export --format csv --since 2026-11-01 november.csv\n  portcullis audit export --format ocsf --filter 'outcome:denied' | jq .\n  portcullis audit export --format parquet november.parquet && duckdb -c \"select actor, count(*) from 'november.parquet' group by actor\"",
    after_long_help = "The formats:\n  log     a folder in the format of c2sp.org/tlog-tiles with everything, checked on the way. What people\n          typed and where they were is in there as salted hashes only\n  ndjson  one JSON object a line, as the API gives events; `log` names the signed log that has the event\n  csv     RFC 4180. A field that a spreadsheet would take for a formula gets an apostrophe before it\n  ocsf    one JSON object a line, in the words of OCSF 1.8.0\n  parquet the columns of the CSV with their types, for DuckDB, Spark and the like; always to a file\n\nOldest first. A file gets its name when it is complete; until then it is FILE.part. What was broken off goes\non with `--after` and the last index that was said, as a file without a line of names. Every export is itself\non record, with its filter."
)]
pub(super) struct Export {
    /// The folder or file to write; lines go to the standard output without one
    #[arg(value_name = "TO")]
    to: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t = Kind::Log)]
    format: Kind,
    /// Only events after this index: goes on where an export was broken off
    #[arg(long, value_name = "INDEX", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Log,
    Ndjson,
    Csv,
    Ocsf,
    Parquet,
}

/// What an export came to.
#[derive(Debug, Serialize)]
struct Report {
    events: u64,
    /// The index to go on after.
    last: Option<String>,
    file: Option<PathBuf>,
}

pub(super) async fn run(context: &Context<'_>, asked: Export) -> Result<Exit, Failure> {
    let format = match asked.format {
        Kind::Log => return log(context, asked).await,
        Kind::Csv => Format::Csv,
        Kind::Ocsf => Format::Ocsf,
        // Columns are made here, of what the server says in lines.
        Kind::Ndjson | Kind::Parquet => Format::Ndjson,
    };
    let (client, which) = asked.which.query(context).await?;
    let mut query = ExportQuery {
        format,
        which,
        after: asked.after.map(|index| index.to_string()),
        to: None,
        export: None,
    };
    let to = asked.to.filter(|path| path != Path::new("-"));
    let mut out = match to {
        Some(path) if asked.format == Kind::Parquet => Out::table(path)?,
        Some(path) => Out::file(path)?,
        None if asked.format == Kind::Parquet => {
            return Err(Failure::usage(
                "Parquet needs a file to go to",
                "name one, or add `--format ndjson`, `csv` or `ocsf` for lines",
            ));
        }
        None => Out::Standard,
    };
    let mut report = Report {
        events: 0,
        last: query.after.clone(),
        file: None,
    };
    let mut told = 0;
    loop {
        let page = match client.export(&query).await {
            Ok(page) => page,
            Err(error) => return Err(broken_off(error.into(), &report, out)),
        };
        out.write(context, &page.text)?;
        report.events += u64::try_from(page.count).unwrap_or_default();
        let Some(next) = page.next else {
            break;
        };
        let (at, all) = (next.parse::<i64>().unwrap_or(0), page.to.max(1));
        if at * 10 / all > told && std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            told = at * 10 / all;
            let events = report.events;
            context
                .printer
                .note(&format!("{} % looked at, {events} events", told * 10));
        }
        report.last = Some(next.clone());
        query.after = Some(next);
        query.to = Some(page.to);
        query.export = Some(page.export);
    }
    report.file = out.finish()?;
    let Some(path) = &report.file else {
        return Ok(Exit::DONE);
    };
    context.printer.answer(&report, |printer| {
        printer.line(&format!(
            "{} events are in {}",
            report.events,
            path.display()
        ))
    })?;
    Ok(Exit::DONE)
}

async fn log(context: &Context<'_>, asked: Export) -> Result<Exit, Failure> {
    if asked.after.is_some() || !asked.which.is_everything() {
        return Err(Failure::usage(
            "a log is exported as a whole, or nobody could check it",
            "for a part of it add `--format ndjson`, `csv` or `ocsf`",
        ));
    }
    let Some(folder) = asked.to else {
        return Err(Failure::usage(
            "a log needs a folder to go to",
            "name one, or add `--format ndjson`, `csv` or `ocsf` for lines",
        ));
    };
    verify::export(context, folder).await
}

/// Says how to go on.
fn broken_off(failure: Failure, report: &Report, out: Out) -> Failure {
    let Some(last) = &report.last else {
        return failure;
    };
    let where_to = match out {
        Out::Standard => String::new(),
        Out::File { part, .. } => format!("what came so far is in `{}`; ", part.display()),
        Out::Table { table, part, .. } => match table.finish() {
            Ok(_) => format!("what came so far is in `{}`; ", part.display()),
            Err(_) => String::new(),
        },
    };
    Failure {
        hint: Some(format!("{where_to}go on with `--after {last}`")),
        ..failure
    }
}

/// Where lines go to.
enum Out {
    Standard,
    /// It has its name only when it is complete.
    File {
        file: File,
        part: PathBuf,
        path: PathBuf,
    },
    /// The same in columns.
    Table {
        table: Box<Table>,
        part: PathBuf,
        path: PathBuf,
    },
}

impl Out {
    fn file(path: PathBuf) -> Result<Self, Failure> {
        let (file, part) = Self::part(&path)?;
        Ok(Self::File { file, part, path })
    }

    fn table(path: PathBuf) -> Result<Self, Failure> {
        let (file, part) = Self::part(&path)?;
        let table = Table::new(file).map_err(|error| failed(&part, error.root_cause()))?;
        Ok(Self::Table {
            table: Box::new(table),
            part,
            path,
        })
    }

    fn part(path: &Path) -> Result<(File, PathBuf), Failure> {
        let mut name = path.to_path_buf().into_os_string();
        name.push(".part");
        let part = PathBuf::from(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // What is in there is not for everybody.
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&part).map_err(|error| failed(&part, &error))?;
        Ok((file, part))
    }

    fn write(&mut self, context: &Context<'_>, text: &str) -> Result<(), Failure> {
        match self {
            Self::Standard => context.printer.lines(text),
            Self::File { file, part, .. } => file
                .write_all(text.as_bytes())
                .map_err(|error| failed(part, &error)),
            Self::Table { table, part, .. } => table
                .take(text)
                .map_err(|error| failed(part, error.root_cause())),
        }
    }

    fn finish(self) -> Result<Option<PathBuf>, Failure> {
        let (file, part, path) = match self {
            Self::Standard => return Ok(None),
            Self::File { file, part, path } => (file, part, path),
            Self::Table { table, part, path } => {
                let file = table
                    .finish()
                    .map_err(|error| failed(&part, error.root_cause()))?;
                (file, part, path)
            }
        };
        file.sync_all()
            .and_then(|()| std::fs::rename(&part, &path))
            .map_err(|error| failed(&path, &error))?;
        Ok(Some(path))
    }
}

fn failed(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::here(format!("writing `{}`: {error}", path.display()), "")
}
