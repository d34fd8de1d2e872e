//! The usual searches, as a client asks them.

use std::time::Instant;

use anyhow::Context as _;
use chrono::{SecondsFormat, TimeDelta};

use crate::http::Connection;
use crate::table::{Times, note, short};

use super::load::Loaded;

const TIMES: usize = 25;

/// A search, and the same for other tools.
pub(crate) struct Question {
    pub(crate) what: &'static str,
    path: &'static str,
    /// In milliseconds.
    pub(crate) goal: f64,
    /// As the condition of a statement over the lines; empty where no other tool is asked.
    pub(crate) sql: &'static str,
    /// As a pattern that every line of the answer has.
    pub(crate) pattern: &'static str,
}

const fn question(
    what: &'static str,
    path: &'static str,
    goal: f64,
    sql: &'static str,
    pattern: &'static str,
) -> Question {
    Question {
        what,
        path,
        goal,
        sql,
        pattern,
    }
}

/// `{day}` and `{week}` are those before the last event, `{middle}` is the middle of the log.
pub(crate) const QUESTIONS: [Question; 22] = [
    question("newest page", "audit?limit=100", 10.0, "true", ""),
    question(
        "page 1,000 by keyset",
        "audit?limit=100&after={deep}",
        10.0,
        "",
        "",
    ),
    question(
        "busy actor",
        "audit?limit=100&q=actor:ada.berg",
        10.0,
        "actor = 'ada.berg'",
        "\"actor\":\"ada.berg\"",
    ),
    question(
        "rare actor",
        "audit?limit=100&q=actor:yusuf.rossi",
        10.0,
        "actor = 'yusuf.rossi'",
        "\"actor\":\"yusuf.rossi\"",
    ),
    question(
        "target + window",
        "audit?limit=100&q=target:mail-host-5+time:{week}",
        50.0,
        "",
        "",
    ),
    question(
        "event + outcome",
        "audit?limit=100&q=event:request.denied+outcome:denied",
        50.0,
        "event = 'request.denied' and outcome = 'denied'",
        "\"event\":\"request.denied\"",
    ),
    question(
        "word in the reason",
        "audit?limit=100&q=settlement",
        50.0,
        "reason like '%settlement%'",
        "settlement",
    ),
    question(
        "rare ticket",
        "audit?limit=100&q=INC-9731",
        50.0,
        "reason like '%INC-9731%'",
        "INC-9731",
    ),
    question(
        "substring",
        "audit?limit=100&q=reason:plicat",
        50.0,
        "reason like '%plicat%'",
        "plicat",
    ),
    question(
        "substring, no match",
        "audit?limit=100&q=qqzzxx",
        50.0,
        "reason like '%qqzzxx%'",
        "qqzzxx",
    ),
    question(
        "usual letters, no match",
        "audit?limit=100&q=%22orders+are+stuck+in+the+database%22",
        50.0,
        "reason like '%orders are stuck in the database%'",
        "orders are stuck in the database",
    ),
    question(
        "actor + outcome + word",
        "audit?limit=100&q=actor:ben.berg+outcome:denied+ticket",
        50.0,
        "actor = 'ben.berg' and outcome = 'denied' and reason like '%ticket%'",
        "\"actor\":\"ben.berg\".*ticket",
    ),
    question(
        "actor + outcome + word, no match",
        "audit?limit=100&q=actor:yusuf.rossi+outcome:denied+replica",
        50.0,
        "",
        "",
    ),
    question(
        "either of two, but not",
        "audit?limit=100&q=(event:grant.revoked+OR+is:failed)+-actor:portcullis+channel:api",
        50.0,
        "",
        "",
    ),
    question("one trace", "audit?limit=100&q=trace:{trace}", 50.0, "", ""),
    question(
        "two letters",
        "audit?limit=100&q=qz",
        2_500.0,
        "reason like '%qz%'",
        "qz",
    ),
    question(
        "jump to a time",
        "audit?limit=1&order=oldest&since={middle}",
        10.0,
        "",
        "",
    ),
    question(
        "next denial from there",
        "audit?limit=1&order=oldest&since={middle}&q=is:denied",
        10.0,
        "",
        "",
    ),
    question(
        "actors of 24 h, counted",
        "facets?of=audit&field=actor&q=time:{day}",
        50.0,
        "",
        "",
    ),
    question(
        "events of all time, counted",
        "facets?of=audit&field=event",
        350.0,
        "",
        "",
    ),
    question(
        "histogram of all time",
        "audit/histogram?buckets=120",
        50.0,
        "",
        "",
    ),
    question(
        "histogram of denials of all time",
        "audit/histogram?buckets=120&q=is:denied",
        500.0,
        "",
        "",
    ),
];

/// How long one took.
#[derive(Debug)]
pub(crate) struct Seen {
    first: f64,
    times: Times,
    found: String,
}

impl Seen {
    pub(crate) fn p50(&self) -> f64 {
        self.times.p50()
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} (first {}), {}",
            self.times,
            short(self.first),
            self.found
        )
    }
}

pub(crate) async fn searches(
    reader: &mut Connection,
    loaded: &Loaded,
) -> anyhow::Result<Vec<Seen>> {
    let moment =
        |back: TimeDelta| (loaded.last - back).to_rfc3339_opts(SecondsFormat::Millis, true);
    let half = TimeDelta::days(i64::try_from(loaded.events / 42_000)?);
    let deep = loaded.events.saturating_sub(100_000).to_string();
    let any = reader.get("/v1/audit?limit=1").await?.json()?;
    let trace = any
        .pointer("/items/0/trace")
        .and_then(|trace| trace.as_str())
        .context("no trace")?
        .to_owned();
    let mut all = Vec::new();
    for question in &QUESTIONS {
        let path = question
            .path
            .replace(
                "{day}",
                &format!(
                    "{}..{}",
                    moment(TimeDelta::days(1)),
                    moment(TimeDelta::zero())
                ),
            )
            .replace(
                "{week}",
                &format!(
                    "{}..{}",
                    moment(TimeDelta::days(7)),
                    moment(TimeDelta::zero())
                ),
            )
            .replace("{middle}", &moment(half))
            .replace("{deep}", &deep)
            .replace("{trace}", &trace);
        let mut seen = Seen {
            first: f64::NAN,
            times: Times::default(),
            found: String::new(),
        };
        for nth in 0..=TIMES {
            let from = Instant::now();
            let answer = reader.get(&format!("/v1/{path}")).await?;
            let took = from.elapsed();
            if nth > 0 {
                seen.times.push(took);
                continue;
            }
            seen.first = took.as_secs_f64() * 1_000.0;
            let body = answer.json().with_context(|| path.clone())?;
            let rows = body
                .get("items")
                .and_then(|items| items.as_array())
                .map(Vec::len);
            let total = body.get("total").and_then(serde_json::Value::as_u64);
            let more = body.get("next").is_some()
                || ["partial", "approximate"]
                    .iter()
                    .any(|word| body.get(*word) == Some(&true.into()));
            let count = rows.map_or_else(
                || total.unwrap_or_default().to_string(),
                |rows| rows.to_string(),
            );
            seen.found = format!("{count}{}", if more { "+" } else { "" });
        }
        note(&format!("{}: {seen}", question.what));
        all.push(seen);
    }
    Ok(all)
}
