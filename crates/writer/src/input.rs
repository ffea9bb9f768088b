//! Input that a signal can interrupt while it has nothing to give.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use semring_cli::Signals;

/// Holds a file, pipe, socket or terminal to read from.
pub struct Input {
    file: File,
    name: String,
    /// Length of a regular file; content of other kinds shows only when it comes.
    length: Option<u64>,
}

impl Input {
    /// Opens a file, `-` for standard input. A named pipe may have no writer yet.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, name) = if path == Path::new("-") {
            let input = std::io::stdin().as_fd().try_clone_to_owned();
            let input = input.context("cannot use standard input")?;
            (File::from(input), "standard input".to_owned())
        } else {
            // Not to block here, and to leave a terminal whose it is.
            let unblocked = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
            let file = File::options()
                .read(true)
                .custom_flags(unblocked)
                .open(path)
                .with_context(|| format!("cannot open {}", path.display()))?;
            (file, path.display().to_string())
        };
        let metadata = file
            .metadata()
            .with_context(|| format!("cannot look at {name}"))?;
        ensure!(
            !metadata.is_dir(),
            "cannot send {name}: it is a folder; name a file, or pack it: `tar c FOLDER | writer`"
        );
        let length = metadata.is_file().then_some(metadata.len());
        Ok(Self { file, name, length })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how many bytes there are to read, where that is known.
    pub fn remaining(&mut self) -> Option<u64> {
        let position = self.file.stream_position().ok()?;
        // Files under /proc have content beyond their length, which is 0.
        self.length
            .filter(|&length| length > 0)
            .map(|length| length.saturating_sub(position))
    }

    /// Tells whether a file, or a pipe, is at its end, without taking anything from it. Waits until a
    /// pipe has bytes or ends. Of other kinds of input the end shows only when they are read.
    pub fn at_end(&mut self, signals: &Signals) -> Result<bool> {
        if self.length.is_some() {
            return Ok(self.remaining() == Some(0));
        }
        let ready = signals.wait_for(self.file.as_fd(), PollFlags::POLLIN)?;
        Ok(ready == PollFlags::POLLHUP)
    }

    /// Reads what is there, waiting until there is something; 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8], signals: &Signals) -> Result<usize> {
        loop {
            if self.length.is_none() {
                signals.wait_for(self.file.as_fd(), PollFlags::POLLIN)?;
            }
            match self.file.read(buffer) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
                result => return result.context("cannot read"),
            }
        }
    }
}
