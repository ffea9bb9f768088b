//! Completions and manual pages, made of the definitions that the programs read their arguments by.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;
use semring_cli::arguments::{ReaderArguments, WriterArguments};

use crate::arguments::{Arguments, Generate, Program};

/// Makes what was asked for.
pub fn run(what: &Generate) -> Result<()> {
    match what {
        Generate::Completions { shell, program } => completions(*shell, *program),
        Generate::Man { folder } => manual_pages(folder),
    }
}

fn definition(program: Program) -> Command {
    match program {
        Program::Writer => WriterArguments::command(),
        Program::Reader => ReaderArguments::command(),
        Program::Semring => Arguments::command(),
    }
}

fn completions(shell: Shell, program: Program) -> Result<()> {
    let mut definition = definition(program);
    let name = definition.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition, name, &mut script);
    io::stdout()
        .write_all(&script)
        .context("cannot write to standard output")
}

fn manual_pages(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for program in Program::value_variants() {
        clap_mangen::generate_to(definition(*program), folder)
            .with_context(|| format!("cannot write manual pages to {}", folder.display()))?;
    }
    Ok(())
}
