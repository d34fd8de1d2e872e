//! The loop of the console without a screen: signals, typed lines, answers and the stream, and lines out.

use std::io::{self, BufRead as _, Write as _};
use std::time::{Duration, Instant};

use ratatui::layout::Size;
use rustix::termios::isatty;
use tokio::runtime::Handle;
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::console::app::App;
use crate::console::effects::{Incoming, Server};
use crate::console::linear::echo::Echo;
use crate::console::linear::talk::{Heard, Talk};
use crate::console::msg::{Effect, Env, Msg};
use crate::console::run::clock::Moment;
use crate::console::start::{CannotStart, Options};

/// The application lays out a screen that nobody sees; any that is large enough will do.
const SIZE: Size = Size::new(120, 40);
/// Lines this close to each other were not typed one after the other.
const TOGETHER: Duration = Duration::from_millis(50);
/// How long a piped command waits for the first lists.
const FIRST_LISTS: Duration = Duration::from_secs(15);
/// What a shell reports for a program whose reader or terminal has gone.
const HUNG_UP: u8 = 129;

/// Runs the conversation until the person leaves or the input ends, and gives the exit code.
pub async fn run(options: Options) -> Result<u8, CannotStart> {
    let cannot = |error: io::Error| CannotStart {
        text: format!("signals cannot be waited for: {error}"),
        hint: "try again".to_owned(),
    };
    let mut ends = [
        (SignalKind::hangup(), 129),
        (SignalKind::terminate(), 143),
        (SignalKind::interrupt(), 130),
    ]
    .into_iter()
    .map(|(kind, code)| Ok((signal(kind)?, code)))
    .collect::<io::Result<Vec<_>>>()
    .map_err(cannot)?;
    let keyboard = isatty(rustix::stdio::stdin());
    let mut settings = options.settings();
    // Nobody reads a code from a pipe.
    settings.headless &= keyboard;
    let mut line = Line {
        app: App::new(&settings, SIZE, Moment::now()),
        talk: Talk::new(keyboard),
        echo: Echo::default(),
        server: None,
        waiting: Vec::new(),
        ended: false,
        begun: Instant::now(),
    };
    let (server, mut incoming) = Server::new(
        &options.connect,
        options.backend.as_deref(),
        Handle::current(),
    );
    line.server = Some(server);
    let mut typed = listen();
    let mut done = line.update(Msg::Start, &mut incoming);
    while done.is_none() {
        let [hangup, terminate, interrupt] = ends.as_mut_slice() else {
            return Ok(HUNG_UP);
        };
        let deadline = [line.app.next_change(), line.talk.next_change()]
            .into_iter()
            .flatten()
            .min();
        let timer = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let listening = !line.ended;
        done = select! {
            biased;
            _ = hangup.0.recv() => Some(hangup.1),
            _ = terminate.0.recv() => Some(terminate.1),
            _ = interrupt.0.recv() => Some(interrupt.1),
            heard = typed.recv(), if listening => {
                match heard {
                    Some(heard) => line.waiting.push(heard),
                    None => line.ended = true,
                }
                while let Ok(more) = typed.try_recv() {
                    line.waiting.push(more);
                }
                line.converse(&mut incoming)
            }
            Some(answer) = incoming.answers.recv() => line.update(answer, &mut incoming),
            Some(tidings) = incoming.stream.recv() => line.update(Msg::Stream(tidings), &mut incoming),
            () = timer => line.update(Msg::Tick, &mut incoming),
        };
        done = done.or_else(|| line.converse(&mut incoming));
    }
    Ok(done.unwrap_or_default())
}

/// The application and the conversation about it.
struct Line {
    app: App,
    talk: Talk,
    echo: Echo,
    server: Option<Server>,
    /// Lines typed ahead, until there is something to talk about.
    waiting: Vec<Heard>,
    ended: bool,
    begun: Instant,
}

impl Line {
    fn update(&mut self, msg: Msg, incoming: &mut Incoming) -> Option<u8> {
        let effects = self.app.update(msg, Env { now: Moment::now() });
        let done = self.perform(effects, incoming);
        let effects = self.talk.look(&mut self.app, Moment::now());
        let done = done.or_else(|| self.perform(effects, incoming));
        done.or_else(|| self.print())
    }

    /// Takes the lines typed so far. Before the first lists have come, none has a meaning.
    fn converse(&mut self, incoming: &mut Incoming) -> Option<u8> {
        let world = self.app.world();
        let late = self.begun.elapsed() > FIRST_LISTS;
        if !world.loaded && !late && !world.link.is_down() {
            return None;
        }
        let heard = std::mem::take(&mut self.waiting);
        for (at, line) in heard.iter().enumerate() {
            if self.talk.is_waiting() {
                // What was piped behind a list comes after it.
                self.waiting.extend(heard.into_iter().skip(at));
                return None;
            }
            let near = |other: Option<&Heard>| {
                other.is_some_and(|other| {
                    let (a, b) = (line.typed, other.typed);
                    a.max(b) - a.min(b) < TOGETHER
                })
            };
            let alone =
                !near(heard.get(at + 1)) && !near(at.checked_sub(1).and_then(|at| heard.get(at)));
            let line = Heard {
                alone,
                at: Moment::now(),
                ..line.clone()
            };
            let effects = self.talk.hear(&mut self.app, &line);
            if let Some(code) = self.perform(effects, incoming).or_else(|| self.print()) {
                return Some(code);
            }
        }
        (self.ended && !self.talk.is_waiting()).then_some(0)
    }

    fn perform(&mut self, effects: Vec<Effect>, incoming: &mut Incoming) -> Option<u8> {
        let server = self.server.as_mut()?;
        for effect in effects {
            match effect {
                Effect::Connect => server.connect(incoming),
                Effect::RetryNow => server.retry_now(),
                Effect::Fetch(query) => server.fetch(query),
                Effect::Mutate(mutation) => server.change(mutation),
                Effect::Prove(proving) => server.prove(proving),
                Effect::StopProving => server.stop_proving(),
                Effect::SignIn(turn, way) => server.sign_in(turn, way),
                Effect::Export(scope) => server.export(*scope),
                Effect::Quit => return Some(0),
                // The rest is about a screen, and there is none.
                _ => {}
            }
        }
        None
    }

    fn print(&mut self) -> Option<u8> {
        // Before the question that asks for a secret, so that none of it shows.
        self.echo.hide(self.talk.hides());
        let lines = self.talk.said();
        if lines.is_empty() {
            return None;
        }
        let mut text = String::new();
        for line in lines {
            text.push_str(line.as_str());
            text.push('\n');
        }
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => None,
            // The reader has seen enough, as `head` has after ten lines.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Some(0),
            Err(_) => Some(HUNG_UP),
        }
    }
}

/// Lines as they are typed, until the input ends. A thread of its own, because reading lines cannot be cut short.
fn listen() -> mpsc::UnboundedReceiver<Heard> {
    let (send, receive) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for text in io::stdin().lock().lines() {
            let Ok(text) = text else { return };
            let at = Moment::now();
            let heard = Heard {
                text,
                typed: at.steady,
                at,
                alone: true,
            };
            if send.send(heard).is_err() {
                return;
            }
        }
    });
    receive
}
