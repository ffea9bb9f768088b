//! What is compared: one file for each kind of transport, and the list of them.
//!
//! Another transport is another file here, a variant of [`Kind`], and an arm in each of its methods.

mod flag;
mod semaphores;

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use flag::Flag;
use semaphores::Semaphores;
use semring_flag::Strategy;

/// A way of getting messages from one process to another.
pub trait Transport: Copy {
    type Producer: Produce;
    type Consumer: Consume;

    /// Attaches to the channel of this name as its producer, creating it if need be. Does not wait
    /// for the consumer.
    fn producer(self, channel: &str, message_bytes: usize) -> Result<Self::Producer>;

    /// Attaches to the channel of this name as its consumer; may wait until the producer has made it.
    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Self::Consumer>;
}

/// The end that sends.
pub trait Produce {
    /// Sends one message of the agreed length, all of which `fill` writes.
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()>;

    /// Leaves in order. Does not wait for the consumer to leave.
    fn close(self) -> Result<()>;
}

/// The end that receives.
pub trait Consume {
    /// Waits for the next message and shows it to `look`.
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R>;

    /// Leaves in order; may wait for the producer to do so.
    fn close(self) -> Result<()>;
}

/// What is to be done with a transport, whichever it is: compiled for each of them, so that the calls
/// which are measured are direct ones.
pub trait Job {
    type Output;

    fn run<T: Transport>(self, transport: T) -> Self::Output;
}

/// Names every transport, in the order of the table.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A flag that both sides look at every 100 ms, as the original does
    FlagSleep,
    /// A flag that both sides look at all the time
    FlagSpin,
    /// Paired semaphores and one slot: a single exchange, as with the flag
    SemaphoresSingle,
    /// Paired semaphores and 64 slots, one message at a time
    Semaphores,
}

impl Kind {
    pub const ALL: [Self; 4] = [
        Self::FlagSleep,
        Self::FlagSpin,
        Self::SemaphoresSingle,
        Self::Semaphores,
    ];

    /// Returns its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::FlagSleep => "flag, sleeping",
            Self::FlagSpin => "flag, spinning",
            Self::SemaphoresSingle => "semaphores, 1 slot",
            Self::Semaphores => "semaphores, 64 slots",
        }
    }

    /// Returns how many messages it takes until all of its memory has been used once.
    pub const fn slots(self) -> u32 {
        match self {
            Self::FlagSleep | Self::FlagSpin | Self::SemaphoresSingle => 1,
            Self::Semaphores => 64,
        }
    }

    /// Does a job with the transport.
    pub fn run<J: Job>(self, job: J) -> J::Output {
        match self {
            Self::FlagSleep => job.run(Flag::new(Strategy::Sleep)),
            Self::FlagSpin => job.run(Flag::new(Strategy::Spin)),
            Self::SemaphoresSingle | Self::Semaphores => job.run(Semaphores::new(self.slots())),
        }
    }
}

impl fmt::Display for Kind {
    /// Writes the name as on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FlagSleep => "flag-sleep",
            Self::FlagSpin => "flag-spin",
            Self::SemaphoresSingle => "semaphores-single",
            Self::Semaphores => "semaphores",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_the_same_everywhere() {
        assert_eq!(Kind::ALL, Kind::value_variants());
        for kind in Kind::ALL {
            let name = kind.to_string();
            assert_eq!(<Kind as ValueEnum>::from_str(&name, false), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{name}\""));
        }
    }
}
