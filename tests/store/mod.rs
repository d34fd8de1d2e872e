//! What the store promises, on both databases.

mod order;
mod wire;
mod writer;
