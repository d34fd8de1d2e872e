//! The only place that prints. Whatever was typed by others is cleaned here, so no command can forget it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use ratatui::style::{Color, Modifier, Style};
use serde::Serialize;

use crate::cli::table::Table;
use crate::cli::{Exit, Failure};
use crate::secret::hide_tokens;
use crate::text;

/// Where a command prints: results to one place, complaints to another.
pub struct Printer {
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    /// The width of the terminal; none when the output goes elsewhere, where nothing is cut.
    width: Option<usize>,
    pub json: bool,
}

impl std::fmt::Debug for Printer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Printer")
            .field("width", &self.width)
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

impl Printer {
    /// Prints to the process's own output.
    pub fn of_process(json: bool) -> Self {
        Self::new(
            Box::new(io::stdout()),
            Box::new(io::stderr()),
            terminal_width(),
            json,
        )
    }

    /// Prints to given places.
    pub fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        width: Option<usize>,
        json: bool,
    ) -> Self {
        Self {
            out: Mutex::new(out),
            err: Mutex::new(err),
            width,
            json,
        }
    }

    /// Prints the answer: as JSON when that is asked for, else as `human` says it.
    pub fn answer<T: Serialize>(
        &self,
        body: &T,
        human: impl FnOnce(&Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.json {
            self.json_line(body)
        } else {
            human(self)
        }
    }

    /// One line for people, never in JSON output.
    pub fn line(&self, line: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        self.write(&format!("{}\n", text::clean(line)))
    }

    /// Says whether results go to a terminal.
    pub fn is_terminal(&self) -> bool {
        self.width.is_some()
    }

    /// One line in colours, or without them where no sequences should go.
    pub fn painted(&self, pieces: &[(Style, String)], paints: bool) -> Result<(), Failure> {
        let mut line = String::new();
        for (style, text) in pieces {
            let text = text::clean(text);
            let codes = if paints { codes(*style) } else { String::new() };
            if codes.is_empty() {
                line.push_str(text.as_str());
            } else {
                let _ = write!(line, "\x1b[{codes}m{text}\x1b[0m");
            }
        }
        let line = line.trim_end();
        self.write(&format!("{line}\n"))
    }

    /// Several lines of one text that somebody typed, each indented.
    pub fn block(&self, indent: &str, typed: &str) -> Result<(), Failure> {
        for line in text::clean_lines(typed) {
            self.line(&format!("{indent}{line}"))?;
        }
        Ok(())
    }

    /// Our own text for another program, byte for byte; nothing that others typed may be in it.
    pub fn script(&self, script: &str) -> Result<(), Failure> {
        self.write(script)
    }

    /// Several lines that are the result itself, such as a command to run.
    pub fn verbatim(&self, result: &str) -> Result<(), Failure> {
        let lines: Vec<String> = text::clean_lines(result)
            .into_iter()
            .map(text::DisplayText::into_string)
            .collect();
        self.write(&format!("{}\n", lines.join("\n")))
    }

    /// Whole lines of data: on a terminal without what could take it over, elsewhere byte for byte.
    pub fn lines(&self, data: &str) -> Result<(), Failure> {
        if !self.is_terminal() {
            return self.write(data);
        }
        data.lines()
            .try_for_each(|line| self.write(&format!("{}\n", text::clean(line))))
    }

    /// A table, or a sentence when it has no rows.
    pub fn table(&self, table: &Table, empty: &str) -> Result<(), Failure> {
        if table.is_empty() {
            return self.line(empty);
        }
        let mut lines = table.lines(self.width).join("\n");
        lines.push('\n');
        self.write(&lines)
    }

    /// Names and values under one another; values without text are left out.
    pub fn facts(&self, facts: &[(&str, String)]) -> Result<(), Failure> {
        let widest = facts
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or_default();
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            self.line(&format!("{name:<widest$}  {value}"))?;
        }
        Ok(())
    }

    /// One JSON value on one line.
    pub fn json_line<T: Serialize>(&self, body: &T) -> Result<(), Failure> {
        let json = serde_json::to_string(body).map_err(|error| {
            Failure::here(format!("the answer cannot be written as JSON: {error}"), "")
        })?;
        self.write(&format!("{}\n", text::visible_json(&json)))
    }

    /// A remark beside the result.
    pub fn note(&self, note: &str) {
        if !self.json {
            self.complain(&format!("{}\n", text::clean(note)));
        }
    }

    /// As `note`, where no printer is at hand.
    pub fn remark(note: &str) {
        let mut err = io::stderr();
        let _ = writeln!(err, "{}", text::clean(note)).and_then(|()| err.flush());
    }

    /// A question to the person at the keyboard, who answers on the same line.
    pub fn ask(&self, question: &str) {
        self.complain(&format!("{} ", text::clean(question)));
    }

    /// As `ask`, where no printer is at hand.
    pub fn prompt(question: &str) {
        let mut err = io::stderr();
        let _ = write!(err, "{} ", text::clean(question)).and_then(|()| err.flush());
    }

    /// A line to the person at the keyboard, where no printer is at hand.
    pub fn tell(line: &str) {
        let _ = writeln!(io::stderr(), "{}", text::clean(line));
    }

    /// Says why something was not done, and gives the exit code for it.
    pub fn failure(&self, failure: &Failure) -> Exit {
        if failure.text.is_empty() {
            return failure.exit;
        }
        if self.json {
            let span = failure
                .marked
                .as_ref()
                .map(|(_, span)| serde_json::json!({"start": span.start, "end": span.end}));
            let own = serde_json::json!({
                "type": format!("urn:portcullis:problem:{}", failure.code()),
                "code": failure.code(),
                "title": failure.text,
                "hint": failure.hint,
                "span": span,
            });
            let json = failure
                .problem
                .as_ref()
                .and_then(|problem| serde_json::to_string(problem).ok())
                .unwrap_or_else(|| own.to_string());
            let json = hide_tokens(&text::visible_json(&json));
            self.complain(&format!("{json}\n"));
            return failure.exit;
        }
        let mut said = format!("error: {}\n", text::clean(&failure.text));
        if let Some((text, span)) = &failure.marked {
            let width = |part: Option<&str>| text::clean(part.unwrap_or_default()).width();
            let marks = "^".repeat(width(text.get(span.start..span.end)).max(1));
            let before = " ".repeat(width(text.get(..span.start)));
            let _ = writeln!(said, "  {}\n  {before}{marks}", text::clean(text));
        }
        let told = failure
            .problem
            .as_ref()
            .and_then(|problem| problem.policy.as_ref());
        for policy in told.iter().flat_map(|told| &told.policies) {
            let _ = writeln!(said, "  {}", text::clean(&policy.sentence()));
        }
        if let Some(hint) = &failure.hint {
            let _ = writeln!(said, "hint: {}", text::clean(hint));
        }
        if let Some(problem) = failure
            .problem
            .as_ref()
            .filter(|problem| problem.status >= 500)
        {
            let _ = writeln!(said, "trace: {}", text::clean(&problem.instance));
        }
        self.complain(&hide_tokens(&said));
        failure.exit
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| match error.kind() {
                // The reader has seen enough, as `head` has after ten lines.
                io::ErrorKind::BrokenPipe => Failure::silent(Exit::DONE),
                _ => Failure::here(format!("the output cannot be written: {error}"), ""),
            })
    }

    fn complain(&self, text: &str) {
        let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        // Where complaints cannot go there is nobody to complain to.
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}

