//! Where in the input one message ends and the next begins: lines, or frames with their length before
//! them.

use std::ops::Range;

use anyhow::Result;
use memchr::memchr;
use semring::Framing;
use semring_cli::Signals;

use crate::input::Input;

/// Bytes that are read at once, at least.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes of the length before a frame.
const LENGTH_BYTES: usize = 4;

/// Says why the input cannot be cut into messages.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// A line does not fit into a slot.
    #[error(
        "line {number} has {bytes} bytes with its newline, a slot only {limit}; create the channel \
         with `--slot-size {bytes}` or more"
    )]
    Line { number: u64, bytes: u64, limit: u64 },
    /// A frame does not fit into a slot.
    #[error(
        "frame {number} has {bytes} bytes, a slot only {limit}; create the channel with \
         `--slot-size {bytes}` or more"
    )]
    Frame { number: u64, bytes: u64, limit: u64 },
    /// The input ends within a frame.
    #[error(
        "frame {number} is cut short: {found} bytes of {expected}, its length included; the input is \
         incomplete, or not in frames of `--framing length`"
    )]
    Cut {
        number: u64,
        found: usize,
        expected: u64,
    },
}

/// Cuts an input into messages.
pub struct Messages {
    framing: Framing,
    /// Bytes in a slot.
    limit: u64,
    buffer: Vec<u8>,
    /// What of the buffer is yet to be cut.
    filled: Range<usize>,
    /// Number of the next message, from 1 on.
    number: u64,
    at_end: bool,
}

/// Says what stands at the start of the bytes that are yet to be cut.
enum Next {
    /// A message, and how many bytes it takes with its length.
    Message { message: Range<usize>, taken: usize },
    /// Not all of a message, which takes so many bytes, as far as is known.
    Part { needed: usize },
}

impl Messages {
    pub fn new(framing: Framing, limit: u64) -> Self {
        Self {
            framing,
            limit,
            buffer: vec![0; CHUNK_BYTES],
            filled: 0..0,
            number: 1,
            at_end: false,
        }
    }

    /// Cuts up to `most` messages from what has been read, reading more only if there is not one of
    /// them. None at the end of the input.
    pub fn next(
        &mut self,
        input: &mut Input,
        signals: &Signals,
        most: usize,
    ) -> Result<Vec<Range<usize>>> {
        let mut messages = Vec::new();
        while messages.len() < most {
            match self.look() {
                Ok(Some(Next::Message { message, taken })) => {
                    messages.push(message);
                    self.filled.start += taken;
                    self.number += 1;
                }
                // What was cut goes first; the next call comes to the same.
                Ok(Some(Next::Part { .. })) | Err(_) if !messages.is_empty() => break,
                Ok(Some(Next::Part { needed })) => self.fill(input, signals, needed)?,
                Ok(None) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(messages)
    }

    /// Gives the bytes of a message that was cut; good until more is read.
    pub fn bytes(&self, message: &Range<usize>) -> &[u8] {
        self.buffer.get(message.clone()).unwrap_or_default()
    }

    /// Looks at what comes next; `None` is the end of the input.
    fn look(&self) -> Result<Option<Next>, CutError> {
        let rest = self.buffer.get(self.filled.clone()).unwrap_or_default();
        if rest.is_empty() && self.at_end {
            return Ok(None);
        }
        match self.framing {
            Framing::Lines => self.look_for_line(rest),
            _ => self.look_for_frame(rest),
        }
        .map(Some)
    }

    fn look_for_line(&self, rest: &[u8]) -> Result<Next, CutError> {
        let bytes = match memchr(b'\n', rest) {
            Some(newline) => newline + 1,
            None if self.at_end => rest.len(),
            // To tell the length of one that is too long, all of it is read, but no more is kept.
            None => {
                return Ok(Next::Part {
                    needed: rest.len() + 1,
                });
            }
        };
        self.check_fits(bytes as u64)?;
        let start = self.filled.start;
        Ok(Next::Message {
            message: start..start + bytes,
            taken: bytes,
        })
    }

    fn look_for_frame(&self, rest: &[u8]) -> Result<Next, CutError> {
        let Some((length, payload)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
            return self.part_of_frame(rest, LENGTH_BYTES);
        };
        let length = u32::from_be_bytes(*length);
        self.check_fits(length.into())?;
        // A slot has at most 4 GiB - 4096 bytes.
        let (bytes, start) = (length as usize, self.filled.start + LENGTH_BYTES);
        if payload.len() < bytes {
            return self.part_of_frame(rest, LENGTH_BYTES + bytes);
        }
        Ok(Next::Message {
            message: start..start + bytes,
            taken: LENGTH_BYTES + bytes,
        })
    }

    fn part_of_frame(&self, rest: &[u8], needed: usize) -> Result<Next, CutError> {
        if self.at_end {
            let (number, found) = (self.number, rest.len());
            let expected = needed as u64;
            return Err(CutError::Cut {
                number,
                found,
                expected,
            });
        }
        Ok(Next::Part { needed })
    }

    fn check_fits(&self, bytes: u64) -> Result<(), CutError> {
        let (number, limit) = (self.number, self.limit);
        match self.framing {
            _ if bytes <= limit => Ok(()),
            Framing::Lines => Err(CutError::Line {
                number,
                bytes,
                limit,
            }),
            _ => Err(CutError::Frame {
                number,
                bytes,
                limit,
            }),
        }
    }

    /// Reads more, making room for a message that takes `needed` bytes.
    fn fill(&mut self, input: &mut Input, signals: &Signals, needed: usize) -> Result<()> {
        if self.filled.len() as u64 > self.limit && self.framing == Framing::Lines {
            return self.measure_line(input, signals);
        }
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        if self.buffer.len() < needed {
            // Doubled, so that a long line is not moved again for each piece of it.
            let most = usize::try_from(self.limit).unwrap_or(usize::MAX);
            let most = most.saturating_add(LENGTH_BYTES + 1);
            let length = needed.max(self.buffer.len().saturating_mul(2).min(most));
            self.buffer.resize(length, 0);
        }
        let room = self.buffer.get_mut(self.filled.end..).unwrap_or_default();
        let bytes = input.read(room, signals)?;
        self.filled.end += bytes;
        self.at_end = bytes == 0;
        Ok(())
    }

    /// Reads on to the end of a line that is too long, to say how long it is.
    fn measure_line(&mut self, input: &mut Input, signals: &Signals) -> Result<()> {
        let mut bytes = self.filled.len() as u64;
        loop {
            let read = input.read(&mut self.buffer, signals)?;
            let chunk = self.buffer.get(..read).unwrap_or_default();
            let newline = memchr(b'\n', chunk);
            bytes += newline.map_or(read, |newline| newline + 1) as u64;
            if read == 0 || newline.is_some() {
                return Ok(self.check_fits(bytes)?);
            }
        }
    }
}
