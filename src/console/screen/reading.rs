//! A list that is read whole when somebody first looks at it, and again when something has happened to a row of it.

use crate::console::msg::Query;
use crate::console::screen::{Ask, News};

/// How far the reading is.
#[derive(Debug)]
pub(super) struct Reading {
    query: Query,
    /// What the codes of events about its rows begin with.
    events: &'static str,
    /// The list is on its way.
    asked: bool,
    /// Something happened since it was asked for.
    behind: bool,
    read: bool,
    problem: Option<String>,
}

impl Reading {
    /// Nothing was read yet.
    pub(super) fn new(query: Query, events: &'static str) -> Self {
        Self {
            query,
            events,
            asked: false,
            behind: false,
            read: false,
            problem: None,
        }
    }

    /// Says whether the list was here once.
    pub(super) fn is_read(&self) -> bool {
        self.read
    }

    /// The order of the list, or that it was not read.
    pub(super) fn status(&self, what: &str, order: &str) -> String {
        match &self.problem {
            Some(problem) => format!("{what} were not read: {problem}"),
            None => order.to_owned(),
        }
    }

    /// Why the list is empty, when it is not because there is nothing.
    pub(super) fn empty(&self) -> Option<String> {
        let reading = || (!self.read).then(|| "they are being read".to_owned());
        self.problem.clone().or_else(reading)
    }

    /// Somebody looks at it.
    pub(super) fn enter(&mut self) -> Vec<Ask> {
        if self.read { Vec::new() } else { self.again() }
    }

    /// Hears of something besides the rows.
    pub(super) fn hear(&mut self, news: &News<'_>) -> Vec<Ask> {
        match (news, &self.query) {
            (News::Live { gap }, _) if *gap || !self.read => self.again(),
            (News::Events(events), _)
                if events
                    .iter()
                    .any(|event| event.view.event.starts_with(self.events)) =>
            {
                self.again()
            }
            (News::Locks(problem), Query::Locks) | (News::Uses(problem), Query::Uses) => {
                self.came(*problem)
            }
            _ => Vec::new(),
        }
    }

    fn came(&mut self, problem: Option<&str>) -> Vec<Ask> {
        self.asked = false;
        self.read |= problem.is_none();
        self.problem = problem.map(str::to_owned);
        if self.behind {
            self.again()
        } else {
            Vec::new()
        }
    }

    fn again(&mut self) -> Vec<Ask> {
        if self.asked {
            self.behind = true;
            return Vec::new();
        }
        self.asked = true;
        self.behind = false;
        vec![Ask::Fetch(self.query.clone())]
    }
}
