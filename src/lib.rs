//! Portcullis: temporary production access.

pub mod domain;
