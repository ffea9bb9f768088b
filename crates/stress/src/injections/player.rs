//! One process of a play: started, waited for, and what it left.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use semring::Role;

use super::place::Place;
use super::play::{Kind, Part, Play};
use super::trace::{self, Injection};

/// How long any play may take before it counts as hung.
pub const WATCHDOG: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Holds a running process; killed when dropped.
pub struct Player {
    pub role: Role,
    /// Which input it sends, if it sends.
    pub number: usize,
    /// Where strace writes, when this is the victim.
    pub traced: Option<PathBuf>,
    kind: Kind,
    child: Child,
    output: PathBuf,
    received: Option<PathBuf>,
}

/// What a process left behind.
#[derive(Debug)]
pub struct Ended {
    pub role: Role,
    pub number: usize,
    pub victim: bool,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// What it received, if it receives.
    pub received: Vec<u8>,
}

impl Ended {
    /// The exit code; none when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

/// Waits until something is so; false when it was not within `limit`.
pub fn wait_until(limit: Duration, mut is_so: impl FnMut() -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        if is_so()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Says how a process is to be started.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    pub role: Role,
    /// Which input a writer sends.
    pub number: usize,
    /// Longest wait, in seconds.
    pub seconds: u32,
    /// Runs under strace.
    pub victim: bool,
    pub injection: Option<&'a Injection>,
}

impl Player {
    /// Starts a process; `serial` tells its files from the others'.
    pub fn start(play: &Play, place: &Place, serial: usize, start: Start<'_>) -> Result<Self> {
        let Start {
            role,
            number,
            seconds,
            ..
        } = start;
        let program = play.program(role)?;
        let output = place.folder().join(format!("{role}-{serial}"));
        let traced = start.victim.then(|| output.with_extension("trace"));
        let mut command = match &traced {
            Some(file) => trace::traced(&program, file, start.injection),
            None => Command::new(&program),
        };
        command.env("RUST_BACKTRACE", "0");
        let part = Part {
            place,
            number,
            seconds,
            output: &output,
        };
        let received = play.arguments(&mut command, role, &part)?;
        let file = |path: &PathBuf| File::create(path).context("cannot make a file for an output");
        command.stdout(file(&output)?);
        command.stderr(file(&output.with_extension("errors"))?);
        let child = command.spawn();
        let child = child.with_context(|| {
            let program = program.display();
            format!("cannot start {program}; build the packages writer, reader and semring-flag")
        })?;
        Ok(Self {
            role,
            number,
            traced,
            kind: play.kind,
            child,
            output,
            received,
        })
    }

    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Returns what it left, once it has ended.
    pub fn end(mut self) -> Result<Ended> {
        let status = self.child.wait()?;
        let text = |path: &PathBuf| {
            let bytes = std::fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let stdout = text(&self.output);
        let received = match (self.role, &self.received) {
            (Role::Producer, _) => Vec::new(),
            // Not there when it failed before.
            (_, Some(file)) => std::fs::read(file).unwrap_or_default(),
            (_, None) => counters(&stdout, "[P2] Read: "),
        };
        Ok(Ended {
            role: self.role,
            number: self.number,
            victim: self.traced.is_some(),
            status,
            stderr: text(&self.output.with_extension("errors")),
            stdout,
            received,
        })
    }

    /// Ends it, and the program that it traces.
    fn kill(&mut self) {
        let tracee = self
            .traced
            .as_ref()
            .and_then(|file| std::fs::read_to_string(file).ok());
        let tracee = tracee.and_then(|text| text.split_whitespace().next().map(str::to_owned));
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(pid) = tracee {
            let _ = Command::new("kill").args(["-KILL", &pid]).output();
        }
    }

    /// Says who it is and what it has written so far, of one that hangs.
    pub fn describe(&self) -> String {
        let errors = std::fs::read_to_string(self.output.with_extension("errors"));
        let victim = if self.traced.is_some() {
            "victim, "
        } else {
            ""
        };
        let kind = self.kind;
        format!(
            "{victim}{} of {kind:?}, stderr {:?}",
            self.role,
            errors.unwrap_or_default()
        )
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
        }
    }
}

/// Collects the numbers of the messages in a story.
pub fn counters(story: &str, start: &str) -> Vec<u8> {
    let lines = story.lines().filter_map(|line| line.strip_prefix(start));
    let numbers = lines.filter_map(|line| {
        line.strip_prefix("counter=")?
            .split_once(',')?
            .0
            .parse()
            .ok()
    });
    numbers.collect()
}
