//! Portcullis: temporary production access.

pub mod domain;
pub mod secret;
pub mod targets;
