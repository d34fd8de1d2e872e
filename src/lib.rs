//! Portcullis: temporary production access.

pub mod text;

pub mod domain;

pub mod wire;

pub mod secret;

pub mod config;

pub mod store;

pub mod targets;

pub mod catalog;

pub mod gate;

pub mod server;

pub mod client;

pub mod console;

pub mod demo;

pub mod cli;