/// Prints what clap has to say: help to the output, a mistake to the complaints.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    let printer = Printer::of_process(false);
    let said = error.render().to_string();
    if error.use_stderr() {
        let lines: Vec<String> = text::clean_lines(&said)
            .into_iter()
            .map(text::DisplayText::into_string)
            .collect();
        printer.complain(&format!("{}\n", hide_tokens(&lines.join("\n"))));
        return Exit::USAGE.into();
    }
    match printer.verbatim(&said) {
        Ok(()) => Exit::DONE.into(),
        Err(failure) => printer.failure(&failure).into(),
    }
}

/// The numbers by which terminals know a style.
fn codes(style: Style) -> String {
    let mut codes: Vec<String> = Vec::new();
    for (modifier, code) in [
        (Modifier::BOLD, "1"),
        (Modifier::DIM, "2"),
        (Modifier::ITALIC, "3"),
        (Modifier::UNDERLINED, "4"),
        (Modifier::REVERSED, "7"),
        (Modifier::CROSSED_OUT, "9"),
    ] {
        if style.add_modifier.contains(modifier) {
            codes.push(code.to_owned());
        }
    }
    for (layer, colour) in [(38, style.fg), (48, style.bg)] {
        match colour {
            Some(Color::Rgb(r, g, b)) => codes.push(format!("{layer};2;{r};{g};{b}")),
            Some(Color::Indexed(index)) => codes.push(format!("{layer};5;{index}")),
            _ => {}
        }
    }
    codes.join(";")
}

fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
