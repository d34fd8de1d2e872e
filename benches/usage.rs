//! What a process uses, from the kernel's own books.

use std::time::Duration;

use anyhow::Context as _;

/// Totals since the process began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) wakeups: u64,
    /// Resident memory, at its highest.
    pub(crate) peak_kib: u64,
    pub(crate) resident_kib: u64,
}

impl Usage {
    /// Sums all threads.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let mut usage = Self::default();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
            .with_context(|| format!("process {pid} is gone"))?;
        for task in tasks.flatten() {
            let read = |name: &str| std::fs::read_to_string(task.path().join(name));
            let (Ok(schedule), Ok(status)) = (read("schedstat"), read("status")) else {
                continue;
            };
            let on_cpu = schedule
                .split(' ')
                .next()
                .and_then(|text| text.parse().ok());
            usage.cpu += Duration::from_nanos(on_cpu.unwrap_or(0));
            usage.wakeups += field(&status, "voluntary_ctxt_switches:");
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        usage.peak_kib = field(&status, "VmHWM:");
        usage.resident_kib = field(&status, "VmRSS:");
        Ok(usage)
    }

    /// The share of one CPU that was used since, in percent.
    pub(crate) fn percent_since(&self, before: &Self, passed: Duration) -> f64 {
        100.0 * self.cpu.saturating_sub(before.cpu).as_secs_f64() / passed.as_secs_f64()
    }

    pub(crate) fn wakeups_since(&self, before: &Self, passed: Duration) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of wake-ups is small")]
        let woken = self.wakeups.saturating_sub(before.wakeups) as f64;
        woken / passed.as_secs_f64()
    }
}

fn field(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0)
}
