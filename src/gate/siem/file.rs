//! Delivery to a file: appended, synced, opened anew each time so that it can be moved away.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Parcel;

/// No line of ours is longer.
const LINE_MAX: u64 = 256 * 1024;

pub(super) struct File(PathBuf);

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) async fn send(&self, parcels: &[Parcel]) -> anyhow::Result<()> {
        let mut text = String::new();
        for parcel in parcels {
            text.push_str(&parcel.line);
            text.push('\n');
        }
        let path = self.0.clone();
        let append = move || append(&path, &text);
        tokio::task::spawn_blocking(append)
            .await
            .context("writing was broken off")?
    }
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = path.display();
    let mut options = std::fs::OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("opening `{shown}`"))?;
    let whole = whole_lines(&mut file).with_context(|| format!("reading `{shown}`"))?;
    if let Some(end) = whole {
        // A crash left half a line behind; the event comes again, whole.
        file.set_len(end)
            .with_context(|| format!("cutting half a line off `{shown}`"))?;
    }
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("writing `{shown}`"))
}

/// Where the last whole line ends, if anything is behind it.
fn whole_lines(file: &mut std::fs::File) -> std::io::Result<Option<u64>> {
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let size = file.seek(SeekFrom::End(0))?;
    let from = size.saturating_sub(LINE_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(LINE_MAX).read_to_end(&mut tail)?;
    let half = tail.iter().rev().take_while(|byte| **byte != b'\n').count();
    // What has no line at all is not ours to cut.
    let ours = half > 0 && (half < tail.len() || from == 0);
    Ok(ours.then(|| size - u64::try_from(half).unwrap_or(0)))
}
