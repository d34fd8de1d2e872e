//! What complete sequences of a keyboard mean; those that mean nothing to us are nothing.

use crossterm::event::{KeyCode, KeyModifiers};

use crate::console::term::input::{Input, Key, Mouse};

/// `Esc O` and a character.
pub(super) fn single(last: u8) -> Option<Input> {
    let code = match last {
        b'M' => KeyCode::Enter,
        _ => named(last)?,
    };
    Some(Input::Key(Key::press(code, KeyModifiers::NONE)))
}

/// `Esc [`, parameters and a final character.
pub(super) fn control(body: &[u8], last: u8) -> Option<Input> {
    let body = std::str::from_utf8(body).ok()?;
    if let Some(report) = body.strip_prefix('<') {
        return mouse(report, last);
    }
    // The Linux console's function keys.
    if body == "[" {
        let number = last.checked_sub(b'A').filter(|number| *number < 5)?;
        return Some(Input::Key(Key::press(
            KeyCode::F(number + 1),
            KeyModifiers::NONE,
        )));
    }
    match (body, last) {
        ("?997;1", b'n') => return Some(Input::Background { light: false }),
        ("?997;2", b'n') => return Some(Input::Background { light: true }),
        ("", b'I') => return Some(Input::Focus(true)),
        ("", b'O') => return Some(Input::Focus(false)),
        _ => {}
    }
    let params = Params::read(body)?;
    let code = match last {
        b'~' => numbered(params)?,
        b'u' => pressed(params.code)?,
        b'Z' => KeyCode::BackTab,
        // With numbers it is the place of the cursor.
        b'R' if !body.is_empty() => return None,
        _ if params.code <= 1 => named(last)?,
        _ => return None,
    };
    let key = Key {
        repeat: params.kind == 2,
        ..Key::press(code, params.mods())
    };
    // Keys that come up again are nobody's wish.
    (params.kind < 3).then(|| Input::Key(key.normal()))
}

/// A report of the mouse before there were numbers in it: button, column and row as one byte each.
pub(super) fn old_mouse(body: &[u8]) -> Option<Input> {
    let [button, x, y] = body else { return None };
    let place = |byte: &u8| byte.checked_sub(33).map(u16::from);
    let what = turned(u16::from(button.checked_sub(32)?))?;
    Some(Input::Mouse(what, place(x)?, place(y)?))
}

fn mouse(report: &str, last: u8) -> Option<Input> {
    // A small letter is a button that comes up.
    if last != b'M' {
        return None;
    }
    let mut numbers = report.split(';').map(|number| number.parse::<u16>().ok());
    let what = turned(numbers.next()??)?;
    let (x, y) = (numbers.next()??, numbers.next()??);
    Some(Input::Mouse(what, x.checked_sub(1)?, y.checked_sub(1)?))
}

/// The button, whatever is held down with it.
fn turned(button: u16) -> Option<Mouse> {
    match button & !0b1_1100 {
        0 => Some(Mouse::Click),
        64 => Some(Mouse::Up),
        65 => Some(Mouse::Down),
        _ => None,
    }
}

/// The numbers in a sequence: a key, and what is held down with it.
#[derive(Debug, Clone, Copy)]
struct Params {
    code: u32,
    held: u32,
    /// Pressed, repeated or let go.
    kind: u32,
    third: u32,
}

impl Params {
    fn read(body: &str) -> Option<Self> {
        let number = |text: Option<&str>, missing: u32| match text {
            None | Some("") => Some(missing),
            Some(text) => text.parse().ok(),
        };
        let mut parts = body.split(';');
        let mut first = parts.next().unwrap_or_default().split(':');
        let mut second = parts.next().unwrap_or_default().split(':');
        Some(Self {
            code: number(first.next(), 1)?,
            held: number(second.next(), 1)?,
            kind: number(second.next(), 1)?,
            third: number(parts.next(), 0)?,
        })
    }

    fn mods(self) -> KeyModifiers {
        let held = self.held.saturating_sub(1);
        let all = [
            (1, KeyModifiers::SHIFT),
            (2, KeyModifiers::ALT),
            (4, KeyModifiers::CONTROL),
        ];
        let of = all.into_iter().filter(|(bit, _)| held & bit != 0);
        of.fold(KeyModifiers::NONE, |mods, (_, one)| mods | one)
    }
}

fn named(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P' => KeyCode::F(1),
        b'Q' => KeyCode::F(2),
        b'R' => KeyCode::F(3),
        b'S' => KeyCode::F(4),
        _ => return None,
    })
}

fn numbered(params: Params) -> Option<KeyCode> {
    let function = |from: u32, first: u8| {
        u8::try_from(params.code - from)
            .ok()
            .map(|number| KeyCode::F(first + number))
    };
    match params.code {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(11, 1),
        17..=21 => function(17, 6),
        23..=24 => function(23, 11),
        // xterm's way to send keys that have none.
        27 => pressed(params.third),
        _ => None,
    }
}

/// A key by its character, as kitty numbers them.
fn pressed(code: u32) -> Option<KeyCode> {
    const KEYPAD: &[KeyCode] = &[
        KeyCode::Char('0'),
        KeyCode::Char('1'),
        KeyCode::Char('2'),
        KeyCode::Char('3'),
        KeyCode::Char('4'),
        KeyCode::Char('5'),
        KeyCode::Char('6'),
        KeyCode::Char('7'),
        KeyCode::Char('8'),
        KeyCode::Char('9'),
        KeyCode::Char('.'),
        KeyCode::Char('/'),
        KeyCode::Char('*'),
        KeyCode::Char('-'),
        KeyCode::Char('+'),
        KeyCode::Enter,
        KeyCode::Char('='),
        KeyCode::Char(','),
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Insert,
        KeyCode::Delete,
    ];
    const KEYPAD_BEGINS: u32 = 57_399;
    match code {
        9 => Some(KeyCode::Tab),
        13 => Some(KeyCode::Enter),
        27 => Some(KeyCode::Esc),
        8 | 127 => Some(KeyCode::Backspace),
        // Locks, media and modifiers have numbers of their own, which are no characters.
        57_344..=63_743 => {
            let place = usize::try_from(code.checked_sub(KEYPAD_BEGINS)?).ok()?;
            KEYPAD.get(place).copied()
        }
        _ => char::from_u32(code)
            .filter(|c| !c.is_control())
            .map(KeyCode::Char),
    }
}
