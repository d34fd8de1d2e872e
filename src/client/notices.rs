//! The calls about notices: what one is told of, where, and when not.

use reqwest::Method;

use crate::client::call::Call;
use crate::client::send::Client;
use crate::client::{ClientError, IdempotencyKey};
use crate::wire::{NoticeWishes, NoticesView};

impl Client {
    /// What the caller wants of notices, and what there is.
    pub async fn notices(&self) -> Result<NoticesView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "me", "notices"]))
            .await
    }

    /// Chooses which notices the caller gets.
    pub async fn choose_notices(
        &self,
        wishes: &NoticeWishes,
        key: &IdempotencyKey,
    ) -> Result<NoticesView, ClientError> {
        let call = Call::new(Method::PUT, &["v1", "me", "notices"]);
        self.call(call.key(key).body(wishes)?).await
    }
}
