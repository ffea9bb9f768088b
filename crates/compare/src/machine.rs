//! The machine: what it is, which CPUs there are, what a process has used of them.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::time::TimeValLike as _;
use nix::unistd::{Pid, getppid};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::plan::Measured;

/// What is printed with the results.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    pub cpu_model: String,
    pub kernel: String,
    /// CPUs this process may use.
    pub cpu_count: usize,
    /// Those of producer and consumer; none when they are not pinned.
    pub pinned_to: Option<[usize; 2]>,
    pub commit: Option<String>,
    /// Median over all passes.
    pub bounce_median_ns: Option<f64>,
}

/// Where the two processes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Each on a CPU of its own, where there are two.
    Apart,
    SameCpu,
    /// Wherever the kernel likes.
    Unpinned,
}

impl Machine {
    /// Tells whether the two can spin for each other: not on one CPU.
    pub fn has_two_cpus(&self) -> bool {
        self.pinned_to
            .map_or(self.cpu_count > 1, |[first, second]| first != second)
    }

    /// Looks at the machine, and chooses the CPUs.
    pub fn look(placement: Placement, commit: Option<String>) -> Result<Self> {
        let cpus = usable_cpus()?;
        let pinned_to = match (placement, &cpus[..]) {
            (Placement::Apart, &[first, second, ..]) => Some([first, second]),
            (Placement::SameCpu, &[only, ..]) => Some([only, only]),
            _ => None,
        };
        Ok(Self {
            cpu_model: cpu_model(),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            cpu_count: cpus.len(),
            pinned_to,
            commit,
            bounce_median_ns: None,
        })
    }
}

fn usable_cpus() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("cannot ask for the usable CPUs")?;
    let usable = (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false));
    Ok(usable.collect())
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    // ARM's cpuinfo has no names.
    model.unwrap_or_else(|| format!("{} CPU", std::env::consts::ARCH))
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Keeps this process on one CPU.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("cannot stay on CPU {cpu}; try --unpinned"))
}

/// Has the kernel kill this process when its parent ends, however it ends: a flag that nobody sets any
/// more would be waited for without end.
pub fn end_with_parent(parent_pid: u32) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot ask for the signal at the parent's death")?;
    if u32::try_from(getppid().as_raw()) != Ok(parent_pid) {
        bail!("the program that started this one has ended");
    }
    Ok(())
}

/// Measures the time and the CPU time of this process between two points.
#[derive(Debug)]
pub struct Stopwatch {
    started: Instant,
    before: Used,
}

impl Stopwatch {
    pub fn start() -> Result<Self> {
        Ok(Self {
            before: Used::so_far()?,
            started: Instant::now(),
        })
    }

    pub fn stop(&self) -> Result<Measured> {
        let elapsed = self.started.elapsed();
        let used = Used::so_far()?;
        Ok(Measured {
            elapsed_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
            cpu_ns: used.cpu_ns.saturating_sub(self.before.cpu_ns),
            switches: used.switches.saturating_sub(self.before.switches),
            samples_ns: Vec::new(),
        })
    }
}

/// What this process has used of the machine.
#[derive(Debug)]
struct Used {
    /// User and system time.
    cpu_ns: u64,
    /// How often another process got its CPU, whoever wanted that.
    switches: u64,
}

impl Used {
    fn so_far() -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).context("cannot ask for the CPU time")?;
        let time = usage.user_time() + usage.system_time();
        let switches = usage.voluntary_context_switches() + usage.involuntary_context_switches();
        Ok(Self {
            cpu_ns: u64::try_from(time.num_nanoseconds()).unwrap_or_default(),
            switches: u64::try_from(switches).unwrap_or_default(),
        })
    }
}

/// Returns the time on a clock that all processes share.
pub fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_machine() {
        let machine = Machine::look(Placement::Unpinned, None).unwrap();
        assert!(machine.cpu_count > 0 && machine.pinned_to.is_none());
        assert!(!machine.cpu_model.is_empty() && !machine.kernel.is_empty());
    }
}
