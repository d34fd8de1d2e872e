//! Calls about the tamper-evident log.

use reqwest::Method;

use crate::client::call::Call;
use crate::client::queries::ExportQuery;
use crate::client::send::Client;
use crate::client::{ClientError, IdempotencyKey};
use crate::tlog::TileAt;
use crate::wire::{
    CheckpointView, DeliveryView, Erased, Erasure, EventProofView, ExportPage, LogLinkView,
    LogRecovery, Page, PruneView, Pruning,
};

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

    /// That an event is in the log, as the server says it: nothing of it is checked.
    pub async fn event_proof(&self, index: i64) -> Result<EventProofView, ClientError> {
        let index = index.to_string();
        let path = ["v1", "audit", index.as_str(), "proof"];
        self.call(Call::new(Method::GET, &path)).await
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

    /// The hashes of a tile, of the present epoch or of one before.
    pub async fn tile(&self, epoch: Option<u32>, at: TileAt) -> Result<Vec<u8>, ClientError> {
        self.of_log(epoch, &at.to_string()).await
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

    /// The entries below a tile of the lowest level, of the present epoch or of one before.
    pub async fn bundle(&self, epoch: Option<u32>, at: TileAt) -> Result<Vec<u8>, ClientError> {
        self.of_log(epoch, &at.bundle_path()).await
    }

    /// What lies at an address below the log of an epoch.
    async fn of_log(&self, epoch: Option<u32>, address: &str) -> Result<Vec<u8>, ClientError> {
        let epoch = epoch.map(|epoch| epoch.to_string());
        let part = epoch.iter().flat_map(|epoch| ["epoch", epoch.as_str()]);
        let path: Vec<&str> = ["v1", "audit", "log"]
            .into_iter()
            .chain(part)
            .chain(address.split('/'))
            .collect();
        self.bytes(Call::new(Method::GET, &path).long()).await
    }
}
