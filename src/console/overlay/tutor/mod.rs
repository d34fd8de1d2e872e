//! The tutor: two minutes of practice on a console of its own, whose server is a few rows in memory. Nothing done in it
//! can reach a real server, because what its console asks for ends here and overlays have no way to change anything.

mod lessons;
mod play;

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect, Size};

use crate::console::app::{App, Settings};
use crate::console::keymap::{Action, Place};
use crate::console::msg::{Effect, Env, Msg, Tidings};
use crate::console::overlay::tutor::lessons::LESSONS;
use crate::console::overlay::tutor::play::Play;
use crate::console::overlay::{Overlay, Wish};
use crate::console::run::clock::Moment;
use crate::console::screen::Screen;
use crate::console::term::input::Key;
use crate::console::theme::{Glyph, Role, Theme};
use crate::console::view;
use crate::console::widget::status::Bar;
use crate::text::clean;

/// Lines above the practice console.
const ABOVE: u16 = 4;
/// The practice server says that it is well this often.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The open tutor.
#[derive(Debug)]
pub struct Tutor {
    app: App,
    play: Play,
    lesson: usize,
    heard: Instant,
}

impl Tutor {
    /// Begins with the first lesson, in a window of the same size as the console around it.
    pub fn new(around: &App) -> Self {
        let now = moment(around);
        let settings = Settings {
            server: "https://practice.example".to_owned(),
            keymap: around.world().keymap.clone(),
            ..Settings::default()
        };
        let mut tutor = Self {
            app: App::new(&settings, inner(around.size()), now),
            play: Play::new(now.wall),
            lesson: 0,
            heard: now.steady,
        };
        tutor.send(Msg::Start, now);
        let hello = Tidings::Hello {
            now: now.wall,
            epoch: 1,
        };
        tutor.send(Msg::Stream(hello), now);
        tutor
    }

    /// The lesson at hand, counted from one, and how many there are.
    pub fn progress(&self) -> (usize, usize) {
        (self.lesson + 1, LESSONS.len())
    }

    /// The practice console; for pictures.
    pub fn practice(&self) -> &App {
        &self.app
    }

    /// Tells the practice console, and answers what it asks for; says whether it wants to end.
    fn send(&mut self, msg: Msg, now: Moment) -> bool {
        let mut messages = vec![msg];
        let mut leaves = false;
        // Answers lead to questions, but not for ever.
        for _ in 0..100 {
            let Some(msg) = messages.pop() else { break };
            for effect in self.app.update(msg, Env { now }) {
                match effect {
                    Effect::Fetch(query) => messages.push(self.play.answer(query, now)),
                    Effect::Mutate(mutation) => messages.push(self.play.change(mutation, now)),
                    Effect::Quit => leaves = true,
                    _ => {}
                }
            }
        }
        self.advance();
        leaves
    }

    fn advance(&mut self) {
        while let Some(lesson) = LESSONS.get(self.lesson) {
            if !(lesson.done)(&self.app, &self.play) {
                break;
            }
            self.lesson += 1;
        }
        self.lesson = self.lesson.min(LESSONS.len() - 1);
    }

    /// Whether Esc has something to close in the practice console.
    fn is_deep(&self) -> bool {
        let typing = self.app.screen().and_then(Screen::typing);
        let zoomed = self.app.screen().is_some_and(Screen::zoomed);
        self.app.is_asked() || self.app.overlay().is_some() || typing.is_some() || zoomed
    }
}

impl Overlay for Tutor {
    fn key(&mut self, key: Key, app: &App) -> Vec<Wish> {
        let action = app.world().keymap.action(Place::Anywhere, key);
        let leaves = !self.is_deep() && (key.code == KeyCode::Esc || action == Some(Action::Quit));
        if leaves || self.send(Msg::Key(key), moment(app)) {
            return vec![Wish::Close];
        }
        Vec::new()
    }

