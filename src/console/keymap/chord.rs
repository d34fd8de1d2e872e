//! One key with its modifiers, and how people write it: `x`, `ctrl-p`, `Space`, `F1`.

use crossterm::event::{KeyCode, KeyModifiers};

use crate::console::term::input::Key;

/// Keys with a name, in the spelling that help and settings use.
const NAMED: [(&str, KeyCode); 13] = [
    ("Enter", KeyCode::Enter),
    ("Esc", KeyCode::Esc),
    ("Tab", KeyCode::Tab),
    ("Backspace", KeyCode::Backspace),
    ("Delete", KeyCode::Delete),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("PgDn", KeyCode::PageDown),
    ("PgUp", KeyCode::PageUp),
];

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    pub code: KeyCode,
    pub mods: KeyModifiers,
}

impl Chord {
    /// A key alone.
    pub const fn plain(code: KeyCode) -> Self {
        Self {
            code,
            mods: KeyModifiers::NONE,
        }
    }

    /// A letter or sign as typed, so `G` is the capital.
    pub const fn letter(letter: char) -> Self {
        Self::plain(KeyCode::Char(letter))
    }

    /// A letter with Ctrl.
    pub const fn ctrl(letter: char) -> Self {
        Self {
            code: KeyCode::Char(letter),
            mods: KeyModifiers::CONTROL,
        }
    }

    /// Says whether this is the key that was pressed.
    pub fn is(self, key: Key) -> bool {
        self.code == key.code && self.mods == key.mods
    }

    /// A press of it, as a finger makes it.
    pub fn key(self) -> Key {
        Key::press(self.code, self.mods)
    }

    /// The key as people write it; [`Chord::parse`] reads it back.
    pub fn text(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::F(number) => format!("F{number}"),
            KeyCode::BackTab => "shift-Tab".to_owned(),
            code => NAMED
                .iter()
                .find(|(_, named)| *named == code)
                .map_or_else(|| format!("{code:?}"), |(name, _)| (*name).to_owned()),
        };
        let mut text = String::new();
        for (modifier, word) in [
            (KeyModifiers::CONTROL, "ctrl-"),
            (KeyModifiers::ALT, "alt-"),
            (KeyModifiers::SHIFT, "shift-"),
        ] {
            if self.mods.contains(modifier) {
                text.push_str(word);
            }
        }
        text + &name
    }

    /// Reads a key as people write it; `Err` says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut mods = KeyModifiers::NONE;
        let mut rest = text;
        while let Some((modifier, after)) = modifier(rest) {
            mods |= modifier;
            rest = after;
        }
        let code = code(rest).ok_or_else(|| {
            format!(
                "`{}` is no key: write for example `x`, `ctrl-p`, `Space`, `F5` or `PgDn`",
                text.escape_debug()
            )
        })?;
        let mut chord = Self { code, mods };
        if chord.mods.contains(KeyModifiers::SHIFT) {
            chord = chord.shifted();
        }
        match chord.twin() {
            Some(twin) => Err(format!(
                "`{text}` and `{twin}` are the same to a terminal: write `{twin}`"
            )),
            None => Ok(chord),
        }
    }

    /// Terminals report a shifted letter as the capital, and a shifted Tab as a key of its own.
    fn shifted(mut self) -> Self {
        match self.code {
            KeyCode::Char(c) => {
                self.code = KeyCode::Char(c.to_uppercase().next().unwrap_or(c));
                self.mods.remove(KeyModifiers::SHIFT);
            }
            KeyCode::Tab => {
                self.code = KeyCode::BackTab;
                self.mods.remove(KeyModifiers::SHIFT);
            }
            _ => {}
        }
        self
    }

    /// The key that most terminals cannot tell from this one.
    fn twin(self) -> Option<&'static str> {
        if self.mods != KeyModifiers::CONTROL {
            return None;
        }
        match self.code {
            KeyCode::Char('i') => Some("Tab"),
            KeyCode::Char('m') => Some("Enter"),
            KeyCode::Char('[') => Some("Esc"),
            _ => None,
        }
    }
}

fn modifier(text: &str) -> Option<(KeyModifiers, &str)> {
    let (word, rest) = text.split_once(['-', '+'])?;
    // The sign itself may be the key, as in `ctrl--`.
    if rest.is_empty() {
        return None;
    }
    let modifier = match word.to_ascii_lowercase().as_str() {
        "ctrl" | "control" | "c" => KeyModifiers::CONTROL,
        "alt" | "meta" | "a" => KeyModifiers::ALT,
        "shift" | "s" => KeyModifiers::SHIFT,
        _ => return None,
    };
    Some((modifier, rest))
}

fn code(text: &str) -> Option<KeyCode> {
    let mut letters = text.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        return (!letter.is_control()).then_some(KeyCode::Char(letter));
    }
    let low = text.to_ascii_lowercase();
    if let Some(number) = low.strip_prefix('f').and_then(|rest| rest.parse().ok()) {
        return (1..=24).contains(&number).then_some(KeyCode::F(number));
    }
    let alias = match low.as_str() {
        "space" => return Some(KeyCode::Char(' ')),
        "escape" => "esc",
        "return" => "enter",
        "pagedown" => "pgdn",
        "pageup" => "pgup",
        "del" => "delete",
        other => other,
    };
    NAMED
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(alias))
        .map(|(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "x",
            "G",
            "ctrl-p",
            "alt-x",
            "Space",
            "F1",
            "F12",
            "PgDn",
            "shift-Tab",
            "ctrl-\\",
            "-",
            "+",
            "ctrl--",
            "Esc",
            "shift-F3",
            "é",
        ] {
            assert_eq!(Chord::parse(text).unwrap().text(), text);
        }
    }

    #[test]
    fn other_spellings_are_understood() {
        for (written, text) in [
            ("Ctrl+X", "ctrl-X"),
            ("C-x", "ctrl-x"),
            ("shift-g", "G"),
            ("space", "Space"),
            ("escape", "Esc"),
            ("PageDown", "PgDn"),
            ("f5", "F5"),
        ] {
            assert_eq!(Chord::parse(written).unwrap().text(), text);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_a_sentence() {
        for (written, words) in [
            ("", "`` is no key"),
            ("foo", "`foo` is no key"),
            ("F99", "`F99` is no key"),
            ("hyper-x", "is no key"),
            ("ctrl-i", "the same to a terminal: write `Tab`"),
            ("\u{7}", "is no key"),
        ] {
            let wrong = Chord::parse(written).unwrap_err();
            assert!(wrong.contains(words), "{wrong}");
        }
    }
}
