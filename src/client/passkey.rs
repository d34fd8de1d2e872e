//! Passkeys: opens a page in the person's browser that asks one, and brings the answer to the server.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::call::Call;
use crate::client::loopback::{Loopback, Visit};
use crate::client::passkey_page::{About, Asks, page};
use crate::client::{Client, ClientError, IdempotencyKey};
use crate::secret::{self, Secret, passkey};
use crate::wire::{
    FactorAnswer, FactorConfirmed, FactorToConfirm, Me, NewFactor, PasskeyAsk, PasskeyQuestion,
    PasswordPasskey, PasswordSignIn, StepUpProof,
};

/// The server takes no answer after this time.
const PATIENCE: Duration = Duration::from_mins(5);

impl Client {
    /// Asks the server what a passkey has to sign for these calls, and mixes in what this machine knows: the address
    /// of the server and the calls. So no other server gets a signature that is good here.
    pub async fn passkey_question(
        &self,
        digests: Vec<String>,
    ) -> Result<PasskeyQuestion, ClientError> {
        let server = self.server().to_string();
        let body = PasskeyAsk {
            digests: digests.clone(),
            server: server.clone(),
        };
        let call = Call::new(Method::POST, &["v1", "passkey-questions"]).body(&body)?;
        let asked: PasskeyQuestion = self.call_unproved(call).await?;
        mixed(asked, &server, &digests.into_iter().collect())
    }

    /// Proves a second factor for these calls with a passkey, in a page that shows what they are, and gives what has
    /// to come with each. `send` gets the address that the person has to open in a browser on this machine.
    pub async fn step_up_by_passkey(
        &self,
        digests: Vec<String>,
        acts: &[String],
        send: impl FnOnce(&str) + Send,
    ) -> Result<Secret, ClientError> {
        let PasskeyQuestion { question, options } = self.passkey_question(digests.clone()).await?;
        let asks = Asks::Confirm { acts };
        let person = self.session().tokens()?.me.name;
        let (visit, answer) = self.ask_in_browser(asks, &person, &options, send).await?;
        let proof = StepUpProof::Passkey { question, answer };
        let proved = self.step_up(digests, proof).await;
        let told = match acts {
            [_] => "It is being done.".to_owned(),
            _ => format!("All {} are being done.", acts.len()),
        };
        say(visit, &told, proved.as_ref().err()).await;
        proved
    }

    /// Asks the server what a passkey has to sign for a sign-in to a local account on this device, and mixes in what
    /// this machine knows.
    pub async fn passkey_question_to_sign_in(
        &self,
        name: &str,
        password: &Secret,
    ) -> Result<PasskeyQuestion, ClientError> {
        let server = self.server().to_string();
        let body = PasswordPasskey {
            name: name.to_owned(),
            password: password.expose().to_owned(),
            server: server.clone(),
        };
        let call = Call::new(Method::POST, &["v1", "sign-in", "password", "passkey"])
            .unsigned()
            .body(&body)?;
        let asked: PasskeyQuestion = self.call(call).await?;
        let digest = passkey::sign_in(name, &self.session().thumbprint().await?);
        mixed(asked, &server, &[digest].into())
    }

    /// Signs in to a local account with its password and a passkey, and keeps the tokens. `send` gets the address that
    /// the person has to open in a browser on this machine.
    pub async fn sign_in_by_passkey(
        &self,
        name: &str,
        password: &Secret,
        device: String,
        send: impl FnOnce(&str) + Send,
    ) -> Result<Me, ClientError> {
        let PasskeyQuestion { question, options } =
            self.passkey_question_to_sign_in(name, password).await?;
        let asks = Asks::SignIn;
        let (visit, answer) = self.ask_in_browser(asks, name, &options, send).await?;
        let body = PasswordSignIn {
            name: name.to_owned(),
            password: password.expose().to_owned(),
            proof: Some(StepUpProof::Passkey { question, answer }),
            device: Some(device),
        };
        let me = self.sign_in_with_password(&body).await;
        say(visit, "You are signed in.", me.as_ref().err()).await;
        me
    }

