//! A terminal that only looks.

use std::num::NonZero;

/// An emulated terminal of this size.
pub(crate) fn emulator(rows: u16, columns: u16) -> vt100::Parser {
    vt100::Parser::new(
        NonZero::new(rows).unwrap(),
        NonZero::new(columns).unwrap(),
        0,
    )
}
