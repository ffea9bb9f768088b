//! strace: which calls a program makes, and having one of them fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::calls;

/// Has the nth call of a kind fail, or a signal come at it.
#[derive(Debug, Clone)]
pub struct Injection {
    /// As [`calls::known_name`] names it.
    pub call: String,
    /// The first call of a thread is 1.
    pub nth: usize,
    /// Name of an error, or of a signal.
    pub what: &'static str,
}

impl Injection {
    /// Tells whether a signal is to come, rather than an error.
    pub fn is_signal(&self) -> bool {
        self.what.starts_with("SIG")
    }
}

impl std::fmt::Display for Injection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.call, self.nth, self.what)
    }
}

/// Counts the calls of a thread, by their known names.
pub type Counts = BTreeMap<String, usize>;

/// What a trace says.
#[derive(Debug, Default)]
pub struct Trace {
    /// Of each thread, the first one first.
    pub threads: Vec<(u32, Counts)>,
    /// The line of the call that failed.
    pub injected: Option<String>,
}

impl Trace {
    /// Reads what `strace -f -o` has written, up to the first `write` if asked to.
    pub fn read(path: &Path, up_to_write: bool) -> Result<Self> {
        let text = std::fs::read_to_string(path).context("cannot read what strace wrote")?;
        let mut trace = Self::default();
        let mut begun: BTreeMap<u32, &str> = BTreeMap::new();
        for line in text.lines() {
            let Some((pid, rest)) = line.split_once(' ') else {
                continue;
            };
            let Ok(pid) = pid.parse() else { continue };
            let rest = rest.trim_start();
            if rest.ends_with("<unfinished ...>") {
                begun.insert(pid, rest);
            }
            if rest.contains("(INJECTED)") {
                let start = begun.get(&pid).filter(|_| rest.starts_with("<..."));
                trace.injected = Some(format!("{}{rest}", start.unwrap_or(&"")));
            }
            let Some((name, _)) = rest.split_once('(') else {
                continue;
            };
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                continue;
            }
            if up_to_write && name == "write" {
                break;
            }
            trace.count(pid, calls::known_name(name));
        }
        Ok(trace)
    }

    fn count(&mut self, pid: u32, call: &str) {
        let known = self.threads.iter().position(|(thread, _)| *thread == pid);
        let index = known.unwrap_or_else(|| {
            self.threads.push((pid, Counts::new()));
            self.threads.len() - 1
        });
        *self.threads[index].1.entry(call.to_owned()).or_default() += 1;
    }

    /// Tells whether some thread has made so many calls of this kind.
    pub fn has(&self, call: &str, nth: usize) -> bool {
        let mut counts = self.threads.iter().filter_map(|(_, calls)| calls.get(call));
        counts.any(|&count| count >= nth)
    }
}

/// Says why strace cannot be used here, or nothing.
pub fn obstacle() -> Option<String> {
    let mut probe = Command::new("strace");
    probe.args(["-f", "-qq", "-o", "/dev/null", "true"]);
    match probe.stdin(Stdio::null()).output() {
        Err(error) => Some(format!("strace cannot be run ({error})")),
        Ok(output) if !output.status.success() => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or_default().to_owned();
            Some(format!("strace may not trace here: {said}"))
        }
        Ok(_) => None,
    }
}

/// Returns `program` under strace, which writes to `output`.
pub fn traced(program: &Path, output: &Path, injection: Option<&Injection>) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(output);
    if let Some(injection) = injection {
        let names = calls::all_names(&injection.call);
        let kind = if injection.is_signal() {
            "signal"
        } else {
            "error"
        };
        let Injection { nth, what, .. } = injection;
        command.arg("-e").arg(format!("trace={names}"));
        command.arg("-e");
        command.arg(format!("inject={names}:{kind}={what}:when={nth}"));
    }
    command.arg(program);
    command
}

/// Counts the calls of dynamic loader, C library and Rust's start-up, which come before the program's
/// own: those of `--version` up to its output.
pub fn start_up(program: &Path, output: &Path) -> Result<Counts> {
    let mut command = traced(program, output, None);
    command.arg("--version").stdin(Stdio::null());
    let ended = command.output().context("cannot run strace")?;
    ensure!(
        ended.status.success(),
        "`{} --version` failed",
        program.display()
    );
    let mut trace = Trace::read(output, true)?;
    ensure!(!trace.threads.is_empty(), "strace wrote nothing");
    Ok(trace.threads.swap_remove(0).1)
}
