//! Portcullis: temporary production access.

pub mod config;
pub mod domain;
pub mod secret;
pub mod targets;
