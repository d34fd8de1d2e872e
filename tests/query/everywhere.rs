//! The same filter over the API and on the live stream.
