//! What the store promises, on both databases.

mod failover;
mod index;
mod order;
mod patroni;
mod search;
mod segment;
mod wire;
mod writer;
