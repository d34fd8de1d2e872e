//! Portcullis: temporary production access.

pub mod domain;
pub mod wire;
pub mod secret;
pub mod store;
pub mod targets;
