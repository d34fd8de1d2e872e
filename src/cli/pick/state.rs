//! What is chosen so far, and what keys do to it.

use crossterm::event::{KeyCode, KeyModifiers};

use crate::cli::Failure;
use crate::console::term::input::{Input, Key};
use crate::console::widget::input::{Edited, Line};
use crate::domain::span::Span;
use crate::wire::{PolicyQuestion, TargetView};

use super::{Given, Wish};

/// So many rows further with a page key.
const PAGE: usize = 10;
/// What is asked for where nobody says how long.
const USUAL: &str = "1h";

/// One role of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) target: String,
    pub(super) role: String,
    pub(super) kind: String,
    pub(super) enforcement: String,
    pub(super) about: String,
    pub(super) may_ask: bool,
    pub(super) verdict: String,
    /// Everything of it that can be searched, in small letters.
    searched: String,
}

/// What is asked at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Choose,
    Duration,
    Reason,
}

/// What has to be done after a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Stay,
    /// Ask the server how it would be decided.
    Ask,
    Submit(Wish),
    Leave,
}

/// What was said about the last key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) good: bool,
    pub(super) text: String,
}

/// Everything that is on the screen.
#[derive(Debug)]
pub(super) struct State {
    rows: Vec<Row>,
    /// The rows that the filter lets through.
    shown: Vec<usize>,
    /// The selected one of them.
    pub(super) place: usize,
    pub(super) top: usize,
    pub(super) step: Step,
    pub(super) filter: Line,
    pub(super) duration: Line,
    pub(super) reason: Line,
    pub(super) said: Option<Said>,
}

impl State {
    /// The catalogue, with what may be asked for first.
    pub(super) fn new(targets: &[TargetView], given: &Given) -> Result<Self, Failure> {
        let mut rows: Vec<Row> = targets.iter().flat_map(rows_of).collect();
        rows.sort_by_key(|row| !row.may_ask);
        if rows.is_empty() {
            return Err(Failure::refused("the catalogue has no target yet", ""));
        }
        let line = |limit, text: &str| {
            let mut line = Line::new(limit);
            line.set(text);
            line
        };
        let wanted = [&given.target, &given.role];
        let filter: Vec<&str> = wanted.into_iter().flatten().map(String::as_str).collect();
        let mut state = Self {
            rows,
            shown: Vec::new(),
            place: 0,
            top: 0,
            step: Step::Choose,
            filter: line(100, &filter.join(" ")),
            duration: line(20, given.duration.as_deref().unwrap_or(USUAL)),
            reason: line(2_000, given.reason.as_deref().unwrap_or_default()),
            said: None,
        };
        state.search();
        let exact = |row: &Row| {
            given.target.as_ref() == Some(&row.target) && given.role.as_ref() == Some(&row.role)
        };
        let place = state.shown().position(exact);
        if let Some(place) = place {
            state.place = place;
            state.take();
        }
        Ok(state)
    }

