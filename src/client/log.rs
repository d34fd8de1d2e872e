//! Calls about the tamper-evident log.

use reqwest::Method;

use crate::client::send::{Call, Client};
use crate::client::{ClientError, IdempotencyKey};
use crate::tlog::TileAt;
use crate::wire::{CheckpointView, LogLinkView, LogRecovery};

impl Client {
    /// The newest checkpoint of the log, as the server says it: nothing of it is checked.
    pub async fn checkpoint(&self) -> Result<CheckpointView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "audit", "checkpoint"]))
            .await
    }

    /// A checkpoint of everything that was committed before, for those who may read everybody's history.
    pub async fn fresh_checkpoint(&self) -> Result<CheckpointView, ClientError> {
        let call = Call::new(Method::GET, &["v1", "audit", "checkpoint"]);
        self.call(call.query(vec![("fresh", "true".to_owned())]).long())
            .await
    }

    /// The newest checkpoint with the proof that it continues a log of this size.
    pub async fn checkpoint_from(&self, size: u64) -> Result<CheckpointView, ClientError> {
        let call = Call::new(Method::GET, &["v1", "audit", "checkpoint"]);
        let query = vec![("from", size.to_string())];
        self.call(call.query(query)).await
    }

    /// Goes on with the log where history was lost.
    pub async fn recover_log(
        &self,
        recovery: &LogRecovery,
        key: &IdempotencyKey,
    ) -> Result<LogLinkView, ClientError> {
        let call = Call::new(Method::POST, &["v1", "audit", "recover"]);
        self.call(call.key(key).body(recovery)?).await
    }

    /// Changes the key of the log.
    pub async fn rotate_log_key(&self, key: &IdempotencyKey) -> Result<LogLinkView, ClientError> {
        let call = Call::new(Method::POST, &["v1", "audit", "rotate-key"]);
        self.call(call.key(key)).await
    }

    /// The entries below a tile of the lowest level, of the present epoch or of one before.
    pub async fn bundle(&self, epoch: Option<u32>, at: TileAt) -> Result<Vec<u8>, ClientError> {
        let path = at.bundle_path();
        let epoch = epoch.map(|epoch| epoch.to_string());
        let part = epoch.iter().flat_map(|epoch| ["epoch", epoch.as_str()]);
        let path: Vec<&str> = ["v1", "audit", "log"]
            .into_iter()
            .chain(part)
            .chain(path.split('/'))
            .collect();
        self.bytes(Call::new(Method::GET, &path).long()).await
    }
}
