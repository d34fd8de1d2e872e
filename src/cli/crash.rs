//! What a crash gives away: no memory, and of a panic where it was and not what was said.
//!
//! Every command holds tokens, and the server the keys of everything. A core file would have them all, and whoever may
//! look at the memory of a process of the same user could read them.

use std::io::{self, Write as _};
use std::panic::PanicHookInfo;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Keeps what is in memory out of core files, and away from debuggers of the same user.
pub fn keep_memory() -> io::Result<()> {
    let limit = getrlimit(Resource::Core);
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            ..limit
        },
    )?;
    // Where the kernel hands a core to a program, the limit alone does not hold.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Has a panic say where it was. What it says besides may hold whatever was in the hands of the code, so that only
/// words which stand in the code itself are shown.
pub fn keep_quiet() {
    std::panic::set_hook(Box::new(|panic| {
        // Nobody is left to be told when this fails.
        let _ = io::stderr().write_all(said(panic).as_bytes());
    }));
}

fn said(panic: &PanicHookInfo<'_>) -> String {
    let place = panic
        .location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let words = panic.payload().downcast_ref::<&'static str>();
    let words = words.unwrap_or(&"what it said is not shown, because it may hold a secret");
    let trace = std::backtrace::Backtrace::capture();
    let trace = match trace.status() {
        std::backtrace::BacktraceStatus::Captured => format!("{trace}\n"),
        _ => String::new(),
    };
    format!("portcullis panicked at {place}: {words}\n{trace}")
}
