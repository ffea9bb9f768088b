//! The demonstration's story on standard output, line by line, each as soon as it is true.

use anyhow::Result;

use crate::{Output, Program};

/// Tells the story, unless the program is quiet or was asked for figures.
#[derive(Debug)]
pub struct Story<'a> {
    program: &'a Program,
    output: Option<Output>,
}

impl<'a> Story<'a> {
    /// Begins.
    ///
    /// # Errors
    ///
    /// When standard output cannot be used.
    pub fn new(program: &'a Program) -> Result<Self> {
        let silent = program.is_quiet() || program.speaks_json();
        let output = if silent {
            None
        } else {
            Some(Output::stdout()?)
        };
        Ok(Self { program, output })
    }

    /// Tells a line.
    ///
    /// # Errors
    ///
    /// [`OutputClosed`](crate::OutputClosed), [`Interrupted`](crate::Interrupted) while the output is
    /// full, or what the kernel said.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        match &mut self.output {
            Some(output) => output.line(line, self.program.signals()),
            None => Ok(()),
        }
    }
}
