//! Output that a signal can interrupt while it is full.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, bail};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;

use crate::Signals;

/// What a pipe that is ready for writing takes without blocking (pipe(7), `PIPE_BUF`).
const PIPE_BYTES: usize = 4096;
/// How often to look whether somebody has opened a named pipe for reading.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Holds a file, pipe, socket or terminal to write to. It has no buffer: what was written has been given
/// to the kernel.
#[derive(Debug)]
pub struct Output {
    file: File,
    blocking: Blocking,
}

/// Says how a write is kept from blocking where no signal ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocking {
    /// A file or device does not block for long.
    Never,
    /// The descriptor refuses instead, since it is ours alone.
    Refuses,
    /// The descriptor is shared with other programs, so it must stay as it is: what is surely taken is
    /// written when it is ready.
    InSmallParts,
}

/// Says that nobody reads the output any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody reads the output any more")]
pub struct OutputClosed;

/// Says why not all was written, and how much was.
#[derive(Debug)]
pub struct Unwritten {
    /// Bytes that were.
    pub written: usize,
    /// [`OutputClosed`], [`Interrupted`](crate::Interrupted), or what the kernel said.
    pub reason: Error,
}

impl Output {
    /// Takes standard output.
    ///
    /// # Errors
    ///
    /// When it cannot be duplicated.
    pub fn stdout() -> Result<Self> {
        let stdout = io::stdout();
        let shared = stdout.as_fd().try_clone_to_owned().map(File::from);
        let shared = shared.context("cannot use standard output")?;
        let kind = shared.metadata().map(|metadata| metadata.file_type());
        let may_block = kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket());
        if !may_block && !stdout.is_terminal() {
            return Ok(Self::new(shared, Blocking::Never));
        }
        // A description of its own may be made not to block; that of others may not. Sockets, and pipes
        // of another user, cannot be opened again.
        let own = format!("/proc/self/fd/{}", shared.as_raw_fd());
        Ok(
            match File::options()
                .write(true)
                .custom_flags(unblocked())
                .open(own)
            {
                Ok(own) => Self::new(own, Blocking::Refuses),
                Err(_) => Self::new(shared, Blocking::InSmallParts),
            },
        )
    }

    /// Opens a file, which is made if need be and not emptied; with `append` all is written at its end,
    /// whoever else writes to it. For a named pipe waits until somebody
    /// opens its other end, and calls `waits` before that.
    ///
    /// # Errors
    ///
    /// [`Interrupted`](crate::Interrupted), or what the kernel says of the file.
    pub fn open(
        path: &Path,
        append: bool,
        signals: &Signals,
        waits: impl FnOnce(),
    ) -> Result<Self> {
        let mut options = File::options();
        let options = options.write(true).append(append);
        let options = options.create(true).truncate(false);
        let options = options.custom_flags(unblocked());
        let mut waits = Some(waits);
        let file = loop {
            match options.open(path) {
                Err(error) if is_unread_pipe(&error, path) => {
                    if let Some(waits) = waits.take() {
                        waits();
                    }
                    signals.sleep(LOOK_EVERY)?;
                }
                result => {
                    break result.with_context(|| format!("cannot write to {}", path.display()))?;
                }
            }
        };
        Ok(Self::new(file, Blocking::Refuses))
    }

    const fn new(file: File, blocking: Blocking) -> Self {
        Self { file, blocking }
    }

    /// Returns the file.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Writes all of `parts`, waiting as long as the output is full.
    ///
    /// # Errors
    ///
    /// [`Unwritten`]. A signal does not keep what the output takes at once from being written.
    pub fn write(&mut self, parts: &mut [IoSlice<'_>], signals: &Signals) -> Result<(), Unwritten> {
        let mut parts = parts;
        let mut written = 0;
        // Empty ones do not count, or a write of nothing would be taken for a failure.
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match self.write_some(parts, signals) {
                Ok(bytes) => {
                    written += bytes;
                    IoSlice::advance_slices(&mut parts, bytes);
                }
                Err(reason) => return Err(Unwritten { written, reason }),
            }
        }
        Ok(())
    }

    /// Writes at least one byte.
    fn write_some(&mut self, parts: &[IoSlice<'_>], signals: &Signals) -> Result<usize> {
        loop {
            let result = if self.blocking == Blocking::InSmallParts {
                signals.wait_for(self.file.as_fd(), PollFlags::POLLOUT)?;
                let first = parts.first().map_or(&[][..], |part| part);
                self.file.write(first.get(..PIPE_BYTES).unwrap_or(first))
            } else {
                self.file.write_vectored(parts)
            };
            match result {
                Ok(0) => bail!("cannot write: it takes nothing; name another output"),
                Ok(bytes) => return Ok(bytes),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => {
                        signals.wait_for(self.file.as_fd(), PollFlags::POLLOUT)?;
                    }
                    ErrorKind::BrokenPipe => return Err(OutputClosed.into()),
                    _ => return Err(error).context("cannot write"),
                },
            }
        }
    }

    /// Writes a line.
    ///
    /// # Errors
    ///
    /// The reason of [`Unwritten`].
    pub fn line(&mut self, line: &str, signals: &Signals) -> Result<()> {
        let mut parts = [IoSlice::new(line.as_bytes()), IoSlice::new(b"\n")];
        self.write(&mut parts, signals)
            .map_err(|unwritten| unwritten.reason)
            .context("standard output")
    }
}

/// Tells whether opening failed since nobody has the other end of a named pipe. Of a socket and of a
/// device that is not there the kernel says the same, and nobody will come.
fn is_unread_pipe(error: &io::Error, path: &Path) -> bool {
    error.raw_os_error() == Some(Errno::ENXIO as i32)
        && path.metadata().is_ok_and(|file| file.file_type().is_fifo())
}

/// Opened so, a descriptor refuses rather than blocks, and a terminal stays whose it was.
fn unblocked() -> i32 {
    (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits()
}
