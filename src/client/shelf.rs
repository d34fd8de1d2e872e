//! What a person keeps on this machine of the lists: filters with a name, filters used last, the columns chosen, and
//! events of the record to come back to.

use std::io::Write as _;
use std::path::PathBuf;

use crate::client::{ClientError, StateDir};
use crate::query::{List, Saved};

/// So many filters of each list are remembered.
const REMEMBERED: usize = 50;
/// How a line begins that names the columns of a list.
const COLUMNS: &str = "columns ";
/// How a line begins that names an event.
const BOOKMARK: &str = "bookmark ";
/// So many events of all servers are kept.
const BOOKMARKS: usize = 500;

/// The saved filters and the last ones of each list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shelf {
    pub saved: Saved,
    /// Newest last.
    history: Vec<(List, String)>,
    /// The columns that a person chose for a list, from left to right.
    columns: Vec<(List, Vec<String>)>,
    /// Events by their server and index, those kept last at the end.
    bookmarks: Vec<(String, i64)>,
}

/// A change of the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shelving {
    /// A filter was used.
    Use(List, String),
    /// A filter gets a name.
    Save { name: String, text: String },
    /// A saved filter is not wanted any more.
    Forget(String),
    /// A list shows these columns from left to right; none means those that everybody gets.
    Columns(List, Vec<String>),
    /// An event of a server is kept, or no longer.
    Bookmark(String, i64),
}

impl Shelf {
    /// Changes it. The error is a sentence for people.
    pub fn apply(&mut self, change: &Shelving) -> Result<(), String> {
        match change {
            Shelving::Use(list, text) => {
                let entry = (*list, text.split_whitespace().collect::<Vec<_>>().join(" "));
                self.history.retain(|known| *known != entry);
                let of_list = self.history.iter().filter(|known| known.0 == *list);
                if of_list.count() >= REMEMBERED
                    && let Some(oldest) = self.history.iter().position(|known| known.0 == *list)
                {
                    self.history.remove(oldest);
                }
                self.history.push(entry);
                Ok(())
            }
            Shelving::Columns(list, names) => {
                self.columns.retain(|known| known.0 != *list);
                if !names.is_empty() {
                    self.columns.push((*list, names.clone()));
                }
                Ok(())
            }
            Shelving::Bookmark(server, index) => {
                let entry = (server.clone(), *index);
                let count = self.bookmarks.len();
                self.bookmarks.retain(|known| *known != entry);
                if self.bookmarks.len() < count {
                    return Ok(());
                }
                if count >= BOOKMARKS {
                    return Err(format!(
                        "{BOOKMARKS} events are kept, and no more fit: let some go"
                    ));
                }
                self.bookmarks.push(entry);
                Ok(())
            }
            Shelving::Save { name, text } => self.saved.set(name, text),
            Shelving::Forget(name) if self.saved.remove(name) => Ok(()),
            Shelving::Forget(name) => Err(format!(
                "there is no saved filter `{}`",
                name.escape_default()
            )),
        }
    }

    /// The filters of a list, the last one first.
    pub fn history(&self, list: List) -> impl Iterator<Item = &str> {
        self.history
            .iter()
            .rev()
            .filter(move |known| known.0 == list)
            .map(|known| known.1.as_str())
    }

    /// The columns that were chosen for a list; none where nobody chose.
    pub fn columns(&self, list: List) -> &[String] {
        self.columns
            .iter()
            .find(|known| known.0 == list)
            .map_or(&[], |known| known.1.as_slice())
    }

    /// The events of a server that are kept, by their index.
    pub fn bookmarks(&self, server: &str) -> impl Iterator<Item = i64> {
        self.bookmarks
            .iter()
            .filter(move |known| known.0 == server)
            .map(|known| known.1)
    }

