//! For which targets a product role holds: for all of them, or for those that have one of some tags.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::RoleName;

/// The tags of one target.
pub type Tags = BTreeMap<String, String>;

/// No tag of a catalogue has a longer value.
const VALUE_MAX: usize = 200;

/// One tag that a target can have, written `env:staging`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    pub name: String,
    pub value: String,
}

impl Tag {
    /// Whether a target with these tags has it.
    pub fn is_on(&self, tags: &Tags) -> bool {
        tags.get(&self.name) == Some(&self.value)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.value)
    }
}

impl std::str::FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a tag is written like `env:staging`".to_owned();
        let (name, value) = text.split_once([':', '=']).ok_or_else(wrong)?;
        // A catalogue takes the same names for tags as for roles.
        let fits = name.parse::<RoleName>().is_ok()
            && (1..=VALUE_MAX).contains(&value.chars().count())
            && !value.chars().any(char::is_control);
        if fits {
            Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            })
        } else {
            Err(wrong())
        }
    }
}

impl Serialize for Tag {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// On every target, also those that are still to come; and whatever is about no target.
    Everywhere,
    /// On one target at least: whether it is worth looking which one it is about.
    Somewhere,
    /// On one target, with its tags; none where nobody knows them any more.
    On(Option<&'a Tags>),
    /// On every target that has this tag, whatever else it has.
    Tagged(&'a Tag),
}

/// The targets for which something holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Extent {
    #[default]
    Nowhere,
    /// Those that have at least one of these tags.
    Tagged(BTreeSet<Tag>),
    Everywhere,
}

impl Extent {
    /// Everywhere, or on the targets with one tag.
    pub fn of(tag: Option<Tag>) -> Self {
        tag.map_or(Self::Everywhere, |tag| Self::Tagged([tag].into()))
    }

    /// Takes another extent in, too.
    pub fn widen(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Everywhere, _) | (_, Self::Nowhere) => {}
            (Self::Tagged(mine), Self::Tagged(more)) => mine.extend(more.iter().cloned()),
            (_, other) => *self = other.clone(),
        }
    }

    /// Whether it takes in this place, whole.
    pub fn covers(&self, place: Place<'_>) -> bool {
        match (self, place) {
            (Self::Everywhere, _) | (Self::Tagged(_), Place::Somewhere) => true,
            (Self::Nowhere, _) | (Self::Tagged(_), Place::Everywhere) => false,
            (Self::Tagged(tags), Place::On(on)) => {
                on.is_some_and(|on| tags.iter().any(|tag| tag.is_on(on)))
            }
            (Self::Tagged(tags), Place::Tagged(tag)) => tags.contains(tag),
        }
    }

    /// The targets as words that follow "on" or "for".
    pub fn sentence(&self) -> String {
        match self {
            Self::Nowhere => "no target".to_owned(),
            Self::Everywhere => "every target".to_owned(),
            Self::Tagged(tags) => {
                let tags: Vec<String> = tags.iter().map(|tag| format!("`{tag}`")).collect();
                format!("targets with {}", tags.join(" or "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn on(of: &[&str]) -> Tags {
        let tags = of.iter().map(|text| tag(text));
        tags.map(|tag| (tag.name, tag.value)).collect()
    }

    #[test]
    fn a_tag_is_written_as_it_is_read() {
        assert_eq!(tag("env=staging"), tag("env:staging"));
        assert_eq!(tag("env:staging").to_string(), "env:staging");
        assert_eq!(tag("host:db:5432").value, "db:5432");
        for wrong in ["", "env", "env:", ":staging", "En v:x", "env:a\nb"] {
            assert!(wrong.parse::<Tag>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_extent_covers_what_has_one_of_its_tags_and_nothing_else() {
        let mut extent = Extent::of(Some(tag("env:staging")));
        extent.widen(&Extent::of(Some(tag("team:payments"))));
        extent.widen(&Extent::Nowhere);
        for (tags, covered) in [
            (vec!["env:staging"], true),
            (vec!["env:prod", "team:payments"], true),
            (vec!["env:prod", "team:search"], false),
            (vec![], false),
        ] {
            assert_eq!(extent.covers(Place::On(Some(&on(&tags)))), covered);
        }
        assert!(!extent.covers(Place::On(None)));
        assert!(!extent.covers(Place::Everywhere));
        assert!(extent.covers(Place::Somewhere));
        assert!(extent.covers(Place::Tagged(&tag("env:staging"))));
        assert!(!extent.covers(Place::Tagged(&tag("env:prod"))));
        extent.widen(&Extent::Everywhere);
        assert!(extent.covers(Place::Everywhere));
        extent.widen(&Extent::of(Some(tag("env:staging"))));
        assert_eq!(extent, Extent::Everywhere);
        assert!(!Extent::Nowhere.covers(Place::Somewhere));
    }
}
