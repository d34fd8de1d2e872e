//! The full-screen console.

pub mod run;
pub mod term;
pub mod theme;
pub mod widget;
