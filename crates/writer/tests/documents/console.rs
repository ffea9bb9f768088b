//! Runs the commands of a block in one shell, and compares what each prints with what is shown.

use std::fmt::Write as _;
use std::io::{PipeReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::blocks::Block;
use super::expected::is_as_shown;

/// What stands in the output behind that of a command, before its exit code.
const MARK: char = '\x1e';
/// How long to wait for the output of a block that was ended.
const AFTERMATH: Duration = Duration::from_secs(5);

/// Says where blocks are run.
#[derive(Debug)]
pub struct Surroundings {
    /// The command that gives the shell an IPC namespace of its own.
    isolation: Vec<&'static str>,
    /// Where the shell finds programs.
    path: String,
    /// How long a block may take.
    limit: Duration,
}

/// Holds a command and what a document shows of its output.
#[derive(Debug)]
struct Step {
    command: String,
    shown: Vec<String>,
}

impl Surroundings {
    /// Puts folders before the system's own, where the machine allows a namespace of its own; else says
    /// why it does not.
    pub fn new(programs: &[&Path], limit: Duration) -> Result<Self, String> {
        let mut path = String::new();
        for folder in programs {
            write!(path, "{}:", folder.display()).unwrap();
        }
        path.push_str("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        Ok(Self {
            isolation: isolation()?,
            path,
            limit,
        })
    }

    /// Runs a block, in a new folder and a new IPC namespace, which must be empty afterwards.
    pub fn run(&self, block: &Block) -> Result<(), String> {
        let steps = steps(block)?;
        let output = self.output(&script(&steps));
        output
            .and_then(|output| compare(&steps, &output))
            .map_err(|what| format!("{}: {what}", block.place))
    }

    /// Runs a script and returns what it has printed, on both outputs.
    fn output(&self, script: &str) -> Result<String, String> {
        let folder = TempDir::new().unwrap();
        let (output, standard_output) = std::io::pipe().unwrap();
        let (program, arguments) = self.isolation.split_first().unwrap();
        let shell = Command::new(program)
            .args(arguments)
            .args(["bash", "-c", script, "bash"])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", folder.path())
            .env("LANG", "C.UTF-8")
            // As a terminal has.
            .env("COLUMNS", "80")
            .stdin(Stdio::null())
            .stderr(standard_output.try_clone().unwrap())
            .stdout(standard_output)
            .process_group(0)
            .spawn()
            .unwrap();
        self.collect(shell, output)
    }

    /// Waits until nobody is left that could print something, or ends them all.
    fn collect(&self, mut shell: Child, mut output: PipeReader) -> Result<String, String> {
        let (sender, end) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = output.read_to_end(&mut bytes);
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
        let result = end.recv_timeout(self.limit).map_err(|_| {
            let group = Pid::from_raw(shell.id().try_into().unwrap());
            let _ = killpg(group, Signal::SIGKILL);
            let printed = end.recv_timeout(AFTERMATH).unwrap_or_default();
            format!("hung for {:?}; it had printed:\n{printed}", self.limit)
        });
        shell.wait().unwrap();
        result
    }
}

/// Finds how to run a command in an IPC namespace of its own.
fn isolation() -> Result<Vec<&'static str>, String> {
    let mut refusals = Vec::new();
    for command in ["unshare --ipc", "unshare --user --map-root-user --ipc"] {
        let words: Vec<&str> = command.split(' ').collect();
        match Command::new(words[0])
            .args(&words[1..])
            .arg("true")
            .output()
        {
            Ok(output) if output.status.success() => return Ok(words),
            Ok(output) => refusals.push(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    let refusals = refusals.join("; ").replace('\n', "");
    Err(format!("no IPC namespace of its own: {refusals}"))
}

/// Cuts a block into its commands: lines that begin with `$ `, and go on in lines with `> `.
fn steps(block: &Block) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for line in &block.lines {
        if let Some(command) = line.strip_prefix("$ ") {
            let (command, shown) = (command.to_owned(), Vec::new());
            steps.push(Step { command, shown });
            continue;
        }
        let Some(step) = steps.last_mut() else {
            return Err(format!("{}: begins without a command", block.place));
        };
        let more = if line == ">" {
            Some("")
        } else {
            line.strip_prefix("> ")
        };
        match more {
            Some(more) if step.shown.is_empty() => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            _ => step.shown.push(line.clone()),
        }
    }
    Ok(steps)
}

/// Makes a script that marks the end of each command's output, waits for what still runs, and tells what is
/// left then.
fn script(steps: &[Step]) -> String {
    let mut script = String::new();
    for step in steps {
        let quoted = step.command.replace('\'', r"'\''");
        // The last line gives the next command the `$?` of this one.
        write!(
            script,
            "eval '{quoted}'\n__status=$?\nprintf '\\036%d\\n' $__status\n(exit $__status)\n"
        )
        .unwrap();
    }
    script.push_str("wait\nawk 'FNR > 1 { print FILENAME, $1, $2 }' /proc/sysvipc/{shm,sem,msg}\n");
    script
}

/// Compares what was printed with what is shown.
fn compare(steps: &[Step], output: &str) -> Result<(), String> {
    let mut rest = output;
    for (index, step) in steps.iter().enumerate() {
        let Some((printed, after)) = rest.split_once(MARK) else {
            let command = &step.command;
            return Err(format!(
                "the shell ended in `{command}`; it printed:\n{rest}"
            ));
        };
        let (code, after) = after.split_once('\n').unwrap_or((after, ""));
        step.compare(printed)?;
        let asked = steps.get(index + 1).is_some_and(Step::asks_for_exit_code);
        if code != "0" && !asked {
            let command = &step.command;
            return Err(format!(
                "`{command}` failed with exit code {code}; if it shall, let `$ echo $?` follow"
            ));
        }
        rest = after;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(format!("leaves System V objects or output:\n{rest}"))
    }
}

impl Step {
    fn compare(&self, printed: &str) -> Result<(), String> {
        let lines: Vec<&str> = printed.lines().collect();
        if is_as_shown(&self.shown, &lines) {
            return Ok(());
        }
        let shown = self.shown.join("\n");
        Err(format!(
            "`{}`\n--- the document shows:\n{shown}\n--- but it printed:\n{printed}",
            self.command
        ))
    }

    fn asks_for_exit_code(&self) -> bool {
        self.command.starts_with("echo ") && self.command.contains("$?")
    }
}
