//! What standing access has to say to a filter.

use crate::wire::StandingView;

use super::eval::{Context, Row, Value};
use super::fields::Name;

impl Row for StandingView {
    fn any(
        &self,
        name: Name,
        context: Context<'_>,
        takes: &mut dyn FnMut(Value<'_>) -> bool,
    ) -> bool {
        let mut maybe = |text: &Option<String>| {
            let text = text.as_deref();
            text.is_some_and(|text| takes(Value::Text(text)))
        };
        match name {
            Name::Owner => maybe(&self.owner),
            Name::Actor => maybe(&self.said_by),
            Name::Reason => maybe(&self.reason),
            Name::Id => takes(Value::Text(&self.id)),
            Name::State => takes(Value::Text(&self.state)),
            Name::Principal => takes(Value::Text(&self.subject)),
            Name::Target => takes(Value::Text(&self.target)),
            Name::Kind => takes(Value::Text(&self.kind)),
            Name::Time => takes(Value::Moment(self.found_at)),
            Name::Age => takes(Value::Length((context.now - self.found_at).num_seconds())),
            Name::Left => self
                .until
                .is_some_and(|at| takes(Value::Length((at - context.now).num_seconds()))),
            _ => false,
        }
    }

    fn tag(&self, _: &str) -> Option<&str> {
        None
    }

    fn is(&self, word: &str, context: Context<'_>) -> bool {
        match word {
            "open" => self.state == "open",
            "settled" => matches!(self.state.as_str(), "imported" | "ignored"),
            "mine" => self.owner.as_deref() == Some(context.me),
            _ => false,
        }
    }

    fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool {
        let said = [&self.owner, &self.said_by, &self.reason];
        [&self.id, &self.target, &self.kind, &self.subject]
            .into_iter()
            .chain(&self.rights)
            .chain(said.into_iter().flatten())
            .any(|text| takes(text))
    }
}
