//! The themes we ship, and what is said about broken ones.

use std::collections::HashMap;

use portcullis::console::term::caps::{Charset, Depth};
use portcullis::console::theme::{BadTheme, Glyph, Role, SHIPPED, Theme};
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

const DEPTHS: [Depth; 4] = [Depth::Mono, Depth::Ansi16, Depth::Indexed, Depth::TrueColor];

fn shipped(id: &str, depth: Depth) -> Theme {
    Theme::shipped(id, depth, Charset::Unicode).unwrap()
}

fn read(text: &str) -> Result<Theme, BadTheme> {
    Theme::from_toml(text, Depth::TrueColor, Charset::Unicode)
}

#[test]
fn every_file_of_the_folder_is_listed_and_none_is_missing() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/themes");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(".toml").expect(&name).to_owned())
        .collect();
    files.sort();
    let mut listed: Vec<&str> = SHIPPED.iter().map(|(id, _)| *id).collect();
    listed.sort_unstable();
    assert_eq!(files, listed);
}

#[test]
fn every_theme_is_right_and_bears_the_name_of_its_file() {
    for (id, text) in SHIPPED {
        let theme = read(text).unwrap_or_else(|error| panic!("{id}: {error}: {}", error.hint));
        assert_eq!(theme.id(), *id);
    }
}

#[test]
fn every_theme_with_colours_says_something_about_every_role() {
    for (id, text) in SHIPPED.iter().filter(|(id, _)| *id != "mono") {
        for role in Role::ALL {
            let named = text.lines().any(|line| {
                line.split('=')
                    .next()
                    .is_some_and(|key| key.trim() == role.name())
            });
            assert!(named, "{id} leaves out {}", role.name());
        }
    }
}

#[test]
fn everything_can_be_read_on_everything_it_lies_on() {
    for (id, _) in SHIPPED {
        let weak: Vec<String> = shipped(id, Depth::TrueColor)
            .weak_spots()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(weak.is_empty(), "{id}: {weak:#?}");
    }
}

#[test]
fn the_selected_row_differs_in_every_theme_at_every_depth() {
    for (id, _) in SHIPPED {
        for depth in DEPTHS {
            let theme = shipped(id, depth);
            let selection = theme.style(Role::Selection);
            let visible = selection.add_modifier.contains(Modifier::REVERSED)
                || selection
                    .bg
                    .is_some_and(|bg| Some(bg) != theme.style(Role::Panel).bg);
            assert!(visible, "{id} at {depth:?}: {selection:?}");
        }
    }
}

#[test]
fn no_colour_means_none_at_all() {
    for (id, _) in SHIPPED {
        assert!(shipped(id, Depth::Mono).is_colourless(), "{id}");
    }
    for depth in DEPTHS {
        assert!(shipped("mono", depth).is_colourless());
    }
}

#[test]
fn lesser_terminals_get_their_own_colours() {
    let danger = |depth| shipped("portcullis-dark", depth).style(Role::StatusDanger);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    assert_eq!(
        danger(Depth::TrueColor),
        bold.fg(Color::Rgb(0xff, 0x7a, 0x6b))
    );
    assert_eq!(danger(Depth::Indexed), bold.fg(Color::Indexed(209)));
    assert_eq!(danger(Depth::Ansi16), bold.fg(Color::Indexed(1)));
    assert_eq!(danger(Depth::Mono), bold);
}

#[test]
fn sixteen_colours_keep_the_states_apart() {
    for (id, _) in SHIPPED.iter().filter(|(id, _)| *id != "mono") {
        let theme = shipped(id, Depth::Ansi16);
        let fg = |role| theme.style(role).fg;
        assert_eq!(fg(Role::BannerOffline), fg(Role::StatusDanger), "{id}");
        assert_eq!(fg(Role::StatusOk), Some(Color::Indexed(2)), "{id}");
        assert_eq!(theme.style(Role::Surface).bg, None, "{id}");
    }
}

#[test]
fn a_missing_role_looks_like_the_one_it_falls_back_to() {
    let theme = read("schema = 1\nid = \"x\"\n[roles]\nstatus-danger = \"#ff0000\"").unwrap();
    assert_eq!(theme.style(Role::EnvProd).fg, Some(Color::Rgb(255, 0, 0)));
    assert_eq!(
        theme.style(Role::BannerIncident).fg,
        Some(Color::Rgb(255, 0, 0))
    );
    assert_eq!(theme.style(Role::Text), Style::new());
    assert_eq!(
        theme.style(Role::Selection).add_modifier,
        Modifier::REVERSED
    );
}

