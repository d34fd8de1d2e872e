//! What was found on a host, and what to do about it.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// A way in that no grant backs, or one that outlives its grant.
    Unsafe,
    /// Grants do not work.
    Broken,
    /// Worth a thought.
    Weak,
}

impl Severity {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unsafe => "unsafe",
            Self::Broken => "broken",
            Self::Weak => "weak",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    pub(super) text: String,
    pub(super) fix: String,
    /// The accounts for which it holds; empty where it holds for all.
    pub(super) accounts: Vec<String>,
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        code: &'static str,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code,
            text: text.into(),
            fix: fix.into(),
            accounts: Vec::new(),
        }
    }

    pub(super) fn on(mut self, account: Option<&str>) -> Self {
        self.accounts = account.map(str::to_owned).into_iter().collect();
        self
    }

    /// Whether it is the same thing, of whomever.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.code == other.code && self.text == other.text
    }

    /// Whom it is about, to be put behind its sentence.
    pub(super) fn whom(&self) -> String {
        if self.accounts.is_empty() {
            return String::new();
        }
        format!(" ({})", self.accounts.join(", "))
    }
}

/// The same thing of several accounts is said once, and what holds for all is not said of one; the worst first.
pub(super) fn together(found: Vec<Finding>) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    for finding in found {
        let same = |known: &&mut Finding| known.is_like(&finding);
        match all.iter_mut().find(same) {
            None => all.push(finding),
            Some(known) if known.accounts.is_empty() => {}
            Some(known) => known.accounts.extend(finding.accounts),
        }
    }
    all.sort_by_key(|finding| finding.severity);
    all
}
