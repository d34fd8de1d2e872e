//! What an ID token says, once its signature is known to be the provider's, and whether it is for us and for now.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::digest;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::Identity as Settings;
use crate::domain::provider::ProviderFault as Fault;

use super::keys::Algorithm;

/// How far two clocks may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// `OpenID` Connect allows no longer subject.
const SUBJECT_MAX: usize = 255;

/// What a token has to be about.
pub(super) struct Expected<'a> {
    /// The sign-in; none when the provider is asked again later.
    pub(super) sign_in: Option<Beginning<'a>>,
    pub(super) access_token: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

/// The beginning of a sign-in.
#[derive(Clone, Copy)]
pub(super) struct Beginning<'a> {
    /// What comes back in the token, where a browser was sent away with it: the device flow has none.
    pub(super) nonce: Option<&'a str>,
    pub(super) at: DateTime<Utc>,
}

/// What is believed of a token.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) auth_time: Option<DateTime<Utc>>,
    pub(super) acr: Option<String>,
    pub(super) amr: Vec<String>,
    /// Everything else, among it name and groups.
    pub(super) others: Map<String, Value>,
}

#[derive(Deserialize)]
struct Raw {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    at_hash: Option<String>,
    auth_time: Option<f64>,
    acr: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// Reads and checks the claims of a token whose signature is good.
pub(super) fn check(
    settings: &Settings,
    algorithm: Algorithm,
    claims: &[u8],
    expected: &Expected<'_>,
) -> Result<Claims, Fault> {
    let raw: Raw = serde_json::from_slice(claims).map_err(|_| Fault::TokenClaims)?;
    if raw.iss != settings.issuer {
        return Err(Fault::TokenIssuer);
    }
    let audience = raw.aud.names();
    if !audience.contains(&settings.client_id) {
        return Err(Fault::TokenAudience);
    }
    // A token for several is ours only when it says that it was issued to us.
    if raw
        .azp
        .as_ref()
        .map_or(audience.len() > 1, |party| *party != settings.client_id)
    {
        return Err(Fault::TokenParty);
    }
    let now = expected.now;
    if moment(raw.exp)? + LEEWAY <= now {
        return Err(Fault::TokenExpired);
    }
    let issued = moment(raw.iat)?;
    let from = raw.nbf.map(moment).transpose()?;
    if issued - LEEWAY > now || from.is_some_and(|from| from - LEEWAY > now) {
        return Err(Fault::TokenTooEarly);
    }
    if let Some(sign_in) = expected.sign_in {
        if sign_in.nonce.is_some() && raw.nonce.as_deref() != sign_in.nonce {
            return Err(Fault::TokenNonce);
        }
        if issued + LEEWAY < sign_in.at {
            return Err(Fault::TokenTooOld);
        }
    }
    if let Some(hash) = &raw.at_hash {
        let token = expected.access_token.ok_or(Fault::TokenAccessHash)?;
        if *hash != half_hash(algorithm, token) {
            return Err(Fault::TokenAccessHash);
        }
    }
    check_subject(&raw.sub)?;
    Ok(Claims {
        subject: raw.sub,
        auth_time: raw.auth_time.map(moment).transpose()?,
        acr: raw.acr,
        amr: raw.amr,
        others: raw.others,
    })
}

/// A subject is compared letter by letter, and has to be ASCII by the protocol: letters that only look alike are none.
pub(super) fn check_subject(subject: &str) -> Result<(), Fault> {
    let plain = !subject.is_empty() && subject.len() <= SUBJECT_MAX;
    if plain
        && subject
            .chars()
            .all(|letter| letter == ' ' || letter.is_ascii_graphic())
    {
        Ok(())
    } else {
        Err(Fault::TokenSubject)
    }
}

fn moment(seconds: f64) -> Result<DateTime<Utc>, Fault> {
    // Beyond the year 5000 it is a mistake, as in milliseconds.
    if !(0.0..1e11).contains(&seconds) {
        return Err(Fault::TokenClaims);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was just checked"
    )]
    DateTime::from_timestamp(seconds as i64, 0).ok_or(Fault::TokenClaims)
}

fn half_hash(algorithm: Algorithm, token: &str) -> String {
    let kind = if algorithm == Algorithm::EdDsa {
        &digest::SHA512
    } else {
        &digest::SHA256
    };
    let whole = digest::digest(kind, token.as_bytes());
    let bytes = whole.as_ref();
    URL_SAFE_NO_PAD.encode(bytes.get(..bytes.len() / 2).unwrap_or_default())
}

impl Claims {
    /// Somebody of whom no token says anything new.
    pub(super) fn of(subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            others: Map::new(),
        }
    }
}
