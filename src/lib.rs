//! Portcullis: temporary production access.

pub mod text;

pub mod catalog;
pub mod config;
pub mod domain;
pub mod gate;
pub mod secret;
pub mod server;
pub mod store;
pub mod targets;
pub mod wire;

pub mod client;
pub mod console;
