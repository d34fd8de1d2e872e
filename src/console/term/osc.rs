//! Sequences for the terminal itself: the clipboard, the window title and notices on the desktop. Payloads are cleaned and capped here,
//! because a terminal acts on them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::console::term::caps::{Between, NoticeForm};
use crate::text;

/// xterm takes no more than this in one sequence, and others drop what is longer.
const COPY_MAX: usize = 74_000;
/// Desktops cut longer notices.
const NOTICE_MAX: usize = 160;
/// GNU screen drops strings of more than 768 bytes; others take up a sequence where it was broken off.
const SCREEN_MAX: usize = 512;
/// Longer titles are cut by every window manager anyway.
const TITLE_MAX: usize = 120;

/// The text does not fit into one clipboard sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too long to copy through the terminal")]
pub struct TooLong;

/// Puts text on the clipboard of the person at the keyboard, wherever this program runs.
pub fn copy(text: &str, between: Between) -> Result<String, TooLong> {
    // What is pasted later goes into a shell or an editor, so controls other than layout stay out of it.
    let text: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    if text.len() > COPY_MAX {
        return Err(TooLong);
    }
    // The payload is base64, so nothing inside it can end the sequence early.
    let sequence = format!("\x1b]52;c;{}\x07", STANDARD.encode(text));
    let wrapped = for_outer(&sequence, between);
    // tmux may know the clipboard itself or let us through to the terminal; people set one or the other.
    Ok(if between == Between::Tmux {
        format!("{sequence}{wrapped}")
    } else {
        wrapped
    })
}

/// Sets the window title.
pub fn title(text: &str) -> String {
    let text = text::clean(text).cut_end(TITLE_MAX, "");
    format!("\x1b]2;{text}\x07")
}

/// Makes a notice on the desktop. The text cannot end the sequence: it is ASCII without controls and semicolons.
pub fn notice(form: NoticeForm, text: &str, between: Between) -> String {
    let text: String = text
        .chars()
        .filter(|c| matches!(c, ' '..='~') && *c != ';')
        .take(NOTICE_MAX)
        .collect();
    let sequence = match form {
        NoticeForm::Kitty => format!("\x1b]99;i=portcullis;Portcullis: {text}\x1b\\"),
        NoticeForm::Urxvt => format!("\x1b]777;notify;Portcullis;{text}\x1b\\"),
        NoticeForm::Iterm => format!("\x1b]9;Portcullis: {text}\x1b\\"),
    };
    for_outer(&sequence, between)
}

/// Rings the bell.
pub fn bell() -> &'static str {
    "\x07"
}

/// What stands between keeps sequences it does not act on; wrapped ones reach the terminal around it.
fn for_outer(sequence: &str, between: Between) -> String {
    match between {
        Between::Nothing => sequence.to_owned(),
        Between::Tmux => format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b")),
        Between::Screen => {
            // The end of a string would end the wrapping too; BEL ends a command just as well.
            let sequence = sequence.replace("\x1b\\", "\x07");
            let mut out = String::with_capacity(sequence.len() * 2);
            let mut rest = sequence.as_str();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at_checked(SCREEN_MAX).unwrap_or((rest, ""));
                out.push_str("\x1bP");
                out.push_str(piece);
                out.push_str("\x1b\\");
                rest = after;
            }
            out
        }
    }
}
