//! Samples, and the tables they are shown in.

use std::io::Write as _;
use std::time::Duration;

/// Durations of one operation, many times.
#[derive(Debug, Default, Clone)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value that this share of the samples does not exceed, in milliseconds.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of samples is small and positive"
        )]
        let place = ((sorted.len() as f64 * share).ceil() as usize).max(1) - 1;
        sorted
            .get(place)
            .map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0)
    }

    /// How many samples there are.
    #[expect(clippy::cast_precision_loss, reason = "a count of samples is small")]
    pub(crate) fn count(&self) -> f64 {
        self.0.len() as f64
    }

    pub(crate) fn p50(&self) -> f64 {
        self.at(0.50)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.at(0.99)
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} / {} ms", short(self.p50()), short(self.p99()))
    }
}

/// A number with about three digits that matter.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// One figure, what it is compared with, and what it should be.
#[derive(Debug)]
pub(crate) struct Line {
    what: String,
    ours: String,
    baseline: String,
    ratio: String,
    goal: String,
    met: Option<bool>,
}

impl Line {
    pub(crate) fn new(what: impl Into<String>, ours: impl std::fmt::Display) -> Self {
        Self {
            what: what.into(),
            ours: ours.to_string(),
            baseline: String::new(),
            ratio: String::new(),
            goal: String::new(),
            met: None,
        }
    }

    pub(crate) fn beside(mut self, baseline: impl std::fmt::Display, ratio: f64) -> Self {
        self.baseline = baseline.to_string();
        self.ratio = format!("{}x", short(ratio));
        self
    }

    /// Says what the figure should be, and whether it is. Several goals are all to be met.
    pub(crate) fn goal(mut self, goal: impl Into<String>, met: bool) -> Self {
        let goal = goal.into();
        self.goal = if self.goal.is_empty() {
            goal
        } else {
            format!("{}, {goal}", self.goal)
        };
        self.met = Some(self.met.unwrap_or(true) && met);
        self
    }
}

/// Prints one table. Times are `p50 / p99`.
pub(crate) fn print(title: &str, lines: &[Line]) -> anyhow::Result<()> {
    let mut rows = vec![["what", "ours", "baseline", "ratio", "goal", "met?"].map(str::to_owned)];
    for line in lines {
        rows.push([
            line.what.clone(),
            line.ours.clone(),
            line.baseline.clone(),
            line.ratio.clone(),
            line.goal.clone(),
            line.met
                .map_or("", |met| if met { "yes" } else { "NO" })
                .to_owned(),
        ]);
    }
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n## {title}\n")?;
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
        if number == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            writeln!(out, "|-{}-|", rule.join("-|-"))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Says what is going on, so that a long run is not taken for a dead one.
pub(crate) fn note(what: &str) {
    let _ = writeln!(std::io::stderr(), "  … {what}");
}
