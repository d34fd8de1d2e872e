//! Reads server-sent events from bytes that arrive in any pieces, with a bound on what one event may hold.

/// The longest line that is read; an event of ours is a few hundred bytes.
pub const LONGEST_LINE: usize = 1 << 20;

/// One event of the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// The `event:` field; empty when there was none.
    pub event: String,
    pub data: String,
    pub id: Option<String>,
}

/// A line or an event that is longer than any that Portcullis sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent an event that is too long")]
pub struct TooLong;

/// Puts events together from pieces.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    frame: Frame,
    has_data: bool,
    /// The last byte was a carriage return, so a line feed that follows belongs to it.
    after_return: bool,
    begun: bool,
}

impl Parser {
    /// Takes the next bytes and gives the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, TooLong> {
        let mut frames = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
            if self.line.len() + text.len() > LONGEST_LINE {
                return Err(TooLong);
            }
            self.line.extend_from_slice(text);
            self.after_return &= text.is_empty();
            let Some((end, after)) = after.split_first() else {
                break;
            };
            let follows_return = std::mem::replace(&mut self.after_return, *end == b'\r');
            if !(follows_return && *end == b'\n') {
                frames.extend(self.end_line()?);
            }
            rest = after;
        }
        Ok(frames)
    }

    fn end_line(&mut self) -> Result<Option<Frame>, TooLong> {
        let mut line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if !std::mem::replace(&mut self.begun, true)
            && let Some(rest) = line.strip_prefix('\u{feff}')
        {
            line = rest.to_owned();
        }
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            let complete = std::mem::take(&mut self.has_data);
            return Ok(complete.then_some(frame));
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.frame.event),
            "id" if !value.contains('\0') => self.frame.id = Some(value.to_owned()),
            "data" => {
                if self.frame.data.len() + value.len() > LONGEST_LINE {
                    return Err(TooLong);
                }
                if self.has_data {
                    self.frame.data.push('\n');
                }
                self.has_data = true;
                self.frame.data.push_str(value);
            }
            // A comment, a `retry:` (our pauses are our own), or something of a later version.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn parse(pieces: &[&[u8]]) -> Vec<Frame> {
        let mut parser = Parser::default();
        pieces
            .iter()
            .flat_map(|piece| parser.push(piece).unwrap())
            .collect()
    }

    fn frame(event: &str, data: &str, id: Option<&str>) -> Frame {
        Frame {
            event: event.to_owned(),
            data: data.to_owned(),
            id: id.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn events_comments_and_line_ends_are_read_as_the_standard_says() {
        let stream = "\u{feff}: hello\n\nevent: audit\nid: 1.7\ndata: {\"a\":\ndata: 1}\n\ndata:x\r\n\r\ndata\r\revent: lonely\n\nid: 1.8\n\ndata:  two\n\n";
        let expected = vec![
            frame("audit", "{\"a\":\n1}", Some("1.7")),
            frame("", "x", None),
            frame("", "", None),
            frame("", " two", None),
        ];
        assert_eq!(parse(&[stream.as_bytes()]), expected);
    }

    #[test]
    fn a_line_without_an_end_is_given_up_on() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; LONGEST_LINE];
        assert_eq!(parser.push(&piece), Ok(Vec::new()));
        assert_eq!(parser.push(b"x"), Err(TooLong));
    }

    #[test]
    fn data_in_endless_lines_is_given_up_on() {
        let mut parser = Parser::default();
        let line = format!("data: {}\n", "x".repeat(LONGEST_LINE / 2));
        assert!(parser.push(line.as_bytes()).is_ok());
        let second = parser.push(line.as_bytes());
        let third = parser.push(line.as_bytes());
        assert!(second.is_err() || third.is_err());
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_makes_no_difference(
            events in prop::collection::vec(("[a-z]{0,5}", "[ -~äß€\u{202e}]{0,30}", prop::option::of("[0-9]\\.[0-9]{1,3}")), 0..8),
            end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
            cuts in prop::collection::vec(0_usize..400, 0..40),
        ) {
            let mut stream = String::new();
            for (event, data, id) in &events {
                let _ = write!(stream, "event: {event}{end}data: {data}{end}");
                if let Some(id) = id {
                    let _ = write!(stream, "id: {id}{end}");
                }
                stream.push_str(end);
            }
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.push(0);
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let expected: Vec<Frame> = events.iter().map(|(event, data, id)| frame(event, data, id.as_deref())).collect();
            prop_assert_eq!(parse(&pieces), expected);
        }

        #[test]
        fn no_bytes_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Parser::default().push(&bytes);
        }
    }
}
