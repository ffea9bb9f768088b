//! SIGINT, SIGTERM and SIGHUP: whatever the program waits for ends, and it leaves in order.
//!
//! A thread takes the signals. It ends waits on descriptors by a wake-up descriptor that stays readable,
//! and waits on a channel by a posted unit, so that there is no instant at which a signal comes too
//! early or too late.

use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use semring::{Canceller, Deadline};

/// The signals that ask a program to end.
const HANDLED: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// A signal that comes so long after the first ends the program at once: leaving should not take so
/// long. A terminal that is closed sends two at once, which are one request.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says that a signal asked for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted by {0}")]
pub struct Interrupted(pub Signal);

/// Takes the signals that ask for the end.
#[derive(Debug, Clone)]
pub struct Signals {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Number of the first signal that came, 0 for none.
    received: AtomicI32,
    wake_up: EventFd,
    canceller: Mutex<Option<Canceller>>,
}

impl Signals {
    /// Takes the signals from now on, but those that the program was started to ignore (`nohup`). To be
    /// called before any other thread is started.
    ///
    /// # Errors
    ///
    /// When the kernel gives no descriptor or no thread.
    pub fn take() -> Result<Self> {
        let taken: SigSet = HANDLED
            .into_iter()
            .filter(|&signal| !is_ignored(signal))
            .collect();
        let mut held = taken;
        // A file that may not grow then refuses, with a reason, where the signal would end the program.
        held.add(Signal::SIGXFSZ);
        held.thread_block().context("cannot hold signals back")?;
        let wake_up = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .context("cannot make a wake-up descriptor")?;
        let shared = Arc::new(Shared {
            received: AtomicI32::new(0),
            wake_up,
            canceller: Mutex::new(None),
        });
        let listener = Arc::clone(&shared);
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || listener.listen(&taken))
            .context("cannot start the thread that takes signals")?;
        Ok(Self { shared })
    }

    /// Fails when a signal has come.
    ///
    /// # Errors
    ///
    /// [`Interrupted`].
    pub fn check(&self) -> Result<(), Interrupted> {
        match Signal::try_from(self.shared.received.load(Ordering::Acquire)) {
            Ok(signal) => Err(Interrupted(signal)),
            Err(_) => Ok(()),
        }
    }

    /// Lets a signal end the waits on a channel, too.
    pub fn cancel_with(&self, canceller: Canceller) {
        *self.shared.canceller() = Some(canceller);
        if self.check().is_err() {
            self.shared.cancel();
        }
    }

    /// Waits until a descriptor is ready for `events`, and returns what it is ready for.
    ///
    /// # Errors
    ///
    /// [`Interrupted`], or what the kernel says of the descriptor.
    pub fn wait_for(&self, descriptor: BorrowedFd<'_>, events: PollFlags) -> Result<PollFlags> {
        let mut polled = [
            PollFd::new(descriptor, events),
            PollFd::new(self.shared.wake_up.as_fd(), PollFlags::POLLIN),
        ];
        loop {
            let result = poll(&mut polled, PollTimeout::NONE);
            self.check()?;
            match result {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error).context("cannot wait for a descriptor"),
            }
            let ready = polled[0].revents().unwrap_or(PollFlags::POLLERR);
            if !ready.is_empty() {
                return Ok(ready);
            }
        }
    }

    /// Sleeps.
    ///
    /// # Errors
    ///
    /// [`Interrupted`].
    pub fn sleep(&self, duration: Duration) -> Result<(), Interrupted> {
        let deadline = Deadline::after(duration);
        loop {
            self.check()?;
            let left = deadline.remaining().unwrap_or(Duration::MAX);
            if left.is_zero() {
                return Ok(());
            }
            // Rounded up to the milliseconds that poll counts in, no more than it can hold.
            let left = left.saturating_add(Duration::from_micros(999));
            let limit = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut wake_up = [PollFd::new(self.shared.wake_up.as_fd(), PollFlags::POLLIN)];
            // Whatever ended it, the time and the signals are looked at again.
            let _ = poll(&mut wake_up, limit);
        }
    }
}

impl Shared {
    /// Takes one signal after the other, for as long as the program runs.
    fn listen(&self, taken: &SigSet) {
        let mut first: Option<Instant> = None;
        while let Ok(signal) = taken.wait() {
            match first {
                None => {
                    first = Some(Instant::now());
                    self.received.store(signal as i32, Ordering::Release);
                    self.cancel();
                    // It cannot be full after one write.
                    let _ = self.wake_up.write(1);
                }
                Some(first) if first.elapsed() >= PATIENCE => process::exit(128 + signal as i32),
                Some(_) => {}
            }
        }
    }

    fn canceller(&self) -> std::sync::MutexGuard<'_, Option<Canceller>> {
        self.canceller
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(&self) {
        if let Some(canceller) = &*self.canceller() {
            canceller.cancel();
        }
    }
}

/// Tells whether this process was started with a signal ignored; it then stays so.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal as i32 - 1) & 1 == 1)
}
