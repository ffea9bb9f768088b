//! The two ends for values of one plain-data type, sent as they stand in memory.

mod loan;
mod message;

use std::marker::PhantomData;
use std::time::Duration;

use bytemuck::{AnyBitPattern, NoUninit};

use crate::channel::CloseOutcome;
use crate::error::{
    AttachError, Corrupt, DrainError, Fault, RecvError, SendError, TryRecvError, TrySendError,
};
use crate::layout::INLINE_BYTES;
use crate::message_type::MessageType;
use crate::{Channel, Consumer, Deadline, Producer};

pub use loan::TypedLoan;
pub use message::TypedMessage;

/// Names a type whose values may be sent as they stand in memory: any bytes are a value, and none
/// of its bytes is uninitialised, as the traits of [`bytemuck`] say, which it can derive.
///
/// Implemented for the primitive integers and floating-point numbers.
///
/// ```
/// #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
/// #[repr(C)]
/// struct Tick {
///     time_ns: u64,
///     price: f64,
/// }
///
/// impl semring::PlainData for Tick {
///     const NAME: &'static str = "exchange tick 1";
/// }
/// ```
pub trait PlainData: NoUninit + AnyBitPattern {
    /// The name that stands in the channel, 1 to 176 bytes: the same in both programs, which
    /// [`std::any::type_name`] is not. Size and alignment are compared too, the fields are not:
    /// give the type another name when their meaning changes.
    const NAME: &'static str;
}

macro_rules! plain_data {
    ($($number:ident)+) => {
        $(impl PlainData for $number {
            const NAME: &'static str = stringify!($number);
        })+
    };
}
plain_data!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);

/// What a message in its descriptor is aligned to: it stands 8 bytes after a multiple of 64.
const INLINE_ALIGN: usize = 8;
/// What a message in a slot is aligned to.
const SLOT_ALIGN: usize = 64;

/// Fails the build where a value of `T` may not stand where its message does.
const fn assert_aligned_in_place<T>() {
    let place = if size_of::<T>() <= INLINE_BYTES {
        INLINE_ALIGN
    } else {
        SLOT_ALIGN
    };
    assert!(
        align_of::<T>() <= place,
        "the type's alignment exceeds that of a message: 8 up to 56 bytes, 64 beyond; use values"
    );
}

