//! Calls for signing in on a machine without a browser, and about the device keys that this starts from.

use std::time::Duration;

use reqwest::Method;

use crate::client::call::Call;
use crate::client::send::Client;
use crate::client::{ClientError, IdempotencyKey};
use crate::wire::{
    DeviceFinish, DeviceFinished, DeviceKeyView, DeviceStart, DeviceStarted, Me, NewDeviceKey, Page,
};

impl Client {
    /// Begins a sign-in that somebody approves on another machine.
    pub async fn begin_on_device(&self, device: &str) -> Result<DeviceStarted, ClientError> {
        let start = DeviceStart {
            device: Some(device.to_owned()),
        };
        let path = ["v1", "sign-in", "device", "start"];
        let call = Call::new(Method::POST, &path).unsigned();
        self.call(call.body(&start)?).await
    }

    /// Asks whether it was approved; signed in, or how long to wait before asking again.
    pub async fn ask_on_device(&self, handle: &str) -> Result<Result<Me, Duration>, ClientError> {
        let finish = DeviceFinish {
            handle: handle.to_owned(),
        };
        let path = ["v1", "sign-in", "device", "finish"];
        let call = Call::new(Method::POST, &path).unsigned();
        let answer: DeviceFinished = self.call(call.body(&finish)?).await?;
        let Some(tokens) = answer.tokens else {
            let wait = u64::try_from(answer.wait.unwrap_or(5)).unwrap_or(5);
            return Ok(Err(Duration::from_secs(wait.clamp(1, 60))));
        };
        self.session().store(&tokens).await?;
        Ok(Ok(tokens.me))
    }

    /// The device keys that the caller may see.
    pub async fn device_keys(&self) -> Result<Page<DeviceKeyView>, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "device-keys"]))
            .await
    }

    /// Enrols the key of a machine.
    pub async fn enrol_device(
        &self,
        new: &NewDeviceKey,
        key: &IdempotencyKey,
    ) -> Result<DeviceKeyView, ClientError> {
        let call = Call::new(Method::POST, &["v1", "device-keys"]);
        self.call(call.key(key).body(new)?).await
    }

    /// Revokes a device key.
    pub async fn revoke_device(&self, id: &str, key: &IdempotencyKey) -> Result<(), ClientError> {
        self.call_empty(Call::new(Method::DELETE, &["v1", "device-keys", id]).key(key))
            .await
    }
}
