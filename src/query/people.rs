//! What sign-ins, service accounts and standing access have to say to a filter.

use crate::wire::{ServiceView, SignInView, StandingView};

use super::eval::{Context, Row, Value};
use super::fields::Name;

type Takes<'t> = &'t mut dyn FnMut(Value<'_>) -> bool;

impl Row for SignInView {
    fn any(&self, name: Name, context: Context<'_>, takes: Takes<'_>) -> bool {
        match name {
            Name::Id => takes(Value::Text(&self.id)),
            Name::Principal => takes(Value::Text(&self.principal)),
            Name::Device => takes(Value::Text(&self.device)),
            Name::Method => takes(Value::Text(&self.method)),
            Name::Time => takes(Value::Moment(self.created_at)),
            Name::Age => takes(Value::Length((context.now - self.created_at).num_seconds())),
            Name::Left => takes(Value::Length((self.expires_at - context.now).num_seconds())),
            _ => false,
        }
    }

    fn tag(&self, _: &str) -> Option<&str> {
        None
    }

    fn is(&self, word: &str, context: Context<'_>) -> bool {
        match word {
            "mine" => self.principal == context.me,
            "here" => self.current,
            "bound" => self.bound,
            _ => false,
        }
    }

    fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool {
        let texts = [&self.id, &self.principal, &self.device, &self.method];
        texts.into_iter().any(|text| takes(text))
    }
}

impl Row for ServiceView {
    fn any(&self, name: Name, context: Context<'_>, takes: Takes<'_>) -> bool {
        match name {
            Name::Id | Name::Principal => takes(Value::Text(&self.name)),
            Name::Owner => takes(Value::Text(&self.owner)),
            Name::Scope => self.scopes.iter().any(|scope| takes(Value::Text(scope))),
            Name::Group => self.groups.iter().any(|group| takes(Value::Text(group))),
            Name::Left => self
                .expires_at
                .is_some_and(|at| takes(Value::Length((at - context.now).num_seconds()))),
            _ => false,
        }
    }

    fn tag(&self, _: &str) -> Option<&str> {
        None
    }

    fn is(&self, word: &str, context: Context<'_>) -> bool {
        match word {
            "mine" => self.owner == context.me,
            "good" => self.expires_at.is_some(),
            _ => false,
        }
    }

    fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool {
        let texts = [&self.name, &self.owner].into_iter();
        texts
            .chain(&self.scopes)
            .chain(&self.groups)
            .any(|text| takes(text))
    }
}

impl Row for StandingView {
    fn any(&self, name: Name, context: Context<'_>, takes: Takes<'_>) -> bool {
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
