//! The top of the window: where somebody is and as whom, whether what is shown is live, and the screens there are.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::config::{Backend, Environment};
use crate::console::app::App;
use crate::console::keymap::Place;
use crate::console::run::clock::Skew;
use crate::console::screen::{Screen, Tally};
use crate::console::show;
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
    let overdue = overdue(app);
    if overdue > 0 {
        let text = format!(" {overdue} overdue");
        bar = bar.left(clean(&text), theme.style(Role::StatusCritical));
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

/// How many ends their targets should have confirmed before. It stays in sight until there are none.
fn overdue(app: &App) -> usize {
    let world = app.world();
    if !world.clock.is_set() {
        return 0;
    }
    let now = world.server_now();
    let grants = world.store.grants();
    grants
        .filter(|(_, view)| show::is_overdue(view, now))
        .count()
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

/// What stands where there are more tabs on the left or on the right.
const MORE: (&str, &str) = ("< ", ">");

/// The tabs that have room, those around the one in front first.
struct Tabs {
    /// The number of the first of them.
    first: usize,
    texts: Vec<DisplayText>,
    /// There are others behind them.
    more: bool,
}

impl Tabs {
    /// Where the first begins.
    fn start(&self) -> u16 {
        1 + if self.first > 0 { 2 } else { 0 }
    }
}

pub(super) fn tabs(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let (_, front) = app.screens();
    let shown = shown_tabs(app);
    let muted = theme.style(Role::TextMuted);
    let mut bar = Bar::new().left(clean(" "), Style::new());
    if shown.first > 0 {
        bar = bar.left(clean(MORE.0), muted);
    }
    let (screens, _) = app.screens();
    // What waits for a sign-off stays red until somebody has given it, and what is overdue until it is gone.
    let is_overdue = overdue(app) > 0;
    let red = |index: usize| {
        let screen = screens.get(index);
        screen.is_some_and(|screen| {
            let waits = || screen.tally(app.world()).urgent > 0;
            screen.place() == Place::Glass && waits()
                || screen.place() == Place::Grants && is_overdue
        })
    };
    for (index, text) in shown.texts.into_iter().enumerate() {
        let role = if red(index + shown.first) {
            Role::StatusCritical
        } else if index + shown.first == front {
            Role::TextStrong
        } else {
            Role::TextMuted
        };
        bar = bar
            .left(text, theme.style(role))
            .left(clean(" "), Style::new());
    }
    if shown.more {
        bar = bar.left(clean(MORE.1), muted);
    }
    bar.draw(area, buffer, theme.glyph(Glyph::Ellipsis));
}

/// The tab at a place on the screen.
pub fn tab_at(app: &App, at: Position) -> Option<usize> {
    if at.y != app.layout().regions.tabs.y {
        return None;
    }
    let shown = shown_tabs(app);
    let mut x = shown.start();
    for (index, text) in shown.texts.iter().enumerate() {
        let width = u16::try_from(text.width()).unwrap_or(u16::MAX);
        if (x..x + width).contains(&at.x) {
            return Some(index + shown.first);
        }
        x += width + 1;
    }
    None
}

/// The tabs that fit: all of them with air, all without, or as many as there is room for with the one in front.
fn shown_tabs(app: &App) -> Tabs {
    let room = usize::from(app.layout().regions.tabs.width);
    let (_, front) = app.screens();
    let needs = |texts: &[DisplayText]| -> usize {
        texts.iter().map(|text| text.width() + 1).sum::<usize>() + 1
    };
    for air in [" ", ""] {
        let texts = tab_texts(app, air);
        if needs(&texts) <= room {
            return Tabs {
                first: 0,
                texts,
                more: false,
            };
        }
    }
    let texts = tab_texts(app, "");
    let marks = MORE.0.len() + MORE.1.len();
    let fits = |from: usize, to: usize| {
        let part = texts.get(from..to).unwrap_or_default();
        needs(part) + marks <= room
    };
    let first = (0..=front).find(|from| fits(*from, front + 1));
    let first = first.unwrap_or(front);
    let end = (front + 1..=texts.len()).rev().find(|to| fits(first, *to));
    let end = end.unwrap_or(front + 1);
    Tabs {
        first,
        more: end < texts.len(),
        texts: texts.get(first..end).unwrap_or_default().to_vec(),
    }
}

fn tab_texts(app: &App, air: &str) -> Vec<DisplayText> {
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
        clean(&if index == front {
            format!("[{text}]")
        } else {
            format!("{air}{text}{air}")
        })
    };
    let screens = screens.iter().map(AsRef::as_ref).enumerate();
    screens.map(text).collect()
}
