//! Two minutes of practice.
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::console::app::App;
use crate::console::overlay::{Overlay, Wish};
use crate::console::term::input::Key;
use crate::console::theme::Theme;

#[derive(Debug)]
pub struct Tutor;
impl Tutor {
    pub fn new() -> Self {
        Self
    }
}
impl Overlay for Tutor {
    fn key(&mut self, _: Key, _: &App) -> Vec<Wish> {
        vec![Wish::Close]
    }
    fn hints(&self) -> Vec<(&'static str, &'static str)> {
        vec![]
    }
    fn draw(&self, _: &App, _: &Theme, _: Rect, _: &mut Buffer) -> Option<Position> {
        None
    }
}
