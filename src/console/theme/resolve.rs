//! Turns the looks of a theme into styles for one terminal: full colour, 256, 16, or none.

use ratatui::style::{Color, Modifier, Style};

use crate::console::term::caps::Depth;
use crate::console::theme::check::{BEHIND, ENOUGH, READ};
use crate::console::theme::colour::{Paint, Rgb, of_index};
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
                style = style.fg(match (paint, depth) {
                    (Paint::Exact(rgb), Depth::Indexed) => {
                        Color::Indexed(reduced_text(source, role, rgb))
                    }
                    _ => colour(paint),
                });
            }
            if let Some(paint) = look.bg {
                style = style.bg(match (paint, depth) {
                    (Paint::Exact(rgb), Depth::Indexed) => {
                        Color::Indexed(reduced_ground(source, role, rgb))
                    }
                    _ => colour(paint),
                });
            }
        }
    }
    style.add_modifier(look.mods)
}

fn colour(paint: Paint) -> Color {
    match paint {
        Paint::Default => Color::Reset,
        Paint::Ansi(index) | Paint::Index(index) => Color::Indexed(index),
        Paint::Exact(Rgb(r, g, b)) => Color::Rgb(r, g, b),
    }
}

/// The 256-colour form of a text colour: near to it, and as readable on every ground as people need.
pub(super) fn reduced_text(source: &Source, role: Role, rgb: Rgb) -> u8 {
    if !READ.contains(&role) {
        return rgb.nearest_index(|_| true);
    }
    let grounds: Vec<Rgb> = BEHIND
        .iter()
        .filter_map(|on| {
            Some(of_index(reduced_ground(
                source,
                *on,
                exact_ground(source, *on)?,
            )))
        })
        .collect();
    rgb.nearest_index(|index| {
        grounds
            .iter()
            .all(|ground| of_index(index).contrast(*ground) >= ENOUGH)
    })
}

/// The 256-colour form of a background; that of the selected row stays apart from those around it.
pub(super) fn reduced_ground(source: &Source, role: Role, rgb: Rgb) -> u8 {
    if role != Role::Selection {
        return rgb.nearest_index(|_| true);
    }
    let around: Vec<u8> = [Role::Surface, Role::Panel, Role::Overlay]
        .into_iter()
        .filter_map(|role| Some(exact_ground(source, role)?.nearest_index(|_| true)))
        .collect();
    rgb.nearest_index(|index| !around.contains(&index))
}

/// The background of a role, when the theme says exactly what it is.
pub(super) fn exact_ground(source: &Source, role: Role) -> Option<Rgb> {
    match look(source, role)?.bg? {
        Paint::Exact(rgb) => Some(rgb),
        _ => None,
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
