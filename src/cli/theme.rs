//! `portcullis theme`: lists, shows and checks the colours of the console.

use ratatui::style::{Color, Style};
use serde_json::json;

use crate::cli::context::environment;
use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, console};
use crate::config::{COLORS, paths};
use crate::console::term::caps::{Caps, Charset, Depth, Wishes};
use crate::console::theme::{Found, Glyph, Library, Place, Role, Theme, Variant, Vision};

/// List, show and check the colours of the console
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Themes are looked for in `themes` beside console.toml, in `portcullis/themes` of the machine's data \
                  folders, and in the program. A path is taken as it is."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the themes there are
    List,
    /// Show every role of a theme as this terminal draws it
    Show {
        /// The name of a theme, or the path of its file; without one that of the settings
        theme: Option<String>,
        /// How many colours the terminal has
        #[arg(long, value_name = "DEPTH", value_parser = COLORS)]
        color: Option<String>,
    },
    /// Look for mistakes, for text that is hard to read and for states that look alike; ends with 1 when there are any
    Check {
        /// The path of a theme's file, or a name
        theme: String,
    },
}

pub(super) fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List => list(context),
        Command::Show { theme, color } => show(context, theme.as_deref(), color.as_deref()),
        Command::Check { theme } => check(context, theme),
    }
}

/// Where themes are looked for.
pub(super) fn library() -> Library {
    Library::new(&paths::config_dir(None, &environment), environment)
}

fn list(context: &Context<'_>) -> Result<Exit, Failure> {
    let library = library();
    let mut table = Table::new(&[
        ("NAME", Cut::Never),
        ("FOR", Cut::Never),
        ("ABOUT", Cut::End),
        ("FROM", Cut::Middle),
    ]);
    let mut all = Vec::new();
    for (name, place) in library.list() {
        let from = match &place {
            Place::BuiltIn => "built in".to_owned(),
            Place::File(path) => path.display().to_string(),
        };
        let (grounds, about) = match library.open(&name, Depth::TrueColor, Charset::Unicode) {
            Ok(found) => (grounds(&found.theme), found.theme.description().to_owned()),
            Err(bad) => ("-", format!("cannot be used: {}", bad.problem)),
        };
        all.push(json!({ "name": name, "for": grounds, "about": about, "from": from }));
        table.row([name, grounds.to_owned(), about, from]);
    }
    context
        .printer
        .answer(&all, |printer| printer.table(&table, "there are no themes"))?;
    Ok(Exit::DONE)
}

fn grounds(theme: &Theme) -> &'static str {
    match theme.variant() {
        Variant::Dark => "dark",
        Variant::Light => "light",
        Variant::Any => "any",
    }
}

fn show(context: &Context<'_>, wanted: Option<&str>, color: Option<&str>) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let depth = console::depth(color.unwrap_or(&settings.color));
    let wishes = Wishes {
        depth,
        ascii: settings.ascii,
    };
    let caps = Caps::detect(environment, wishes).ok();
    let charset = caps.map_or(Charset::Ascii, |caps| caps.charset);
    let drawn = depth.or(caps.map(|caps| caps.depth)).unwrap_or(Depth::Mono);
    // Sequences go to a terminal, or to where somebody asked for them by name.
    let paints = color.is_some_and(|color| color != "auto")
        || (context.printer.is_terminal() && caps.is_some());
    let wanted = wanted.unwrap_or(&settings.theme);
    let found = if wanted == "auto" {
        let light = caps.and_then(|caps| caps.light).unwrap_or(false);
        Found {
            theme: Theme::standard(light, drawn, charset),
            files: Vec::new(),
        }
    } else {
        library().open(wanted, drawn, charset).map_err(refused)?
    };
    let theme = &found.theme;
    let body = json!({
        "name": theme.id(),
        "for": grounds(theme),
        "about": theme.description(),
        "roles": Role::ALL.iter().map(|role| {
            let style = theme.style(*role);
            json!({ "role": role.name(), "fg": colour(style.fg), "bg": colour(style.bg),
                "mods": mods(style) })
        }).collect::<Vec<_>>(),
    });
    context.printer.answer(&body, |printer| {
        printer.line(&format!("{}: {}", theme.id(), theme.description()))?;
        for remark in theme.remarks() {
            printer.note(&format!("warning: {}; {}", remark.problem, remark.hint));
        }
        let ground = theme.style(Role::Surface).patch(theme.style(Role::Text));
        for role in Role::ALL.iter().copied() {
            let style = ground.patch(theme.style(role));
            let selected = style.patch(theme.style(Role::Selection));
            let word = format!(" {} {} ", theme.glyph(sign(role)), sample(role));
            let looks = [colour(style.fg), colour(style.bg)];
            let told = looks.iter().flatten().cloned().collect::<Vec<_>>();
            printer.painted(
                &[
                    (Style::new(), format!("{:<16}", role.name())),
                    (style, format!("{word:<22}")),
                    (Style::new(), " ".to_owned()),
                    (selected, format!("{word:<22}")),
                    (Style::new(), format!(" {}", told.join(" on "))),
                ],
                paints,
            )?;
        }
        Ok(())
    })?;
    Ok(Exit::DONE)
}

