//! What the terminal can do, decided from flags and environment alone, so that the first frame waits for nothing.

/// How many colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Depth {
    /// Bold, underline and reverse only; not one colour is sent.
    Mono,
    /// The terminal's own sixteen.
    Ansi16,
    /// The 256-colour table.
    Indexed,
    /// Any red, green and blue.
    #[default]
    TrueColor,
}

/// Which characters may be drawn beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// Box drawing and signs of the basic plane.
    #[default]
    Unicode,
    /// `+-|` borders and ASCII signs; anything else typed by others is drawn as `?`.
    Ascii,
}

/// A program between us and the terminal, which needs sequences for the outer one wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Between {
    /// Nothing.
    #[default]
    Nothing,
    /// tmux.
    Tmux,
    /// GNU screen.
    Screen,
}

/// The sequences with which terminals make notices on the desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeForm {
    /// OSC 99, kitty's own.
    Kitty,
    /// OSC 777, urxvt's, also in foot and Ghostty.
    Urxvt,
    /// OSC 9, iTerm's, also in `WezTerm` and Windows Terminal.
    Iterm,
}

/// What a person asked for on the command line; `None` or `false` leaves it to the environment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// `--color`.
    pub depth: Option<Depth>,
    /// `--ascii`.
    pub ascii: bool,
}

/// What the terminal can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub struct Caps {
    /// How many colours to use.
    pub depth: Depth,
    /// The depth is a guess from the terminal's name, which may say less than there is: SSH does not carry COLORTERM.
    pub guessed: bool,
    /// Which characters to use.
    pub charset: Charset,
    /// At the far end of an SSH connection: answers are slow and the clipboard is elsewhere.
    pub remote: bool,
    /// What stands between us and the terminal.
    pub between: Between,
    /// `Some(true)` when the environment says the background is light.
    pub light: Option<bool>,
    /// How it makes notices on the desktop, when it can.
    pub notices: Option<NoticeForm>,
    /// Whether erased cells get the background in use. Where they do not, as in GNU screen, coloured blanks are drawn.
    pub erases: bool,
    /// Whether asking the terminal questions is worth it: the Linux console prints some of them.
    pub answers: bool,
}

/// The terminal cannot show a full screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this terminal (`TERM=dumb`) cannot show a full screen")]
pub struct NoScreen;

impl NoScreen {
    /// What to do instead.
    pub fn hint(self) -> &'static str {
        "use `portcullis console --linear`, or set TERM"
    }
}

impl Caps {
    /// Decides from the environment, given as a lookup so that tests need not change the real one.
    pub fn detect(env: impl Fn(&str) -> Option<String>, wishes: Wishes) -> Result<Self, NoScreen> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        if term == "dumb" {
            return Err(NoScreen);
        }
        let depth = wishes.depth.unwrap_or_else(|| {
            if set("NO_COLOR").is_some() {
                Depth::Mono
            } else {
                colours(&term, set("COLORTERM").as_deref())
            }
        });
        let guessed = wishes.depth.is_none() && depth == Depth::Indexed;
        let charset = if wishes.ascii || !unicode_locale(&set) {
            Charset::Ascii
        } else {
            Charset::Unicode
        };
        Ok(Self {
            depth,
            guessed,
            charset,
            remote: set("SSH_TTY").is_some() || set("SSH_CONNECTION").is_some(),
            between: if set("TMUX").is_some() {
                Between::Tmux
            } else if set("STY").is_some() {
                Between::Screen
            } else {
                Between::Nothing
            },
            light: set("COLORFGBG").as_deref().and_then(light_background),
            notices: notice_form(&set, &term),
            erases: erases(&term) && set("STY").is_none(),
            answers: term != "linux",
        })
    }
}

/// Turns off crossterm's own reading of `NO_COLOR`.
///
/// It would replace every colour command by a bare reset, which wipes bold and reverse and so hides the
/// selected row. A theme without colours does the same job properly.
pub fn own_the_colours() {
    crossterm::style::force_color_output(true);
}

fn colours(term: &str, colorterm: Option<&str>) -> Depth {
    if matches!(colorterm, Some("truecolor" | "24bit")) || term.ends_with("-direct") {
        return Depth::TrueColor;
    }
    // These always have it, and SSH does not carry COLORTERM to tell us.
    if [
        "xterm-kitty",
        "xterm-ghostty",
        "alacritty",
        "foot",
        "wezterm",
        "contour",
    ]
    .iter()
    .any(|t| term.starts_with(t))
    {
        return Depth::TrueColor;
    }
    if term.contains("256color") {
        Depth::Indexed
    } else {
        Depth::Ansi16
    }
}

/// Terminals whose description says so, or which have done so since their first release.
fn erases(term: &str) -> bool {
    [
        "xterm",
        "tmux",
        "linux",
        "alacritty",
        "foot",
        "wezterm",
        "contour",
        "ghostty",
        "rxvt",
        "konsole",
        "vte",
        "gnome",
        "putty",
    ]
    .iter()
    .any(|name| term.starts_with(name))
}

/// Variables that terminals set are seen inside tmux and `sudo -E` too, where TERM is another.
fn notice_form(set: &impl Fn(&str) -> Option<String>, term: &str) -> Option<NoticeForm> {
    let program = set("TERM_PROGRAM").unwrap_or_default();
    let any = |names: &[&str]| names.iter().any(|name| set(name).is_some());
    if term.starts_with("xterm-kitty") || any(&["KITTY_WINDOW_ID"]) {
        return Some(NoticeForm::Kitty);
    }
    if ["foot", "xterm-ghostty", "rxvt-unicode"]
        .iter()
        .any(|name| term.starts_with(name))
        || program == "ghostty"
        || any(&["GHOSTTY_RESOURCES_DIR"])
    {
        return Some(NoticeForm::Urxvt);
    }
    let iterm = ["iTerm.app", "WezTerm"].contains(&program.as_str())
        || set("LC_TERMINAL").is_some_and(|name| name == "iTerm2")
        || any(&["WEZTERM_PANE", "WT_SESSION"]);
    iterm.then_some(NoticeForm::Iterm)
}

/// The first of these variables that is set decides, as in the C library.
fn unicode_locale(set: &impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| set(name));
    match locale {
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        // Containers often set nothing, and their terminal is the one outside.
        None => true,
    }
}

/// `COLORFGBG` is `foreground;background` or `foreground;something;background` in the sixteen colours.
fn light_background(value: &str) -> Option<bool> {
    let index: u8 = value.rsplit(';').next()?.parse().ok()?;
    match index {
        7 | 9..=15 => Some(true),
        0..=6 | 8 => Some(false),
        _ => None,
    }
}
