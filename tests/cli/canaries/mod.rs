//! Secrets that went through the program are nowhere but with whom they belong to, and what policy hides from somebody
//! is nowhere where they look.

mod crash;
mod hidden;
mod kinds;
mod step_up;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::node::Node;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// Whether somebody's tokens, or the key of their device, are in these bytes.
fn hits(bytes: &[u8], canary: &str) -> bool {
    bytes
        .windows(canary.len())
        .any(|window| window == canary.as_bytes())
}

/// Everything that is looked for, with what it is.
#[derive(Default)]
struct Canaries(Vec<(String, String)>);

impl Canaries {
    fn plant(&mut self, what: &str, secret: &str) {
        assert!(
            secret.len() > 5,
            "{what} is too short to be looked for: {secret}"
        );
        self.0.push((what.to_owned(), secret.to_owned()));
    }

    /// The tokens and the device key that somebody's home holds at this moment.
    fn plant_home(&mut self, who: &str, home: &Path) {
        for path in files(home) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if path.extension().is_some_and(|is| is == "key") {
                self.plant(&format!("the device key of {who}"), text.trim());
            } else if let Ok(stored) = serde_json::from_str::<serde_json::Value>(&text) {
                for name in ["access_token", "refresh_token"] {
                    if let Some(token) = stored[name].as_str() {
                        self.plant(&format!("the {name} of {who}"), token);
                    }
                }
            }
        }
    }
}

/// What was written where.
#[derive(Default)]
struct Places(Vec<(String, Vec<u8>)>);

impl Places {
    fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    /// Runs a command, whatever comes of it, with lines on its standard input.
    fn run(&mut self, node: &Node, who: &str, arguments: &[&str], input: &str) -> i32 {
        let mut child = node
            .command(who, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read has closed the pipe already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        // What a person types as an argument is theirs; what the program says is not.
        let verb: Vec<&str> = arguments.iter().take(2).copied().collect();
        self.add(
            format!("what `{who}: {}` said", verb.join(" ")),
            [output.stdout, output.stderr].concat(),
        );
        output.status.code().unwrap_or(-1)
    }

    /// A call as somebody makes it who knows no client, and the whole answer.
    fn call(&mut self, node: &Node, head: &str, body: &str) {
        let mut stream = std::net::TcpStream::connect(&node.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{head}\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}",
            node.address
        )
        .unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 "), "{head}");
        self.add(
            format!("the answer to `{}`", head.lines().next().unwrap()),
            answer,
        );
    }
}

/// The folder under `/proc` of the server's process.
fn process_of(node: &Node) -> PathBuf {
    let data = node.folder().join("data");
    let data = data.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ours = processes.map(|entry| entry.path()).find(|path| {
        let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
        let serves = words
            .first()
            .is_some_and(|name| name.ends_with(b"/portcullis"));
        serves && words.contains(&data.as_bytes())
    });
    ours.expect("the server runs")
}

/// Every secret that is somewhere.
fn leaks(canaries: &Canaries, places: &Places) -> Vec<String> {
    let mut leaks = Vec::new();
    for (what, canary) in &canaries.0 {
        // Of a token the random part is what counts.
        let body = canary
            .strip_prefix("pcl_")
            .and_then(|rest| rest.rsplit_once('_'))
            .map_or(canary.as_str(), |(body, _)| body);
        for (place, bytes) in &places.0 {
            if hits(bytes, body) {
                leaks.push(format!("{place} has {what}"));
            }
        }
    }
    leaks
}
