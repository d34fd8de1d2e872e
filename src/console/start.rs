//! What the console is started with, and the threads it runs in: the screen has one of its own, with its own timers,
//! so that the network wakes it only with news.

use tokio::runtime::{Builder, Handle};
use tokio::task::block_in_place;

use crate::client::{ShelfFile, has_browser};
use crate::config::Backend;
use crate::console::Calling;
use crate::console::app::Settings;
use crate::console::desk::Desk;
use crate::console::effects::Connect;
use crate::console::keymap::Keymap;
use crate::console::term::caps::{self, Caps, Depth, Wishes};
use crate::console::term::guard;
use crate::console::theme::Library;

/// What a shell reports for a program whose terminal was closed.
pub(super) const HUNG_UP: u8 = 129;

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
            headless: !has_browser(),
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
/// with threads of its own: everything that waits for the network lives there.
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
    let network = Handle::current();
    let cannot = |error: std::io::Error| CannotStart {
        text: format!("the terminal cannot be used: {error}"),
        hint: "try another terminal, or use the commands".to_owned(),
    };
    block_in_place(|| {
        let screen = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(cannot)?;
        screen.block_on(async {
            let desk = Desk::open(&options, caps).map_err(cannot)?;
            // A terminal that fails in the middle is one that was closed.
            Ok(Box::pin(desk.run(options, network))
                .await
                .unwrap_or(HUNG_UP))
        })
    })
}
