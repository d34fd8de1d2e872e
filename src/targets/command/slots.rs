//! Arguments with slots: `--user={holder}`. A slot becomes a part of its one argument and is never split or read again.

use crate::domain::ids::GrantId;
use crate::domain::nearest::{list, nearest};
use crate::targets::Access;

/// What a slot can stand for. But for `value`, which the settings say, each is made of letters that mean nothing to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Object,
    Grant,
    Holder,
    Role,
    Value,
    EndsAt,
    EndsAtUnix,
    Epoch,
}

impl Slot {
    const ALL: [Self; 8] = [
        Self::Object,
        Self::Grant,
        Self::Holder,
        Self::Role,
        Self::Value,
        Self::EndsAt,
        Self::EndsAtUnix,
        Self::Epoch,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Grant => "grant",
            Self::Holder => "holder",
            Self::Role => "role",
            Self::Value => "value",
            Self::EndsAt => "ends_at",
            Self::EndsAtUnix => "ends_at_unix",
            Self::Epoch => "epoch",
        }
    }

    fn fill(self, with: &Filling<'_>) -> String {
        let of = |part: fn(&Access<'_>) -> String| with.access.map(part).unwrap_or_default();
        match self {
            Self::Object => with.object.to_owned(),
            Self::Grant => with.grant.to_string(),
            Self::Epoch => with.epoch.to_string(),
            Self::Holder => of(|access| access.holder.to_string()),
            Self::Role => of(|access| access.role.to_string()),
            Self::Value => with.value.unwrap_or_default().to_owned(),
            Self::EndsAt => of(|access| access.ends_at.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
            Self::EndsAtUnix => of(|access| access.ends_at.timestamp().to_string()),
        }
    }
}

/// What is known where an argument is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// The whole grant.
    Grant,
    /// Only its name, as of an object that is found on the target and that no grant backs.
    Name,
    Nothing,
}

impl Known {
    fn has(self, slot: Slot) -> bool {
        match self {
            Self::Grant => true,
            Self::Name => matches!(slot, Slot::Object | Slot::Grant | Slot::Epoch),
            Self::Nothing => false,
        }
    }
}

/// What slots are filled with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling<'a> {
    pub(super) object: &'a str,
    pub(super) grant: &'a GrantId,
    pub(super) epoch: i64,
    /// Missing where only the name is known.
    pub(super) access: Option<&'a Access<'a>>,
    pub(super) value: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Slot(Slot),
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    /// Reads an argument, or says in a message and a hint what is wrong. `{{` and `}}` are braces.
    pub(super) fn read(text: &str, known: Known) -> Result<Self, (String, String)> {
        if text.contains('\0') {
            return Err((
                "an argument has a zero byte".to_owned(),
                "leave it out".to_owned(),
            ));
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = brace
                .strip_prefix("{{")
                .or_else(|| brace.strip_prefix("}}"))
            {
                plain.extend(brace.chars().next());
                rest = after;
                continue;
            }
            let name = brace
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'));
            let Some((name, after)) = name else {
                let message = format!("a brace in `{}` has no partner", text.escape_debug());
                return Err((message, "write `{{` or `}}` for a brace".to_owned()));
            };
            let slot = Slot::ALL.into_iter().find(|slot| slot.as_str() == name);
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
            pieces.push(Piece::Slot(
                slot.filter(|slot| known.has(*slot))
                    .ok_or_else(|| unknown(name, slot, known))?,
            ));
            rest = after;
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(Self(pieces))
    }

    /// Whether it tells one grant from another.
    pub(super) fn names_the_grant(&self) -> bool {
        let names = |piece: &Piece| matches!(piece, Piece::Slot(Slot::Object | Slot::Grant));
        self.0.iter().any(names)
    }

    /// Whether it wants to know what the program calls the role.
    pub(super) fn names_the_value(&self) -> bool {
        self.0.contains(&Piece::Slot(Slot::Value))
    }

    /// The argument. Without a filling there are no slots: see `Known`.
    pub(super) fn fill(&self, with: Option<&Filling<'_>>) -> String {
        let one = |piece: &Piece| match (piece, with) {
            (Piece::Text(text), _) => text.clone(),
            (Piece::Slot(slot), Some(with)) => slot.fill(with),
            (Piece::Slot(_), None) => String::new(),
        };
        self.0.iter().map(one).collect()
    }
}

fn unknown(name: &str, slot: Option<Slot>, known: Known) -> (String, String) {
    let name = name.escape_debug().to_string();
    match (known, slot) {
        (Known::Nothing, _) => (
            format!("`{{{name}}}` cannot be filled: this call is about no grant"),
            "list everything there is".to_owned(),
        ),
        // What is found on the target without a grant must be ended, too, and then nobody knows more than its name.
        (_, Some(_)) => (
            format!("`{{{name}}}` cannot be filled: what no grant backs has only its name"),
            "use `{object}`, and let the program remember in `up` what it made for it".to_owned(),
        ),
        (_, None) => {
            let words = Slot::ALL
                .into_iter()
                .filter(|slot| known.has(*slot))
                .map(Slot::as_str);
            let words: Vec<&str> = words.collect();
            let hint = match nearest(&name, words.iter().copied()) {
                Some(near) => format!("did you mean `{{{near}}}`?"),
                None => format!(
                    "known are {}",
                    list(words.iter().map(|word| format!("{{{word}}}")))
                ),
            };
            (format!("`{{{name}}}` is no slot"), hint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_slots_or_are_doubled() {
        for good in [
            "",
            "up",
            "--user={holder}",
            "{grant}-{epoch}",
            "{{}}",
            "{{{role}}}",
        ] {
            assert!(Template::read(good, Known::Grant).is_ok(), "{good}");
        }
        for (bad, hint) in [
            ("{", "write `{{`"),
            ("}", "write `{{`"),
            ("{holder", "write `{{`"),
            ("{}", "known are"),
            ("{hodler}", "did you mean `{holder}`?"),
            ("a\0b", "leave it out"),
        ] {
            let (_, said) = Template::read(bad, Known::Grant).unwrap_err();
            assert!(said.contains(hint), "{bad}: {said}");
        }
        assert!(Template::read("{holder}", Known::Name).is_err());
        assert!(Template::read("{object}", Known::Nothing).is_err());
        assert_eq!(
            Template::read("{{x}}", Known::Nothing).unwrap().fill(None),
            "{x}"
        );
    }
}
