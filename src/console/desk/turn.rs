//! Waits for the next thing to happen: signals first, then keys, then answers, then the live stream, and a frame only
//! when something has changed.

use std::time::{Duration, Instant};

use ratatui::layout::Position;
use tokio::select;

use crate::console::desk::{Desk, Outside};
use crate::console::msg::{Msg, Tidings};
use crate::console::start::HUNG_UP;
use crate::console::term::input::{Input, Keyboard};
use crate::console::term::signals::Signal;

/// Keys taken before the screen is drawn again.
const KEYS: usize = 256;
/// Work on the stream between two looks at the keyboard.
const STREAM: Duration = Duration::from_millis(4);

enum Happened {
    Signal(Signal),
    Input(Option<Input>),
    Answer(Box<Msg>),
    Stream(Tidings),
    Time,
}

impl Desk {
    /// Waits for the next thing to happen and takes it, with what came along.
    pub(super) async fn step(&mut self, outside: &mut Outside) -> std::io::Result<Option<u8>> {
        let sched = self.sched.deadline(Instant::now());
        let deadline = [sched, self.app.next_change()].into_iter().flatten().min();
        let Outside {
            incoming, keyboard, ..
        } = outside;
        let keyboard = keyboard.as_mut();
        let keys = async {
            match keyboard {
                Some(keyboard) => keyboard.next().await,
                None => std::future::pending().await,
            }
        };
        let happened = select! {
            biased;
            signal = self.signals.next() => Happened::Signal(signal),
            input = keys => Happened::Input(input),
            Some(answer) = incoming.answers.recv() => Happened::Answer(Box::new(answer)),
            Some(tidings) = incoming.stream.recv() => Happened::Stream(tidings),
            rang = self.alarm.wait(deadline) => {
                rang?;
                Happened::Time
            }
        };
        match happened {
            Happened::Signal(signal) => self.signal(signal, outside).await,
            Happened::Input(None) => Ok(Some(HUNG_UP)),
            Happened::Input(Some(input)) => self.input(input, outside).await,
            Happened::Answer(msg) => {
                // What was read is as unasked for as the stream; somebody waits for the answer to a change.
                match *msg {
                    Msg::Answer(..) => self.sched.stream(),
                    _ => self.sched.input(),
                }
                self.take(*msg, outside).await
            }
            Happened::Stream(tidings) => self.stream(tidings, outside).await,
            Happened::Time => {
                // Whatever was waited for, a text may have changed; an unchanged frame costs no byte.
                if self
                    .app
                    .next_change()
                    .is_some_and(|change| change <= Instant::now())
                {
                    self.sched.input();
                    let theme = self.wardrobe.look_again(Instant::now());
                    if let Some(code) = self.dressed(theme, outside).await? {
                        return Ok(Some(code));
                    }
                    return self.take(Msg::Tick, outside).await;
                }
                Ok(None)
            }
        }
    }

    async fn input(&mut self, first: Input, outside: &mut Outside) -> std::io::Result<Option<u8>> {
        self.sched.input();
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(input) = next {
            let msg = match input {
                Input::Key(key) => Some(Msg::Key(key)),
                Input::Paste(text) => Some(Msg::Paste(text)),
                Input::Mouse(mouse, x, y) => Some(Msg::Mouse(mouse, Position::new(x, y))),
                Input::Focus(has) => Some(Msg::Focus(has)),
                Input::Background { light } => {
                    self.wardrobe.background(light);
                    None
                }
            };
            if let Some(msg) = msg
                && let Some(code) = self.take(msg, outside).await?
            {
                return Ok(Some(code));
            }
            taken += 1;
            next = if taken < KEYS {
                outside.keyboard.as_mut().and_then(Keyboard::ready)
            } else {
                None
            };
        }
        Ok(None)
    }

    async fn stream(
        &mut self,
        first: Tidings,
        outside: &mut Outside,
    ) -> std::io::Result<Option<u8>> {
        self.sched.stream();
        let begun = Instant::now();
        let mut next = Some(first);
        while let Some(tidings) = next {
            if let Some(code) = self.take(Msg::Stream(tidings), outside).await? {
                return Ok(Some(code));
            }
            next = if begun.elapsed() < STREAM {
                outside.incoming.stream.try_recv().ok()
            } else {
                None
            };
        }
        Ok(None)
    }

    async fn signal(
        &mut self,
        signal: Signal,
        outside: &mut Outside,
    ) -> std::io::Result<Option<u8>> {
        match signal {
            Signal::Suspend => self.suspend(outside).await,
            Signal::Resize => {
                self.sched.input();
                let size = self.size()?;
                self.take(Msg::Resize(size), outside).await
            }
            // Stopped and continued from outside: others may have used the terminal.
            Signal::Continue => {
                self.guard.enter_again()?;
                self.woke(outside).await
            }
            last => Ok(last.exit_code()),
        }
    }

    pub(super) async fn suspend(&mut self, outside: &mut Outside) -> std::io::Result<Option<u8>> {
        if let Some(last) = self.signals.suspend(&self.guard).await? {
            return Ok(last.exit_code());
        }
        self.woke(outside).await
    }

    async fn woke(&mut self, outside: &mut Outside) -> std::io::Result<Option<u8>> {
        self.terminal.clear()?;
        self.sched.input();
        let size = self.size()?;
        if let Some(code) = Box::pin(self.take(Msg::Resize(size), outside)).await? {
            return Ok(Some(code));
        }
        Box::pin(self.take(Msg::Woke, outside)).await
    }
}
