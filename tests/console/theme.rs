//! The themes we ship, and what is said about broken ones.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use portcullis::console::term::caps::{Charset, Depth};
use portcullis::console::theme::{
    BadTheme, Glyph, Library, Place, Role, SHIPPED, Theme, Vision, Wardrobe,
};
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

/// What ok and danger are apart at least, with normal, protan, deutan and tritan vision: the figures of the design.
#[test]
fn fine_and_wrong_are_told_apart_by_everybody() {
    let figures = [
        ("portcullis-dark", [28.0, 22.0, 11.0, 32.0]),
        ("portcullis-light", [26.0, 9.0, 7.0, 29.0]),
        ("high-contrast-dark", [31.0, 21.0, 10.0, 31.0]),
        ("high-contrast-light", [24.0, 8.0, 6.0, 25.0]),
        ("colorblind-dark", [28.0, 24.0, 24.0, 31.0]),
        ("colorblind-light", [25.0, 20.0, 20.0, 25.0]),
    ];
    assert_eq!(
        SHIPPED.len(),
        figures.len() + 2,
        "the others have no colours of their own"
    );
    for (id, least) in figures {
        let theme = shipped(id, Depth::TrueColor);
        for (vision, least) in Vision::ALL.into_iter().zip(least) {
            let apart = theme
                .apart(vision, Role::StatusOk, Role::StatusDanger)
                .unwrap();
            assert!(
                apart.round() >= least,
                "{id}: {apart:.1} with {} vision",
                vision.name()
            );
        }
        let alike: Vec<String> = theme.too_alike().iter().map(ToString::to_string).collect();
        assert!(alike.is_empty(), "{id}: {alike:#?}");
    }
}

#[test]
fn eight_themes_are_built_in() {
    let nowhere = Library::new(Path::new("/nowhere"), |_| Some("/nowhere".to_owned()));
    assert_eq!(
        nowhere.names(),
        [
            "ansi-16",
            "colorblind-dark",
            "colorblind-light",
            "high-contrast-dark",
            "high-contrast-light",
            "mono",
            "portcullis-dark",
            "portcullis-light"
        ]
    );
}

/// A person's own folder and one of the machine, with a theme in each.
fn folders() -> (tempfile::TempDir, Library) {
    let top = tempfile::tempdir().unwrap();
    let (own, machine) = (
        top.path().join("settings"),
        top.path().join("data/portcullis/themes"),
    );
    fs::create_dir_all(own.join("themes")).unwrap();
    fs::create_dir_all(&machine).unwrap();
    fs::write(own.join("themes/mine.toml"), mine("#ff0000")).unwrap();
    fs::write(machine.join("mine.toml"), mine("#0000ff")).unwrap();
    fs::write(
        machine.join("ours.toml"),
        "schema = 1\nid = \"ours\"\ninherits = \"mine\"",
    )
    .unwrap();
    let data = top.path().join("data").display().to_string();
    let library = Library::new(&own, |name| {
        (name == "XDG_DATA_DIRS").then(|| format!("relative:{data}"))
    });
    (top, library)
}

fn mine(text: &str) -> String {
    format!("schema = 1\nid = \"mine\"\n[roles]\ntext = \"{text}\"")
}

fn text_of(theme: &Theme) -> Option<Color> {
    theme.style(Role::Text).fg
}

#[test]
fn a_theme_is_looked_for_near_the_person_first() {
    let (top, library) = folders();
    let open = |name: &str| {
        library
            .open(name, Depth::TrueColor, Charset::Unicode)
            .unwrap()
    };
    let red = Some(Color::Rgb(255, 0, 0));
    assert_eq!(text_of(&open("mine").theme), red);
    let ours = open("ours");
    assert_eq!((text_of(&ours.theme), ours.files.len()), (red, 2));
    let path = top.path().join("data/portcullis/themes/mine.toml");
    let by_path = open(path.to_str().unwrap());
    assert_eq!(text_of(&by_path.theme), Some(Color::Rgb(0, 0, 255)));
    let listed = library.list();
    assert_eq!(listed.len(), SHIPPED.len() + 2);
    let own = Place::File(top.path().join("settings/themes/mine.toml"));
    assert!(listed.contains(&("mine".to_owned(), own)));
    assert!(listed.contains(&("mono".to_owned(), Place::BuiltIn)));
}