#[test]
fn a_theme_can_change_a_few_things_of_another() {
    let text = "schema = 1\nid = \"mine\"\ninherits = \"portcullis-dark\"\n[roles]\nstatus-ok = \"focus\"\n[glyphs]\nstatus-ok = \"ok\"";
    let theme = read(text).unwrap();
    assert_eq!(
        theme.style(Role::StatusOk).fg,
        Some(Color::Rgb(0x6c, 0xb6, 0xff))
    );
    assert_eq!(
        theme.style(Role::StatusDanger),
        shipped("portcullis-dark", Depth::TrueColor).style(Role::StatusDanger)
    );
    assert_eq!(theme.glyph(Glyph::StatusOk), "ok");
}

#[test]
fn a_circle_of_parents_is_refused() {
    let text = "schema = 1\nid = \"a\"\ninherits = \"a\"";
    let others = HashMap::from([("a".to_owned(), text.to_owned())]);
    let error =
        Theme::from_toml_with(text, Depth::TrueColor, Charset::Unicode, &others).unwrap_err();
    assert_eq!(error.problem, "`a` is one parent too many");
}

#[test]
fn mistakes_are_named_with_what_would_be_right() {
    let head = "schema = 1\nid = \"x\"\n";
    let cases = [
        (
            "id = \"x\"".to_owned(),
            "the theme has no `schema = 1`",
            "put it on the first line",
        ),
        (
            format!("{head}palete = 1"),
            "there is no key `palete`",
            "did you mean `palette`",
        ),
        (
            format!("{head}[roles]\nstatus-dagner = \"red\""),
            "there is no role `status-dagner`",
            "did you mean `status-danger`",
        ),
        (
            format!("{head}[roles]\ntext = \"rde\""),
            "`rde` of `text` is neither in the palette nor a colour",
            "did you mean `red`",
        ),
        (
            format!("{head}[roles]\ntext = {{ mods = [\"blink\"] }}"),
            "there is no modifier `blink`",
            "",
        ),
        (
            format!("{head}[roles]\ntext = {{ fg = \"red\", ansi = \"#fff\" }}"),
            "`ansi` of `text` is not one of the sixteen colours",
            "",
        ),
        (
            format!("{head}[glyphs]\nmark = \"\\u001b[2J\""),
            "`glyphs.mark` is not one or two columns wide",
            "",
        ),
        (
            format!("{head}variant = \"drak\""),
            "there is no variant `drak`",
            "did you mean `dark`",
        ),
        (
            format!("{head}[roles\n"),
            "line 3 of the theme is not TOML",
            "",
        ),
    ];
    for (text, problem, hint) in cases {
        let error = read(&text).unwrap_err();
        assert!(error.problem.starts_with(problem), "{}", error.problem);
        assert!(hint.is_empty() || error.hint == hint, "{}", error.hint);
    }
}

#[test]
fn signs_are_narrow_and_have_an_ascii_form() {
    let unicode = shipped("portcullis-dark", Depth::TrueColor);
    let ascii = Theme::shipped("portcullis-dark", Depth::TrueColor, Charset::Ascii).unwrap();
    for glyph in Glyph::ALL {
        assert!(
            (1..=2).contains(&unicode.glyph(*glyph).width()),
            "{}",
            glyph.name()
        );
        assert!(ascii.glyph(*glyph).is_ascii(), "{}", glyph.name());
        assert!(!unicode.glyph(*glyph).contains('\u{fe0f}'));
    }
    assert_eq!(ascii.border().top_left, "+");
}

#[test]
fn states_differ_by_sign_alone() {
    let states = [
        Glyph::StatusOk,
        Glyph::StatusInfo,
        Glyph::StatusPending,
        Glyph::StatusWarn,
        Glyph::StatusDanger,
        Glyph::StatusCritical,
    ];
    for charset in [Charset::Unicode, Charset::Ascii] {
        let theme = Theme::shipped("mono", Depth::Mono, charset).unwrap();
        let mut signs: Vec<&str> = states.iter().map(|glyph| theme.glyph(*glyph)).collect();
        signs.sort_unstable();
        signs.dedup();
        assert_eq!(signs.len(), states.len());
    }
}
