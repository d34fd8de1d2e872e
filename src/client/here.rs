//! This machine: what it is called in the list of sign-ins, and its browser.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

/// Longer names are cut: the server takes a hundred characters.
const LONGEST: usize = 90;

/// How a program on this machine is called in the list of sign-ins: `cli on laptop`.
pub fn device(program: &str) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let host = host.unwrap_or_default();
    let plain: String = host
        .trim()
        .chars()
        .filter(char::is_ascii_graphic)
        .take(LONGEST)
        .collect();
    if plain.is_empty() {
        program.to_owned()
    } else {
        format!("{program} on {plain}")
    }
}

/// Says whether a browser can open on this machine, as far as the environment tells.
pub fn has_browser() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    sees_a_browser(is_set, cfg!(target_os = "macos"))
}

/// A Mac and Windows have a screen without saying so, unless somebody came over the network.
fn sees_a_browser(is_set: impl Fn(&str) -> bool, mac: bool) -> bool {
    let named = ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY"];
    let own_screen = (mac || is_set("WSL_DISTRO_NAME")) && !is_set("SSH_CONNECTION");
    own_screen || named.into_iter().any(is_set)
}

/// Opens the person's browser. Whether that works shows only when the answer comes.
pub fn open_browser(url: &str) -> bool {
    let program = std::env::var("BROWSER")
        .ok()
        .filter(|name| !name.is_empty());
    let usual = ["xdg-open", "open"].map(str::to_owned);
    program.into_iter().chain(usual).any(|program| {
        std::process::Command::new(program)
            .arg(url)
            .process_group(0) // so that ctrl-c ends the sign-in and not the browser
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .is_ok_and(|mut browser| {
                // Whoever started a program has to hear of its end, or it stays in the table of processes.
                std::thread::spawn(move || browser.wait());
                true
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_screen_has_no_browser_to_open() {
        let sees = |set: &[&str], mac| sees_a_browser(|name| set.contains(&name), mac);
        assert!(!sees(&["SSH_CONNECTION"], false));
        assert!(!sees(&["SSH_CONNECTION"], true));
        assert!(sees(&["SSH_CONNECTION", "DISPLAY"], false), "forwarded");
        assert!(sees(&["BROWSER"], false));
        assert!(sees(&[], true));
        assert!(sees(&["WSL_DISTRO_NAME"], false));
    }
}
