//! The theme in use: where it came from, what is tried on, and whether its file has changed since.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::console::term::caps::{Charset, Depth};
use crate::console::theme::find::{Found, Library};
use crate::console::theme::{BadTheme, Theme};

/// How often files are looked at: not more than the clock on the screen wakes us anyway.
const PAUSE: Duration = Duration::from_millis(900);

/// The theme in use, and the others.
#[derive(Debug)]
pub struct Wardrobe {
    library: Library,
    depth: Depth,
    charset: Charset,
    /// What the person chose; nothing when the terminal's background decides.
    chosen: Option<String>,
    light: bool,
    worn: Worn,
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Worn {
    theme: Theme,
    /// Files with the moments of their last change, when they had one.
    files: Vec<(PathBuf, Option<SystemTime>)>,
}

impl From<Found> for Worn {
    fn from(found: Found) -> Self {
        let stamped = |path: PathBuf| {
            let at = changed(&path);
            (path, at)
        };
        Self {
            theme: found.theme,
            files: found.files.into_iter().map(stamped).collect(),
        }
    }
}

impl Wardrobe {
    /// Puts on the theme that was asked for. One that cannot be used is said and does not stop anybody.
    pub fn open(
        library: Library,
        asked: Option<&str>,
        light: bool,
        depth: Depth,
        charset: Charset,
    ) -> (Self, Vec<BadTheme>) {
        let mut wardrobe = Self {
            worn: standard(light, depth, charset),
            library,
            depth,
            charset,
            chosen: None,
            light,
            looked: None,
        };
        let said = match asked.filter(|name| *name != "auto") {
            None => Vec::new(),
            Some(name) => wardrobe.keep(name).unwrap_or_else(|bad| vec![bad]),
        };
        (wardrobe, said)
    }

    /// The theme to draw with.
    pub fn theme(&self) -> &Theme {
        &self.worn.theme
    }

    /// The terminal said what its background is. Says whether that changes the theme.
    pub fn background(&mut self, light: bool) -> bool {
        let changes = self.light != light && self.chosen.is_none();
        self.light = light;
        if changes {
            self.worn = standard(light, self.depth, self.charset);
        }
        changes
    }

    /// The terminal has more colours than was thought.
    pub fn deepen(&mut self, depth: Depth) {
        self.depth = depth;
        self.restore();
    }

    /// Puts a theme on to look at it. Gives what its file says that means nothing.
    pub fn try_on(&mut self, name: &str) -> Result<Vec<BadTheme>, BadTheme> {
        self.worn = if name == "auto" {
            standard(self.light, self.depth, self.charset)
        } else {
            self.library.open(name, self.depth, self.charset)?.into()
        };
        Ok(self.worn.theme.remarks().to_vec())
    }

    /// Puts a theme on and keeps it.
    pub fn keep(&mut self, name: &str) -> Result<Vec<BadTheme>, BadTheme> {
        let remarks = self.try_on(name)?;
        self.chosen = (name != "auto").then(|| name.to_owned());
        Ok(remarks)
    }

    /// Puts the kept theme on again.
    pub fn restore(&mut self) {
        let name = self.chosen.clone();
        if self.try_on(name.as_deref().unwrap_or("auto")).is_err() {
            self.worn = standard(self.light, self.depth, self.charset);
        }
    }

    /// Reads the theme again when its file has changed. Nothing when it has not, or when it is built in.
    ///
    /// A file that is wrong at this moment changes nothing: people save half of what they mean.
    pub fn look_again(&mut self, now: Instant) -> Option<Result<Vec<BadTheme>, BadTheme>> {
        let early = self
            .looked
            .is_some_and(|looked| now.saturating_duration_since(looked) < PAUSE);
        if self.worn.files.is_empty() || early {
            return None;
        }
        self.looked = Some(now);
        let mut any = false;
        for (path, seen) in &mut self.worn.files {
            let now = changed(path);
            // Editors put a new file in the place of the old one; for a moment there is none.
            any |= now.is_some() && now != *seen;
            *seen = now;
        }
        if !any {
            return None;
        }
        let (path, _) = self.worn.files.first()?;
        let name = path.to_string_lossy().into_owned();
        Some(
            self.library
                .open(&name, self.depth, self.charset)
                .map(|found| {
                    self.worn = found.into();
                    self.worn.theme.remarks().to_vec()
                }),
        )
    }
}

fn standard(light: bool, depth: Depth, charset: Charset) -> Worn {
    Worn {
        theme: Theme::standard(light, depth, charset),
        files: Vec::new(),
    }
}

fn changed(path: &PathBuf) -> Option<SystemTime> {
    fs::metadata(path).and_then(|about| about.modified()).ok()
}
