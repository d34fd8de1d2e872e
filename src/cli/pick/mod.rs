//! `portcullis request` at a terminal: the catalogue to choose from, then for how long and what for.
//!
//! `state` is pure: what keys do. `view` draws it. Here is the terminal, and the one question to the server.

mod state;
mod view;

use std::io;
use std::time::Instant;

use ratatui::Terminal;
use tokio::select;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::cli::context::environment;
use crate::cli::{Context, Exit, Failure, console, keep};
use crate::client::Client;
use crate::console::term::caps::{Caps, Wishes, own_the_colours};
use crate::console::term::guard::{self, Guard};
use crate::console::term::input::Pipeline;
use crate::console::term::signals::{Signal, Signals};
use crate::console::term::writer::FrameWriter;
use crate::console::theme::Theme;
use crate::wire::PolicyQuestion;

use state::{Next, State};

/// What is known before anybody chooses.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub(super) target: Option<String>,
    pub(super) role: Option<String>,
    pub(super) duration: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) ticket: Option<String>,
    pub(super) at: Option<chrono::DateTime<chrono::Utc>>,
}

/// What somebody chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) target: String,
    pub(super) role: String,
    pub(super) duration: String,
    pub(super) reason: String,
}

/// Whether somebody can choose at all.
pub(super) fn is_possible(context: &Context<'_>) -> bool {
    !context.printer.json && guard::is_terminal()
}

/// Lets the person at the terminal choose.
pub(super) async fn pick(
    context: &Context<'_>,
    client: &Client,
    given: Given,
) -> Result<Wish, Failure> {
    let settings = context.settings()?;
    let wishes = Wishes {
        depth: console::depth(&settings.color),
        ascii: settings.ascii,
    };
    let caps = Caps::detect(environment, wishes).map_err(|no| {
        Failure::here(
            no.to_string(),
            "see `portcullis request --list`, and give target, role, `--for` and `--reason`",
        )
    })?;
    let light = caps.light.unwrap_or(false);
    let theme = match settings.theme.as_str() {
        "auto" => Theme::standard(light, caps.depth, caps.charset),
        name => super::theme::library()
            .open(name, caps.depth, caps.charset)
            .map_or_else(
                |_| Theme::standard(light, caps.depth, caps.charset),
                |found| found.theme,
            ),
    };
    let targets = client.targets().await?.items;
    keep::catalogue(context, client, &targets);
    let mut state = State::new(&targets, &given)?;
    own_the_colours();
    let guard = Guard::enter().map_err(|error| unusable(&error))?;
    let mut signals = Signals::listen().map_err(|error| unusable(&error))?;
    let mut terminal =
        Terminal::new(FrameWriter::to_terminal(caps.charset)).map_err(|error| unusable(&error))?;
    let mut keys = Pipeline::default();
    let mut reading = read();
    loop {
        let drawn = terminal.draw(|frame| view::draw(frame, &mut state, &theme));
        drawn.map_err(|error| unusable(&error))?;
        let inputs = select! {
            biased;
            signal = signals.next() => {
                let last = match signal {
                    Signal::Suspend => signals.suspend(&guard).await.map_err(|error| unusable(&error))?,
                    Signal::Continue => {
                        guard.enter_again().map_err(|error| unusable(&error))?;
                        None
                    }
                    other => Some(other),
                };
                if let Some(code) = last.and_then(Signal::exit_code) {
                    return Err(Failure::silent(Exit(code)));
                }
                terminal.clear().map_err(|error| unusable(&error))?;
                continue;
            }
            bytes = &mut reading => {
                let bytes = bytes.unwrap_or_default();
                if bytes.is_empty() {
                    return Err(nothing_asked());
                }
                keys.take(&bytes, Instant::now())
            }
        };
        for input in inputs {
            match state.input(input) {
                Next::Stay => {}
                Next::Leave => return Err(nothing_asked()),
                Next::Ask => {
                    let drawn = terminal.draw(|frame| view::draw(frame, &mut state, &theme));
                    drawn.map_err(|error| unusable(&error))?;
                    let question = PolicyQuestion {
                        ticket: given.ticket.clone(),
                        at: given.at,
                        ..state.question()
                    };
                    // What was typed meanwhile waits in the terminal.
                    match client.explain_policy(&question).await {
                        Ok(answer) => state.told(answer.permitted, answer.verdict),
                        Err(error) => state.told(false, error.to_string()),
                    }
                }
                Next::Submit(wish) => {
                    drop(guard);
                    return Ok(wish);
                }
            }
        }
        reading = read();
    }
}

/// Reads once and no further: what comes after the last key is for whoever asks next.
fn read() -> JoinHandle<Vec<u8>> {
    spawn_blocking(|| {
        let mut buffer = vec![0; 1_024];
        loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
                Ok(count) => {
                    buffer.truncate(count);
                    return buffer;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Vec::new(),
            }
        }
    })
}

fn nothing_asked() -> Failure {
    Failure::here("nothing was asked", "")
}

fn unusable(error: &io::Error) -> Failure {
    Failure::here(
        format!("the terminal cannot be used: {error}"),
        "give target, role, `--for` and `--reason`",
    )
}