/// What the console draws in this role.
fn sample(role: Role) -> &'static str {
    match role {
        Role::StatusOk => "active",
        Role::StatusInfo => "activating",
        Role::StatusPending => "pending",
        Role::StatusWarn => "closing",
        Role::StatusDanger => "denied",
        Role::StatusCritical => "closing, failed",
        Role::BannerLive => "LIVE 38ms",
        Role::BannerStale => "STALE 0:42",
        Role::BannerOffline => "OFFLINE",
        Role::BannerIncident => "INCIDENT",
        Role::EnvProd => "PROD",
        Role::EnvStaging => "STAGING",
        Role::EnvDev => "DEV",
        Role::KeyHint => "a approve",
        Role::Border | Role::BorderFocus | Role::ConfirmBorder => "border",
        Role::Selection => "the selected row",
        Role::Mark => "a marked row",
        Role::Match => "a match",
        Role::Disabled => "not possible",
        Role::StaleData => "may be old",
        Role::Surface | Role::Panel | Role::Overlay => "background",
        Role::Text | Role::TextMuted | Role::TextStrong => "text of a row",
    }
}

fn sign(role: Role) -> Glyph {
    match role {
        Role::StatusOk => Glyph::StatusOk,
        Role::StatusInfo => Glyph::StatusInfo,
        Role::StatusPending => Glyph::StatusPending,
        Role::StatusWarn => Glyph::StatusWarn,
        Role::StatusDanger => Glyph::StatusDanger,
        Role::StatusCritical => Glyph::StatusCritical,
        Role::BannerLive => Glyph::Live,
        Role::Selection => Glyph::Cursor,
        Role::Mark => Glyph::Mark,
        _ => Glyph::Dot,
    }
}

fn colour(colour: Option<Color>) -> Option<String> {
    Some(match colour? {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Indexed(index) => format!("colour {index}"),
        _ => "default".to_owned(),
    })
}

fn mods(style: Style) -> Vec<String> {
    style
        .add_modifier
        .iter_names()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect()
}

fn check(context: &Context<'_>, wanted: &str) -> Result<Exit, Failure> {
    let found = library()
        .open(wanted, Depth::TrueColor, Charset::Unicode)
        .map_err(refused)?;
    let theme = &found.theme;
    let mut problems: Vec<String> = Vec::new();
    for remark in theme.remarks() {
        problems.push(format!("{}; {}", remark.problem, remark.hint));
    }
    problems.extend(theme.weak_spots().iter().map(ToString::to_string));
    problems.extend(theme.too_alike().iter().map(ToString::to_string));
    let apart = Vision::ALL.map(|vision| {
        let far = theme.apart(vision, Role::StatusOk, Role::StatusDanger);
        (vision.name(), far)
    });
    let body = json!({
        "name": theme.id(),
        "problems": problems,
        "ok_from_danger": apart.iter().map(|(name, far)| ((*name).to_owned(), json!(far)))
            .collect::<serde_json::Map<_, _>>(),
    });
    context.printer.answer(&body, |printer| {
        for problem in &problems {
            printer.line(&format!("{}: {problem}", theme.id()))?;
        }
        let told: Vec<String> = apart
            .iter()
            .filter_map(|(name, far)| Some(format!("{name} {:.0}", (*far)?)))
            .collect();
        if !told.is_empty() {
            let told = told.join(", ");
            printer.line(&format!("{}: ok from danger: {told}", theme.id()))?;
        }
        if problems.is_empty() {
            printer.line(&format!("{}: no mistakes", theme.id()))?;
        }
        Ok(())
    })?;
    Ok(if problems.is_empty() {
        Exit::DONE
    } else {
        Exit::REFUSED
    })
}

fn refused(bad: crate::console::theme::BadTheme) -> Failure {
    Failure::refused(bad.problem, bad.hint)
}
