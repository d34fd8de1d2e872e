//! Portcullis: temporary production access.

pub mod text;

pub mod domain;

pub mod console;
