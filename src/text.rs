//! The one way text written by others reaches a terminal: `DisplayText` can only be made by cleaning, so
//! whatever a cell or a line of output holds has no control, invisible or reordering character left in it.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Stacked marks beyond this many climb over the neighbouring rows of a terminal.
const MARKS_PER_GRAPHEME: usize = 4;
/// The longest grapheme kept whole; the longest conjuncts in living scripts need six.
const CHARS_PER_GRAPHEME: usize = 8;

/// Text that is safe to draw: every control, invisible or reordering character has become visible.
///
/// INVARIANT: holds no character for which [`hidden`] is true (`cleaned_text_has_nothing_hidden`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DisplayText(String);

/// Cleans text for one line; line breaks become `⏎`, so nobody can forge a second line.
pub fn clean(text: &str) -> DisplayText {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return DisplayText(text.to_owned());
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match form(c) {
            Some(form) => visible.push_str(&form),
            None => visible.push(c),
        }
    }
    DisplayText(limit_marks(&visible))
}

/// Cleans text that may have several lines, and splits it at its line breaks.
pub fn clean_lines(text: &str) -> Vec<DisplayText> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n')
        .map(|line| clean(line.strip_suffix('\r').unwrap_or(line)))
        .collect()
}

/// What makes a name worth a warning next to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// Holds a character that cannot be seen or that changes the order of others.
    Hidden,
    /// Holds letters outside ASCII, which can imitate ASCII ones.
    NotAscii,
}

impl Suspicion {
    /// Says in a few words what to look out for.
    pub fn words(self) -> &'static str {
        match self {
            Self::Hidden => "has invisible characters",
            Self::NotAscii => "has look-alike letters",
        }
    }
}

/// Looks for signs that a name imitates another; identities are plain ASCII by rule, so anything else is a sign.
pub fn suspicious(identity: &str) -> Option<Suspicion> {
    if identity.chars().any(hidden) {
        Some(Suspicion::Hidden)
    } else if identity.is_ascii() {
        None
    } else {
        Some(Suspicion::NotAscii)
    }
}

impl DisplayText {
    /// Gives the cleaned text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives up the wrapper, for widgets that want to own a `String`.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Says whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts terminal columns, grapheme by grapheme, which is how the screen is filled.
    pub fn width(&self) -> usize {
        width(&self.0)
    }

    /// Cuts the end off, so that with `ellipsis` in its place the text fits `columns`.
    #[must_use]
    pub fn cut_end(&self, columns: usize, ellipsis: &str) -> Self {
        if self.width() <= columns {
            return self.clone();
        }
        let ellipsis = fitting(ellipsis, columns);
        let room = columns - width(ellipsis);
        let mut text = take(self.0.graphemes(true), room).0;
        text.push_str(ellipsis);
        Self(text)
    }

    /// Cuts the middle out, keeping both ends: names differ in their last characters as often as in their first.
    #[must_use]
    pub fn cut_middle(&self, columns: usize, ellipsis: &str) -> Self {
        if self.width() <= columns {
            return self.clone();
        }
        let ellipsis = fitting(ellipsis, columns);
        let room = columns - width(ellipsis);
        let (head, used) = take(self.0.graphemes(true), room.div_ceil(2));
        let mut tail: Vec<&str> = Vec::new();
        let mut left = room - used;
        for grapheme in self.0.graphemes(true).rev() {
            let Some(rest) = left.checked_sub(grapheme.width()) else {
                break;
            };
            left = rest;
            tail.push(grapheme);
        }
        let mut text = head;
        text.push_str(ellipsis);
        text.extend(tail.into_iter().rev());
        Self(text)
    }

    /// Leaves out what lies in the first `columns`, for text scrolled to the left.
    #[must_use]
    pub fn skip(&self, columns: usize) -> Self {
        let mut at = 0;
        let rest = self.0.graphemes(true).skip_while(|grapheme| {
            at += grapheme.width();
            at <= columns
        });
        Self(rest.collect())
    }

