//! What the store promises, on both databases.

mod failover;
mod full;
mod index;
mod leases;
mod order;
mod patroni;
mod search;
mod segment;
mod wire;
mod writer;

use reqwest::Method;
use serde_json::json;

use crate::support::http::Answer;
use crate::support::world::{World, ask};

/// Places a lock, under a key.
async fn place(world: &World, key: &str) -> Answer {
    let who = world.http(world.admin());
    let body = json!({ "on": { "kind": "target", "target": ask().target }, "reason": "only to change something" });
    who.call(Method::POST, "/v1/locks")
        .key(key)
        .json(&body)
        .send()
        .await
}
