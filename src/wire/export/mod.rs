//! Events in the formats in which they leave: for files, spreadsheets and systems of others.
//!
//! One function makes the text of one event, so that a file and a live delivery say the same. To add a format: a word
//! in [`Format`], a file here, a line in [`Format::render`].

mod csv;
pub mod ocsf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::EventView;
use crate::text::visible_json;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line, as the API gives it.
    Ndjson,
    /// One line an event (RFC 4180), for spreadsheets.
    Csv,
    /// One JSON object a line, in the words of the Open Cybersecurity Schema Framework 1.8.0.
    Ocsf,
}

/// The newest log that was signed: an event whose index is below its size is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedLog {
    pub origin: String,
    pub size: u64,
    pub root: String,
}

#[derive(Serialize)]
struct Line<'e> {
    #[serde(flatten)]
    event: &'e EventView,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'e SignedLog>,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Ndjson, Self::Csv, Self::Ocsf];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Ocsf => "ocsf",
        }
    }

    /// What stands before the first event.
    pub fn head(self) -> String {
        match self {
            Self::Csv => csv::head(),
            Self::Ndjson | Self::Ocsf => String::new(),
        }
    }

    /// One event, with the end of its line.
    pub fn render(self, event: &EventView, log: Option<&SignedLog>) -> String {
        let index = u64::try_from(event.index).unwrap_or(u64::MAX);
        let log = log.filter(|log| index < log.size);
        match self {
            Self::Ndjson => json(&Line { event, log }),
            Self::Csv => csv::line(event, log),
            Self::Ocsf => json(&ocsf::event(event, log)),
        }
    }
}

impl std::str::FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        found.ok_or("it takes `ndjson`, `csv` or `ocsf`")
    }
}

/// A value on a line of its own. What is made of strings, numbers and maps with text for keys can always be written.
fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    visible_json(&text) + "\n"
}

/// A piece of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportPage {
    /// Whole lines in the format that was asked for.
    pub text: String,
    /// How many events are in it.
    pub count: i64,
    /// Where the next piece begins; there is none after the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    /// The export ends before this index, however long it takes and whatever happens meanwhile.
    pub to: i64,
    /// What its pieces have in common.
    pub export: String,
}
