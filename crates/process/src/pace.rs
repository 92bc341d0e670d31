//! Pauses shorter than the runtime's millisecond: a cold start is waited for in fractions of one.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::sys;

/// The first pause, and the shortest.
const SHORTEST: Duration = Duration::from_micros(300);

/// The longest pause, reached after about one and a half seconds.
const LONGEST: Duration = Duration::from_millis(50);

/// A pause is this fraction of the time waited so far: what is added to a start stays within three per cent of it.
const FRACTION: u32 = 32;

/// Growing pauses between looks at a child that starts.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    timer: AsyncFd<OwnedFd>,
}

impl Pace {
    pub(crate) fn new() -> std::io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { began: Instant::now(), timer: sys::watch_readable(timer)? })
    }

    /// One pause. Cancel safe.
    pub(crate) async fn pause(&self) -> std::io::Result<()> {
        let pause = (self.began.elapsed() / FRACTION).clamp(SHORTEST, LONGEST);
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() },
        };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        let mut ticks = [0; 8];
        self.timer
            .async_io(Interest::READABLE, |timer| Ok(rustix::io::read(timer, &mut ticks)?))
            .await
            .map(drop)
    }
}
