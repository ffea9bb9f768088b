//! The program that has other people's engines, if it was built.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;

use crate::transports::Kind;

/// Which file it is, and what it can do.
#[derive(Debug)]
pub struct Peers {
    pub program: PathBuf,
    pub kinds: Vec<Kind>,
}

impl Peers {
    /// Asks the program. What it was built without, it says itself.
    pub fn ask(program: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        let command = command
            .arg("list")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        let output = command
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        if !output.status.success() {
            bail!("{} list: {}", program.display(), output.status);
        }
        let text = String::from_utf8(output.stdout)?;
        let kinds = text.lines().map(|name| {
            let kind = Kind::from_str(name, false)
                .ok()
                .filter(|kind| kind.is_peer());
            kind.with_context(|| format!("an unknown transport: {name}"))
        });
        Ok(Self {
            program: program.to_owned(),
            kinds: kinds.collect::<Result<_>>()?,
        })
    }
}

/// Answers the question.
pub fn write_list(kinds: &[Kind]) -> Result<()> {
    let mut output = std::io::stdout().lock();
    for kind in kinds {
        writeln!(output, "{kind}")?;
    }
    Ok(())
}
