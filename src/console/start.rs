//! Starts the console, runs its loop and ends it: signals first, then keys, then answers, then the live stream, and
//! a frame only when something has changed.

use std::time::{Duration, Instant};

use chrono::Timelike as _;
use ratatui::Terminal;
use ratatui::layout::{Position, Size};
use tokio::select;
use tokio::time::sleep_until;

use crate::client::ShelfFile;
use crate::config::{Backend, Notify};
use crate::console::Calling;
use crate::console::app::{App, Settings};
use crate::console::effects::{Connect, Incoming, Server};
use crate::console::keymap::Keymap;
use crate::console::msg::{Effect, Env, Msg, Tidings, Wear};
use crate::console::notice::Alert;
use crate::console::run::clock::Moment;
use crate::console::run::sched::Sched;
use crate::console::term::caps::{self, Caps, Depth, Wishes};
use crate::console::term::guard::{self, Guard};
use crate::console::term::input::{Input, Keyboard};
use crate::console::term::signals::{Signal, Signals};
use crate::console::term::writer::{FrameWriter, Tty};
use crate::console::term::{osc, probe};
use crate::console::theme::{BadTheme, Library, Wardrobe};
use crate::console::view::view;
use crate::console::widget::toast::Level;

/// Keys taken before the screen is drawn again.
const KEYS: usize = 256;
/// Work on the stream between two looks at the keyboard.
const STREAM: Duration = Duration::from_millis(4);
/// What a shell reports for a program whose terminal was closed.
const HUNG_UP: u8 = 129;

/// How to start.
pub struct Options {
    /// Makes the client; called after the first frame.
    pub connect: Connect,
    /// Where the server is, for the header.
    pub server: String,
    /// The name of a theme or the path of its file; without one the terminal's background decides.
    pub theme: Option<String>,
    /// Where themes are looked for.
    pub library: Library,
    /// How to call the person when they look elsewhere.
    pub calling: Calling,
    /// How many colours to use, against what the terminal seems to have.
    pub depth: Option<Depth>,
    /// Plain characters only.
    pub ascii: bool,
    /// Take clicks and the wheel.
    pub mouse: bool,
    /// Where the person's filters are kept.
    pub shelf: Option<ShelfFile>,
    /// Nothing may be changed, or it may whatever a backend says.
    pub readonly: Option<bool>,
    /// The keys in force.
    pub keymap: Keymap,
    /// Every server that has a name.
    pub backends: Vec<Backend>,
    /// The one to begin with.
    pub backend: Option<String>,
    /// What was wrong with the settings, to say once.
    pub complaints: Vec<String>,
}

impl Options {
    /// What the application must know of it.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            server: self.server.clone(),
            readonly: self.readonly.unwrap_or_else(|| {
                let in_use = self
                    .backends
                    .iter()
                    .find(|backend| Some(&backend.name) == self.backend.as_ref());
                in_use.is_some_and(|backend| backend.readonly)
            }),
            readonly_flag: self.readonly,
            themes: self.library.names(),
            keymap: self.keymap.clone(),
            backends: self.backends.clone(),
            backend: self.backend.clone(),
            complaints: self.complaints.clone(),
            shelf: self.shelf.as_ref().map(ShelfFile::read).unwrap_or_default(),
        }
    }
}

/// Why the console did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CannotStart {
    /// What is in the way.
    pub text: String,
    /// What to do about it.
    pub hint: String,
}

/// Runs the console until the person leaves, and gives the exit code. Call it on the main thread of a tokio runtime
/// with threads of its own: the screen lives here, everything that waits for the network lives there.
pub async fn run(options: Options) -> Result<u8, CannotStart> {
    if !guard::is_terminal() {
        let text = "the console needs a terminal for keys and screen".to_owned();
        return Err(CannotStart {
            text,
            hint: "use `portcullis console --linear`, or the commands".to_owned(),
        });
    }
    let wishes = Wishes {
        depth: options.depth,
        ascii: options.ascii,
    };
    let caps = Caps::detect(|name| std::env::var(name).ok(), wishes).map_err(|no| CannotStart {
        text: no.to_string(),
        hint: no.hint().to_owned(),
    })?;
    caps::own_the_colours();
    let started = Desk::open(&options, caps).map_err(|error| CannotStart {
        text: format!("the terminal cannot be used: {error}"),
        hint: "try another terminal, or use the commands".to_owned(),
    })?;
    // A terminal that fails in the middle is one that was closed.
    Ok(started.run(options).await.unwrap_or(HUNG_UP))
}

/// The terminal with the console on it.
struct Desk {
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
}

