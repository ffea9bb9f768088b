//! The two ends for values that serde can serialize, in the format of postcard.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use postcard::ser_flavors::Size;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::channel::CloseOutcome;
use crate::error::{AttachError, DrainError, Fault, RecvError, SendError};
use crate::message_type::MessageType;
use crate::{Channel, Consumer, Deadline, Message, Producer};

impl Channel {
    /// Attaches as the producer of serialized values, as [`producer`](Self::producer) does.
    ///
    /// `type_name`, of 1 to 176 bytes, stands in the channel and is compared at each attach; a
    /// channel without a type, or of another one, is refused. It stands for the values' form: give
    /// it another number, say, whenever that changes.
    ///
    /// ```
    /// use semring::{Address, Channel};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, Debug, PartialEq)]
    /// struct Order {
    ///     item: String,
    ///     count: Option<u32>,
    /// }
    ///
    /// let channel = Channel::new(Address::named("doc-serde")?);
    /// let mut producer = channel.serde_producer::<Order>("order 1")?;
    /// let mut consumer = channel.serde_consumer::<Order>("order 1")?;
    /// let order = Order { item: "tea".to_owned(), count: Some(2) };
    /// producer.send(&order)?;
    /// producer.close()?;
    /// assert_eq!(consumer.recv()?, Some(order));
    /// assert_eq!(consumer.recv()?, None);
    /// consumer.close()?;
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AttachError`]; nothing was changed or removed.
    pub fn serde_producer<T: Serialize>(
        &self,
        type_name: &str,
    ) -> Result<SerdeProducer<T>, AttachError> {
        let producer = self
            .of_type(MessageType::serialized(type_name))
            .producer()?;
        Ok(SerdeProducer {
            producer,
            values: PhantomData,
        })
    }

    /// Attaches as the consumer of serialized values, with the checks of
    /// [`serde_producer`](Self::serde_producer).
    ///
    /// # Errors
    ///
    /// [`AttachError`]; nothing was changed or removed.
    pub fn serde_consumer<T: DeserializeOwned>(
        &self,
        type_name: &str,
    ) -> Result<SerdeConsumer<T>, AttachError> {
        let consumer = self
            .of_type(MessageType::serialized(type_name))
            .consumer()?;
        Ok(SerdeConsumer {
            consumer,
            copy: Vec::new(),
            values: PhantomData,
        })
    }
}

/// Says why a value was not serialized.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value cannot be serialized: {reason}")]
pub struct EncodeError {
    /// What serde or postcard said.
    pub reason: String,
}

impl From<postcard::Error> for EncodeError {
    fn from(error: postcard::Error) -> Self {
        let reason = error.to_string();
        Self { reason }
    }
}

/// Says why [`SerdeProducer::send`] failed; the value was not sent, unless it is a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SerdeSendError {
    /// The value's `Serialize` refused, or needs what the format does not have.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The message was not sent; [`SendError::TooLong`] has its size.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Says what stands in a message instead of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the message at position {position} is no such value: {reason}; use programs that mean the same \
     type, or skip it"
)]
pub struct DecodeError {
    /// Position of the message.
    pub position: u64,
    /// What serde or postcard said.
    pub reason: String,
}

/// Says why [`SerdeConsumer::recv`] returned no value though the stream has not ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SerdeRecvError {
    /// The message is not a value. It was put back: the next call meets it again, unless it is
    /// [skipped](SerdeConsumer::skip).
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// No message came.
    #[error(transparent)]
    Recv(#[from] RecvError),
}

/// Sends values that serde can serialize. Made by [`Channel::serde_producer`]; a [`Producer`] in
/// all else.
#[derive(Debug)]
pub struct SerdeProducer<T> {
    producer: Producer,
    values: PhantomData<fn(T)>,
}

impl<T: Serialize> SerdeProducer<T> {
    /// Sends a value, waiting as long as the ring is full. It is serialized twice: once for its
    /// size alone, then straight into the shared memory.
    ///
    /// # Errors
    ///
    /// [`SerdeSendError`], which says why the value was not sent.
    pub fn send(&mut self, value: &T) -> Result<(), SerdeSendError> {
        self.send_deadline(value, Deadline::NEVER)
    }

    /// Sends a value, waiting no longer than until `deadline` while the ring is full.
    ///
    /// # Errors
    ///
    /// As of [`send`](Self::send), and [`SendError::TimedOut`].
    pub fn send_deadline(&mut self, value: &T, deadline: Deadline) -> Result<(), SerdeSendError> {
        let size = postcard::serialize_with_flavor(value, Size::default());
        let bytes = size.map_err(EncodeError::from)?;
        let mut loan = self.producer.loan_deadline(bytes, deadline)?;
        let written = postcard::to_slice(value, &mut loan).map_err(EncodeError::from)?;
        let written = written.len();
        loan.truncate(written);
        Ok(loan.publish().map_err(SendError::from)?)
    }

    /// Waits until the consumer has released every value.
    ///
    /// # Errors
    ///
    /// As of [`Producer::drain`].
    pub fn drain(&mut self, deadline: Deadline) -> Result<(), DrainError> {
        self.producer.drain(deadline)
    }

    /// Ends the stream in order and leaves.
    /// Waits as [`Producer::close`] does.
    ///
    /// # Errors
    ///
    /// As of [`Producer::close`].
    pub fn close(self) -> Result<CloseOutcome, Fault> {
        self.producer.close()
    }

    /// Returns the producer, to be looked at.
    #[must_use]
    pub const fn get_ref(&self) -> &Producer {
        &self.producer
    }
}

/// Receives values that serde can deserialize. Made by [`Channel::serde_consumer`]; a [`Consumer`]
/// in all else.
pub struct SerdeConsumer<T> {
    consumer: Consumer,
    /// The message in hand. A value is decoded from here: what is checked in shared memory, a string for
    /// instance, may be another one when it is copied.
    copy: Vec<u8>,
    values: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> SerdeConsumer<T> {
    /// Receives the next value and releases it, waiting as long as the ring is empty. `None` is the
    /// end of the stream.
    ///
    /// Should this process die with the value, nobody gets it again;
    /// [`recv_message`](Self::recv_message) is for values that must not be lost.
    ///
    /// # Errors
    ///
    /// [`SerdeRecvError`], which says why there is no value though the stream has not ended.
    pub fn recv(&mut self) -> Result<Option<T>, SerdeRecvError> {
        self.recv_deadline(Deadline::NEVER)
    }

    /// Receives the next value and releases it, waiting no longer than until `deadline` while the
    /// ring is empty.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv), and [`RecvError::TimedOut`].
    pub fn recv_deadline(&mut self, deadline: Deadline) -> Result<Option<T>, SerdeRecvError> {
        let message = self.recv_message_deadline(deadline)?;
        Ok(message.map(SerdeMessage::into_value))
    }

    /// Receives the next value and keeps its message, waiting as long as the ring is empty. The
    /// message is released when the result is dropped, and comes again should this process die
    /// before.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv).
    pub fn recv_message(&mut self) -> Result<Option<SerdeMessage<'_, T>>, SerdeRecvError> {
        self.recv_message_deadline(Deadline::NEVER)
    }

    /// Receives the next value and keeps its message, waiting no longer than until `deadline` while
    /// the ring is empty.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv), and [`RecvError::TimedOut`].
    pub fn recv_message_deadline(
        &mut self,
        deadline: Deadline,
    ) -> Result<Option<SerdeMessage<'_, T>>, SerdeRecvError> {
        let Some(message) = self.consumer.recv_deadline(deadline)? else {
            return Ok(None);
        };
        self.copy.clear();
        self.copy.extend_from_slice(&message);
        match decode(&self.copy) {
            Ok(value) => Ok(Some(SerdeMessage { message, value })),
            Err(reason) => {
                let position = message.position();
                message.put_back();
                Err(DecodeError { position, reason }.into())
            }
        }
    }

    /// Releases the next message without looking at it, for instance one that is no value, waiting
    /// as long as the ring is empty. Returns its position, or `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// As of [`Consumer::recv`].
    pub fn skip(&mut self) -> Result<Option<u64>, RecvError> {
        let Some(message) = self.consumer.recv()? else {
            return Ok(None);
        };
        let position = message.position();
        // Should telling the producer fail, the next call meets the same fault.
        let _ = message.release();
        Ok(Some(position))
    }

