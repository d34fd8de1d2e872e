//! Writes the record that matches a filter to a file, one JSON object a line, page by page.

use std::io::Write as _;
use std::path::Path;

use chrono::SecondsFormat;

use crate::client::{AuditQuery, Client};

const PAGE: u32 = 500;

/// Writes to a new file in the working directory and says which. The error says why nothing is there.
pub(super) async fn audit(client: &Client, scope: AuditQuery) -> Result<String, String> {
    let now = client.me().await.map_err(|error| error.to_string())?.now;
    let stamp = now
        .to_rfc3339_opts(SecondsFormat::Secs, true)
        .replace([':', '-'], "");
    let folder = std::env::current_dir().map_err(|error| error.to_string())?;
    let path = folder.join(format!("portcullis-audit-{stamp}.ndjson"));
    let written = pages(client, scope, &path).await;
    if written.is_err() {
        // Half a file looks like a whole one.
        let _ = std::fs::remove_file(&path);
    }
    written.map(|count| format!("{count} events are in {}", path.display()))
}

async fn pages(client: &Client, scope: AuditQuery, path: &Path) -> Result<usize, String> {
    let mut file = create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut after = None;
    let mut count = 0;
    loop {
        let query = AuditQuery {
            after: after.take(),
            limit: Some(PAGE),
            ..scope.clone()
        };
        let page = client
            .audit(&query)
            .await
            .map_err(|error| error.to_string())?;
        for event in &page.items {
            let line = serde_json::to_string(event).map_err(|error| error.to_string())?;
            writeln!(file, "{line}").map_err(|error| error.to_string())?;
        }
        count += page.items.len();
        after = page.next;
        if after.is_none() {
            file.flush().map_err(|error| error.to_string())?;
            return Ok(count);
        }
    }
}

/// A file of one's own: never over another, and for nobody else to read.
fn create(path: &Path) -> std::io::Result<std::io::BufWriter<std::fs::File>> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(std::io::BufWriter::new)
}
