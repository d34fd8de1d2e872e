//! Takes the pictures: the application without a terminal, led through its views by its own keys.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use tokio::runtime::Handle;
use tokio::time::{sleep_until, timeout};

use crate::console::app::{App, Settings};
use crate::console::effects::{Incoming, Server};
use crate::console::keymap::{Action, Keymap};
use crate::console::msg::{Effect, Env, Msg};
use crate::console::picture::svg::{svg, text};
use crate::console::run::clock::Moment;
use crate::console::start::{CannotStart, Options};
use crate::console::term::caps::{Charset, Depth};
use crate::console::theme::{Theme, Wardrobe};
use crate::console::view::view;

/// Every picture: its name, and the actions that lead to it from the one before.
pub(super) const VIEWS: &[(&str, &[Action])] = &[
    ("requests", &[Action::GoRequests, Action::Top]),
    ("approve", &[Action::Approve]),
    ("request", &[Action::No, Action::Open]),
    ("grants", &[Action::Back, Action::GoGrants, Action::Top]),
    ("revoke", &[Action::Revoke]),
    ("sessions", &[Action::No, Action::GoSessions]),
    ("audit", &[Action::GoAudit]),
    ("locks", &[Action::GoLocks]),
    ("timeline", &[Action::GoTimeline]),
    ("sign-ins", &[Action::GoSignIns, Action::Top]),
    ("services", &[Action::GoServices, Action::Top]),
    ("break-glass", &[Action::GoGlass, Action::Top]),
    ("standing", &[Action::GoStanding, Action::Top]),
    ("incident", &[Action::GoRequests, Action::Incident]),
    (
        "help",
        &[Action::No, Action::Back, Action::GoRequests, Action::Help],
    ),
    ("palette", &[Action::Back, Action::Palette]),
];

/// The longest wait for the first lists.
const PATIENCE: Duration = Duration::from_secs(30);
/// When nothing has come for this long, what was asked for is there.
const QUIET: Duration = Duration::from_millis(1_500);

/// Writes a picture and a text of each view into a folder, and gives their names.
pub async fn take(
    options: Options,
    folder: &Path,
    size: (u16, u16),
) -> Result<Vec<String>, CannotStart> {
    let charset = if options.ascii {
        Charset::Ascii
    } else {
        Charset::Unicode
    };
    let depth = options.depth.unwrap_or(Depth::TrueColor);
    let (wardrobe, _) = Wardrobe::open(
        options.library.clone(),
        options.theme.as_deref(),
        false,
        depth,
        charset,
    );
    let size = Size::new(size.0, size.1);
    let settings = Settings {
        // The pictures are of what everybody gets.
        keymap: Keymap::default(),
        ..options.settings()
    };
    let (server, incoming) = Server::new(
        &options.connect,
        options.backend.as_deref(),
        Handle::current(),
    );
    let mut studio = Studio {
        app: App::new(&settings, size, Moment::now()),
        server,
        incoming,
        size,
    };
    studio.take(Msg::Start);
    studio.settle().await;
    if !studio.app.world().loaded {
        return Err(CannotStart {
            text: "the server did not give its lists".to_owned(),
            hint: "check the connection with `portcullis whoami`".to_owned(),
        });
    }
    let cannot = |error: io::Error| CannotStart {
        text: format!("the pictures cannot be written: {error}"),
        hint: "name a folder that you may write to".to_owned(),
    };
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let mut names = Vec::new();
    for (name, actions) in VIEWS {
        let before = shape(&studio.frame(wardrobe.theme()));
        for action in *actions {
            studio.press(*action);
        }
        studio.settle().await;
        let frame = studio.frame(wardrobe.theme());
        // A view that is not there yet leaves the one before.
        if !names.is_empty() && shape(&frame) == before {
            continue;
        }
        let title = format!("The console of Portcullis: {name}");
        std::fs::write(folder.join(format!("{name}.svg")), svg(&frame, &title))
            .and_then(|()| std::fs::write(folder.join(format!("{name}.txt")), text(&frame)))
            .map_err(cannot)?;
        names.push((*name).to_owned());
    }
    Ok(names)
}

/// What a frame shows apart from its clocks: below the header, without numbers.
fn shape(frame: &ratatui::buffer::Buffer) -> String {
    text(frame)
        .lines()
        .skip(1)
        .flat_map(str::chars)
        .filter(|c| !c.is_ascii_digit() && !c.is_whitespace())
        .collect()
}

/// The application with a server and without a terminal.
struct Studio {
    app: App,
    server: Server,
    incoming: Incoming,
    size: Size,
}

impl Studio {
    fn take(&mut self, msg: Msg) {
        for effect in self.app.update(msg, Env { now: Moment::now() }) {
            match effect {
                Effect::Connect => self.server.connect(&mut self.incoming),
                Effect::RetryNow => self.server.retry_now(),
                Effect::Fetch(query) => self.server.fetch(query),
                // Pictures are looked at; nothing is changed for one, and what is about a terminal has none.
                _ => {}
            }
        }
    }

    /// Presses the key of an action, when it has one in this place.
    fn press(&mut self, action: Action) {
        let place = self.app.place();
        let chord = self
            .app
            .world()
            .keymap
            .binding(place, action)
            .and_then(|(_, keys)| keys.first().copied());
        if let Some(chord) = chord {
            self.take(Msg::Key(chord.key()));
        }
    }

    /// Takes what comes until nothing does.
    async fn settle(&mut self) {
        let begun = Instant::now();
        let mut last = begun;
        while begun.elapsed() < PATIENCE && (last.elapsed() < QUIET || !self.app.world().loaded) {
            let change = self.app.next_change();
            let tick = async {
                match change {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let happened = async {
                tokio::select! {
                    Some(answer) = self.incoming.answers.recv() => (answer, true),
                    Some(tidings) = self.incoming.stream.recv() => (Msg::Stream(tidings), false),
                    () = tick => (Msg::Tick, false),
                }
            };
            if let Ok((msg, news)) = timeout(QUIET, happened).await {
                if news {
                    last = Instant::now();
                }
                self.take(msg);
            }
        }
    }

    fn frame(&self, theme: &Theme) -> ratatui::buffer::Buffer {
        let backend = TestBackend::new(self.size.width, self.size.height);
        let Ok(mut terminal) = Terminal::new(backend);
        let Ok(_) = terminal.draw(|frame| view(&self.app, theme, frame));
        terminal.backend().buffer().clone()
    }
}
