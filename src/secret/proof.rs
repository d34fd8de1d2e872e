//! Proofs of possession (RFC 9449): a device signs each call with a key that never leaves it.
//!
//! A token that is copied without the key is worth nothing. `ES256` is the only algorithm: a proof says which one it
//! was made with, and nothing that a caller says may choose how it is checked.

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};

use super::{Secret, random};

/// A proof is a few hundred bytes; more is none.
const LONGEST: usize = 4096;
/// Bytes of one coordinate of a point.
const COORDINATE: usize = 32;

/// The key of one device. `Debug` shows its thumbprint only.
pub struct DeviceKey {
    pair: EcdsaKeyPair,
    jwk: Jwk,
    thumbprint: String,
    rng: SystemRandom,
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceKey({})", self.thumbprint)
    }
}

impl DeviceKey {
    /// Makes a key, as one line of text to keep.
    pub fn generate() -> anyhow::Result<Secret> {
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_| anyhow!("the operating system gave no random bytes"))?;
        Ok(Secret::new(URL_SAFE_NO_PAD.encode(made.as_ref())))
    }

    /// Reads a key that `generate` made.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let wrong = || anyhow!("this is not the key of a device");
        let mut bytes = URL_SAFE_NO_PAD
            .decode(text.trim_end())
            .map_err(|_| wrong())?;
        let rng = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, &rng)
            .map_err(|_| wrong());
        zeroize::Zeroize::zeroize(&mut bytes);
        let pair = pair?;
        let point = pair.public_key().as_ref();
        let half = |from: usize| {
            let part = point.get(from..from + COORDINATE);
            part.map(|part| URL_SAFE_NO_PAD.encode(part))
                .context("the public key of this device is not a point")
        };
        let jwk = Jwk {
            kty: "EC".to_owned(),
            crv: "P-256".to_owned(),
            x: half(1)?,
            y: half(1 + COORDINATE)?,
        };
        Ok(Self {
            thumbprint: jwk.thumbprint(),
            pair,
            jwk,
            rng,
        })
    }

    /// What the server knows the key by.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Signs one call: its method, its address without query, the present second, and the token that goes with it.
    pub fn prove(
        &self,
        method: &str,
        address: &str,
        at: i64,
        token: Option<&str>,
    ) -> anyhow::Result<String> {
        let header = Header {
            typ: TYPE.to_owned(),
            alg: ALGORITHM.to_owned(),
            jwk: self.jwk.clone(),
        };
        let claims = Claims {
            jti: URL_SAFE_NO_PAD.encode(random::<16>()?),
            htm: method.to_owned(),
            htu: address.to_owned(),
            iat: at,
            ath: token.map(digest_of),
        };
        let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
        let signed = format!(
            "{}.{}",
            part(serde_json::to_vec(&header)?),
            part(serde_json::to_vec(&claims)?)
        );
        let signature = self
            .pair
            .sign(&self.rng, signed.as_bytes())
            .map_err(|_| anyhow!("the key of this device does not sign"))?;
        Ok(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature.as_ref())
        ))
    }
}

const TYPE: &str = "dpop+jwt";
const ALGORITHM: &str = "ES256";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Jwk {
    // In the order in which a thumbprint needs them.
    crv: String,
    kty: String,
    x: String,
    y: String,
}

impl Jwk {
    /// RFC 7638.
    fn thumbprint(&self) -> String {
        digest_of(&format!(
            r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{}"}}"#,
            self.crv, self.kty, self.x, self.y
        ))
    }

    fn point(&self) -> Option<Vec<u8>> {
        let half = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            (bytes.len() == COORDINATE).then_some(bytes)
        };
        let mut point = vec![4];
        point.extend(half(&self.x)?);
        point.extend(half(&self.y)?);
        Some(point)
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Jwk,
}

/// What is read of a header before anything in it is believed; a private key in it is a mistake to refuse.
#[derive(Deserialize)]
struct AnyHeader {
    typ: String,
    alg: String,
    jwk: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
}

/// A proof whose signature is right. What it is about is still to be compared with the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The thumbprint of the key that signed.
    pub thumbprint: String,
    /// Names the proof: no other has it.
    pub jti: String,
    pub method: String,
    pub address: String,
    /// When it was made, in seconds since 1970 by the clock of the device.
    pub at: i64,
    /// The digest of the token that it goes with.
    pub token: Option<String>,
}

