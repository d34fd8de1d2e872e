//! Signs in: asks how, sends what was typed, or waits for the browser. One attempt at a time; the next ends the last.

use crate::client::{Client, ClientError, device, open_browser};
use crate::console::effects::{Server, failure};
use crate::console::msg::{Failure, Msg};
use crate::console::sign_in::{PROGRAM, Said, Way};
use crate::wire::{Me, PasswordSignIn, StepUpProof};

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
        Way::Code { code, name } => {
            let device = device(PROGRAM);
            client
                .sign_in(code.expose().trim(), name.as_deref(), Some(&device))
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
