//! Calls about the tamper-evident log.

use reqwest::Method;

use crate::client::ClientError;
use crate::client::queries::ExportQuery;
use crate::client::send::{Call, Client};
use crate::tlog::TileAt;
use crate::wire::{CheckpointView, ExportPage};

impl Client {
    /// The newest checkpoint of the log, as the server says it: nothing of it is checked.
    pub async fn checkpoint(&self) -> Result<CheckpointView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "audit", "checkpoint"]))
            .await
    }

    /// Everything about a grant, with its proofs, as the server sends it: nothing of it is checked.
    pub async fn evidence(&self, grant: &str) -> Result<String, ClientError> {
        let path = ["v1", "grants", grant, "evidence"];
        let bytes = self.bytes(Call::new(Method::GET, &path).long()).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A piece of the history in some format, oldest first.
    pub async fn export(&self, query: &ExportQuery) -> Result<ExportPage, ClientError> {
        let path = ["v1", "audit", "export"];
        let call = Call::new(Method::GET, &path).query(query.pairs());
        self.call(call.long()).await
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