#[test]
fn an_own_theme_may_bear_the_name_of_one_built_in_and_inherit_from_it() {
    let (top, library) = folders();
    fs::write(
        top.path().join("settings/themes/portcullis-dark.toml"),
        "schema = 1\nid = \"portcullis-dark\"\ninherits = \"portcullis-dark\"\n[roles]\ntext = \"#ff0000\"",
    )
    .unwrap();
    let theme = library
        .open("portcullis-dark", Depth::TrueColor, Charset::Unicode)
        .unwrap()
        .theme;
    assert_eq!(text_of(&theme), Some(Color::Rgb(255, 0, 0)));
    assert_eq!(
        theme.style(Role::StatusDanger),
        shipped("portcullis-dark", Depth::TrueColor).style(Role::StatusDanger)
    );
}

#[test]
fn parents_that_go_in_a_circle_are_refused_from_files_too() {
    let (top, library) = folders();
    for (one, other) in [("a", "b"), ("b", "a")] {
        fs::write(
            top.path().join(format!("settings/themes/{one}.toml")),
            format!("schema = 1\nid = \"{one}\"\ninherits = \"{other}\""),
        )
        .unwrap();
    }
    let error = library
        .open("a", Depth::TrueColor, Charset::Unicode)
        .unwrap_err();
    assert!(error.problem.ends_with("one parent too many"), "{error}");
}

#[test]
fn what_a_theme_may_not_be_is_said_and_stops_nobody() {
    let (top, library) = folders();
    let file = |name: &str, text: &str| {
        let path = top.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let too_long = "#".repeat(100_000);
    for (asked, problem) in [
        ("nothing-like-it".to_owned(), "there is no theme"),
        ("../mine".to_owned(), "cannot be read"),
        (top.path().display().to_string(), "it is no file"),
        (file("long.toml", &too_long), "too long"),
        (file("bad.toml", "schema = 2"), "schema = 1"),
    ] {
        let (wardrobe, said) = Wardrobe::open(
            library.clone(),
            Some(&asked),
            false,
            Depth::TrueColor,
            Charset::Unicode,
        );
        assert_eq!(wardrobe.theme().id(), "portcullis-dark");
        assert!(said[0].problem.contains(problem), "{}", said[0].problem);
    }
}

#[test]
fn a_name_that_means_nothing_is_a_remark_when_the_console_starts() {
    let (top, library) = folders();
    let path = top.path().join("other.toml");
    let text = mine("#ff0000").replace("[roles]", "[roles]\nstatus-dagner = \"red\"");
    fs::write(&path, text).unwrap();
    let found = library
        .open(path.to_str().unwrap(), Depth::TrueColor, Charset::Unicode)
        .unwrap();
    let remarks: Vec<&str> = found
        .theme
        .remarks()
        .iter()
        .map(|bad| bad.problem.as_str())
        .collect();
    assert_eq!(
        remarks,
        [
            "there is no role `status-dagner`",
            "the theme calls itself `mine`, and its file `other`"
        ]
    );
    assert_eq!(text_of(&found.theme), Some(Color::Rgb(255, 0, 0)));
}

/// Writes a theme and says that it was written at some second.
fn save(path: &Path, text: &str, second: u64) {
    fs::write(path, text).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + second);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(at)
        .unwrap();
}

