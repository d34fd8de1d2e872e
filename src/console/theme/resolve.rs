//! Turns the looks of a theme into styles for one terminal: full colour, 256, 16, or none.

use ratatui::style::{Color, Modifier, Style};

use crate::console::term::caps::Depth;
use crate::console::theme::colour::{Paint, Rgb};
use crate::console::theme::load::{Look, Source};
use crate::console::theme::role::Role;

/// The style of every role, in their order.
pub(super) fn styles(source: &Source, depth: Depth) -> [Style; Role::COUNT] {
    let depth = depth.min(source.depth);
    std::array::from_fn(|index| {
        let Some(role) = Role::ALL.get(index).copied() else {
            return Style::new();
        };
        match look(source, role) {
            Some(found) => style(source, role, found, depth),
            // Nobody may lose the selected row because a theme forgot it.
            None if role == Role::Selection => Style::new().add_modifier(Modifier::REVERSED),
            None => Style::new(),
        }
    })
}

/// The look of a role or of the nearest one it falls back to.
pub(super) fn look(source: &Source, role: Role) -> Option<&Look> {
    source
        .roles
        .get(&role)
        .or_else(|| look(source, role.parent()?))
}

fn style(source: &Source, role: Role, look: &Look, depth: Depth) -> Style {
    let mut style = Style::new();
    match depth {
        Depth::Mono => return style.add_modifier(look.mono.unwrap_or(look.mods)),
        Depth::Ansi16 => {
            if let Some(colour) = ansi(source, role, look) {
                style = style.fg(colour);
            }
            // Backgrounds are the user's own here; a row then stands out by being reversed.
            if role == Role::Selection && !look.mods.contains(Modifier::REVERSED) {
                style = style.add_modifier(Modifier::REVERSED);
            }
        }
        Depth::Indexed | Depth::TrueColor => {
            if let Some(paint) = look.fg {
                style = style.fg(colour(paint, depth));
            }
            if let Some(paint) = look.bg {
                style = style.bg(colour(paint, depth));
            }
        }
    }
    style.add_modifier(look.mods)
}

fn colour(paint: Paint, depth: Depth) -> Color {
    match paint {
        Paint::Default => Color::Reset,
        Paint::Ansi(index) | Paint::Index(index) => Color::Indexed(index),
        Paint::Exact(rgb) if depth == Depth::Indexed => Color::Indexed(rgb.nearest_index()),
        Paint::Exact(Rgb(r, g, b)) => Color::Rgb(r, g, b),
    }
}

/// The sixteen-colour form: the theme's word, else that of an ancestor with the same colour, else the nearest hue.
fn ansi(source: &Source, role: Role, look: &Look) -> Option<Color> {
    let mut role = Some(role);
    while let Some(at) = role {
        if let Some(ancestor) = source.roles.get(&at)
            && ancestor.fg == look.fg
            && let Some(Paint::Ansi(index)) = ancestor.ansi
        {
            return Some(Color::Indexed(index));
        }
        role = at.parent();
    }
    match look.fg? {
        Paint::Ansi(index) => Some(Color::Indexed(index)),
        Paint::Exact(rgb) => rgb.nearest_hue().map(Color::Indexed),
        Paint::Default | Paint::Index(_) => None,
    }
}
