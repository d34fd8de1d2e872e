//! The provider's half of a sign-in on a machine without a browser (RFC 8628): its codes, and asking what became of them.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::config::identity::is_safe_address;
use crate::domain::provider::{IdentityRefusal, ProviderFault as Fault};
use crate::secret::Secret;

use super::provider::{Provider, TokenAnswer, Told};
use super::token::Beginning;

/// Six letters or digits are 20 bits and more.
const USER_CODE_MIN: usize = 6;

/// What the provider answers when a sign-in begins on a machine without a browser (RFC 8628).
#[derive(Deserialize)]
struct DeviceAnswer {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: i64,
    interval: Option<i64>,
}

/// The same, once it is known to be usable.
pub(super) struct DeviceCodes {
    pub(super) device_code: Secret,
    pub(super) user_code: String,
    pub(super) verification_uri: String,
    pub(super) verification_uri_complete: Option<String>,
    /// Seconds.
    pub(super) lasts: i64,
    pub(super) pause: i64,
}

impl DeviceAnswer {
    /// A code that is easily guessed would let others approve, or be asked to approve, what they did not begin.
    fn checked(self, loopback: bool) -> Result<DeviceCodes, Fault> {
        let plain = self.user_code.bytes().all(|byte| byte.is_ascii_graphic());
        let letters = |byte: &u8| byte.is_ascii_alphanumeric();
        let strong = self.user_code.bytes().filter(letters).count() >= USER_CODE_MIN;
        let is_safe = |address: &str| is_safe_address(address, loopback);
        let whole = self.verification_uri_complete.as_deref();
        let safe = is_safe(&self.verification_uri) && whole.is_none_or(is_safe);
        let sized = self.user_code.len() <= 40 && (1..=4096).contains(&self.device_code.len());
        if !(plain && strong && safe && sized) || self.expires_in < 1 {
            return Err(Fault::DeviceAnswer);
        }
        Ok(DeviceCodes {
            device_code: Secret::new(self.device_code),
            user_code: self.user_code,
            verification_uri: self.verification_uri,
            verification_uri_complete: self.verification_uri_complete,
            lasts: self.expires_in,
            pause: self.interval.unwrap_or(5).clamp(1, 60),
        })
    }
}

/// What became of a sign-in on a machine without a browser.
pub(super) enum Device {
    Waiting,
    TooFast,
    Over(IdentityRefusal),
    Told(Box<Told>),
}

impl Provider {
    /// Asks for the codes of a sign-in on a machine without a browser.
    pub(super) async fn device_codes(&self) -> Result<DeviceCodes, Fault> {
        let discovery = self.discovery().await?;
        let endpoint = discovery.device_authorization_endpoint.as_ref();
        let endpoint = endpoint.ok_or(Fault::DeviceUnsupported)?;
        let mut form = vec![("scope", self.settings.scopes.as_str())];
        if self
            .settings
            .scopes
            .split(' ')
            .any(|one| one == "offline_access")
        {
            form.push(("prompt", "consent"));
        }
        let found: DeviceAnswer = self
            .asked(endpoint, &form)
            .await?
            .map_err(|_| Fault::DeviceUnsupported)?;
        found.checked(self.settings.loopback)
    }

    /// Asks whether somebody has typed the code, and who they are.
    pub(super) async fn redeem_device(
        &self,
        device_code: &Secret,
        begun: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Device, Fault> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device_code.expose()),
        ];
        let endpoint = &self.discovery().await?.token_endpoint;
        let answer: TokenAnswer = match self.asked(endpoint, &form).await? {
            Ok(answer) => answer,
            Err(word) => {
                return match word.as_str() {
                    "authorization_pending" => Ok(Device::Waiting),
                    "slow_down" => Ok(Device::TooFast),
                    "expired_token" | "invalid_grant" => {
                        Ok(Device::Over(IdentityRefusal::DeviceOver))
                    }
                    "access_denied" => Ok(Device::Over(IdentityRefusal::Declined { error: word })),
                    _ => Err(Fault::DeviceAnswer),
                };
            }
        };
        let sign_in = Beginning {
            nonce: None,
            at: begun,
        };
        let told = self.told(answer, Some(sign_in), None, now).await?;
        Ok(Device::Told(Box::new(told)))
    }
}