    fn read(text: &str) -> Self {
        let list_of = |word: &str| List::ALL.into_iter().find(|list| list.as_str() == word);
        let columns = text.lines().filter_map(|line| {
            let mut words = line.strip_prefix(COLUMNS)?.split_whitespace();
            let list = list_of(words.next()?)?;
            Some((list, words.map(str::to_owned).collect()))
        });
        let used = text.lines().filter_map(|line| {
            let (word, filter) = line.split_once(' ')?;
            let list = list_of(word)?;
            Some((list, filter.to_owned()))
        });
        let bookmarks = text.lines().filter_map(|line| {
            let (server, index) = line.strip_prefix(BOOKMARK)?.rsplit_once(' ')?;
            Some((server.to_owned(), index.parse().ok()?))
        });
        Self {
            bookmarks: bookmarks.collect(),
            saved: Saved::read(text),
            history: used.collect(),
            columns: columns.collect(),
        }
    }

    fn write(&self) -> String {
        let mut saved = self.saved.write();
        for (list, names) in &self.columns {
            let line = format!("{COLUMNS}{} {}\n", list.as_str(), names.join(" "));
            saved.push_str(&line);
        }
        for (server, index) in &self.bookmarks {
            saved.push_str(&format!("{BOOKMARK}{server} {index}\n"));
        }
        self.history.iter().fold(saved, |mut out, (list, text)| {
            out.push_str(&format!(
                "{} {text}
",
                list.as_str()
            ));
            out
        })
    }
}

/// Where the shelf is kept: lines of text, `@name filter`, `list filter`, `columns list names` or `bookmark server index`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShelfFile(PathBuf);

impl ShelfFile {
    /// The file beside the sign-ins.
    pub fn of(state: &StateDir) -> Self {
        Self(state.path().join("filters"))
    }

    /// What is kept; nothing where there is no file that can be read.
    pub fn read(&self) -> Shelf {
        std::fs::read_to_string(&self.0)
            .map(|text| Shelf::read(&text))
            .unwrap_or_default()
    }

    /// Changes what is kept, on top of what other programs have kept meanwhile.
    pub fn apply(&self, change: &Shelving) -> Result<(), ClientError> {
        let local = |text: String| ClientError::Local {
            text,
            hint: format!("the file is `{}`", self.0.display()),
        };
        let mut kept = self.read();
        kept.apply(change).map_err(local)?;
        let folder = self.0.parent().unwrap_or(&self.0);
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(kept.write().as_bytes())?;
            file.persist(&self.0)?;
            Ok(())
        };
        write().map_err(|error: std::io::Error| local(format!("filters cannot be kept: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_there_again_the_last_one_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = ShelfFile::of(&StateDir::at(folder.path()));
        let save = Shelving::Save {
            name: "night".to_owned(),
            text: "user:ada  OR user:bob".to_owned(),
        };
        file.apply(&save).unwrap();
        for text in ["a", "b", "a"] {
            file.apply(&Shelving::Use(List::Grants, text.to_owned()))
                .unwrap();
        }
        for n in 0..60 {
            file.apply(&Shelving::Use(List::Audit, format!("user:u{n}")))
                .unwrap();
        }
        let shelf = file.read();
        assert_eq!(shelf.saved.get("night"), Some("user:ada OR user:bob"));
        assert_eq!(shelf.history(List::Grants).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(shelf.history(List::Audit).count(), REMEMBERED);
        assert_eq!(shelf.history(List::Audit).next(), Some("user:u59"));
        let names = vec!["who".to_owned(), "state".to_owned()];
        file.apply(&Shelving::Columns(List::Grants, names.clone()))
            .unwrap();
        assert_eq!(file.read().columns(List::Grants), names);
        assert!(file.read().columns(List::Audit).is_empty());
        assert_eq!(file.read().history(List::Grants).count(), 2);
        file.apply(&Shelving::Columns(List::Grants, Vec::new()))
            .unwrap();
        let forget = Shelving::Forget("night".to_owned());
        file.apply(&forget).unwrap();
        assert!(file.apply(&forget).is_err());
        assert_eq!(file.read().saved, Saved::default());
    }
}
