//! What the box says, part by part, above the choice or the lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::app::{App, Attempt, Stage};
use crate::console::overlay::sign_in::{Page, elsewhere};
use crate::console::theme::{Role, Theme};
use crate::console::widget::big::Big;
use crate::text::{DisplayText, clean};

/// A part of the text.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// As many lines as it needs.
    Line(Role, String),
    /// In large letters, where they fit.
    Big(String),
}

/// What takes rows.
pub(super) enum Block {
    Line(Role, DisplayText),
    Big(Big),
}

impl Part {
    pub(super) fn text(text: &str) -> Self {
        Self::Line(Role::Text, text.to_owned())
    }

    pub(super) fn muted(text: &str) -> Self {
        Self::Line(Role::TextMuted, text.to_owned())
    }
}

impl Block {
    pub(super) fn height(&self) -> u16 {
        match self {
            Self::Line(..) => 1,
            Self::Big(big) => big.height(),
        }
    }

    pub(super) fn draw(&self, area: Rect, theme: &Theme, buffer: &mut Buffer) {
        match self {
            Self::Line(role, line) => {
                let width = usize::from(area.width);
                buffer.set_stringn(area.x, area.y, line.as_str(), width, theme.style(*role));
            }
            Self::Big(big) => big.draw(area, buffer, theme.style(Role::TextStrong)),
        }
    }
}

/// Everything above the choice or the lines, at most this wide.
pub(super) fn blocks(
    app: &App,
    attempt: &Attempt,
    page: Page,
    theme: &Theme,
    width: u16,
) -> Vec<Block> {
    let mut blocks = Vec::new();
    for part in parts(app, attempt, page) {
        match part {
            Part::Line(role, text) => {
                let lines = clean(&text).wrap(usize::from(width)).into_iter();
                blocks.extend(lines.map(|line| Block::Line(role, line)));
            }
            Part::Big(text) => {
                blocks.extend(Big::new(&text, width, theme.charset()).map(Block::Big));
            }
        }
    }
    blocks
}

fn parts(app: &App, attempt: &Attempt, page: Page) -> Vec<Part> {
    let mut parts = vec![Part::text(&who(app))];
    let held = app.held();
    if !held.is_empty() {
        let text = format!("You are asked again for: {}", held.join(", "));
        parts.push(Part::Line(Role::TextStrong, text));
    }
    if attempt.ways().is_none() || *attempt.stage() != Stage::Open || page != Page::Ways {
        parts.push(Part::text(" "));
    }
    let keymap = &app.world().keymap;
    match attempt.stage() {
        Stage::Sent => parts.push(Part::muted("asking the server ...")),
        Stage::Browser(to) => parts.extend(elsewhere::in_browser(to.as_ref(), keymap)),
        Stage::Device(asked) => {
            parts.extend(elsewhere::on_device(asked.as_ref(), app.world().now));
        }
        Stage::Open if page == Page::Password => parts.push(Part::muted(
            "The code is that of your authenticator, a recovery code, or the word `passkey`; leave it empty without a second factor.",
        )),
        Stage::Open if page == Page::Code => parts.push(Part::muted(
            "The name is only for the first admin of a new server; leave it empty otherwise.",
        )),
        Stage::Open if attempt.ways().is_none() && attempt.problem().is_none() => {
            parts.push(Part::muted("asking the server how to sign in ..."));
        }
        Stage::Open => {}
    }
    if let Some(problem) = attempt.problem() {
        parts.push(Part::Line(Role::StatusWarn, problem.to_owned()));
    }
    parts
}

fn who(app: &App) -> String {
    let server = app.world().server.as_str();
    match app.world().me.as_ref() {
        Some(me) if !app.world().link.is_signed_out() => format!(
            "You are {} on {server}. To go on as somebody else:",
            me.name
        ),
        Some(me) => format!(
            "The sign-in of {} on {server} is over. What you see stays as it is.",
            me.name
        ),
        None => format!("Nobody is signed in on {server}."),
    }
}
