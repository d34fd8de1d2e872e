//! Calls about the tamper-evident log.

use reqwest::Method;

use crate::client::ClientError;
use crate::client::send::{Call, Client};
use crate::tlog::TileAt;
use crate::wire::CheckpointView;

impl Client {
    /// The newest checkpoint of the log, as the server says it: nothing of it is checked.
    pub async fn checkpoint(&self) -> Result<CheckpointView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "audit", "checkpoint"]))
            .await
    }

    /// The entries below a tile of the lowest level.
    pub async fn bundle(&self, at: TileAt) -> Result<Vec<u8>, ClientError> {
        let path = at.bundle_path();
        let path: Vec<&str> = ["v1", "audit", "log"]
            .into_iter()
            .chain(path.split('/'))
            .collect();
        self.bytes(Call::new(Method::GET, &path).long()).await
    }
}