impl Proof {
    /// Reads what came in a `DPoP` header; the error ends the sentence "the proof of the device key is not valid:".
    pub fn read(text: &str) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("it is longer than any proof");
        }
        let form = "it is not a signed token";
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(form);
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| form);
        let kind: AnyHeader =
            serde_json::from_slice(&decode(header)?).map_err(|_| "its header is not complete")?;
        if kind.typ != TYPE {
            return Err("its type is not `dpop+jwt`");
        }
        if kind.alg != ALGORITHM {
            return Err("it is not signed with ES256");
        }
        if kind.crit.is_some() {
            return Err("it demands extensions that are not known");
        }
        if kind.jwk.contains_key("d") {
            return Err("it has a private key in it");
        }
        let jwk: Jwk = serde_json::from_value(serde_json::Value::Object(kind.jwk))
            .map_err(|_| "its key is not one for ES256")?;
        if (jwk.kty.as_str(), jwk.crv.as_str()) != ("EC", "P-256") {
            return Err("its key is not one for ES256");
        }
        let point = jwk.point().ok_or("its key is not one for ES256")?;
        let signed = text.rsplit_once('.').map_or("", |(signed, _)| signed);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &decode(signature)?)
            .map_err(|_| "its signature is wrong")?;
        let claims: Claims =
            serde_json::from_slice(&decode(claims)?).map_err(|_| "its claims are not complete")?;
        if claims.jti.is_empty() || claims.jti.len() > 256 {
            return Err("its `jti` is empty or too long");
        }
        Ok(Self {
            thumbprint: jwk.thumbprint(),
            jti: claims.jti,
            method: claims.htm,
            address: claims.htu,
            at: claims.iat,
            token: claims.ath,
        })
    }

    /// Whether the proof was made for this token, or, without one, for no token.
    pub fn is_for(&self, token: Option<&str>) -> bool {
        match (token, &self.token) {
            (None, _) => true,
            (Some(token), Some(digest)) => {
                super::same(digest_of(token).as_bytes(), digest.as_bytes())
            }
            (Some(_), None) => false,
        }
    }
}

fn digest_of(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://pc.example.com/v1/me";

    fn key() -> DeviceKey {
        DeviceKey::read(DeviceKey::generate().unwrap().expose()).unwrap()
    }

    fn forged(header: &str) -> String {
        let proof = key().prove("GET", ADDRESS, 7, None).unwrap();
        let (_, rest) = proof.split_once('.').unwrap();
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn what_was_signed_is_what_is_read() {
        let key = key();
        let text = key.prove("GET", ADDRESS, 7, Some("token")).unwrap();
        let proof = Proof::read(&text).unwrap();
        assert_eq!(proof.thumbprint, key.thumbprint());
        assert_eq!(
            (proof.method.as_str(), proof.address.as_str(), proof.at),
            ("GET", ADDRESS, 7)
        );
        assert!(proof.is_for(Some("token")));
        assert!(!proof.is_for(Some("another")));
        let other = key.prove("GET", ADDRESS, 7, Some("token")).unwrap();
        assert_ne!(Proof::read(&other).unwrap().jti, proof.jti);
        let bare = key.prove("GET", ADDRESS, 7, None).unwrap();
        assert!(!Proof::read(&bare).unwrap().is_for(Some("token")));
    }

    /// RFC 9449, figures 2 and 5: what others make is understood.
    #[test]
    fn the_example_of_the_rfc_is_read() {
        let text = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
        let proof = Proof::read(text).unwrap();
        assert_eq!(proof.address, "https://server.example.com/token");
        // RFC 9449, section 6.1.
        assert_eq!(
            proof.thumbprint,
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
    }

    #[test]
    fn a_changed_proof_is_refused() {
        let text = key().prove("GET", ADDRESS, 7, None).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(Proof::read(&changed).is_err(), "{at}: {changed}");
        }
    }

    #[test]
    fn nothing_that_a_proof_says_chooses_how_it_is_checked() {
        let jwk = r#""jwk":{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}"#;
        for (header, why) in [
            (format!(r#"{{"typ":"dpop+jwt","alg":"none",{jwk}}}"#), "it is not signed with ES256"),
            (format!(r#"{{"typ":"dpop+jwt","alg":"HS256",{jwk}}}"#), "it is not signed with ES256"),
            (format!(r#"{{"typ":"JWT","alg":"ES256",{jwk}}}"#), "its type is not `dpop+jwt`"),
            (format!(r#"{{"typ":"dpop+jwt","alg":"ES256","crit":["x"],{jwk}}}"#), "it demands extensions that are not known"),
            (format!(r#"{{"typ":"dpop+jwt","alg":"ES256",{jwk}}}"#), "its signature is wrong"),
            (r#"{"typ":"dpop+jwt","alg":"ES256"}"#.to_owned(), "its header is not complete"),
            (r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"RSA","e":"AQAB","n":"x"}}"#.to_owned(), "its key is not one for ES256"),
            (r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"oct","k":"AA"}}"#.to_owned(), "its key is not one for ES256"),
            (r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}"#.to_owned(), "its key is not one for ES256"),
            (r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}}"#.to_owned(), "it has a private key in it"),
        ] {
            assert_eq!(Proof::read(&forged(&header)), Err(why), "{header}");
        }
        for text in ["", ".", "..", "...", "a.b.c", "a.b", &"x".repeat(5000)] {
            assert!(Proof::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_that_was_kept_is_the_same_key() {
        let text = DeviceKey::generate().unwrap();
        let (one, two) = (
            DeviceKey::read(text.expose()).unwrap(),
            DeviceKey::read(text.expose()).unwrap(),
        );
        assert_eq!(one.thumbprint(), two.thumbprint());
        assert!(!format!("{one:?}").contains(text.expose()));
        assert!(DeviceKey::read("AAAA").is_err());
    }
}
