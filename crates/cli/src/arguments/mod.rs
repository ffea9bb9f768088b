//! What the programs can be told. Their definitions stand here and not in the programs, so that
//! completions and manual pages are made of the same (`semring generate`).

mod channel;
mod reader;
mod speech;
mod writer;

pub use channel::{ChannelArguments, named};
pub use reader::{ReaderArguments, ReaderTask, Start};
pub use speech::SpeechArguments;
pub use writer::{WriterArguments, WriterTask};

use clap::ValueEnum;
use semring::Framing;

/// Says what of a stream of bytes is a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FramingArgument {
    /// Bytes, cut where it suits
    Raw,
    /// A line, with its newline
    Lines,
    /// What a length of four bytes, big-endian, precedes
    Length,
}

impl From<FramingArgument> for Framing {
    fn from(argument: FramingArgument) -> Self {
        match argument {
            FramingArgument::Raw => Self::Raw,
            FramingArgument::Lines => Self::Lines,
            FramingArgument::Length => Self::Length,
        }
    }
}

/// Messages in one exchange unless told otherwise: lines and frames are small, and many are there at
/// once; a quarter of the ring, so that neither side has to wait for all of the other's. With chunks of a
/// whole slot there is nothing to gain.
pub(crate) fn default_batch(framing: Framing, slot_count: u32) -> u32 {
    match framing {
        Framing::Lines | Framing::Length => (slot_count / 4).clamp(1, 256),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_quarter_of_the_ring() {
        let slots = [1, 2, 8, 64, 1024, 16384];
        let batches = slots.map(|slots| default_batch(Framing::Lines, slots));
        assert_eq!(batches, [1, 1, 2, 16, 256, 256]);
        assert_eq!(default_batch(Framing::Raw, 1024), 1);
    }
}
