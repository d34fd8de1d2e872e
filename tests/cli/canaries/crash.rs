//! What a crash leaves behind: no core file of the server, the console or a command, and no word of what a panic held.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::files;
use crate::support::node::Node;
use crate::support::world::{CATALOGUE, POLICY};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");
/// Takes the limit off before the program has a say.
const UNLIMITED: &str = "ulimit -c unlimited 2>/dev/null || ulimit -c $(ulimit -H -c); exec \"$@\"";

/// A program that waits for its input, in a folder of its own where a core file would be.
fn begun(folder: &Path, program: &str, arguments: &[&str], url: &str) -> Child {
    let mut command = Command::new("sh");
    command
        .args(["-c", UNLIMITED, "sh", program])
        .args(arguments);
    command
        .current_dir(folder)
        .env("PORTCULLIS_HOME", folder.join("home"))
        .env("PORTCULLIS_SERVER", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Waits until the shell has become the program, and the program has taken its own limit down.
fn ready(child: &Child) -> bool {
    let limits = format!("/proc/{}/limits", child.id());
    let began = std::time::Instant::now();
    while began.elapsed() < std::time::Duration::from_secs(30) {
        let text = std::fs::read_to_string(&limits).unwrap_or_default();
        let core = text
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        if core.is_some_and(|line| line.split_whitespace().nth(4) == Some("0")) {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    false
}

fn aborted(mut child: Child) -> ExitStatus {
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::ABORT).unwrap();
    child.wait().unwrap()
}

fn cores(folder: &Path) -> Vec<String> {
    let names = files(folder).into_iter();
    let names = names.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("core")).collect()
}

#[test]
fn no_process_of_ours_leaves_a_core_file() {
    let mut node = Node::prepare(CATALOGUE, POLICY);
    node.start();
    node.sign_in_root();
    let (data, config) = (node.folder().join("data-2"), node.folder().join("config"));
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data.to_str().unwrap(),
        "--config-dir",
        config.to_str().unwrap(),
    ];
    for arguments in [
        &serve[..],
        &["console", "--linear"],
        &["login", "--code", "-"],
        &["login", "--sealed"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let child = begun(folder.path(), PROGRAM, arguments, &node.url());
        assert!(ready(&child), "{arguments:?} lets itself be dumped");
        let status = aborted(child);
        assert_eq!(
            status.signal(),
            Some(Signal::ABORT.as_raw()),
            "{arguments:?}"
        );
        assert!(!status.core_dumped(), "{arguments:?} left a core file");
        assert_eq!(cores(folder.path()), Vec::<String>::new(), "{arguments:?}");
    }
}

/// Runs in a process of its own, because what it asks for is for the whole process.
#[test]
#[ignore = "the next test runs it, after it has allowed core files"]
fn a_process_that_keeps_its_memory() {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
    let before = dumpable_behavior().unwrap();
    assert_eq!(before, DumpableBehavior::Dumpable);
    portcullis::cli::crash::keep_memory().unwrap();
    let after = dumpable_behavior().unwrap();
    assert_eq!(after, DumpableBehavior::NotDumpable);
    assert_eq!(getrlimit(Resource::Core).current, Some(0));
    println!("nobody reads it");
}

/// Where the kernel hands cores to a program the limit alone does not hold, and a debugger asks for none.
#[test]
fn no_other_process_is_given_our_memory() {
    let output = Command::new("sh")
        .args(["-c", UNLIMITED, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "cli::canaries::crash::a_process_that_keeps_its_memory",
        ])
        .args(["--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("nobody reads it"), "{said}");
}

/// Runs in a process of its own, because the word on panics is one for the whole process.
#[test]
#[ignore = "panics; the next test runs it and looks at what it says"]
fn a_process_that_panics() {
    portcullis::cli::crash::keep_quiet();
    let canary = std::env::var("CANARY").unwrap();
    let secret = portcullis::secret::Secret::new(canary.clone());
    let by_words = {
        let canary = canary.clone();
        std::thread::spawn(move || panic!("the token {canary} is too long"))
    };
    let by_error = {
        let canary = canary.clone();
        std::thread::spawn(move || canary.parse::<u32>().map_err(|_| canary).unwrap())
    };
    let by_debug = std::thread::spawn(move || panic!("{secret:?}"));
    let by_itself = std::thread::spawn(move || std::panic::panic_any(canary));
    let fixed = std::thread::spawn(|| panic!("a word that stands in the code"));
    assert!(by_words.join().is_err() && by_error.join().is_err() && by_debug.join().is_err());
    assert!(by_itself.join().is_err() && fixed.join().is_err());
    println!("all five have panicked");
}

#[test]
fn a_panic_says_where_and_not_what() {
    let canary = "pcl_at_Canary4711Canary4711Canary4711";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cli::canaries::crash::a_process_that_panics"])
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .env("CANARY", canary)
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("all five have panicked"), "{said}");
    let places = said.matches("portcullis panicked at tests/cli/canaries/crash.rs:");
    assert_eq!(places.count(), 5, "{said}");
    assert!(
        said.contains(": a word that stands in the code\n"),
        "{said}"
    );
    assert!(!said.contains("Canary4711"), "{said}");
}
