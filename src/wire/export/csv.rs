//! Events as lines of RFC 4180: fields in quotes where they have to be, lines that end with CR and LF, one line of names.
//!
//! A spreadsheet takes a field that begins with `=`, `+`, `-`, `@`, a tab or a line break (or one of their full-width
//! twins) for a formula, also in quotes. What people typed must not run on an auditor's desk, so such a field gets an
//! apostrophe before it. That is the one place where CSV does not say exactly what is on record; NDJSON does.

use super::SignedLog;
use crate::text::hidden;
use crate::wire::EventView;

const COLUMNS: [&str; 20] = [
    "index",
    "time",
    "event",
    "outcome",
    "actor",
    "actor_kind",
    "actor_id",
    "principal",
    "target",
    "role",
    "request",
    "grant",
    "reason",
    "channel",
    "address",
    "trace",
    "id",
    "sentence",
    "details",
    "log_size",
];

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 11] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
];

pub(super) fn head() -> String {
    COLUMNS.join(",") + "\r\n"
}

pub(super) fn line(event: &EventView, log: Option<&SignedLog>) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let details = if event.details.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&event.details).unwrap_or_default()
    };
    let fields: [String; COLUMNS.len()] = [
        event.index.to_string(),
        event
            .time
            .to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        event.event.clone(),
        event.outcome.clone(),
        event.actor.name.clone(),
        event.actor.kind.clone(),
        text(&event.actor.id),
        text(&event.principal),
        text(&event.target),
        text(&event.role),
        text(&event.request),
        text(&event.grant),
        text(&event.reason),
        event.channel.clone(),
        text(&event.address),
        text(&event.trace),
        event.id.clone(),
        event.sentence.clone(),
        details,
        log.map(|log| log.size.to_string()).unwrap_or_default(),
    ];
    let fields: Vec<String> = fields.iter().map(|text| field(text)).collect();
    fields.join(",") + "\r\n"
}

fn field(text: &str) -> String {
    let formula = text.trim_start_matches(' ').starts_with(FORMULA);
    // What no terminal may see and no spreadsheet shows is written as its number.
    let clean: String = text
        .chars()
        .flat_map(|c| match c {
            '\n' | '\r' => vec![c],
            c if hidden(c) => c.escape_unicode().collect(),
            c => vec![c],
        })
        .collect();
    let text = if formula { format!("'{clean}") } else { clean };
    if text.contains(['"', ',', '\r', '\n']) || formula {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_as_rfc_4180_says() {
        assert_eq!(field("plain"), "plain");
        assert_eq!(field("a,b"), "\"a,b\"");
        assert_eq!(field("she said \"no\""), "\"she said \"\"no\"\"\"");
        assert_eq!(field("two\r\nlines"), "\"two\r\nlines\"");
        assert_eq!(field("bell\u{7}"), "bell\\u{7}");
    }

    #[test]
    fn no_field_is_a_formula() {
        for begin in FORMULA {
            let typed = format!("{begin}HYPERLINK(\"http://x\")");
            assert!(field(&typed).starts_with("\"'"), "{typed}");
        }
        assert_eq!(field("  =1+1"), "\"'  =1+1\"");
    }
}
