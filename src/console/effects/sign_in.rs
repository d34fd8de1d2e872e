//! Signs in: asks how, sends what was typed, or waits for the browser. One attempt at a time; the next ends the last.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::{Client, ClientError, device, open_browser};
use crate::console::effects::{Server, failure};
use crate::console::msg::{Failure, Msg};
use crate::console::sign_in::{DeviceCode, PROGRAM, Said, Way};
use crate::wire::{Me, PasswordSignIn, StepUpProof};

/// What is typed in place of a code by whoever has a passkey.
const PASSKEY: &str = "passkey";
/// The longest pause between two questions, however often the server did not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Server {
    /// Begins an attempt; what comes of it is told with its number.
    pub(in crate::console) fn sign_in(&mut self, turn: u64, way: Way) {
        if let Some(task) = self.signing_in.take() {
            task.abort();
        }
        let (client, answers) = (self.client.clone(), self.answers.clone());
        let attempt = async move {
            // Nobody is left to hear it when the console has ended.
            let tell = |said| drop(answers.send(Msg::SignIn(turn, said)));
            if let Some(last) = attempt(client, way, &tell).await {
                tell(last);
            }
        };
        self.signing_in = Some(self.tasks.spawn_on(attempt, &self.network));
    }
}

async fn attempt(
    client: Result<Client, Failure>,
    way: Way,
    tell: &(impl Fn(Said) + Sync),
) -> Option<Said> {
    let client = match client {
        Ok(client) => client,
        Err(failure) => return Some(Said::Done(Err(failure))),
    };
    let signed_in = match way {
        Way::Stop => return None,
        Way::Ask => return Some(Said::Ways(client.sign_in_ways().await.map_err(failure))),
        Way::Browser => in_browser(&client, tell).await,
        Way::Device => return Some(on_another_machine(&client, tell).await),
        Way::Code { code, name } => {
            let device = device(PROGRAM);
            client
                .sign_in(code.expose().trim(), name.as_deref(), Some(&device))
                .await
        }
        Way::Password {
            name,
            password,
            code: Some(code),
        } if code.expose().trim() == PASSKEY => {
            let send = |address: &str| {
                let opened = open_browser(address);
                tell(Said::GoTo {
                    address: address.to_owned(),
                    opened,
                });
            };
            client
                .sign_in_by_passkey(&name, &password, device(PROGRAM), send)
                .await
        }
        Way::Password {
            name,
            password,
            code,
        } => {
            let body = PasswordSignIn {
                name,
                password: password.expose().to_owned(),
                proof: code.map(|code| StepUpProof::typed(code.expose())),
                device: Some(device(PROGRAM)),
            };
            client.sign_in_with_password(&body).await
        }
    };
    Some(Said::Done(signed_in.map(Box::new).map_err(failure)))
}

async fn in_browser(client: &Client, tell: &(impl Fn(Said) + Sync)) -> Result<Me, ClientError> {
    let waiting = client.begin_in_browser(&device(PROGRAM)).await?;
    let address = waiting.authorize_url.clone();
    let opened = open_browser(&address);
    tell(Said::GoTo { address, opened });
    client.finish_in_browser(waiting).await
}

/// Begins with a code for another machine, and asks until somebody has typed it there, or nobody in time.
async fn on_another_machine(client: &Client, tell: &(impl Fn(Said) + Sync)) -> Said {
    let done = |signed_in: Result<Me, Failure>| Said::Done(signed_in.map(Box::new));
    let name = device(PROGRAM);
    let begun = match client.begin_on_device(&name).await {
        Ok(begun) => begun,
        Err(error) if error.code() == Some("device-not-enrolled") => {
            return match client.session().thumbprint().await {
                Ok(thumbprint) => Said::NotEnrolled {
                    command: format!("portcullis device enrol {thumbprint} --name NAME"),
                },
                Err(error) => done(Err(failure(error))),
            };
        }
        Err(error) => return done(Err(failure(error))),
    };
    let seconds = |number: i64| Duration::from_secs(u64::try_from(number).unwrap_or(0));
    let lasts = seconds(begun.expires_in);
    let end = Instant::now() + lasts;
    tell(Said::TypeThere(DeviceCode {
        code: begun.user_code,
        address: begun.verification_uri,
        complete: begun.verification_uri_complete,
        lasts,
    }));
    let mut pause = seconds(begun.wait).max(Duration::from_secs(1));
    loop {
        sleep(pause).await;
        match client.ask_on_device(&begun.handle).await {
            Ok(Ok(me)) => return done(Ok(me)),
            Ok(Err(longer)) => {
                pause = longer;
                tell(Said::NotYet(None));
            }
            Err(error) => match failure(error) {
                // A lost answer is no answer: the code is good all the same (RFC 8628, 3.5).
                Failure::Unreachable(why) if Instant::now() + pause < end => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tell(Said::NotYet(Some(why)));
                }
                other => return done(Err(other)),
            },
        }
    }
}
