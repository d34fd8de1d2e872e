//! An audit event in a third of its size: one stretch of bytes instead of twenty texts. Tens of thousands are kept
//! and a screenful is looked at, so they are unpacked for each look.

use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::console::store::Subject;
use crate::wire::{ActorView, EventView};

/// One event. What is compared often stands beside the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The dense index.
    pub index: i64,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// It was not refused and did not fail.
    pub success: bool,
    /// Every other field in the order of [`Packed::of`], each behind its length.
    bytes: Box<[u8]>,
}

impl Packed {
    /// Packs an event.
    pub fn of(event: &EventView) -> Self {
        // A new field must find its place here and in `view`.
        let EventView {
            index,
            id,
            time,
            event: code,
            outcome,
            actor:
                ActorView {
                    kind,
                    name,
                    id: who,
                },
            principal,
            target,
            role,
            request,
            grant,
            reason,
            trace,
            channel,
            address,
            tags,
            sentence,
            details,
        } = event;
        let mut pen = Pen::default();
        // Rows are looked for by these two.
        pen.maybe(request.as_deref());
        pen.maybe(grant.as_deref());
        for text in [id, code, outcome, kind, name, channel, sentence] {
            pen.maybe(Some(text));
        }
        for text in [who, principal, target, role, reason, trace, address] {
            pen.maybe(text.as_deref());
        }
        pen.number(tags.len());
        for (key, value) in tags {
            pen.maybe(Some(key));
            pen.maybe(Some(value));
        }
        pen.number(details.len());
        for (key, value) in details {
            pen.maybe(Some(key));
            pen.maybe(Some(&value.to_string()));
        }
        Self {
            index: *index,
            time: *time,
            success: outcome == "success",
            bytes: pen.0.into_boxed_slice(),
        }
    }

    /// The event as it came.
    pub fn view(&self) -> EventView {
        let mut eye = Eye(&self.bytes);
        let (request, grant) = (eye.maybe(), eye.maybe());
        let [id, event, outcome, kind, name, channel, sentence] =
            std::array::from_fn(|_| eye.text());
        let [who, principal, target, role, reason, trace, address] =
            std::array::from_fn(|_| eye.maybe());
        let tags: BTreeMap<_, _> = (0..eye.number())
            .map(|_| (eye.text(), eye.text()))
            .collect();
        let details: Map<_, _> = (0..eye.number())
            .map(|_| {
                let key = eye.text();
                (
                    key,
                    serde_json::from_str(&eye.text()).unwrap_or(Value::Null),
                )
            })
            .collect();
        EventView {
            index: self.index,
            id,
            time: self.time,
            event,
            outcome,
            actor: ActorView {
                kind,
                name,
                id: who,
            },
            principal,
            target,
            role,
            request,
            grant,
            reason,
            trace,
            channel,
            address,
            tags,
            sentence,
            details,
        }
    }

    /// Says whether it names this row.
    pub fn is_about(&self, subject: &Subject) -> bool {
        let mut eye = Eye(&self.bytes);
        let (request, grant) = (eye.bytes(), eye.bytes());
        let id = match subject {
            Subject::Request(_) | Subject::Use(_) => request,
            Subject::Grant(_) => grant,
            Subject::Session(_)
            | Subject::Lock(_)
            | Subject::SignIn(_)
            | Subject::Service(_)
            | Subject::Standing(_) => None,
        };
        id == Some(subject.as_str().as_bytes())
    }
}

/// An event that has just come: as it came, and as it is kept.
#[derive(Debug, Clone)]
pub struct Told {
    pub view: EventView,
    pub packed: Rc<Packed>,
}

impl From<EventView> for Told {
    fn from(view: EventView) -> Self {
        let packed = Rc::new(Packed::of(&view));
        Self { view, packed }
    }
}

/// Writes fields one after the other.
#[derive(Debug, Default)]
struct Pen(Vec<u8>);

impl Pen {
    /// Seven bits a byte, the last byte without the eighth.
    fn number(&mut self, mut number: usize) {
        loop {
            let low = u8::try_from(number & 0x7f).unwrap_or(0);
            number >>= 7;
            if number == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }

    /// A length that is one too large, so that zero is no text at all.
    fn maybe(&mut self, text: Option<&str>) {
        match text {
            None => self.number(0),
            Some(text) => {
                self.number(text.len() + 1);
                self.0.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// Reads what a pen wrote.
#[derive(Debug)]
struct Eye<'a>(&'a [u8]);

impl<'a> Eye<'a> {
    fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0_usize, 0_u32);
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            number |= usize::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        number
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number().checked_sub(1)?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    fn maybe(&mut self) -> Option<String> {
        let bytes = self.bytes()?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    fn text(&mut self) -> String {
        self.maybe().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ids::{GrantId, RequestId};

    #[test]
    fn an_event_comes_out_as_it_went_in() {
        let long = "stück ".repeat(400);
        let full = json!({
            "index": 7, "id": "0192", "time": "2026-11-20T03:12:09.123456Z", "event": "grant.activated",
            "outcome": "denied", "actor": {"kind": "principal", "name": "bob", "id": "P-1"}, "channel": "tui",
            "sentence": "", "principal": "alice", "target": "orders-db", "role": "readonly",
            "request": RequestId::from_bits(1), "grant": GrantId::from_bits(2), "reason": long, "trace": "00ab",
            "address": "::1", "tags": {"env": "prod", "team": ""},
            "details": {"code": "x", "count": 3, "list": [1, {"a": null}]},
        });
        let bare = json!({
            "index": 8, "id": "x", "time": "2026-11-20T03:12:09Z", "event": "server.started", "outcome": "success",
            "actor": {"kind": "system", "name": "portcullis"}, "channel": "system", "sentence": "It began.",
        });
        for value in [full, bare] {
            let view: EventView = serde_json::from_value(value).unwrap();
            let packed = Packed::of(&view);
            assert_eq!(packed.view(), view);
            assert_eq!(packed.success, view.outcome == "success");
            let about = |subject| packed.is_about(&subject);
            assert_eq!(
                about(Subject::Request(RequestId::from_bits(1))),
                view.request.is_some()
            );
            assert_eq!(
                about(Subject::Grant(GrantId::from_bits(2))),
                view.grant.is_some()
            );
            assert!(!about(Subject::Grant(GrantId::from_bits(1))));
        }
    }
}
