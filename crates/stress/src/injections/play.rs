//! What two programs do together while a call of one of them fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use semring::Role;

use super::place::Place;

/// Bytes in a slot, which is a message of the data.
pub const SLOT_BYTES: usize = 1024;
/// Numbered messages that the first writer sends, and the ones after it.
const COUNTS: [u8; 2] = [2, 3];

/// Says which programs play, and what they pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `writer FILE` and `reader -o FILE`.
    Data,
    /// The same from a pipe.
    Pipe,
    /// `writer` and `reader`, numbered messages.
    Demo,
    /// `flag-writer` and `flag-reader`.
    Flag,
}

/// One victim in one situation.
#[derive(Debug, Clone, Copy)]
pub struct Play {
    pub name: &'static str,
    pub kind: Kind,
    pub victim: Role,
    /// Who starts first, and makes the objects where that is not the other's alone.
    pub first: Role,
}

/// All of them.
pub const PLAYS: [Play; 9] = {
    use Kind::{Data, Demo, Flag, Pipe};
    use Role::{Consumer, Producer};
    [
        Play::new("writer FILE, first", Data, Producer, Producer),
        Play::new("writer FILE, second", Data, Producer, Consumer),
        Play::new("writer -, a pipe", Pipe, Producer, Producer),
        Play::new("writer, the demo", Demo, Producer, Producer),
        Play::new("reader -o, first", Data, Consumer, Consumer),
        Play::new("reader -o, second", Data, Consumer, Producer),
        Play::new("reader, the demo", Demo, Consumer, Producer),
        Play::new("flag-writer", Flag, Producer, Producer),
        Play::new("flag-reader", Flag, Consumer, Consumer),
    ]
};

impl Play {
    const fn new(name: &'static str, kind: Kind, victim: Role, first: Role) -> Self {
        Self {
            name,
            kind,
            victim,
            first,
        }
    }

    /// The role that is not the victim's.
    pub const fn peer(&self) -> Role {
        match self.victim {
            Role::Producer => Role::Consumer,
            Role::Consumer => Role::Producer,
        }
    }

    /// The executable of a role, beside this one.
    pub fn program(&self, role: Role) -> Result<PathBuf> {
        let name = match (self.kind, role) {
            (Kind::Flag, Role::Producer) => "flag-writer",
            (Kind::Flag, Role::Consumer) => "flag-reader",
            (_, Role::Producer) => "writer",
            (_, Role::Consumer) => "reader",
        };
        Ok(std::env::current_exe()?.with_file_name(name))
    }

    /// What the first writer sends, and the ones after it.
    pub fn inputs(&self) -> [Vec<u8>; 2] {
        match self.kind {
            Kind::Data | Kind::Pipe => {
                let mut rng = fastrand::Rng::with_seed(1);
                let mut bytes = |count| std::iter::repeat_with(|| rng.u8(..)).take(count).collect();
                [bytes(5 * SLOT_BYTES + 100), bytes(2 * SLOT_BYTES + 50)]
            }
            Kind::Demo | Kind::Flag => COUNTS.map(|count| (1..=count).collect()),
        }
    }

    /// Bytes of a message in what [`inputs`](Self::inputs) returns.
    pub const fn message_bytes(&self) -> usize {
        match self.kind {
            Kind::Data | Kind::Pipe => SLOT_BYTES,
            Kind::Demo | Kind::Flag => 1,
        }
    }

    /// Adds a role's arguments; returns the file that will hold what a reader puts out, if that is not
    /// its standard output.
    pub fn arguments(
        &self,
        command: &mut Command,
        role: Role,
        part: &Part<'_>,
    ) -> Result<Option<PathBuf>> {
        let Part { place, number, .. } = part;
        let wait = format!("{}s", part.seconds);
        command.args(["--timeout", &wait]).stdin(Stdio::null());
        if self.kind == Kind::Flag {
            command.args(["--key", &place.key().to_string(), "--strategy", "yield"]);
        } else {
            command.args(["--channel", &place.channel]);
        }
        if role == Role::Consumer {
            let output = self.receive(command, &wait, part);
            return Ok(output);
        }
        match self.kind {
            Kind::Data => {
                command.args(GEOMETRY).arg(place.input(*number));
            }
            Kind::Pipe => {
                let mut cat = Command::new("cat");
                cat.arg(place.input(*number)).stdout(Stdio::piped());
                let mut cat = cat.spawn().context("cannot start cat")?;
                if let Some(pipe) = cat.stdout.take() {
                    command.stdin(pipe);
                }
                place.keep(cat);
                command.args(GEOMETRY).arg("-");
            }
            Kind::Demo | Kind::Flag => {
                command.args(["--count", &COUNTS[*number].to_string(), "--interval", "1ms"]);
                if self.kind == Kind::Demo {
                    command.arg("--demo");
                }
            }
        }
        Ok(None)
    }

    fn receive(&self, command: &mut Command, wait: &str, part: &Part<'_>) -> Option<PathBuf> {
        command.args(["--wait", wait]);
        match self.kind {
            Kind::Data | Kind::Pipe => {
                let output = part.output.with_extension("received");
                command.arg("-o").arg(&output);
                if self.first == Role::Consumer {
                    command.args(GEOMETRY);
                }
                return Some(output);
            }
            // Until the segment is removed: how many come depends on who fails when.
            Kind::Flag => {
                command.args(["--count", "0"]);
            }
            Kind::Demo => {}
        }
        None
    }
}

const GEOMETRY: [&str; 4] = ["--slots", "4", "--slot-size", "1KiB"];

/// What one process is to do.
pub struct Part<'a> {
    pub place: &'a Place,
    /// Which input a writer sends: 0 the first writer's, 1 that of the ones after it.
    pub number: usize,
    /// Longest wait.
    pub seconds: u32,
    /// File for its standard output.
    pub output: &'a Path,
}
