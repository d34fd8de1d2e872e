//! A QR code out of half blocks, two of its rows to a line of the terminal.

use qrcode::{Color, EcLevel, QrCode};

/// The light border without which cameras do not find the code.
const QUIET: usize = 2;

/// Draws a text as a QR code, light on dark as terminals are; nothing when it is too long for one.
pub(super) fn lines(text: &str) -> Vec<String> {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else {
        return Vec::new();
    };
    let width = code.width();
    let colors = code.to_colors();
    let light = |row: usize, column: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < width);
        match (inside(row), inside(column)) {
            (Some(row), Some(column)) => colors.get(row * width + column) == Some(&Color::Light),
            _ => row < width + 2 * QUIET,
        }
    };
    let size = width + 2 * QUIET;
    (0..size)
        .step_by(2)
        .map(|row| {
            (0..size)
                .map(
                    |column| match (light(row, column), light(row + 1, column)) {
                        (true, true) => '█',
                        (true, false) => '▀',
                        (false, true) => '▄',
                        (false, false) => ' ',
                    },
                )
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_and_has_its_three_corners() {
        let drawn = lines(
            "otpauth://totp/Portcullis:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Portcullis",
        );
        let width = drawn[0].chars().count();
        assert_eq!(drawn.len(), width.div_ceil(2));
        assert!(drawn.iter().all(|line| line.chars().count() == width));
        // The finder pattern: a dark square, a light ring, a dark middle, seven by seven.
        let corner = |line: usize, from: usize| -> String {
            drawn[line].chars().skip(from).take(7).collect()
        };
        for from in [QUIET, width - QUIET - 7] {
            assert_eq!(corner(1, from), " ▄▄▄▄▄ ");
            assert_eq!(corner(2, from), " █   █ ");
        }
        assert!(width <= 45, "{width} columns do not fit beside a sentence");
        assert!(lines(&"x".repeat(8_000)).is_empty());
    }
}
