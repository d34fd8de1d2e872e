//! Where themes are looked for: a file by its path, the person's folder, the machine's folders, those built in.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use crate::console::term::caps::{Charset, Depth};
use crate::console::theme::load::BadTheme;
use crate::console::theme::{SHIPPED, Theme, shipped_text};
use crate::text;

/// A theme is a few kilobytes; what is longer is something else.
const LONGEST: u64 = 64 * 1024;

/// Where themes are looked for.
#[derive(Debug, Clone, Default)]
pub struct Library {
    folders: Vec<PathBuf>,
}

/// Where a theme is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the program.
    BuiltIn,
    /// In this file.
    File(PathBuf),
}

/// A theme that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Ready for the terminal.
    pub theme: Theme,
    /// The files it was read from, its own first; none when it is built in.
    pub files: Vec<PathBuf>,
}

impl Library {
    /// Looks into the folder of the settings, then into the machine's data folders, then into the program.
    ///
    /// `settings` is the folder of `console.toml`.
    pub fn new(settings: &Path, env: impl Fn(&str) -> Option<String>) -> Self {
        let data = env("XDG_DATA_DIRS")
            .filter(|dirs| !dirs.is_empty())
            .unwrap_or_else(|| "/usr/local/share:/usr/share".to_owned());
        let machine = data
            .split(':')
            .map(Path::new)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("portcullis/themes"));
        Self {
            folders: std::iter::once(settings.join("themes"))
                .chain(machine)
                .collect(),
        }
    }

    /// Every theme by name with its place, in the order of the names. Of two with one name only the nearer counts.
    pub fn list(&self) -> Vec<(String, Place)> {
        let mut all: Vec<(String, Place)> = Vec::new();
        for folder in &self.folders {
            let Ok(entries) = fs::read_dir(folder) else {
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                let Some(name) = name_of(&path) else { continue };
                if !all.iter().any(|(known, _)| *known == name) {
                    all.push((name, Place::File(path)));
                }
            }
        }
        for (name, _) in SHIPPED {
            if !all.iter().any(|(known, _)| known == name) {
                all.push(((*name).to_owned(), Place::BuiltIn));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Opens a theme by its name, or by the path of its file. What its file says that means nothing is passed over
    /// and kept in [`Theme::remarks`].
    pub fn open(&self, wanted: &str, depth: Depth, charset: Charset) -> Result<Found, BadTheme> {
        let files = RefCell::new(Vec::new());
        let beside = if is_path(wanted) {
            Path::new(wanted).parent()
        } else {
            None
        };
        let text = if is_path(wanted) {
            let path = PathBuf::from(wanted);
            let text = read(&path)?;
            files.borrow_mut().push(path);
            text
        } else {
            self.text(wanted, None, &files)?.ok_or_else(|| BadTheme {
                problem: format!("there is no theme `{}`", text::clean(wanted)),
                hint: format!("use one of {}", self.names().join(", ")),
            })?
        };
        let parent = |name: &str| self.text(name, beside, &files).ok().flatten();
        let mut theme = Theme::from_toml_leniently(&text, depth, charset, &parent)?;
        let files = files.into_inner();
        if let Some(file) = files.first().and_then(|path| name_of(path))
            && file != theme.id()
        {
            let remark = BadTheme {
                problem: format!(
                    "the theme calls itself `{}`, and its file `{file}`",
                    theme.id()
                ),
                hint: "give both the same name".to_owned(),
            };
            theme.source.remarks.push(remark);
        }
        Ok(Found { theme, files })
    }

    /// The names of all themes.
    pub fn names(&self) -> Vec<String> {
        self.list().into_iter().map(|(name, _)| name).collect()
    }

    /// The text of a theme. A file that was read already is no parent of itself: a person's own `portcullis-dark`
    /// may inherit from the one built in.
    fn text(
        &self,
        name: &str,
        beside: Option<&Path>,
        read_already: &RefCell<Vec<PathBuf>>,
    ) -> Result<Option<String>, BadTheme> {
        if !is_name(name) {
            return Ok(None);
        }
        let file = beside
            .into_iter()
            .chain(self.folders.iter().map(PathBuf::as_path))
            .map(|folder| folder.join(format!("{name}.toml")))
            .find(|path| path.is_file());
        let Some(path) = file else {
            return Ok(shipped_text(name).map(str::to_owned));
        };
        if let (true, Some(text)) = (read_already.borrow().contains(&path), shipped_text(name)) {
            return Ok(Some(text.to_owned()));
        }
        let text = read(&path)?;
        read_already.borrow_mut().push(path);
        Ok(Some(text))
    }
}

/// Only what looks like a path is one, so that a name never depends on the folder somebody happens to be in.
fn is_path(wanted: &str) -> bool {
    let extension = Path::new(wanted).extension();
    wanted.contains('/') || extension.is_some_and(|end| end == "toml")
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The name of the theme in a file, when the file has one.
fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".toml")?;
    is_name(name).then(|| name.to_owned())
}

fn read(path: &Path) -> Result<String, BadTheme> {
    let cannot = |why: String| BadTheme {
        problem: format!(
            "the theme `{}` cannot be read: {why}",
            text::clean(&path.display().to_string())
        ),
        hint: "run `portcullis theme list` to see what there is".to_owned(),
    };
    let about = fs::metadata(path).map_err(|error| cannot(error.to_string()))?;
    if !about.is_file() {
        return Err(cannot("it is no file".to_owned()));
    }
    if about.len() > LONGEST {
        return Err(cannot("it is too long for a theme".to_owned()));
    }
    fs::read_to_string(path).map_err(|error| cannot(error.to_string()))
}
