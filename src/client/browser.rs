//! Opens the person's browser.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Opens an address in the person's browser; `false` when there is no program for that. Whether it works shows only
/// when the answer comes.
pub fn open_browser(url: &str) -> bool {
    let program = std::env::var("BROWSER")
        .ok()
        .filter(|name| !name.is_empty());
    let usual = ["xdg-open", "open"].map(str::to_owned);
    program.into_iter().chain(usual).any(|program| {
        Command::new(program)
            .arg(url)
            .process_group(0) // so that ctrl-c ends what waits and not the browser
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .is_ok()
    })
}