impl Desk {
    fn open(options: &Options, caps: Caps) -> std::io::Result<Self> {
        // Before the terminal changes, so that no signal can end the program and leave it changed.
        let signals = Signals::listen()?;
        let mut guard = Guard::enter()?;
        if options.mouse {
            guard.mouse(true)?;
        }
        let terminal = Terminal::new(FrameWriter::to_terminal(caps.charset))?;
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
        })
    }

    async fn run(mut self, options: Options) -> std::io::Result<u8> {
        self.draw()?;
        let (server, incoming) = Server::new(&options.connect, options.backend.as_deref());
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

    /// Waits for the next thing to happen and takes it, with what came along.
    async fn step(&mut self, outside: &mut Outside) -> std::io::Result<Option<u8>> {
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
        let timer = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let happened = select! {
            biased;
            signal = self.signals.next() => Happened::Signal(signal),
            input = keys => Happened::Input(input),
            Some(answer) = incoming.answers.recv() => Happened::Answer(Box::new(answer)),
            Some(tidings) = incoming.stream.recv() => Happened::Stream(tidings),
            () = timer => Happened::Time,
        };
        match happened {
            Happened::Signal(signal) => self.signal(signal, outside).await,
            Happened::Input(None) => Ok(Some(HUNG_UP)),
            Happened::Input(Some(input)) => self.input(input, outside).await,
            Happened::Answer(msg) => {
                self.sched.input();
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
                Input::Key(key) => Msg::Key(key),
                Input::Paste(text) => Msg::Paste(text),
                Input::Mouse(mouse, x, y) => Msg::Mouse(mouse, Position::new(x, y)),
                Input::Focus(has) => Msg::Focus(has),
            };
            if let Some(code) = self.take(msg, outside).await? {
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

    async fn suspend(&mut self, outside: &mut Outside) -> std::io::Result<Option<u8>> {
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

    /// Tells the application, and does what it says.
    async fn take(&mut self, msg: Msg, outside: &mut Outside) -> std::io::Result<Option<u8>> {
        let env = Env { now: Moment::now() };
        for effect in self.app.update(msg, env) {
            match effect {
                Effect::Switch(backend) => outside.switch(&backend),
                Effect::Connect => outside.server.connect(&mut outside.incoming),
                Effect::RetryNow => outside.server.retry_now(),
                Effect::Fetch(query) => outside.server.fetch(query),
                Effect::Mutate(mutation) => outside.server.change(mutation),
                Effect::Export(scope) => outside.server.export(*scope),
                Effect::Copy(text) => {
                    if let Ok(sequence) = osc::copy(&text, self.caps.between) {
                        self.terminal.backend_mut().attach(&sequence);
                    }
                }
                Effect::Shelve(change) => {
                    let kept = outside.shelf.as_ref().map(|shelf| shelf.apply(&change));
                    if let Some(Err(error)) = kept {
                        let told = Msg::Say(Level::Warn, error.to_string());
                        if let Some(code) = Box::pin(self.take(told, outside)).await? {
                            return Ok(Some(code));
                        }
                    }
                }
                Effect::ForgetKeys => {
                    if let Some(keyboard) = &mut outside.keyboard {
                        keyboard.forget();
                    }
                }
                Effect::Notify(alert) => self.call(&alert),
                Effect::Theme(wear) => {
                    let worn = match wear {
                        Wear::TryOn(name) => self.wardrobe.try_on(&name),
                        Wear::Keep(name) => self.wardrobe.keep(&name),
                        Wear::Restore => {
                            self.wardrobe.restore();
                            Ok(Vec::new())
                        }
                    };
                    if let Some(code) = Box::pin(self.dressed(Some(worn), outside)).await? {
                        return Ok(Some(code));
                    }
                }
                Effect::ToggleMouse => {
                    self.mouse = !self.mouse;
                    self.guard.mouse(self.mouse)?;
                }
                Effect::Repaint => self.terminal.clear()?,
                Effect::Suspend => {
                    if let Some(code) = Box::pin(self.suspend(outside)).await? {
                        return Ok(Some(code));
                    }
                }
                Effect::Quit => return Ok(Some(0)),
            }
        }
        Ok(None)
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

    /// A theme was put on or read again, or cannot be: tells the person what is wrong with it.
    async fn dressed(
        &mut self,
        worn: Option<Result<Vec<BadTheme>, BadTheme>>,
        outside: &mut Outside,
    ) -> std::io::Result<Option<u8>> {
        let Some(worn) = worn else { return Ok(None) };
        self.sched.input();
        for bad in worn.unwrap_or_else(|bad| vec![bad]) {
            if let Some(code) = Box::pin(self.take(said(&bad), outside)).await? {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    /// Calls the person in the way they chose, unless it is night.
    fn call(&mut self, alert: &Alert) {
        let local = Moment::now().wall.with_timezone(&chrono::Local);
        let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
        if self.calling.is_quiet(minute) {
            return;
        }
        let sequence = match (self.calling.way, self.caps.notices) {
            (Notify::Off, _) => return,
            (Notify::Desktop, Some(form)) => osc::notice(form, alert.text(), self.caps.between),
            (Notify::Bell | Notify::Desktop, _) => osc::bell().to_owned(),
        };
        self.terminal.backend_mut().attach(&sequence);
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
    fn switch(&mut self, backend: &str) {
        (self.server, self.incoming) = Server::new(&self.connect, Some(backend));
    }
}

enum Happened {
    Signal(Signal),
    Input(Option<Input>),
    Answer(Box<Msg>),
    Stream(Tidings),
    Time,
}
