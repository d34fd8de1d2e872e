//! Calls about the tamper-evident log.

use reqwest::Method;

use crate::client::queries::ExportQuery;
use crate::client::send::{Call, Client};
use crate::client::{ClientError, IdempotencyKey};
use crate::tlog::TileAt;
use crate::wire::{
    CheckpointView, DeliveryView, Erased, Erasure, ExportPage, Page, PruneView, Pruning,
};

impl Client {
    /// The newest checkpoint of the log, as the server says it: nothing of it is checked.
    pub async fn checkpoint(&self) -> Result<CheckpointView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "audit", "checkpoint"]))
            .await
    }

    /// Erases texts from the history.
    pub async fn erase(
        &self,
        erasure: &Erasure,
        key: &IdempotencyKey,
    ) -> Result<Erased, ClientError> {
        let call = Call::new(Method::POST, &["v1", "audit", "erase"]).key(key);
        self.call(call.long().body(erasure)?).await
    }

    /// Takes the beginning of the history away.
    pub async fn prune(
        &self,
        pruning: &Pruning,
        key: &IdempotencyKey,
    ) -> Result<PruneView, ClientError> {
        let call = Call::new(Method::POST, &["v1", "audit", "prune"]).key(key);
        self.call(call.long().body(pruning)?).await
    }

    /// How the history gets to places outside.
    pub async fn deliveries(&self) -> Result<Page<DeliveryView>, ClientError> {
        let path = ["v1", "audit", "deliveries"];
        self.call(Call::new(Method::GET, &path)).await
    }

    /// The hashes of a tile.
    pub async fn tile(&self, at: TileAt) -> Result<Vec<u8>, ClientError> {
        let path = at.to_string();
        let path: Vec<&str> = ["v1", "audit", "log"]
            .into_iter()
            .chain(path.split('/'))
            .collect();
        self.bytes(Call::new(Method::GET, &path).long()).await
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
