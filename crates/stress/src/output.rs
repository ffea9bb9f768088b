//! Standard output, where a failure is an error and no panic.

use std::fmt::Display;
use std::io::{self, Write as _};

use anyhow::{Context as _, Result};

/// Prints a line.
pub fn print(line: impl Display) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("standard output: cannot write")
}
