//! Waits for a moment and wakes once. The runtime's own timers put a moment that is a second away first on a coarse
//! wheel and then on a fine one, and wake for each: twice a second for a clock.

use std::io;
use std::time::Instant;

/// An alarm clock.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) struct Alarm {
    timer: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
    set: Option<Instant>,
}

#[cfg(target_os = "linux")]
impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; an owned descriptor gives the promise that one asks for"
        )]
        let timer = tokio::io::unix::AsyncFd::with_interest(timer, tokio::io::Interest::READABLE)?;
        Ok(Self { timer, set: None })
    }

    /// Waits until then; for ever without a moment. Dropping the wait loses nothing.
    pub(super) async fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let Some(until) = until else {
            return std::future::pending().await;
        };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        if self.set != Some(until) {
            let never = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let once = Itimerspec {
                it_interval: never,
                it_value: Timespec::try_from(left).unwrap_or(never),
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
            self.set = Some(until);
        }
        loop {
            let mut ready = self.timer.readable().await?;
            let rang = rustix::io::read(self.timer.get_ref(), &mut [0; 8]);
            ready.clear_ready();
            // An alarm that was set anew in the meantime has nothing to read yet.
            if rang.is_ok() {
                self.set = None;
                return Ok(());
            }
        }
    }
}

/// An alarm clock, where the system has none of its own.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits until then; for ever without a moment. Dropping the wait loses nothing.
    pub(super) async fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        match until {
            Some(until) => tokio::time::sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
        Ok(())
    }
}
