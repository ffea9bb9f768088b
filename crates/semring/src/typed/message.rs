//! One received value.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use super::{PlainData, assert_aligned_in_place};
use crate::Message;
use crate::error::Fault;

/// Holds one received value in place. Dropping it releases it, but for a thread that panics: then it comes
/// again, as of [`Message`].
///
/// It can be used without being copied when a message is aligned as the type must be, which the
/// build checks: to 8 up to 56 bytes, to 64 beyond.
///
/// ```compile_fail,E0080
/// # use semring::{Address, Channel};
/// # let channel = Channel::new(Address::named("doc-aligned")?);
/// # let mut consumer = channel.typed_consumer::<u128>()?;
/// let message = consumer.recv_message()?.expect("a value");
/// println!("{}", *message); // an u128 is aligned to 16
/// # Ok::<(), anyhow::Error>(())
/// ```
///
/// ```
/// # use semring::{Address, Channel};
/// # let channel = Channel::new(Address::named("doc-aligned-copy")?);
/// # let mut producer = channel.typed_producer::<u128>()?;
/// # let mut consumer = channel.typed_consumer::<u128>()?;
/// # producer.send(&7)?;
/// let message = consumer.recv_message()?.expect("a value");
/// println!("{}", message.get()); // but it can be copied
/// # drop(message);
/// # producer.close()?;
/// # assert_eq!(consumer.recv()?, None);
/// # consumer.close()?;
/// # Ok::<(), anyhow::Error>(())
/// ```
pub struct TypedMessage<'a, T> {
    /// As long as the type.
    pub(super) message: Message<'a>,
    pub(super) value: PhantomData<T>,
}

impl<T: PlainData> TypedMessage<'_, T> {
    /// Returns a copy of the value.
    #[must_use]
    pub fn get(&self) -> T {
        bytemuck::pod_read_unaligned(&self.message)
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

    /// Releases the value, as dropping does, and says when that fails. Does not block.
    ///
    /// # Errors
    ///
    /// As of [`Message::release`].
    pub fn release(self) -> Result<(), Fault> {
        self.message.release()
    }

    /// Gives the value back unreleased: the next call receives it again, and so does a successor.
    pub fn put_back(self) {
        self.message.put_back();
    }
}

impl<T: PlainData> Deref for TypedMessage<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        const { assert_aligned_in_place::<T>() };
        bytemuck::from_bytes(&self.message)
    }
}

impl<T> fmt::Debug for TypedMessage<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedMessage").field(&self.message).finish()
    }
}