    /// The rows that the filter lets through.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Row> {
        self.shown.iter().filter_map(|at| self.rows.get(*at))
    }

    pub(super) fn row(&self, place: usize) -> Option<&Row> {
        self.rows.get(*self.shown.get(place)?)
    }

    pub(super) fn count(&self) -> (usize, usize) {
        (self.shown.len(), self.rows.len())
    }

    pub(super) fn chosen(&self) -> Option<&Row> {
        self.row(self.place)
    }

    /// What the server is asked.
    pub(super) fn question(&self) -> PolicyQuestion {
        let chosen = self.chosen();
        PolicyQuestion {
            target: chosen.map_or_else(String::new, |row| row.target.clone()),
            role: chosen.map_or_else(String::new, |row| row.role.clone()),
            duration: self.duration.text().trim().to_owned(),
            ..PolicyQuestion::default()
        }
    }

    /// What the server answered.
    pub(super) fn told(&mut self, good: bool, text: String) {
        if good {
            self.step = Step::Reason;
        }
        self.said = Some(Said { good, text });
    }

    /// Takes what somebody did.
    pub(super) fn input(&mut self, input: Input) -> Next {
        match input {
            Input::Key(key) => self.key(key),
            Input::Paste(text) => {
                if self.line().paste(&text) == Edited::Changed {
                    self.edited();
                }
                Next::Stay
            }
            _ => Next::Stay,
        }
    }

    fn key(&mut self, key: Key) -> Next {
        let control = key.mods.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Next::Leave,
            KeyCode::Esc => return self.back(),
            KeyCode::Enter => return self.enter(key),
            _ => {}
        }
        if self.step == Step::Choose {
            let last = self.shown.len().saturating_sub(1);
            let place = match key.code {
                KeyCode::Up => Some(self.place.saturating_sub(1)),
                KeyCode::Char('p') if control => Some(self.place.saturating_sub(1)),
                KeyCode::Down => Some(self.place + 1),
                KeyCode::Char('n') if control => Some(self.place + 1),
                KeyCode::PageUp => Some(self.place.saturating_sub(PAGE)),
                KeyCode::PageDown => Some(self.place + PAGE),
                _ => None,
            };
            if let Some(place) = place {
                self.place = place.min(last);
                self.said = None;
                return Next::Stay;
            }
        }
        if self.line().key(key) == Edited::Changed {
            self.edited();
        }
        Next::Stay
    }

    fn line(&mut self) -> &mut Line {
        match self.step {
            Step::Choose => &mut self.filter,
            Step::Duration => &mut self.duration,
            Step::Reason => &mut self.reason,
        }
    }

    fn edited(&mut self) {
        match self.step {
            Step::Choose => {
                self.said = None;
                self.search();
            }
            Step::Duration => self.said = None,
            // How it would be decided stays in sight.
            Step::Reason => {}
        }
    }

    fn back(&mut self) -> Next {
        self.said = None;
        self.step = match self.step {
            Step::Choose => return Next::Leave,
            Step::Duration => Step::Choose,
            Step::Reason => Step::Duration,
        };
        Next::Stay
    }

    fn enter(&mut self, key: Key) -> Next {
        match self.step {
            Step::Choose => {
                self.take();
                Next::Stay
            }
            Step::Duration => match self.duration.text().parse::<Span>() {
                Ok(_) => {
                    self.told(false, "asking how it would be decided".to_owned());
                    Next::Ask
                }
                Err(error) => {
                    self.told(false, error.to_string());
                    Next::Stay
                }
            },
            Step::Reason => {
                let reason = self.reason.text().trim().to_owned();
                // Enter that came with pasted lines asks for nothing.
                match self.chosen() {
                    Some(row) if !reason.is_empty() && key.is_deliberate() => Next::Submit(Wish {
                        target: row.target.clone(),
                        role: row.role.clone(),
                        duration: self.duration.text().trim().to_owned(),
                        reason,
                    }),
                    _ => Next::Stay,
                }
            }
        }
    }

    /// Takes the selected row, unless that would be refused.
    fn take(&mut self) {
        let Some(row) = self.chosen() else {
            return;
        };
        if row.may_ask {
            self.step = Step::Duration;
            self.said = None;
        } else {
            let text = row.verdict.clone();
            self.said = Some(Said { good: false, text });
        }
    }

    fn search(&mut self) {
        let typed = self.filter.text().to_lowercase();
        let words: Vec<&str> = typed.split_whitespace().collect();
        let fits = |row: &Row| words.iter().all(|word| row.searched.contains(word));
        let rows = self.rows.iter().enumerate();
        self.shown = rows
            .filter(|(_, row)| fits(row))
            .map(|(at, _)| at)
            .collect();
        self.place = 0;
        self.top = 0;
    }
}