    /// Begins to add a passkey.
    pub async fn begin_passkey(
        &self,
        name: &str,
        key: &IdempotencyKey,
    ) -> Result<(String, Value), ClientError> {
        let body = NewFactor {
            kind: "passkey".to_owned(),
            name: name.to_owned(),
        };
        let call = Call::new(Method::POST, &["v1", "factors"]);
        let new: FactorToConfirm = self.call(call.key(key).body(&body)?).await?;
        let options = new.passkey.ok_or_else(|| ClientError::BadReply {
            text: format!(
                "`{}` does not say what the passkey has to be",
                self.server()
            ),
        })?;
        Ok((new.factor.id, options))
    }

    /// Confirms a passkey by the answer of the browser that has made it.
    pub async fn confirm_passkey(
        &self,
        id: &str,
        answer: Value,
        key: &IdempotencyKey,
    ) -> Result<FactorConfirmed, ClientError> {
        let path = ["v1", "factors", id, "confirm"];
        let body = FactorAnswer {
            passkey: Some(answer),
            ..FactorAnswer::default()
        };
        let call = Call::new(Method::POST, &path);
        self.call(call.key(key).body(&body)?).await
    }

    /// Adds a passkey in the person's browser. `send` gets the address to open.
    pub async fn add_passkey(
        &self,
        name: &str,
        send: impl FnOnce(&str) + Send,
    ) -> Result<FactorConfirmed, ClientError> {
        let (id, options) = self.begin_passkey(name, &IdempotencyKey::new()?).await?;
        let asks = Asks::Add { name };
        let person = self.session().tokens()?.me.name;
        let (visit, answer) = self.ask_in_browser(asks, &person, &options, send).await?;
        let key = IdempotencyKey::new()?;
        let confirmed = self.confirm_passkey(&id, answer, &key).await;
        let told = "From now on it confirms what you do.";
        say(visit, told, confirmed.as_ref().err()).await;
        confirmed
    }

    /// Shows a page that asks, until somebody has answered; the page still waits for what comes of it.
    async fn ask_in_browser(
        &self,
        about: Asks<'_>,
        person: &str,
        options: &Value,
        send: impl FnOnce(&str) + Send,
    ) -> Result<(Visit, Value), ClientError> {
        let mut place = Loopback::open().await.map_err(|error| ClientError::Local {
            text: format!("this machine cannot wait for the browser: {error:#}"),
            hint: "prove it another way: with the code of an authenticator or a recovery code"
                .to_owned(),
        })?;
        let random = secret::random::<16>().map_err(|error| ClientError::Local {
            text: format!("{error:#}"),
            hint: "try again".to_owned(),
        })?;
        let nonce = URL_SAFE_NO_PAD.encode(random);
        let server = self.server().to_string();
        let shown = page(&About {
            asks: about,
            person,
            server: &server,
            options,
            nonce: &nonce,
        });
        send(&place.url());
        let waiting = async {
            loop {
                let visit = place.visit().await?;
                match &visit.sent {
                    None => visit.show(&shown, &nonce).await,
                    Some(body) => match serde_json::from_slice::<Value>(body) {
                        Ok(answer) => return Some((visit, answer)),
                        Err(_) => say(visit, "", Some(&not_understood())).await,
                    },
                }
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await;
        came.ok().flatten().ok_or_else(|| ClientError::Local {
            text: "nobody used a passkey in time".to_owned(),
            hint: "do it again, and confirm it in the browser within five minutes".to_owned(),
        })
    }
}

/// The question with the address of the server and the calls in what has to be signed.
fn mixed(
    mut asked: PasskeyQuestion,
    server: &str,
    digests: &BTreeSet<String>,
) -> Result<PasskeyQuestion, ClientError> {
    passkey::mix(&mut asked.options, server, digests).ok_or_else(|| ClientError::BadReply {
        text: format!("what `{server}` wants a passkey to confirm is not understood"),
    })?;
    Ok(asked)
}

fn not_understood() -> ClientError {
    ClientError::Local {
        text: "what the browser sent is not understood".to_owned(),
        hint: "use another browser".to_owned(),
    }
}

/// Tells the page what came of it. The person may have closed it; nothing depends on that.
async fn say(visit: Visit, well: &str, error: Option<&ClientError>) {
    let said = match error {
        None => json!({ "ok": true, "text": well }),
        Some(error) => json!({ "ok": false, "text": error.to_string() }),
    };
    visit.tell(&said).await;
}
