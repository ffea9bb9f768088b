//! Measures ways of getting messages from one process to another side by side: the flag-based
//! version, asleep and spinning, and the semaphores. Same work, same run, two processes each.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod arguments;
mod bare;
mod board;
mod interrupt;
mod machine;
mod markdown;
mod names;
mod pair;
mod pass;
mod pattern;
mod plan;
mod plots;
mod progress;
mod ratios;
mod results;
mod schedule;
mod sections;
mod session;
mod side;
mod statistics;
mod subject;
mod table;
mod transports;
mod units;
mod work;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Task};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.task {
        Some(Task::Side { plan }) => side::run(plan),
        None => session::run(&arguments),
    };
    semring_cli::finish("compare", result)
}
