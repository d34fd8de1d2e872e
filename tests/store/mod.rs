//! What the store promises, on both databases.

mod index;
mod order;
mod search;
mod wire;
mod writer;
