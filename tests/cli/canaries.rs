//! Secrets that went through the program are nowhere but with whom they belong to.

use std::path::{Path, PathBuf};

use crate::support::node::Node;
use crate::support::world::{CATALOGUE, POLICY};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_in_no_log_no_audit_no_error_and_no_database() {
    let catalogue = format!("[server]\nlog = \"trace\"\n{CATALOGUE}");
    let mut node = Node::prepare(&catalogue, POLICY);
    node.start();
    let mut canaries = vec![node.bootstrap.clone().unwrap()];
    node.sign_in_root();
    let invite = [
        "token",
        "invite",
        "ada",
        "--role",
        "requester",
        "--group",
        "engineers",
    ];
    let code = node.json("root", &invite)["code"]
        .as_str()
        .unwrap()
        .to_owned();
    node.said("ada", &["login", "--code", &code]);
    canaries.push(code.clone());
    let create = [
        "service-account",
        "create",
        "bot",
        "--owner",
        "ada",
        "--scope",
        "read",
    ];
    let token = node.json("root", &create)["token"]
        .as_str()
        .unwrap()
        .to_owned();
    canaries.push(token.clone());
    // What people get wrong is where secrets usually leak: used codes, one kind for another, broken ones.
    let mut errors = Vec::new();
    let (cut, _) = token.split_at(token.len() - 1);
    for (who, arguments, machine) in [
        ("eve", vec!["login", "--code", code.as_str()], None),
        ("eve", vec!["login", "--code", token.as_str()], None),
        ("eve", vec!["whoami"], Some(cut)),
        ("eve", vec!["whoami", "--json"], Some(code.as_str())),
        ("eve", vec!["approve", "R-0000000001"], Some(token.as_str())),
        ("eve", vec!["requests"], Some(token.as_str())),
    ] {
        let mut command = node.command(who, &arguments);
        if let Some(token) = machine {
            command.env("PORTCULLIS_TOKEN", token);
        }
        let output = command.output().unwrap();
        errors.extend(output.stdout);
        errors.extend(output.stderr);
    }
    for who in ["root", "ada"] {
        for path in files(&node.home(who)) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if path.extension().is_some_and(|is| is == "key") {
                canaries.push(text.trim().to_owned());
            } else if let Ok(stored) = serde_json::from_str::<serde_json::Value>(&text) {
                for name in ["access_token", "refresh_token"] {
                    canaries.extend(stored[name].as_str().map(ToOwned::to_owned));
                }
            }
        }
    }
    assert_eq!(canaries.len(), 3 + 2 * 3, "all of them are looked for");
    let audit = node.said("root", &["audit", "--json"]);
    node.kill();
    let mut places: Vec<(String, Vec<u8>)> = vec![
        ("the audit".to_owned(), audit.into_bytes()),
        ("what commands said".to_owned(), errors),
    ];
    // The bootstrap code is printed for whoever starts the server, and only there.
    let log: Vec<String> = node
        .log()
        .lines()
        .filter(|line| !line.contains("portcullis login --server"))
        .map(ToOwned::to_owned)
        .collect();
    assert!(log.len() > 10, "the log is complete");
    places.push(("the log".to_owned(), log.join("\n").into_bytes()));
    for path in files(&node.folder().join("data")) {
        places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    for canary in &canaries {
        // The random part is what counts.
        let body = canary
            .rsplit_once('_')
            .map_or(canary.as_str(), |(body, _)| body);
        for (place, bytes) in &places {
            assert!(!hits(bytes, body), "{place} has a secret: {body}");
        }
    }
}
