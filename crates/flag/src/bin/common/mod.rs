//! What both programs share: where the segment is, how to wait, how to tell it, how to end.

use std::io::{self, Write as _};
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use semring_flag::{FlagLayout, FlagSegment, OpenError, Strategy, WaitError};
use sysv_ipc::{ErrorKind, Key};

/// Says where the segment is and how to wait in it.
#[derive(Debug, clap::Args)]
pub struct Shared {
    /// Existing file whose inode makes the key (ftok)
    #[arg(long, value_name = "FILE", default_value = "/tmp")]
    path: PathBuf,

    /// Project number that goes into the key (ftok), 1 to 255
    #[arg(long, value_name = "N", default_value = "65")]
    project: NonZeroU8,

    /// The key itself, as `ipcs -m` shows it, in place of path and project
    #[arg(long, value_name = "0x…", value_parser = parse_key, conflicts_with_all = ["path", "project"])]
    key: Option<Key>,

    /// Size of the message array with its NUL (100 in the original; 64KiB, 4MiB); the same on both sides
    #[arg(long = "message-size", value_name = "BYTES", default_value = "100", value_parser = parse_layout)]
    pub layout: FlagLayout,

    /// What to do between two looks at the flag
    #[arg(long, value_enum, default_value_t)]
    pub strategy: Strategy,

    /// Longest wait for the other side, for each message; without it, for ever (500ms, 10s)
    #[arg(long, value_name = "DURATION")]
    timeout: Option<humantime::Duration>,

    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,
}

impl Shared {
    /// Computes the key.
    pub fn key(&self) -> anyhow::Result<Key> {
        let Self { path, project, .. } = self;
        match self.key {
            Some(key) => Ok(key),
            None => Key::from_path(path, *project).with_context(|| {
                format!(
                    "cannot make a key of --path {} and --project {project}",
                    path.display()
                )
            }),
        }
    }

    /// Returns when the wait that starts now has lasted too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| deadline_in(*timeout))
    }
}

/// Returns the instant `limit` from now; nothing when the clock does not reach that far.
pub fn deadline_in(limit: Duration) -> Option<Instant> {
    Instant::now().checked_add(limit)
}

fn parse_key(text: &str) -> Result<Key, String> {
    match text.parse::<Key>() {
        Ok(Key::PRIVATE) => {
            Err("0 stands for a segment without a key, which nobody else can find".to_owned())
        }
        Ok(key) => Ok(key),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_layout(text: &str) -> Result<FlagLayout, String> {
    let bytes = parse_size::parse_size(text).map_err(|error| error.to_string())?;
    let bytes = usize::try_from(bytes).map_err(|error| error.to_string())?;
    FlagLayout::new(bytes).map_err(|error| error.to_string())
}

/// Tells the user what happens, in the original's words.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    program: &'static str,
    quiet: bool,
}

impl Story {
    pub const fn new(program: &'static str, quiet: bool) -> Self {
        Self { program, quiet }
    }

    /// Prints a line of the story on standard output.
    pub fn tell(self, line: &str) -> anyhow::Result<()> {
        if self.quiet {
            return Ok(());
        }
        let mut output = io::stdout().lock();
        writeln!(output, "{line}")
            .and_then(|()| output.flush())
            .context("cannot write to standard output")
    }

    /// Prints something to know beside the story on standard error.
    pub fn note(self, line: &str) {
        if !self.quiet {
            // Nowhere to say that it cannot be said.
            let _ = writeln!(io::stderr(), "{}: {line}", self.program);
        }
    }

    /// Detaches, and tells so even after a failure.
    pub fn detach(self, role: &str, memory: FlagSegment) -> anyhow::Result<()> {
        memory.detach().context("cannot detach")?;
        self.tell(&format!("[{role}] Detached from shared memory"))
    }
}

/// Ends the program: prints the error, if any, and chooses the exit code.
pub fn end(program: &str, result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere to say that it cannot be said.
            let _ = writeln!(io::stderr(), "{program}: {error:#}");
            ExitCode::from(code(&error))
        }
    }
}

/// Whoever read our output has had enough (`flag-reader | head`): no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let pipe = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<io::Error>());
    pipe.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn code(error: &anyhow::Error) -> u8 {
    const FAILED: u8 = 1;
    const TIMED_OUT: u8 = 4;
    const REFUSED: u8 = 5;
    const REMOVED: u8 = 6;
    let of_cause = |cause: &(dyn std::error::Error + 'static)| {
        if let Some(error) = cause.downcast_ref::<WaitError>() {
            return match error {
                WaitError::TimedOut => Some(TIMED_OUT),
                WaitError::Removed { .. } => Some(REMOVED),
                _ => None,
            };
        }
        match cause.downcast_ref::<OpenError>()? {
            // Only met when waiting for it took too long.
            OpenError::NotFound { .. } => Some(TIMED_OUT),
            OpenError::System(error) if error.kind() == ErrorKind::Removed => Some(REMOVED),
            error => error.is_refusal().then_some(REFUSED),
        }
    };
    error.chain().find_map(of_cause).unwrap_or(FAILED)
}
