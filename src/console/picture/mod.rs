//! Pictures of the console made by itself: the frames it would draw, as SVG and as text, one for each view.
//!
//! It asks the server for what a person would see and never for a change.
//!
//! To add a picture: one line in [`VIEWS`](take::VIEWS).

mod svg;
mod take;

pub use svg::{svg, text};
pub use take::take;
