//! The two processes of a pass: started, watched, and ended whatever happens.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::interrupt::Signals;
use crate::plan::{GO, Plan, READY, Report, Role};

/// Runs both sides of a pass, copies of `program`, to their end, at most for `limit`, and returns their reports.
///
/// # Errors
///
/// What the first side to fail had to say, that the time was over, or that a signal came. Both sides
/// have ended then.
pub fn run(
    program: &Path,
    plans: &[Plan; 2],
    limit: Duration,
    signals: &Signals,
) -> Result<[Report; 2]> {
    let [first, second] = plans;
    let mut sides = [Side::start(program, first)?, Side::start(program, second)?];
    watch(&mut sides, limit, signals)?;
    let [first, second] = &sides;
    Ok([first.report()?, second.report()?])
}

fn watch(sides: &mut [Side; 2], limit: Duration, signals: &Signals) -> Result<()> {
    let deadline = Instant::now() + limit;
    let mut started = false;
    while sides.iter().any(|side| side.status.is_none()) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("a pass was not over after {limit:?}, so both sides were ended");
        }
        let have_output = await_output(sides, signals, left)?;
        for (side, has_output) in sides.iter_mut().zip(have_output) {
            if has_output {
                side.take_output()?;
            }
        }
        signals.check()?;
        check_ends(sides)?;
        if !started && sides.iter().all(Side::is_ready) {
            started = true;
            for side in sides.iter_mut() {
                writeln!(side.input, "{GO}").context("cannot start a side")?;
            }
        }
    }
    Ok(())
}

/// Waits until a side writes or ends, a signal comes, or the time is over; tells which sides.
fn await_output(sides: &[Side; 2], signals: &Signals, left: Duration) -> Result<[bool; 2]> {
    let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    let running = |side: &&Side| side.status.is_none();
    let outputs = sides.iter().filter(running).map(|side| side.output.as_fd());
    fds.extend(outputs.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno).context("cannot wait for the sides"),
    }
    let mut answers = fds.iter().skip(1).map(|fd| fd.any().unwrap_or(true));
    Ok([0, 1].map(|index: usize| sides[index].status.is_none() && answers.next() == Some(true)))
}

/// Fails when a side has failed, with what it said; when both have, with what both said.
fn check_ends(sides: &mut [Side; 2]) -> Result<()> {
    let mut said: Vec<String> = sides.iter_mut().filter_map(Side::failure).collect();
    // When one has found damage, the other only found that its peer had gone.
    said.sort_by_key(|text| !text.contains("payload check failed"));
    if said.is_empty() {
        Ok(())
    } else {
        Err(anyhow!("{}", said.join("; ")))
    }
}

/// One process; dropping it ends it.
#[derive(Debug)]
struct Side {
    role: Role,
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    written: Vec<u8>,
    /// How it ended, once it has.
    status: Option<ExitStatus>,
}

impl Side {
    fn start(program: &Path, plan: &Plan) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("side")
            .arg(serde_json::to_string(plan)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start a copy of this program")?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a copy of this program came without its pipes");
        };
        Ok(Self {
            role: plan.role,
            child,
            input,
            output,
            written: Vec::new(),
            status: None,
        })
    }

    /// Reads what is there; at the end of it waits for the process to end too.
    fn take_output(&mut self) -> Result<()> {
        let mut chunk = [0; 1 << 14];
        let bytes = self.output.read(&mut chunk).context("reading a report")?;
        self.written.extend(chunk.iter().take(bytes));
        if bytes == 0 {
            self.status = Some(self.child.wait()?);
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.written.starts_with(READY.as_bytes())
    }

    /// Returns what it had to say if it has failed.
    fn failure(&mut self) -> Option<String> {
        let status = self.status.filter(|status| !status.success())?;
        let mut said = String::new();
        if let Some(errors) = &mut self.child.stderr {
            // What cannot be read is replaced by the status below.
            let _ = errors.read_to_string(&mut said);
        }
        let said = said.trim().trim_start_matches("compare: ");
        Some(if said.is_empty() {
            format!("the {} ended with {status}", self.role)
        } else {
            said.to_owned()
        })
    }

    fn report(&self) -> Result<Report> {
        let mut lines = self.written.split(|&byte| byte == b'\n');
        let line = lines.rfind(|line| !line.is_empty());
        serde_json::from_slice(line.unwrap_or_default())
            .with_context(|| format!("the {} wrote no report", self.role))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if self.status.is_none() {
            // It may have ended by itself meanwhile; in both cases it is waited for, so that the kernel
            // has given back what it held before anybody looks for what is left.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
