//! A check in a process of its own, which ends in time or is ended.

use std::io::Read as _;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use semring_cli::{Interrupted, Signals};
use sysv_ipc::{Key, Mode, Segment, SemaphoreSet};

use super::check::{Check, Needs};
use super::finding::Finding;
use super::kernel::SEMAPHORES;
use super::memory::BYTES;
use super::part;

/// How long a check may take: the longest wait inside one is half of it.
const LIMIT: Duration = Duration::from_secs(10);
/// How often to look whether a check has ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Has `check` done by a copy of this program, and returns what it found; that it could not be done is
/// a finding, too. Blocks for at most [`LIMIT`]. Nothing is left of the objects it worked on.
///
/// # Errors
///
/// [`Interrupted`] when a signal came.
pub fn of(check: Check, signals: &Signals) -> Result<Finding, Interrupted> {
    let objects = match Objects::of(check.needs()) {
        Ok(objects) => objects,
        Err(error) => {
            return Ok(Finding::fail(
                format!(
                    "not tried: {} was refused ({:?})",
                    error.call(),
                    error.errno()
                ),
                "see what failed above, and whether a sandbox refuses the call",
            ));
        }
    };
    let examiner = match Examiner::start(check, &objects) {
        Ok(examiner) => examiner,
        Err(error) => return Ok(undone(&error)),
    };
    let answer = examiner.answer(LIMIT, signals)?;
    Ok(answer.unwrap_or_else(|error| undone(&error)))
}

fn undone(error: &anyhow::Error) -> Finding {
    Finding::fail(
        format!("the check could not be done: {error:#}"),
        "run `semring doctor` again; if it stays so, look at the limits of this session (`ulimit -a`)",
    )
}

/// Objects that nobody else knows, removed with this value.
#[derive(Debug, Default)]
struct Objects {
    set: Option<SemaphoreSet>,
    segment: Option<Segment>,
}

impl Objects {
    fn of(needs: Needs) -> Result<Self, sysv_ipc::Error> {
        let mut objects = Self::default();
        if matches!(needs, Needs::Set | Needs::Both) {
            let set = SemaphoreSet::create(Key::PRIVATE, SEMAPHORES, Mode::OWNER)?;
            objects.set = Some(set);
        }
        if matches!(needs, Needs::Segment | Needs::Both) {
            let segment = Segment::create(Key::PRIVATE, BYTES, Mode::OWNER)?;
            objects.segment = Some(segment);
        }
        Ok(objects)
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // Mostly gone by now: whoever does the check removes them at its end.
        let _ = self.set.map(SemaphoreSet::remove);
        let _ = self.segment.map(Segment::remove);
    }
}

/// A copy of this program that does one check; dropping it ends it.
#[derive(Debug)]
struct Examiner(Child);

impl Examiner {
    fn start(check: Check, objects: &Objects) -> Result<Self> {
        let value = check.to_possible_value();
        let name = value.as_ref().map_or("", |value| value.get_name());
        let mut command = part::copy(&["check", name])?;
        if let Some(set) = objects.set {
            command.arg(format!("--set={}", set.id()));
        }
        if let Some(segment) = objects.segment {
            command.arg(format!("--segment={}", segment.id()));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn();
        child
            .map(Self)
            .context("cannot start a copy of this program")
    }

    /// Waits for the end of the process, no longer than `limit`, and returns what it found.
    fn answer(
        mut self,
        limit: Duration,
        signals: &Signals,
    ) -> Result<Result<Finding>, Interrupted> {
        let started = Instant::now();
        loop {
            match self.0.try_wait() {
                Ok(None) if started.elapsed() < limit => signals.sleep(LOOK_EVERY)?,
                Ok(None) => {
                    return Ok(Ok(Finding::fail(
                        format!("no answer within {limit:?}, so the check was ended"),
                        "run `semring doctor` again when the machine has less to do; see `dmesg`",
                    )));
                }
                Ok(Some(status)) => return Ok(self.read(status)),
                Err(error) => return Ok(Err(error).context("cannot wait for the check")),
            }
        }
    }

    fn read(&mut self, status: ExitStatus) -> Result<Finding> {
        let mut found = String::new();
        if let Some(output) = &mut self.0.stdout {
            output.read_to_string(&mut found)?;
        }
        serde_json::from_str(&found).with_context(|| format!("its process ended with {status}"))
    }
}

impl Drop for Examiner {
    fn drop(&mut self) {
        // It has mostly ended by itself; else it is waited for, so that the kernel has given back what
        // it held.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::finding::Outcome;
    use super::*;

    #[test]
    fn what_does_not_answer_is_ended() {
        let examiner = |program: &str, argument: &str| {
            let mut command = Command::new(program);
            let command = command.arg(argument).stdout(Stdio::piped());
            Examiner(command.spawn().unwrap())
        };
        let signals = Signals::take().unwrap();
        let limit = Duration::from_millis(20);

        let hangs = examiner("sleep", "1000");
        let pid = hangs.0.id();
        let finding = hangs.answer(limit, &signals).unwrap().unwrap();
        assert_eq!(finding.outcome, Outcome::Fail);
        assert!(
            finding.found.contains("no answer within 20ms"),
            "{finding:?}"
        );
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());

        let mute = examiner("false", "").answer(LIMIT, &signals).unwrap();
        let words = format!("{:#}", mute.unwrap_err());
        assert!(
            words.contains("its process ended with exit status"),
            "{words}"
        );
    }
}