    /// Adds spaces on the right until the text fills `columns`.
    #[must_use]
    pub fn pad(&self, columns: usize) -> Self {
        let missing = columns.saturating_sub(self.width());
        let mut text = self.0.clone();
        text.extend(std::iter::repeat_n(' ', missing));
        Self(text)
    }

    /// Breaks the text into lines of at most `columns`, at spaces where possible; nothing is lost but those spaces.
    pub fn wrap(&self, columns: usize) -> Vec<Self> {
        let columns = columns.max(1);
        let mut lines = Vec::new();
        let mut line = String::new();
        let mut used = 0;
        for word in self.0.split(' ') {
            let wanted = width(word);
            if used > 0 && used + 1 + wanted <= columns {
                line.push(' ');
                line.push_str(word);
                used += 1 + wanted;
                continue;
            }
            if used > 0 {
                lines.push(Self(std::mem::take(&mut line)));
                used = 0;
            }
            for piece in word
                .graphemes(true)
                .flat_map(|grapheme| pieces(grapheme, columns))
            {
                if used > 0 && used + piece.width() > columns {
                    lines.push(Self(std::mem::take(&mut line)));
                    used = 0;
                }
                line.push_str(piece);
                used += piece.width();
            }
        }
        lines.push(Self(line));
        lines
    }
}

impl fmt::Display for DisplayText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for DisplayText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<DisplayText> for String {
    fn from(text: DisplayText) -> Self {
        text.0
    }
}

/// Says whether a character must never be drawn as it is: controls, formats, default-ignorables, line separators,
/// private use and non-characters, plus the few that terminals disagree on.
pub fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            // Skin tones: half of the terminals draw them as a second glyph, which shifts the rest of the row.
            | '\u{1f3fb}'..='\u{1f3ff}'
            // Private use: whatever the reader's font holds, a check mark for example.
            | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}'
            | '\u{fdd0}'..='\u{fdef}')
        || (u32::from(c) & 0xfffe) == 0xfffe
}

/// Spaces of other widths; shown as a plain one because padding with them can push a word out of sight.
fn odd_space(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// How a character is shown that must not be drawn as it is.
fn form(c: char) -> Option<Cow<'static, str>> {
    let form = match c {
        '\n' => "⏎".into(),
        '\t' => "\\t".into(),
        '\r' => "\\r".into(),
        // Only chooses between the coloured and the plain picture of the character before it.
        '\u{fe0e}' | '\u{fe0f}' => "".into(),
        _ if c.is_control() => format!("\\x{:02x}", u32::from(c)).into(),
        _ if hidden(c) => number(c).into(),
        _ if odd_space(c) => " ".into(),
        _ => return None,
    };
    Some(form)
}

/// A cluster that fits, or its characters: letters with marks that take columns of their own can be wider than a line.
fn pieces(grapheme: &str, columns: usize) -> Vec<&str> {
    if grapheme.width() <= columns {
        return vec![grapheme];
    }
    grapheme.split_inclusive(|_: char| true).collect()
}

/// A mark with nothing before it would attach to our own text, so it is shown by its number instead.
fn limit_marks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        let mut marks = 0;
        for (at, c) in grapheme.chars().take(CHARS_PER_GRAPHEME).enumerate() {
            if c.width() != Some(0) {
                out.push(c);
            } else if at == 0 {
                out.push_str(&number(c));
            } else if marks < MARKS_PER_GRAPHEME {
                marks += 1;
                out.push(c);
            }
        }
    }
    out
}

fn number(c: char) -> String {
    format!("‹U+{:04X}›", u32::from(c))
}

fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

fn fitting(ellipsis: &str, columns: usize) -> &str {
    if width(ellipsis) <= columns {
        ellipsis
    } else {
        ""
    }
}

/// Takes graphemes from the front while they fit; returns them with the columns they use.
fn take<'a>(graphemes: impl Iterator<Item = &'a str>, columns: usize) -> (String, usize) {
    let mut text = String::new();
    let mut used = 0;
    for grapheme in graphemes {
        let wide = grapheme.width();
        if used + wide > columns {
            break;
        }
        used += wide;
        text.push_str(grapheme);
    }
    (text, used)
}

