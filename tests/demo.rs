//! `portcullis demo` as a newcomer runs it: everything works, and nothing is left behind, however it ends.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");

/// A demonstration without its console, in a temporary folder of its own.
struct Demo {
    child: Child,
    temp: tempfile::TempDir,
    /// What `export` lines it printed: for the admin, then for the engineer.
    exports: Vec<Vec<(String, String)>>,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        // A database server under another account has to reach its folder.
        std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let mut child = Command::new(PROGRAM)
            .args(["demo", "--headless"])
            .args(arguments)
            .env("TMPDIR", temp.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut exports = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(pairs) = line.trim().strip_prefix("export ") {
                let pairs = pairs.split(' ').map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap();
                    (name.to_owned(), value.to_owned())
                });
                exports.push(pairs.collect());
            }
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        assert_eq!(exports.len(), 2, "the demonstration started");
        Self {
            child,
            temp,
            exports,
        }
    }

    /// What a command prints.
    fn run(&self, person: usize, arguments: &[&str]) -> Vec<u8> {
        let exports = self.exports[person].iter();
        let output = Command::new(PROGRAM)
            .args(arguments)
            .envs(exports.map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        output.stdout
    }

    fn json(&self, person: usize, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_slice(&self.run(person, &[arguments, &["--json"]].concat())).unwrap()
    }

    /// Everything that works in the folder of this demonstration: programs name it in their arguments.
    fn processes(&self) -> BTreeSet<u32> {
        processes_naming(self.temp.path())
    }

    fn end_with(mut self, signal: Signal) {
        let processes = self.processes();
        assert!(processes.len() > 1, "there is something to end");
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
        let status = self.child.wait().unwrap();
        if signal == Signal::KILL {
            self.wait_for_the_watchdogs();
        } else {
            assert!(status.success(), "{status}");
        }
        assert_eq!(self.processes(), BTreeSet::new(), "a process is left");
        let left: Vec<_> = std::fs::read_dir(self.temp.path())
            .unwrap()
            .flatten()
            .collect();
        assert!(left.is_empty(), "{left:?} is left");
    }

    /// After a kill nobody is there to wait for them.
    fn wait_for_the_watchdogs(&self) {
        let began = std::time::Instant::now();
        while !self.processes().is_empty() && began.elapsed().as_secs() < 20 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn processes_naming(folder: &Path) -> BTreeSet<u32> {
    let name = folder.to_str().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(name)
        })
        .collect()
}

fn words(rows: &serde_json::Value, field: &str) -> BTreeSet<String> {
    let word = |row: &serde_json::Value| row[field].as_str().unwrap().to_owned();
    rows["items"].as_array().unwrap().iter().map(word).collect()
}

#[test]
fn the_first_look_shows_something_of_everything() {
    let demo = Demo::start(&[]);
    let requests = demo.json(0, &["requests"]);
    let states = words(&requests, "state");
    for state in ["pending", "approved", "denied", "withdrawn"] {
        assert!(states.contains(state), "{states:?}");
    }
    let targets = words(&requests, "target");
    assert!(targets.contains("orders-db") && targets.contains("bastion"));
    assert_eq!(demo.json(0, &["whoami"])["name"], "kim");
    assert_eq!(demo.json(1, &["whoami"])["name"], "robin");
    let claims = requests["items"].as_array().unwrap().iter();
    let claims = claims.filter(|row| row["claim"]["by"] == "edsger");
    assert_eq!(claims.count(), 1, "{requests}");
    let locks = demo.json(0, &["locks"]);
    assert_eq!(words(&locks, "state").len(), 1, "{locks}");
    let uses = demo.json(0, &["break-glass", "list", "--all"]);
    let states = BTreeSet::from(["justified".to_owned(), "open".to_owned()]);
    assert_eq!(words(&uses, "state"), states, "{uses}");
    let grants = demo.json(0, &["grants", "--all"]);
    let glass = grants["items"].as_array().unwrap().iter();
    let glass = glass.filter(|row| row["break_glass"] == true);
    assert!(glass.count() >= 1, "{grants}");
    let pictures = demo.temp.path().join("pictures");
    demo.run(0, &["console", "--snapshot", pictures.to_str().unwrap()]);
    for (view, seen) in [
        ("sign-ins", "robin"),
        ("services", "deploy-bot"),
        ("break-glass", "linus"),
        ("palette", "palette"),
    ] {
        let text = std::fs::read_to_string(pictures.join(format!("{view}.txt"))).unwrap();
        assert!(view == seen || text.contains(seen), "{view}:\n{text}");
    }
    std::fs::remove_dir_all(pictures).unwrap();
    demo.end_with(Signal::TERM);
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    Demo::start(&[]).end_with(Signal::INT);
}

#[test]
fn even_a_kill_leaves_nothing_behind() {
    Demo::start(&[]).end_with(Signal::KILL);
}

#[test]
fn a_machine_without_postgresql_has_hosts() {
    let demo = Demo::start(&["--no-postgres"]);
    let targets = words(&demo.json(0, &["requests"]), "target");
    assert_eq!(
        targets,
        BTreeSet::from(["bastion".to_owned(), "web-1".to_owned()])
    );
    demo.end_with(Signal::HUP);
}

#[test]
fn an_engineer_gets_into_the_database_with_the_admins_approval() {
    let demo = Demo::start(&[]);
    let ask = "request orders-db readonly --for 10m --reason first-look --wait";
    let ask: Vec<&str> = ask.split(' ').collect();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| demo.run(1, &ask));
        let id = loop {
            let pending = demo.json(0, &["requests", "--state", "pending"]);
            let rows = pending["items"].as_array().unwrap();
            match rows.iter().find(|row| row["requester"] == "robin") {
                Some(row) => break row["id"].as_str().unwrap().to_owned(),
                None => assert!(!asking.is_finished()),
            }
        };
        demo.json(0, &["approve", &id, "--comment", "welcome"]);
        asking.join().unwrap();
    });
    let count = "connect orders-db -- -Atc";
    let count: Vec<&str> = count
        .split(' ')
        .chain(["select count(*) from orders"])
        .collect();
    assert_eq!(demo.run(1, &count), b"5000\n");
    demo.end_with(Signal::TERM);
}
