//! An authenticator application: somebody's phone.

use portcullis::client::Client;
use portcullis::secret::Totp;
use portcullis::wire::StepUpProof;

use super::world::{World, key};

/// The secret of one person's second factor.
#[derive(Debug)]
pub(crate) struct Phone {
    secret: Totp,
    pub(crate) factor: String,
    pub(crate) recovery_codes: Vec<String>,
}

impl Phone {
    /// Reads the secret as it is shown to people who cannot scan.
    pub(crate) fn scan(secret: &str) -> Totp {
        let mut bytes = [0; 32];
        let mut bits = 0_u64;
        let mut filled = 0;
        let mut at = 0;
        for letter in secret.bytes() {
            let digit = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
                .iter()
                .position(|known| *known == letter)
                .unwrap();
            bits = (bits << 5) | digit as u64;
            filled += 5;
            if filled >= 8 {
                filled -= 8;
                bytes[at] = (bits >> filled).to_le_bytes()[0];
                at += 1;
            }
        }
        assert_eq!(at, 20);
        Totp::new(bytes)
    }

    /// Adds a second factor to somebody's account.
    pub(crate) async fn of(world: &World, client: &Client) -> Self {
        let new = client.add_totp("phone", &key()).await.unwrap();
        let secret = Self::scan(&new.secret);
        let code = secret.code(world.now().await.timestamp() / 30);
        let confirmed = client
            .confirm_factor(&new.factor.id, &code, &key())
            .await
            .unwrap();
        Self {
            secret,
            factor: new.factor.id,
            recovery_codes: confirmed.recovery_codes,
        }
    }

    /// The code that it shows now.
    pub(crate) async fn code(&self, world: &World) -> String {
        self.secret.code(world.now().await.timestamp() / 30)
    }

    /// The next code: the clock moves on by half a minute. Only where the test turns it.
    pub(crate) async fn next(&self, world: &World) -> StepUpProof {
        world.pass(chrono::TimeDelta::seconds(30));
        StepUpProof::Totp {
            code: self.code(world).await,
        }
    }
}
