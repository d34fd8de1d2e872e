//! Reads and writes the files of a configuration folder.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::config::problem::Problem;

/// No configuration is this long; a file that is was named by mistake.
const LONGEST: u64 = 1024 * 1024;

/// Reads one file of a configuration; `None` when it does not exist.
pub fn read(folder: &Path, name: &str) -> Result<Option<String>, Problem> {
    let path = folder.join(name);
    let refuse = |message: String, hint: Option<String>| Problem::of(name, message, hint);
    let failed = |error: std::io::Error| {
        refuse(
            format!("`{}` cannot be read: {}", path.display(), plain(&error)),
            None,
        )
    };
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(refuse(format!("`{}` is not a file", path.display()), None));
    }
    if about.permissions().mode() & 0o002 != 0 {
        let hint = Some(format!("run `chmod o-w {}`", path.display()));
        return Err(refuse(
            format!("everybody on this machine can change `{}`", path.display()),
            hint,
        ));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(refuse(
            format!("`{}` is longer than 1 MiB", path.display()),
            None,
        ));
    }
    // Editors of other systems begin a file with a mark that is no part of its text.
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let valid =
            String::from_utf8_lossy(error.as_bytes().get(..at).unwrap_or_default()).into_owned();
        let place = Some(crate::domain::policy::place(&valid, at));
        let hint = Some("save it as UTF-8".to_owned());
        Problem {
            place,
            ..refuse("the file is not UTF-8 from here on".to_owned(), hint)
        }
    })?;
    Ok(Some(
        text.strip_prefix('\u{feff}')
            .map_or_else(|| text.clone(), str::to_owned),
    ))
}

/// Whether others than the owner's group can read a file; a missing file nobody can.
pub fn everybody_can_read(folder: &Path, name: &str) -> bool {
    fs::metadata(folder.join(name)).is_ok_and(|about| about.permissions().mode() & 0o004 != 0)
}

/// Writes files that are not there yet, readable by their owner only, and says which ones it wrote.
pub(super) fn write_missing(
    folder: &Path,
    files: &[(&str, String)],
) -> Result<Vec<PathBuf>, Problem> {
    let shown = folder.display().to_string();
    let failed = |error: &std::io::Error| {
        Problem::of(
            shown.clone(),
            format!("cannot be written: {}", plain(error)),
            None,
        )
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| failed(&error))?;
    let mut written = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        // `create_new` and not a look beforehand: what somebody else makes meanwhile must stay.
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Ok(mut file) => file
                .write_all(text.as_bytes())
                .map_err(|error| failed(&error))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(failed(&error)),
        }
        written.push(path);
    }
    Ok(written)
}

/// What the system said, without its number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or(&text)
        .to_lowercase()
}
