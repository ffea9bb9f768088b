//! The two ends as [`io::Write`] and [`io::Read`]: a stream of bytes.

use std::io::{self, Read, Write};
use std::time::Duration;

use crate::channel::CloseOutcome;
use crate::error::{Fault, RecvError, SendError};
use crate::{Consumer, Deadline, Producer};

/// Says how long the waits of an adapter may last.
#[derive(Debug, Clone, Copy, Default)]
struct Limits {
    deadline: Deadline,
    timeout: Option<Duration>,
}

impl Limits {
    /// The deadline of a wait that may begin now.
    fn next(&self) -> Deadline {
        let timeout = self.timeout.map_or(Deadline::NEVER, Deadline::after);
        self.deadline.earlier(timeout)
    }
}

/// Writes a stream of bytes into a channel, best one of [`Framing::Raw`](crate::Framing::Raw).
///
/// Each `write` is one message of as many bytes as fit into a slot, copied straight into the shared
/// memory. Many small writes are many small messages: wrap it in [`io::BufWriter`], with a slot's
/// length as its capacity, and `flush` that.
///
/// Dropping it without [`close`](Self::close) tells the reader that this side died, as it does with
/// a [`Producer`]: the end of a stream is something to be said.
///
/// ```
/// use std::io::{BufWriter, IntoInnerError, Read as _, Write as _};
/// use semring::{Address, Channel, Framing};
///
/// let channel = Channel::new(Address::named("doc-stream")?).framing(Framing::Raw);
/// let mut reader = channel.consumer()?.into_reader();
/// let mut writer = BufWriter::new(channel.producer()?.into_writer());
/// for number in 1..=3 {
///     writeln!(writer, "line {number}")?;
/// }
/// writer.into_inner().map_err(IntoInnerError::into_error)?.close()?;
///
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "line 1\nline 2\nline 3\n");
/// reader.close()?;
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug)]
pub struct ByteWriter {
    producer: Producer,
    limits: Limits,
}

impl ByteWriter {
    /// Lets each wait for room last no longer than this; `None`, the default, sets no limit.
    pub const fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.limits.timeout = timeout;
    }

    /// Lets no wait for room last beyond `deadline`; [`Deadline::NEVER`], the default, sets no
    /// limit.
    pub const fn set_deadline(&mut self, deadline: Deadline) {
        self.limits.deadline = deadline;
    }

    /// Ends the stream in order and leaves: the reader gets what is left and then the end.
    /// Waits as [`Producer::close`] does.
    ///
    /// # Errors
    ///
    /// As of [`Producer::close`].
    pub fn close(self) -> Result<CloseOutcome, Fault> {
        self.producer.close()
    }

    /// Leaves in order before the end of the stream: the reader gets what is left and then an error.
    /// Waits as [`Producer::interrupt`] does.
    ///
    /// # Errors
    ///
    /// As of [`Producer::interrupt`].
    pub fn interrupt(self) -> Result<CloseOutcome, Fault> {
        self.producer.interrupt()
    }

    /// Returns the producer.
    #[must_use]
    pub const fn get_ref(&self) -> &Producer {
        &self.producer
    }

    /// Returns the producer, for instance to [drain](Producer::drain) the ring.
    pub const fn get_mut(&mut self) -> &mut Producer {
        &mut self.producer
    }

    /// Returns the producer. Nothing is lost: all that was written has been sent.
    #[must_use]
    pub fn into_inner(self) -> Producer {
        self.producer
    }
}

impl Producer {
    /// Writes a stream of bytes from now on.
    #[must_use]
    pub const fn into_writer(self) -> ByteWriter {
        let limits = Limits {
            deadline: Deadline::NEVER,
            timeout: None,
        };
        ByteWriter {
            producer: self,
            limits,
        }
    }
}

impl Write for ByteWriter {
    /// Sends the bytes as one message, or as many of them as a slot holds, waiting as long as the
    /// ring is full. Returns how many were sent.
    ///
    /// # Errors
    ///
    /// That of [`Producer::send`], inside an [`io::Error`]; nothing was written:
    ///
    /// | kind | cause |
    /// |---|---|
    /// | `TimedOut` | [`SendError::TimedOut`] |
    /// | `BrokenPipe` | [`SendError::Closed`] and [`SendError::PeerLost`]: the reader is gone |
    /// | `InvalidData` | [`Fault::Corrupt`] |
    /// | `Other` | [`SendError::Cancelled`], as `Interrupted` is tried again; other faults |
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let slot_bytes = self.producer.geometry().slot_bytes();
        let count = usize::try_from(slot_bytes).map_or(bytes.len(), |most| bytes.len().min(most));
        let (part, _) = bytes.split_at(count);
        if !part.is_empty() {
            self.producer.send_deadline(part, self.limits.next())?;
        }
        Ok(count)
    }

    /// Does nothing: what was written is in the reader's reach already. To wait until it has been
    /// read, use [`Producer::drain`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a stream of bytes from a channel, best one of [`Framing::Raw`](crate::Framing::Raw).
