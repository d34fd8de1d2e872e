//! Portcullis: temporary production access.

pub mod domain;
pub mod secret;
pub mod config;
pub mod targets;
pub mod catalog;
