//! The product roles of somebody, each for every target or for those with certain tags.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::extent::{Extent, Tag, Tags};
use super::principal::ProductRole;

/// A product role as it is given: `reviewer`, or `reviewer@env:staging` for targets with that tag alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GivenRole {
    pub role: ProductRole,
    pub tag: Option<Tag>,
}

impl fmt::Display for GivenRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            None => f.write_str(self.role.as_str()),
            Some(tag) => write!(f, "{}@{tag}", self.role.as_str()),
        }
    }
}

impl std::str::FromStr for GivenRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (role, tag) = match text.split_once('@') {
            Some((role, tag)) => (role, Some(tag)),
            None => (text, None),
        };
        let role: ProductRole = role.parse()?;
        let tag = tag.map(|tag| {
            tag.parse::<Tag>()
                .map_err(|error| format!("`{}@` is followed by a tag: {error}", role.as_str()))
        });
        let tag = tag.transpose()?;
        if role == ProductRole::Operator && tag.is_some() {
            return Err(
                "`operator` cannot be limited to a tag: metrics are of the whole server".to_owned(),
            );
        }
        Ok(Self { role, tag })
    }
}

impl From<ProductRole> for GivenRole {
    fn from(role: ProductRole) -> Self {
        Self { role, tag: None }
    }
}

/// Every product role of somebody, with where it holds. Kept and shown as a list of words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles(BTreeMap<ProductRole, Extent>);

impl Roles {
    /// Where this role holds.
    pub fn extent(&self, role: ProductRole) -> &Extent {
        self.0.get(&role).unwrap_or(&Extent::Nowhere)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is this one, on some target at least.
    pub fn contains(&self, role: ProductRole) -> bool {
        self.0.contains_key(&role)
    }

    /// The roles that hold on a target with these tags.
    pub fn on<'a>(&'a self, tags: &'a Tags) -> impl Iterator<Item = ProductRole> + 'a {
        let place = super::extent::Place::On(Some(tags));
        let here = move |(_, extent): &(&ProductRole, &Extent)| extent.covers(place);
        self.0.iter().filter(here).map(|(role, _)| *role)
    }

    /// The roles as they were given, without what another one takes in.
    pub fn given(&self) -> impl Iterator<Item = GivenRole> {
        self.0.iter().flat_map(|(role, extent)| {
            let role = *role;
            let tags: Vec<Option<Tag>> = match extent {
                Extent::Nowhere => Vec::new(),
                Extent::Everywhere => vec![None],
                Extent::Tagged(tags) => tags.iter().cloned().map(Some).collect(),
            };
            tags.into_iter().map(move |tag| GivenRole { role, tag })
        })
    }

    /// Each role by its word.
    pub fn words(&self) -> Vec<String> {
        self.given().map(|given| given.to_string()).collect()
    }
}

impl FromIterator<GivenRole> for Roles {
    fn from_iter<T: IntoIterator<Item = GivenRole>>(given: T) -> Self {
        let mut roles = Self::default();
        for GivenRole { role, tag } in given {
            roles.0.entry(role).or_default().widen(&Extent::of(tag));
        }
        roles
    }
}

impl FromIterator<ProductRole> for Roles {
    fn from_iter<T: IntoIterator<Item = ProductRole>>(roles: T) -> Self {
        roles.into_iter().map(GivenRole::from).collect()
    }
}

impl<const N: usize> From<[ProductRole; N]> for Roles {
    fn from(roles: [ProductRole; N]) -> Self {
        roles.into_iter().collect()
    }
}

impl Serialize for GivenRole {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GivenRole {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Roles {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.given())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Vec::<GivenRole>::deserialize(deserializer)?;
        Ok(given.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(words: &[&str]) -> Roles {
        let given = words.iter().map(|word| word.parse::<GivenRole>().unwrap());
        given.collect()
    }

    #[test]
    fn a_role_for_every_target_takes_in_the_same_role_for_some() {
        let words = [
            "reviewer@team:payments",
            "requester",
            "reviewer@env=staging",
        ];
        assert_eq!(
            roles(&words).words(),
            [
                "requester",
                "reviewer@env:staging",
                "reviewer@team:payments"
            ]
        );
        let wide = roles(&["reviewer@env:staging", "reviewer"]);
        assert_eq!(wide.words(), ["reviewer"]);
    }

    #[test]
    fn roles_are_kept_as_they_were_given() {
        let kept = r#"["requester","reviewer@env:staging"]"#;
        let read: Roles = serde_json::from_str(kept).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), kept);
    }

    #[test]
    fn a_role_that_cannot_be_read_says_how_it_is_written() {
        let said = |text: &str| text.parse::<GivenRole>().unwrap_err();
        assert_eq!(
            said("reviewer@staging"),
            "`reviewer@` is followed by a tag: a tag is written like `env:staging`"
        );
        assert_eq!(
            said("boss@env:staging"),
            "product roles are requester, reviewer, admin, auditor and operator"
        );
        assert_eq!(
            said("operator@env:staging"),
            "`operator` cannot be limited to a tag: metrics are of the whole server"
        );
    }
}
