//! How things look: roles by meaning, files that give them colours, and what is left of those on a lesser terminal.
//!
//! A theme never decides what is shown, and a state is always a sign and a word before it is a colour.
//!
//! To add a theme: put its file into `themes/` and list it in `SHIPPED`; to add a role: one line in `role.rs`.

mod check;
mod colour;
mod find;
mod glyph;
mod load;
mod resolve;
mod role;
mod wardrobe;

use std::collections::HashMap;

use ratatui::style::{Modifier, Style};
use ratatui::symbols::border;

pub use check::{TooAlike, WeakSpot};
pub use colour::Vision;
pub use find::{Found, Library, Place};
pub use glyph::Glyph;
pub use load::{BadTheme, Variant};
pub use role::Role;
pub use wardrobe::Wardrobe;

use crate::console::term::caps::{Charset, Depth};
use crate::console::theme::load::{Source, read};

/// The themes built in, by name, with the text of their file. The first is the default for dark backgrounds.
pub const SHIPPED: &[(&str, &str)] = &[
    (
        "portcullis-dark",
        include_str!("../../../themes/portcullis-dark.toml"),
    ),
    (
        "portcullis-light",
        include_str!("../../../themes/portcullis-light.toml"),
    ),
    (
        "high-contrast-dark",
        include_str!("../../../themes/high-contrast-dark.toml"),
    ),
    (
        "high-contrast-light",
        include_str!("../../../themes/high-contrast-light.toml"),
    ),
    (
        "colorblind-dark",
        include_str!("../../../themes/colorblind-dark.toml"),
    ),
    (
        "colorblind-light",
        include_str!("../../../themes/colorblind-light.toml"),
    ),
    ("ansi-16", include_str!("../../../themes/ansi-16.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
];

/// A theme made ready for one terminal: every role has its style and every sign its characters.
#[derive(Debug, Clone)]
pub struct Theme {
    source: Source,
    styles: [Style; Role::COUNT],
    glyphs: [String; Glyph::COUNT],
    charset: Charset,
}

impl Theme {
    /// Finds a built-in theme by name.
    pub fn shipped(id: &str, depth: Depth, charset: Charset) -> Option<Self> {
        let text = shipped_text(id)?;
        Self::from_toml(text, depth, charset).ok()
    }

    /// The theme used when nothing was asked for. Cannot fail: without any file it is the terminal's own colours.
    pub fn standard(light: bool, depth: Depth, charset: Charset) -> Self {
        let id = match (depth, light) {
            (Depth::Mono, _) => "mono",
            (Depth::Ansi16, _) => "ansi-16",
            (_, true) => "portcullis-light",
            (_, false) => "portcullis-dark",
        };
        Self::shipped(id, depth, charset)
            .unwrap_or_else(|| Self::prepare(Source::plain(), depth, charset))
    }

    /// Reads a theme file; the parents it inherits from are looked for among the built-in ones.
    pub fn from_toml(text: &str, depth: Depth, charset: Charset) -> Result<Self, BadTheme> {
        Self::from_toml_with(text, depth, charset, &HashMap::new())
    }

    /// Reads a theme file whose parent may also be one of `others`, given by name.
    pub fn from_toml_with(
        text: &str,
        depth: Depth,
        charset: Charset,
        others: &HashMap<String, String>,
    ) -> Result<Self, BadTheme> {
        let parent = |id: &str| {
            others
                .get(id)
                .map(String::as_str)
                .or_else(|| shipped_text(id))
                .map(str::to_owned)
        };
        let source = read(text, &parent)?;
        match source.remarks.first() {
            None => Ok(Self::prepare(source, depth, charset)),
            Some(remark) => Err(remark.clone()),
        }
    }

    /// Reads a theme file and passes over names that mean nothing, which are in [`Theme::remarks`].
    pub(super) fn from_toml_leniently(
        text: &str,
        depth: Depth,
        charset: Charset,
        parent: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, BadTheme> {
        Ok(Self::prepare(read(text, parent)?, depth, charset))
    }

    fn prepare(source: Source, depth: Depth, charset: Charset) -> Self {
        let styles = resolve::styles(&source, depth);
        let charset = source
            .charset
            .filter(|wanted| *wanted == Charset::Ascii)
            .unwrap_or(charset);
        let glyphs = glyph::resolve(&source.glyphs, charset);
        Self {
            source,
            styles,
            glyphs,
            charset,
        }
    }

    /// The name in its file.
    pub fn id(&self) -> &str {
        &self.source.id
    }

    /// Which backgrounds it is made for.
    pub fn variant(&self) -> Variant {
        self.source.variant
    }

    /// What its file says about itself.
    pub fn description(&self) -> &str {
        &self.source.description
    }

    /// What its file says that means nothing here.
    pub fn remarks(&self) -> &[BadTheme] {
        &self.source.remarks
    }

    /// The style of a role. It says only what the role is about: a text role has no background of its own.
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// The characters of a sign.
    pub fn glyph(&self, glyph: Glyph) -> &str {
        self.glyphs.get(glyph as usize).map_or("", String::as_str)
    }

    /// The signs that the terminal can show.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// The characters of a border.
    pub fn border(&self) -> border::Set<'static> {
        match self.charset {
            Charset::Unicode => border::PLAIN,
            Charset::Ascii => ASCII_BORDER,
        }
    }

    /// Lists the roles that are hard to read on their backgrounds, for `theme check` and our own tests.
    pub fn weak_spots(&self) -> Vec<WeakSpot> {
        check::weak_spots(&self.source)
    }

    /// Lists the states whose colours some people cannot tell apart.
    pub fn too_alike(&self) -> Vec<TooAlike> {
        check::too_alike(&self.source)
    }

    /// How far apart two roles look to somebody, in hundredths of `OKLab`; nothing where the terminal's own colours
    /// decide.
    pub fn apart(&self, vision: Vision, one: Role, other: Role) -> Option<f32> {
        check::apart(&self.source, vision, one, other)
    }

    /// Says whether no role asks for a colour.
    pub fn is_colourless(&self) -> bool {
        self.styles.iter().all(|style| {
            style.fg.is_none() && style.bg.is_none() && style.underline_color.is_none()
        })
    }
}

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

fn shipped_text(id: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(name, _)| *name == id)
        .map(|(_, text)| *text)
}

/// Names of modifiers in theme files; blinking is missing on purpose.
const MODS: &[(&str, Modifier)] = &[
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reverse", Modifier::REVERSED),
    ("strike", Modifier::CROSSED_OUT),
];
