//! The filter language: one table of filters and rows, and the same answers wherever a filter can be written.

mod everywhere;
mod language;
mod rows;
