//! Colours as numbers: reading them, how far apart they look, and how readable one is on another.

use std::sync::LazyLock;

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rgb(pub(super) u8, pub(super) u8, pub(super) u8);

/// How somebody sees colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vision {
    /// With all three kinds of cones.
    Normal,
    /// Without those for red.
    Protan,
    /// Without those for green, the most common.
    Deutan,
    /// Without those for blue.
    Tritan,
}

impl Vision {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Protan, Self::Deutan, Self::Tritan];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Protan => "protan",
            Self::Deutan => "deutan",
            Self::Tritan => "tritan",
        }
    }

    /// Machado, Oliveira and Fernandes (2009), at full severity, on linear light.
    fn matrix(self) -> [[f32; 3]; 3] {
        match self {
            Self::Normal => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            Self::Protan => [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
            Self::Deutan => [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
            Self::Tritan => [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        }
    }
}

/// A colour as a theme file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// The terminal's own.
    Default,
    /// One of the terminal's sixteen.
    Ansi(u8),
    /// One of the 256.
    Index(u8),
    /// This very one.
    Exact(Rgb),
}

/// The sixteen by their usual names, at their numbers.
pub(super) const ANSI_NAMES: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "gray",
    "darkgray",
    "lightred",
    "lightgreen",
    "lightyellow",
    "lightblue",
    "lightmagenta",
    "lightcyan",
    "white",
];

impl Paint {
    /// Reads `"default"`, one of the sixteen names, `"#rgb"` or `"#rrggbb"`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "default" {
            return Some(Self::Default);
        }
        if let Some(index) = ANSI_NAMES.iter().position(|name| *name == text) {
            return u8::try_from(index).ok().map(Self::Ansi);
        }
        Rgb::parse(text).map(Self::Exact)
    }
}

impl Rgb {
    fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text
            .strip_prefix('#')?
            .chars()
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
            .collect::<Option<_>>()?;
        match digits.as_slice() {
            [r, g, b] => Some(Self(r * 17, g * 17, b * 17)),
            [r1, r2, g1, g2, b1, b2] => Some(Self(r1 * 16 + r2, g1 * 16 + g2, b1 * 16 + b2)),
            _ => None,
        }
    }

    fn linear(self) -> [f32; 3] {
        [self.0, self.1, self.2].map(|part| {
            let part = f32::from(part) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        })
    }

    /// Lightness, and the two axes of hue, so that distance is what the eye sees.
    pub(super) fn oklab(self) -> [f32; 3] {
        oklab(self.linear())
    }

    /// How far apart two colours look to somebody, in hundredths of `OKLab`.
    pub(super) fn apart(self, other: Self, vision: Vision) -> f32 {
        let seen = |colour: Self| {
            oklab(product(vision.matrix(), colour.linear()).map(|c| c.clamp(0.0, 1.0)))
        };
        apart(seen(self), seen(other)).sqrt() * 100.0
    }

    fn luminance(self) -> f32 {
        let [r, g, b] = self.linear();
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// The contrast ratio of WCAG 2, from 1 to 21.
    pub(super) fn contrast(self, other: Self) -> f32 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// The nearest of the 240 fixed colours that is `fit`, or simply the nearest when none is; the first sixteen
    /// are the user's and look like anything.
    pub(super) fn nearest_index(self, fit: impl Fn(u8) -> bool) -> u8 {
        // A theme asks this a few hundred times before the first frame, so the table is made once and `fit`, which
        // is dear, is asked from the nearest one on.
        static FIXED: LazyLock<Vec<(u8, [f32; 3])>> = LazyLock::new(|| {
            (16..=255)
                .map(|index| (index, of_index(index).oklab()))
                .collect()
        });
        let own = self.oklab();
        let mut near: Vec<(f32, u8)> = FIXED
            .iter()
            .map(|(index, lab)| (apart(own, *lab), *index))
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        let nearest = near.first().map_or(16, |(_, index)| *index);
        near.into_iter()
            .map(|(_, index)| index)
            .find(|index| fit(*index))
            .unwrap_or(nearest)
    }

    /// The one of the six plain hues that comes nearest, or nothing when the colour is close to grey. Plain hues
    /// are readable on dark and on light backgrounds in the palettes people use; bright ones are not.
    pub(super) fn nearest_hue(self) -> Option<u8> {
        let [_, a, b] = self.oklab();
        if a.hypot(b) < 0.05 {
            return None;
        }
        let hue = b.atan2(a);
        (1..=6).min_by(|x, y| hue_distance(hue, *x).total_cmp(&hue_distance(hue, *y)))
    }
}

fn oklab(linear: [f32; 3]) -> [f32; 3] {
    product(TO_LAB, product(TO_CONES, linear).map(f32::cbrt))
}

/// The matrices of the `OKLab` space, from <https://bottosson.github.io/posts/oklab/>.
const TO_CONES: [[f32; 3]; 3] = [
    [0.412_221_47, 0.536_332_54, 0.051_445_99],
    [0.211_903_5, 0.680_699_5, 0.107_396_96],
    [0.088_302_46, 0.281_718_85, 0.629_978_7],
];
const TO_LAB: [[f32; 3]; 3] = [
    [0.210_454_26, 0.793_617_8, -0.004_072_047],
    [1.977_998_5, -2.428_592_2, 0.450_593_7],
    [0.025_904_037, 0.782_771_77, -0.808_675_77],
];

fn product(matrix: [[f32; 3]; 3], vector: [f32; 3]) -> [f32; 3] {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

/// The square of the distance in `OKLab`.
fn apart(one: [f32; 3], other: [f32; 3]) -> f32 {
    one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn hue_distance(hue: f32, ansi: u8) -> f32 {
    let [_, a, b] = PURE
        .get(usize::from(ansi))
        .copied()
        .unwrap_or(Rgb(0, 0, 0))
        .oklab();
    let apart = (hue - b.atan2(a)).abs();
    apart.min(std::f32::consts::TAU - apart)
}

/// What red, green, yellow, blue, magenta and cyan usually look like; the first is only there for its place.
const PURE: [Rgb; 7] = [
    Rgb(0, 0, 0),
    Rgb(224, 48, 48),
    Rgb(48, 176, 80),
    Rgb(216, 176, 48),
    Rgb(80, 112, 240),
    Rgb(208, 80, 208),
    Rgb(48, 184, 200),
];

/// What one of the 240 fixed colours looks like: a cube of six steps and 24 greys.
pub(super) fn of_index(index: u8) -> Rgb {
    if let Some(grey) = index.checked_sub(232) {
        let level = 8 + 10 * grey;
        return Rgb(level, level, level);
    }
    let cube = index.saturating_sub(16);
    let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    Rgb(step(cube / 36), step(cube / 6 % 6), step(cube % 6))
}
