//! The signs in front of words. Each has an ASCII form and a form from the basic plane of one or two columns;
//! none is an emoji, whose width terminals disagree on.

use std::collections::HashMap;

use crate::console::term::caps::Charset;

macro_rules! glyphs {
    ($($(#[doc = $doc:literal])+ $glyph:ident = $name:literal $unicode:literal $ascii:literal,)+) => {
        /// A sign.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Glyph {
            $($(#[doc = $doc])+ $glyph,)+
        }

        impl Glyph {
            /// Every sign.
            pub const ALL: &[Self] = &[$(Self::$glyph),+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Its name in theme files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$glyph => $name,)+
                }
            }

            fn characters(self, charset: Charset) -> &'static str {
                match (self, charset) {
                    $((Self::$glyph, Charset::Unicode) => $unicode,
                    (Self::$glyph, Charset::Ascii) => $ascii,)+
                }
            }
        }
    };
}

glyphs! {
    /// Fine, open, granted.
    StatusOk = "status-ok" "✓" ".",
    /// Worth knowing.
    StatusInfo = "status-info" "i" "i",
    /// Waiting for somebody.
    StatusPending = "status-pending" "○" "o",
    /// Needs attention soon.
    StatusWarn = "status-warn" "!" "!",
    /// Wrong or denied.
    StatusDanger = "status-danger" "✗" "x",
    /// Needs attention at once.
    StatusCritical = "status-critical" "!!" "!!",
    /// Nothing happens there.
    Idle = "idle" "~" "~",
    /// The connection works.
    Live = "live" "●" "*",
    /// The selected row, also without any colour.
    Cursor = "cursor" "▸" ">",
    /// A marked row.
    Mark = "mark" "◆" "*",
    /// A row that is no longer there.
    Gone = "gone" "†" "-",
    /// Text was cut here.
    Ellipsis = "ellipsis" "…" "~",
    /// From one to another.
    Arrow = "arrow" "→" "->",
    /// There is more above.
    Up = "up" "▲" "^",
    /// There is more below.
    Down = "down" "▼" "v",
    /// Left of every line that a stranger wrote.
    Gutter = "gutter" "│" "|",
    /// In a chart: access that is or was, of what is still open.
    BarOpen = "bar-open" "█" "=",
    /// In a chart: access that is planned.
    BarPlanned = "bar-planned" "░" ".",
    /// In a chart: access that is over.
    BarOver = "bar-over" "─" "-",
    /// In a chart: access that should be over and is not known to be.
    BarTrouble = "bar-trouble" "▒" "!",
    /// In a chart: the moment that is asked about.
    AsOf = "as-of" "┃" "#",
    /// In counts over time: next to nothing.
    Level1 = "level-1" "▁" ".",
    /// In counts over time: an eighth more.
    Level2 = "level-2" "▂" ":",
    /// In counts over time: an eighth more.
    Level3 = "level-3" "▃" "-",
    /// In counts over time: half of the most.
    Level4 = "level-4" "▄" "=",
    /// In counts over time: an eighth more.
    Level5 = "level-5" "▅" "+",
    /// In counts over time: an eighth more.
    Level6 = "level-6" "▆" "*",
    /// In counts over time: an eighth more.
    Level7 = "level-7" "▇" "%",
    /// In counts over time: as much as anywhere.
    Level8 = "level-8" "█" "#",
    /// Between two facts on one line.
    Dot = "dot" "·" "-",
}

/// The characters of every sign: the set's, with the theme's own in their place.
pub(super) fn resolve(own: &HashMap<String, String>, charset: Charset) -> [String; Glyph::COUNT] {
    std::array::from_fn(|index| {
        let Some(glyph) = Glyph::ALL.get(index) else {
            return String::new();
        };
        own.get(glyph.name())
            .filter(|text| charset == Charset::Unicode || text.is_ascii())
            .cloned()
            .unwrap_or_else(|| glyph.characters(charset).to_owned())
    })
}
