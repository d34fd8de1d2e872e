//! What else people search such data with: ripgrep and lnav over the lines, and `DuckDB`.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::table::{note, short};

use super::ask::{QUESTIONS, Question};

/// `DuckDB` as a module of Python, where its own program is not there: reads the lines once, then answers each statement on a
/// line of its own with milliseconds.
const DUCKDB: &str = r"
import duckdb, sys, time
c = duckdb.connect()
c.execute('create table audit as select * from read_json(?, format=''newline_delimited'')', [sys.argv[1]])
for where in sys.stdin.read().splitlines():
    times = []
    for _ in range(5):
        began = time.perf_counter()
        c.execute(f'select * from audit where {where} order by time desc limit 100').fetchall()
        times.append(time.perf_counter() - began)
    print(sorted(times)[2] * 1000, flush=True)
";

/// What they took, in milliseconds, by the question.
#[derive(Debug, Default)]
pub(crate) struct Others(HashMap<(&'static str, &'static str), f64>);

impl Others {
    /// What was said beside an answer of ours, and how many times as long the fastest took.
    pub(crate) fn beside(&self, question: &Question, ours: f64) -> Option<(String, f64)> {
        let took =
            |tool: &'static str| self.0.get(&(question.what, tool)).map(|took| (tool, *took));
        let tools: Vec<(&str, f64)> = ["DuckDB", "ripgrep", "lnav"]
            .into_iter()
            .filter_map(took)
            .collect();
        let fastest = tools.iter().map(|(_, took)| *took).reduce(f64::min)?;
        let said: Vec<String> = tools
            .iter()
            .map(|(tool, took)| format!("{tool} {}", short(*took)))
            .collect();
        Some((said.join(", "), ours / fastest))
    }

    /// Which of them were there.
    pub(crate) fn known(&self) -> String {
        let there = |tool: &&str| self.0.keys().any(|(_, known)| known == tool);
        let tools: Vec<&str> = ["DuckDB", "ripgrep", "lnav"]
            .into_iter()
            .filter(there)
            .collect();
        if tools.is_empty() {
            "none is installed".to_owned()
        } else {
            tools.join(", ")
        }
    }
}

pub(crate) fn searches(lines: &Path) -> Others {
    let mut others = Others::default();
    duckdb(lines, &mut others);
    for question in QUESTIONS
        .iter()
        .filter(|question| !question.pattern.is_empty())
    {
        if let Some(took) = timed(
            Command::new("rg")
                .args(["--max-count", "100", "--regexp", question.pattern])
                .arg(lines),
        ) {
            others.0.insert((question.what, "ripgrep"), took);
        }
    }
    // It reads and indexes the file each time, so once is enough to see.
    if let Some(question) = QUESTIONS
        .iter()
        .find(|question| question.pattern == "settlement")
    {
        let filter = format!(":filter-in {}", question.pattern);
        if let Some(took) = timed(Command::new("lnav").args(["-n", "-c", &filter]).arg(lines)) {
            others.0.insert((question.what, "lnav"), took);
        }
    }
    others
}

/// How long a program takes to answer; nothing where it is not there. To find nothing is an answer.
fn timed(command: &mut Command) -> Option<f64> {
    let from = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    let took = from.elapsed().as_secs_f64() * 1_000.0;
    status.code().filter(|code| *code <= 1).map(|_| took)
}

fn duckdb(lines: &Path, others: &mut Others) {
    use std::io::Write as _;
    let python = std::env::var_os("PORTCULLIS_BENCH_PYTHON").unwrap_or_else(|| "python3".into());
    let asked: Vec<&Question> = QUESTIONS
        .iter()
        .filter(|question| !question.sql.is_empty())
        .collect();
    let spawned = Command::new(python)
        .args(["-c", DUCKDB])
        .arg(lines)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = spawned else { return };
    if let Some(mut stdin) = child.stdin.take() {
        let all: Vec<&str> = asked.iter().map(|question| question.sql).collect();
        let _ = stdin.write_all(all.join("\n").as_bytes());
    }
    let Ok(output) = child.wait_with_output() else {
        return;
    };
    if !output.status.success() {
        note("no DuckDB: give a Python that has it as PORTCULLIS_BENCH_PYTHON");
        return;
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for (question, took) in asked.iter().zip(said.lines()) {
        if let Ok(took) = took.parse() {
            others.0.insert((question.what, "DuckDB"), took);
        }
    }
}
