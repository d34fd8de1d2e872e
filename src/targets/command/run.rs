//! Running the program: no shell, nothing in its environment but what the settings say, and never longer than it may.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::settings::Settings;
use crate::secret::{Secret, read_private};
use crate::targets::Failure;

/// Ten thousand objects fit into this.
const LONGEST_OUTPUT: u64 = 1024 * 1024;
/// With these exit codes (`sysexits.h`) a program says that trying again does not help; with 75 that it does.
const STAY: std::ops::RangeInclusive<i32> = 64..=78;
const TRY_AGAIN: i32 = 75;

/// Kills the program and everything that it has started, unless it has ended.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        // Nobody has waited for the program yet, so the number still means this group.
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs the program and gives what it has written.
pub(super) async fn run(
    settings: &Settings,
    arguments: &[String],
    limit: Duration,
) -> Result<String, Failure> {
    let program = trusted(&settings.program)?;
    let secret = settings
        .secret_file
        .as_deref()
        .map(read_private)
        .transpose()
        .map_err(|error| Failure::passing(format!("{error:#}")))?;
    let late = |_| {
        Failure::passing(format!(
            "`{}` took longer than {} and was killed",
            settings.program.display(),
            settings.time_limit
        ))
    };
    let limit = limit.min(Duration::from_secs(settings.time_limit.seconds().into()));
    tokio::time::timeout(limit, ended(settings, &program, arguments, secret))
        .await
        .map_err(late)?
}

async fn ended(
    settings: &Settings,
    program: &Path,
    arguments: &[String],
    secret: Option<Secret>,
) -> Result<String, Failure> {
    let name = settings.program.display();
    let broken =
        |error: std::io::Error| Failure::passing(format!("`{name}` cannot be run: {error}"));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(&settings.environment)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(broken)?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(id.and_then(Pid::from_raw));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let tell = async {
        if let (Some(mut pipe), Some(secret)) = (stdin, secret) {
            // A program that does not want to know closes the pipe.
            let _ = pipe.write_all(secret.expose().as_bytes()).await;
        }
    };
    let ((), out, err) = tokio::join!(tell, all(stdout), all(stderr));
    let (out, err) = (out.map_err(broken)?, err.map_err(broken)?);
    let (Some(out), Some(err)) = (out, err) else {
        return Err(Failure::passing(format!(
            "`{name}` wrote too much and was killed"
        )));
    };
    let status = child.wait().await.map_err(broken)?;
    group.0 = None;
    if status.success() {
        return Ok(out);
    }
    let why = err.lines().map(str::trim).rfind(|line| !line.is_empty());
    let why = why.map_or_else(String::new, |line| format!(": {line}"));
    Err(match status.code() {
        Some(code) if STAY.contains(&code) && code != TRY_AGAIN => {
            Failure::permanent(format!("`{name}` refused with exit code {code}{why}"))
        }
        Some(code) => Failure::passing(format!("`{name}` failed with exit code {code}{why}")),
        None => Failure::passing(format!("`{name}` was killed{why}")),
    })
}

/// Everything from a pipe; `None` when it is too much, so that the program is killed and not waited for.
async fn all(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(LONGEST_OUTPUT + 1)
            .read_to_end(&mut bytes)
            .await?;
    }
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= LONGEST_OUTPUT);
    Ok(fits.then(|| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The program itself, if nobody but root and we could have put another one in its place.
fn trusted(program: &Path) -> Result<PathBuf, Failure> {
    let name = program.display();
    let missing = |error| Failure::permanent(format!("`{name}` cannot be run: {error}"));
    let real = program.canonicalize().map_err(missing)?;
    for path in real.ancestors() {
        let about = path.metadata().map_err(missing)?;
        let shown = path.display();
        if about.uid() != 0 && about.uid() != geteuid().as_raw() {
            return Err(Failure::permanent(format!(
                "`{name}` is not run: `{shown}` belongs to somebody else (user {})",
                about.uid()
            )));
        }
        // In a folder with the sticky bit everybody may add, and only owners may replace.
        let sticky = about.is_dir() && about.mode() & 0o1000 != 0;
        if about.mode() & 0o022 != 0 && !sticky {
            return Err(Failure::permanent(format!(
                "`{name}` is not run: others may change `{shown}` (its mode is {:04o})",
                about.mode() & 0o7777
            )));
        }
    }
    let about = real.metadata().map_err(missing)?;
    if about.is_file() && about.mode() & 0o111 != 0 {
        Ok(real)
    } else {
        Err(Failure::permanent(format!("`{name}` is no program")))
    }
}
