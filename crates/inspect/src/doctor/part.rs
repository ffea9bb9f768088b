//! The processes that a check needs: the one that does it, and those that die in it. All are this
//! program again, and none outlives the one that started it by more than it takes to see it gone.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use sysv_ipc::{Segment, SemaphoreSet};

use super::check::Check;
use super::kernel::{CLAIM, LEAVE};

/// What a holder writes when it holds the role.
const READY: u8 = b'!';

/// The first argument of a process that plays a part. It is not among the program's subcommands, since
/// completions offer even those that are hidden.
const PART: &str = "part";

/// Says which part a process plays.
#[derive(Debug, Parser)]
pub enum Part {
    /// Do one check, and print what it found as JSON
    Check {
        /// The check
        #[arg(value_enum)]
        check: Check,
        /// The set to try it on
        #[arg(long, default_value_t = -1)]
        set: i32,
        /// The segment to try it on
        #[arg(long, default_value_t = -1)]
        segment: i32,
    },
    /// Take the role on a set, and keep it until standard input ends
    Hold {
        /// The set
        set: i32,
        /// Before that, attach this segment
        #[arg(long)]
        segment: Option<i32>,
        /// Before that, start a child that ends, and one that lives
        #[arg(long)]
        children: bool,
    },
    /// Take the role on a set, and give it back
    Leave {
        /// The set
        set: i32,
    },
    /// Live until standard input ends
    Live,
}

impl Part {
    /// Returns the part that this process was started to play; none in a program that a user started.
    pub fn asked_for() -> Option<Self> {
        let mut words = std::env::args_os().skip(1).peekable();
        words.next_if(|word| word == PART)?;
        Some(Self::parse_from(std::iter::once(PART.into()).chain(words)))
    }
}

/// Plays a part.
///
/// # Errors
///
/// Whatever keeps it from being played.
pub fn play(part: &Part) -> Result<()> {
    match *part {
        Part::Check {
            check,
            set,
            segment,
        } => {
            let (set, segment) = (SemaphoreSet::from_id(set), Segment::from_id(segment));
            let finding = check.perform(set, segment);
            // Whoever made them removes them, too, but for one who has been killed meanwhile.
            let _ = set.remove();
            let _ = segment.remove();
            serde_json::to_writer(io::stdout(), &finding).context("cannot hand in the finding")
        }
        Part::Hold {
            set,
            segment,
            children,
        } => hold(set, segment, children),
        Part::Leave { set } => {
            let set = SemaphoreSet::from_id(set);
            set.operate(&CLAIM)?;
            Ok(set.operate(&LEAVE)?)
        }
        Part::Live => live(),
    }
}

fn hold(set: i32, segment: Option<i32>, children: bool) -> Result<()> {
    let attached = segment.map(Segment::from_id).map(Segment::attach);
    let _memory = attached.transpose()?;
    SemaphoreSet::from_id(set).operate(&CLAIM)?;
    if children {
        let ended = copy(&["live"])?.stdin(Stdio::null()).status()?;
        ensure!(ended.success(), "a child ended with {ended}");
        // It lives until whoever kills this process closes the pipe.
        copy(&["live"])?.stdin(Stdio::inherit()).spawn()?;
    }
    io::stdout().write_all(&[READY])?;
    io::stdout().flush()?;
    live()
}

fn live() -> Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// Prepares this program to play a part.
///
/// # Errors
///
/// When it cannot find its own file.
pub fn copy(part: &[&str]) -> Result<Command> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.arg(PART).args(part);
    Ok(command)
}

/// Returns what a copy of this program has said, without its name.
fn words(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    said.trim().trim_start_matches("semring: ").to_owned()
}

/// Has a child take the role and leave in order, and waits for its end.
///
/// # Errors
///
/// When it cannot be started, or the kernel refused it one of the two.
pub fn leave_in_a_child(set: SemaphoreSet) -> Result<()> {
    let ended = copy(&["leave", &set.id().to_string()])?.output()?;
    ensure!(
        ended.status.success(),
        "taking the role and leaving in order was refused: {}",
        words(&ended.stderr)
    );
    Ok(())
}

/// A process that holds the role; dropping it ends it and its child.
#[derive(Debug)]
pub struct Holder {
    process: Child,
    /// Closed last: it keeps the child alive.
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Holder {
    /// Starts a process that attaches `segment`, and returns once it holds the role on `set`.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or the kernel refused it one of the two.
    pub fn start(set: SemaphoreSet, segment: Segment) -> Result<Self> {
        Self::start_with(set, &format!("--segment={}", segment.id()))
    }

    /// Starts a process that has had a child and has another, and returns once it holds the role on
    /// `set`. Errors as of [`start`](Self::start).
    pub fn start_with_children(set: SemaphoreSet) -> Result<Self> {
        Self::start_with(set, "--children")
    }

    fn start_with(set: SemaphoreSet, option: &str) -> Result<Self> {
        let mut command = copy(&["hold", &set.id().to_string(), option])?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let input = process.stdin.take();
        let output = process.stdout.take().context("a process without output")?;
        let mut holder = Self {
            process,
            input,
            output,
        };
        let mut ready = [0];
        if holder.output.read_exact(&mut ready).is_err() {
            let mut said = Vec::new();
            if let Some(errors) = &mut holder.process.stderr {
                errors.read_to_end(&mut said)?;
            }
            bail!("a process was refused the role: {}", words(&said));
        }
        Ok(holder)
    }

    /// Ends the process with SIGKILL, and returns once it is gone. Its child lives on.
    ///
    /// # Errors
    ///
    /// When it cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.kill();
        self.input = None;
        // Ends when the child, too, has closed its end.
        let _ = io::copy(&mut self.output, &mut io::sink());
    }
}
