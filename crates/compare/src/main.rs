//! Measures ways of getting messages from one process to another side by side.

use std::process::ExitCode;

fn main() -> ExitCode {
    compare::main()
}
