//! Draws the console: the same value gives the same picture, and nothing is remembered between two.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Block, Clear, Widget};

use crate::config::{Backend, Environment};
use crate::console::app::App;
use crate::console::confirm::Strip;
use crate::console::keymap::{Action, Place};
use crate::console::layout::Layout;
use crate::console::run::clock::Skew;
use crate::console::screen::{Screen, Tally};
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::widget::frame::Shape;
use crate::console::widget::offers;
use crate::console::widget::status::Bar;
use crate::text::{DisplayText, clean};
use crate::wire::Me;

/// From this width on the server's address has a place in the header.
const WIDE: u16 = 100;

/// Draws everything.
pub fn view(app: &App, theme: &Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    if let Some(at) = paint(app, theme, area, frame.buffer_mut()) {
        frame.set_cursor_position(at);
    }
}

/// Draws everything into a buffer as large as the window; gives where the terminal's cursor belongs.
pub fn paint(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let layout = app.layout();
    buffer.set_style(
        area,
        theme.style(Role::Surface).patch(theme.style(Role::Text)),
    );
    if layout.regions.shape == Shape::TooSmall {
        too_small(app, theme, area, buffer);
        return None;
    }
    header(app, theme, layout.regions.header, buffer);
    tabs(app, theme, layout.regions.tabs, buffer);
    if let (Some(place), Some(text)) = (layout.banner, app.world().link.banner(app.world().now)) {
        let style = theme.style(Role::BannerStale);
        buffer.set_style(place, style);
        Bar::new().left(clean(&format!(" {text}")), style).draw(
            place,
            buffer,
            theme.glyph(Glyph::Ellipsis),
        );
    }
    let mut cursor = layout
        .filter
        .and_then(|place| filter(app, theme, place, buffer));
    if app.incident().is_some() || app.review().is_some() {
        let body = layout.regions.body;
        cursor = full(app, theme, body, buffer).or(cursor);
    } else if let Some(screen) = app.screen() {
        let row = screen.draw(app.world(), theme, &layout.panes, buffer);
        cursor = cursor.or(row);
    }
    if let Some(place) = layout.filter {
        offers(app, theme, place, layout.regions.body, buffer);
    }
    if let (Some(place), Some(strip)) = (layout.strip, app.strip()) {
        cursor = draw_strip(app, strip, theme, place, buffer).or(cursor);
    }
    if let (Some(place), Some(form)) = (layout.strip, app.lock_form()) {
        let inside = framed(&form.title(), theme, place, buffer);
        cursor = form.draw(app.world(), theme, inside, buffer).or(cursor);
    }
    status(app, theme, &layout, buffer);
    hints(app, theme, layout.regions.hints, buffer);
    if let Some(overlay) = app.overlay() {
        let mut over = Rect {
            y: layout.regions.body.y,
            height: layout.regions.hints.y.saturating_sub(layout.regions.body.y),
            ..area
        };
        if overlay.is_whole() {
            over = area;
        }
        let cursor = overlay.draw(app, theme, over, buffer);
        if !overlay.is_whole() {
            // The last lines say what the chosen thing is; messages keep to the top.
            let keep = layout.regions.body.bottom().checked_sub(2);
            app.toasts().draw(layout.regions.body, buffer, theme, keep);
        }
        return cursor.filter(|at| area.contains(*at));
    }
    let free = Rect {
        height: layout
            .strip
            .map_or(layout.regions.body.bottom(), |strip| strip.y),
        ..area
    };
    // A list that has the whole body has its keys in the last line.
    let own = 2 * u16::from(app.incident().is_some() || app.review().is_some());
    let free = Rect {
        y: layout.regions.body.y,
        height: free.height.saturating_sub(layout.regions.body.y + own),
        ..area
    };
    app.toasts()
        .draw(free, buffer, theme, cursor.map(|at| at.y));
    cursor.filter(|at| area.contains(*at))
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

fn header(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
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

fn tabs(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let (_, front) = app.screens();
    let mut bar = Bar::new().left(clean(" "), Style::new());
    for (index, text) in tab_texts(app).into_iter().enumerate() {
        let role = if index == front {
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

fn filter(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let typing = app.screen()?.typing()?;
    let label = clean(&format!(" {} ", typing.label));
    buffer.set_stringn(
        area.x,
        area.y,
        label.as_str(),
        usize::from(area.width),
        theme.style(Role::KeyHint),
    );
    let left = u16::try_from(label.width()).unwrap_or(0);
    let mut line = Rect {
        x: area.x + left,
        width: area.width.saturating_sub(left + 1),
        ..area
    };
    if let Some(problem) = typing.problem {
        let text = clean(problem);
        let width = u16::try_from(text.width())
            .unwrap_or(u16::MAX)
            .min(line.width / 2);
        line.width -= width + 1;
        let text = text.cut_end(usize::from(width), theme.glyph(Glyph::Ellipsis));
        buffer.set_stringn(
            line.right() + 1,
            area.y,
            text.as_str(),
            usize::from(width),
            theme.style(Role::StatusWarn),
        );
    }
    let role = if typing.active {
        Role::TextStrong
    } else {
        Role::Match
    };
    let cursor = typing.line.draw(line, buffer, theme.style(role));
    if let Some(span) = typing.wrong {
        let wrong = theme.style(Role::StatusWarn).underlined();
        typing
            .line
            .mark(line, (span.start, span.end), buffer, wrong);
    }
    typing.active.then_some(cursor)
}

/// Draws what could be typed next, over the list.
fn offers(app: &App, theme: &Theme, line: Rect, body: Rect, buffer: &mut Buffer) {
    let Some(typing) = app.screen().and_then(Screen::typing) else {
        return;
    };
    offers::draw(
        typing.offers,
        typing.chosen,
        line.x + 1,
        line,
        body,
        theme,
        buffer,
    );
}

fn draw_strip(
    app: &App,
    strip: &Strip,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let inside = framed(&strip.title(), theme, area, buffer);
    let input = strip.input();
    let below = 1 + u16::from(input.is_some());
    let facts = Rect {
        height: inside.height.saturating_sub(below),
        ..inside
    };
    strip
        .doc(app.world(), inside.width)
        .draw(facts, buffer, theme, 0);
    let mut cursor = None;
    let mut line = Rect {
        y: facts.bottom(),
        height: 1,
        ..inside
    };
    if let Some((label, text)) = input {
        let label = clean(label).pad(10);
        buffer.set_stringn(
            line.x,
            line.y,
            label.as_str(),
            10,
            theme.style(Role::KeyHint),
        );
        let place = Rect {
            x: line.x + 10,
            width: line.width.saturating_sub(10),
            ..line
        };
        cursor = Some(text.draw(place, buffer, theme.style(Role::TextStrong)));
        line.y += 1;
    }
    let prompt = strip.prompt(app.world()).into_iter();
    let bar = prompt.fold(Bar::new(), |bar, (text, role)| {
        bar.left(clean(&text), theme.style(role))
    });
    bar.draw(line, buffer, theme.glyph(Glyph::Ellipsis));
    cursor.or(Some(Position::new(line.x, line.y)))
}

/// Draws what has the whole body: the list of a change of many, or an incident.
fn full(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let world = app.world();
    if let Some(incident) = app.incident() {
        let inside = framed(&incident.title(), theme, area, buffer);
        return incident.draw(world, theme, inside, buffer);
    }
    let review = app.review()?;
    let inside = framed(&review.title(), theme, area, buffer);
    review.draw(world, theme, inside, buffer)
}

/// Draws the border of a question and gives what is inside.
fn framed(title: &str, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Rect {
    Clear.render(area, buffer);
    buffer.set_style(
        area,
        theme.style(Role::Overlay).patch(theme.style(Role::Text)),
    );
    let block = Block::bordered()
        .border_set(theme.border())
        .border_style(theme.style(Role::ConfirmBorder))
        .title(format!(" {} ", clean(title)))
        .title_style(theme.style(Role::ConfirmBorder));
    let inside = block.inner(area);
    block.render(area, buffer);
    Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    }
}

fn status(app: &App, theme: &Theme, layout: &Layout, buffer: &mut Buffer) {
    let Some(screen) = app.screen() else { return };
    let (left, right) = screen.status(app.world());
    let mut bar = Bar::new().left(clean(&format!(" {left}")), theme.style(Role::TextMuted));
    for text in app.waiting() {
        bar = bar.left(clean(&format!("   {text}")), theme.style(Role::StatusWarn));
    }
    if app.waiting().is_empty() {
        bar = bar.right(clean(&format!("{right} ")), theme.style(Role::TextMuted));
    }
    bar.draw(layout.regions.status, buffer, theme.glyph(Glyph::Ellipsis));
}

fn hints(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(screen) = app.screen() else { return };
    let mut bar = Bar::new();
    if let Some(overlay) = app.overlay() {
        for (key, word) in overlay.hints(app) {
            bar = bar.left(clean(&format!(" {key}")), theme.style(Role::KeyHint));
            bar = bar.left(clean(&format!(" {word} ")), theme.style(Role::Text));
        }
    } else if app.is_asked() {
        bar = bar.left(
            clean(" answer the question, or Esc"),
            theme.style(Role::TextMuted),
        );
    } else if screen.typing().is_some_and(|typing| typing.active) {
        bar = bar.left(
            clean(" Enter keep the filter   Esc drop it   Tab complete   Up used before"),
            theme.style(Role::TextMuted),
        );
    } else {
        let actions: &[Action] = if screen.zoomed() {
            &[Action::Back]
        } else {
            &[]
        };
        for action in actions.iter().chain(screen.commands()) {
            let Some((binding, keys)) = app.world().keymap.binding(screen.place(), *action) else {
                continue;
            };
            let Some(key_text) = keys.first().map(|chord| chord.text()) else {
                continue;
            };
            let refused = app.refusal(*action).is_some();
            let (key, word) = if refused {
                (Role::Disabled, Role::Disabled)
            } else {
                (Role::KeyHint, Role::Text)
            };
            bar = bar.left(clean(&format!(" {key_text}")), theme.style(key));
            bar = bar.left(clean(&format!(" {} ", binding.word)), theme.style(word));
        }
    }
    bar.draw(area, buffer, theme.glyph(Glyph::Ellipsis));
}

fn too_small(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let (screens, _) = app.screens();
    let link = app.world().link.shown(app.world().now);
    let mut lines = vec![
        format!("needs 80x20, this is {}x{}", area.width, area.height),
        link.text,
    ];
    for screen in screens {
        let Tally {
            count,
            urgent,
            word,
        } = screen.tally(app.world());
        let Some(count) = count else { continue };
        let urgent = if urgent > 0 {
            format!(" !{urgent}")
        } else {
            String::new()
        };
        lines.push(format!("{} {count}{urgent} {word}", screen.title()));
    }
    lines.push("q quit".to_owned());
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        let text = clean(line).cut_end(usize::from(area.width), theme.glyph(Glyph::Ellipsis));
        buffer.set_stringn(
            area.x,
            y,
            text.as_str(),
            usize::from(area.width),
            theme.style(Role::Text),
        );
    }
}