fn rows_of(target: &TargetView) -> Vec<Row> {
    let tags: Vec<String> = target
        .tags
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let tags = tags.join(" ");
    let row = |role: &crate::wire::RoleView| {
        let about: Vec<&str> = [&target.description, &role.description]
            .into_iter()
            .map(String::as_str)
            .filter(|text| !text.is_empty())
            .collect();
        let about = about.join(": ");
        let searched = [&target.name, &role.name, &target.kind, &about, &tags];
        let searched: Vec<String> = searched.iter().map(|text| text.to_lowercase()).collect();
        Row {
            target: target.name.clone(),
            role: role.name.clone(),
            kind: target.kind.clone(),
            enforcement: target.enforcement.clone(),
            may_ask: role.may_ask,
            verdict: role.verdict.clone(),
            searched: searched.join(" "),
            about,
        }
    };
    target.roles.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> Vec<TargetView> {
        let role = |name: &str, may_ask| {
            serde_json::json!({
                "name": name, "description": "", "includes": [],
                "verdict": if may_ask { "needs a review" } else { "no policy permits it" },
                "may_ask": may_ask,
            })
        };
        let json = serde_json::json!([
            { "name": "orders-db", "kind": "postgres", "enforcement": "A", "description": "orders",
              "tags": { "env": "prod" }, "roles": [role("admin", false), role("readonly", true)] },
            { "name": "web-1", "kind": "ssh", "enforcement": "C", "description": "", "tags": {},
              "roles": [role("deploy", true)] },
        ]);
        serde_json::from_value(json).unwrap()
    }

    fn press(state: &mut State, code: KeyCode) -> Next {
        state.input(Input::Key(Key::press(code, KeyModifiers::NONE)))
    }

    fn type_in(state: &mut State, text: &str) {
        for c in text.chars() {
            press(state, KeyCode::Char(c));
        }
    }

    #[test]
    fn what_may_be_asked_for_comes_first_and_words_narrow_it_down() {
        let mut state = State::new(&targets(), &Given::default()).unwrap();
        let first: Vec<&str> = state.shown().map(|row| row.role.as_str()).collect();
        assert_eq!(first, ["readonly", "deploy", "admin"]);
        type_in(&mut state, "PROD adm");
        assert_eq!(state.count(), (1, 3));
        press(&mut state, KeyCode::Enter);
        assert_eq!(state.step, Step::Choose, "it would be refused");
        assert_eq!(state.said.as_ref().unwrap().text, "no policy permits it");
        type_in(&mut state, "nothing");
        assert_eq!(press(&mut state, KeyCode::Enter), Next::Stay);
        assert!(state.chosen().is_none());
    }

    #[test]
    fn nothing_is_asked_before_target_duration_and_reason_are_there() {
        let mut state = State::new(&targets(), &Given::default()).unwrap();
        press(&mut state, KeyCode::Down);
        press(&mut state, KeyCode::Down);
        press(&mut state, KeyCode::Down);
        press(&mut state, KeyCode::Up);
        press(&mut state, KeyCode::Enter);
        assert_eq!(state.step, Step::Duration);
        type_in(&mut state, "x");
        assert_eq!(press(&mut state, KeyCode::Enter), Next::Stay);
        press(&mut state, KeyCode::Backspace);
        assert_eq!(press(&mut state, KeyCode::Enter), Next::Ask);
        assert_eq!(state.question().target, "web-1");
        state.told(false, "too long".to_owned());
        assert_eq!(state.step, Step::Duration);
        state.told(true, "needs a review".to_owned());
        assert_eq!(press(&mut state, KeyCode::Enter), Next::Stay);
        type_in(&mut state, "INC-1");
        let mut burst = Key::press(KeyCode::Enter, KeyModifiers::NONE);
        burst.burst = true;
        assert_eq!(state.input(Input::Key(burst)), Next::Stay);
        let wish = Wish {
            target: "web-1".to_owned(),
            role: "deploy".to_owned(),
            duration: "1h".to_owned(),
            reason: "INC-1".to_owned(),
        };
        assert_eq!(press(&mut state, KeyCode::Enter), Next::Submit(wish));
    }

    #[test]
    fn escape_goes_back_and_then_out_and_what_is_given_is_not_asked_again() {
        let given = Given {
            target: Some("orders-db".to_owned()),
            role: Some("readonly".to_owned()),
            duration: Some("30m".to_owned()),
            ..Given::default()
        };
        let mut state = State::new(&targets(), &given).unwrap();
        assert_eq!((state.step, state.duration.text()), (Step::Duration, "30m"));
        assert_eq!(press(&mut state, KeyCode::Esc), Next::Stay);
        assert_eq!(press(&mut state, KeyCode::Esc), Next::Leave);
    }
}
