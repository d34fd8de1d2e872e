//! Writes the record that matches a filter to a file, one JSON object a line, oldest first. The server puts it on record.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use chrono::SecondsFormat;

use crate::client::{AuditQuery, Client, ExportQuery};
use crate::text::visible_json;
use crate::wire::export::Format;

/// Writes to a new file in the folder and says which. The error says why nothing is there.
pub async fn audit(client: &Client, scope: AuditQuery, folder: &Path) -> Result<String, String> {
    let now = client.me().await.map_err(|error| error.to_string())?.now;
    let stamp = now
        .to_rfc3339_opts(SecondsFormat::Secs, true)
        .replace([':', '-'], "");
    let path = folder.join(format!("portcullis-audit-{stamp}.ndjson"));
    // A file that is there already is somebody's, and stays.
    let file = create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let written = pages(client, scope, file).await;
    if written.is_err() {
        // Half a file looks like a whole one.
        let _ = std::fs::remove_file(&path);
    }
    written.map(|count| format!("{count} events are in {}", path.display()))
}

async fn pages(
    client: &Client,
    scope: AuditQuery,
    mut file: BufWriter<File>,
) -> Result<i64, String> {
    let mut query = ExportQuery {
        format: Format::Ndjson,
        which: scope,
        after: None,
        to: None,
        export: None,
    };
    let mut count = 0;
    loop {
        let page = client.export(&query).await;
        let page = page.map_err(|error| error.to_string())?;
        for line in page.text.lines() {
            let line = visible_json(line);
            writeln!(file, "{line}").map_err(|error| error.to_string())?;
        }
        count += page.count;
        query.after = page.next;
        query.to = Some(page.to);
        query.export = Some(page.export);
        if query.after.is_none() {
            file.flush().map_err(|error| error.to_string())?;
            return Ok(count);
        }
    }
}

/// A file of one's own: never over another, and for nobody else to read.
fn create(path: &Path) -> std::io::Result<BufWriter<File>> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(BufWriter::new)
}