    /// Goes on after the end of a stream, as [`Consumer::follow`] does.
    pub fn follow(&mut self) {
        self.consumer.follow();
    }

    /// Leaves in order. What was not received stays for the next consumer.
    /// Waits as [`Consumer::close`] does.
    ///
    /// # Errors
    ///
    /// As of [`Consumer::close`].
    pub fn close(self) -> Result<CloseOutcome, Fault> {
        self.consumer.close()
    }

    /// Returns the consumer, to be looked at.
    #[must_use]
    pub const fn get_ref(&self) -> &Consumer {
        &self.consumer
    }
}

impl<T> fmt::Debug for SerdeConsumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerdeConsumer")
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}

/// Makes the value of a message, all of it, or says why it cannot.
fn decode<T: DeserializeOwned>(message: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(message) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!(
            "{} of its {} bytes are left over",
            rest.len(),
            message.len()
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Holds one received value, and its message until it is dropped, which releases it.
pub struct SerdeMessage<'a, T> {
    message: Message<'a>,
    value: T,
}

impl<T> SerdeMessage<'_, T> {
    /// Returns the value, and releases the message.
    #[must_use]
    pub fn into_value(self) -> T {
        // Should telling the producer fail, the next call meets the same fault.
        let _ = self.message.release();
        self.value
    }

    /// Returns the position: how many values were sent before this one since the channel was made.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.message.position()
    }

    /// Tells whether an earlier consumer had this value in hand when it ended, and so may have
    /// dealt with it.
    #[must_use]
    pub fn is_redelivered(&self) -> bool {
        self.message.is_redelivered()
    }

    /// Releases the message, as dropping does, and says when that fails. Does not block.
    ///
    /// # Errors
    ///
    /// As of [`Message::release`].
    pub fn release(self) -> Result<(), Fault> {
        self.message.release()
    }

    /// Gives the message back unreleased: the next call receives it again, and so does a successor.
    pub fn put_back(self) {
        self.message.put_back();
    }
}

impl<T> Deref for SerdeMessage<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for SerdeMessage<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerdeMessage")
            .field("message", &self.message)
            .field("value", &self.value)
            .finish()
    }
}
