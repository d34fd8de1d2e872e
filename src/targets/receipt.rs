//! The proof of an end: what the target acknowledged, step by step, also where the ending was given up half-way.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The proof of an end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    pub steps: Vec<Step>,
    pub sessions_ended: u32,
    /// What this kind of target cannot prove, as a sentence; shown beside the end.
    pub unproved: Option<String>,
}

/// One thing that was done or seen on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub what: String,
    /// Time since the call began.
    pub after: Duration,
}

/// The steps of one call, noted while it goes on: what was acknowledged is known also where the call fails or is given
/// up in the middle.
#[derive(Debug)]
pub struct Steps {
    began: Instant,
    noted: Mutex<Vec<Step>>,
}

impl Steps {
    /// To be made just before the call.
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            noted: Mutex::default(),
        }
    }

    fn note(&self, what: String) {
        let after = self.began.elapsed();
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push(Step { what, after });
    }

    /// What was acknowledged until now.
    pub fn noted(&self) -> Vec<Step> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.clone()
    }
}

impl Receipt {
    /// Adds what the target has just acknowledged, and tells whoever listens.
    pub(super) fn note(&mut self, heard: Option<&Steps>, began: Instant, what: String) {
        if let Some(heard) = heard {
            heard.note(what.clone());
        }
        self.steps.push(Step {
            what,
            after: began.elapsed(),
        });
    }
}