#[test]
fn a_theme_is_read_again_when_its_file_changes_and_half_a_file_changes_nothing() {
    let (top, library) = folders();
    let path = top.path().join("settings/themes/mine.toml");
    save(&path, &mine("#ff0000"), 1);
    let (mut wardrobe, said) = Wardrobe::open(
        library,
        Some("mine"),
        false,
        Depth::TrueColor,
        Charset::Unicode,
    );
    assert!(said.is_empty());
    let mut now = Instant::now();
    let mut look = |wardrobe: &mut Wardrobe| {
        now += Duration::from_secs(1);
        wardrobe.look_again(now)
    };
    assert!(look(&mut wardrobe).is_none());
    save(&path, &mine("#00ff00"), 2);
    assert_eq!(look(&mut wardrobe), Some(Ok(Vec::new())));
    assert_eq!(text_of(wardrobe.theme()), Some(Color::Rgb(0, 255, 0)));
    save(&path, "schema = 1\nid = \"mi", 3);
    assert!(matches!(look(&mut wardrobe), Some(Err(_))));
    assert_eq!(text_of(wardrobe.theme()), Some(Color::Rgb(0, 255, 0)));
    assert!(look(&mut wardrobe).is_none(), "said once");
    fs::remove_file(&path).unwrap();
    assert!(look(&mut wardrobe).is_none());
    save(&path, &mine("#0000ff"), 3);
    assert_eq!(look(&mut wardrobe), Some(Ok(Vec::new())));
    assert_eq!(text_of(wardrobe.theme()), Some(Color::Rgb(0, 0, 255)));
}

#[test]
fn a_theme_that_was_tried_on_goes_when_nobody_keeps_it() {
    let (_top, library) = folders();
    let (mut wardrobe, _) =
        Wardrobe::open(library, None, false, Depth::TrueColor, Charset::Unicode);
    wardrobe.try_on("high-contrast-dark").unwrap();
    assert_eq!(wardrobe.theme().id(), "high-contrast-dark");
    assert!(wardrobe.try_on("nothing-like-it").is_err());
    assert_eq!(wardrobe.theme().id(), "high-contrast-dark");
    wardrobe.restore();
    assert_eq!(wardrobe.theme().id(), "portcullis-dark");
    assert!(
        wardrobe.background(true),
        "nobody chose, so the terminal decides"
    );
    assert_eq!(wardrobe.theme().id(), "portcullis-light");
    wardrobe.keep("mine").unwrap();
    assert!(!wardrobe.background(false));
    wardrobe.try_on("mono").unwrap();
    wardrobe.restore();
    assert_eq!(wardrobe.theme().id(), "mine");
}

#[test]
fn every_state_is_a_sign_and_a_word_before_it_is_a_colour() {
    let grants = [
        "active",
        "scheduled",
        "activating",
        "closing",
        "ended",
        "returned",
        "revoked",
        "activation_failed",
    ];
    let requests = ["pending", "approved", "denied", "withdrawn", "expired"];
    for charset in [Charset::Unicode, Charset::Ascii] {
        let mut desk = super::desk::Desk::live(120, 40);
        desk.theme = Theme::standard(false, Depth::Mono, charset);
        for (screen, states) in [("1", &requests[..]), ("2", &grants[..])] {
            for state in states {
                let (mut request, mut grant) = (
                    super::desk::request(9, "zoe", "zeta", "readonly", "1h", "state"),
                    super::desk::grant(9, "zoe", "zeta", "readonly", 30),
                );
                request.state = (*state).to_owned();
                grant.state = (*state).to_owned();
                if screen == "1" {
                    desk.requests = vec![request.clone()];
                    desk.grants.clear();
                } else {
                    desk.grants = vec![grant.clone()];
                    desk.requests.clear();
                }
                let mut fresh = super::desk::Desk::new(120, 40);
                fresh.theme = desk.theme.clone();
                fresh.requests = desk.requests.clone();
                fresh.grants = desk.grants.clone();
                fresh.connect();
                fresh.keys(screen);
                let look = if screen == "1" {
                    portcullis::console::show::request(&request)
                } else {
                    portcullis::console::show::grant(&grant)
                };
                let cell = format!("{} {}", fresh.theme.glyph(look.glyph), look.word);
                let picture = fresh.screen();
                assert!(
                    picture.contains(&cell),
                    "no {cell:?} for {state}:\n{picture}"
                );
            }
        }
    }
}
