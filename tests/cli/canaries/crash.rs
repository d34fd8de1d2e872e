//! What a crash leaves behind: no core file of the server, the console or a command, and no word of what a panic held.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::files;
use crate::support::node::Node;
use crate::support::process::Owner;
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
    // This machine would have written one, or had somebody else do it.
    let folder = tempfile::tempdir().unwrap();
    let control = begun(folder.path(), "cat", &[], "");
    let mine = std::fs::read_to_string(format!("/proc/{}/limits", control.id())).unwrap();
    let status = aborted(control);
    let off = mine.lines().any(|line| {
        line.starts_with("Max core file size") && line.split_whitespace().nth(5) == Some("0")
    });
    assert!(off || status.core_dumped(), "so nothing was tried: {mine}");
}

/// The kernel gives what a process may not be asked about to root: its memory, its environment, its core.
#[test]
fn nobody_of_the_same_user_reads_our_memory() {
    let Some(_) = Owner::harmless() else {
        // Only root can start a process as somebody else.
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("portcullis");
    std::fs::copy(PROGRAM, &program).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(&program);
    command
        .args(["login", "--code", "-"])
        .env_clear()
        .env("PORTCULLIS_HOME", home.path())
        .env("PORTCULLIS_SERVER", "http://127.0.0.1:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let nobody = 65_534;
    std::os::unix::fs::chown(home.path(), Some(nobody), Some(nobody)).unwrap();
    command.uid(nobody).gid(nobody);
    let mut child = command.spawn().unwrap();
    assert!(ready(&child));
    let owners: Vec<u32> = ["environ", "mem", "maps"]
        .map(|name| format!("/proc/{}/{name}", child.id()))
        .map(|path| std::fs::metadata(path).unwrap().uid())
        .to_vec();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        owners,
        [0, 0, 0],
        "another process of `nobody` could read them"
    );
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
