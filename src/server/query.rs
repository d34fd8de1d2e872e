//! Query strings and path parts, with one clear sentence for each that cannot be read.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::domain::ids::GrantId;
use crate::domain::refusal::Refusal;

use super::App;
use super::caller::Signed;
use super::error::Failed;

/// Rows of one page at most.
pub const PAGE_MAX: i64 = 200;
/// No target names a session longer than this.
const SESSION_MAX: usize = 64;
/// Rows of one page where the caller does not say.
pub const PAGE: i64 = 50;

/// The parameters of one call. A name that the call does not know is refused, and so is one that comes twice.
#[derive(Debug)]
pub struct Params(BTreeMap<String, String>);

impl FromRequestParts<App> for Params {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failed> {
        let query = parts.uri.query().unwrap_or_default();
        let mut params = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if params.insert(name.clone(), value).is_some() {
                return Err(bad(&name, "is given twice"));
            }
        }
        Ok(Self(params))
    }
}

fn decode(text: &str) -> Result<String, Failed> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| {
                    byte.and_then(|byte| char::from(byte).to_digit(16))
                        .and_then(|digit| u8::try_from(digit).ok())
                };
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => high * 16 + low,
                    _ => {
                        return Err(Failed::Malformed(
                            StatusCode::BAD_REQUEST,
                            "the query string has a `%` without two hex digits".to_owned(),
                        ));
                    }
                }
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| {
        Failed::Malformed(
            StatusCode::BAD_REQUEST,
            "the query string is not UTF-8".to_owned(),
        )
    })
}

fn bad(name: &str, why: &str) -> Failed {
    Failed::Malformed(
        StatusCode::BAD_REQUEST,
        format!("`{}` {why}", name.escape_default()),
    )
}

/// Says where in an answer one is, not what is asked for.
const PLACES: [&str; 7] = [
    "after", "before", "export", "format", "limit", "order", "to",
];

impl Params {
    /// What is asked for, as one text; to be called before anything is taken.
    pub fn said(&self) -> String {
        let pairs = self.0.iter();
        let asked =
            pairs.filter(|(name, value)| !PLACES.contains(&name.as_str()) && !value.is_empty());
        let texts: Vec<String> = asked
            .map(|(name, value)| match name.as_str() {
                "q" => value.clone(),
                name => format!("{name}={value}"),
            })
            .collect();
        texts.join(" ")
    }

    /// The `q`, which is still to be taken.
    pub fn filter(&self) -> String {
        self.0.get("q").cloned().unwrap_or_default()
    }

    /// Takes one text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes one text of at most so many characters.
    pub fn short(&mut self, name: &str, most: usize) -> Result<Option<String>, Failed> {
        match self.text(name) {
            Some(text) if text.chars().count() > most => {
                Err(bad(name, &format!("is longer than {most} characters")))
            }
            text => Ok(text),
        }
    }

    /// Takes one parameter of a type that says itself what it wants.
    pub fn parsed<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Failed>
    where
        T::Err: std::fmt::Display,
    {
        self.0
            .remove(name)
            .map(|text| {
                text.parse()
                    .map_err(|error| bad(name, &format!("cannot be read: {error}")))
            })
            .transpose()
    }

    /// Takes `true` or `false`; absent means `false`.
    pub fn flag(&mut self, name: &str) -> Result<bool, Failed> {
        match self.0.remove(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(bad(name, "takes `true` or `false`")),
        }
    }

    /// Takes a list of words, separated by commas, each out of a closed list.
    pub fn words(
        &mut self,
        name: &str,
        known: &[&'static str],
    ) -> Result<Vec<&'static str>, Failed> {
        let Some(text) = self.0.remove(name) else {
            return Ok(Vec::new());
        };
        text.split(',')
            .map(|word| {
                known
                    .iter()
                    .copied()
                    .find(|known| *known == word)
                    .ok_or_else(|| bad(name, &format!("takes {}", known.join(", "))))
            })
            .collect()
    }

    /// Takes the size of the page.
    pub fn limit(&mut self) -> Result<i64, Failed> {
        match self.parsed::<i64>("limit")? {
            None => Ok(PAGE),
            Some(limit @ 1..=PAGE_MAX) => Ok(limit),
            Some(_) => Err(bad("limit", "takes 1 to 200")),
        }
    }

    /// Says that nothing else was expected.
    pub fn done(self) -> Result<(), Failed> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(bad(&name, "is not a parameter of this call")),
        }
    }
}

/// An id out of the path. One that cannot exist is answered like one that does not.
pub struct Id<T>(pub T);

impl<T> FromRequestParts<App> for Id<T>
where
    T: FromStr + Send,
{
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failed> {
        // Nobody is told what is wrong with a call before it is known who calls.
        Signed::from_request_parts(parts, app).await?;
        let text = Path::<String>::from_request_parts(parts, app)
            .await
            .map(|Path(text)| text)
            .unwrap_or_default();
        let unknown = Refusal::NotFound {
            what: "record",
            name: text.escape_default().to_string(),
        };
        text.parse().map(Self).map_err(|_| unknown.into())
    }
}

/// A grant and one of its sessions, out of the path.
pub struct SessionOf(pub GrantId, pub String);

impl FromRequestParts<App> for SessionOf {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failed> {
        // Nobody is told what is wrong with a call before it is known who calls.
        Signed::from_request_parts(parts, app).await?;
        let (grant, session) = Path::<(String, String)>::from_request_parts(parts, app)
            .await
            .map(|Path(both)| both)
            .unwrap_or_default();
        let unknown = |name: &str| Refusal::NotFound {
            what: "session",
            name: name.escape_default().to_string(),
        };
        let fits = (1..=SESSION_MAX).contains(&session.len())
            && session
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        let grant = grant.parse().map_err(|_| unknown(&grant))?;
        if fits {
            Ok(Self(grant, session))
        } else {
            Err(unknown(&session).into())
        }
    }
}
