//! Sequences for the terminal itself: the clipboard and the window title. Payloads are cleaned and capped here,
//! because a terminal acts on them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::text;

/// xterm takes no more than this in one sequence, and others drop what is longer.
const COPY_MAX: usize = 74_000;
/// Longer titles are cut by every window manager anyway.
const TITLE_MAX: usize = 120;

/// The text does not fit into one clipboard sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too long to copy through the terminal")]
pub struct TooLong;

/// Puts text on the clipboard of the person at the keyboard, wherever this program runs.
pub fn copy(text: &str, tmux: bool) -> Result<String, TooLong> {
    // What is pasted later goes into a shell or an editor, so controls other than layout stay out of it.
    let text: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    if text.len() > COPY_MAX {
        return Err(TooLong);
    }
    // The payload is base64, so nothing inside it can end the sequence early.
    Ok(for_outer(
        &format!("\x1b]52;c;{}\x07", STANDARD.encode(text)),
        tmux,
    ))
}

/// Sets the window title.
pub fn title(text: &str) -> String {
    let text = text::clean(text).cut_end(TITLE_MAX, "");
    format!("\x1b]2;{text}\x07")
}

/// tmux keeps sequences it does not act on; wrapped ones reach the terminal around it.
fn for_outer(sequence: &str, tmux: bool) -> String {
    if tmux {
        format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b"))
    } else {
        sequence.to_owned()
    }
}
