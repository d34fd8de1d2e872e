//! Portcullis: temporary production access.

pub mod domain;
pub mod wire;
pub mod secret;
pub mod config;
pub mod store;
pub mod targets;
pub mod catalog;
pub mod gate;
