//! The filter language: one text that means the same in the console, on the command line, in the API and on the
//! live stream.
//!
//! [`parse()`] reads a text and always gives what could be understood of it, with a [`Problem`] for each part that
//! could not. [`Expr::lets`] says whether a row passes; it is pure, and everything that depends on who asks and when
//! is in its [`Context`]. [`needs`] tells a database what every passing row has in common, [`index`] an index what to look up,
//! [`complete`] what could be typed next.
//!
//! It never does I/O, reads no clock, and knows no store: the rows are the bodies of `wire`.
//!
//! To add a field: a variant of [`fields::Name`], a line in [`fields::FIELDS`], and its value in [`rows`]. To add an
//! `is:` word: a line in [`fields::WORDS`] and its answer in [`rows`].

pub mod ast;
pub mod complete;
pub mod eval;
pub mod fields;
pub mod index;
pub mod lex;
pub mod needs;
pub mod parse;
mod people;
mod rows;
pub mod saved;
mod standing;
pub mod time;

pub use ast::{Expr, Term};
pub use eval::{Context, Row};
pub use fields::{List, Name};
pub use lex::Span;
pub use parse::{Parsed, Problem, parse};
pub use saved::Saved;

/// Longer filters are refused: nobody reads them, and everything else about a filter is bounded by its length.
pub const LONGEST: usize = 2_000;
