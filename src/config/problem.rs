//! Something wrong with a configuration, and where: a file with line and column, an environment variable or a flag.

use std::fmt;

use serde::Serialize;

use crate::domain::policy::{Place, PolicyProblem, place};

/// Whether a problem stops the configuration from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

/// One problem, as a sentence for the person who wrote the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// The file, environment variable or flag.
    pub origin: String,
    /// The place in the file, counted from one.
    #[serde(flatten)]
    pub place: Option<Place>,
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem that is not at one place of a file.
    pub fn of(origin: impl Into<String>, message: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            severity: Severity::Error,
            origin: origin.into(),
            place: None,
            message: message.into(),
            hint,
        }
    }

    /// Names the file of a problem in a policy.
    pub fn in_policy(file: &str, problem: PolicyProblem) -> Self {
        let place = Some(Place {
            line: problem.line,
            column: problem.column,
        });
        Self {
            severity: Severity::Error,
            origin: file.to_owned(),
            place,
            message: problem.message,
            hint: problem.hint,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.origin)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

/// Collects the problems of one file while it is read.
#[derive(Debug)]
pub struct Notes<'t> {
    file: String,
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Notes<'t> {
    /// Starts with a file that has none yet.
    pub fn new(file: impl Into<String>, text: &'t str) -> Self {
        Self {
            file: file.into(),
            text,
            problems: Vec::new(),
        }
    }

    /// Notes something that makes the file unusable.
    pub fn error(&mut self, offset: usize, message: impl Into<String>, hint: Option<String>) {
        self.note(Severity::Error, offset, &message.into(), hint);
    }

    /// Notes something that is probably not meant.
    pub fn warning(&mut self, offset: usize, message: impl Into<String>, hint: Option<String>) {
        self.note(Severity::Warning, offset, &message.into(), hint);
    }

    /// Takes in a problem from elsewhere.
    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// How many have been noted so far.
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    /// All of them in the order of the file.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.problems
            .sort_by(|a, b| (a.place, &a.message).cmp(&(b.place, &b.message)));
        self.problems.dedup();
        self.problems
    }

    fn note(&mut self, severity: Severity, offset: usize, message: &str, hint: Option<String>) {
        let place = Some(place(self.text, offset));
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        self.problems.push(Problem {
            severity,
            origin: self.file.clone(),
            place,
            message,
            hint,
        });
    }
}
