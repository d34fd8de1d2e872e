//! The terminal with the console on it: opened, drawn on, and turned to whatever happens next until the person leaves.
//!
//! It holds no rule: [`app`](crate::console::app) decides, and this does. `turn.rs` waits for what happens, `perform.rs`
//! does what the application says.

mod alarm;
mod perform;
mod turn;

use std::time::Instant;

use ratatui::Terminal;
use ratatui::layout::Size;
use tokio::runtime::Handle;

use crate::client::ShelfFile;
use crate::console::Calling;
use crate::console::app::App;
use crate::console::desk::alarm::Alarm;
use crate::console::effects::{Connect, Incoming, Server};
use crate::console::msg::{Env, Msg};
use crate::console::run::clock::Moment;
use crate::console::run::sched::Sched;
use crate::console::start::Options;
use crate::console::term::caps::{Caps, Depth};
use crate::console::term::guard::Guard;
use crate::console::term::input::Keyboard;
use crate::console::term::signals::Signals;
use crate::console::term::writer::{FrameWriter, Tty};
use crate::console::term::{osc, probe};
use crate::console::theme::{BadTheme, Wardrobe};
use crate::console::view::view;
use crate::console::widget::toast::Level;

/// The terminal with the console on it.
pub(super) struct Desk {
    app: App,
    wardrobe: Wardrobe,
    calling: Calling,
    mouse: bool,
    title: Option<usize>,
    caps: Caps,
    guard: Guard,
    terminal: Terminal<FrameWriter<Tty>>,
    signals: Signals,
    sched: Sched,
    alarm: Alarm,
}

impl Desk {
    /// Takes the terminal.
    pub(super) fn open(options: &Options, caps: Caps) -> std::io::Result<Self> {
        // Before the terminal changes, so that no signal can end the program and leave it changed.
        let signals = Signals::listen()?;
        let mut guard = Guard::enter()?;
        if options.mouse {
            guard.mouse(true)?;
        }
        let mut writer = FrameWriter::to_terminal(caps.charset);
        writer.erase_in_colour(caps.erases);
        let terminal = Terminal::new(writer)?;
        let size = terminal.size()?;
        let settings = options.settings();
        let (wardrobe, wrong) = Wardrobe::open(
            options.library.clone(),
            options.theme.as_deref(),
            caps.light.unwrap_or(false),
            caps.depth,
            caps.charset,
        );
        let now = Moment::now();
        let mut app = App::new(&settings, size, now);
        for bad in wrong {
            app.update(said(&bad), Env { now });
        }
        Ok(Self {
            app,
            wardrobe,
            calling: options.calling,
            mouse: options.mouse,
            title: None,
            caps,
            guard,
            terminal,
            signals,
            sched: Sched::default(),
            alarm: Alarm::new()?,
        })
    }

    /// Runs until the person leaves or the terminal is gone, and gives the exit code.
    pub(super) async fn run(mut self, options: Options, network: Handle) -> std::io::Result<u8> {
        self.draw()?;
        let (server, incoming) = Server::new(&options.connect, options.backend.as_deref(), network);
        let mut outside = Outside {
            server,
            incoming,
            keyboard: None,
            shelf: options.shelf,
            connect: options.connect,
        };
        if let Some(code) = self.take(Msg::Start, &mut outside).await? {
            return Ok(code);
        }
        self.probe().await?;
        outside.keyboard = Some(Keyboard::start()?);
        loop {
            let now = Instant::now();
            if self.sched.due(now) {
                self.draw()?;
            }
            let Some(code) = self.step(&mut outside).await? else {
                continue;
            };
            return Ok(code);
        }
    }

    /// Learns what the environment does not say. Keys typed meanwhile are dropped: nobody has seen the screen yet.
    async fn probe(&mut self) -> std::io::Result<()> {
        if !self.caps.answers {
            return Ok(());
        }
        let answers = probe::ask(self.caps.remote).await?;
        self.terminal.backend_mut().synchronise(answers.sync);
        if answers.keyboard {
            self.guard.disambiguate_keys()?;
        }
        if answers.reports {
            self.guard.follow_scheme()?;
        }
        if answers.sync && self.caps.guessed {
            self.wardrobe.deepen(Depth::TrueColor);
        }
        if let Some(light) = answers.light() {
            self.wardrobe.background(light);
        }
        self.sched.input();
        Ok(())
    }

    fn draw(&mut self) -> std::io::Result<()> {
        let calls = self.app.calls();
        if self.title.replace(calls) != Some(calls) {
            let title = osc::title(&match calls {
                0 => "Portcullis".to_owned(),
                calls => format!("({calls}!) Portcullis"),
            });
            self.terminal.backend_mut().attach(&title);
        }
        let (app, theme) = (&self.app, self.wardrobe.theme());
        self.terminal.draw(|frame| view(app, theme, frame))?;
        let took = self.terminal.backend().took();
        self.sched.drawn(Instant::now(), took);
        Ok(())
    }

    fn size(&self) -> std::io::Result<Size> {
        self.terminal.size()
    }
}

/// What is wrong with a theme, for the person.
fn said(bad: &BadTheme) -> Msg {
    Msg::Say(Level::Warn, format!("{}; {}", bad.problem, bad.hint))
}

/// Where things come from.
struct Outside {
    server: Server,
    incoming: Incoming,
    keyboard: Option<Keyboard>,
    shelf: Option<ShelfFile>,
    connect: Connect,
}

impl Outside {
    /// Lets go of one server and reaches for another; what the first one still answers is heard by nobody.
    fn switch(&mut self, backend: Option<&str>) {
        let network = self.server.network();
        (self.server, self.incoming) = Server::new(&self.connect, backend, network);
    }
}
