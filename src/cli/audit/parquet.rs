//! The history as a Parquet file, for tools that read columns: the columns are those of the CSV, with their types.

use std::fs::File;
use std::sync::Arc;

use anyhow::Context as _;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::Deserialize;

use crate::wire::EventView;
use crate::wire::export::SignedLog;

/// Events of one row group: enough that columns are short, few enough that they are held in memory.
const GROUP: usize = 50_000;

/// What a column has of an event.
#[derive(Clone, Copy)]
enum Of {
    Number(fn(&Line) -> Option<i64>),
    Text(fn(&EventView) -> Option<String>),
}

/// Every column, in the language of Parquet's schemas, and where its values are from.
const COLUMNS: [(&str, Of); 20] = [
    (
        "required int64 index",
        Of::Number(|line| Some(line.event.index)),
    ),
    (
        "required int64 time (TIMESTAMP(MILLIS, true))",
        Of::Number(|line| Some(line.event.time.timestamp_millis())),
    ),
    (
        "required binary event (STRING)",
        Of::Text(|event| Some(event.event.clone())),
    ),
    (
        "required binary outcome (STRING)",
        Of::Text(|event| Some(event.outcome.clone())),
    ),
    (
        "required binary actor (STRING)",
        Of::Text(|event| Some(event.actor.name.clone())),
    ),
    (
        "required binary actor_kind (STRING)",
        Of::Text(|event| Some(event.actor.kind.clone())),
    ),
    (
        "optional binary actor_id (STRING)",
        Of::Text(|event| event.actor.id.clone()),
    ),
    (
        "optional binary principal (STRING)",
        Of::Text(|event| event.principal.clone()),
    ),
    (
        "optional binary target (STRING)",
        Of::Text(|event| event.target.clone()),
    ),
    (
        "optional binary role (STRING)",
        Of::Text(|event| event.role.clone()),
    ),
    (
        "optional binary request (STRING)",
        Of::Text(|event| event.request.clone()),
    ),
    (
        "optional binary grant (STRING)",
        Of::Text(|event| event.grant.clone()),
    ),
    (
        "optional binary reason (STRING)",
        Of::Text(|event| event.reason.clone()),
    ),
    (
        "required binary channel (STRING)",
        Of::Text(|event| Some(event.channel.clone())),
    ),
    (
        "optional binary address (STRING)",
        Of::Text(|event| event.address.clone()),
    ),
    (
        "optional binary trace (STRING)",
        Of::Text(|event| event.trace.clone()),
    ),
    (
        "required binary id (STRING)",
        Of::Text(|event| Some(event.id.clone())),
    ),
    (
        "required binary sentence (STRING)",
        Of::Text(|event| Some(event.sentence.clone())),
    ),
    ("optional binary details (JSON)", Of::Text(details)),
    ("optional int64 log_size", Of::Number(log_size)),
];

fn details(event: &EventView) -> Option<String> {
    let some = !event.details.is_empty();
    some.then(|| serde_json::to_string(&event.details).unwrap_or_default())
}

/// The size of the signed log that the event is in.
fn log_size(line: &Line) -> Option<i64> {
    line.log
        .as_ref()
        .and_then(|log| i64::try_from(log.size).ok())
}

/// A line of the NDJSON that a server exports.
#[derive(Deserialize)]
struct Line {
    #[serde(flatten)]
    event: EventView,
    log: Option<SignedLog>,
}

/// A file that is being written.
pub(super) struct Table {
    writer: SerializedFileWriter<File>,
    lines: Vec<Line>,
}

type Group<'g> = SerializedRowGroupWriter<'g, File>;

impl Table {
    pub(super) fn new(file: File) -> anyhow::Result<Self> {
        let columns: Vec<&str> = COLUMNS.iter().map(|(column, _)| *column).collect();
        let schema = parse_message_type(&format!("message events {{ {}; }}", columns.join("; ")));
        let schema = Arc::new(schema.context("the columns")?);
        let how = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let writer = SerializedFileWriter::new(file, schema, Arc::new(how.build()));
        Ok(Self {
            writer: writer.context("beginning the file")?,
            lines: Vec::new(),
        })
    }

    /// Takes lines of NDJSON.
    pub(super) fn take(&mut self, text: &str) -> anyhow::Result<()> {
        for line in text.lines() {
            self.lines
                .push(serde_json::from_str(line).context("reading an event")?);
        }
        if self.lines.len() >= GROUP {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what says where everything is; without it nobody can read the file.
    pub(super) fn finish(mut self) -> anyhow::Result<File> {
        self.flush()?;
        self.writer.into_inner().context("ending the file")
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.lines);
        let mut group = self.writer.next_row_group()?;
        for (_, of) in COLUMNS {
            match of {
                Of::Number(number) => column::<Int64Type>(&mut group, &lines, number)?,
                Of::Text(text) => column::<ByteArrayType>(&mut group, &lines, |line| {
                    text(&line.event).map(|text| ByteArray::from(text.into_bytes()))
                })?,
            }
        }
        group.close()?;
        Ok(())
    }
}

/// Writes the next column. Of one that every event has, the levels say nothing and are not written.
fn column<T: DataType>(
    group: &mut Group<'_>,
    lines: &[Line],
    value: impl Fn(&Line) -> Option<T::T>,
) -> anyhow::Result<()> {
    let found: Vec<Option<T::T>> = lines.iter().map(value).collect();
    let levels: Vec<i16> = found.iter().map(|one| i16::from(one.is_some())).collect();
    let values: Vec<T::T> = found.into_iter().flatten().collect();
    let mut column = group.next_column()?.context("there is no such column")?;
    column
        .typed::<T>()
        .write_batch(&values, Some(&levels), None)?;
    column.close()?;
    Ok(())
}
