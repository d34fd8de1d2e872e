//! Every view with its looks: which style each cell has in the dark, the light and the colourless theme, and what is
//! left in plain characters. The pictures are in `snapshots/`; a run such as `b12` is twelve cells in style `b`.

use std::fmt::Write as _;

use portcullis::console::term::caps::{Charset, Depth};
use portcullis::console::theme::{Role, Theme};
use ratatui::buffer::{Buffer, Cell};

use super::desk::Desk;
use super::sample::full_desk;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// Every view, with the keys that lead to it.
const VIEWS: &[(&str, &str)] = &[
    ("requests", "1"),
    ("request", "Enter"),
    ("approve", "a"),
    ("deny", "d"),
    ("grants", "2"),
    ("revoke", "2 x"),
    ("sessions", "3"),
    ("audit", "4"),
    ("locks", "5"),
    ("timeline", "6"),
    ("incident", "i"),
    ("help", "?"),
    ("palette", ":"),
    ("messages", "m"),
];

/// What a style means: the roles that its colours belong to, and how the letters are set.
fn meaning(cell: &Cell, theme: &Theme) -> String {
    let named = |wanted: &dyn Fn(Role) -> bool| {
        // Of two roles with one colour the one that says what is the case.
        let states = Role::ALL
            .iter()
            .filter(|role| role.name().starts_with("status"));
        states
            .chain(Role::ALL)
            .copied()
            .find(|role| wanted(*role))
            .map_or("-", Role::name)
    };
    let letters = named(&|role| theme.style(role).fg == Some(cell.fg));
    let ground = named(&|role| theme.style(role).bg == Some(cell.bg));
    let mut words = format!("{letters} on {ground}");
    for (name, _) in cell.modifier.iter_names() {
        let _ = write!(words, " {}", name.to_ascii_lowercase());
    }
    words
}

/// The frame as runs of styles, and what each style means.
fn looks(frame: &Buffer, theme: &Theme) -> String {
    let mut known: Vec<String> = Vec::new();
    let mut rows = String::new();
    for row in frame.content.chunks(usize::from(frame.area.width)) {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for cell in row {
            let meaning = meaning(cell, theme);
            let place = known.iter().position(|known| *known == meaning);
            let place = place.unwrap_or_else(|| {
                known.push(meaning);
                known.len() - 1
            });
            match runs.last_mut() {
                Some((last, count)) if *last == place => *count += 1,
                _ => runs.push((place, 1)),
            }
        }
        let runs: Vec<String> = runs
            .iter()
            .map(|(place, count)| format!("{}{count}", letter(*place)))
            .collect();
        rows.push_str(&runs.join(" "));
        rows.push('\n');
    }
    let mut out = String::new();
    for (place, meaning) in known.iter().enumerate() {
        let _ = writeln!(out, "{} = {meaning}", letter(place));
    }
    out + &rows
}

fn letter(place: usize) -> char {
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        .chars()
        .nth(place)
        .unwrap_or('?')
}

fn at(view: &str, width: u16, height: u16) -> Desk {
    let mut desk = full_desk(width, height);
    desk.keys(view);
    desk.read_it();
    desk.wait(100);
    desk
}

#[test]
fn every_view_looks_as_reviewed_in_dark_light_mono_and_ascii() {
    for (name, keys) in VIEWS {
        for (width, height) in SIZES {
            let mut desk = at(keys, width, height);
            let mut said = String::new();
            let themes = [
                (
                    "dark",
                    Theme::standard(false, Depth::TrueColor, Charset::Unicode),
                ),
                (
                    "light",
                    Theme::standard(true, Depth::TrueColor, Charset::Unicode),
                ),
                (
                    "mono",
                    Theme::standard(false, Depth::Mono, Charset::Unicode),
                ),
            ];
            let mut before = String::new();
            for (variant, theme) in themes {
                desk.theme = theme;
                let looks = looks(&desk.frame(), &desk.theme);
                if looks == before {
                    let _ = writeln!(said, "== {variant}: the same roles");
                } else {
                    let _ = writeln!(said, "== {variant}\n{looks}");
                }
                before = looks;
            }
            desk.theme = Theme::standard(false, Depth::Mono, Charset::Ascii);
            let plain = desk.screen();
            assert!(
                plain.is_ascii(),
                "{name} at {width}x{height} in plain characters:\n{plain}"
            );
            let _ = write!(said, "== ascii\n{plain}");
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), said);
        }
    }
}

#[test]
fn every_view_is_readable_without_any_colour() {
    for (name, keys) in VIEWS {
        let mut desk = at(keys, 120, 40);
        let colourful = desk.screen();
        desk.theme = Theme::standard(false, Depth::Mono, Charset::Unicode);
        assert_eq!(
            desk.screen(),
            colourful,
            "{name} says something by colour alone"
        );
    }
}
