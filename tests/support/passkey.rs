//! An authenticator that can lie: makes a passkey and signs with it, as software.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::client::Client;
use portcullis::secret;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::world::key;

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const MADE: u8 = 0x40;

/// One passkey.
pub(crate) struct Passkey {
    pair: EcdsaKeyPair,
    id: Vec<u8>,
    counter: AtomicU32,
    pub(crate) lie: Lie,
}

/// What it says other than it is.
#[derive(Debug, Clone)]
pub(crate) struct Lie {
    pub(crate) origin: &'static str,
    pub(crate) party: &'static str,
    pub(crate) kind: Option<&'static str>,
    pub(crate) present: bool,
    pub(crate) verified: bool,
    /// Signs something else than it shows.
    pub(crate) other_signature: bool,
}

impl Default for Lie {
    fn default() -> Self {
        Self {
            origin: "http://localhost:45678",
            party: "localhost",
            kind: None,
            present: true,
            verified: true,
            other_signature: false,
        }
    }
}

impl Passkey {
    /// One that nobody has added yet.
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let sort = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(sort, &random).unwrap();
        Self {
            pair: EcdsaKeyPair::from_pkcs8(sort, document.as_ref(), &random).unwrap(),
            id: secret::random::<32>().unwrap().to_vec(),
            counter: AtomicU32::new(1),
            lie: Lie::default(),
        }
    }

    /// One that somebody has just added; with its recovery codes when it is the first factor.
    pub(crate) async fn of(client: &Client) -> (Self, String, Vec<String>) {
        let passkey = Self::new();
        let (id, options) = client.begin_passkey("laptop", &key()).await.unwrap();
        let answer = passkey.make(&options);
        let confirmed = client.confirm_passkey(&id, answer, &key()).await.unwrap();
        (passkey, id, confirmed.recovery_codes)
    }

    /// What it says when a browser makes it.
    pub(crate) fn make(&self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.create", options);
        let mut about = self.about(MADE);
        about.extend([0; 16]);
        about.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        about.extend(&self.id);
        let point = self.pair.public_key().as_ref();
        about.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        about.extend(&point[1..33]);
        about.extend([0x22, 0x58, 0x20]);
        about.extend(&point[33..65]);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(about.len()).unwrap());
        object.extend(about);
        json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key",
            "response": { "clientDataJSON": text(&client_data), "attestationObject": text(&object), "transports": ["internal"] },
        })
    }

    /// What it says when a browser asks it to sign.
    pub(crate) fn sign(&self, options: &Value) -> Value {
        self.counter.fetch_add(1, Ordering::Relaxed);
        let client_data = self.client_data("webauthn.get", options);
        let about = self.about(0);
        let mut signed = about.clone();
        signed.extend(digest(&SHA256, &client_data).as_ref());
        if self.lie.other_signature {
            signed.push(0);
        }
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key",
            "response": {
                "clientDataJSON": text(&client_data), "authenticatorData": text(&about),
                "signature": text(signature.as_ref()), "userHandle": null,
            },
        })
    }

    /// Says the next time that it has signed this often.
    pub(crate) fn counts(&self, counter: u32) {
        self.counter.store(counter, Ordering::Relaxed);
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = &options["publicKey"]["challenge"];
        let kind = self.lie.kind.unwrap_or(kind);
        let said = json!({"type": kind, "challenge": challenge, "origin": self.lie.origin, "crossOrigin": false});
        serde_json::to_vec(&said).unwrap()
    }

    fn about(&self, flags: u8) -> Vec<u8> {
        let mut about = digest(&SHA256, self.lie.party.as_bytes()).as_ref().to_vec();
        let present = if self.lie.present { PRESENT } else { 0 };
        let verified = if self.lie.verified { VERIFIED } else { 0 };
        about.push(flags | present | verified);
        about.extend(self.counter.load(Ordering::Relaxed).to_be_bytes());
        about
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
