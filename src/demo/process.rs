//! What the demonstration starts and makes outside its own memory: gone when the demonstration is, however that ends.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// Ends a server and all that it started as soon as standard input closes, which the kernel sees to even when we are
/// killed, and goes when they have gone. Ends also when the server does, so that its end is noticed.
const WATCHDOG: &str = r#"
signal=$1 log=$2
shift 2
"$@" </dev/null >>"$log" 2>&1 &
server=$!
end() {
    for child in $(cat "/proc/$2/task/$2/children" 2>/dev/null); do end HUP "$child"; done
    kill -"$1" "$2" 2>/dev/null
    # Started by `nohup`, all of them ignore a hang-up.
    [ "$1" != HUP ] || kill "$2" 2>/dev/null
    ended="$ended $2"
}
lives() { case $(cat "/proc/$1/stat" 2>/dev/null) in '' | *') Z '*) return 1 ;; esac; }
{
    trap 'kill "$nap"; exit' TERM
    while kill -0 "$server" 2>/dev/null; do sleep 1 & nap=$!; wait "$nap"; done
    kill "$$" 2>/dev/null
} &
alive=$!
read -r word
kill "$alive" 2>/dev/null
wait "$alive"
ended=
end "$signal" "$server"
wait "$server" 2>/dev/null
naps=0
for one in $ended; do
    while lives "$one" && [ "$naps" -lt 50 ]; do sleep 0.1; naps=$((naps + 1)); done
    ! lives "$one" || kill -KILL "$one" 2>/dev/null
done
"#;

/// Removes a folder as soon as standard input closes. A server that is just ending may still write into it, so it is
/// tried for ten seconds.
const SWEEPER: &str = r#"
read -r word
tries=0
while [ -e "$1" ] && [ "$tries" -lt 100 ]; do
    rm -rf "$1" 2>/dev/null
    [ -e "$1" ] && sleep 0.1
    tries=$((tries + 1))
done
"#;

/// A process that waits for our end. Dropping it brings that about, and waits until everything is done.
#[derive(Debug)]
struct Watch(Child);

impl Watch {
    fn start(script: &str, owner: Option<&Account>, arguments: &[&str]) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script, "portcullis-demo"])
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in our terminal is for us alone: these end after us, in order.
            .process_group(0);
        if let Some(owner) = owner {
            owner.run(&mut shell);
        }
        shell.spawn().map(Self)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // A shell that is gone already has nothing left to wait for.
        let _ = self.0.wait();
    }
}

/// The folder with everything that the demonstration writes.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _sweeper: Watch,
}

impl Folder {
    pub(super) fn new() -> anyhow::Result<Self> {
        let made = tempfile::Builder::new()
            .prefix("portcullis-demo-")
            .tempdir();
        let made = made.context("making a temporary folder")?;
        let shown = made
            .path()
            .to_str()
            .context("the temporary folder has a name that is not text")?;
        let sweeper = Watch::start(SWEEPER, None, &[shown]).context("starting a shell")?;
        // A server under another account must be able to reach its part; each part is private.
        fs::set_permissions(made.path(), fs::Permissions::from_mode(0o711))
            .context("opening the temporary folder")?;
        Ok(Self {
            path: made.keep(),
            _sweeper: sweeper,
        })
    }

    /// Makes a folder inside for one account, which nobody else can look into.
    pub(super) fn part(&self, name: &str, owner: Option<&Account>) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.and_then(|()| owner.map_or(Ok(()), |owner| owner.own(&path)))
            .with_context(|| format!("making {}", path.display()))?;
        Ok(path)
    }
}

/// A server program. Dropping it ends it and waits until it is gone.
#[derive(Debug)]
pub(super) struct Program {
    watch: Watch,
}

impl Program {
    /// Starts `command` with its output in `log`; `signal` is what ends it.
    pub(super) fn start(
        signal: &str,
        log: &Path,
        owner: Option<&Account>,
        command: &[&str],
    ) -> anyhow::Result<Self> {
        let log = log.to_string_lossy();
        let arguments = [&[signal, log.as_ref()], command].concat();
        let watch = Watch::start(WATCHDOG, owner, &arguments).context("starting a shell")?;
        Ok(Self { watch })
    }

    /// Whether the program gave up by itself.
    pub(super) fn is_gone(&mut self) -> bool {
        !matches!(self.watch.0.try_wait(), Ok(None))
    }
}

/// An account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub name: String,
    user: u32,
    group: u32,
    shell: String,
}

impl Account {
    /// Ourselves.
    pub(super) fn ours() -> Option<Self> {
        let us = rustix::process::geteuid().as_raw();
        Self::all().into_iter().find(|account| account.user == us)
    }

    /// Somebody without rights, when we are root: some servers refuse to run as root.
    pub(super) fn harmless() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let all = Self::all();
        let find = |name: &str| all.iter().find(|account| account.name == name).cloned();
        find("postgres").or_else(|| find("nobody"))
    }

    /// Whether somebody can work as this account.
    pub(super) fn has_shell(&self) -> bool {
        ["/sh", "/bash", "/zsh", "/dash", "/fish"]
            .iter()
            .any(|shell| self.shell.ends_with(shell))
    }

    pub(super) fn run(&self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }

    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.user), Some(self.group))
    }

    fn all() -> Vec<Self> {
        let table = fs::read_to_string("/etc/passwd").unwrap_or_default();
        table.lines().filter_map(Self::read).collect()
    }

    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        Some(Self {
            name: fields.next()?.to_owned(),
            user: fields.nth(1)?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            shell: fields.nth(2)?.to_owned(),
        })
    }
}

/// A port that nobody listens on at this moment; whoever uses it must be ready to ask for another.
pub(super) fn free_port() -> anyhow::Result<u16> {
    let taken = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    Ok(taken.context("looking for a free port")?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_its_line() {
        let account = Account::read("postgres:x:103:106:a, b:/var/lib/postgresql:/bin/bash");
        let account = account.unwrap();
        assert_eq!(
            (account.name.as_str(), account.user, account.group),
            ("postgres", 103, 106)
        );
        assert!(account.has_shell());
        assert!(
            !Account::read("nobody:x:65534:65534::/:/usr/sbin/nologin")
                .unwrap()
                .has_shell()
        );
        assert_eq!(Account::read("# a comment"), None);
    }

    #[test]
    fn a_folder_goes_with_all_that_is_in_it() {
        let folder = Folder::new().unwrap();
        let inside = folder.part("inside", None).unwrap();
        fs::write(inside.join("file"), "text").unwrap();
        let path = folder.path.clone();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_program_goes_with_what_it_started() {
        let folder = Folder::new().unwrap();
        let pids = folder.path.join("pids");
        let script = format!(
            "sleep 1000 & echo $! $$ >{0}.new; mv {0}.new {0}; wait",
            pids.display()
        );
        let program = Program::start(
            "TERM",
            &folder.path.join("log"),
            None,
            &["sh", "-c", &script],
        )
        .unwrap();
        let pids = loop {
            match fs::read_to_string(&pids) {
                Ok(pids) => break pids,
                Err(_) => std::thread::yield_now(),
            }
        };
        drop(program);
        let alive = pids.split_whitespace().filter(|pid| {
            // A process that has ended but was not waited for yet has nothing left but its entry.
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
        });
        assert_eq!(alive.count(), 0);
    }
}
