//! What the store promises, on both databases.

mod index;
mod order;
mod wire;
mod writer;