///
/// Bytes are copied from the message in hand, which is released when its last byte has been read:
/// nothing is acknowledged that was not handed over. So a reader that dies within a message leaves
/// all of it to its successor; [`offset`](Self::offset) says how much of it was handed over.
/// Wrapped in an [`io::BufReader`], all that is in its buffer counts as handed over.
///
/// `Ok(0)` is the end that the producer has given the stream by closing it. The end of a producer
/// that died is an error.
#[derive(Debug)]
pub struct ByteReader {
    consumer: Consumer,
    limits: Limits,
    /// Position of the message in hand.
    position: u64,
    /// Bytes of it that were read; 0 without one.
    offset: usize,
}

impl ByteReader {
    /// Lets each wait for bytes last no longer than this; `None`, the default, sets no limit.
    pub const fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.limits.timeout = timeout;
    }

    /// Lets no wait for bytes last beyond `deadline`; [`Deadline::NEVER`], the default, sets no
    /// limit.
    pub const fn set_deadline(&mut self, deadline: Deadline) {
        self.limits.deadline = deadline;
    }

    /// Returns how many bytes of the message in hand have been read, 0 between messages. Its
    /// position is that of [the consumer](Consumer::position).
    #[must_use]
    pub const fn offset(&self) -> usize {
        if self.position == self.consumer.position() {
            self.offset
        } else {
            0
        }
    }

    /// Leaves in order. What was not read stays for the next consumer, and so does all of a message
    /// that was read in part.
    /// Waits as [`Consumer::close`] does.
    ///
    /// # Errors
    ///
    /// As of [`Consumer::close`].
    pub fn close(self) -> Result<CloseOutcome, Fault> {
        self.consumer.close()
    }

    /// Returns the consumer.
    #[must_use]
    pub const fn get_ref(&self) -> &Consumer {
        &self.consumer
    }

    /// Returns the consumer. It receives a message that was read in part from its start; when it
    /// releases that, reading goes on with the next one.
    pub const fn get_mut(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    /// Returns the consumer. It receives a message that was read in part again, from its start:
    /// skip the first [`offset`](Self::offset) bytes of it to go on exactly.
    #[must_use]
    pub fn into_inner(self) -> Consumer {
        self.consumer
    }
}

impl Consumer {
    /// Reads a stream of bytes from now on.
    #[must_use]
    pub const fn into_reader(self) -> ByteReader {
        let limits = Limits {
            deadline: Deadline::NEVER,
            timeout: None,
        };
        let position = self.position();
        ByteReader {
            consumer: self,
            limits,
            position,
            offset: 0,
        }
    }
}

impl Read for ByteReader {
    /// Copies bytes of the next message that has any, waiting as long as the ring is empty. Returns
    /// how many; 0 only at the end of the stream, or for an empty buffer.
    ///
    /// # Errors
    ///
    /// That of [`Consumer::recv`], inside an [`io::Error`]; nothing was read:
    ///
    /// | kind | cause |
    /// |---|---|
    /// | `TimedOut` | [`RecvError::TimedOut`] |
    /// | `UnexpectedEof` | [`RecvError::PeerLost`], reported once, and [`RecvError::Interrupted`]: the stream was cut off |
    /// | `InvalidData` | [`Fault::Corrupt`] |
    /// | `Other` | [`RecvError::Cancelled`], as `Interrupted` is tried again; other faults |
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let deadline = self.limits.next();
        loop {
            let Some(message) = self.consumer.recv_deadline(deadline)? else {
                return Ok(0);
            };
            if message.position() != self.position {
                (self.position, self.offset) = (message.position(), 0);
            }
            let rest = message.get(self.offset..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            let (part, left) = rest.split_at(count);
            let (target, _) = buffer.split_at_mut(count);
            target.copy_from_slice(part);
            if left.is_empty() {
                // If the producer cannot be told, the next call meets the same fault.
                let _ = message.release();
            } else {
                message.put_back();
                self.offset += count;
            }
            if count > 0 {
                return Ok(count);
            }
        }
    }
}

impl From<SendError> for io::Error {
    /// Keeps the error inside an [`io::Error`] of the kind that [`ByteWriter`] documents;
    /// [`TooLong`](SendError::TooLong) is `InvalidInput`.
    fn from(error: SendError) -> Self {
        let kind = match &error {
            SendError::Closed | SendError::PeerLost => io::ErrorKind::BrokenPipe,
            SendError::TimedOut => io::ErrorKind::TimedOut,
            SendError::TooLong { .. } => io::ErrorKind::InvalidInput,
            SendError::Cancelled => io::ErrorKind::Other,
            SendError::Fault(fault) => kind_of_fault(fault),
        };
        Self::new(kind, error)
    }
}

impl From<RecvError> for io::Error {
    /// Keeps the error inside an [`io::Error`] of the kind that [`ByteReader`] documents.
    fn from(error: RecvError) -> Self {
        let kind = match &error {
            RecvError::PeerLost | RecvError::Interrupted => io::ErrorKind::UnexpectedEof,
            RecvError::TimedOut => io::ErrorKind::TimedOut,
            RecvError::Cancelled => io::ErrorKind::Other,
            RecvError::Fault(fault) => kind_of_fault(fault),
        };
        Self::new(kind, error)
    }
}

const fn kind_of_fault(fault: &Fault) -> io::ErrorKind {
    match fault {
        Fault::Corrupt(_) => io::ErrorKind::InvalidData,
        Fault::Removed | Fault::System(_) => io::ErrorKind::Other,
    }
}