impl Channel {
    /// Attaches as the producer of values of type `T`, as [`producer`](Self::producer) does. The
    /// type's name, size and alignment stand in the channel and are compared at each attach; a
    /// channel without a type, or of another one, is refused. Slots are as long as the type unless
    /// others are asked for.
    ///
    /// ```
    /// use semring::{Address, Channel};
    ///
    /// let channel = Channel::new(Address::named("doc-typed")?);
    /// let mut producer = channel.typed_producer::<u64>()?;
    /// let mut consumer = channel.typed_consumer::<u64>()?;
    /// producer.send(&42)?;
    /// producer.close()?;
    /// assert_eq!(consumer.recv()?, Some(42));
    /// assert_eq!(consumer.recv()?, None);
    /// consumer.close()?;
    ///
    /// let mut producer = channel.typed_producer::<u64>()?;
    /// let error = channel.typed_consumer::<i64>().unwrap_err();
    /// assert!(error.to_string().contains(
    ///     r#"of type "u64" (8 bytes, aligned to 8), you asked for "i64" (8 bytes, aligned to 8)"#
    /// ));
    /// # producer.close()?;
    /// # let mut consumer = channel.typed_consumer::<u64>()?;
    /// # assert_eq!(consumer.recv()?, None);
    /// # consumer.close()?;
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AttachError`]; nothing was changed or removed.
    pub fn typed_producer<T: PlainData>(&self) -> Result<TypedProducer<T>, AttachError> {
        let producer = self.of_type(MessageType::plain::<T>(T::NAME)).producer()?;
        Ok(TypedProducer {
            producer,
            values: PhantomData,
        })
    }

    /// Attaches as the consumer of values of type `T`, with the checks of
    /// [`typed_producer`](Self::typed_producer).
    ///
    /// # Errors
    ///
    /// [`AttachError`]; nothing was changed or removed.
    pub fn typed_consumer<T: PlainData>(&self) -> Result<TypedConsumer<T>, AttachError> {
        let consumer = self.of_type(MessageType::plain::<T>(T::NAME)).consumer()?;
        Ok(TypedConsumer {
            consumer,
            values: PhantomData,
        })
    }
}

/// Sends values of one plain-data type. Made by [`Channel::typed_producer`]; a [`Producer`] in all
/// else.
#[derive(Debug)]
pub struct TypedProducer<T> {
    producer: Producer,
    values: PhantomData<fn(T)>,
}

impl<T: PlainData> TypedProducer<T> {
    /// Sends a value, waiting as long as the ring is full.
    ///
    /// # Errors
    ///
    /// As of [`Producer::send`].
    pub fn send(&mut self, value: &T) -> Result<(), SendError> {
        self.producer.send(bytemuck::bytes_of(value))
    }

    /// Sends a value, waiting no longer than until `deadline` while the ring is full.
    ///
    /// # Errors
    ///
    /// As of [`Producer::send_deadline`].
    pub fn send_deadline(&mut self, value: &T, deadline: Deadline) -> Result<(), SendError> {
        self.producer
            .send_deadline(bytemuck::bytes_of(value), deadline)
    }

    /// Sends a value if the ring has room for it now.
    ///
    /// # Errors
    ///
    /// As of [`Producer::try_send`].
    pub fn try_send(&mut self, value: &T) -> Result<(), TrySendError> {
        self.producer.try_send(bytemuck::bytes_of(value))
    }

    /// Sends values in one exchange: as many of them, from the first on, as there is room for at
    /// once, at least one, waiting as long as the ring is full. Returns how many were sent.
    ///
    /// # Errors
    ///
    /// As of [`Producer::send_batch`].
    pub fn send_batch(&mut self, values: &[T]) -> Result<usize, SendError> {
        self.send_batch_deadline(values, Deadline::NEVER)
    }

    /// Sends values in one exchange, waiting no longer than until `deadline` while the ring is
    /// full.
    ///
    /// # Errors
    ///
    /// As of [`Producer::send_batch_deadline`].
    pub fn send_batch_deadline(
        &mut self,
        values: &[T],
        deadline: Deadline,
    ) -> Result<usize, SendError> {
        let messages = values.iter().map(bytemuck::bytes_of);
        self.producer.send_each(messages, deadline)
    }

    /// Lends room for a value, to be filled in place, waiting as long as the ring is full. It
    /// starts as whatever was there before, which is some value of the type.
    ///
    /// # Errors
    ///
    /// As of [`Producer::loan`].
    pub fn loan(&mut self) -> Result<TypedLoan<'_, T>, SendError> {
        self.loan_deadline(Deadline::NEVER)
    }

    /// Lends room for a value, waiting no longer than until `deadline` while the ring is full.
    ///
    /// # Errors
    ///
    /// As of [`Producer::loan_deadline`].
    pub fn loan_deadline(&mut self, deadline: Deadline) -> Result<TypedLoan<'_, T>, SendError> {
        const { assert_aligned_in_place::<T>() };
        Ok(TypedLoan {
            loan: self.producer.loan_deadline(size_of::<T>(), deadline)?,
            value: PhantomData,
        })
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

/// Receives values of one plain-data type. Made by [`Channel::typed_consumer`]; a [`Consumer`] in
/// all else.
#[derive(Debug)]
pub struct TypedConsumer<T> {
    consumer: Consumer,
    values: PhantomData<fn() -> T>,
}

impl<T: PlainData> TypedConsumer<T> {
    /// Receives the next value and releases it, waiting as long as the ring is empty. `None` is the
    /// end of the stream.
    ///
    /// Should this process die with the value, nobody gets it again;
    /// [`recv_message`](Self::recv_message) is for values that must not be lost.
    ///
    /// # Errors
    ///
    /// As of [`Consumer::recv`]; a message that is not as long as the type is
    /// [`Corrupt`], and stays.
    pub fn recv(&mut self) -> Result<Option<T>, RecvError> {
        self.recv_deadline(Deadline::NEVER)
    }

    /// Receives the next value and releases it, waiting no longer than until `deadline` while the
    /// ring is empty.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv), and [`RecvError::TimedOut`].
    pub fn recv_deadline(&mut self, deadline: Deadline) -> Result<Option<T>, RecvError> {
        let Some(message) = self.recv_message_deadline(deadline)? else {
            return Ok(None);
        };
        let value = message.get();
        // Should telling the producer fail, the next call meets the same fault.
        let _ = message.release();
        Ok(Some(value))
    }

    /// Receives the next value if there is one now.
    ///
    /// # Errors
    ///
    /// As of [`Consumer::try_recv`], and as of [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Option<T>, TryRecvError> {
        Ok(self.recv_deadline(Deadline::after(Duration::ZERO))?)
    }

    /// Receives the next value in place, waiting as long as the ring is empty. It is released when
    /// the result is dropped, and comes again should this process die before.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv).
    pub fn recv_message(&mut self) -> Result<Option<TypedMessage<'_, T>>, RecvError> {
        self.recv_message_deadline(Deadline::NEVER)
    }

    /// Receives the next value in place, waiting no longer than until `deadline` while the ring is
    /// empty.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv), and [`RecvError::TimedOut`].
    pub fn recv_message_deadline(
        &mut self,
        deadline: Deadline,
    ) -> Result<Option<TypedMessage<'_, T>>, RecvError> {
        let Some(message) = self.consumer.recv_deadline(deadline)? else {
            return Ok(None);
        };
        if let Err(corrupt) = check_length::<T>(&message) {
            message.put_back();
            return Err(Fault::from(corrupt).into());
        }
        Ok(Some(TypedMessage {
            message,
            value: PhantomData,
        }))
    }

    /// Receives values in one exchange and releases them: those that are there at once and fit into
    /// `values`, at least one, waiting as long as the ring is empty. Returns how many; 0 is the end
    /// of the stream, unless `values` is empty.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv); none of the values was released.
    pub fn recv_batch(&mut self, values: &mut [T]) -> Result<usize, RecvError> {
        self.recv_batch_deadline(values, Deadline::NEVER)
    }

    /// Receives values in one exchange, waiting no longer than until `deadline` while the ring is
    /// empty.
    ///
    /// # Errors
    ///
    /// As of [`recv_batch`](Self::recv_batch), and [`RecvError::TimedOut`].
    pub fn recv_batch_deadline(
        &mut self,
        values: &mut [T],
        deadline: Deadline,
    ) -> Result<usize, RecvError> {
        let limit = u32::try_from(values.len()).unwrap_or(u32::MAX);
        if limit == 0 {
            return Ok(0);
        }
        let Some(batch) = self.consumer.recv_batch_deadline(limit, deadline)? else {
            return Ok(0);
        };
        let checked = batch.iter().try_for_each(check_length::<T>);
        if let Err(corrupt) = checked {
            batch.put_back();
            return Err(Fault::from(corrupt).into());
        }
        for (value, message) in values.iter_mut().zip(batch.iter()) {
            *value = bytemuck::pod_read_unaligned(message);
        }
        let received = batch.len();
        // As in `recv_deadline`.
        let _ = batch.release();
        Ok(received)
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

/// Checks that a message is as long as the type.
fn check_length<T>(message: &[u8]) -> Result<(), Corrupt> {
    if message.len() == size_of::<T>() {
        return Ok(());
    }
    let expected = format!("{}, the size of the type", size_of::<T>());
    Err(Corrupt::new(
        "descriptor's length",
        message.len() as u64,
        expected,
    ))
}
