//! The terminal, for as long as it is ours.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::layout::Size;
use ratatui::{DefaultTerminal, Frame};

/// Holds the terminal: another page of it, without echo and line editing. Gives it back when dropped,
/// and when the program panics.
#[derive(Debug)]
pub struct Screen {
    /// Never dropped: its own drop writes to the terminal, complains on standard error when that fails,
    /// and panics when that fails, too, as it does when the terminal was closed.
    terminal: ManuallyDrop<DefaultTerminal>,
    /// Size of what was drawn last.
    drawn: Size,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// When it cannot be switched: what the kernel said. It is then as it was.
    pub fn open() -> Result<Self> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self {
                terminal: ManuallyDrop::new(terminal),
                drawn: Size::default(),
            }),
            Err(error) => {
                restore();
                Err(error).context("cannot use the terminal")
            }
        }
    }

    /// Draws all of it anew, and writes what has changed.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn draw(&mut self, page: impl FnOnce(&mut Frame<'_>)) -> Result<()> {
        let drawn = self.terminal.draw(page);
        self.drawn = drawn
            .context("cannot write to the terminal")?
            .area
            .as_size();
        Ok(())
    }

    /// Tells whether the terminal has another size than when it was drawn last: the signal that says so may
    /// be passed over. Does not block.
    pub fn is_resized(&self) -> bool {
        self.terminal.size().is_ok_and(|size| size != self.drawn)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is left to be told when it is gone.
        let _ = self.terminal.show_cursor();
        restore();
    }
}

/// Tells whether the terminal was closed. Who ignores SIGHUP and has nothing to write learns of it in no
/// other way. Does not block.
pub fn is_gone() -> bool {
    let stdout = io::stdout();
    // What is not asked for is told all the same: a hang-up, and nothing else of a terminal.
    let mut polled = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    poll(&mut polled, PollTimeout::ZERO).is_ok_and(|told| told > 0)
}

fn restore() {
    let _ = ratatui::try_restore();
}
