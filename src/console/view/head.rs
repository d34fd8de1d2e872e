//! The top of the window: where somebody is and as whom, whether what is shown is live, and the screens there are.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::config::{Backend, Environment};
use crate::console::app::App;
use crate::console::keymap::Place;
use crate::console::run::clock::Skew;
use crate::console::screen::{Screen, Tally};
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::status::Bar;
use crate::text::{DisplayText, clean};
use crate::wire::Me;

/// From this width on the server's address has a place in the header.
const WIDE: u16 = 100;

pub(super) fn header(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let world = app.world();
    let muted = theme.style(Role::TextMuted);
    let separator = format!(" {} ", theme.glyph(Glyph::Gutter));
    let mut bar = Bar::new().left(clean(" Portcullis"), theme.style(Role::TextStrong));
    let name = world
        .me
        .as_ref()
        .map_or_else(|| world.server.clone(), |me| clean(&me.server));
    bar = bar.left(clean(&separator), muted);
    bar = match app.backend_in_use() {
        Some(backend) => badge(bar, backend, theme),
        None => bar.left(name, theme.style(Role::TextStrong)),
    };
    let known = |me: &Me| world.server.as_str().contains(&me.server);
    if area.width >= WIDE && world.me.as_ref().is_some_and(|me| !known(me)) {
        bar = bar
            .left(clean(" "), muted)
            .left(world.server.clone(), muted);
    }
    if let Some(me) = &world.me {
        bar = bar
            .left(clean(&separator), muted)
            .left(clean(&me.name), theme.style(Role::Text));
        bar = bar.left(clean(&format!(" {}", me.roles.join(", "))), muted);
    }
    if world.readonly {
        bar = bar.left(clean(" read-only"), theme.style(Role::StatusInfo));
    }
    let link = world.link.shown(world.now);
    bar = bar.right(
        clean(&format!("{} {}", theme.glyph(link.glyph), link.text)),
        theme.style(link.role),
    );
    if world.clock.is_set() {
        let now = world.server_now().format("  %H:%M:%SZ").to_string();
        bar = bar.right(clean(&now), theme.style(Role::Text));
        let skew = |offset: chrono::TimeDelta| clean(&format!(" skew {:+}s", offset.num_seconds()));
        bar = match world.clock.skew() {
            Skew::Fine => bar,
            Skew::Shown(offset) => bar.right(skew(offset), theme.style(Role::StatusInfo)),
            Skew::Warned(offset) => bar.right(skew(offset), theme.style(Role::StatusWarn)),
        };
    }
    bar.right(clean(" "), muted)
        .draw(area, buffer, theme.glyph(Glyph::Ellipsis));
}

/// Where somebody is, as a word and a colour: a mistake in production costs more than one elsewhere.
fn badge(bar: Bar, backend: &Backend, theme: &Theme) -> Bar {
    let (word, role) = match backend.environment {
        Some(environment) => {
            let role = match environment {
                Environment::Production => Role::EnvProd,
                Environment::Staging => Role::EnvStaging,
                Environment::Development => Role::EnvDev,
            };
            (format!("{} ", environment.badge()), role)
        }
        None => (String::new(), Role::TextStrong),
    };
    bar.left(
        clean(&format!("[{word}{}]", backend.name)),
        theme.style(role),
    )
}

pub(super) fn tabs(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let (_, front) = app.screens();
    let mut bar = Bar::new().left(clean(" "), Style::new());
    let (screens, _) = app.screens();
    // What waits for a sign-off stays red until somebody has given it.
    let red = |index: usize| {
        let screen = screens.get(index);
        screen.is_some_and(|screen| {
            screen.place() == Place::Glass && screen.tally(app.world()).urgent > 0
        })
    };
    for (index, text) in tab_texts(app).into_iter().enumerate() {
        let role = if red(index) {
            Role::StatusCritical
        } else if index == front {
            Role::TextStrong
        } else {
            Role::TextMuted
        };
        bar = bar
            .left(text, theme.style(role))
            .left(clean(" "), Style::new());
    }
    bar.draw(area, buffer, theme.glyph(Glyph::Ellipsis));
}

/// The tab at a place on the screen.
pub fn tab_at(app: &App, at: Position) -> Option<usize> {
    if at.y != app.layout().regions.tabs.y {
        return None;
    }
    let mut x = 1;
    for (index, text) in tab_texts(app).iter().enumerate() {
        let width = u16::try_from(text.width()).unwrap_or(u16::MAX);
        if (x..x + width).contains(&at.x) {
            return Some(index);
        }
        x += width + 1;
    }
    None
}

fn tab_texts(app: &App) -> Vec<DisplayText> {
    let (screens, front) = app.screens();
    let text = |(index, screen): (usize, &dyn Screen)| {
        let Tally {
            count,
            urgent,
            word,
        } = screen.tally(app.world());
        let key = screen
            .place()
            .way()
            .map(|way| app.world().keymap.key(Place::Anywhere, way));
        let mut text = format!("{} {}", key.unwrap_or_default(), screen.title());
        text.push_str(&count.map(|count| format!(" {count}")).unwrap_or_default());
        if urgent > 0 {
            text.push_str(&format!(" !{urgent}"));
        }
        if !word.is_empty() {
            text.push_str(&format!(" {word}"));
        }
        (index == front, text)
    };
    let texts: Vec<(bool, String)> = screens
        .iter()
        .map(AsRef::as_ref)
        .enumerate()
        .map(text)
        .collect();
    let draw = |air: &str| -> Vec<DisplayText> {
        let tab = |(front, text): &(bool, String)| {
            clean(&if *front {
                format!("[{text}]")
            } else {
                format!("{air}{text}{air}")
            })
        };
        texts.iter().map(tab).collect()
    };
    let wide = draw(" ");
    let needed: usize = wide.iter().map(|text| text.width() + 1).sum();
    if needed < usize::from(app.layout().regions.tabs.width) {
        wide
    } else {
        draw("")
    }
}
