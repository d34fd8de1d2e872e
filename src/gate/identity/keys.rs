//! The provider's published keys, and whether a signature is made with one of them.
//!
//! `ring` does the arithmetic. The algorithm comes from our list and has to fit the key: what the token says only
//! chooses between the four, so neither `none` nor a secret shared with nobody can pass for a signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

use crate::domain::provider::ProviderFault as Fault;

/// No provider signs with more keys at once.
const KEYS_MAX: usize = 100;
/// The largest ID token that is looked at.
const TOKEN_MAX: usize = 32 * 1024;

/// The kinds of signature that are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Ps256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// What the provider may say in `alg`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }

    fn fits(self, key: &Material) -> bool {
        match self {
            Self::Rs256 | Self::Ps256 => matches!(key, Material::Rsa { .. }),
            Self::Es256 => matches!(key, Material::P256(_)),
            Self::EdDsa => matches!(key, Material::Ed25519(_)),
        }
    }
}

enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

struct PublicKey {
    id: Option<String>,
    /// The one algorithm it is for, where it says so.
    only: Option<Algorithm>,
    material: Material,
}

/// The keys of one provider.
pub(super) struct Keys(Vec<PublicKey>);

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private half of every kind of key.
    d: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

impl Keys {
    /// Reads a key set. Keys that are for something else are passed over; a set that gives itself away is refused.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let published: Published = serde_json::from_slice(bytes).map_err(|_| Fault::NotJson)?;
        if published.keys.len() > KEYS_MAX {
            return Err(Fault::KeysMany);
        }
        let mut keys: Vec<PublicKey> = Vec::new();
        for value in published.keys {
            // A key of a kind that we do not know may have any form.
            let Ok(jwk) = serde_json::from_value::<Jwk>(value) else {
                continue;
            };
            if jwk.d.is_some() {
                return Err(Fault::KeysPrivate);
            }
            let Some(key) = PublicKey::of(jwk) else {
                continue;
            };
            if key.id.is_some() && keys.iter().any(|other| other.id == key.id) {
                return Err(Fault::KeysTwice);
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(Fault::KeysEmpty);
        }
        Ok(Self(keys))
    }

    /// Checks the signature of a token and gives what it says, or why it says nothing.
    pub(super) fn verify(&self, token: &str) -> Result<(Algorithm, Vec<u8>), Fault> {
        if token.len() > TOKEN_MAX {
            return Err(Fault::TokenTooLarge);
        }
        let mut parts = token.split('.');
        let (Some(head), Some(body), Some(sign), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::TokenForm);
        };
        let (Some(head_bytes), Some(claims), Some(signature)) =
            (decode(head), decode(body), decode(sign))
        else {
            return Err(Fault::TokenForm);
        };
        let read: Head = serde_json::from_slice(&head_bytes).map_err(|_| Fault::TokenHeader)?;
        if read.crit.is_some() {
            return Err(Fault::TokenCritical);
        }
        if read
            .typ
            .is_some_and(|kind| !kind.eq_ignore_ascii_case("jwt"))
        {
            return Err(Fault::TokenHeader);
        }
        let algorithm = Algorithm::named(&read.alg).ok_or(Fault::TokenAlgorithm)?;
        let key = self.choose(read.kid.as_deref(), algorithm)?;
        let signed = token
            .rsplit_once('.')
            .map(|(signed, _)| signed)
            .ok_or(Fault::TokenForm)?;
        if key.has_signed(algorithm, signed.as_bytes(), &signature) {
            Ok((algorithm, claims))
        } else {
            Err(Fault::TokenSignature)
        }
    }

    fn choose(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&PublicKey, Fault> {
        let suits = |key: &PublicKey| {
            algorithm.fits(&key.material) && key.only.is_none_or(|only| only == algorithm)
        };
        if let Some(id) = id {
            let named = self.0.iter().find(|key| key.id.as_deref() == Some(id));
            let key = named.ok_or(Fault::TokenKey)?;
            return if suits(key) {
                Ok(key)
            } else {
                Err(Fault::TokenKeyMismatch)
            };
        }
        // Without a name there must be no doubt which one is meant.
        let mut fitting = self.0.iter().filter(|key| suits(key));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            _ => Err(Fault::TokenKey),
        }
    }
}

impl PublicKey {
    fn of(jwk: Jwk) -> Option<Self> {
        if jwk.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        if jwk
            .key_ops
            .is_some_and(|uses| !uses.iter().any(|one| one == "verify"))
        {
            return None;
        }
        let only = match jwk.alg {
            Some(name) => Some(Algorithm::named(&name)?),
            None => None,
        };
        let part = |text: Option<String>| text.and_then(|text| decode(&text));
        let fixed = |text: Option<String>| part(text).filter(|bytes| bytes.len() == 32);
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Material::Rsa {
                n: part(jwk.n)?,
                e: part(jwk.e)?,
            },
            ("EC", Some("P-256")) => {
                let mut point = vec![4];
                point.extend(fixed(jwk.x)?);
                point.extend(fixed(jwk.y)?);
                Material::P256(point)
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(fixed(jwk.x)?),
            _ => return None,
        };
        Some(Self {
            id: jwk.kid,
            only,
            material,
        })
    }

    fn has_signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let checked =
            match (&self.material, algorithm) {
                (Material::Rsa { n, e }, Algorithm::Rs256) => RsaPublicKeyComponents { n, e }
                    .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature),
                (Material::Rsa { n, e }, Algorithm::Ps256) => RsaPublicKeyComponents { n, e }
                    .verify(&signature::RSA_PSS_2048_8192_SHA256, message, signature),
                (Material::P256(point), Algorithm::Es256) => {
                    UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                        .verify(message, signature)
                }
                (Material::Ed25519(point), Algorithm::EdDsa) => {
                    UnparsedPublicKey::new(&signature::ED25519, point).verify(message, signature)
                }
                _ => return false,
            };
        checked.is_ok()
    }
}
