//! Passkeys (`WebAuthn`): what an authenticator is asked to sign, and whether it did.
//!
//! The page that asks is served by the client at `http://localhost`, so that is the relying party of every passkey.
//! Any server could then ask for a signature meant for another one; so what is signed is no bare random number but
//! one mixed with the address of the server and with the calls, and the client mixes it by itself ([`challenge`]).

use std::collections::BTreeSet;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde::de::DeserializeOwned;
use serde_json::Value;
use webauthn_rs::prelude::{
    Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

/// The relying party, and the only host whose pages can use these passkeys.
const PARTY: &str = "localhost";
const ORIGIN: &str = "http://localhost";
/// Where the library keeps in its state what has to be signed.
const SIGNED: &str = "/ast/challenge";
/// Where it keeps the passkeys that may sign.
const KNOWN: &str = "/ast/credentials";
/// Where the options for a browser have it.
const OPTION: &str = "/publicKey/challenge";

/// A question for a browser, and what has to be kept to judge the answer.
#[derive(Debug)]
pub struct Asked {
    /// For `navigator.credentials`, with bytes in base64url.
    pub options: Value,
    pub state: String,
}

/// An authenticator that answered rightly.
#[derive(Debug, PartialEq, Eq)]
pub struct Answered {
    /// The credential, which is no secret.
    pub credential: String,
    /// What is public of it, as it is to be kept.
    pub public: String,
    /// How often it has signed; zero where it does not count.
    pub counter: i64,
}

/// An answer that is not taken, in words for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnswered(pub &'static str);

/// What has to be signed for these calls on this server: it cannot be used for others, or on another server.
pub fn challenge(server: &str, digests: &BTreeSet<String>, random: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let start = ["portcullis step-up", server, random].into_iter();
    for part in start.chain(digests.iter().map(String::as_str)) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(context.finish())
}

/// What stands for a sign-in to a local account, where a passkey signs for calls: this account, from the device with
/// this key. A passkey that signs for another account, or on another machine, signs something else.
pub fn sign_in(name: &str, device_key: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in ["portcullis sign-in", name, device_key] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    digest
        .as_ref()
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Puts what has to be signed into options that have a random number there, and answers nothing when they have none.
pub fn mix(options: &mut Value, server: &str, digests: &BTreeSet<String>) -> Option<()> {
    let place = options.pointer_mut(OPTION)?;
    let mixed = challenge(server, digests, place.as_str()?);
    *place = Value::from(mixed);
    Some(())
}

/// Asks for a new passkey. `user` names the person to authenticators, and must differ between servers; `known` are the
/// credentials that the person has already.
pub fn ask_for_new(user: [u8; 16], name: &str, known: &[String]) -> anyhow::Result<Asked> {
    let known = known
        .iter()
        .map(|credential| URL_SAFE_NO_PAD.decode(credential))
        .collect::<Result<Vec<_>, _>>()
        .context("reading the credentials of a person")?;
    let known = Some(known).filter(|known| !known.is_empty());
    let (options, state) = party()?
        .start_passkey_registration(Uuid::from_bytes(user), name, name, known)
        .context("asking for a new passkey")?;
    Ok(Asked {
        options: serde_json::to_value(options)?,
        state: serde_json::to_string(&state)?,
    })
}

/// Judges the answer to [`ask_for_new`].
pub fn added(state: &str, answer: &Value) -> anyhow::Result<Result<Answered, NotAnswered>> {
    let state: PasskeyRegistration =
        serde_json::from_str(state).context("reading what a new passkey was asked for")?;
    let answer: RegisterPublicKeyCredential = match understood(answer) {
        Ok(answer) => answer,
        Err(not) => return Ok(Err(not)),
    };
    match party()?.finish_passkey_registration(&answer, &state) {
        Ok(passkey) => Ok(Ok(Answered {
            credential: URL_SAFE_NO_PAD.encode(passkey.cred_id()),
            public: serde_json::to_string(&passkey)?,
            counter: 0,
        })),
        // The library has no name of its own for one that was to be excluded.
        Err(WebauthnError::CredentialAlteredAlgFromRequest) => Ok(Err(NotAnswered(
            "it was added before, or is of a kind that is not taken",
        ))),
        Err(error) => Ok(Err(why(&error))),
    }
}

/// Asks one of these passkeys to sign for calls on a server.
pub fn ask(public: &[String], server: &str, digests: &BTreeSet<String>) -> anyhow::Result<Asked> {
    let passkeys = public
        .iter()
        .map(|text| serde_json::from_str(text))
        .collect::<Result<Vec<Passkey>, _>>()
        .context("reading the passkeys of a person")?;
    let (options, state) = party()?
        .start_passkey_authentication(&passkeys)
        .context("asking for a passkey")?;
    let options = serde_json::to_value(options)?;
    let mut mixed = options.clone();
    let mut state = serde_json::to_value(state)?;
    let signed = mix(&mut mixed, server, digests)
        .and_then(|()| mixed.pointer(OPTION).cloned())
        .zip(state.pointer_mut(SIGNED));
    let (signed, place) = signed.ok_or_else(|| anyhow!("the challenge is not where it was"))?;
    *place = signed;
    Ok(Asked {
        options,
        state: state.to_string(),
    })
}

/// Judges the answer to [`ask`] by the passkeys that the person has at this moment. A counter that did not grow is
/// refused here, and again where it is stored.
pub fn signed(
    state: &str,
    public: &[String],
    answer: &Value,
) -> anyhow::Result<Result<Answered, NotAnswered>> {
    let mut state: Value =
        serde_json::from_str(state).context("reading what a passkey was asked for")?;
    let mut present = Vec::with_capacity(public.len());
    for text in public {
        let mut passkey: Value = serde_json::from_str(text).context("reading a passkey")?;
        present.extend(passkey.get_mut("cred").map(Value::take));
    }
    let known = state.pointer_mut(KNOWN);
    *known.ok_or_else(|| anyhow!("the passkeys are not where they were"))? = present.into();
    let asked: PasskeyAuthentication =
        serde_json::from_value(state).context("reading what a passkey was asked for")?;
    let answer: PublicKeyCredential = match understood(answer) {
        Ok(answer) => answer,
        Err(not) => return Ok(Err(not)),
    };
    let result = match party()?.finish_passkey_authentication(&answer, &asked) {
        Ok(result) => result,
        Err(error) => return Ok(Err(why(&error))),
    };
    if !result.user_verified() {
        return Ok(Err(NotAnswered("the person was not verified")));
    }
    let update = Passkey::update_credential;
    for text in public {
        let mut passkey: Passkey = serde_json::from_str(text).context("reading a passkey")?;
        if update(&mut passkey, &result).is_some() {
            return Ok(Ok(Answered {
                credential: URL_SAFE_NO_PAD.encode(result.cred_id()),
                public: serde_json::to_string(&passkey)?,
                counter: i64::from(result.counter()),
            }));
        }
    }
    Ok(Err(NotAnswered("it is no passkey of this person")))
}

/// The credential of a passkey as it is kept.
pub fn credential(public: &str) -> anyhow::Result<String> {
    let passkey: Passkey = serde_json::from_str(public).context("reading a passkey")?;
    Ok(URL_SAFE_NO_PAD.encode(passkey.cred_id()))
}

fn party() -> anyhow::Result<Webauthn> {
    let origin = Url::parse(ORIGIN)?;
    WebauthnBuilder::new(PARTY, &origin)
        // The page is at whatever port was free.
        .map(|builder| builder.allow_any_port(true).rp_name("Portcullis"))
        .and_then(WebauthnBuilder::build)
        .context("describing the relying party")
}

fn understood<T: DeserializeOwned>(answer: &Value) -> Result<T, NotAnswered> {
    T::deserialize(answer).map_err(|_| NotAnswered("it is not understood"))
}

fn why(error: &WebauthnError) -> NotAnswered {
    NotAnswered(match error {
        WebauthnError::MismatchedChallenge => "it is for something else",
        WebauthnError::InvalidRPOrigin => "it was given to a page of somebody else",
        WebauthnError::InvalidRPIDHash => "it is for another relying party",
        WebauthnError::UserNotPresent => "nobody was there",
        WebauthnError::UserNotVerified => "the person was not verified",
        WebauthnError::CredentialNotFound => "it is no passkey of this person",
        WebauthnError::CredentialPossibleCompromise => "its counter went back",
        WebauthnError::AuthenticationFailure => "the signature is wrong",
        WebauthnError::InvalidClientDataType => "it is the answer to another question",
        _ => "it is not valid",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(digits: &[&str]) -> BTreeSet<String> {
        digits.iter().map(|digit| digit.repeat(64)).collect()
    }

    #[test]
    fn what_is_signed_depends_on_the_server_the_calls_and_chance() {
        let one = challenge("https://a.example", &digests(&["a"]), "r");
        for other in [
            challenge("https://b.example", &digests(&["a"]), "r"),
            challenge("https://a.example", &digests(&["b"]), "r"),
            challenge("https://a.example", &digests(&["a", "b"]), "r"),
            challenge("https://a.example", &digests(&["a"]), "s"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(one.len(), 43);
    }

    #[test]
    fn a_sign_in_is_of_one_account_on_one_device() {
        let one = sign_in("ada", "key");
        assert_eq!(one.len(), 64);
        for (name, key) in [("ben", "key"), ("ada", "other"), ("adak", "ey")] {
            assert_ne!(one, sign_in(name, key));
        }
    }

    #[test]
    fn a_new_passkey_is_asked_for_with_its_person_verified_and_nothing_attested() {
        let asked = ask_for_new([7; 16], "ada", &["AQID".to_owned()]).unwrap();
        let options = &asked.options["publicKey"];
        assert_eq!(options["rp"]["id"], "localhost");
        assert_eq!(options["user"]["name"], "ada");
        assert_eq!(
            options["authenticatorSelection"]["userVerification"],
            "required"
        );
        assert_eq!(options["attestation"], "none");
        assert_eq!(options["excludeCredentials"][0]["id"], "AQID");
        assert_eq!(
            added(&asked.state, &serde_json::json!({"id": 1})).unwrap(),
            Err(NotAnswered("it is not understood"))
        );
    }
}
