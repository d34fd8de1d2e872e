//! Portcullis: temporary production access.

pub mod domain;
pub mod wire;
pub mod store;
