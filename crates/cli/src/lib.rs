//! What the programs share: where the channel is, what the exit codes mean, the messages of the
//! demonstration, waiting with a word about it, and the report at the end.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod advice;
mod arguments;
pub mod demo;
mod exit;
mod report;
mod values;
mod wait;

pub use advice::{give_up, on_channel};
pub use arguments::ChannelArguments;
pub use exit::{Exit, exit_of, finish};
pub use report::{Report, say};
pub use values::{count, duration, key, mode, size};
pub use wait::{Patience, until_it_appears};
