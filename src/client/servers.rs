//! The addresses of one installation: one, or those of its nodes. The first names the sign-in, whichever is called.

use std::fmt;
use std::str::FromStr;

use crate::client::{ClientError, ServerUrl};

/// One or more addresses of one installation, each checked as if it were alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers {
    first: ServerUrl,
    others: Vec<ServerUrl>,
}

impl Servers {
    /// The one that names the sign-in and everything that is kept for it.
    pub fn first(&self) -> &ServerUrl {
        &self.first
    }

    /// All of them, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &ServerUrl> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl From<ServerUrl> for Servers {
    fn from(first: ServerUrl) -> Self {
        Self {
            first,
            others: Vec::new(),
        }
    }
}

impl FromStr for Servers {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let mut parts = text.split(',');
        let mut servers = Self::from(parts.next().unwrap_or_default().parse::<ServerUrl>()?);
        for part in parts {
            let server = part.parse()?;
            if !servers.iter().any(|known| *known == server) {
                servers.others.push(server);
            }
        }
        Ok(servers)
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.iter().map(ToString::to_string).collect();
        f.pad(&all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_list_is_checked_and_counts_once() {
        let servers: Servers = "https://a.example, https://b.example/,https://a.example"
            .parse()
            .unwrap();
        assert_eq!(servers.to_string(), "https://a.example,https://b.example");
        assert_eq!(servers.first().to_string(), "https://a.example");
        for bad in [
            "",
            ",https://a.example",
            "https://a.example,",
            "https://a.example,http://b.example",
            "https://a.example https://b.example",
        ] {
            assert!(bad.parse::<Servers>().is_err(), "{bad}");
        }
    }
}
