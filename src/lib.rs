//! Portcullis: temporary production access.

pub mod config;
pub mod domain;