/// Writes hidden characters as `\u` escapes: the same JSON, and harmless on a terminal.
///
/// Outside strings JSON has none of them, so each one found can be escaped where it stands.
pub fn visible_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_stays_the_same_json_and_shows_no_hidden_character() {
        let typed = "a\u{202e}b\u{1b}[31m\u{e0041}\u{9b}\"\\ ä";
        let json = visible_json(&serde_json::to_string(typed).unwrap());
        assert!(!json.chars().any(hidden), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), typed);
    }

    #[test]
    fn controls_are_shown_and_not_obeyed() {
        let cases = [
            ("plain", "plain"),
            ("\x1b[31mred", "\\x1b[31mred"),
            ("one\ntwo", "one⏎two"),
            ("a\tb\r", "a\\tb\\r"),
            ("\u{9b}31m\u{7f}", "\\x9b31m\\x7f"),
            ("deny \u{202e}evorppa", "deny ‹U+202E›evorppa"),
            ("a\u{200b}b\u{2028}c", "a‹U+200B›b‹U+2028›c"),
            ("\u{e0041}", "‹U+E0041›"),
            ("star\u{2b50}\u{fe0f}", "star\u{2b50}"),
            ("no\u{a0}break", "no break"),
            ("\u{301}x", "‹U+0301›x"),
        ];
        for (raw, shown) in cases {
            assert_eq!(clean(raw).as_str(), shown, "{raw:?}");
        }
    }

    #[test]
    fn marks_cannot_climb_out_of_their_row() {
        let zalgo = format!("z{}o", "\u{300}".repeat(50));
        assert_eq!(clean(&zalgo).as_str(), format!("z{}o", "\u{300}".repeat(4)));
    }

    #[test]
    fn lines_are_split_only_where_the_writer_broke_them() {
        let lines: Vec<String> = clean_lines("a\r\nb\u{2028}c\n\nd\n")
            .into_iter()
            .map(String::from)
            .collect();
        assert_eq!(lines, ["a", "b‹U+2028›c", "", "d"]);
    }

    #[test]
    fn names_keep_both_ends_when_cut() {
        let name = clean("k8s/prod-eu-1/ledger-primary");
        assert_eq!(name.cut_end(10, "…").as_str(), "k8s/prod-…");
        assert_eq!(name.cut_middle(10, "…").as_str(), "k8s/p…mary");
        assert_eq!(name.cut_middle(99, "…"), name);
        assert_eq!(clean("日本語").cut_end(4, "…").as_str(), "日…");
    }

    #[test]
    fn wrapping_loses_no_word() {
        let lines: Vec<String> = clean("two words andonelongword")
            .wrap(6)
            .into_iter()
            .map(String::from)
            .collect();
        assert_eq!(lines, ["two", "words", "andone", "longwo", "rd"]);
    }

    #[test]
    fn names_that_imitate_are_noticed() {
        assert_eq!(suspicious("alice.ng"), None);
        assert_eq!(suspicious("\u{430}lice"), Some(Suspicion::NotAscii));
        assert_eq!(suspicious("alice\u{200b}"), Some(Suspicion::Hidden));
        assert_eq!(suspicious("ali\x1bce"), Some(Suspicion::Hidden));
    }

    proptest! {
        #[test]
        fn cleaned_text_has_nothing_hidden(raw in any::<String>()) {
            let shown = clean(&raw);
            prop_assert!(!shown.as_str().chars().any(hidden), "{shown:?}");
            prop_assert_eq!(clean(shown.as_str()), shown);
        }

        #[test]
        fn cut_text_fits(raw in any::<String>(), columns in 0_usize..40) {
            let text = clean(&raw);
            prop_assert!(text.cut_end(columns, "…").width() <= columns);
            prop_assert!(text.cut_middle(columns, "…").width() <= columns);
            prop_assert!(text.pad(columns).width() >= columns);
            let columns = columns.max(2);
            prop_assert!(text.wrap(columns).iter().all(|line| line.width() <= columns));
        }
    }
}