    fn paste(&mut self, text: &str, app: &App) -> Vec<Wish> {
        self.send(Msg::Paste(text.to_owned()), moment(app));
        Vec::new()
    }

    fn tick(&mut self, app: &App) {
        let now = moment(app);
        let size = inner(app.size());
        if size != self.app.size() {
            self.send(Msg::Resize(size), now);
        }
        if now.steady.saturating_duration_since(self.heard) >= HEARTBEAT {
            self.heard = now.steady;
            self.send(Msg::Stream(Tidings::Heartbeat { now: now.wall }), now);
        }
        if self.app.next_change().is_some_and(|at| at <= now.steady) {
            self.send(Msg::Tick, now);
        }
    }

    fn next_change(&self) -> Option<Instant> {
        self.app.next_change()
    }

    fn is_whole(&self) -> bool {
        true
    }

    fn hints(&self, _: &App) -> Vec<(String, &'static str)> {
        super::fixed(&[("Esc", "leave the tutor")])
    }

    fn draw(&self, _: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
        let lesson = LESSONS.get(self.lesson)?;
        let head = Rect {
            height: ABOVE.min(area.height),
            ..area
        };
        for y in head.y..head.bottom() {
            for x in head.x..head.right() {
                if let Some(cell) = buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
        buffer.set_style(
            head,
            theme
                .style(Role::Surface)
                .patch(theme.style(Role::Overlay))
                .patch(theme.style(Role::Text)),
        );
        let (at, all) = self.progress();
        let line = |y: u16| Rect {
            y: head.y + y,
            height: 1,
            ..head
        };
        Bar::new()
            .left(
                clean(&format!(" TUTOR {at} of {all} ")),
                theme.style(Role::Selection),
            )
            .left(
                clean(&format!(" {}", lesson.title)),
                theme.style(Role::TextStrong),
            )
            .right(
                clean("nothing here is real   Esc leaves "),
                theme.style(Role::TextMuted),
            )
            .draw(line(0), buffer, theme.glyph(Glyph::Ellipsis));
        let width = usize::from(head.width.saturating_sub(2));
        let keymap = &self.app.world().keymap;
        for (text, y) in clean(&keymap.fill(lesson.text))
            .wrap(width)
            .iter()
            .zip(1_u16..3)
        {
            let at = line(y);
            let style = theme.style(Role::Text);
            buffer.set_stringn(at.x + 1, at.y, text.as_str(), width, style);
        }
        let at = line(3);
        let todo = clean(&format!("> {}", keymap.fill(lesson.todo)));
        buffer.set_stringn(
            at.x + 1,
            at.y,
            todo.as_str(),
            width,
            theme.style(Role::KeyHint),
        );
        let room = Rect {
            y: head.bottom(),
            height: area.height.saturating_sub(ABOVE),
            ..area
        };
        self.draw_practice(theme, room, buffer)
    }
}

impl Tutor {
    /// Draws the practice console, which believes that it has a window of its own.
    fn draw_practice(&self, theme: &Theme, room: Rect, buffer: &mut Buffer) -> Option<Position> {
        let size = self.app.size();
        let own = Rect::new(0, 0, size.width, size.height);
        let mut picture = Buffer::empty(own);
        let cursor = view::paint(&self.app, theme, own, &mut picture);
        for y in 0..size.height.min(room.height) {
            for x in 0..size.width.min(room.width) {
                if let (Some(from), Some(to)) = (
                    picture.cell((x, y)),
                    buffer.cell_mut((room.x + x, room.y + y)),
                ) {
                    *to = from.clone();
                }
            }
        }
        cursor.map(|at| Position::new(room.x + at.x, room.y + at.y))
    }
}

fn inner(size: Size) -> Size {
    Size::new(size.width, size.height.saturating_sub(ABOVE))
}

fn moment(app: &App) -> Moment {
    app.world().clock.moment(app.world().now)
}
