//! What sign-ins and service accounts have to say to a filter.

use crate::wire::{ServiceView, SignInView};

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
