//! Takes a process through an operation, one instruction at a time, or at once to one of them.

use std::collections::BTreeMap;
use std::ptr::without_provenance_mut;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::libc::c_void;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::pair::HANG;
use crate::process::Process;

/// After this time without a stop, the process sleeps in the kernel and is nudged.
const ASLEEP: Duration = Duration::from_millis(1);
/// For so long a stop is waited for awake.
const AWAKE: Duration = Duration::from_micros(20);

/// Names an instruction by its address and by which time the operation comes to it. Processes that
/// are forked from one another have the same addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub address: u64,
    pub time: u32,
}

/// Lists the instructions of an operation in the order in which they are done.
#[derive(Debug, Default)]
pub struct Path {
    pub points: Vec<Point>,
    /// How many of them are system calls.
    pub calls: usize,
}

/// Holds a traced process that has stopped before an operation, and will after it.
pub struct Tracer<'a> {
    pid: Pid,
    /// What is done when the process sleeps, so that it may go on.
    nudge: &'a dyn Fn() -> Result<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Inside the operation.
    On,
    /// After it.
    End,
}

impl<'a> Tracer<'a> {
    /// Waits until the process stands before the operation.
    pub fn begin(pid: Pid, nudge: &'a dyn Fn() -> Result<()>) -> Result<Self> {
        let tracer = Self { pid, nudge };
        ensure!(
            tracer.wait()? == WaitStatus::Stopped(pid, Signal::SIGSTOP),
            "the side ended before it came to the operation"
        );
        Ok(tracer)
    }

    /// Steps through the whole operation.
    pub fn measure(&self) -> Result<Path> {
        let mut path = Path::default();
        let mut times = BTreeMap::new();
        loop {
            let address = machine::address(self.pid)?;
            path.calls += usize::from(machine::is_call(self.word(address)?));
            let time = times.entry(address).or_insert(0);
            *time += 1;
            let time = *time;
            if self.step()? == Stop::End {
                return Ok(path);
            }
            path.points.push(Point { address, time });
        }
    }

    /// Lets the process run until it is about to do an instruction; false when it never was.
    pub fn go(&self, point: Point) -> Result<bool> {
        let original = self.word(point.address)?;
        for time in 1..=point.time {
            self.set_word(point.address, machine::with_breakpoint(original))?;
            ptrace::cont(self.pid, None).context("PTRACE_CONT")?;
            if self.stop()? == Stop::End {
                return Ok(false);
            }
            machine::step_back(self.pid)?;
            ensure!(
                machine::address(self.pid)? == point.address,
                "stopped elsewhere than at the breakpoint"
            );
            self.set_word(point.address, original)?;
            if time < point.time && self.step()? == Stop::End {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn word(&self, address: u64) -> Result<i64> {
        ptrace::read(self.pid, pointer(address)?).context("PTRACE_PEEKTEXT")
    }

    fn set_word(&self, address: u64, word: i64) -> Result<()> {
        ptrace::write(self.pid, pointer(address)?, word).context("PTRACE_POKETEXT")
    }

    fn step(&self) -> Result<Stop> {
        ptrace::step(self.pid, None).context("PTRACE_SINGLESTEP")?;
        self.stop()
    }

    fn stop(&self) -> Result<Stop> {
        match self.wait()? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => Ok(Stop::On),
            WaitStatus::Stopped(_, Signal::SIGSTOP) => Ok(Stop::End),
            other => bail!("{other:?} inside an operation"),
        }
    }

    fn wait(&self) -> Result<WaitStatus> {
        let since = Instant::now();
        loop {
            let status = waitpid(self.pid, Some(WaitPidFlag::WNOHANG)).context("waitpid")?;
            if status != WaitStatus::StillAlive {
                return Ok(status);
            }
            let waited = since.elapsed();
            ensure!(waited < HANG, "HANG: inside an operation");
            if waited < AWAKE {
                std::thread::yield_now();
            } else {
                std::thread::sleep(AWAKE);
            }
            if waited > ASLEEP {
                (self.nudge)()?;
            }
        }
    }
}

fn pointer(address: u64) -> Result<*mut c_void> {
    Ok(without_provenance_mut(usize::try_from(address)?))
}

/// What is different on every processor.
#[cfg(target_arch = "x86_64")]
mod machine {
    use anyhow::{Context as _, Result};
    use nix::sys::ptrace;
    use nix::unistd::Pid;

    /// Returns the address of the instruction that comes next.
    pub fn address(pid: Pid) -> Result<u64> {
        Ok(ptrace::getregs(pid).context("PTRACE_GETREGS")?.rip)
    }

    /// Goes back by the breakpoint, an `int3` of one byte, that was just done.
    pub fn step_back(pid: Pid) -> Result<()> {
        let mut registers = ptrace::getregs(pid).context("PTRACE_GETREGS")?;
        registers.rip = registers.rip.wrapping_sub(1);
        ptrace::setregs(pid, registers).context("PTRACE_SETREGS")
    }

    /// Tells whether an instruction that begins so is a `syscall`.
    pub const fn is_call(word: i64) -> bool {
        word & 0xffff == 0x050f
    }

    pub const fn with_breakpoint(word: i64) -> i64 {
        word & !0xff | 0xcc
    }

    pub const OBSTACLE: Option<&str> = None;
}

#[cfg(not(target_arch = "x86_64"))]
mod machine {
    use anyhow::{Result, bail};
    use nix::unistd::Pid;

    pub const OBSTACLE: Option<&str> = Some("written for x86-64 only");

    pub fn address(_: Pid) -> Result<u64> {
        bail!("{OBSTACLE:?}")
    }

    pub fn step_back(_: Pid) -> Result<()> {
        bail!("{OBSTACLE:?}")
    }

    pub const fn is_call(_: i64) -> bool {
        false
    }

    pub const fn with_breakpoint(word: i64) -> i64 {
        word
    }
}

/// Says why nothing can be stepped through here, if so.
pub fn obstacle() -> Option<String> {
    if let Some(obstacle) = machine::OBSTACLE {
        return Some(obstacle.to_owned());
    }
    let body = || {
        ptrace::traceme()?;
        nix::sys::signal::raise(Signal::SIGSTOP)?;
        Ok(())
    };
    let tried = Process::start(body, |_| ()).and_then(|process| {
        let nudge = || Ok(());
        let tracer = Tracer::begin(process.pid(), &nudge)?;
        machine::address(process.pid())?;
        tracer.step()
    });
    tried.err().map(|error| format!("ptrace: {error:#}"))
}
