//! Processes that are forked rather than executed: a hundred thousand of them cost minutes, not hours.

// fork, and what its child does to itself alone.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::mman::{MmapAdvise, madvise};
use nix::sys::prctl;
use nix::sys::signal::{
    SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, kill, sigaction,
};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::time::ClockId;
use nix::unistd::{ForkResult, Pid};
use sysv_ipc::page_bytes;

/// Holds a child; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    ended: bool,
}

/// Says how a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Success,
    Killed,
    Failed,
}

/// Makes a second process of this one.
pub fn fork() -> Result<ForkResult> {
    // SAFETY: neither the supervisor nor its sides ever start a thread, so the child has all of its
    // parent's state, with no lock held by a thread that is missing in it.
    unsafe { nix::unistd::fork() }.context("fork")
}

/// Sets an environment variable of this process.
pub fn set_variable(name: &str, value: &str) {
    // SAFETY: as in `fork`, there is one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var(name, value) }
}

extern "C" fn nothing(_: nix::libc::c_int) {}

/// Has SIGUSR1 interrupt system calls and do nothing else.
pub fn handle_signals() -> Result<()> {
    handle(Signal::SIGUSR1, nothing)
}

/// Has a signal call `handler`, which does nothing or stores to an atomic; unless this process was started
/// to ignore it.
pub fn handle(signal: Signal, handler: extern "C" fn(nix::libc::c_int)) -> Result<()> {
    let handler = SigHandler::Handler(handler);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: what the handler may do is safe at any moment.
    let before = unsafe { sigaction(signal, &action) }.context("sigaction")?;
    if matches!(before.handler(), SigHandler::SigIgn) {
        // SAFETY: it is what was there before, and calls nothing.
        unsafe { sigaction(signal, &before) }.context("sigaction")?;
    }
    Ok(())
}

/// Returns so much memory, all of it resident.
pub fn resident(bytes: usize) -> Vec<u8> {
    let mut memory = vec![0_u8; bytes];
    if let Some(start) = NonNull::new(memory.as_mut_ptr().cast()).filter(|_| bytes > 0) {
        // SAFETY: the range is this vector, and the advice, which makes its pages present at once, leaves
        // their contents alone. A kernel that does not know it refuses it.
        let _ = unsafe { madvise(start, bytes, MmapAdvise::MADV_POPULATE_WRITE) };
    }
    // Written to, so that none is missing.
    memory
        .iter_mut()
        .step_by(page_bytes())
        .for_each(|byte| *byte = 1);
    memory
}

/// Has the kernel kill this process after a time, whatever it is then doing.
pub fn light_fuse(time: Duration) -> Result<Timer> {
    let kill = SigevNotify::SigevSignal {
        signal: Signal::SIGKILL,
        si_value: 0,
    };
    let mut timer = Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::new(kill))?;
    // Zero would put it out.
    let time = time.max(Duration::from_nanos(1));
    timer.set(Expiration::OneShot(time.into()), TimerSetTimeFlags::empty())?;
    Ok(timer)
}

impl Process {
    /// Starts a process that does `body` and ends, not surviving this one. Errors are for `failed`.
    pub fn start(
        body: impl FnOnce() -> Result<()>,
        failed: impl FnOnce(&anyhow::Error),
    ) -> Result<Self> {
        let supervisor = Pid::this();
        match fork()? {
            ForkResult::Parent { child } => Ok(Self {
                pid: child,
                ended: false,
            }),
            ForkResult::Child => {
                // Whatever happens, the child never returns into the frames of its parent.
                let bounded = || {
                    prctl::set_pdeathsig(Signal::SIGKILL)?;
                    anyhow::ensure!(Pid::parent() == supervisor, "the supervisor has died");
                    body()
                };
                let result = catch_unwind(AssertUnwindSafe(bounded))
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("PANIC")));
                let code = result.map_or_else(
                    |error| {
                        failed(&error);
                        1
                    },
                    |()| 0,
                );
                std::process::exit(code)
            }
        }
    }

    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal; to a process that has ended and was not waited for, it does nothing.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if !self.ended {
            kill(self.pid, signal).with_context(|| format!("sending {signal}"))?;
        }
        Ok(())
    }

    /// Tells how the process has ended; `None` while it runs.
    pub fn try_wait(&mut self) -> Result<Option<End>> {
        let status = waitpid(self.pid, Some(WaitPidFlag::WNOHANG)).context("waitpid")?;
        Ok(self.note(status))
    }

    /// Waits until the process, which must be about to end, has ended.
    pub fn wait(&mut self) -> Result<End> {
        loop {
            match waitpid(self.pid, None) {
                Err(Errno::EINTR) => {}
                status => {
                    if let Some(end) = self.note(status.context("waitpid")?) {
                        return Ok(end);
                    }
                }
            }
        }
    }

    const fn note(&mut self, status: WaitStatus) -> Option<End> {
        let end = match status {
            WaitStatus::Exited(_, 0) => End::Success,
            WaitStatus::Signaled(_, Signal::SIGKILL, _) => End::Killed,
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => End::Failed,
            _ => return None,
        };
        self.ended = true;
        Some(end)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = waitpid(self.pid, None);
        }
    }
}
