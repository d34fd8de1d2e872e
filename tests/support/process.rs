//! Server processes that never outlive the test process, however that ends.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Stops the server when its standard input closes, which the kernel sees to even when the test process is killed.
/// A line that says `stop` keeps the folder, so that the server can be started again. One that is stopped by a signal
/// goes on, so that it can end.
const WATCHDOG: &str = r#"
folder=$1 log=$2 signal=$3
shift 3
"$@" </dev/null >>"$log" 2>&1 &
server=$!
echo "$server" >"$folder/process"
# One that has ended stays a zombie until somebody waits for it.
{
    while read -r _ _ state _ <"/proc/$server/stat" && [ "$state" != Z ]; do sleep 0.2; done
    kill "$$"
} 2>/dev/null &
alive=$!
read -r word
kill "$alive" 2>/dev/null
kill -"$signal" "$server" 2>/dev/null
kill -CONT "$server" 2>/dev/null
wait "$server" 2>/dev/null
[ "$word" = stop ] || rm -rf "$folder"
"#;

/// A server under its watchdog. Dropping it stops the server and removes its folder.
#[derive(Debug)]
pub(crate) struct Server {
    watchdog: Child,
    folder: PathBuf,
    log: PathBuf,
    signal: String,
    owner: Option<Owner>,
    command: Vec<String>,
}

impl Server {
    /// Starts `command` so that its output goes to `log`; `signal` is what ends it.
    pub(crate) fn start(
        folder: &Path,
        log: &Path,
        signal: &str,
        owner: Option<Owner>,
        command: &[&str],
    ) -> Self {
        Self {
            watchdog: watched(folder, log, signal, owner, command),
            folder: folder.to_owned(),
            log: log.to_owned(),
            signal: signal.to_owned(),
            owner,
            command: command.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    /// Kills it as a crash would; its files stay for `start_again`.
    pub(crate) fn kill(&mut self) {
        let _ = kill_process(self.process(), Signal::KILL);
        self.tell_to_stop();
        drop(self.watchdog.wait());
    }

    /// Starts a killed one as it was, and waits for it.
    pub(crate) fn start_again(&mut self, ready: impl Fn() -> bool) {
        // Somebody else may have its port for a moment.
        let started = (0..5).find_map(|_| {
            let command: Vec<&str> = self.command.iter().map(String::as_str).collect();
            self.watchdog = watched(&self.folder, &self.log, &self.signal, self.owner, &command);
            let started = self.wait_until(&ready);
            if started.is_none() {
                self.tell_to_stop();
                drop(self.watchdog.wait());
            }
            started
        });
        let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
        assert!(started.is_some(), "it did not start again:\n{}", log());
    }

    fn tell_to_stop(&mut self) {
        if let Some(pipe) = self.watchdog.stdin.as_mut() {
            drop(writeln!(pipe, "stop"));
        }
    }

    /// The process of the server itself, for signals.
    pub(crate) fn process(&self) -> Pid {
        let told = self.folder.join("process");
        let number = std::fs::read_to_string(&told).unwrap_or_default();
        let number = number.trim().parse().ok().and_then(Pid::from_raw);
        number.unwrap_or_else(|| panic!("{} names no process", told.display()))
    }

    /// Waits until `ready` says so; `None` when the server gave up first.
    pub(crate) fn wait_until(&mut self, ready: impl Fn() -> bool) -> Option<()> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_mins(1) {
            if ready() {
                return Some(());
            }
            if self.has_ended() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Whether the server has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = self.watchdog.try_wait();
        ended.expect("a child can be waited for").is_some()
    }

    /// Stops the server and keeps its folder.
    pub(crate) fn stop(mut self) {
        self.tell_to_stop();
    }
}

fn watched(
    folder: &Path,
    log: &Path,
    signal: &str,
    owner: Option<Owner>,
    command: &[&str],
) -> Child {
    let mut shell = Command::new("sh");
    // Tests about second factors say so themselves.
    shell.env("PORTCULLIS_STEP_UP", "false");
    shell
        .arg("-c")
        .arg(WATCHDOG)
        .arg("watchdog")
        .arg(folder)
        .arg(log)
        .arg(signal)
        .args(command);
    shell
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(owner) = owner {
        owner.run(&mut shell);
    }
    let told = folder.join("process");
    drop(std::fs::remove_file(&told));
    shell.spawn().expect("sh is there")
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        drop(self.watchdog.wait());
    }
}

/// Sends a signal to a process and all its children.
pub(crate) fn signal_with_children(process: Pid, signal: Signal) {
    // What stands still makes no more of them. Whoever is gone already needs no signal.
    if signal != Signal::CONT {
        let _ = kill_process(process, Signal::STOP);
    }
    let children = children(process);
    let _ = kill_process(process, signal);
    for child in children {
        let _ = kill_process(child, signal);
    }
}

fn children(of: Pid) -> Vec<Pid> {
    let of = of.as_raw_nonzero().to_string();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let is_child = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name in brackets may hold anything; behind it come the state and the parent.
        let (_, rest) = stat.rsplit_once(')')?;
        let parent = rest.split_whitespace().nth(1)?;
        (parent == of).then(|| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))?
    };
    all.filter_map(is_child).collect()
}

/// Another user to run a server as; some refuse to run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Somebody harmless, when we are root; else ourselves.
    pub(crate) fn harmless() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let find = |name: &str| account(|fields| fields[0] == name);
        let fields = find("postgres")
            .or_else(|| find("nobody"))
            .expect("there is a user besides root");
        Some(Self {
            user: fields[2].parse().unwrap(),
            group: fields[3].parse().unwrap(),
        })
    }

    pub(crate) fn run(self, command: &mut Command) {
        use std::os::unix::process::CommandExt as _;
        command.uid(self.user).gid(self.group);
    }

    pub(crate) fn own(self, path: &Path) {
        std::os::unix::fs::chown(path, Some(self.user), Some(self.group)).unwrap();
    }
}

/// The name of the user that the tests run as.
pub(crate) fn our_name() -> String {
    let us = rustix::process::geteuid().as_raw().to_string();
    account(|fields| fields[2] == us).map_or_else(|| "root".to_owned(), |fields| fields[0].clone())
}

fn account(wanted: impl Fn(&[String]) -> bool) -> Option<Vec<String>> {
    let table = std::fs::read_to_string("/etc/passwd").unwrap();
    table
        .lines()
        .map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>())
        .find(|fields| wanted(fields))
}

/// A port that nobody listens on at this moment; whoever uses it must be ready to ask for another.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A folder for one server, which its watchdog removes.
pub(crate) fn folder(prefix: &str, owner: Option<Owner>) -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix(prefix)
        .tempdir()
        .unwrap()
        .keep();
    if let Some(owner) = owner {
        owner.own(&folder);
    }
    folder
}

#[test]
fn a_server_that_ends_by_itself_is_noticed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let began = Instant::now();
    let mut server = Server::start(folder.path(), &log, "TERM", None, &["false"]);
    assert_eq!(server.wait_until(|| false), None);
    assert!(began.elapsed() < Duration::from_secs(30), "{began:?}");
    assert!(server.has_ended());
}
