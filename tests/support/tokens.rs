//! Reads what a program wrote to a terminal as a terminal does, and finds everything that the program may not send.

use portcullis::text::hidden;
use vte::{Params, Parser, Perform};

/// What a program may send besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Line ends, as commands do.
    Lines,
    /// The sequences of the full-screen console.
    Screen,
}

/// Everything in the output that is neither text nor one of our own sequences.
pub(crate) fn strangers(output: &[u8], allowed: Allowed) -> Vec<String> {
    let mut found = Reading {
        allowed,
        found: Vec::new(),
    };
    // vte takes bytes that are no UTF-8 for the replacement character, which is harmless to it and not to others.
    if let Err(error) = std::str::from_utf8(output) {
        found.found.push(format!("no UTF-8: {error}"));
    }
    Parser::new().advance(&mut found, output);
    found.found
}

struct Reading {
    allowed: Allowed,
    found: Vec<String>,
}

impl Reading {
    fn stranger(&mut self, what: String) {
        if self.found.len() < 20 {
            self.found.push(what);
        }
    }
}

impl Perform for Reading {
    fn print(&mut self, c: char) {
        if hidden(c) || c.is_control() {
            self.stranger(format!("the character U+{:04X}", u32::from(c)));
        }
    }

    fn execute(&mut self, byte: u8) {
        let fine = match self.allowed {
            Allowed::Lines => matches!(byte, b'\n' | b'\r'),
            Allowed::Screen => false,
        };
        if !fine {
            self.stranger(format!("the control {byte:#04x}"));
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        let numbers: Vec<u16> = params.iter().flatten().copied().collect();
        let fine = self.allowed == Allowed::Screen
            && !ignore
            && match (intermediates, action) {
                // Style, position, clearing.
                ([], 'm' | 'H') => true,
                ([], 'A'..='D' | 'G' | 'X') => numbers.len() == 1,
                ([], 'J' | 'K') => numbers.iter().all(|number| *number <= 2),
                // Modes: cursor, mouse, focus, alternate screen, paste, synchronised frames.
                ([b'?'], 'h' | 'l') => numbers.iter().all(|mode| {
                    [25, 1_000, 1_004, 1_006, 1_049, 2_004, 2_026, 2_031].contains(mode)
                }),
                // The title is kept and taken back.
                ([], 't') => matches!(numbers.as_slice(), [22 | 23, 2]),
                // Questions: which terminal, which modes, which keys; and the keyboard's own mode.
                ([], 'c') => numbers == [0],
                ([b'?', b'$'] | [b'$', b'?'], 'p') => numbers == [2_026] || numbers == [2_031],
                ([b'?'], 'n') => numbers == [996],
                ([b'?' | b'>' | b'<'], 'u') => numbers.iter().all(|number| *number <= 1),
                _ => false,
            };
        if !fine {
            self.stranger(format!("CSI {intermediates:?} {numbers:?} {action:?}"));
        }
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        let texts: Vec<String> = params
            .iter()
            .map(|param| String::from_utf8_lossy(param).into_owned())
            .collect();
        let words: Vec<&str> = texts.iter().map(String::as_str).collect();
        let fine = self.allowed == Allowed::Screen
            && match words.as_slice() {
                ["10" | "11", "?"] => true,
                ["2", title] => {
                    let count = title.strip_suffix(" Portcullis").unwrap_or_default();
                    *title == "Portcullis"
                        || count
                            .strip_prefix('(')
                            .and_then(|count| count.strip_suffix("!)"))
                            .is_some_and(|count| count.parse::<u32>().is_ok())
                }
                // A copied id or row; base64 can hold nothing else.
                ["52", "c", payload] => payload
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)),
                _ => false,
            };
        if !fine {
            self.stranger(format!("OSC {words:?}"));
        }
    }

    fn hook(&mut self, _: &Params, intermediates: &[u8], _: bool, action: char) {
        self.stranger(format!("DCS {intermediates:?} {action:?}"));
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, byte: u8) {
        // The end of a string.
        if !(intermediates.is_empty() && byte == b'\\' && self.allowed == Allowed::Screen) {
            self.stranger(format!("ESC {intermediates:?} {byte:#04x}"));
        }
    }
}

#[test]
fn the_reader_knows_a_stranger() {
    for (output, allowed) in [
        (&b"\x1b[31mred"[..], Allowed::Lines),
        (b"\x07", Allowed::Screen),
        (b"\x1b]0;owned\x07", Allowed::Screen),
        (b"\x1b]2;owned\x07", Allowed::Screen),
        (b"\x1b]52;c;?\x07", Allowed::Screen),
        (b"\x1bPq#0\x1b\\", Allowed::Screen),
        (b"\x1b[?1003h", Allowed::Screen),
        (b"\x1b[6n", Allowed::Screen),
        (b"\x1bc", Allowed::Screen),
        (b"\x1b[21t", Allowed::Screen),
        (b"\xc2\x9b31m", Allowed::Screen),
        (b"\x9b31m", Allowed::Lines),
        ("a\u{202e}b".as_bytes(), Allowed::Screen),
        ("a\u{200b}b".as_bytes(), Allowed::Lines),
        (b"\xc0\x9b", Allowed::Lines),
    ] {
        assert!(!strangers(output, allowed).is_empty(), "{output:?}");
    }
    let ours = "\x1b[?1049h\x1b[2J\x1b[1;1H\x1b[1;38;2;1;2;3mLIVE ✓\x1b]2;(3!) Portcullis\x07\x1b[?25l\x1b[c\x1b[?2026$p\
        \x1b]11;?\x1b\\\x1b[>1u\x1b[<1u\x1b[?u\x1b[22;2t";
    assert_eq!(
        strangers(ours.as_bytes(), Allowed::Screen),
        Vec::<String>::new()
    );
    assert_eq!(
        strangers("R-1 ✓ ok\r\n".as_bytes(), Allowed::Lines),
        Vec::<String>::new()
    );
}
