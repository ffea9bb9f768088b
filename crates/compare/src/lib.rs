//! Measures ways of getting messages from one process to another side by side: the flag-based
//! version, the semaphores, and what else one would use. Same work, same run, two processes each.
//!
//! It is a library only so that transports which need other people's engines can be measured by a
//! program of their own, `peers`, which nobody has to build.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod aims;
mod arguments;
mod bare;
mod board;
mod interrupt;
mod machine;
mod markdown;
mod methods;
mod names;
mod notes;
mod pair;
mod pass;
mod pattern;
mod peers;
mod plan;
mod plots;
mod progress;
mod ratios;
mod results;
mod schedule;
mod sections;
mod series;
mod session;
mod set_up;
mod side;
mod statistics;
mod subject;
mod summary;
mod table;
mod transports;
mod units;
mod work;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser as _;

use arguments::{Arguments, Task};

pub use names::path_of;
pub use plan::Measured;
pub use transports::{Consume, Job, Kind, Produce, Transport, when_there};
pub use work::Work;

/// Runs the program: a whole run, or one side of a pass.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.task {
        Some(Task::Side { plan }) => side::run(plan, |kind, work| {
            let slots = work.plan.task.slots();
            let Some(measured) = kind.run(slots, work) else {
                bail!("another program has this transport");
            };
            measured
        }),
        None => session::run(&arguments),
    };
    semring_cli::finish("compare", result)
}

/// Runs a program that has other transports: says which, or is one side of a pass with one of them.
#[must_use]
pub fn peers_main(
    kinds: &[Kind],
    run: impl FnOnce(Kind, Work<'_>) -> Result<Measured>,
) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["list"] => peers::write_list(kinds),
        ["side", plan] => side::run(plan, run),
        _ => Err(anyhow::anyhow!("run by `compare --peers`")),
    };
    semring_cli::finish("compare", result)
}
